// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pad `voice`: mouths that a voice says, as `speech2landmarks` sends them.

use std::sync::Mutex;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::imp::{CAT, MouthDub};
use super::voice::{Said, Voice, Word};
use crate::face::landmark::COUNT;
use crate::stream::element::{Segment, lock};
use crate::stream::presentation::Presentation;
use crate::stream::tensor::{FrameMeta, TensorInfo, TensorKind, buffer, meta};

/// Name of the pad and of its template.
pub const NAME: &str = "voice";

/// The pad, and what came to it.
#[derive(Default)]
pub struct VoicePad {
    pub pad: Mutex<Option<gst::Pad>>,
    pub voice: Voice,
    segment: Mutex<Segment>,
    presentation: Mutex<Presentation>,
}

/// The template.
pub fn template() -> Option<gst::PadTemplate> {
    let caps = TensorKind::Landmarks.template_caps();
    gst::PadTemplate::new(NAME, gst::PadDirection::Sink, gst::PadPresence::Request, &caps).ok()
}

/// A new pad of that template.
pub fn new(template: &gst::PadTemplate) -> gst::Pad {
    gst::Pad::builder_from_template(template)
        .name(NAME)
        .chain_function(|_, parent, buffer| {
            MouthDub::catch_panic_pad_function(
                parent,
                || Err(gst::FlowError::Error),
                |element| element.voice.chain(element, &buffer),
            )
        })
        .event_function(|pad, parent, event| {
            MouthDub::catch_panic_pad_function(
                parent,
                || false,
                |element| element.voice.event(element, pad, event),
            )
        })
        .query_function(|pad, parent, query| {
            MouthDub::catch_panic_pad_function(
                parent,
                || false,
                |element| element.voice.query(element, pad, query),
            )
        })
        .build()
}

/// Whether something feeds a pad: a source lies at the other end of its elements and bins.
fn is_fed(pad: &gst::Pad) -> bool {
    let mut pad = pad.clone();
    loop {
        let Some(peer) = pad.peer() else { return false };
        // Behind the inside of a bin's pad lies its outside.
        if let Some(outside) = peer.downcast_ref::<gst::ProxyPad>().and_then(ProxyPadExt::internal)
            && !peer.is::<gst::GhostPad>()
        {
            pad = outside.upcast();
            continue;
        }
        let target = peer.downcast_ref::<gst::GhostPad>().and_then(GhostPadExt::target);
        let element = target.as_ref().unwrap_or(&peer).parent_element();
        let Some(next) = element.and_then(|element| element.sink_pads().into_iter().next()) else {
            return true;
        };
        pad = next;
    }
}

impl VoicePad {
    /// A new life of the element.
    pub fn start(&self) {
        *lock(&self.presentation) = Presentation::default();
        self.voice.start();
    }

    /// What is said at a running time, if a voice is there; see [`Voice::at`].
    pub fn at(&self, time: Option<gst::ClockTime>, late: impl Fn() -> bool) -> Option<Said> {
        let pad = lock(&self.pad).clone()?;
        self.voice.at(time?, || is_fed(&pad), late)
    }

    fn chain(&self, element: &MouthDub, buffer: &gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some((start, end)) = self.running_time(buffer) else {
            return Ok(gst::FlowSuccess::Ok);
        };
        let mut landmarks = vec![[0.0; 3]; COUNT];
        if let Err(error) = buffer::read_f32(buffer, landmarks.as_flattened_mut()) {
            gst::element_imp_error!(element, gst::StreamError::Failed, ("{error}"));
            return Err(gst::FlowError::Error);
        }
        if landmarks.as_flattened().iter().any(|v| !v.is_finite()) {
            gst::debug!(CAT, imp = element, "a mouth with a number that is not finite is left out");
            return Ok(gst::FlowSuccess::Ok);
        }
        let segment = lock(&self.segment).clone();
        if lock(&self.presentation).starts_with_frame(&segment, buffer.pts()) {
            self.voice.forget();
        }
        let loudness = meta::read(buffer, FrameMeta::Loudness).and_then(|m| m.data.try_into().ok());
        self.voice.push(Word { start, end, landmarks, loudness })
    }

    /// From when to when a buffer is said; `None` outside of the segment.
    fn running_time(&self, buffer: &gst::BufferRef) -> Option<(gst::ClockTime, gst::ClockTime)> {
        let segment = lock(&self.segment);
        let start = segment.to_running_time(buffer.pts()?)?;
        let end = buffer.pts()? + buffer.duration().unwrap_or_default();
        Some((start, segment.to_running_time(end).unwrap_or(start).max(start)))
    }

    fn event(&self, element: &MouthDub, pad: &gst::Pad, event: gst::Event) -> bool {
        use gst::EventView;
        gst::log!(CAT, obj = pad, "{event:?}");
        // What a flush has to do is done below.
        lock(&self.presentation).starts_with_event(&event);
        match event.view() {
            EventView::FlushStart(_) => self.voice.flush_pad(true),
            EventView::FlushStop(_) => {
                *lock(&self.segment) = Segment::new();
                self.voice.flush_pad(false);
            }
            EventView::StreamStart(_) => {
                self.voice.end_pad(false);
                element.ask_whether_live();
            }
            EventView::Caps(caps) => {
                if let Err(error) = TensorInfo::from_caps(TensorKind::Landmarks, caps.caps()) {
                    gst::warning!(CAT, obj = pad, "{error}");
                    return false;
                }
            }
            EventView::Segment(segment) => match segment.segment().downcast_ref() {
                Some(segment) => {
                    *lock(&self.segment) = segment.clone();
                    self.voice.begin_segment();
                }
                None => return false,
            },
            EventView::Gap(gap) => {
                let (pts, duration) = gap.get();
                let end = pts + duration.unwrap_or_default();
                if let Some(until) = lock(&self.segment).to_running_time(end) {
                    self.voice.cover(until);
                }
            }
            EventView::Eos(_) | EventView::SegmentDone(_) => self.voice.end_pad(true),
            // The rest tells of the voice, not of the pictures.
            _ => (),
        }
        true
    }

    fn query(&self, element: &MouthDub, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Caps(_) | gst::QueryViewMut::AcceptCaps(_) | gst::QueryViewMut::Context(_) => {
                gst::Pad::query_default(pad, Some(&*element.obj()), query)
            }
            // Nothing of the pictures is the voice's.
            _ => false,
        }
    }
}
