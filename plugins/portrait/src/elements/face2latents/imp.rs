// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-face2latents
 *
 * Lets the face of a video drive a photo through the motion extractor of a model pack: finds the face, follows it as
 * `facelandmarks` does, shows the pack's stage of the role `face2latents` a square around it, and sends the latent keypoints of
 * the photo with the video's expression and head, one buffer a frame, with the frame's time stamps. Packs that
 * `python -m models.convert.liveportrait` makes have such a stage; with others `facelandmarks ! landmarks2latents` does the
 * like by landmarks alone.
 *
 * `drive`, `drive-relative`, `pose-relative`, `pose-smoothing`, `pose-gain` and the offsets (`yaw` … `scale`) are those of
 * `landmarks2latents`, `face` is that of `facelandmarks`; all of them may change at any time. Metadata of a buffer:
 *
 * - `PortraitPoseMeta` `[7]`: the pose of the photo's head as applied.
 * - `PortraitLandmarksMeta` `[478, 3]`: landmarks that move as the face does, head pose removed.
 *
 * A frame without a face holds the last one, and before the first one the photo at rest; such buffers carry the GAP flag.
 * Input buffers that carry it are not looked at. What begins another presentation (a seek, a flush) begins with a new first
 * face, to which what is relative is relative. The buffer with which another face begins carries the MARKER flag.
 *
 * An element behind must announce the photo: `facesynth portrait=…` does. With QoS (property `qos`, on) frames that are late
 * already are dropped before the networks run.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=video.mp4 ! decodebin ! videoconvert ! face2latents model-pack=./liveportrait ! facesynth model-pack=./liveportrait portrait=photo.jpg ! videoconvert ! autovideosink
 * ]|
 *
 * Since: 0.2
 */
use std::sync::{Arc, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;

use super::CAT;
use super::settings::{Settings, properties};
use crate::elements::facelandmarks::tracker::Tracker;
use crate::elements::facelandmarks::watch::{Blind, Report, Sight, Watch, forwarded};
use crate::elements::landmarks2latents::notice::Notice;
use crate::elements::landmarks2latents::settings::Controls;
use crate::elements::landmarks2latents::state::{FrameInput, Role, State as Motion};
use crate::face::landmark::Pose;
use crate::pack::PackError;
use crate::photo::handover::{Handover, Slot};
use crate::photo::{Photos, Portrait, context};
use crate::stream::complaint::Complaints;
use crate::stream::element::{
    Description, SharedCaps, carry_rate, is_live, lock, pad_templates, sync_controls, tensor_caps,
    time_segment,
};
use crate::stream::settings::pack_error_message;
use crate::stream::stats::Stats;
use crate::stream::tensor::{TensorKind, meta};
use crate::stream::unfollowed::Unfollowed;

/// Frames a second of a video that does not say.
const DEFAULT_RATE: f32 = 25.0;

/// What exists from start to stop.
struct State {
    watch: Watch,
    motion: Motion,
}

#[derive(Default)]
pub struct Face2Latents {
    settings: Mutex<Settings>,
    complaints: Complaints,
    photos: Mutex<Option<Photos>>,
    /// A photo that is set while playing.
    newcomer: Slot<Arc<Portrait>>,
    /// Locked while the networks run.
    state: Mutex<Option<State>>,
    caps: SharedCaps,
    unfollowed: Unfollowed,
    stats: Stats,
}

/// What ends the stream.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Blind(#[from] Blind),
    #[error("{0}")]
    Other(String),
}

impl From<PackError> for Failure {
    fn from(error: PackError) -> Self {
        Self::Blind(error.into())
    }
}

impl Face2Latents {
    /// Loads tracker and motion.
    fn load(&self, settings: &Settings) -> Result<State, gst::ErrorMessage> {
        let failed = |error: PackError| {
            gst::error!(CAT, imp = self, "{error}");
            pack_error_message(&error)
        };
        let (pack, device) = settings.motion.model.open().map_err(failed)?;
        if !pack.manifest().stages.contains_key("face2latents") {
            return Err(failed(PackError::NoMotion(pack.id())));
        }
        let photos = context::need(&*self.obj(), &self.photos)?;
        let tracker = Tracker::new(&pack, device).map_err(failed)?;
        let motion = Motion::new(&settings.motion, photos.portrait, Role::Frames).map_err(failed)?;
        gst::info!(CAT, imp = self, "motion by the pack {} on {device:?}", pack.id());
        Ok(State { watch: Watch::new(tracker), motion })
    }

