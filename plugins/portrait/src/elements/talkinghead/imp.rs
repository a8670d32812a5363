// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-talkinghead
 *
 * Audio in, a talking portrait out: `audiofeatures`, `speech2landmarks`, `landmarks2latents` and `facesynth` in one
 * element, with an audio converter in front. Its properties are those of the four. The request pad `pose` is that of
 * `landmarks2latents`: the face of a video, from `facelandmarks`, drives the head pose and what `drive` names.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=speech.wav ! decodebin ! talkinghead portrait=photo.jpg ! videoconvert ! autovideosink
 * ]|
 *
 * Since: 0.1
 */
use std::sync::{Arc, LazyLock, OnceLock};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::elements::audiofeatures::{self, AudioFeatures};
use crate::elements::facesynth::{self, FaceSynth};
use crate::elements::landmarks2latents::{self, Landmarks2Latents};
use crate::elements::speech2landmarks::{self, Speech2Landmarks};
use crate::pack::Ahead;
use crate::stream::bin;
use crate::stream::element::{Description, pad_templates};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("talkinghead", gst::DebugColorFlags::empty(), Some("Talking portrait"))
});

/// The stages, in the order of the data.
struct Stages {
    features: AudioFeatures,
    speech: Speech2Landmarks,
    latents: Landmarks2Latents,
    synth: FaceSynth,
}

impl Stages {
    fn new() -> Self {
        Self {
            features: glib::Object::builder().property("name", "audiofeatures").build(),
            speech: glib::Object::builder().property("name", "speech2landmarks").build(),
            latents: glib::Object::builder().property("name", "landmarks2latents").build(),
            synth: glib::Object::builder().property("name", "facesynth").build(),
        }
    }

    fn all(&self) -> [&gst::Element; 4] {
        [
            self.features.upcast_ref(),
            self.speech.upcast_ref(),
            self.latents.upcast_ref(),
            self.synth.upcast_ref(),
        ]
    }

    /// Pictures as the last stage counts them, time as all stages take it, and each stage's own statistics.
    fn statistics(&self) -> gst::Structure {
        let of = |stage: &gst::Element| stage.property::<gst::Structure>("stats");
        let mut all = of(self.synth.upcast_ref());
        let features = of(self.features.upcast_ref());
        for name in ["latency", "idle-frames", "late-samples", "lost-samples"] {
            if let Ok(value) = features.value(name) {
                all.set_value(name, value.clone());
            }
        }
        let stages = self.all().map(|stage| (stage.name(), of(stage)));
        for name in ["average-ms", "maximum-ms"] {
            let sum: f64 = stages.iter().filter_map(|(_, stats)| stats.get::<f64>(name).ok()).sum();
            all.set(name, sum);
        }
        for (name, stats) in stages {
            all.set(name.as_str(), stats);
        }
        all
    }
}

/// Roles in the order in which their networks are loaded beside the analysis of the photo: as they are needed, but for the
/// largest. The analysis begins with `detector`, and loads what it needs before it is there.
const LOADED_AHEAD: [&str; 12] = [
    "mesh",
    "matte",
    "features",
    "appearance",
    "source",
    "parallax",
    "mouth",
    "eyes",
    "render",
    "speech2landmarks",
    "landmarks2latents",
    "pose",
];

/// Frames that wait for the last stage: enough that it never waits where the others are a little late.
const WAITING_FRAMES: u32 = 2;

pub struct TalkingHead {
    sink: gst::GhostPad,
    src: gst::GhostPad,
    stages: Stages,
    /// Why the inside could not be put together; said when the element is started.
    broken: OnceLock<String>,
}

impl TalkingHead {
    /// Loads the stages' networks beside their start. What is wrong with the pack they say themselves.
    fn load_ahead(&self) -> Option<Ahead> {
        let (pack, device, look_ahead) = self.stages.features.imp().pack()?;
        let speech = pack.manifest().speech_stage(Some(look_ahead));
        let names =
            LOADED_AHEAD.map(|role| if role == "speech2landmarks" { speech } else { role }.to_owned());
        Some(Ahead::load(Arc::clone(&pack), names.to_vec(), device))
    }

