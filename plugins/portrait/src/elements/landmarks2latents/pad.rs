// SPDX-License-Identifier: MIT OR Apache-2.0
//! The request pad `pose`: the face of a second video, as `facelandmarks` sends it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::CAT;
use super::track::{Track, TrackedFace};
use crate::face::landmark::COUNT;
use crate::face::landmark::pose::Pose;
use crate::stream::element::{Segment, lock};
use crate::stream::presentation::Presentation;
use crate::stream::tensor::{FrameMeta, TensorKind, buffer, meta};

/// Name of the pad and of its template.
pub const NAME: &str = "pose";

/// The pad, once it was requested, and what came to it.
#[derive(Default)]
pub struct PosePad {
    pub pad: Mutex<Option<gst::Pad>>,
    pub track: Track,
    segment: Mutex<Segment>,
    presentation: Mutex<Presentation>,
    /// How often another face took the place of the one before.
    faces: AtomicU64,
}

/// The template.
pub fn template() -> Option<gst::PadTemplate> {
    let caps = TensorKind::Landmarks.template_caps();
    gst::PadTemplate::new(NAME, gst::PadDirection::Sink, gst::PadPresence::Request, &caps).ok()
}

/// The element of such a pad.
pub trait HasPosePad: ElementImpl {
    /// What came to the pad.
    fn pose_pad(&self) -> &PosePad;

    /// The landmark streams that the element understands.
    fn landmark_caps(&self) -> gst::Caps;

    /// Whether it understands this one.
    ///
    /// # Errors
    /// What it does not understand.
    fn check_landmarks(&self, caps: &gst::CapsRef) -> Result<(), String>;

    /// A stream begins: before its next frame the element asks whether it is live.
    fn ask_whether_live(&self);
}

/// A new pad of that template.
pub fn new<E: HasPosePad>(template: &gst::PadTemplate) -> gst::Pad
where
    E::Type: IsA<gst::Element>,
{
    gst::Pad::builder_from_template(template)
        .name(NAME)
        .chain_function(|_, parent, buffer| {
            E::catch_panic_pad_function(
                parent,
                || Err(gst::FlowError::Error),
                |element| element.pose_pad().chain(element, &buffer),
            )
        })
        .event_function(|pad, parent, event| {
            E::catch_panic_pad_function(
                parent,
                || false,
                |element| element.pose_pad().event(element, pad, event),
            )
        })
        .query_function(|pad, parent, query| {
            E::catch_panic_pad_function(
                parent,
                || false,
                |element| element.pose_pad().query(element, pad, query),
            )
        })
        .build()
}

/// Whether something feeds a pad, through the ghost pads of bins.
fn is_fed(pad: &gst::Pad) -> bool {
    let mut pad = pad.clone();
    while let Some(peer) = pad.peer() {
        // Behind the inside of a bin's pad lies its outside.
        match peer.downcast_ref::<gst::ProxyPad>().and_then(ProxyPadExt::internal) {
            Some(outside) if peer.direction() == gst::PadDirection::Src && !peer.is::<gst::GhostPad>() => {
                pad = outside.upcast();
            }
            _ => return true,
        }
    }
    false
}

impl PosePad {
    /// A new life of the element; `looping` as `pose-loop`.
    pub fn start(&self, looping: bool) {
        *lock(&self.presentation) = Presentation::default();
        self.track.start(looping);
    }

    /// The face at a running time, if a video is there; see [`Track::at`].
    pub fn at(&self, time: Option<gst::ClockTime>) -> Option<super::track::DrivingFace> {
        let pad = lock(&self.pad).clone()?;
        self.track.at(time?, || is_fed(&pad))
    }

