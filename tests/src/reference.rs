// SPDX-License-Identifier: MIT OR Apache-2.0
//! The parts of the documents that the elements write themselves: what stands between `<!-- from …: NAME -->` and
//! `<!-- to here -->` is made anew from what is registered, all around it is written by hand: in `docs/elements.md` by the
//! `doc.md` in the element's folder.

use std::fmt::Write;
use std::path::PathBuf;

use gst::glib;
use gst::prelude::*;
use gstportrait::stream::tensor::FrameMeta;

use crate::describe;

/// Documents with such parts.
pub const DOCUMENTS: [&str; 2] = ["docs/elements.md", "docs/concepts.md"];

/// The document with a section for each element.
const SECTIONS: &str = DOCUMENTS[0];

/// Stands in an element's `doc.md` where what is registered is to be.
const PLACE: &str = "<!-- the element's pads, signals and properties -->";

const HEADING: &str = "\n## ";

const BEGIN: &str = "<!-- from the elements: ";
const BEGIN_END: &str = " -->\n";
const END: &str = "<!-- to here -->";

/// A longer list of formats is that of all.
const MOST_FORMATS: usize = 20;

/// Properties that every element with a model has; they have a table of their own.
const OF_MODELS: [&str; 3] = ["model-pack", "device", "num-threads"];

/// A document as it is to be, given as it is.
///
/// # Errors
/// Where a part has no end or is of nothing that is known, and where an element has no `doc.md` with a place for what is registered.
pub fn current(document: &str, text: &str) -> Result<String, String> {
    let own = |name: &str| {
        let path = format!("plugins/portrait/src/elements/{name}/doc.md");
        let text =
            std::fs::read_to_string(crate::root().join(&path)).map_err(|error| format!("{path}: {error}"))?;
        if text.matches(PLACE).count() == 1 { Ok(text) } else { Err(format!("{path} has no line {PLACE}")) }
    };
    renewed(&if document == SECTIONS {
        with_sections(text, &describe::ELEMENTS, own)?
    } else {
        text.to_owned()
    })
}

/// The document with the elements' sections as these say them by `own`: in the order that it has, those that it lacks behind.
fn with_sections(
    text: &str,
    elements: &[&str],
    own: impl Fn(&str) -> Result<String, String>,
) -> Result<String, String> {
    let section = |name: &str| {
        let part = format!("{BEGIN}{name}{BEGIN_END}{END}");
        Ok::<_, String>(format!("{HEADING}{name}\n\n{}", own(name)?.replace(PLACE, &part)))
    };
    let mut sections = text.split(HEADING);
    let mut out = sections.next().unwrap_or_default().to_owned();
    let mut missing = elements.to_vec();
    for there in sections {
        let name = there.lines().next().unwrap_or_default();
        let known = missing.len();
        missing.retain(|element| *element != name);
        out += &if missing.len() < known { section(name)? } else { format!("{HEADING}{there}") };
    }
    for name in missing {
        out += &section(name)?;
    }
    Ok(out)
}

/// The document with its parts made anew.
///
/// # Errors
/// Where a part has no end or is of nothing that is known.
fn renewed(text: &str) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, part) = after.split_once(BEGIN_END).ok_or("a part has no name")?;
        let (_, behind) = part.split_once(END).ok_or_else(|| format!("the part {name} has no end"))?;
        let made = part_of(name).ok_or_else(|| format!("nobody writes the part {name}"))?;
        let _ = write!(out, "{before}{BEGIN}{name}{BEGIN_END}{made}{END}");
        rest = behind;
    }
    Ok(out + rest)
}

/// Where a document is.
pub fn path(document: &str) -> PathBuf {
    crate::root().join(document)
}

fn part_of(name: &str) -> Option<String> {
    match name {
        "models" => Some(table(&made("facesynth"), |name| OF_MODELS.contains(&name))),
        "metadata" => Some(metadata()),
        "talkinghead" => Some(bin(&made(name))),
        _ if describe::ELEMENTS.contains(&name) => {
            let element = made(name);
            Some(head(&element) + &table(&element, |name| !OF_MODELS.contains(&name)))
        }
        _ => None,
    }
}

