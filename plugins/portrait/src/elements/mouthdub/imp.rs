// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-mouthdub
 *
 * Draws the mouth that a voice says into the face of each frame of a video. Frames come from `facetracker`, which wrote on
 * them where the face is; the voice comes to the request pad `voice`, as `speech2landmarks` sends it, and meets the frames by
 * running time. `facedub` is all of it in one element.
 *
 * Pose, eyes and brows stay the frame's. Mouth and jaw move as the voice says, from the person's own mouth at rest, which is
 * learned as the video plays: the frame's own mouth is closed, lips, chin and cheeks are warped, and what shows between the
 * lips is drawn from the frames of the same person that showed more of it. Only the surroundings of the mouth are written:
 * every other pixel is that of the input, and so is the whole frame where the voice is silent for `silence-passthrough`, where
 * there is no face, or one that is turned too far.
 *
 * On each frame `PortraitDubMeta` tells what became of it: `drawn` (voice, silence, no-voice, no-face, turned, covered) and
 * `amount` (0 to 1); `PortraitPictureLandmarksMeta` the landmarks as drawn; `PortraitSyntheticMeta` marks drawn frames.
 * `stats` counts the frames of each kind.
 *
 * Live, the latency is that of the video or of the voice, whichever is longer; a voice that is late is not waited for.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=10 ! video/x-raw,format=I420,width=320,height=240 ! facetracker ! mouthdub ! fakesink
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

use super::draw::State;
use super::fed::is_fed;
use super::settings::{Settings, properties};
use super::voice::{self, VoicePad, Word};
use super::whose::Whose;
use crate::elements::facetracker::FORMATS;
use crate::pack::{Between, PackError, RendererKind};
use crate::stream::element::{Description, lock, pad_templates, sync_controls, time_segment};
use crate::stream::presentation::Presentation;
use crate::stream::refusal::Refusal;
use crate::stream::settings::pack_error_message;
use crate::stream::side::{self, HasSidePad, SidePad};
use crate::stream::stats::Stats;
use crate::stream::tensor::marks::Drawn;
use crate::stream::tensor::{TensorInfo, TensorKind, meta};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("mouthdub", gst::DebugColorFlags::empty(), Some("Another mouth in a video"))
});

#[derive(Default)]
pub struct MouthDub {
    settings: Mutex<Settings>,
    /// Locked while a frame is drawn.
    pub(super) state: Mutex<Option<State>>,
    pub(super) voice: VoicePad,
    /// Whose mouth is drawn.
    pub(super) whose: Mutex<Whose>,
    /// Whether it only learns the person.
    pub(super) studies: AtomicBool,
    /// Latency that frames have until they would be late, as it was reported last.
    latency: Mutex<gst::ClockTime>,
    /// Whether the stream was marked as modified.
    marked: Mutex<bool>,
    refusal: Refusal,
    stats: Stats,
    counts: Mutex<[u64; Drawn::ALL.len()]>,
}

impl MouthDub {
    fn find_out_whether_live(&self) {
        let Some(voice) = self.voice.to_ask() else { return };
        let (video, voice) = (latency_of(self.obj().sink_pad()), latency_of(&voice));
        gst::debug!(CAT, imp = self, "video {video:?}, voice {voice:?}");
        let live = |l: Option<Latency>| l.is_some_and(|l| l.live);
        self.voice.meeting.set_live(live(voice), live(video) || live(voice));
        *lock(&self.latency) = together(video, voice).min;
    }

    fn structure(&self) -> gst::Structure {
        let mut structure = self.stats.structure();
        for (drawn, count) in Drawn::ALL.into_iter().zip(*lock(&self.counts)) {
            structure.set(drawn.name(), count);
        }
        structure
    }

    /// What is said at a running time, if a voice is there.
    fn said(&self, time: Option<gst::ClockTime>) -> Option<voice::Said> {
        let pad = lock(&self.voice.pad).clone()?;
        voice::at(&self.voice.meeting, time?, || is_fed(&pad), || self.is_late(time))
    }

