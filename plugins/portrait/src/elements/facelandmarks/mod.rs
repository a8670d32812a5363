//! The element `facelandmarks`: the face in a video as a stream of landmarks.

use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;

pub(crate) mod absence;
mod crowd;
mod cut;
mod imp;
pub(crate) mod measure;
pub(crate) mod settings;
pub(crate) mod tracker;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("facelandmarks", gst::DebugColorFlags::empty(), Some("Face landmarks of a video"))
});

glib::wrapper! {
    /// Tracks the face in a video.
    pub struct FaceLandmarks(ObjectSubclass<imp::FaceLandmarks>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Registers the element.
///
/// # Errors
/// Where GStreamer refuses, because of another element of that name, say.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "facelandmarks", gst::Rank::NONE, FaceLandmarks::static_type())
}