fn made(name: &str) -> gst::Element {
    gst::ElementFactory::make(name).build().unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Pads and signals.
fn head(element: &gst::Element) -> String {
    let mut text = String::new();
    let factory = element.factory().expect("a factory made it");
    for template in factory.static_pad_templates() {
        let direction = if template.direction() == gst::PadDirection::Sink { "sink" } else { "source" };
        let presence = match template.presence() {
            gst::PadPresence::Request => " on request",
            gst::PadPresence::Sometimes => ", sometimes",
            _ => "",
        };
        let caps: Vec<String> = template.caps().iter().map(|s| format!("`{}`", caps(s))).collect();
        let _ = writeln!(
            text,
            "- {direction} pad `{}`{presence}: {}",
            template.name_template(),
            caps.join(" or ")
        );
        let own = describe::pad_properties(element, template.name_template());
        if !own.is_empty() {
            let names: Vec<String> = own.iter().map(|spec| format!("`{}`", spec.name())).collect();
            let _ = writeln!(text, "  - with the properties {}", names.join(", "));
        }
    }
    for signal in describe::signals(element.type_()) {
        let _ = writeln!(text, "- action signal `{signal}`");
    }
    text.push('\n');
    text
}

/// One structure of caps, fields in the order of their names.
fn caps(structure: &gst::StructureRef) -> String {
    let mut fields: Vec<String> = structure
        .iter()
        .map(|(name, value)| (name, describe::written(value).replace("(string)", "")))
        .filter(|(_, value)| !is_any(value))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    fields.sort();
    fields.insert(0, structure.name().to_string());
    fields.join(", ")
}

/// Whether a field takes whatever there is: a range up to the largest number, or all formats, which are more with each version of
/// GStreamer.
fn is_any(value: &str) -> bool {
    value.ends_with("2147483647 ]")
        || value.ends_with("2147483647/1 ]")
        || value.split(',').count() > MOST_FORMATS
}

fn table(element: &gst::Element, wanted: impl Fn(&str) -> bool) -> String {
    let mut text =
        String::from("| property | type, range | default | changes in | meaning |\n|---|---|---|---|---|\n");
    for spec in describe::own_properties(element).iter().filter(|spec| wanted(spec.name())) {
        let _ = writeln!(text, "{}", row(spec));
    }
    text
}

fn row(spec: &glib::ParamSpec) -> String {
    let controllable =
        if spec.flags().contains(gst::PARAM_FLAG_CONTROLLABLE) { ", controllable" } else { "" };
    let default = match spec.default_value().get::<u32>() {
        // A colour.
        Ok(number) if number > 0x00ff_ffff => format!("{number:#x}"),
        // `none` would be read as a text like any.
        _ if spec.default_value().get::<Option<String>>() == Ok(None) => "not set".to_owned(),
        _ => describe::written(spec.default_value()),
    };
    let default = if spec.flags().contains(glib::ParamFlags::WRITABLE) { default } else { String::new() };
    let blurb = spec.blurb().unwrap_or_default().replace('|', "\\|");
    let values = describe::values(spec).replace("GstStructure", "structure");
    format!(
        "| `{}` | {values}{controllable} | {default} | {} | {blurb} |",
        spec.name(),
        describe::mutability(spec),
    )
}

/// What a bin has of its stages: their properties are described there.
fn bin(element: &gst::Element) -> String {
    let names: Vec<String> =
        describe::own_properties(element).iter().map(|spec| format!("`{}`", spec.name())).collect();
    format!("{}Properties: {}.\n", head(element), names.join(", "))
}

fn metadata() -> String {
    let mut text = String::from("| name | tensor |\n|---|---|\n");
    for kind in FrameMeta::ALL {
        let _ = writeln!(text, "| `{}` | {} |", kind.name(), kind.meaning());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_the_elements_own_in_the_order_that_the_document_has() {
        let own = |name: &str| match name {
            "nobody" => Err("no file".to_owned()),
            name => Ok(format!("All of {name}.\n\n{PLACE}\n")),
        };
        let section =
            |name: &str| format!("\n## {name}\n\nAll of {name}.\n\n{BEGIN}{name}{BEGIN_END}{END}\n");
        let page = "by hand\n\n## second\n\nold\n\n## by hand\n\nstays\n\n## first\n";
        let due = format!(
            "by hand\n{}{}{}{}",
            section("second"),
            "\n## by hand\n\nstays\n",
            section("first"),
            section("new")
        );
        assert_eq!(with_sections(page, &["first", "second", "new"], own), Ok(due.clone()));
        assert_eq!(with_sections(&due, &["first", "second", "new"], own), Ok(due));
        assert_eq!(with_sections(page, &["nobody"], own), Err("no file".to_owned()));
    }

    #[test]
    fn what_is_written_by_hand_stays_and_what_is_not_is_made_anew() {
        crate::init();
        let page =
            |part: &str| format!("by hand\n{BEGIN}landmarkoverlay{BEGIN_END}{part}{END}\nby hand, too");
        let made = renewed(&page("old")).unwrap();
        assert!(made.starts_with("by hand\n") && made.ends_with("\nby hand, too"), "{made}");
        assert!(made.contains("| `point-size` | uint, 1 to 32, controllable | 2 | any state |"), "{made}");
        assert!(
            made.contains("- sink pad `sink`: `video/x-raw, format={ ") && !made.contains("old"),
            "{made}"
        );
        assert_eq!(renewed(&made).unwrap(), made);
        for wrong in [page("x").replace("landmarkoverlay", "nobody"), page("x").replace(END, "")] {
            assert!(renewed(&wrong).is_err());
        }
    }
}
