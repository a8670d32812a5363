//! `mouthdub`: draws the mouth that a voice says into the face of each frame.

use gst::glib;
use gst::prelude::*;

mod amount;
mod draw;
mod imp;
mod pad;
mod settings;
mod voice;

pub use settings::Silence;
pub(crate) use settings::param_specs;

glib::wrapper! {
    /// The element `mouthdub`.
    pub struct MouthDub(ObjectSubclass<imp::MouthDub>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "mouthdub", gst::Rank::NONE, MouthDub::static_type())
}
