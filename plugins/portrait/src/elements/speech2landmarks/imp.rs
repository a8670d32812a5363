// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-speech2landmarks
 *
 * Turns audio features into normalised 3-D face landmarks with the pack's recurrent network, conditioned on an emotion
 * (SPACE, section 3.1). The person is the one of the photo that an element behind announces, else the pack's mean
 * face. The network's output is then edited, in this order: brows that rise on stressed words; gains of mouth, brows and the
 * rest; openness of the mouth at silence; the way in, from the photo's own face in the first picture; gaze; lids, which follow the gaze and blink.
 * A second photo of the person (`portrait-open` of facesynth) tells better how the mouth is held while talking, and a short
 * video of them or several photos (`reference`) better still: then the mouth lies and opens as theirs does.
 *
 * All but the length of the way in may change while the pipeline plays, numbers by keyframes too (GstController), and is
 * written on each frame as it was applied (`PortraitEmotionMeta`, `PortraitFaceMeta`). Changes are ramps, never jumps.
 * Eyes as in a reference video are not made here but in `landmarks2latents`, by a video that drives them.
 *
 * The action signal `blink` makes the eyes blink, beginning with the next frame.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 audiotestsrc num-buffers=100 ! audioconvert ! audioresample ! audiofeatures ! speech2landmarks emotion=happy ! fakesink
 * ]|
 *
 * Since: 0.1
 */
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use tch::Tensor;

use super::manner::{Manner, Manners};
use super::person::Person;
use super::reference::References;
use super::settings::{Controls, Settings, properties};
use crate::face::edit::ramp::{Ramp, most_per_frame};
use crate::face::edit::{APPLIED, CLOSURE, Edits};
use crate::face::emotion::EMOTION_LEN;
use crate::face::habit::Habit;
use crate::pack::{LookAhead, Pack, PackError, Stage};
use crate::photo::handover::{Handover, Slot};
use crate::photo::{Photos, context};
use crate::stream::complaint::Complaints;
use crate::stream::element::{
    Description, SharedCaps, StageCaps, lock, pad_templates, sync_controls, time_segment,
};
use crate::stream::look_ahead;
use crate::stream::presentation::Presentation;
use crate::stream::refusal::Refusal;
use crate::stream::settings::pack_error_message;
use crate::stream::stats::Stats;
use crate::stream::tensor::{FrameMeta, TensorKind, buffer, meta};
use crate::stream::unfollowed::Unfollowed;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("speech2landmarks", gst::DebugColorFlags::empty(), Some("Landmarks from speech"))
});

/// Rate of packs that name none; no such pack is loaded.
const DEFAULT_FPS: f32 = 25.0;

/// What lives from start to stop.
struct State {
    pack: Arc<Pack>,
    stage: Arc<Stage>,
    caps: StageCaps,
    person: Person,
    /// How the person talks, where a reference tells.
    habit: Option<Arc<Habit>>,
    manners: Manners,
    /// The photos that were set while playing and that frames are made for.
    handover: Option<Arc<Handover>>,
    /// Frames a second of the stream.
    fps: f32,
    presentation: Presentation,
    /// The network's, where it has one.
    hidden: Option<Tensor>,
    emotion: Ramp<EMOTION_LEN>,
    edits: Edits,
    features: Vec<f32>,
    landmarks: Vec<f32>,
}

/// Controls as they were applied to a frame.
struct Applied {
    emotion: [f32; EMOTION_LEN],
    face: [f32; APPLIED],
}

impl State {
    /// With the network for that look-ahead, where the pack has one.
    fn new(settings: &Settings, photos: Option<&Photos>, wanted: LookAhead) -> Result<Self, PackError> {
        let (pack, device) = settings.model.open()?;
        let _threads = settings.model.limit_threads();
        let look_ahead = pack.manifest().look_ahead_samples(wanted);
        let stage = pack.stage(pack.manifest().speech_stage(look_ahead), device)?;
        let person = Person::new(&pack, &stage, photos)?;
        let Person { photo, neutral, .. } = &person;
        let feature_shape = pack.manifest().feature_shape().unwrap_or_default();
        let shape = pack.manifest().between.shape();
        Ok(Self {
            habit: None,
            manners: Manners::default(),
            handover: None,
            fps: pack.manifest().frame_rate().and_then(frames_a_second).unwrap_or(DEFAULT_FPS),
            presentation: Presentation::default(),
            hidden: stage.first_state()?,
            emotion: Ramp::default(),
            edits: Edits::new(photo, neutral, settings.seed),
            features: vec![0.0; feature_shape.iter().product()],
            caps: StageCaps {
                input: (TensorKind::AudioFeatures, feature_shape),
                output: (TensorKind::Landmarks, shape.clone()),
                pack: pack.id(),
            },
            landmarks: vec![0.0; shape.iter().product()],
            person,
            stage,
            pack,
        })
    }

