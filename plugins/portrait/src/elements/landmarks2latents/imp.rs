// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-landmarks2latents
 *
 * Poses normalised landmarks in 3-D and turns them, with the audio, into the latent keypoints of the photo's renderer
 * (SPACE, section 3.2).
 *
 * Where the head pose comes from is told by `pose-mode`: `generated` by the pack from the speech, calm while it is silent;
 * `still`, the photo's; `transferred` from the face of a video; `free`, straight into the camera, from where `yaw`, `pitch`
 * and `roll` are absolute. `auto` transfers where a video drives the pose and generates elsewhere. In every mode `yaw`,
 * `pitch`, `roll` (degrees), `x`, `y` (head sizes: distances of the outer eye corners) and `scale` (a factor) are added.
 * The sum is clamped to what the photo can show, with one warning.
 *
 * Where the pose is generated the person breathes: shoulders and chest lift by a few pixels, calmly at rest, quickly in the pauses
 * of speech, and not within its words. `breath` is a factor on how far, 0 leaves it out.
 *
 * The video is tracked by `facelandmarks`. Its landmarks come to the main pad (the video drives the portrait, without a
 * voice) or to the request pad `pose` (the voice drives the portrait; the video its pose and the other regions that `drive`
 * names, by running time; without a live source both streams wait for each other). When the video on the pad ends, its last
 * pose is held, or with `pose-loop` its motion is played again. A seek reaches both inputs.
 *
 * All properties that say so can change while playing and follow a `GstController`. No change makes the head jump: what
 * moves faster than a head does (60 degrees or half a head size a second), and each change of the source of motion, is
 * eased by a critically damped spring with a time constant of 0.12 s. The pose metadata holds the pose as applied.
 *
 * An element behind must announce the photo: `facesynth portrait=…` does.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 audiotestsrc num-buffers=100 ! audioconvert ! audioresample ! audiofeatures ! speech2landmarks ! landmarks2latents seed=7 yaw=-10 ! facesynth portrait=photo.jpg ! videoconvert ! autovideosink
 * ]|
 * |[
 * gst-launch-1.0 filesrc location=speech.wav ! decodebin ! audioconvert ! audioresample ! audiofeatures ! speech2landmarks ! landmarks2latents name=l drive=pose+eyes ! facesynth portrait=photo.jpg ! videoconvert ! autovideosink filesrc location=video.mp4 ! decodebin ! videoconvert ! facelandmarks ! queue ! l.pose
 * ]|
 *
 * Since: 0.1
 */
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;

use super::CAT;
use super::notice::Notice;
use super::settings::{Settings, properties};
use super::state::{FrameInput, Role, State};
use super::track::{self, PosePad, Recording, TrackedFace};
use crate::pack::Between;
use crate::photo::handover::{Handover, Slot};
use crate::photo::{Photos, Portrait, context};
use crate::stream::element::{
    Description, SharedCaps, StageCaps, is_live, lock, pad_templates, sync_controls, time_segment,
};
use crate::stream::presentation::Presentation;
use crate::stream::refusal::Refusal;
use crate::stream::settings::pack_error_message;
use crate::stream::side::{self, HasSidePad, SidePad};
use crate::stream::stats::Stats;
use crate::stream::tensor::{TensorKind, buffer};
use crate::stream::unfollowed::Unfollowed;

/// Frames a second of a stream that does not say.
const DEFAULT_RATE: f32 = 25.0;

#[derive(Default)]
pub struct Landmarks2Latents {
    settings: Mutex<Settings>,
    photos: Mutex<Option<Photos>>,
    /// A photo that is set while playing.
    newcomer: Slot<Arc<Portrait>>,
    /// Locked while the networks run.
    state: Mutex<Option<State>>,
    caps: SharedCaps,
    pose: PosePad,
    /// How often another face of the driving video took the place of the one before.
    faces: AtomicU64,
    refusal: Refusal,
    unfollowed: Unfollowed,
    stats: Stats,
}