    fn chain(
        &self,
        element: &impl HasPosePad,
        buffer: &gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some((start, end)) = self.running_time(buffer) else {
            return Ok(gst::FlowSuccess::Ok);
        };
        let mut landmarks = vec![[0.0; 3]; COUNT];
        let read = buffer::read_f32(buffer, landmarks.as_flattened_mut()).map_err(|e| e.to_string());
        let pose = meta::read(buffer, FrameMeta::Pose).and_then(|m| m.data.try_into().ok());
        let pose = read.and_then(|()| {
            pose.map(Pose::from_array).ok_or_else(|| {
                "landmarks on the pad `pose` carry no head pose: link a facelandmarks to it".to_owned()
            })
        });
        let pose = pose.map_err(|error| {
            gst::element_imp_error!(element, gst::StreamError::Failed, ("{error}"));
            gst::FlowError::Error
        })?;
        let numbers = landmarks.as_flattened().iter().copied().chain(pose.to_array());
        if numbers.into_iter().any(|v| !v.is_finite()) {
            gst::debug!(CAT, imp = element, "a face with a number that is not finite is left out");
            return Ok(gst::FlowSuccess::Ok);
        }
        let segment = lock(&self.segment).clone();
        if lock(&self.presentation).starts_with_frame(&segment, buffer.pts()) {
            self.track.forget();
        }
        let lost = buffer.flags().contains(gst::BufferFlags::GAP);
        let is_other = u64::from(buffer.flags().contains(gst::BufferFlags::MARKER));
        let face = self.faces.fetch_add(is_other, Ordering::Relaxed) + is_other;
        self.track.push(TrackedFace { start, end, pose, landmarks, lost, face })
    }

    /// From when to when a buffer is shown; `None` outside of the segment.
    fn running_time(&self, buffer: &gst::BufferRef) -> Option<(gst::ClockTime, gst::ClockTime)> {
        let segment = lock(&self.segment);
        let start = segment.to_running_time(buffer.pts()?)?;
        let end = buffer.pts()? + buffer.duration().unwrap_or_default();
        Some((start, segment.to_running_time(end).unwrap_or(start).max(start)))
    }

    fn event(&self, element: &impl HasPosePad, pad: &gst::Pad, event: gst::Event) -> bool {
        use gst::EventView;
        gst::log!(CAT, obj = pad, "{event:?}");
        // What a flush has to do is done below.
        lock(&self.presentation).starts_with_event(&event);
        match event.view() {
            EventView::FlushStart(_) => self.track.flush_pad(true),
            EventView::FlushStop(_) => {
                *lock(&self.segment) = Segment::new();
                self.track.flush_pad(false);
            }
            EventView::StreamStart(_) => {
                self.track.end_pad(false);
                element.ask_whether_live();
            }
            EventView::Caps(caps) => {
                if let Err(error) = element.check_landmarks(caps.caps()) {
                    gst::warning!(CAT, obj = pad, "{error}");
                    return false;
                }
            }
            EventView::Segment(segment) => match segment.segment().downcast_ref() {
                Some(segment) => {
                    *lock(&self.segment) = segment.clone();
                    self.track.begin_pad_segment();
                }
                None => return false,
            },
            EventView::Gap(gap) => {
                let (pts, duration) = gap.get();
                let end = pts + duration.unwrap_or_default();
                if let Some(until) = lock(&self.segment).to_running_time(end) {
                    self.track.cover(until);
                }
            }
            EventView::Eos(_) | EventView::SegmentDone(_) => self.track.end_pad(true),
            // The rest tells of the video, not of the portrait.
            _ => (),
        }
        true
    }

    fn query(&self, element: &impl HasPosePad, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Caps(caps) => {
                let all = element.landmark_caps();
                let result = match caps.filter_owned() {
                    Some(filter) => filter.intersect_with_mode(&all, gst::CapsIntersectMode::First),
                    None => all,
                };
                caps.set_result(&result);
                true
            }
            gst::QueryViewMut::AcceptCaps(_) | gst::QueryViewMut::Context(_) => {
                gst::Pad::query_default(pad, Some(&*element.obj()), query)
            }
            // Nothing of the pictures behind this element is the video's.
            _ => false,
        }
    }
}
