// SPDX-License-Identifier: MIT OR Apache-2.0
//! `audiofeatures`: audio in, one window of features a video frame out.

use std::sync::LazyLock;

use gst::glib;

mod alignment;
pub mod clock;
mod engine;
pub mod framer;
mod frames;
mod imp;
mod live;
mod mixdown;
mod queue;
mod settings;
mod state;
mod tags;
mod task;
mod utterance;
mod warnings;

pub(crate) use settings::properties;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "audiofeatures",
        gst::DebugColorFlags::empty(),
        Some("Audio features of video frames"),
    )
});

glib::wrapper! {
    /// The element `audiofeatures`.
    pub struct AudioFeatures(ObjectSubclass<frames::AudioFeatures>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}