impl Landmarks2Latents {
    fn find_out_whether_live(&self) {
        let Some(pose) = self.pose.to_ask() else { return };
        let live = [self.obj().sink_pad().clone(), pose].iter().any(is_live);
        gst::debug!(CAT, imp = self, "a source is live: {live}");
        self.pose.meeting.set_live(live, live);
    }

    /// The face of the driving video at a running time, if a video is there.
    fn driving(&self, time: Option<gst::ClockTime>) -> Option<track::DrivingFace> {
        let pad = lock(&self.pose.pad).clone()?;
        track::at(&self.pose.meeting, time?, || side::peer_of(&pad).is_ok())
    }

    /// Runs a frame through the networks and fills its buffer.
    fn run(&self, inbuf: &gst::BufferRef, outbuf: &mut gst::BufferRef) -> Result<Vec<Notice>, String> {
        let input = FrameInput::read(inbuf, lock(&self.pose.pad).is_some());
        // The video may keep us waiting: nothing is locked here.
        let segment = time_segment(self.obj().upcast_ref());
        let driving = self.driving(segment.to_running_time(inbuf.pts()));
        let settings = lock(&self.settings).clone();
        let _threads = settings.model.limit_threads();
        let mut state = lock(&self.state);
        let state = state.as_mut().ok_or("not started")?;
        if let Some((portrait, leads)) = self.newcomer.take(inbuf, segment.to_running_time(inbuf.pts())) {
            state.go_on_with(portrait, leads);
        }
        if state.presentation.starts_with_frame(&segment, inbuf.pts()) {
            state.reset().map_err(|e| e.to_string())?;
        }
        buffer::read_f32(inbuf, &mut state.landmarks).map_err(|e| e.to_string())?;
        buffer::check_finite(&state.landmarks)?;
        let (pose, notices) =
            state.step(&input, driving.as_ref(), &settings.controls).map_err(|e| e.to_string())?;
        state.write(pose, outbuf).map_err(|e| e.to_string())?;
        Ok(notices)
    }
}

impl HasSidePad for Landmarks2Latents {
    type Item = TrackedFace;
    type Record = Recording;

    fn side(&self) -> &SidePad<TrackedFace, Recording> {
        &self.pose
    }

    fn read_side(
        &self,
        buffer: &gst::BufferRef,
        span: (gst::ClockTime, gst::ClockTime),
    ) -> Result<Option<TrackedFace>, gst::FlowError> {
        let face = |is_other: bool| {
            let is_other = u64::from(is_other);
            self.faces.fetch_add(is_other, Ordering::Relaxed) + is_other
        };
        let read = TrackedFace::read(buffer, span, face).map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
            gst::FlowError::Error
        })?;
        if read.is_none() {
            gst::debug!(CAT, imp = self, "a face with a number that is not finite is left out");
        }
        Ok(read)
    }

    fn check_side(&self, pad: &gst::Pad, caps: &gst::CapsRef) -> Result<(), String> {
        // A pad with a stream is an element's that has started.
        let Some(own) = lock(&self.caps).clone() else { return Ok(()) };
        let takes = (TensorKind::Landmarks, &Between::Landmarks.shape()[..]);
        self.refusal.check(pad, takes, &own.pack, caps).map(drop)
    }
}

static DESCRIPTION: Description = Description::new(
    [
        "Landmarks to latents",
        "Inference/Filter/Metadata",
        "Poses landmarks and turns them into latent keypoints of a portrait",
    ],
    || {
        let mut templates =
            pad_templates(TensorKind::Landmarks.template_caps(), TensorKind::Latents.template_caps());
        templates.extend(super::pose_template());
        templates
    },
);

#[glib::object_subclass]
impl ObjectSubclass for Landmarks2Latents {
    const NAME: &'static str = "GstLandmarks2Latents";
    type Type = super::Landmarks2Latents;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for Landmarks2Latents {
    fn properties() -> &'static [glib::ParamSpec] {
        properties().specs()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        // None of them is a text that is read.
        let _ = properties().set(&mut lock(&self.settings), pspec.name(), value);
        self.unfollowed.check(&*self.obj(), pspec.name());
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.stats.structure().to_value(),
            _ => properties().get(&mut lock(&self.settings), pspec),
        }
    }
}

