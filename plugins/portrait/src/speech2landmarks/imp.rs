/**
 * SECTION:element-speech2landmarks
 *
 * Turns audio features into normalised 3-D face landmarks with the pack's recurrent network, conditioned on an emotion
 * (SPACE, section 3.1). The person is the one of the photo that an element behind announces, else the pack's mean
 * face. Blinks are edits of the network's output.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 audiotestsrc num-buffers=100 ! audioconvert ! audioresample ! audiofeatures ! speech2landmarks emotion=happy ! fakesink
 * ]|
 *
 * Since: 0.1
 */
use std::sync::{Arc, LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use super::blink::{Blinker, close_lids};
use crate::element::{StageCaps, lock, pad_templates, starts_anew};
use crate::emotion::{Emotion, EmotionRamp};
use crate::landmark::neutral::close_mouth;
use crate::pack::{Pack, PackError, Stage};
use crate::photo::{Portrait, context};
use crate::settings::{ModelSettings, pack_error_message, seed_param_spec};
use crate::stats::{self, Stats};
use crate::tensor::{FrameMeta, TensorKind, buffer, meta};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("speech2landmarks", gst::DebugColorFlags::empty(), Some("Landmarks from speech"))
});

const DEFAULT_EMOTION_INTENSITY: f32 = 1.0;

/// Random stream of the blinks: elements with one seed must not share their numbers.
const BLINK_STREAM: u64 = 1;

#[derive(Clone)]
struct Settings {
    model: ModelSettings,
    emotion: Emotion,
    emotion_intensity: f32,
    seed: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: ModelSettings::default(),
            emotion: Emotion::default(),
            emotion_intensity: DEFAULT_EMOTION_INTENSITY,
            seed: 0,
        }
    }
}

/// What lives from start to stop.
struct State {
    pack: Arc<Pack>,
    stage: Arc<Stage>,
    caps: StageCaps,
    /// Normalised landmarks of the person at rest, `[N, 3]`.
    identity: Tensor,
    seed: u32,
    recurrent: Recurrent,
    features: Vec<f32>,
    landmarks: Vec<f32>,
}

/// What a flush forgets.
struct Recurrent {
    hidden: Tensor,
    emotion: EmotionRamp,
    blinker: Blinker,
}

impl Recurrent {
    fn new(stage: &Stage, seed: u32) -> Result<Self, PackError> {
        let mut rng = ChaCha8Rng::seed_from_u64(u64::from(seed));
        rng.set_stream(BLINK_STREAM);
        Ok(Self { hidden: stage.zero_input(3)?, emotion: EmotionRamp::default(), blinker: Blinker::new(rng) })
    }
}

impl State {
    fn new(settings: &Settings, portrait: Option<&Portrait>) -> Result<Self, PackError> {
        let (pack, device) = settings.model.open()?;
        let _threads = settings.model.limit_threads();
        let stage = pack.stage("speech2landmarks", device)?;
        let mut neutral = portrait.map_or(pack.mean_face(), |p| &p.neutral).to_vec();
        close_mouth(&mut neutral);
        let identity = stage.input(1, neutral.as_flattened())?;
        let feature_shape = pack.manifest().feature_shape().unwrap_or_default();
        Ok(Self {
            recurrent: Recurrent::new(&stage, settings.seed)?,
            identity,
            seed: settings.seed,
            features: vec![0.0; feature_shape.iter().product()],
            caps: StageCaps {
                input: (TensorKind::AudioFeatures, feature_shape),
                output: (TensorKind::Landmarks, vec![neutral.len(), 3]),
                pack: pack.id(),
            },
            landmarks: vec![0.0; neutral.len() * 3],
            stage,
            pack,
        })
    }

