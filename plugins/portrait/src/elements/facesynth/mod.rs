// SPDX-License-Identifier: MIT OR Apache-2.0
//! `facesynth`: latent keypoints in, pictures of the animated photo out.

use gst::glib;

mod formats;
mod imp;
mod mix;
mod newcomer;
mod person;
mod pool;
mod refusal;
mod resample;
mod see_through;
mod settings;
mod source;
mod state;
#[cfg(test)]
mod tests;
mod utterance;

/// What the picture shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPortraitFraming")]
pub enum Framing {
    /// A square around the face, or what else caps ask for: widened with its surroundings.
    #[default]
    #[enum_value(
        name = "Crop: a square around the face, widened to the size that is asked for",
        nick = "crop"
    )]
    Crop = 0,
    /// The whole photo, at its own size or at what caps ask for.
    #[enum_value(name = "Full: the whole photo, at its own size or that which is asked for", nick = "full")]
    Full = 1,
}

/// What is behind the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPortraitBackground")]
pub enum Background {
    /// The photo's own background.
    #[default]
    #[enum_value(name = "Keep: the photo's own background", nick = "keep")]
    Keep = 0,
    /// Nothing.
    #[enum_value(name = "Transparent: nothing, in RGBA and BGRA", nick = "transparent")]
    Transparent = 1,
    /// The colour of the property `background-color`.
    #[enum_value(name = "Color: that of the property background-color", nick = "color")]
    Color = 2,
}

/// What colours of pictures with alpha are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPortraitAlphaMode")]
pub enum AlphaMode {
    /// Not multiplied by the alpha.
    #[default]
    #[enum_value(name = "Straight: colours as they are, what GStreamer's elements take", nick = "straight")]
    Straight = 0,
    /// Multiplied by the alpha.
    #[enum_value(name = "Premultiplied: colours multiplied by their alpha", nick = "premultiplied")]
    Premultiplied = 1,
}

pub(crate) use formats::template_caps;
pub(crate) use settings::properties;

glib::wrapper! {
    /// The element `facesynth`.
    pub struct FaceSynth(ObjectSubclass<imp::FaceSynth>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}