impl GstObjectImpl for Landmarks2Latents {}

impl ElementImpl for Landmarks2Latents {
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
        self.pose.request(self, template)
    }

    fn release_pad(&self, pad: &gst::Pad) {
        self.pose.release(&*self.obj(), pad);
    }

    fn set_context(&self, context: &gst::Context) {
        if let Some(photos) = context::read(context) {
            *lock(&self.photos) = Some(photos);
        }
        self.parent_set_context(context);
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::ReadyToPaused => {
                let looping = lock(&self.settings).pose_loop;
                self.pose.start(Recording::new(looping));
            }
            // Pads are deactivated once their threads are out of here: they must not wait for each other.
            gst::StateChange::PausedToReady => self.pose.meeting.stop(),
            _ => (),
        }
        self.parent_change_state(transition)
    }
}

impl BaseTransformImpl for Landmarks2Latents {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let photos = context::need(&*self.obj(), &self.photos)?;
        let settings = lock(&self.settings).clone();
        let state =
            State::new(&settings, photos.portrait, Role::Landmarks).map_err(|e| pack_error_message(&e))?;
        self.unfollowed.start(&*self.obj(), &state.pack);
        self.stats.reset();
        self.refusal.forget();
        *lock(&self.caps) = Some(state.caps.clone());
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
        let kinds = (TensorKind::Landmarks, TensorKind::Latents);
        Some(StageCaps::other(lock(&self.caps).as_ref(), kinds, direction, caps, filter))
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let own = lock(&self.caps).clone().ok_or_else(|| gst::loggable_error!(CAT, "not started"))?;
        let checked = own.check(&self.refusal, self.obj().sink_pad(), incaps);
        let info = checked.map_err(|e| gst::loggable_error!(CAT, "{e}"))?;
        let mut state = lock(&self.state);
        let state = state.as_mut().ok_or_else(|| gst::loggable_error!(CAT, "not started"))?;
        gst::debug!(CAT, imp = self, "landmarks {:?} at {}", info.shape, info.framerate);
        let (frames, seconds) = (info.framerate.numer() as f32, info.framerate.denom() as f32);
        state.frame = if frames > 0.0 { seconds / frames } else { 1.0 / DEFAULT_RATE };
        Ok(())
    }

    fn transform_size(
        &self,
        direction: gst::PadDirection,
        _caps: &gst::Caps,
        _size: usize,
        _othercaps: &gst::Caps,
    ) -> Option<usize> {
        lock(&self.caps).as_ref().map(|caps| caps.other_size(direction))
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        self.pose.main_event(&event);
        if Presentation::is_concerned(&event)
            && let Some(state) = lock(&self.state).as_mut()
            && state.presentation.starts_with_event(&event)
            && let Err(error) = state.reset()
        {
            gst::warning!(CAT, imp = self, "{error}");
        }
        self.parent_sink_event(event)
    }

    fn src_event(&self, event: gst::Event) -> bool {
        // The video goes where the speech goes.
        self.pose.follow_seek(&event);
        let handover = Handover::read(&event).filter(|_| lock(&self.state).is_some());
        let Some(handover) = handover else { return self.parent_src_event(event) };
        self.newcomer.relay(&handover, Arc::clone(&handover.photos.portrait), || {
            self.parent_src_event(event);
        });
        true
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
        self.find_out_whether_live();
        let _timer = self.stats.time();
        match self.run(inbuf, outbuf) {
            Ok(notices) => {
                notices.into_iter().for_each(|notice| notice.post(&*self.obj()));
                Ok(gst::FlowSuccess::Ok)
            }
            Err(error) => {
                gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
                Err(gst::FlowError::Error)
            }
        }
    }
}
