//! `facesynth`: latent keypoints in, pictures of the animated photo out.

use gst::glib;
use gst::prelude::*;

mod imp;
mod pool;
mod source;

/// What the picture shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPortraitFraming")]
pub enum Framing {
    /// The pack's square picture around the face.
    #[default]
    #[enum_value(name = "Crop: the pack's square picture around the face", nick = "crop")]
    Crop = 0,
    /// The whole photo at its own size.
    #[enum_value(
        name = "Full: the whole photo at its own size, the animated face pasted back",
        nick = "full"
    )]
    Full = 1,
}

pub(crate) use imp::param_specs;

glib::wrapper! {
    /// The element `facesynth`.
    pub struct FaceSynth(ObjectSubclass<imp::FaceSynth>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "facesynth", gst::Rank::NONE, FaceSynth::static_type())
}