    /// Takes the network that was trained for features with that look-ahead, in samples.
    fn choose_stage(&mut self, look_ahead: Option<i32>) -> Result<(), PackError> {
        let look_ahead = look_ahead.and_then(|samples| usize::try_from(samples).ok());
        let name = self.pack.manifest().speech_stage(look_ahead);
        let stage = self.pack.stage(name, self.stage.device())?;
        if !Arc::ptr_eq(&stage, &self.stage) {
            self.stage = stage;
            self.reset()?;
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), PackError> {
        self.recurrent = Recurrent::new(&self.stage, self.seed)?;
        Ok(())
    }

    /// One frame: the network, then the edits of its output.
    fn step(&mut self, target: [f32; 8]) -> Result<[f32; 8], PackError> {
        let emotion = self.recurrent.emotion.step(target);
        let inputs = [
            self.stage.input(0, &self.features)?,
            self.identity.shallow_clone(),
            self.stage.input(2, &emotion)?,
            self.recurrent.hidden.shallow_clone(),
        ];
        let mut outputs = self.stage.run(&inputs)?.into_iter();
        if let (Some(landmarks), Some(hidden)) = (outputs.next(), outputs.next()) {
            self.stage.read(&landmarks, &mut self.landmarks)?;
            self.recurrent.hidden = hidden;
        }
        let closure = self.recurrent.blinker.step();
        close_lids(self.landmarks.as_chunks_mut::<3>().0, closure);
        Ok(emotion)
    }
}

#[derive(Default)]
pub struct Speech2Landmarks {
    settings: Mutex<Settings>,
    portrait: Mutex<Option<Arc<Portrait>>>,
    state: Mutex<Option<State>>,
    stats: Stats,
}

/// A new set of the properties: one class each, the element's and that of the bin that proxies them.
pub(crate) fn param_specs() -> Vec<glib::ParamSpec> {
    let mut specs = ModelSettings::param_specs();
    specs.extend([
        glib::ParamSpecEnum::builder_with_default("emotion", Emotion::default())
            .nick("Emotion")
            .blurb("Emotion of the face while it speaks")
            .mutable_playing()
            .build(),
        glib::ParamSpecFloat::builder("emotion-intensity")
            .nick("Emotion intensity")
            .blurb("How strong the emotion is (0 = none, 1 = full)")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(DEFAULT_EMOTION_INTENSITY)
            .mutable_playing()
            .controllable()
            .build(),
        seed_param_spec(),
        stats::param_spec(),
    ]);
    specs
}

#[glib::object_subclass]
impl ObjectSubclass for Speech2Landmarks {
    const NAME: &'static str = "GstSpeech2Landmarks";
    type Type = super::Speech2Landmarks;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for Speech2Landmarks {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(param_specs);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        match pspec.name() {
            "emotion" => settings.emotion = value.get().unwrap_or_default(),
            "emotion-intensity" => {
                settings.emotion_intensity = value.get().unwrap_or(DEFAULT_EMOTION_INTENSITY);
            }
            "seed" => settings.seed = value.get().unwrap_or_default(),
            name => {
                settings.model.set(name, value);
            }
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = lock(&self.settings);
        match pspec.name() {
            "emotion" => settings.emotion.to_value(),
            "emotion-intensity" => settings.emotion_intensity.to_value(),
            "seed" => settings.seed.to_value(),
            "stats" => self.stats.structure().to_value(),
            name => settings.model.get(name).unwrap_or_else(|| pspec.default_value().clone()),
        }
    }
}

impl GstObjectImpl for Speech2Landmarks {}

impl ElementImpl for Speech2Landmarks {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Speech to landmarks",
                "Inference/Converter/Audio/Metadata",
                "Moves normalised face landmarks with speech and emotion",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            pad_templates(TensorKind::AudioFeatures.template_caps(), TensorKind::Landmarks.template_caps())
        });
        &TEMPLATES
    }

    fn set_context(&self, context: &gst::Context) {
        if let Some(portrait) = context::read(context) {
            *lock(&self.portrait) = Some(portrait);
        }
        self.parent_set_context(context);
    }
}

impl BaseTransformImpl for Speech2Landmarks {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let portrait = context::find(&*self.obj(), &self.portrait);
        if portrait.is_none() {
            gst::info!(CAT, imp = self, "no portrait is announced: the pack's mean face speaks");
        }
        let settings = lock(&self.settings).clone();
        let state = State::new(&settings, portrait.as_deref()).map_err(|e| pack_error_message(&e))?;
        self.stats.reset();
        *lock(&self.state) = Some(state);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = None;
        *lock(&self.portrait) = None;
        Ok(())
    }

    fn transform_caps(
        &self,
        direction: gst::PadDirection,
        caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> Option<gst::Caps> {
        let state = lock(&self.state);
        let loaded = state.as_ref().map(|s| &s.caps);
        Some(StageCaps::other(
            loaded,
            (TensorKind::AudioFeatures, TensorKind::Landmarks),
            direction,
            caps,
            filter,
        ))
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let mut guard = lock(&self.state);
        let state = guard.as_mut().ok_or_else(|| gst::loggable_error!(CAT, "not started"))?;
        let info = state.caps.check(incaps).map_err(|e| gst::loggable_error!(CAT, "{e}"))?;
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
        lock(&self.state).as_ref().map(|s| s.caps.other_size(direction))
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if starts_anew(&event)
            && let Some(Err(error)) = lock(&self.state).as_mut().map(State::reset)
        {
            gst::warning!(CAT, imp = self, "{error}");
        }
        self.parent_sink_event(event)
    }

    fn before_transform(&self, inbuf: &gst::BufferRef) {
        let segment = self.obj().segment();
        let time = segment.downcast_ref::<gst::ClockTime>().and_then(|s| s.to_stream_time(inbuf.pts()));
        if let Some(time) = time
            && self.obj().sync_values(time).is_err()
        {
            gst::debug!(CAT, imp = self, "a controlled property could not be set");
        }
    }

    fn transform(
        &self,
        inbuf: &gst::Buffer,
        outbuf: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let _timer = self.stats.time();
        let settings = lock(&self.settings).clone();
        let _threads = settings.model.limit_threads();
        let target = settings.emotion.vector(settings.emotion_intensity);
        let mut guard = lock(&self.state);
        let state = guard.as_mut().ok_or(gst::FlowError::Flushing)?;
        let result = buffer::read_f32(inbuf, &mut state.features)
            .map_err(|e| e.to_string())
            .and_then(|()| state.step(target).map_err(|e| e.to_string()))
            .and_then(|emotion| {
                buffer::write_f32(outbuf, &state.landmarks).map_err(|e| e.to_string())?;
                meta::attach(outbuf, FrameMeta::AudioFeatures, &state.caps.input.1, &state.features);
                meta::attach(outbuf, FrameMeta::Emotion, &[emotion.len()], &emotion);
                Ok(())
            });
        drop(guard);
        result.map(|()| gst::FlowSuccess::Ok).map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
            gst::FlowError::Error
        })
    }
}
