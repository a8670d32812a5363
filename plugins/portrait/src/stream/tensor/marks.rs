// SPDX-License-Identifier: MIT OR Apache-2.0
//! Marks on the frames of a video: whether a face is followed in it, and what was drawn into it.

use gst::meta::CustomMeta;

/// Name of the metadata that a tracker puts on frames.
pub const TRACK_META: &str = "PortraitTrackMeta";

/// Name of the metadata that tells what became of the mouth of a frame.
pub const DUB_META: &str = "PortraitDubMeta";

/// What a tracker says of a frame: fields `found`, `covered` (boolean) and `turn` (uint64).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackMark {
    /// The face is in this frame.
    pub found: bool,
    /// Something is before its mouth.
    pub covered: bool,
    /// Counts how often another shot, or another face, had begun.
    pub turn: u64,
}

/// What became of the mouth of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// The voice's mouth is drawn.
    Voice,
    /// The frame's own: the voice is silent.
    Silence,
    /// The frame's own: no voice is there.
    NoVoice,
    /// The frame's own: there is no face.
    NoFace,
    /// The frame's own: the face is turned too far, or cut by the picture's edge.
    Turned,
    /// The frame's own: something is before the mouth.
    Covered,
}

impl Drawn {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Voice, Self::Silence, Self::NoVoice, Self::NoFace, Self::Turned, Self::Covered];

    /// As the metadata and the statistics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Silence => "silence",
            Self::NoVoice => "no-voice",
            Self::NoFace => "no-face",
            Self::Turned => "turned",
            Self::Covered => "covered",
        }
    }

    pub(super) fn fields(self, amount: f64) -> [(&'static str, gst::glib::SendValue); 2] {
        use gst::prelude::*;
        [("drawn", self.name().to_send_value()), ("amount", amount.to_send_value())]
    }

    pub(super) fn of(s: &gst::StructureRef) -> Option<(Self, f64)> {
        let name = s.get::<&str>("drawn").ok()?;
        Some((Self::ALL.into_iter().find(|drawn| drawn.name() == name)?, s.get("amount").ok()?))
    }
}

/// Names of these metadata, to be registered.
pub const NAMES: [&str; 2] = [TRACK_META, DUB_META];

/// Sets fields of a metadata, which is added where there is none.
pub(super) fn fill(buffer: &mut gst::BufferRef, name: &str, fields: &[(&str, gst::glib::SendValue)]) {
    let put = |s: &mut gst::StructureRef| {
        for (field, value) in fields {
            s.set_value(*field, value.clone());
        }
    };
    if let Ok(mut old) = CustomMeta::from_mut_buffer(buffer, name) {
        put(old.mut_structure());
        return;
    }
    if let Ok(mut meta) = CustomMeta::add(buffer, name) {
        put(meta.mut_structure());
    }
}

impl TrackMark {
    /// Puts it on a frame, in the place of another.
    pub fn attach(self, buffer: &mut gst::BufferRef) {
        fill(buffer, TRACK_META, &self.fields());
    }

    pub(super) fn fields(self) -> [(&'static str, gst::glib::SendValue); 3] {
        use gst::prelude::*;
        [
            ("found", self.found.to_send_value()),
            ("covered", self.covered.to_send_value()),
            ("turn", self.turn.to_send_value()),
        ]
    }

    /// Reads it; `None` where there is none.
    pub fn read(buffer: &gst::BufferRef) -> Option<Self> {
        Self::of(CustomMeta::from_buffer(buffer, TRACK_META).ok()?.structure())
    }

    pub(super) fn of(s: &gst::StructureRef) -> Option<Self> {
        Some(Self {
            found: s.get("found").ok()?,
            covered: s.get("covered").unwrap_or_default(),
            turn: s.get("turn").ok()?,
        })
    }
}

/// Puts on a frame what became of its mouth: fields `drawn` (string, [`Drawn::name`]) and `amount` (double, 0 = the frame's own
/// mouth, 1 = the voice's).
pub fn attach_drawn(buffer: &mut gst::BufferRef, drawn: Drawn, amount: f64) {
    fill(buffer, DUB_META, &drawn.fields(amount));
}

/// Reads [`attach_drawn`]; `None` where there is none.
pub fn read_drawn(buffer: &gst::BufferRef) -> Option<(Drawn, f64)> {
    Drawn::of(CustomMeta::from_buffer(buffer, DUB_META).ok()?.structure())
}