    /// Goes on as another person, whose frames are marked where this element leads.
    fn go_on_as(&mut self, person: Person, leads: Option<Arc<Handover>>) -> Result<(), PackError> {
        self.edits.go_on_as(&person.photo, &person.neutral);
        self.person = person;
        self.handover = leads;
        // Another network may have been taken since.
        self.person.compare(&self.pack, &self.stage)?;
        self.set_manner(Manners::set)
    }

    /// Talks as a reference tells, or as the network says.
    fn talk_as(
        &mut self,
        habit: Option<Arc<Habit>>,
        how: impl FnOnce(&mut Manners, Option<Manner>),
    ) -> Result<(), PackError> {
        self.habit = habit;
        self.set_manner(how)
    }

    /// Finds what the habit asks of this person and network.
    fn set_manner(&mut self, how: impl FnOnce(&mut Manners, Option<Manner>)) -> Result<(), PackError> {
        let find = |habit: &Arc<Habit>| self.person.manner(&self.pack, &self.stage, habit);
        let manner = self.habit.as_ref().map(find).transpose()?.flatten();
        how(&mut self.manners, manner);
        Ok(())
    }

    /// Takes the network that was trained for features with that look-ahead, in samples.
    fn choose_stage(&mut self, look_ahead: Option<i32>) -> Result<(), PackError> {
        let look_ahead = look_ahead.and_then(|samples| usize::try_from(samples).ok());
        let name = self.pack.manifest().speech_stage(look_ahead);
        let stage = self.pack.stage(name, self.stage.device())?;
        if !Arc::ptr_eq(&stage, &self.stage) {
            self.stage = stage;
            self.person.compare(&self.pack, &self.stage)?;
            self.set_manner(Manners::set)?;
            self.reset()?;
        }
        Ok(())
    }

    /// Forgets what came before.
    fn reset(&mut self) -> Result<(), PackError> {
        self.hidden = self.stage.first_state()?;
        self.emotion = Ramp::default();
        self.edits.reset();
        self.manners.settle();
        Ok(())
    }

    /// One frame: the network, then the edits of its output. `loudness` is the level of its sound in dB, if there is any.
    fn step(
        &mut self,
        controls: &Controls,
        loudness: Option<f32>,
        blink: bool,
    ) -> Result<Applied, PackError> {
        let most = most_per_frame(1.0, controls.emotion_transition(), self.fps);
        let emotion = self.emotion.step(controls.emotion(), most);
        // What the pack does not know is not applied.
        let own = self.pack.manifest().own_emotions(&emotion);
        let own = &own[..self.pack.manifest().emotions.len()];
        let landmarks = self.pack.manifest().says_landmarks();
        let face = (!landmarks).then(|| self.edits.beside(&controls.face(), self.fps, blink));
        let outputs = self.stage.run_with(|name, index| match name {
            "features" => self.stage.input(index, &self.features),
            "emotion" => self.stage.input(index, own),
            "blink" => self.stage.input(index, &[face.map_or(0.0, |face| face[CLOSURE])]),
            "state" => match &self.hidden {
                Some(hidden) => Ok(hidden.shallow_clone()),
                None => self.stage.zero_input(index),
            },
            name => self.person.give(&self.stage, name, index),
        })?;
        self.stage.read(outputs.get(self.pack.manifest().between.name())?, &mut self.landmarks)?;
        self.hidden = outputs.find("state").map(Tensor::shallow_clone);
        drop(outputs);
        let emotion = self.pack.manifest().known_emotions(emotion);
        if let Some(face) = face {
            return Ok(Applied { emotion, face });
        }
        let (points, _) = self.landmarks.as_chunks_mut::<3>();
        if let Some(second) = &self.person.second {
            second.apply(points);
        }
        self.manners.apply(points, self.fps);
        let mut asked = controls.face();
        asked.accents *= self.person.brows;
        let face = self.edits.apply(points, &asked, loudness, self.fps, blink);
        Ok(Applied { emotion, face })
    }
}

