// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streams that an element does not take: it says so itself, once, and what would be right.
//!
//! Sink pads take the streams of any pack in caps queries. A pad that knew only its own would leave it to an element far
//! before it to fail, which knows of no pack ("Internal data stream error").

use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;

use super::side::peer_of;
use super::tensor::{TensorInfo, TensorKind};
use crate::pack::{Between, DEFAULT_PACK};

/// The property that names the pack.
const PACK: &str = "model-pack";

/// Whether an element has said what it refuses.
#[derive(Default)]
pub struct Refusal(AtomicBool);

impl Refusal {
    /// What comes from now on may be refused anew.
    pub fn forget(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Says why something is refused, once: GStreamer tries again with every buffer. Never with a lock that a getter needs.
    pub fn post(&self, element: &impl IsA<gst::Element>, message: gst::ErrorMessage) {
        if !self.0.swap(true, Ordering::Relaxed) {
            element.post_error_message(message);
        }
    }

    /// Holds the caps of a sink pad against what its element has loaded: numbers of another pack would be nonsense.
    ///
    /// # Errors
    /// What is wrong with them, which was posted.
    pub fn check(
        &self,
        pad: &gst::Pad,
        (kind, shape): (TensorKind, &[usize]),
        pack: &str,
        caps: &gst::CapsRef,
    ) -> Result<TensorInfo, String> {
        let wrong = match TensorInfo::from_caps(kind, caps) {
            Ok(info) if info.pack == pack && info.shape == shape => return Ok(info),
            Ok(info) if info.pack != pack => other_pack(pad, kind, &info.pack, pack),
            Ok(info) if kind == TensorKind::Landmarks && info.shape == Between::Landmarks.shape() => format!(
                "the model pack {pack} takes no face on the pad {}, because its face model is no landmarks: a voice \
                 moves the face (audiofeatures ! speech2landmarks before this element), and the face of a video the \
                 head, on the request pad `pose`",
                pad.name()
            ),
            Ok(info) => format!("input has shape {:?}, the model pack {pack} takes {shape:?}", info.shape),
            Err(error) => error.to_string(),
        };
        if let Some(element) = pad.parent_element() {
            self.post(&element, gst::error_msg!(gst::CoreError::Negotiation, ("{wrong}")));
        }
        Err(wrong)
    }
}

/// What is wrong where the streams of one pack come to an element that runs another.
fn other_pack(pad: &gst::Pad, kind: TensorKind, comes: &str, runs: &str) -> String {
    let what = kind.id().trim_start_matches("portrait/").replace('-', " ");
    let own = pad.parent_element().and_then(with_pack);
    let (Some(feeder), Some(own)) = (feeder(pad), own) else {
        return format!(
            "{what} of the model pack {comes} come, and this element runs {runs}: set {PACK} before it to the same"
        );
    };
    // Who has not set it has forgotten to; but what comes to a pad beside the main one follows the element.
    let beside = pad.pad_template().is_some_and(|t| t.presence() == gst::PadPresence::Request);
    let forgot = !beside && own.property::<String>(PACK) == DEFAULT_PACK;
    let (one, other) = if forgot { (&own, &feeder) } else { (&feeder, &own) };
    format!(
        "{} sends {what} of the model pack {comes}, and {} runs {runs}: set {PACK} of {} too ({PACK}={})",
        feeder.name(),
        own.name(),
        one.name(),
        other.property::<String>(PACK),
    )
}

/// The element before a pad whose pack the stream is of.
fn feeder(pad: &gst::Pad) -> Option<gst::Element> {
    let before = peer_of(pad).ok()?.parent_element()?;
    if before.has_property(PACK) {
        return with_pack(before);
    }
    // A queue, a tee, a filter: what comes to it is what it sends.
    let sink = before.sink_pads().into_iter().next()?;
    feeder(&sink)
}

/// The element, or the outermost bin around it, whose pack can be set.
fn with_pack(element: gst::Element) -> Option<gst::Element> {
    let outer = element.parent().and_downcast::<gst::Element>().and_then(with_pack);
    outer.or_else(|| element.has_property_with_type(PACK, String::static_type()).then_some(element))
}
