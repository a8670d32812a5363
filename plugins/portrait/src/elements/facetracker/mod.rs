//! `facetracker`: follows a face in a video and writes it on the frames.

use gst::glib;
use gst::prelude::*;

mod imp;
mod reduced;

pub(crate) use crate::elements::facelandmarks::settings::param_specs;
pub(crate) use imp::FORMATS;

glib::wrapper! {
    /// The element `facetracker`.
    pub struct FaceTracker(ObjectSubclass<imp::FaceTracker>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "facetracker", gst::Rank::NONE, FaceTracker::static_type())
}
