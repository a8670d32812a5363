// SPDX-License-Identifier: MIT OR Apache-2.0
//! A video that is watched for a face by an element: its frames, what its events tell, and what the user is told of it.

use gst::glib;
use gst::prelude::*;
use gst_video::prelude::*;

use super::CAT;
use super::absence::{Absence, Missing, Without};
use super::measure::Tracked;
use super::square::{self, Square};
use super::tracker::{Tracker, orientation};
use crate::face::find::{FaceChoice, RgbView};
use crate::pack::PackError;
use crate::stream::element::Segment;
use crate::stream::presentation::Presentation;

/// What exists from start to stop.
pub struct Watch {
    /// Finds and follows the face.
    tracker: Tracker,
    /// Whether a frame belongs to another presentation than the one before.
    presentation: Presentation,
    /// Geometry of the frames, from the caps.
    info: Option<gst_video::VideoInfo>,
    /// The frame with square pixels.
    square: Square,
    /// Whether the last frame showed a face, for the log.
    seen: bool,
    /// How long no face was seen.
    absence: Absence,
    /// Whether it was said that the video is turned.
    told_turn: bool,
}

/// What a frame shows.
pub struct Sight<'a> {
    pub tracked: &'a Tracked,
    /// The frame as it stands upright, with square pixels; none of one that is a gap.
    pub view: Option<RgbView<'a>>,
    /// Another presentation begins with it.
    pub begins: bool,
}

/// Why a frame is not looked at.
#[derive(Debug, thiserror::Error)]
pub enum Blind {
    #[error("the caps of the video are not known")]
    NotNegotiated,
    #[error("a buffer of {bytes} bytes is no frame of {width}x{height} pixels")]
    NoFrame { bytes: usize, width: usize, height: usize },
    #[error("{0}")]
    Pack(#[from] PackError),
}

/// What an event means.
#[derive(Default)]
pub struct Heard {
    /// Another presentation begins.
    pub begins: bool,
    pub report: Report,
}

/// What the user is to be told; without a lock held.
#[derive(Default)]
pub struct Report {
    missing: Option<Missing>,
    turned: Option<u32>,
}

impl Watch {
    /// Nothing was seen yet.
    pub fn new(tracker: Tracker) -> Self {
        Self {
            tracker,
            presentation: Presentation::default(),
            info: None,
            square: Square::default(),
            seen: false,
            absence: Absence::new(Without::Still),
            told_turn: false,
        }
    }

    /// Takes the geometry of the frames that come, and whether they are live; gives back their rate.
    ///
    /// # Errors
    /// Where the caps are not those of a video.
    pub fn set_caps(&mut self, caps: &gst::CapsRef, live: bool) -> Result<gst::Fraction, gst::LoggableError> {
        let info = gst_video::VideoInfo::from_caps(caps)
            .map_err(|_| gst::loggable_error!(CAT, "not video caps: {caps}"))?;
        self.tracker.set_live(live);
        // Where the face was is in pixels of the old size.
        self.tracker.reset();
        let rate = info.fps();
        self.info = Some(info);
        Ok(rate)
    }

    /// Whether an event tells anything; others are not worth waiting for networks that run.
    pub fn is_concerned(event: &gst::Event) -> bool {
        use gst::EventType::{Eos, StreamStart, Tag};
        Presentation::is_concerned(event) || matches!(event.type_(), StreamStart | Tag | Eos)
    }

    /// Heeds an event of the video.
    pub fn hear(&mut self, event: &gst::Event) -> Heard {
        let begins = self.presentation.starts_with_event(event);
        if begins {
            self.restart();
        }
        self.tracker.heed(event);
        let over = event.type_() == gst::EventType::Eos;
        let missing = if over { self.absence.end(|| self.tracker.faces()) } else { None };
        Heard { begins, report: Report { missing, turned: None } }
    }

