/**
 * SECTION:element-landmarks2latents
 *
 * Poses normalised landmarks in 3-D and turns them, with the audio, into the latent keypoints of the photo's renderer
 * (SPACE, section 3.2). Speech-driven landmarks get a head pose from the pack's generator; landmarks of `facelandmarks`
 * bring their own, which is transferred relative to the video's first face, as are its landmarks.
 *
 * An element behind must announce the photo: `facesynth portrait=…` does.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 audiotestsrc num-buffers=100 ! audioconvert ! audioresample ! audiofeatures ! speech2landmarks ! landmarks2latents seed=7 ! facesynth portrait=photo.jpg ! videoconvert ! autovideosink
 * ]|
 *
 * Since: 0.1
 */
use std::sync::{Arc, LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::subclass::prelude::*;
use tch::Tensor;

use super::motion::{PoseGenerator, Transfer, Within};
use crate::element::{StageCaps, lock, pad_templates, starts_anew};
use crate::emotion::EMOTION_LEN;
use crate::landmark::pose::Pose;
use crate::pack::{PackError, Stage};
use crate::photo::{Portrait, context};
use crate::settings::{ModelSettings, pack_error_message, seed_param_spec};
use crate::stats::{self, Stats};
use crate::tensor::{FrameMeta, TensorKind, buffer, meta};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "landmarks2latents",
        gst::DebugColorFlags::empty(),
        Some("Latents from landmarks"),
    )
});

#[derive(Clone, Default)]
struct Settings {
    model: ModelSettings,
    seed: u32,
}

/// What lives from start to stop.
struct State {
    stage: Arc<Stage>,
    caps: StageCaps,
    portrait: Arc<Portrait>,
    source_latents: Tensor,
    seed: u32,
    generator: PoseGenerator,
    transfer: Transfer,
    hidden: Tensor,
    warned: bool,
    landmarks: Vec<f32>,
    posed: Vec<[f32; 3]>,
    latents: Vec<f32>,
}

/// What the landmarks of one frame come with.
struct FrameInput {
    features: Option<Vec<f32>>,
    emotion: [f32; EMOTION_LEN],
    pose: Option<Pose>,
    /// The tracker has no face: landmarks and pose are those of the last one, or of nobody.
    lost: bool,
}

impl FrameInput {
    fn read(inbuf: &gst::BufferRef) -> Self {
        let numbers = |kind| meta::read(inbuf, kind).map(|m| m.data);
        Self {
            features: numbers(FrameMeta::AudioFeatures),
            emotion: numbers(FrameMeta::Emotion).and_then(|e| e.try_into().ok()).unwrap_or_default(),
            pose: numbers(FrameMeta::Pose).and_then(|p| p.try_into().ok()).map(Pose::from_array),
            lost: inbuf.flags().contains(gst::BufferFlags::GAP),
        }
    }
}

impl State {
    fn new(settings: &Settings, portrait: Arc<Portrait>) -> Result<Self, PackError> {
        let (pack, device) = settings.model.open()?;
        let _threads = settings.model.limit_threads();
        let stage = pack.stage("landmarks2latents", device)?;
        let manifest = pack.manifest();
        let (points, latents) = (manifest.landmarks.count, manifest.latents.count);
        Ok(Self {
            source_latents: stage.input(2, &portrait.source_latents)?,
            generator: PoseGenerator::new(&pack, device, &portrait.pose, settings.seed)?,
            transfer: Transfer::default(),
            hidden: stage.zero_input(4)?,
            caps: StageCaps {
                input: (TensorKind::Landmarks, vec![points, 3]),
                output: (TensorKind::Latents, vec![latents, 3]),
                pack: pack.id(),
            },
            seed: settings.seed,
            warned: false,
            landmarks: vec![0.0; points * 3],
            posed: vec![[0.0; 3]; points],
            latents: vec![0.0; latents * 3],
            portrait,
            stage,
        })
    }

    fn reset(&mut self) -> Result<(), PackError> {
        self.generator.reset(self.seed)?;
        self.transfer = Transfer::default();
        self.hidden = self.stage.zero_input(4)?;
        Ok(())
    }

