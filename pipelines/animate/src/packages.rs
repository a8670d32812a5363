// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which package brings what, on this distribution; the table is that of the Python package.

/// Rows of tabs: a thing, and the package that brings it on Debian, Fedora and Arch.
const TABLE: &str = include_str!("../../../python/gst_portrait/packages.tsv");

/// Distributions, the column of each, and how its packages are installed.
const DISTRIBUTIONS: [(&str, usize, &str); 3] =
    [("debian", 1, "sudo apt-get install"), ("fedora", 2, "sudo dnf install"), ("arch", 3, "sudo pacman -S")];

/// What to do to have a thing; `None` where the table does not know it.
pub fn remedy(thing: &str) -> Option<String> {
    remedy_on(thing, &std::fs::read_to_string("/etc/os-release").unwrap_or_default())
}

fn remedy_on(thing: &str, os_release: &str) -> Option<String> {
    let row = TABLE.lines().map(|line| line.split('\t').collect::<Vec<_>>()).find(|row| row[0] == thing)?;
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|text| text.trim_matches('"').to_owned()).unwrap_or_default()
    };
    let words = format!("{} {}", value("ID"), value("ID_LIKE"));
    let of = |word: &str| DISTRIBUTIONS.iter().find(|(name, ..)| *name == word);
    Some(match words.split_whitespace().find_map(of) {
        Some((_, column, install)) => {
            let package = row.get(*column)?;
            format!("install {package} (`{install} {package}`)")
        }
        None => format!("install what Debian has as {}", row.get(1)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_have_the_distributions_names() {
        let on = |os_release: &str| remedy_on("x264enc", os_release).unwrap();
        let debian = "install gstreamer1.0-plugins-ugly (`sudo apt-get install gstreamer1.0-plugins-ugly`)";
        assert_eq!(on("NAME=Debian\nID=debian\n"), debian);
        assert_eq!(on("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), debian);
        assert_eq!(
            on("ID=fedora\n"),
            "install gstreamer1-plugins-ugly (`sudo dnf install gstreamer1-plugins-ugly`)"
        );
        assert_eq!(on("ID=\"arch\"\n"), "install gst-plugins-ugly (`sudo pacman -S gst-plugins-ugly`)");
        assert_eq!(on(""), "install what Debian has as gstreamer1.0-plugins-ugly");
        assert_eq!(remedy_on("talkinghead", "ID=debian\n"), None);
    }

    #[test]
    fn every_row_of_the_table_is_whole() {
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            assert_eq!(line.split('\t').count(), 4, "{line}");
        }
    }
}
