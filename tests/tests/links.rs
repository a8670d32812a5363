// SPDX-License-Identifier: MIT OR Apache-2.0
//! Links of the documents lead somewhere: files, folders and headings of this repository.

use std::path::{Path, PathBuf};

use portrait_tests::root;

/// Every document, but not those of builds, nor the elements' own parts of `docs/elements.md`: their links are meant there.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && !["target", "build", "book"].contains(&name.as_str()) {
            documents(&path, found);
        } else if name.ends_with(".md") && name != "doc.md" {
            found.push(path);
        }
    }
}

/// What stands between `](` and `)`, outside of code.
fn links(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let prose: String = prose.split('`').step_by(2).collect();
    let ends = prose.split("](").skip(1);
    ends.filter_map(|rest| rest.split(')').next())
        .map(|link| link.split(' ').next().unwrap_or(link).to_owned())
        .collect()
}

/// A heading's anchor, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    let letters = heading.to_lowercase();
    let letters = letters.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    letters.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect()
}

/// Whether a link of a document leads somewhere; what is not in this repository is believed.
fn leads(document: &Path, link: &str) -> bool {
    if link.starts_with("https://github.com/gst-portrait/gst-portrait/") {
        let inside = link.split('/').skip(7).collect::<Vec<_>>().join("/");
        return root().join(inside).exists();
    }
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
    let file = if file.is_empty() { document.to_owned() } else { document.parent().unwrap().join(file) };
    match heading {
        None => file.exists(),
        Some(heading) => {
            std::fs::read_to_string(&file).is_ok_and(|text| anchors(&text).iter().any(|a| a == heading))
        }
    }
}

#[test]
fn no_link_is_dead() {
    let mut all = Vec::new();
    documents(&root(), &mut all);
    assert!(all.len() > 20, "{all:?}");
    let mut dead = Vec::new();
    for document in all {
        let text = std::fs::read_to_string(&document).unwrap();
        let wrong = links(&text).into_iter().filter(|link| !leads(&document, link));
        dead.extend(wrong.map(|link| format!("{}: {link}", document.display())));
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn a_dead_link_is_seen() {
    let document = root().join("docs/concepts.md");
    assert_eq!(links("a [b](c.md#d \"t\") `[e](f)`\n```\n[g](h)\n```\n![i](j.jpg)"), ["c.md#d", "j.jpg"]);
    assert!(leads(&document, "elements.md#talkinghead") && leads(&document, "demo.webp"));
    for dead in ["nothing.md", "elements.md#nothing", "#nothing"] {
        assert!(!leads(&document, dead), "{dead}");
    }
    assert!(leads(&document, "https://github.com/gst-portrait/gst-portrait/tree/main/pipelines"));
    assert!(!leads(&document, "https://github.com/gst-portrait/gst-portrait/tree/main/nothing"));
}

/// The site has every page, and no page that is not there.
#[test]
fn the_book_lists_every_document() {
    let docs = root().join("docs");
    let summary = std::fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let mut listed = links(&summary);
    listed.push("SUMMARY.md".to_owned());
    listed.sort();
    let mut all = Vec::new();
    documents(&docs, &mut all);
    let mut there: Vec<String> =
        all.iter().map(|path| path.strip_prefix(&docs).unwrap().display().to_string()).collect();
    there.sort();
    assert_eq!(listed, there);
}
