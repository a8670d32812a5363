//! `facetracker`: follows a face in a video and writes it on the frames.

use gst::glib;

mod imp;
mod reduced;

pub(crate) use crate::elements::facelandmarks::settings::properties;
pub(crate) use imp::FORMATS;

glib::wrapper! {
    /// The element `facetracker`.
    pub struct FaceTracker(ObjectSubclass<imp::FaceTracker>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}
