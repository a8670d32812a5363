// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why downstream's caps cannot be had, in words: what it asks for, and what there is.

use gst::prelude::*;

use super::formats::MOST;

/// Most characters of what downstream asks for: some elements list all formats there are.
const SHOWN: usize = 240;

/// What is wrong where downstream takes none of the pictures on offer; `None` where it takes one.
pub fn reason(taken: &gst::Caps, offered: &gst::Caps) -> Option<String> {
    if taken.can_intersect(offered) {
        return None;
    }
    if taken.is_empty() {
        return Some(
            "what follows this element takes no picture at all: caps behind it contradict each other"
                .to_owned(),
        );
    }
    // Of all that is taken, what is nearest to something on offer.
    let pairs = taken.iter_with_features().flat_map(|t| offered.iter_with_features().map(move |o| (t, o)));
    // Who asks for a format means it.
    let weight = |fields: &Vec<String>| {
        fields.len() + fields.iter().filter(|field| field.starts_with("format=")).count()
    };
    let fields =
        pairs.map(|(taken, offered)| differences(taken, offered)).min_by_key(weight).unwrap_or_default();
    let asked = if fields.is_empty() { taken.to_string() } else { fields.join(", ") };
    let shown: String = asked.chars().take(SHOWN).collect();
    let more = if shown.len() < asked.len() { "..." } else { "" };
    Some(format!("downstream asks for {shown}{more}, which cannot be had: {}", had(offered)))
}

/// What of a structure another one does not have.
fn differences(
    (taken, taken_features): (&gst::StructureRef, &gst::CapsFeaturesRef),
    (offered, offered_features): (&gst::StructureRef, &gst::CapsFeaturesRef),
) -> Vec<String> {
    let mut fields = Vec::new();
    if taken.name() != offered.name() {
        fields.push(taken.name().to_string());
    }
    if !taken_features.is_any() && !taken_features.is_equal(offered_features) {
        fields.push(format!("memory of the kind {taken_features}"));
    }
    for (field, value) in taken {
        let differs = offered.value(field).is_ok_and(|own| own.intersect(value).is_none());
        if differs {
            let value = value.serialize().map_or_else(|_| "?".to_owned(), |v| v.to_string());
            fields.push(format!("{field}={value}"));
        }
    }
    let odd = |field: &String| field.starts_with("width=") || field.starts_with("height=");
    if let (Ok(format), Some(last)) =
        (taken.get::<&str>("format"), fields.last_mut().filter(|field| odd(field)))
    {
        last.push_str(&format!(" in {format}"));
    }
    fields
}

/// What can be had.
fn had(offered: &gst::Caps) -> String {
    let least = |field: &str| {
        let ranges = offered.iter().filter_map(|s| s.get::<gst::IntRange<i32>>(field).ok());
        ranges.map(|range| range.min()).min().unwrap_or(1)
    };
    let formats: Vec<String> = offered
        .iter()
        .filter_map(|s| s.get::<gst::List>("format").ok())
        .flat_map(|list| list.iter().filter_map(|v| v.get::<String>().ok()).collect::<Vec<_>>())
        .fold(Vec::new(), |mut all, format| {
            if !all.contains(&format) {
                all.push(format);
            }
            all
        });
    let even = if formats.iter().any(|f| f == "I420") { " (I420 and NV12 of even sides)" } else { "" };
    format!(
        "pictures are {}, {} to {MOST} pixels wide and {} to {MOST} high{even}, of 1/1 to 240/1 frames a second, \
         progressive, with a pixel-aspect-ratio of 1/2 to 2/1; ask for one of these, or put videoconvert, videoscale, \
         videorate or what else converts behind this element",
        formats.join(", "),
        least("width"),
        least("height"),
    )
}