    fn assemble(&self) -> Result<(), glib::BoolError> {
        let convert = gst::ElementFactory::make("audioconvert").build()?;
        let resample = gst::ElementFactory::make("audioresample").build()?;
        // Pictures are drawn on a thread of their own: beside them the stages before are at the next frames.
        let waiting = gst::ElementFactory::make("queue")
            .property("max-size-buffers", WAITING_FRAMES)
            .property("max-size-bytes", 0u32)
            .property("max-size-time", 0u64)
            .build()?;
        let stages = self.stages.all();
        let [features, speech, latents, synth] = stages;
        let chain = [&convert, &resample, features, speech, latents, &waiting, synth];
        let bin = self.obj();
        bin.add_many(chain)?;
        gst::Element::link_many(chain)?;
        bin::take_unplaced(&convert)?;
        self.sink.set_target(Some(&bin::stage_pad(&convert, "sink")?))?;
        self.src.set_target(Some(&bin::stage_pad(synth, "src")?))?;
        bin::control(bin.upcast_ref(), &stages)
    }
}

static DESCRIPTION: Description = Description::new(
    ["Talking head", "Generic/Bin/Inference/Converter/Audio/Video", "Animates a portrait photo with speech"],
    || {
        let audio = gst_audio::AudioCapsBuilder::new().build();
        let mut templates = pad_templates(audio, facesynth::template_caps());
        templates.extend(landmarks2latents::pose_template());
        templates
    },
);

#[glib::object_subclass]
impl ObjectSubclass for TalkingHead {
    const NAME: &'static str = "GstTalkingHead";
    type Type = super::TalkingHead;
    type ParentType = gst::Bin;

    fn with_class(klass: &Self::Class) -> Self {
        let pad = |name: &str, direction| bin::ghost_pad(klass.pad_template(name), name, direction);
        Self {
            sink: pad("sink", gst::PadDirection::Sink).query_function(bin::sound_query).build(),
            src: pad("src", gst::PadDirection::Src).build(),
            stages: Stages::new(),
            broken: OnceLock::new(),
        }
    }
}

impl ObjectImpl for TalkingHead {
    fn constructed(&self) {
        self.parent_constructed();
        let pads = [&self.sink, &self.src];
        bin::complete(*CAT, &*self.obj(), self.assemble(), &self.broken, &pads);
    }

    fn properties() -> &'static [glib::ParamSpec] {
        // Those of the stages, each once.
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let stages = [
                audiofeatures::properties().new_specs(),
                speech2landmarks::properties().new_specs(),
                landmarks2latents::properties().new_specs(),
                facesynth::properties().new_specs(),
            ];
            bin::specs(stages, &[])
        });
        &PROPERTIES
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            vec![speech2landmarks::blink_signal(|object| {
                if let Ok(bin) = object.downcast::<super::TalkingHead>() {
                    bin.imp().stages.speech.emit_by_name::<()>("blink", &[]);
                }
            })]
        });
        &SIGNALS
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        bin::set_property(&self.stages.all(), pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == "stats" {
            return self.stages.statistics().to_value();
        }
        bin::property(&self.stages.all(), pspec)
    }
}

impl GstObjectImpl for TalkingHead {}

impl ElementImpl for TalkingHead {
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
        let inner = self.stages.latents.request_pad_simple(template.name_template())?;
        let added = gst::GhostPad::builder_from_template_with_target(template, &inner).and_then(|builder| {
            let ghost = builder.name(inner.name()).build();
            ghost.set_active(self.obj().current_state() >= gst::State::Paused)?;
            self.obj().add_pad(&ghost)?;
            Ok(ghost)
        });
        match added {
            Ok(ghost) => Some(ghost.upcast()),
            Err(error) => {
                gst::error!(CAT, imp = self, "{error}");
                self.stages.latents.release_request_pad(&inner);
                None
            }
        }
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let inner = pad.downcast_ref::<gst::GhostPad>().and_then(GhostPadExt::target);
        for result in [pad.set_active(false), self.obj().remove_pad(pad)] {
            if let Err(error) = result {
                gst::warning!(CAT, imp = self, "{error}");
            }
        }
        if let Some(inner) = inner {
            self.stages.latents.release_request_pad(&inner);
        }
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        bin::check_whole(&*self.obj(), &self.broken, transition)?;
        let starts = transition == gst::StateChange::ReadyToPaused;
        let _ahead = starts.then(|| self.load_ahead()).flatten();
        self.parent_change_state(transition)
    }
}

impl BinImpl for TalkingHead {}
