// SPDX-License-Identifier: MIT OR Apache-2.0
//! A request pad beside an element's main pad, whose stream meets the main one ([`super::meeting`]).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::element::{Segment, lock};
use super::meeting::{Meeting, Record, Timed};
use super::presentation::Presentation;
use super::tensor::TensorKind;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "portraitside",
        gst::DebugColorFlags::empty(),
        Some("Pads of gst-portrait whose streams meet that of the main pad"),
    )
});

/// The pad, once it was requested, and what came to it.
pub struct SidePad<T, R = ()> {
    pub pad: Mutex<Option<gst::Pad>>,
    pub meeting: Meeting<T, R>,
    segment: Mutex<Segment>,
    presentation: Mutex<Presentation>,
    /// Whether a stream began since the element asked if a source is live.
    ask_live: AtomicBool,
}

impl<T, R: Default> Default for SidePad<T, R> {
    fn default() -> Self {
        Self {
            pad: Mutex::default(),
            meeting: Meeting::default(),
            segment: Mutex::default(),
            presentation: Mutex::default(),
            ask_live: AtomicBool::default(),
        }
    }
}

/// The element of such a pad.
pub trait HasSidePad: ElementImpl {
    /// What comes to the pad.
    type Item: Timed;
    /// What is remembered of it.
    type Record: Record<Self::Item>;

    /// The pad, and what came to it.
    fn side(&self) -> &SidePad<Self::Item, Self::Record>;

    /// What a buffer with these running times brings; `None` where it is left out.
    ///
    /// # Errors
    /// What was said on the bus.
    fn read_side(
        &self,
        buffer: &gst::BufferRef,
        span: (gst::ClockTime, gst::ClockTime),
    ) -> Result<Option<Self::Item>, gst::FlowError>;

    /// Whether the element understands a stream of the pad.
    ///
    /// # Errors
    /// What it does not understand, which was posted.
    fn check_side(&self, pad: &gst::Pad, caps: &gst::CapsRef) -> Result<(), String>;

    /// Answers a query about the pad.
    fn query_side(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Caps(_) | gst::QueryViewMut::AcceptCaps(_) | gst::QueryViewMut::Context(_) => {
                gst::Pad::query_default(pad, Some(self.obj().upcast_ref::<gst::Element>()), query)
            }
            // Nothing of what comes out is the side's.
            _ => false,
        }
    }
}

/// The template of a pad of that name, which takes landmarks.
pub fn template(name: &str) -> Option<gst::PadTemplate> {
    let caps = TensorKind::Landmarks.template_caps();
    gst::PadTemplate::new(name, gst::PadDirection::Sink, gst::PadPresence::Request, &caps).ok()
}

/// What a pad is linked to, through the ghost pads of bins; or the last pad on the way, which is not linked.
///
/// # Errors
/// That pad.
pub fn peer_of(pad: &gst::Pad) -> Result<gst::Pad, gst::Pad> {
    let mut pad = pad.clone();
    while let Some(peer) = pad.peer() {
        // Behind the inside of a bin's pad lies its outside.
        match peer.downcast_ref::<gst::ProxyPad>().and_then(ProxyPadExt::internal) {
            Some(outside) if !peer.is::<gst::GhostPad>() => pad = outside.upcast(),
            _ => return Ok(peer),
        }
    }
    Err(pad)
}

/// A new pad of a template.
fn new<E: HasSidePad>(template: &gst::PadTemplate) -> gst::Pad
where
    E::Type: IsA<gst::Element>,
{
    gst::Pad::builder_from_template(template)
        .name(template.name_template())
        .chain_function(|_, parent, buffer| {
            E::catch_panic_pad_function(
                parent,
                || Err(gst::FlowError::Error),
                |element| element.side().chain(element, &buffer),
            )
        })
        .event_function(|pad, parent, event| {
            E::catch_panic_pad_function(
                parent,
                || false,
                |element| element.side().event(element, pad, &event),
            )
        })
        .query_function(|pad, parent, query| {
            E::catch_panic_pad_function(parent, || false, |element| element.query_side(pad, query))
        })
        .build()
}

impl<T: Timed, R: Record<T>> SidePad<T, R> {
    /// A new life of the element.
    pub fn start(&self, record: R) {
        *lock(&self.presentation) = Presentation::default();
        self.meeting.start(record);
        self.ask_whether_live();
    }

    /// A stream begins: before its next frame the element asks whether it is live.
    fn ask_whether_live(&self) {
        self.ask_live.store(true, Ordering::Relaxed);
    }

    /// The pad, where the element has to ask before a frame if a source is live; once for each stream.
    pub fn to_ask(&self) -> Option<gst::Pad> {
        let pad = lock(&self.pad).clone()?;
        self.ask_live.swap(false, Ordering::Relaxed).then_some(pad)
    }