    /// Whether the frame of that running time would be late if it waited further.
    fn is_late(&self, time: Option<gst::ClockTime>) -> bool {
        let latency = *lock(&self.latency);
        match (self.obj().current_running_time(), time) {
            (Some(now), Some(time)) => now >= time + latency,
            _ => false,
        }
    }

    /// The tag that says that this is modified footage, before the first frame.
    fn mark_stream(&self) {
        if !std::mem::replace(&mut *lock(&self.marked), true) {
            self.obj().src_pad().push_event(gst::event::Tag::new(meta::modified_tags()));
        }
    }
}

impl HasSidePad for MouthDub {
    type Item = Word;
    type Record = ();

    fn side(&self) -> &SidePad<Word> {
        &self.voice
    }

    fn read_side(
        &self,
        buffer: &gst::BufferRef,
        span: (gst::ClockTime, gst::ClockTime),
    ) -> Result<Option<Word>, gst::FlowError> {
        let read = Word::read(buffer, span).map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
            gst::FlowError::Error
        })?;
        if read.is_none() {
            gst::debug!(CAT, imp = self, "a mouth with a number that is not finite is left out");
        }
        Ok(read)
    }

    fn check_side(&self, pad: &gst::Pad, caps: &gst::CapsRef) -> Result<(), String> {
        let shape = Between::Landmarks.shape();
        // Landmarks mean the same whichever pack says them; what else flows between the stages does not.
        if TensorInfo::from_caps(TensorKind::Landmarks, caps).is_ok_and(|info| info.shape == shape) {
            return Ok(());
        }
        let pack = lock(&self.state).as_ref().map_or_else(String::new, |state| state.pack.clone());
        self.refusal.check(pad, (TensorKind::Landmarks, &shape), &pack, caps).map(drop)
    }
}

/// What a latency query says.
#[derive(Clone, Copy, Debug)]
struct Latency {
    live: bool,
    min: gst::ClockTime,
    max: Option<gst::ClockTime>,
}

fn latency_of(pad: &gst::Pad) -> Option<Latency> {
    let mut query = gst::query::Latency::new();
    pad.peer_query(&mut query).then(|| {
        let (live, min, max) = query.result();
        Latency { live, min, max }
    })
}

/// The latency of two streams that wait for each other.
fn together(video: Option<Latency>, voice: Option<Latency>) -> Latency {
    let live = [video, voice].into_iter().flatten().filter(|l| l.live);
    live.fold(Latency { live: false, min: gst::ClockTime::ZERO, max: None }, |all, one| Latency {
        live: true,
        min: all.min.max(one.min),
        max: match (all.max, one.max) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
    })
}

static DESCRIPTION: Description = Description::new(
    ["Mouth dub", "Filter/Effect/Video", "Draws the mouth that a voice says into the frames of a video"],
    || {
        let video = gst_video::VideoCapsBuilder::new().format_list(FORMATS).build();
        let mut templates = pad_templates(video.clone(), video);
        templates.extend(side::template(voice::NAME));
        templates
    },
);

#[glib::object_subclass]
impl ObjectSubclass for MouthDub {
    const NAME: &'static str = "GstMouthDub";
    type Type = super::MouthDub;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for MouthDub {
    fn properties() -> &'static [glib::ParamSpec] {
        properties().specs()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        // None of them is a text that is read.
        let _ = properties().set(&mut lock(&self.settings), pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.structure().to_value(),
            _ => properties().get(&mut lock(&self.settings), pspec),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        self.obj().set_qos(true);
    }
}

impl GstObjectImpl for MouthDub {}

impl ElementImpl for MouthDub {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        Some(DESCRIPTION.metadata())
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        DESCRIPTION.pad_templates()
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        _name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        self.voice.request(self, template)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        self.voice.release(&*self.obj(), pad);
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::ReadyToPaused => {
                self.voice.start(());
            }
            // Pads are deactivated once their threads are out of here: they must not wait for each other.
            gst::StateChange::PausedToReady => self.voice.meeting.stop(),
            _ => (),
        }
        self.parent_change_state(transition)
    }
}

