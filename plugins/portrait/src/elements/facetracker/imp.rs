// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-facetracker
 *
 * Finds a face in a video, follows it, and writes it on the frames, which pass as they are. It is the tracker of
 * `facelandmarks` for those who need the pictures too; the frames need no conversion before it. Metadata of a frame:
 *
 * - `PortraitPictureLandmarksMeta` `[478, 3]`: x from 0 to 1 over the frame's width, y over its height, z in the unit of x.
 * - `PortraitLandmarksMeta` `[478, 3]` and `PortraitPoseMeta` `[7]`: the same with the head pose removed, and that pose, as
 *   `facelandmarks` has them.
 * - `PortraitTrackMeta`: `found` (boolean), whether the face is in this frame, `covered` (boolean), whether a hand, a
 *   microphone or the like is before its mouth, and `turn` (uint64), how often another shot or another face had begun. Where it is not found, only this is written.
 *
 * `face` says which one of several faces is followed, as in `facelandmarks`.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=10 ! video/x-raw,format=I420,width=320,height=240 ! facetracker ! fakesink
 * ]|
 *
 * Since: 0.2
 */
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::prelude::*;

use super::properties;
use super::reduced::{Colours, Reduced, Samples};
use crate::elements::facelandmarks::absence::{Absence, Missing, Without};
use crate::elements::facelandmarks::measure::Tracked;
use crate::elements::facelandmarks::settings::Settings;
use crate::elements::facelandmarks::square::{self, Square};
use crate::elements::facelandmarks::tracker::Tracker;
use crate::elements::facelandmarks::watch::is_void;
use crate::face::find::{FaceChoice, RgbView};
use crate::face::landmark::COUNT;
use crate::pack::POSE_LEN;
use crate::photo::mouth;
use crate::stream::complaint::Complaints;
use crate::stream::element::{Description, is_live, lock, pad_templates, time_segment};
use crate::stream::presentation::Presentation;
use crate::stream::settings::{ModelSettings, pack_error_message};
use crate::stream::stats::Stats;
use crate::stream::tensor::marks::TrackMark;
use crate::stream::tensor::voices::VoiceMeta;
use crate::stream::tensor::{FrameMeta, meta};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("facetracker", gst::DebugColorFlags::empty(), Some("A face followed in a video"))
});

/// Formats of the frames: those of cameras, decoders and encoders.
pub const FORMATS: [gst_video::VideoFormat; 4] = [
    gst_video::VideoFormat::I420,
    gst_video::VideoFormat::Nv12,
    gst_video::VideoFormat::Rgb,
    gst_video::VideoFormat::Rgba,
];

/// What exists from start to stop.
struct State {
    tracker: Tracker,
    settings: ModelSettings,
    presentation: Presentation,
    info: Option<gst_video::VideoInfo>,
    reduced: Reduced,
    /// The same with square pixels.
    square: Square,
    /// Restarts of the tracker: they are turns too.
    restarts: u64,
    covered: Covered,
    further: Vec<Further>,
    absence: Absence,
}

/// A face that is followed beside the first: for whom, which one, and whether its mouth is covered.
struct Further {
    number: u32,
    meta: VoiceMeta,
    covered: Covered,
    /// Of a face that was asked for by its number: where no face is there at all, the first says so.
    absence: Absence,
}

/// Frames of which most must show a covered mouth before it is one, and a free one before it is none.
const LOOKS: u32 = 5;

/// Whether something is before the mouth, frame by frame.
#[derive(Debug, Default)]
struct Covered {
    is: bool,
    /// Frames in a row, nearly, that say otherwise.
    other: u32,
}

impl Covered {
    /// A frame that shows a covered mouth or a free one; none where there is no face.
    fn step(&mut self, seen: Option<bool>) {
        match seen {
            None => *self = Self::default(),
            Some(seen) if seen == self.is => self.other = self.other.saturating_sub(1),
            Some(seen) => {
                self.other += 1;
                if self.other >= LOOKS {
                    *self = Self { is: seen, other: 0 };
                }
            }
        }
    }

    fn is_covered(&self) -> bool {
        self.is
    }
}

/// Whether something is before the mouth of a face with these landmarks, in parts of the picture.
fn is_covered(view: &RgbView<'_>, picture: &[[f32; 3]]) -> bool {
    let (width, height) = (view.width() as f32, view.height() as f32);
    let pixels: Vec<[f32; 3]> = picture.iter().map(|p| [p[0] * width, p[1] * height, p[2] * width]).collect();
    mouth::is_covered(view, &pixels)
}

#[derive(Default)]
pub struct FaceTracker {
    settings: Mutex<Settings>,
    complaints: Complaints,
    /// Faces that are followed beside the one of the property, each for the voice of that number.
    further: Mutex<Vec<(u32, FaceChoice)>>,
    /// Whether the face of the property is not to be one of those.
    claims: AtomicBool,
    /// Held while the networks run: nothing that a property getter needs is in here.
    state: Mutex<Option<State>>,
    stats: Stats,
}

