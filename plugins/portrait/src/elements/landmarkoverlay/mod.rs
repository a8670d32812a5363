//! `landmarkoverlay`: draws what is known of a frame onto its picture.

use gst::glib;
use gst::prelude::*;

mod canvas;
mod drawing;
mod imp;

glib::wrapper! {
    /// The element `landmarkoverlay`.
    pub struct LandmarkOverlay(ObjectSubclass<imp::LandmarkOverlay>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "landmarkoverlay", gst::Rank::NONE, LandmarkOverlay::static_type())
}
