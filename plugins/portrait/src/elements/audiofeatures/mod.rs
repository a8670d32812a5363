//! `audiofeatures`: audio in, one window of features a video frame out.

use gst::glib;
use gst::prelude::*;

mod alignment;
pub mod clock;
mod engine;
pub mod framer;
mod imp;
mod live;
mod mixdown;
mod pulse;
mod queue;
mod settings;
mod state;
mod tags;
mod tell;

pub use settings::LookAhead;
pub(crate) use settings::param_specs;

glib::wrapper! {
    /// The element `audiofeatures`.
    pub struct AudioFeatures(ObjectSubclass<imp::AudioFeatures>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "audiofeatures", gst::Rank::NONE, AudioFeatures::static_type())
}
