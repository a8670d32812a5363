// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the elements say of themselves, held against golden copies, with any version of GStreamer; and that
//! gst-inspect-1.0 shows it.
//!
//! `UPDATE_GOLDEN=1 cargo test -p portrait-tests --test inspect` writes them anew.

use gst::glib;
use gst::prelude::*;
use portrait_tests::describe::{self, ELEMENTS};
use portrait_tests::{process, root};

fn inspect(name: &str) -> String {
    let output = process::run(process::command("gst-inspect-1.0").args(["--no-colors", name]));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn elements_describe_themselves_as_in_the_golden_copies() {
    portrait_tests::init();
    let folder = root().join("tests/golden/inspect");
    let mut differ = Vec::new();
    for name in ELEMENTS {
        let (path, found) = (folder.join(format!("{name}.txt")), describe::element(name));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, found).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != found {
            differ.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(
        differ.is_empty(),
        "elements say something new; if it is right, run again with UPDATE_GOLDEN=1\n{}",
        differ.join("\n")
    );
}

#[test]
fn gst_inspect_lists_every_element_and_property() {
    portrait_tests::init();
    let plugin = inspect("portrait");
    for text in ["MIT/X11", "gst-plugin-portrait", &format!("{} features", ELEMENTS.len())] {
        assert!(plugin.contains(text), "{text}: {plugin}");
    }
    for name in ELEMENTS {
        assert!(plugin.contains(&format!("  {name}: ")), "{plugin}");
        let text = inspect(name);
        let element = gst::ElementFactory::make(name).build().unwrap();
        for spec in describe::own_properties(&element) {
            let shown = text.lines().any(|line| {
                line.strip_prefix("  ")
                    .and_then(|l| l.split_once(':'))
                    .is_some_and(|(p, _)| p.trim() == spec.name())
            });
            assert!(shown, "{name}: gst-inspect-1.0 does not show {}: {text}", spec.name());
        }
    }
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
    portrait_tests::init();
    for name in ELEMENTS {
        let element = gst::ElementFactory::make(name).build().unwrap();
        let own = describe::own_properties(&element);
        // What runs a model has all that belongs to it.
        let has = |name: &str| own.iter().any(|spec| spec.name() == name);
        assert!(!own.is_empty(), "{name} has no property");
        assert_eq!([has("device"), has("num-threads")], [has("model-pack"); 2], "{name}: {own:?}");
        for spec in own {
            assert_ne!(describe::mutability(&spec), "not said", "{name}: {}", spec.name());
            // Enumerations are part of what applications may use.
            let class = spec.value_type();
            let listed = class.is_a(glib::Type::ENUM) || class.is_a(glib::Type::FLAGS);
            assert!(!listed || class.plugin_api_flags().is_some(), "{name}: {}", spec.name());
        }
    }
}
