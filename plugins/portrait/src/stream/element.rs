// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the elements of the plugin do alike: pad templates, caps that carry rate and pack on, segments.

use std::sync::OnceLock;

use gst::prelude::*;
use gst_base::prelude::*;

pub use crate::pack::sync::lock;
use crate::stream::refusal::Refusal;
use crate::stream::tensor::{TensorInfo, TensorKind};

/// A segment in time.
pub type Segment = gst::FormattedSegment<gst::ClockTime>;

/// Whether what is before a sink pad says that it is live. Never with a lock: this asks other elements.
pub fn is_live(pad: &gst::Pad) -> bool {
    let mut query = gst::query::Latency::new();
    pad.peer_query(&mut query) && query.result().0
}

/// An always sink and an always source pad.
pub fn pad_templates(sink: gst::Caps, src: gst::Caps) -> Vec<gst::PadTemplate> {
    use gst::{PadDirection, PadPresence, PadTemplate};
    // Names and directions are constants: creation cannot fail.
    [("sink", PadDirection::Sink, sink), ("src", PadDirection::Src, src)]
        .into_iter()
        .filter_map(|(name, direction, caps)| {
            PadTemplate::new(name, direction, PadPresence::Always, &caps).ok()
        })
        .collect()
}

/// What an element says of itself.
pub struct Description {
    /// Name, class and description, as `gst-inspect-1.0` shows them.
    texts: [&'static str; 3],
    templates: fn() -> Vec<gst::PadTemplate>,
    made: OnceLock<(gst::subclass::ElementMetadata, Vec<gst::PadTemplate>)>,
}

impl Description {
    /// The description of an element with those texts (name, class, description) and pads.
    pub const fn new(texts: [&'static str; 3], templates: fn() -> Vec<gst::PadTemplate>) -> Self {
        Self { texts, templates, made: OnceLock::new() }
    }

    fn made(&self) -> &(gst::subclass::ElementMetadata, Vec<gst::PadTemplate>) {
        self.made.get_or_init(|| {
            let [name, class, text] = self.texts;
            let metadata = gst::subclass::ElementMetadata::new(name, class, text, env!("CARGO_PKG_AUTHORS"));
            (metadata, (self.templates)())
        })
    }

    /// For `ElementImpl::metadata`.
    pub fn metadata(&self) -> &gst::subclass::ElementMetadata {
        &self.made().0
    }

    /// For `ElementImpl::pad_templates`.
    pub fn pad_templates(&self) -> &[gst::PadTemplate] {
        &self.made().1
    }
}

/// Both sides, for questions from any thread: these must not wait for a network. `None` while nothing is loaded.
pub type SharedCaps = std::sync::Mutex<Option<StageCaps>>;

/// Both sides of a stage that takes tensors and gives tensors, once its pack is loaded.
#[derive(Clone)]
pub struct StageCaps {
    /// What comes in: kind and shape.
    pub input: (TensorKind, Vec<usize>),
    /// What goes out.
    pub output: (TensorKind, Vec<usize>),
    /// The pack's id and version.
    pub pack: String,
}

impl StageCaps {
    /// `BaseTransform::transform_caps` of such a stage: the other side has the same frame rate, and what goes out the shape and
    /// the pack that are loaded. `kinds` (in, out) serve while nothing is, and in any case for what comes in: see
    /// [`super::refusal`].
    pub fn other(
        loaded: Option<&Self>,
        kinds: (TensorKind, TensorKind),
        direction: gst::PadDirection,
        caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> gst::Caps {
        let base = match (direction, loaded) {
            (gst::PadDirection::Src, _) => kinds.0.template_caps(),
            (_, Some(Self { output: (kind, shape), pack, .. })) => tensor_caps(*kind, shape, pack),
            (_, None) => kinds.1.template_caps(),
        };
        carry_rate(caps, &base, filter)
    }

    /// `BaseTransform::set_caps`: [`Refusal::check`] against what is loaded.
    ///
    /// # Errors
    /// As there.
    pub fn check(
        &self,
        refusal: &Refusal,
        pad: &gst::Pad,
        caps: &gst::CapsRef,
    ) -> Result<TensorInfo, String> {
        let (kind, shape) = &self.input;
        refusal.check(pad, (*kind, shape), &self.pack, caps)
    }

    /// `BaseTransform::transform_size`: bytes of a buffer on the other side.
    pub fn other_size(&self, direction: gst::PadDirection) -> usize {
        let (_, shape) = if direction == gst::PadDirection::Sink { &self.output } else { &self.input };
        shape.iter().product::<usize>() * size_of::<f32>()
    }
}

/// `base` with the frame rates of `caps`, through the filter in its order.
pub fn carry_rate(caps: &gst::Caps, base: &gst::Caps, filter: Option<&gst::Caps>) -> gst::Caps {
    let mut out = gst::Caps::new_empty();
    for s in caps.iter() {
        let mut other = base.copy();
        if let Ok(rate) = s.value("framerate") {
            for o in other.make_mut().iter_mut() {
                o.set_value("framerate", rate.clone());
            }
        }
        out.merge(other);
    }
    filtered(out, filter)
}

/// What is left of caps behind the filter of a question, in its order.
pub fn filtered(caps: gst::Caps, filter: Option<&gst::Caps>) -> gst::Caps {
    match filter {
        Some(filter) => filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First),
        None => caps,
    }
}

/// Caps of a stage's tensors: any rate, but the shape and the pack that the element has loaded.
pub fn tensor_caps(kind: TensorKind, shape: &[usize], pack: &str) -> gst::Caps {
    let framerate = gst::Fraction::new(0, 1);
    let info = TensorInfo { kind, shape: shape.to_vec(), framerate, pack: pack.to_owned() };
    let mut caps = info.to_caps();
    for s in caps.make_mut().iter_mut() {
        s.set("framerate", gst::FractionRange::new((0, 1), (i32::MAX, 1)));
    }
    caps
}

/// The segment that a stage's buffers lie in; the empty one while they have none in time.
pub fn time_segment(element: &gst_base::BaseTransform) -> Segment {
    element.segment().downcast().unwrap_or_default()
}

/// Brings the properties that follow a `GstController` to the time of a buffer.
pub fn sync_controls(
    category: gst::DebugCategory,
    element: &gst_base::BaseTransform,
    buffer: &gst::BufferRef,
) {
    sync_controls_to(category, element, buffer.pts());
}

/// The same, to the time of a frame.
pub fn sync_controls_to(
    category: gst::DebugCategory,
    element: &gst_base::BaseTransform,
    pts: Option<gst::ClockTime>,
) {
    let time = time_segment(element).to_stream_time(pts);
    if let Some(time) = time
        && element.sync_values(time).is_err()
    {
        gst::debug!(category, obj = element, "a controlled property could not be set");
    }
}