    /// The main pad's events.
    pub fn main_event(&self, event: &gst::EventRef) {
        self.meeting.main_event(event);
        if event.type_() == gst::EventType::StreamStart {
            self.ask_whether_live();
        }
    }

    /// For `ElementImpl::request_new_pad`: there is one.
    pub fn request<E: HasSidePad<Item = T, Record = R>>(
        &self,
        element: &E,
        template: &gst::PadTemplate,
    ) -> Option<gst::Pad>
    where
        E::Type: IsA<gst::Element>,
    {
        let object = element.obj();
        let object = object.upcast_ref::<gst::Element>();
        let pad = {
            let mut slot = lock(&self.pad);
            if slot.is_some() {
                return None;
            }
            slot.insert(new::<E>(template)).clone()
        };
        self.ask_whether_live();
        // An element that runs already does not activate it.
        let added =
            pad.set_active(object.current_state() >= gst::State::Paused).and_then(|()| object.add_pad(&pad));
        if let Err(error) = added {
            gst::error!(CAT, obj = object, "{error}");
            *lock(&self.pad) = None;
            return None;
        }
        Some(pad)
    }

    /// For `ElementImpl::release_pad`.
    pub fn release(&self, element: &impl IsA<gst::Element>, pad: &gst::Pad) {
        self.meeting.flush_side(true);
        *lock(&self.pad) = None;
        for result in [pad.set_active(false), element.remove_pad(pad)] {
            if let Err(error) = result {
                gst::warning!(CAT, obj = element, "{error}");
            }
        }
        self.meeting.flush_side(false);
    }

    /// Seeks go where the main stream goes, too; backwards goes neither.
    pub fn follow_seek(&self, event: &gst::Event) {
        if let gst::EventView::Seek(seek) = event.view()
            && let Some(pad) = lock(&self.pad).clone()
            && seek.get().0 > 0.0
        {
            let ended = self.meeting.expect_segment();
            if !pad.push_event(event.clone()) {
                gst::debug!(CAT, obj = pad, "what feeds it does not seek");
                self.meeting.end_side(ended);
            }
        }
    }

    fn chain(
        &self,
        element: &impl HasSidePad<Item = T, Record = R>,
        buffer: &gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some(span) = self.running_time(buffer) else { return Ok(gst::FlowSuccess::Ok) };
        let Some(item) = element.read_side(buffer, span)? else { return Ok(gst::FlowSuccess::Ok) };
        let segment = lock(&self.segment).clone();
        if lock(&self.presentation).starts_with_frame(&segment, buffer.pts()) {
            self.meeting.forget();
        }
        self.meeting.push(item)
    }

    /// From when to when a buffer counts; `None` outside of the segment.
    fn running_time(&self, buffer: &gst::BufferRef) -> Option<(gst::ClockTime, gst::ClockTime)> {
        let segment = lock(&self.segment);
        let start = segment.to_running_time(buffer.pts()?)?;
        let end = buffer.pts()? + buffer.duration().unwrap_or_default();
        Some((start, segment.to_running_time(end).unwrap_or(start).max(start)))
    }

    fn event(
        &self,
        element: &impl HasSidePad<Item = T, Record = R>,
        pad: &gst::Pad,
        event: &gst::Event,
    ) -> bool {
        use gst::EventView;
        gst::log!(CAT, obj = pad, "{event:?}");
        // What a flush has to do is done below.
        lock(&self.presentation).starts_with_event(event);
        match event.view() {
            EventView::FlushStart(_) => self.meeting.flush_side(true),
            EventView::FlushStop(_) => {
                *lock(&self.segment) = Segment::new();
                self.meeting.flush_side(false);
            }
            EventView::StreamStart(_) => {
                self.meeting.end_side(false);
                self.ask_whether_live();
            }
            EventView::Caps(caps) => {
                if let Err(error) = element.check_side(pad, caps.caps()) {
                    gst::warning!(CAT, obj = pad, "{error}");
                    return false;
                }
            }
            EventView::Segment(segment) => match segment.segment().downcast_ref() {
                Some(segment) => {
                    *lock(&self.segment) = segment.clone();
                    self.meeting.begin_segment();
                }
                None => return false,
            },
            EventView::Gap(gap) => {
                let (pts, duration) = gap.get();
                let end = pts + duration.unwrap_or_default();
                if let Some(until) = lock(&self.segment).to_running_time(end) {
                    self.meeting.cover(until);
                }
            }
            EventView::Eos(_) | EventView::SegmentDone(_) => self.meeting.end_side(true),
            // The rest tells of the side, not of what comes out.
            _ => (),
        }
        true
    }
}