impl BaseTransformImpl for MouthDub {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).model.clone();
        meta::register();
        let failed = |error: &PackError| {
            gst::error!(CAT, imp = self, "{error}");
            pack_error_message(error)
        };
        let (pack, _) = settings.open().map_err(|error| failed(&error))?;
        if pack.manifest().picture.renderer != RendererKind::Warp {
            return Err(failed(&PackError::NoDub(pack.id())));
        }
        let mut state = State::new(&pack, lock(&self.whose).clone()).map_err(|error| match error {
            crate::render::RenderError::Pack(error) => failed(&error),
            error => gst::error_msg!(gst::ResourceError::Settings, ("{error}")),
        })?;
        if self.studies.load(Ordering::Relaxed) {
            state.study();
        }
        self.stats.reset();
        *lock(&self.counts) = [0; Drawn::ALL.len()];
        *lock(&self.marked) = false;
        self.refusal.forget();
        *lock(&self.state) = Some(state);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = None;
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = gst_video::VideoInfo::from_caps(incaps)
            .map_err(|_| gst::loggable_error!(CAT, "not video caps: {incaps}"))?;
        if info.is_interlaced() {
            let text = "interlaced frames cannot be dubbed: put a deinterlace before this element";
            self.refusal.post(&*self.obj(), gst::error_msg!(gst::StreamError::Format, ("{text}")));
            return Err(gst::loggable_error!(CAT, "{text}"));
        }
        let mut state = lock(&self.state);
        let state = state.as_mut().ok_or_else(|| gst::loggable_error!(CAT, "not started"))?;
        let rate = info.fps();
        if rate.numer() > 0 {
            state.frame = rate.denom() as f32 / rate.numer() as f32;
        }
        state.set_info(info);
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

    fn submit_input_buffer(
        &self,
        is_discont: bool,
        inbuf: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.stats.count_skipped(self.parent_submit_input_buffer(is_discont, inbuf))
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if direction == gst::PadDirection::Src
            && let gst::QueryViewMut::Latency(latency) = query.view_mut()
        {
            let voice = lock(&self.voice.pad).clone().and_then(|pad| latency_of(&pad));
            let Some(video) = latency_of(self.obj().sink_pad()) else { return false };
            let Latency { live, min, max } = together(Some(video), voice);
            *lock(&self.latency) = min;
            latency.set(live, min, max);
            return true;
        }
        BaseTransformImplExt::parent_query(self, direction, query)
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        self.voice.main_event(&event);
        if event.type_() == gst::EventType::StreamStart {
            *lock(&self.marked) = false;
        }
        if Presentation::is_concerned(&event)
            && let Some(state) = lock(&self.state).as_mut()
            && state.presentation.starts_with_event(&event)
        {
            state.reset();
        }
        self.parent_sink_event(event)
    }

    fn src_event(&self, event: gst::Event) -> bool {
        // The voice goes where the video goes.
        self.voice.follow_seek(&event);
        self.parent_src_event(event)
    }

    fn before_transform(&self, inbuf: &gst::BufferRef) {
        sync_controls(*CAT, self.obj().upcast_ref(), inbuf);
    }

    fn transform_ip(&self, buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.find_out_whether_live();
        let segment = time_segment(self.obj().upcast_ref());
        let time = segment.to_running_time(buffer.pts());
        // The voice may keep us waiting: nothing is locked here.
        let said = self.said(time);
        let controls = lock(&self.settings).controls;
        let timer = self.stats.time();
        let drawn = {
            let mut state = lock(&self.state);
            let state = state.as_mut().ok_or(gst::FlowError::Flushing)?;
            if state.presentation.starts_with_frame(&segment, buffer.pts()) {
                state.reset();
            }
            state.step(buffer, said.as_ref(), &controls)
        };
        drop(timer);
        let Some((drawn, amount)) = drawn else {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                ("a buffer of {} bytes is no frame of the video that was announced", buffer.size())
            );
            return Err(gst::FlowError::Error);
        };
        for (kind, count) in Drawn::ALL.iter().zip(lock(&self.counts).iter_mut()) {
            *count += u64::from(*kind == drawn);
        }
        if amount > 0.0 {
            self.mark_stream();
        }
        Ok(gst::FlowSuccess::Ok)
    }
}