    /// One frame: pose, pose the landmarks, run the network. Leaves landmarks and latents as applied.
    fn step(&mut self, input: &FrameInput) -> Result<(Pose, Within), PackError> {
        let silence = || vec![0.0; self.stage.input_shape(1).iter().product::<i64>() as usize];
        let features = input.features.clone().unwrap_or_else(silence);
        let (points, _) = self.landmarks.as_chunks_mut::<3>();
        let (pose, within) = match input.pose {
            Some(_) if input.lost && !self.transfer.has_started() => {
                points.copy_from_slice(&self.portrait.neutral);
                (self.portrait.pose, Within::Range)
            }
            Some(driving) => {
                self.transfer.apply(points, driving, &self.portrait.neutral, &self.portrait.pose)
            }
            None => (self.generator.step(&features)?, Within::Range),
        };
        pose.apply(points, &mut self.posed);
        let inputs = [
            self.stage.input(0, self.posed.as_flattened())?,
            self.stage.input(1, &features)?,
            self.source_latents.shallow_clone(),
            self.stage.input(3, &input.emotion)?,
            self.hidden.shallow_clone(),
        ];
        let mut outputs = self.stage.run(&inputs)?.into_iter();
        if let (Some(latents), Some(hidden)) = (outputs.next(), outputs.next()) {
            self.stage.read(&latents, &mut self.latents)?;
            self.hidden = hidden;
        }
        Ok((pose, within))
    }
}

#[derive(Default)]
pub struct Landmarks2Latents {
    settings: Mutex<Settings>,
    portrait: Mutex<Option<Arc<Portrait>>>,
    state: Mutex<Option<State>>,
    stats: Stats,
}

/// A new set of the properties: one class each, the element's and that of the bin that proxies them.
pub(crate) fn param_specs() -> Vec<glib::ParamSpec> {
    let mut specs = ModelSettings::param_specs();
    specs.extend([seed_param_spec(), stats::param_spec()]);
    specs
}

#[glib::object_subclass]
impl ObjectSubclass for Landmarks2Latents {
    const NAME: &'static str = "GstLandmarks2Latents";
    type Type = super::Landmarks2Latents;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for Landmarks2Latents {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(param_specs);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        match pspec.name() {
            "seed" => settings.seed = value.get().unwrap_or_default(),
            name => {
                settings.model.set(name, value);
            }
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = lock(&self.settings);
        match pspec.name() {
            "seed" => settings.seed.to_value(),
            "stats" => self.stats.structure().to_value(),
            name => settings.model.get(name).unwrap_or_else(|| pspec.default_value().clone()),
        }
    }
}

impl GstObjectImpl for Landmarks2Latents {}

impl ElementImpl for Landmarks2Latents {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Landmarks to latents",
                "Inference/Filter/Metadata",
                "Poses landmarks and turns them into latent keypoints of a portrait",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            pad_templates(TensorKind::Landmarks.template_caps(), TensorKind::Latents.template_caps())
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

impl BaseTransformImpl for Landmarks2Latents {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let portrait = context::find(&*self.obj(), &self.portrait).ok_or_else(|| {
            gst::error_msg!(
                gst::ResourceError::Settings,
                ("no portrait is announced: put a facesynth with its property `portrait` set behind this element")
            )
        })?;
        let settings = lock(&self.settings).clone();
        let state = State::new(&settings, portrait).map_err(|e| pack_error_message(&e))?;
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
        Some(StageCaps::other(loaded, (TensorKind::Landmarks, TensorKind::Latents), direction, caps, filter))
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let state = lock(&self.state);
        let state = state.as_ref().ok_or_else(|| gst::loggable_error!(CAT, "not started"))?;
        let info = state.caps.check(incaps).map_err(|e| gst::loggable_error!(CAT, "{e}"))?;
        gst::debug!(CAT, imp = self, "landmarks {:?} at {}", info.shape, info.framerate);
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

    fn transform(
        &self,
        inbuf: &gst::Buffer,
        outbuf: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let _timer = self.stats.time();
        let _threads = lock(&self.settings).model.limit_threads();
        let input = FrameInput::read(inbuf);
        let mut guard = lock(&self.state);
        let state = guard.as_mut().ok_or(gst::FlowError::Flushing)?;
        let result = buffer::read_f32(inbuf, &mut state.landmarks)
            .map_err(|e| e.to_string())
            .and_then(|()| state.step(&input).map_err(|e| e.to_string()))
            .and_then(|(pose, within)| {
                buffer::write_f32(outbuf, &state.latents).map_err(|e| e.to_string())?;
                meta::attach(outbuf, FrameMeta::Landmarks, &[state.landmarks.len() / 3, 3], &state.landmarks);
                let pose = pose.to_array();
                meta::attach(outbuf, FrameMeta::Pose, &[pose.len()], &pose);
                Ok(within == Within::Clamped && !std::mem::replace(&mut state.warned, true))
            });
        drop(guard);
        match result {
            Ok(warn) => {
                if warn {
                    gst::warning!(
                        CAT,
                        imp = self,
                        "the driving head turns farther than a photo can: clamped"
                    );
                }
                Ok(gst::FlowSuccess::Ok)
            }
            Err(error) => {
                gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
                Err(gst::FlowError::Error)
            }
        }
    }
}
