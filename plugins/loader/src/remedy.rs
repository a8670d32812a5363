// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is missing, and how to get it.

use std::path::Path;
use std::sync::OnceLock;

/// Why the elements cannot be had; the same for all of them.
static LINE: OnceLock<String> = OnceLock::new();

/// Keeps the line; the first one counts.
pub fn set(line: String) {
    let _ = LINE.set(line);
}

/// The line that was kept.
pub fn get() -> &'static str {
    LINE.get().map_or("", String::as_str)
}

/// One line for what the dynamic linker said of the library beside the plugin's file.
pub fn line(plugin: &Path, error: &str) -> String {
    let error = error.split_whitespace().collect::<Vec<_>>().join(" ");
    let what = if let Some(missing) = missing_library(&error) {
        format!("{} is missing", told(missing))
    } else if error.contains("GLIBC") {
        format!("the system's C library is too old ({error})")
    } else {
        format!("libtorch or the elements' library cannot be loaded ({error})")
    };
    format!("{what}: {}", remedy(plugin, &error))
}

/// `libx.so.1: cannot open shared object file: No such file or directory`, or a path and `No such file …`.
fn missing_library(error: &str) -> Option<&str> {
    let is_missing = error.contains("cannot open shared object file") || error.contains("No such file");
    is_missing.then(|| error.split(':').next().unwrap_or(error))
}

fn told(library: &str) -> String {
    let name = library.rsplit('/').next().unwrap_or(library);
    if name.starts_with("libtorch") || name.starts_with("libc10") {
        format!("libtorch 2.11 ({name})")
    } else {
        name.to_owned()
    }
}

/// Debian's and Ubuntu's packages of libraries that do not come with the plugin.
const SYSTEM: [(&str, &str); 4] = [
    ("libgstaudio-1.0.so.0", "libgstreamer-plugins-base1.0-0"),
    ("libgstvideo-1.0.so.0", "libgstreamer-plugins-base1.0-0"),
    ("libstdc++.so.6", "libstdc++6"),
    ("libgcc_s.so.1", "libgcc-s1"),
];

/// What to type, by where the plugin lies.
fn remedy(plugin: &Path, error: &str) -> String {
    if let Some((_, package)) = SYSTEM.iter().find(|(library, _)| error.contains(library)) {
        return format!("install {package} (`sudo apt-get install {package}`)");
    }
    let path = plugin.display().to_string();
    if path.contains("gst_portrait/") {
        "install the Python package again (`pip install --force-reinstall gst-portrait`)".to_owned()
    } else if path.starts_with("/usr/lib/") {
        "install the package gst-portrait again (`sudo apt-get install --reinstall ./gst-portrait_VERSION_amd64.deb`)".to_owned()
    } else if path.starts_with("/app/") || path.starts_with("/usr/share/runtime/") {
        "install the Flatpak extension org.freedesktop.Platform.GStreamer.portrait again".to_owned()
    } else {
        "unpack gst-portrait's archive again and run its install.sh".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_what_brings_it() {
        let deb = Path::new("/usr/lib/x86_64-linux-gnu/gstreamer-1.0/libgstportrait.so");
        let missing =
            |library: &str| format!("{library}: cannot open shared object file: No such file or directory");
        let said = line(deb, &missing("libtorch_cpu.so"));
        assert!(said.starts_with("libtorch 2.11 (libtorch_cpu.so) is missing: "), "{said}");
        assert!(said.contains("apt-get install --reinstall"), "{said}");
        let said = line(deb, &missing("libgstvideo-1.0.so.0"));
        assert!(said.contains("`sudo apt-get install libgstreamer-plugins-base1.0-0`"), "{said}");
        let wheel =
            Path::new("/v/lib/python3.11/site-packages/gst_portrait/lib/gstreamer-1.0/libgstportrait.so");
        let said = line(wheel, "/v/x/libgstportrait-core.so: No such file or directory (os error 2)");
        assert!(said.starts_with("libgstportrait-core.so is missing: "), "{said}");
        assert!(said.contains("pip install --force-reinstall"), "{said}");
        let own = Path::new("/home/a/.local/lib/gstreamer-1.0/libgstportrait.so");
        let said = line(own, "/lib/libc.so.6: version `GLIBC_2.34' not found");
        assert!(said.starts_with("the system's C library is too old"), "{said}");
        assert!(said.ends_with("install.sh"), "{said}");
        assert!(line(own, "file too short").contains("cannot be loaded (file too short)"));
    }
}
