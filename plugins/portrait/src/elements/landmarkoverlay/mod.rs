// SPDX-License-Identifier: MIT OR Apache-2.0
//! `landmarkoverlay`: draws what is known of a frame onto its picture.

use gst::glib;

mod canvas;
mod drawing;
mod imp;
mod settings;

#[cfg(test)]
pub(crate) use settings::properties;

glib::wrapper! {
    /// The element `landmarkoverlay`.
    pub struct LandmarkOverlay(ObjectSubclass<imp::LandmarkOverlay>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}
