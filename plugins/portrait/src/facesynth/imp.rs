/**
 * SECTION:element-facesynth
 *
 * Paints the photo in the state that the latent keypoints say: warps it, paints what warping cannot give, and puts it
 * over a still background. Every picture is marked as synthetic (metadata `PortraitSyntheticMeta`, a comment tag) and
 * carries what the stages before knew of the frame: landmarks, pose, latents, emotion.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=speech.wav ! decodebin ! audioconvert ! audioresample ! audiofeatures ! speech2landmarks ! landmarks2latents ! facesynth portrait=photo.jpg ! videoconvert ! autovideosink
 * ]|
 *
 * Since: 0.1
 */
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::prelude::*;

use super::{Framing, pool, source};
use crate::element::{carry_rate, check_input, lock, pad_templates, tensor_caps};
use crate::landmark::pose::Pose;
use crate::photo::{Portrait, context};
use crate::render::{RenderError, Renderer};
use crate::settings::{ModelSettings, pack_error_message};
use crate::stats::{self, Stats};
use crate::tensor::{FrameMeta, TensorKind, buffer, meta};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("facesynth", gst::DebugColorFlags::empty(), Some("Pictures from latents"))
});

#[derive(Clone, Default)]
struct Settings {
    model: ModelSettings,
    portrait: Option<String>,
    framing: Framing,
}

/// What lives from start to stop.
struct State {
    portrait: Arc<Portrait>,
    renderer: Renderer,
    framing: Framing,
    pack: String,
    latent_shape: Vec<usize>,
    latents: Vec<f32>,
    posed: Vec<[f32; 3]>,
    video: Option<gst_video::VideoInfo>,
}

#[derive(Default)]
pub struct FaceSynth {
    settings: Mutex<Settings>,
    state: Mutex<Option<State>>,
    /// The analysed photo, apart from the state: context queries must not wait for a frame.
    portrait: Mutex<Option<Arc<Portrait>>>,
    stats: Stats,
}

impl State {
    fn new(settings: &Settings, portrait: Arc<Portrait>) -> Result<Self, RenderError> {
        let (pack, device) = settings.model.open()?;
        let manifest = pack.manifest();
        let latent_shape = vec![manifest.latents.count, 3];
        let renderer = Renderer::new(&source::of(&portrait), &pack, device, settings.framing.into())?;
        Ok(Self {
            renderer,
            framing: settings.framing,
            pack: pack.id(),
            latents: vec![0.0; latent_shape.iter().product()],
            latent_shape,
            posed: vec![[0.0; 3]; manifest.landmarks.count],
            portrait,
            video: None,
        })
    }

    fn video_caps(&self) -> gst::Caps {
        let (width, height) = self.renderer.size();
        video_builder().width(width as i32).height(height as i32).pixel_aspect_ratio((1, 1).into()).build()
    }

    /// Posed landmarks in coordinates of the whole output picture, 0 to 1.
    fn picture_landmarks(&mut self, landmarks: &[f32], pose: [f32; 7]) -> &[[f32; 3]] {
        Pose::from_array(pose).apply(landmarks.as_chunks::<3>().0, &mut self.posed);
        if self.framing == Framing::Full {
            let (crop, photo) = (&self.portrait.crop, &self.portrait.photo);
            let (width, height) = (photo.width as f32, photo.height as f32);
            for point in &mut self.posed {
                point[0] = (crop.x + point[0] * crop.side) / width;
                point[1] = (crop.y + point[1] * crop.side) / height;
                point[2] *= crop.side / width;
            }
        }
        &self.posed
    }

    fn render(&mut self, inbuf: &gst::BufferRef, outbuf: &mut gst::BufferRef) -> Result<(), String> {
        buffer::read_f32(inbuf, &mut self.latents).map_err(|e| e.to_string())?;
        {
            let info = self.video.as_ref().ok_or("no caps were negotiated")?;
            let mut frame = gst_video::VideoFrameRef::from_buffer_ref_writable(outbuf, info)
                .map_err(|_| "the picture buffer cannot be written")?;
            let stride =
                usize::try_from(frame.plane_stride()[0]).map_err(|_| "the picture's stride is negative")?;
            let plane = frame.plane_data_mut(0).map_err(|_| "the picture buffer has no plane")?;
            self.renderer.render(&self.latents, plane, stride).map_err(|e| e.to_string())?;
        }
        meta::attach(outbuf, FrameMeta::Latents, &self.latent_shape, &self.latents);
        meta::mark_synthetic(outbuf, &self.pack);
        let landmarks = meta::read(inbuf, FrameMeta::Landmarks).map(|m| m.data);
        let pose = meta::read(inbuf, FrameMeta::Pose).and_then(|m| m.data.try_into().ok());
        if let (Some(landmarks), Some(pose)) = (landmarks, pose)
            && landmarks.len() == self.posed.len() * 3
        {
            let posed = self.picture_landmarks(&landmarks, pose);
            meta::attach(outbuf, FrameMeta::PictureLandmarks, &[posed.len(), 3], posed.as_flattened());
        }
        Ok(())
    }
}

fn video_builder() -> gst_video::VideoCapsBuilder<gst::caps::NoFeature> {
    gst_video::VideoCapsBuilder::new().format(gst_video::VideoFormat::Rgb)
}

impl FaceSynth {
    /// Analyses the photo and tells the elements before this one.
    fn open_portrait(&self, settings: &Settings) -> Result<Arc<Portrait>, gst::ErrorMessage> {
        let path = settings.portrait.as_deref().ok_or_else(|| {
            gst::error_msg!(
                gst::ResourceError::Settings,
                ("no photo: set the property `portrait` to an image file")
            )
        })?;
        let (pack, device) = settings.model.open().map_err(|e| pack_error_message(&e))?;
        let portrait = Portrait::analyse(Path::new(path), &pack, device).map_err(|e| e.to_message())?;
        for warning in &portrait.warnings {
            gst::element_imp_warning!(self, gst::StreamError::Decode, ("{warning}"));
        }
        *lock(&self.portrait) = Some(portrait.clone());
        context::announce(&*self.obj(), &portrait);
        Ok(portrait)
    }
}