    /// Looks at a frame, and hands over what it shows; with that, what the user is to be told.
    ///
    /// # Errors
    /// Where it is no frame, or the networks fail.
    pub fn look<T>(
        &mut self,
        element: &impl IsA<glib::Object>,
        buffer: &gst::BufferRef,
        segment: &Segment,
        choice: FaceChoice,
        take: impl FnOnce(Sight<'_>) -> T,
    ) -> Result<(T, Report), Blind> {
        let begins = self.presentation.starts_with_frame(segment, buffer.pts());
        if begins {
            self.restart();
        }
        let info = self.info.clone().ok_or(Blind::NotNegotiated)?;
        let (width, height) = (info.width() as usize, info.height() as usize);
        let time = segment.to_running_time(buffer.pts());
        let gap = is_void(buffer);
        let frame = if gap {
            None
        } else {
            let blind = || Blind::NoFrame { bytes: buffer.size(), width, height };
            Some(gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info).map_err(|_| blind())?)
        };
        let stored = match &frame {
            Some(frame) => {
                let stride = frame.plane_stride().first().and_then(|&stride| usize::try_from(stride).ok());
                let data = frame.plane_data(0).ok();
                let (square, ratio) = (&mut self.square, square::ratio(&info));
                let view = stride
                    .zip(data)
                    .and_then(|(stride, data)| square.of(data, stride, (width, height), ratio));
                Some(view.ok_or(Blind::NoFrame { bytes: buffer.size(), width, height })?)
            }
            None => None,
        };
        let found = match &stored {
            Some(view) => self.tracker.track(view, choice, time.map(seconds))?.found,
            None => {
                let (width, height) = square::size((width, height), square::ratio(&info));
                self.tracker.hold(width, height).found
            }
        };
        let upright = self.tracker.upright();
        let tracked = self.tracker.last().ok_or(Blind::NotNegotiated)?;
        let view = stored.map(|view| view.shown(upright));
        let taken = take(Sight { tracked, view, begins });
        if std::mem::replace(&mut self.seen, found) != found {
            let what = if found { "found" } else { "lost" };
            gst::info!(CAT, obj = element, "{what} the face at {:?}", buffer.pts());
        }
        let missing = if gap { None } else { self.absence.look(found, time, || self.tracker.faces()) };
        Ok((taken, Report { missing, turned: self.tell_turn() }))
    }

    /// Another presentation begins.
    fn restart(&mut self) {
        self.tracker.reset();
        self.absence.restart();
    }

    /// Degrees by which the video is turned, where that is to be said.
    fn tell_turn(&mut self) -> Option<u32> {
        let turned = self.tracker.turned();
        (turned != 0 && !std::mem::replace(&mut self.told_turn, true)).then_some(turned)
    }
}

impl Blind {
    /// Posts it as the element's error; what its stream returns.
    pub fn post(&self, element: &impl IsA<gst::Element>) -> gst::FlowError {
        let element = element.upcast_ref::<gst::Element>();
        match self {
            Self::NotNegotiated => return gst::FlowError::NotNegotiated,
            Self::NoFrame { .. } => gst::element_error!(element, gst::StreamError::Format, ("{self}")),
            Self::Pack(_) => {
                gst::error!(CAT, obj = element, "{self}");
                gst::element_error!(element, gst::LibraryError::Failed, ("{self}"));
            }
        }
        gst::FlowError::Error
    }
}

impl Report {
    /// Posts it.
    pub fn post(self, element: &impl IsA<gst::Element>, choice: FaceChoice) {
        let element = element.upcast_ref::<gst::Element>();
        if let Some(missing) = self.missing {
            missing.post(element, choice);
        }
        if let Some(degrees) = self.turned {
            gst::element_info!(
                element,
                gst::StreamError::Format,
                ("the face lies on its side: the video is taken as turned by {degrees} degrees clockwise (said once)")
            );
        }
    }
}

/// An event for what follows: what comes out is upright, so that the tag of the orientation goes no further. `None` where
/// nothing is left of it.
pub fn forwarded(event: gst::Event) -> Option<gst::Event> {
    let gst::EventView::Tag(tag) = event.view() else { return Some(event) };
    let mut tags = tag.tag_owned();
    if orientation(&tags).is_none() {
        return Some(event);
    }
    tags.make_mut().remove::<gst::tags::ImageOrientation>();
    (tags.n_tags() > 0).then(|| gst::event::Tag::builder(tags).seqnum(event.seqnum()).build())
}

fn seconds(time: gst::ClockTime) -> f64 {
    std::time::Duration::from(time).as_secs_f64()
}

/// Whether a buffer fills a gap of a video without a picture. A picture that carries GAP repeats another one, as those of `videorate`
/// do.
pub fn is_void(buffer: &gst::BufferRef) -> bool {
    buffer.flags().contains(gst::BufferFlags::GAP) && buffer.size() == 0
}