/// The rate as a number; `None` where the stream has no fixed one.
fn frames_a_second(rate: gst::Fraction) -> Option<f32> {
    (rate.numer() > 0 && rate.denom() > 0).then(|| rate.numer() as f32 / rate.denom() as f32)
}

#[derive(Default)]
pub struct Speech2Landmarks {
    pub(super) settings: Mutex<Settings>,
    photos: Mutex<Option<Photos>>,
    /// A person that is set while playing.
    newcomer: Slot<Person>,
    /// How the person talks, set while playing.
    pub(super) references: References,
    /// Locked while the network runs.
    state: Mutex<Option<State>>,
    caps: SharedCaps,
    refusal: Refusal,
    /// A blink is asked for, to begin with the next frame.
    blink: AtomicBool,
    complaints: Complaints,
    unfollowed: Unfollowed,
    stats: Stats,
}

impl Speech2Landmarks {
    /// Prepares what a handover brings, on the thread that announces it; `false` where the element does not run. Nobody
    /// before this element needs the photo: it leads.
    fn prepare(&self, handover: &Arc<Handover>) -> bool {
        let _threads = lock(&self.settings).model.limit_threads();
        let running = lock(&self.state).as_ref().map(|s| (Arc::clone(&s.pack), Arc::clone(&s.stage)));
        let Some((pack, stage)) = running else { return false };
        match Person::new(&pack, &stage, Some(&handover.photos)) {
            Ok(person) => self.newcomer.relay(handover, person, || ()),
            Err(error) => handover.refuse(error.to_string()),
        }
        true
    }

    /// Frames from now on are those of somebody with that habit, after a while.
    pub(super) fn adopt(&self, habit: Option<Arc<Habit>>) -> Result<(), PackError> {
        let _threads = lock(&self.settings).model.limit_threads();
        lock(&self.state).as_mut().map_or(Ok(()), |state| state.talk_as(habit, Manners::change))
    }
}

static DESCRIPTION: Description = Description::new(
    [
        "Speech to landmarks",
        "Inference/Converter/Audio/Metadata",
        "Moves normalised face landmarks with speech and emotion",
    ],
    || pad_templates(TensorKind::AudioFeatures.template_caps(), TensorKind::Landmarks.template_caps()),
);

#[glib::object_subclass]
impl ObjectSubclass for Speech2Landmarks {
    const NAME: &'static str = "GstSpeech2Landmarks";
    type Type = super::Speech2Landmarks;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for Speech2Landmarks {
    fn properties() -> &'static [glib::ParamSpec] {
        properties().specs()
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            vec![super::blink_signal(|object| {
                if let Ok(element) = object.downcast::<super::Speech2Landmarks>() {
                    element.imp().blink.store(true, Ordering::Relaxed);
                }
            })]
        });
        &SIGNALS
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        // No lock while a message is on its way: its handlers may read properties.
        let stored = properties().set(&mut lock(&self.settings), pspec.name(), value);
        self.complaints.set(&*self.obj(), pspec.name(), stored.err().as_ref());
        self.unfollowed.check(&*self.obj(), pspec.name());
        if pspec.name() == "reference"
            && let Err(error) = self.references.ask(&self.obj())
        {
            gst::element_imp_warning!(self, gst::CoreError::Thread, ("cannot start a thread: {error}"));
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.stats.structure().to_value(),
            _ => properties().get(&mut lock(&self.settings), pspec),
        }
    }
}

impl GstObjectImpl for Speech2Landmarks {}

