// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element `facelandmarks`: the face in a video as a stream of landmarks.

use std::sync::LazyLock;

use gst::glib;

pub(crate) mod absence;
mod crowd;
mod cut;
mod follower;
mod imp;
pub(crate) mod measure;
mod scene;
pub(crate) mod settings;
pub(crate) mod square;
pub(crate) mod tracker;
pub(crate) mod watch;

#[cfg(test)]
pub(crate) use settings::properties;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("facelandmarks", gst::DebugColorFlags::empty(), Some("Face landmarks of a video"))
});

glib::wrapper! {
    /// Tracks the face in a video.
    pub struct FaceLandmarks(ObjectSubclass<imp::FaceLandmarks>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}
