// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much audio behind a frame is waited for, and the pack's networks that were trained for it.

use gst::glib;
use gst::glib::prelude::*;
use serde::Deserialize;

/// How much audio behind a frame is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPortraitLookAhead")]
pub enum LookAhead {
    /// As much as the pack's best models want.
    #[default]
    #[enum_value(name = "Best lips", nick = "quality")]
    Quality = 0,
    /// Little, for conversations.
    #[enum_value(name = "Low latency", nick = "low")]
    Low = 1,
    /// As little as a mouth can follow.
    #[enum_value(name = "Least latency", nick = "minimal")]
    Minimal = 2,
}

impl LookAhead {
    /// Those that a pack may have models of their own for.
    pub const OTHERS: [Self; 2] = [Self::Low, Self::Minimal];

    /// The property's word for it.
    pub fn nick(self) -> String {
        let value = self.to_value();
        glib::EnumValue::from_value(&value).map_or_else(String::new, |(_, value)| value.nick().to_owned())
    }
}

/// `[look-ahead.NAME]`: a way through the pack that waits for less audio.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Variant {
    /// How far the window of a frame reaches beyond its end, in samples.
    #[serde(alias = "look-ahead-samples")]
    pub samples: usize,
    /// The stage that makes landmarks of such features, in place of `speech2landmarks`.
    pub speech2landmarks: String,
}

/// `[look-ahead]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variants {
    /// For [`LookAhead::Low`].
    pub low: Option<Variant>,
    /// For [`LookAhead::Minimal`].
    pub minimal: Option<Variant>,
}

impl Variants {
    /// What the pack has for a look-ahead that is not its clock's.
    pub fn of(&self, wanted: LookAhead) -> Option<&Variant> {
        match wanted {
            LookAhead::Quality => None,
            LookAhead::Low => self.low.as_ref(),
            LookAhead::Minimal => self.minimal.as_ref(),
        }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (LookAhead, &Variant)> {
        LookAhead::OTHERS.into_iter().filter_map(|name| Some((name, self.of(name)?)))
    }

    /// The words of those that a pack with them knows, for a message.
    pub fn known(&self) -> String {
        let own = self.iter().map(|(name, _)| name);
        let words: Vec<String> = [LookAhead::Quality].into_iter().chain(own).map(LookAhead::nick).collect();
        words.join(" or ")
    }

    /// Whether a stage is that of one of them.
    pub fn name(&self, stage: &str) -> bool {
        self.iter().any(|(_, variant)| variant.speech2landmarks == stage)
    }
}
