// SPDX-License-Identifier: MIT OR Apache-2.0
//! The documents say what the elements say: properties, pads, signals, metadata.
//!
//! `cargo xtask docs` writes them anew.

use portrait_tests::describe::ELEMENTS;
use portrait_tests::reference::{self, DOCUMENTS};

#[test]
fn the_documents_are_current() {
    portrait_tests::init();
    let mut stale = Vec::new();
    for document in DOCUMENTS {
        let path = reference::path(document);
        let text = std::fs::read_to_string(&path).unwrap();
        let made = reference::current(document, &text).unwrap_or_else(|error| panic!("{document}: {error}"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, made).unwrap();
        } else if made != text {
            let new = made.lines().filter(|line| !text.contains(line)).collect::<Vec<_>>().join("\n");
            stale.push(format!("{document}:\n{new}"));
        }
    }
    assert!(stale.is_empty(), "not current; run `cargo xtask docs`\n{}", stale.join("\n"));
}

#[test]
fn every_element_has_a_part_and_a_launch_line() {
    portrait_tests::init();
    let text = std::fs::read_to_string(reference::path(DOCUMENTS[0])).unwrap();
    // As it is to be: the other test may be writing it.
    let text = reference::current(DOCUMENTS[0], &text).unwrap();
    for name in ELEMENTS {
        let section = text.split("\n## ").find(|s| s.starts_with(&format!("{name}\n")));
        let section = section.unwrap_or_else(|| panic!("docs/elements.md has no section {name}"));
        assert!(section.contains(&format!("<!-- from the elements: {name} -->")), "{name}");
        let line =
            section.split("```sh\n").skip(1).any(|s| s.starts_with("gst-launch-1.0 ") && s.contains(name));
        assert!(line, "{name} has no launch line");
    }
}
