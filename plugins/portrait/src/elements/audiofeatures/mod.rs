//! `audiofeatures`: audio in, one window of features a video frame out.

use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;

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
mod warnings;

pub use settings::LookAhead;
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

/// Name of the query by which a stage behind learns, before any caps, which of the pack's models it needs.
const LOOK_AHEAD_QUERY: &str = "portrait-look-ahead";

/// Whether the element before a pad, if there is one, was told `look-ahead=low`.
pub(crate) fn is_low_latency(sink: &gst::Pad) -> Option<bool> {
    let mut query = gst::query::Custom::new(gst::Structure::new_empty(LOOK_AHEAD_QUERY));
    sink.peer_query(&mut query).then(|| query.structure()?.get("low").ok()).flatten()
}