    /// Runs a frame through the networks and fills its buffer.
    fn run(
        &self,
        inbuf: &gst::BufferRef,
        outbuf: &mut gst::BufferRef,
        settings: &Settings,
    ) -> Result<(Vec<Notice>, Report), Failure> {
        let segment = time_segment(self.obj().upcast_ref());
        let _threads = settings.motion.model.limit_threads();
        let mut state = lock(&self.state);
        let State { watch, motion } = state.as_mut().ok_or_else(|| Failure::Other("not started".into()))?;
        if let Some((portrait, leads)) = self.newcomer.take(inbuf, segment.to_running_time(inbuf.pts())) {
            motion.go_on_with(portrait, leads);
        }
        let choice = settings.face.choice;
        let draw = |sight: Sight<'_>| -> Result<_, Failure> {
            let (pose, notices) = step(motion, &sight, &settings.motion.controls)?;
            motion.write(pose, outbuf).map_err(|error| Failure::Other(error.to_string()))?;
            sight.tracked.flag(outbuf);
            Ok(notices)
        };
        let (notices, report) = watch.look(&*self.obj(), inbuf, &segment, choice, draw)?;
        Ok((notices?, report))
    }
}

/// Moves the photo as the face in a frame does: the pose as applied, and what the user is told.
fn step(
    motion: &mut Motion,
    sight: &Sight<'_>,
    controls: &Controls,
) -> Result<(Pose, Vec<Notice>), PackError> {
    if sight.begins {
        motion.reset()?;
    }
    let tracked = sight.tracked;
    motion.landmarks.copy_from_slice(tracked.landmarks.as_flattened());
    if let (true, Some(view), Some(seen)) = (tracked.found, &sight.view, &mut motion.sight) {
        seen.look(view, &tracked.landmarks, &tracked.pose);
    }
    motion.step(&FrameInput::of_face(tracked), None, controls)
}

static DESCRIPTION: Description = Description::new(
    [
        "Face to latents",
        "Inference/Converter/Video/Metadata",
        "Latent keypoints of a portrait that moves as the face in a video does",
    ],
    || {
        let video = gst_video::VideoCapsBuilder::new().format(gst_video::VideoFormat::Rgb).build();
        pad_templates(video, TensorKind::Latents.template_caps())
    },
);

#[glib::object_subclass]
impl ObjectSubclass for Face2Latents {
    const NAME: &'static str = "GstFace2Latents";
    type Type = super::Face2Latents;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for Face2Latents {
    fn properties() -> &'static [glib::ParamSpec] {
        properties().specs()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let stored = properties().set(&mut lock(&self.settings), pspec.name(), value);
        self.complaints.set(&*self.obj(), pspec.name(), stored.err().as_ref());
        self.unfollowed.check(&*self.obj(), pspec.name());
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.stats.structure().to_value(),
            _ => properties().get(&mut lock(&self.settings), pspec),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        element.set_qos(true);
        element.set_gap_aware(true);
    }
}

impl GstObjectImpl for Face2Latents {}

impl ElementImpl for Face2Latents {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        Some(DESCRIPTION.metadata())
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        DESCRIPTION.pad_templates()
    }

    fn set_context(&self, context: &gst::Context) {
        if let Some(photos) = context::read(context) {
            *lock(&self.photos) = Some(photos);
        }
        self.parent_set_context(context);
    }
}

