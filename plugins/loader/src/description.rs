// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an element says of itself, read from the golden copies that the tests hold it against: the elements that stand for
//! absent ones cannot fall behind.

use std::str::FromStr;

use gst::glib;
use gst::prelude::*;

/// An element's factory, pads and properties.
pub struct Description {
    pub long_name: String,
    pub klass: String,
    pub description: String,
    pub author: String,
    pub templates: Vec<gst::PadTemplate>,
    pub properties: Vec<glib::ParamSpec>,
}

impl Description {
    /// Reads a golden copy; lines that it does not know are left out.
    pub fn read(text: &str) -> Self {
        let field = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix("  ")?.strip_prefix(key))
                .unwrap_or_default()
                .to_owned()
        };
        let long_name =
            text.lines().next().and_then(|line| line.split_once(": ")).map(|(_, name)| name.to_owned());
        let sections = || text.split("\n\n").skip(1);
        Self {
            long_name: long_name.unwrap_or_default(),
            klass: field("klass: "),
            description: field("description: "),
            author: field("author: "),
            templates: sections().filter_map(template).collect(),
            properties: sections().filter_map(property).collect(),
        }
    }
}

/// `pad NAME (DIRECTION, PRESENCE)` and caps, a structure a line with a field a line below it.
fn template(section: &str) -> Option<gst::PadTemplate> {
    let mut lines = section.strip_prefix("pad ")?.lines();
    let (name, kind) = lines.next()?.split_once(" (")?;
    let (direction, presence) = kind.strip_suffix(')')?.split_once(", ")?;
    let direction = if direction == "Src" { gst::PadDirection::Src } else { gst::PadDirection::Sink };
    let presence = match presence {
        "Request" => gst::PadPresence::Request,
        "Sometimes" => gst::PadPresence::Sometimes,
        _ => gst::PadPresence::Always,
    };
    let mut caps = String::new();
    for line in lines {
        if let Some(field) = line.strip_prefix("    ") {
            caps.push_str(", ");
            caps.push_str(&field.replacen(": ", "=", 1));
        } else {
            if !caps.is_empty() {
                caps.push_str("; ");
            }
            caps.push_str(line.trim());
        }
    }
    gst::PadTemplate::new(name, direction, presence, &gst::Caps::from_str(&caps).ok()?).ok()
}

/// `property NAME (VALUES; STATES)`, its default and `NICK: BLURB`.
fn property(section: &str) -> Option<glib::ParamSpec> {
    let mut lines = section.strip_prefix("property ")?.lines();
    let (name, kind) = lines.next()?.split_once(" (")?;
    let (values, states) = kind.rsplit_once("; ")?;
    let default = lines.next()?.strip_prefix("  default: ")?;
    let (nick, blurb) = lines.next()?.trim_start().split_once(": ")?;
    let flags = match states.trim_end_matches(')') {
        "read only" => glib::ParamFlags::READABLE,
        "any state" => glib::ParamFlags::READWRITE | gst::PARAM_FLAG_MUTABLE_PLAYING,
        _ => glib::ParamFlags::READWRITE | gst::PARAM_FLAG_MUTABLE_READY,
    };
    let values = values.trim_end_matches(", controllable");
    let (kind, range) = values.split_once(", ").unwrap_or((values, ""));
    macro_rules! number {
        ($spec:ty, $number:ty) => {{
            let (least, most) = range.split_once(" to ")?;
            let number = |text: &str| text.parse::<$number>().ok();
            <$spec>::builder(name)
                .minimum(number(least)?)
                .maximum(number(most)?)
                .default_value(number(default)?)
                .nick(nick)
                .blurb(blurb)
                .flags(flags)
                .build()
        }};
    }
    Some(match kind {
        "uint" => number!(glib::ParamSpecUInt, u32),
        "int" => number!(glib::ParamSpecInt, i32),
        "uint64" => number!(glib::ParamSpecUInt64, u64),
        "float" => number!(glib::ParamSpecFloat, f32),
        "double" => number!(glib::ParamSpecDouble, f64),
        "boolean" => glib::ParamSpecBoolean::builder(name)
            .default_value(default == "true")
            .nick(nick)
            .blurb(blurb)
            .flags(flags)
            .build(),
        // Choices, too: their types are the elements'.
        _ => glib::ParamSpecString::builder(name)
            .default_value(Some(default).filter(|text| *text != "none"))
            .nick(nick)
            .blurb(blurb)
            .flags(flags)
            .build(),
    })
}