impl ElementImpl for Speech2Landmarks {
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

impl BaseTransformImpl for Speech2Landmarks {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let photos = context::find(&*self.obj(), &self.photos);
        if photos.is_none() {
            gst::info!(CAT, imp = self, "no portrait is announced: the pack's mean face speaks");
        }
        let settings = lock(&self.settings).clone();
        self.complaints.post(&*self.obj());
        // The caps will tell; but the element before knows already, and a network that is not needed is not loaded.
        let wanted = look_ahead::wanted(self.obj().sink_pad()).unwrap_or_default();
        let failed = |error: PackError| pack_error_message(&error);
        let mut state = State::new(&settings, photos.as_ref(), wanted).map_err(failed)?;
        let habit = self.first_reference(&state.pack).map_err(|fault| fault.to_message())?;
        state.talk_as(habit, Manners::set).map_err(failed)?;
        self.unfollowed.start(&*self.obj(), &state.pack);
        self.stats.reset();
        self.refusal.forget();
        *lock(&self.caps) = Some(state.caps.clone());
        *lock(&self.state) = Some(state);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        self.references.stop();
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
        Some(StageCaps::other(
            lock(&self.caps).as_ref(),
            (TensorKind::AudioFeatures, TensorKind::Landmarks),
            direction,
            caps,
            filter,
        ))
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let own = lock(&self.caps).clone().ok_or_else(|| gst::loggable_error!(CAT, "not started"))?;
        let checked = own.check(&self.refusal, self.obj().sink_pad(), incaps);
        let info = checked.map_err(|e| gst::loggable_error!(CAT, "{e}"))?;
        let mut guard = lock(&self.state);
        let state = guard.as_mut().ok_or_else(|| gst::loggable_error!(CAT, "not started"))?;
        state.fps = frames_a_second(info.framerate).unwrap_or(state.fps);
        let look_ahead = incaps.structure(0).and_then(|s| s.get::<i32>("look-ahead").ok());
        if let Err(error) = state.choose_stage(look_ahead) {
            drop(guard);
            self.post_error_message(pack_error_message(&error));
            return Err(gst::loggable_error!(CAT, "{error}"));
        }
        gst::debug!(CAT, imp = self, "features {:?} at {}", info.shape, info.framerate);
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
        Handover::read(&event).is_some_and(|handover| self.prepare(&handover)) || self.parent_src_event(event)
    }

    fn before_transform(&self, inbuf: &gst::BufferRef) {
        sync_controls(*CAT, self.obj().upcast_ref(), inbuf);
    }

    fn transform(
        &self,
        inbuf: &gst::Buffer,
        outbuf: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let _timer = self.stats.time();
        let (controls, _threads) = {
            let settings = lock(&self.settings);
            (settings.controls, settings.model.limit_threads())
        };
        let segment = time_segment(self.obj().upcast_ref());
        let mut guard = lock(&self.state);
        let state = guard.as_mut().ok_or(gst::FlowError::Flushing)?;
        let newcomer = self.newcomer.take(inbuf, segment.to_running_time(inbuf.pts()));
        let anew = state.presentation.starts_with_frame(&segment, inbuf.pts());
        let blink = self.blink.swap(false, Ordering::Relaxed);
        let loudness = meta::read(inbuf, FrameMeta::Loudness).and_then(|m| m.data.first().copied());
        let result = buffer::read_f32(inbuf, &mut state.features)
            .map_err(|e| e.to_string())
            .and_then(|()| buffer::check_finite(&state.features))
            .and_then(|()| {
                newcomer.map_or(Ok(()), |(person, leads)| {
                    state.go_on_as(person, leads).map_err(|e| e.to_string())
                })
            })
            .and_then(|()| if anew { state.reset().map_err(|e| e.to_string()) } else { Ok(()) })
            .and_then(|()| state.step(&controls, loudness, blink).map_err(|e| e.to_string()))
            .and_then(|Applied { emotion, face }| {
                buffer::write_f32(outbuf, &state.landmarks).map_err(|e| e.to_string())?;
                meta::attach(outbuf, FrameMeta::AudioFeatures, &state.caps.input.1, &state.features);
                meta::attach(outbuf, FrameMeta::Emotion, &[emotion.len()], &emotion);
                meta::attach(outbuf, FrameMeta::Face, &[face.len()], &face);
                state.handover.iter().for_each(|handover| handover.mark(outbuf));
                Ok(())
            });
        drop(guard);
        result.map(|()| gst::FlowSuccess::Ok).map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
            gst::FlowError::Error
        })
    }
}