impl BaseTransformImpl for Face2Latents {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        self.complaints.post(&*self.obj());
        meta::register();
        let state = self.load(&settings)?;
        self.unfollowed.start(&*self.obj(), &state.motion.pack);
        self.stats.reset();
        *lock(&self.caps) = Some(state.motion.caps.clone());
        *lock(&self.state) = Some(state);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.caps) = None;
        *lock(&self.state) = None;
        *lock(&self.photos) = None;
        self.unfollowed.stop();
        self.newcomer.clear();
        Ok(())
    }

    fn transform_caps(
        &self,
        direction: gst::PadDirection,
        caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> Option<gst::Caps> {
        let base = if direction == gst::PadDirection::Src {
            self.obj().sink_pads().first().map(gst::Pad::pad_template_caps)?
        } else {
            // Of its own pack alone, once it is open.
            let kind = TensorKind::Latents;
            lock(&self.caps)
                .as_ref()
                .map_or_else(|| kind.template_caps(), |caps| tensor_caps(kind, &caps.output.1, &caps.pack))
        };
        Some(carry_rate(caps, &base, filter))
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let live = is_live(self.obj().sink_pad());
        let mut state = lock(&self.state);
        let state = state.as_mut().ok_or_else(|| gst::loggable_error!(CAT, "not started"))?;
        let rate = state.watch.set_caps(incaps, live)?;
        let (frames, seconds) = (rate.numer() as f32, rate.denom() as f32);
        state.motion.frame = if frames > 0.0 { seconds / frames } else { 1.0 / DEFAULT_RATE };
        Ok(())
    }

    fn transform_size(
        &self,
        direction: gst::PadDirection,
        _caps: &gst::Caps,
        _size: usize,
        othercaps: &gst::Caps,
    ) -> Option<usize> {
        match direction {
            gst::PadDirection::Sink => lock(&self.caps).as_ref().map(|caps| caps.other_size(direction)),
            _ => self.unit_size(othercaps),
        }
    }

    fn unit_size(&self, caps: &gst::Caps) -> Option<usize> {
        match gst_video::VideoInfo::from_caps(caps) {
            Ok(info) => Some(info.size()),
            Err(_) => lock(&self.caps).as_ref().map(|caps| caps.other_size(gst::PadDirection::Sink)),
        }
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

    fn transform_meta<'a>(
        &self,
        outbuf: &mut gst::BufferRef,
        meta: gst::MetaRef<'a, gst::Meta>,
        inbuf: &'a gst::BufferRef,
    ) -> bool {
        // What was known of the video's frames is not known of the photo's.
        !meta::is_of_frame(&meta) && self.parent_transform_meta(outbuf, meta, inbuf)
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if Watch::is_concerned(&event) {
            let heard = lock(&self.state).as_mut().map(|state| {
                let heard = state.watch.hear(&event);
                let reset = if heard.begins { state.motion.reset() } else { Ok(()) };
                (heard, reset)
            });
            if let Some((heard, reset)) = heard {
                if let Err(error) = reset {
                    gst::warning!(CAT, imp = self, "{error}");
                }
                let choice = lock(&self.settings).face.choice;
                heard.report.post(&*self.obj(), choice);
            }
        }
        forwarded(event).is_none_or(|event| self.parent_sink_event(event))
    }

    fn src_event(&self, event: gst::Event) -> bool {
        let handover = Handover::read(&event).filter(|_| lock(&self.state).is_some());
        let Some(handover) = handover else { return self.parent_src_event(event) };
        self.newcomer.relay(&handover, Arc::clone(&handover.photos.portrait), || {
            self.parent_src_event(event);
        });
        true
    }

    fn submit_input_buffer(
        &self,
        is_discont: bool,
        inbuf: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.stats.count_skipped(self.parent_submit_input_buffer(is_discont, inbuf))
    }

    fn before_transform(&self, inbuf: &gst::BufferRef) {
        sync_controls(*CAT, self.obj().upcast_ref(), inbuf);
    }

    fn transform(
        &self,
        inbuf: &gst::Buffer,
        outbuf: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if lock(&self.state).is_none() {
            return Err(gst::FlowError::Flushing);
        }
        let _timer = self.stats.time();
        let settings = lock(&self.settings).clone();
        match self.run(inbuf, outbuf, &settings) {
            Ok((notices, report)) => {
                notices.into_iter().for_each(|notice| notice.post(&*self.obj()));
                report.post(&*self.obj(), settings.face.choice);
                Ok(gst::FlowSuccess::Ok)
            }
            Err(Failure::Blind(blind)) => Err(blind.post(&*self.obj())),
            Err(Failure::Other(error)) => {
                gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
                Err(gst::FlowError::Error)
            }
        }
    }
}
