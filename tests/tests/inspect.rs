//! What gst-inspect-1.0 says of the plugin, held against golden copies.
//!
//! `UPDATE_GOLDEN=1 cargo test -p portrait-tests --test inspect` writes them anew.

use portrait_tests::{process, root};

const ELEMENTS: [&str; 7] = [
    "audiofeatures",
    "speech2landmarks",
    "landmarks2latents",
    "facesynth",
    "facelandmarks",
    "landmarkoverlay",
    "talkinghead",
];

/// Lines that differ from build to build.
const VARIABLE: [&str; 3] = ["Filename", "Version", "Source release date"];

fn inspect(name: &str) -> String {
    let output = process::run(process::command("gst-inspect-1.0").args(["--no-colors", name]));
    String::from_utf8(output.stdout).unwrap()
}

fn normalised(text: &str) -> String {
    text.lines()
        .map(|line| {
            let word = line.trim_start();
            match VARIABLE.iter().find(|v| word.starts_with(**v)) {
                Some(_) if line.starts_with("  ") => {
                    let keep = line.len() - word.len() + word.find("  ").unwrap_or(0);
                    format!("{}  …\n", &line[..keep])
                }
                _ => format!("{}\n", line.trim_end()),
            }
        })
        .collect()
}

#[test]
fn plugin_and_elements_are_described_as_in_the_golden_copies() {
    portrait_tests::init();
    // Other versions of gst-inspect-1.0 lay their text out differently.
    let (major, minor, ..) = gst::version();
    if (major, minor) != (1, 22) {
        return;
    }
    let folder = root().join("tests/golden/inspect");
    let mut differ = Vec::new();
    for name in ["portrait"].into_iter().chain(ELEMENTS) {
        let (path, found) = (folder.join(format!("{name}.txt")), normalised(&inspect(name)));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, found).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != found {
            differ.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(
        differ.is_empty(),
        "gst-inspect-1.0 says something new; if it is right, run again with UPDATE_GOLDEN=1\n{}",
        differ.join("\n")
    );
}

#[test]
fn the_plugin_is_not_blacklisted() {
    process::plugin_dir();
    let output = process::run(process::command("gst-inspect-1.0").arg("--print-blacklist"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("gstportrait"), "{text}");
}

#[test]
fn every_property_says_in_which_states_it_may_change() {
    // Those of the base classes.
    const INHERITED: [&str; 5] = ["name", "parent", "async-handling", "message-forward", "qos"];
    for name in ELEMENTS {
        let text = inspect(name);
        let properties = text.split("Element Properties:").nth(1).expect("gst-inspect-1.0 lists properties");
        // A property's first line is indented less than the lines below it.
        let mut own: Vec<(&str, String)> = Vec::new();
        for line in properties.lines() {
            match line
                .strip_prefix("  ")
                .filter(|rest| !rest.starts_with(' '))
                .and_then(|l| l.split_once(':'))
            {
                Some((property, _)) => own.push((property.trim(), String::new())),
                None => own.iter_mut().rev().take(1).for_each(|(_, flags)| flags.push_str(line)),
            }
        }
        own.retain(|(property, _)| !INHERITED.contains(property));
        // The overlay runs no model.
        let expected = if name == "landmarkoverlay" { "landmarks" } else { "model-pack" };
        assert!(own.iter().any(|(property, _)| *property == expected), "{name}: {own:?}");
        for (property, flags) in own {
            // What is only read changes by itself.
            assert!(
                flags.contains("changeable") || !flags.contains("writable"),
                "{name}: {property} does not say when it may change: {flags}"
            );
        }
    }
}