/// A new set of the properties: one class each, the element's and that of the bin that proxies them.
pub(crate) fn param_specs() -> Vec<glib::ParamSpec> {
    let mut specs = ModelSettings::param_specs();
    specs.extend([
        glib::ParamSpecString::builder("portrait")
            .nick("Portrait")
            .blurb("Photo of the face to animate: path of a PNG, JPEG or WebP file")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("framing", Framing::default())
            .nick("Framing")
            .blurb("What the picture shows: a square around the face, or the whole photo")
            .mutable_ready()
            .build(),
        stats::param_spec(),
    ]);
    specs
}

#[glib::object_subclass]
impl ObjectSubclass for FaceSynth {
    const NAME: &'static str = "GstFaceSynth";
    type Type = super::FaceSynth;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for FaceSynth {
    fn constructed(&self) {
        self.parent_constructed();
        // Late frames are dropped before they cost a network run; BaseTransform posts the QoS messages.
        self.obj().set_qos(true);
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(param_specs);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        match pspec.name() {
            "portrait" => settings.portrait = value.get().unwrap_or_default(),
            "framing" => settings.framing = value.get().unwrap_or_default(),
            name => {
                settings.model.set(name, value);
            }
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = lock(&self.settings);
        match pspec.name() {
            "portrait" => settings.portrait.to_value(),
            "framing" => settings.framing.to_value(),
            "stats" => self.stats.structure().to_value(),
            name => settings.model.get(name).unwrap_or_else(|| pspec.default_value().clone()),
        }
    }
}

impl GstObjectImpl for FaceSynth {}

impl ElementImpl for FaceSynth {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Face synthesizer",
                "Inference/Converter/Video",
                "Paints an animated portrait from latent keypoints",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
            LazyLock::new(|| pad_templates(TensorKind::Latents.template_caps(), video_builder().build()));
        &TEMPLATES
    }
}

impl BaseTransformImpl for FaceSynth {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let _threads = settings.model.limit_threads();
        let portrait = self.open_portrait(&settings)?;
        let state = State::new(&settings, portrait).map_err(|e| source::render_error_message(&e))?;
        gst::debug!(CAT, imp = self, "pictures of {:?}", state.renderer.size());
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
        let base = match (direction, state.as_ref()) {
            (gst::PadDirection::Src, Some(s)) => tensor_caps(TensorKind::Latents, &s.latent_shape, &s.pack),
            (gst::PadDirection::Src, None) => TensorKind::Latents.template_caps(),
            (_, Some(s)) => s.video_caps(),
            (_, None) => video_builder().build(),
        };
        Some(carry_rate(caps, &base, filter))
    }

    fn set_caps(&self, incaps: &gst::Caps, outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = gst_video::VideoInfo::from_caps(outcaps)?;
        let mut state = lock(&self.state);
        let state = state.as_mut().ok_or_else(|| gst::loggable_error!(CAT, "not started"))?;
        check_input(TensorKind::Latents, &state.latent_shape, &state.pack, incaps)
            .map_err(|e| gst::loggable_error!(CAT, "{e}"))?;
        state.video = Some(info);
        Ok(())
    }

    fn transform_size(
        &self,
        direction: gst::PadDirection,
        _caps: &gst::Caps,
        _size: usize,
        othercaps: &gst::Caps,
    ) -> Option<usize> {
        if direction == gst::PadDirection::Sink {
            return gst_video::VideoInfo::from_caps(othercaps).ok().map(|info| info.size());
        }
        lock(&self.state).as_ref().map(|s| size_of_val(s.latents.as_slice()))
    }

    fn decide_allocation(&self, query: &mut gst::query::Allocation) -> Result<(), gst::LoggableError> {
        pool::decide(*CAT, query)?;
        self.parent_decide_allocation(query)
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        let portrait = lock(&self.portrait).clone();
        if context::answer(query, portrait.as_ref()) {
            return true;
        }
        BaseTransformImplExt::parent_query(self, direction, query)
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        let first = matches!(event.view(), gst::EventView::Segment(_));
        let handled = self.parent_sink_event(event);
        if first {
            self.obj().src_pad().push_event(gst::event::Tag::new(meta::synthetic_tags()));
        }
        handled
    }

    fn submit_input_buffer(
        &self,
        is_discont: bool,
        inbuf: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let taken = self.parent_submit_input_buffer(is_discont, inbuf)?;
        // BaseTransform's word for a buffer that it left out because it was late.
        if taken == gst::FlowSuccess::CustomSuccess {
            self.stats.drop_frame();
        }
        Ok(taken)
    }

    fn transform(
        &self,
        inbuf: &gst::Buffer,
        outbuf: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let timer = self.stats.time();
        let _threads = lock(&self.settings).model.limit_threads();
        let mut guard = lock(&self.state);
        let state = guard.as_mut().ok_or(gst::FlowError::Flushing)?;
        let result = state.render(inbuf, outbuf);
        drop(guard);
        drop(timer);
        let segment = self.obj().segment();
        let running = segment.downcast_ref::<gst::ClockTime>().and_then(|s| s.to_running_time(inbuf.pts()));
        self.stats.watch(self.obj().upcast_ref(), self.obj().sink_pad(), running);
        result.map(|()| gst::FlowSuccess::Ok).map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
            gst::FlowError::Error
        })
    }
}
