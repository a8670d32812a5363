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
pub mod utterance;

pub use settings::LookAhead;
pub(crate) use settings::param_specs;

glib::wrapper! {
    /// The element `audiofeatures`.
    pub struct AudioFeatures(ObjectSubclass<imp::AudioFeatures>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Name of the query by which a stage behind learns, before any caps, which of the pack's models it needs.
const LOOK_AHEAD_QUERY: &str = "portrait-look-ahead";

/// Whether the element before a pad, if there is one, was told `look-ahead=low`.
pub(crate) fn is_low_latency(sink: &gst::Pad) -> Option<bool> {
    let mut query = gst::query::Custom::new(gst::Structure::new_empty(LOOK_AHEAD_QUERY));
    sink.peer_query(&mut query).then(|| query.structure()?.get("low").ok()).flatten()
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "audiofeatures", gst::Rank::NONE, AudioFeatures::static_type())
}