impl FaceTracker {
    /// Follows a further face, for the voice of that number; from the next frame on.
    pub(super) fn follow(&self, number: u32, choice: FaceChoice) {
        let mut further = lock(&self.further);
        match further.iter_mut().find(|(known, _)| *known == number) {
            Some((_, face)) => *face = choice,
            None => further.push((number, choice)),
        }
    }

    /// Whether the face of the property is not to be one of the further ones.
    pub(super) fn claim(&self, claims: bool) {
        self.claims.store(claims, Ordering::Relaxed);
    }

    /// Follows it no longer.
    pub(super) fn leave(&self, number: u32) {
        lock(&self.further).retain(|(known, _)| *known != number);
    }
}

static DESCRIPTION: Description = Description::new(
    ["Face tracker", "Filter/Analyzer/Video", "Writes on each frame of a video where the face is"],
    || {
        let video = gst_video::VideoCapsBuilder::new().format_list(FORMATS).build();
        pad_templates(video.clone(), video)
    },
);

#[glib::object_subclass]
impl ObjectSubclass for FaceTracker {
    const NAME: &'static str = "GstFaceTracker";
    type Type = super::FaceTracker;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for FaceTracker {
    fn properties() -> &'static [glib::ParamSpec] {
        properties().specs()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let stored = properties().set(&mut lock(&self.settings), pspec.name(), value);
        self.complaints.set(&*self.obj(), pspec.name(), stored.err().as_ref());
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.stats.structure().to_value(),
            _ => properties().get(&mut lock(&self.settings), pspec),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        self.obj().set_gap_aware(true);
    }
}

impl GstObjectImpl for FaceTracker {}

impl ElementImpl for FaceTracker {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        Some(DESCRIPTION.metadata())
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        DESCRIPTION.pad_templates()
    }
}

impl BaseTransformImpl for FaceTracker {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).model.clone();
        self.complaints.post(&*self.obj());
        meta::register();
        let tracker = settings.open().and_then(|(pack, device)| Tracker::new(&pack, device));
        let tracker = tracker.map_err(|error| {
            gst::error!(CAT, imp = self, "{error}");
            pack_error_message(&error)
        })?;
        self.stats.reset();
        *lock(&self.state) = Some(State {
            tracker,
            settings,
            presentation: Presentation::default(),
            info: None,
            reduced: Reduced::default(),
            square: Square::default(),
            restarts: 0,
            covered: Covered::default(),
            further: Vec::new(),
            absence: Absence::new(Without::Pass),
        });
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = None;
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = gst_video::VideoInfo::from_caps(incaps)
            .map_err(|_| gst::loggable_error!(CAT, "not video caps: {incaps}"))?;
        let live = is_live(self.obj().sink_pad());
        let mut state = lock(&self.state);
        let state = state.as_mut().ok_or_else(|| gst::loggable_error!(CAT, "not started"))?;
        state.tracker.set_live(live);
        // Where the face was is in pixels of the old size.
        let size = |info: &gst_video::VideoInfo| (info.width(), info.height(), info.par());
        if state.info.as_ref().map(size) != Some(size(&info)) {
            state.restart();
        }
        state.info = Some(info);
        Ok(())
    }

    fn propose_allocation(
        &self,
        decide_query: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        self.parent_propose_allocation(decide_query, query)?;
        query.add_allocation_meta::<gst_video::VideoMeta>(None);
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        let concerned = Presentation::is_concerned(&event)
            || matches!(event.type_(), gst::EventType::StreamStart | gst::EventType::Tag);
        if concerned && let Some(state) = lock(&self.state).as_mut() {
            if state.presentation.starts_with_event(&event) {
                state.restart();
            }
            state.tracker.heed(&event);
        }
        if event.type_() == gst::EventType::Eos {
            let choice = lock(&self.settings).face.choice;
            let wanted = lock(&self.further).clone();
            let missing =
                lock(&self.state).as_mut().map(|state| state.end(choice, &wanted)).unwrap_or_default();
            missing.iter().for_each(|(missing, choice)| missing.post(self.obj().upcast_ref(), *choice));
        }
        self.parent_sink_event(event)
    }

    fn transform_ip(&self, buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        let _timer = self.stats.time();
        let segment = time_segment(self.obj().upcast_ref());
        let choice = lock(&self.settings).face.choice;
        let wanted = lock(&self.further).clone();
        let mut guard = lock(&self.state);
        let Some(state) = guard.as_mut() else { return Err(gst::FlowError::Flushing) };
        if state.presentation.starts_with_frame(&segment, buffer.pts()) {
            state.restart();
        }
        let Some(info) = state.info.clone() else { return Err(gst::FlowError::NotNegotiated) };
        let _threads = state.settings.limit_threads();
        let time = segment.to_running_time(buffer.pts());
        let gap = is_void(buffer);
        let taken = gap || state.take(buffer, &info);
        if !taken {
            drop(guard);
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                (
                    "a buffer of {} bytes is no frame of {}x{} pixels",
                    buffer.size(),
                    info.width(),
                    info.height()
                )
            );
            return Err(gst::FlowError::Error);
        }
        let State { tracker, reduced, square, restarts, covered, further, absence, .. } = state;
        further.retain(|one| wanted.iter().any(|(number, _)| *number == one.number));
        for (number, _) in &wanted {
            if !further.iter().any(|one| one.number == *number) {
                let meta = VoiceMeta::new(*number);
                let absence = Absence::new(Without::Pass);
                further.push(Further { number: *number, meta, covered: Covered::default(), absence });
            }
        }
        let view = if gap { None } else { reduced.view(square, square::ratio(&info)) };
        let tracked = match &view {
            Some(view) => {
                let time = time.map(|t| std::time::Duration::from(t).as_secs_f64());
                tracker.claim(self.claims.load(Ordering::Relaxed));
                tracker.track_several(view, choice, &wanted, time)
            }
            None => Ok(tracker.hold(1, 1)),
        };
        let found = tracked.map(|tracked| {
            let seen = view.filter(|_| tracked.found);
            covered.step(seen.map(|view| is_covered(&view, &tracked.picture)));
            write(tracked, buffer)
        });
        let mut missing = Vec::new();
        for Further { number, meta, covered, absence } in further.iter_mut() {
            let of = tracker.last_of(*number).filter(|(tracked, _)| tracked.found);
            let seen = view.zip(of);
            covered.step(seen.map(|(view, (tracked, _))| is_covered(&view, &tracked.picture)));
            let turn = tracker.last_of(*number).map_or(0, |(_, turns)| turns) + *restarts;
            let mark = TrackMark { found: of.is_some(), covered: covered.is_covered(), turn };
            meta.attach_face(buffer, mark, of.map(|(tracked, _)| tracked.picture.as_slice()));
            if !gap && let Some(choice) = numbered(&wanted, *number) {
                let due = absence.look(mark.found, time, || tracker.faces());
                missing.extend(due.map(|due| (due, choice)));
            }
        }
        let covered = covered.is_covered();
        let turn = tracker.turns() + *restarts;
        let shown = found.as_ref().ok().filter(|_| !gap);
        let first = shown.and_then(|&found| absence.look(found, time, || tracker.faces()));
        missing.extend(first.map(|first| (first, choice)));
        drop(guard);
        missing.iter().for_each(|(missing, choice)| missing.post(self.obj().upcast_ref(), *choice));
        match found {
            Ok(found) => {
                TrackMark { found, covered, turn }.attach(buffer);
                Ok(gst::FlowSuccess::Ok)
            }
            Err(error) => {
                gst::element_imp_error!(self, gst::LibraryError::Failed, ("{error}"));
                Err(gst::FlowError::Error)
            }
        }
    }
}

/// The choice of a further face that was asked for by a number.
fn numbered(wanted: &[(u32, FaceChoice)], number: u32) -> Option<FaceChoice> {
    let (_, choice) = wanted.iter().find(|(of, _)| *of == number)?;
    matches!(choice, FaceChoice::Number(_)).then_some(*choice)
}

impl State {
    /// Another presentation begins.
    fn restart(&mut self) {
        self.tracker.reset();
        self.covered = Covered::default();
        self.absence.restart();
        for one in &mut self.further {
            one.covered = Covered::default();
            one.absence.restart();
        }
        self.restarts += 1;
    }

    /// The video is over: what is to be told of faces that it never showed.
    fn end(&mut self, choice: FaceChoice, wanted: &[(u32, FaceChoice)]) -> Vec<(Missing, FaceChoice)> {
        let Self { tracker, absence, further, .. } = self;
        let first = absence.end(|| tracker.faces()).map(|missing| (missing, choice));
        let others = further.iter_mut().filter_map(|one| {
            let choice = numbered(wanted, one.number)?;
            Some((one.absence.end(|| tracker.faces())?, choice))
        });
        first.into_iter().chain(others).collect()
    }

    /// Takes the picture of a frame; whether it is one.
    fn take(&mut self, buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> bool {
        let Ok(frame) = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info) else {
            return false;
        };
        let samples = |component: u32| {
            let data = frame.comp_data(component).ok()?;
            let stride = usize::try_from(frame.comp_stride(component)).ok()?;
            Some(Samples { data, stride, step: usize::try_from(frame.comp_pstride(component)).ok()? })
        };
        let (Some(a), Some(b), Some(c)) = (samples(0), samples(1), samples(2)) else { return false };
        let colours = if info.is_rgb() { Colours::Rgb([a, b, c]) } else { Colours::Yuv([a, b, c]) };
        self.reduced.take(colours, info.width() as usize, info.height() as usize);
        true
    }
}

/// Writes a face on a frame; whether there is one.
fn write(tracked: &Tracked, buffer: &mut gst::BufferRef) -> bool {
    if tracked.found {
        let shape = [COUNT, 3];
        meta::attach(buffer, FrameMeta::Landmarks, &shape, tracked.landmarks.as_flattened());
        meta::attach(buffer, FrameMeta::Pose, &[POSE_LEN], &tracked.pose.to_array());
        meta::attach(buffer, FrameMeta::PictureLandmarks, &shape, tracked.picture.as_flattened());
    }
    tracked.found
}
