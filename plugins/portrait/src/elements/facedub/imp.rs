// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-facedub
 *
 * A person in a video speaks another voice: the video comes to the pad `video`, the voice to the pad `voice`, and the video
 * goes out with its caps, size and times, only its mouth says the voice. A bin of `facetracker`, `audiofeatures`,
 * `speech2landmarks` and `mouthdub`, with an audio converter and a queue; its properties are theirs. Nothing but the
 * surroundings of the mouth is touched, and nothing at all while the voice is silent.
 *
 * Of several faces `face` tells whose mouth it is; several of these elements behind each other give each its own voice.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=video.mp4 ! decodebin ! videoconvert ! facedub name=d ! videoconvert ! autovideosink filesrc location=speech.wav ! decodebin ! d.voice
 * ]|
 *
 * Since: 0.2
 */
use std::sync::{LazyLock, OnceLock};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::elements::audiofeatures::{self, AudioFeatures};
use crate::elements::facetracker::{self, FaceTracker};
use crate::elements::mouthdub::{self, MouthDub};
use crate::elements::speech2landmarks::{self, Speech2Landmarks};
use crate::stream::bin;
use crate::stream::element::Description;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "facedub",
        gst::DebugColorFlags::empty(),
        Some("Another voice for a person in a video"),
    )
});

/// What of the stages is not offered: it moves what a video shows already.
const NOT_OFFERED: [&str; 15] = [
    "blink",
    "blink-rate",
    "blink-duration",
    "gaze-yaw",
    "gaze-pitch",
    "look-away",
    "look-away-angle",
    "look-away-interval",
    "expression-gain",
    "brow-gain",
    "mouth-base",
    "mouth-gain",
    "ease-in",
    "seed",
    "qos",
];

/// Frames may wait so long for the voice, which is windowed with what follows it.
const WAIT: gst::ClockTime = gst::ClockTime::from_seconds(2);

/// The stages.
struct Stages {
    tracker: FaceTracker,
    features: AudioFeatures,
    speech: Speech2Landmarks,
    mouth: MouthDub,
}

impl Stages {
    fn new() -> Self {
        Self {
            tracker: glib::Object::builder().property("name", "facetracker").build(),
            features: glib::Object::builder().property("name", "audiofeatures").build(),
            speech: glib::Object::builder().property("name", "speech2landmarks").build(),
            mouth: glib::Object::builder().property("name", "mouthdub").build(),
        }
    }

    fn all(&self) -> [&gst::Element; 4] {
        [
            self.tracker.upcast_ref(),
            self.features.upcast_ref(),
            self.speech.upcast_ref(),
            self.mouth.upcast_ref(),
        ]
    }

    /// Frames as the last stage counts them, and each stage's own statistics.
    fn statistics(&self) -> gst::Structure {
        let of = |stage: &gst::Element| stage.property::<gst::Structure>("stats");
        let mut all = of(self.mouth.upcast_ref());
        for stage in self.all() {
            if stage.find_property("stats").is_some() {
                all.set(stage.name().as_str(), of(stage));
            }
        }
        all
    }
}

pub struct FaceDub {
    video: gst::GhostPad,
    voice: gst::GhostPad,
    src: gst::GhostPad,
    stages: Stages,
    /// Why the inside could not be put together; said when the element is started.
    broken: OnceLock<String>,
}

impl FaceDub {
    fn assemble(&self) -> Result<(), glib::BoolError> {
        let make = |name: &str| gst::ElementFactory::make(name).build();
        let (convert, resample, queue) = (make("audioconvert")?, make("audioresample")?, make("queue")?);
        // Frames wait here for their voice, and the tracker works on the next ones meanwhile.
        queue.set_property("max-size-buffers", 0u32);
        queue.set_property("max-size-bytes", 0u32);
        queue.set_property("max-size-time", WAIT.nseconds());
        let [tracker, features, speech, mouth] = self.stages.all();
        speech.set_property_from_str("blink", "off");
        speech.set_property("ease-in", 0u32);
        let bin = self.obj();
        bin.add_many([&convert, &resample, &queue, tracker, features, speech, mouth])?;
        gst::Element::link_many([tracker, &queue, mouth])?;
        gst::Element::link_many([&convert, &resample, features, speech])?;
        let missing = |what: &str| glib::bool_error!("no pad {what}");
        let said = mouth.request_pad_simple("voice").ok_or_else(|| missing("voice"))?;
        bin::stage_pad(speech, "src")?
            .link(&said)
            .map_err(|error| glib::bool_error!("the voice cannot be linked: {error}"))?;
        self.video.set_target(Some(&bin::stage_pad(tracker, "sink")?))?;
        self.voice.set_target(Some(&bin::stage_pad(&convert, "sink")?))?;
        self.src.set_target(Some(&bin::stage_pad(mouth, "src")?))?;
        bin::control(bin.upcast_ref(), &self.stages.all())
    }
}

static DESCRIPTION: Description = Description::new(
    [
        "Face dub",
        "Generic/Bin/Inference/Filter/Effect/Audio/Video",
        "A person in a video speaks another voice",
    ],
    || {
        use gst::{PadDirection, PadPresence, PadTemplate};
        let video = gst_video::VideoCapsBuilder::new().format_list(facetracker::FORMATS).build();
        let audio = gst_audio::AudioCapsBuilder::new().build();
        let pads = [
            ("video", PadDirection::Sink, video.clone()),
            ("voice", PadDirection::Sink, audio),
            ("src", PadDirection::Src, video),
        ];
        // Names and directions are constants: creation cannot fail.
        pads.into_iter()
            .filter_map(|(name, direction, caps)| {
                PadTemplate::new(name, direction, PadPresence::Always, &caps).ok()
            })
            .collect()
    },
);

#[glib::object_subclass]
impl ObjectSubclass for FaceDub {
    const NAME: &'static str = "GstFaceDub";
    type Type = super::FaceDub;
    type ParentType = gst::Bin;

    fn with_class(klass: &Self::Class) -> Self {
        let pad = |name: &str, direction| bin::ghost_pad(klass.pad_template(name), name, direction);
        Self {
            video: pad("video", gst::PadDirection::Sink).build(),
            voice: pad("voice", gst::PadDirection::Sink).query_function(bin::sound_query).build(),
            src: pad("src", gst::PadDirection::Src).build(),
            stages: Stages::new(),
            broken: OnceLock::new(),
        }
    }
}

impl ObjectImpl for FaceDub {
    fn constructed(&self) {
        self.parent_constructed();
        let pads = [&self.video, &self.voice, &self.src];
        bin::complete(*CAT, &*self.obj(), self.assemble(), &self.broken, &pads);
    }

    fn properties() -> &'static [glib::ParamSpec] {
        // Those of the stages, each once.
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let stages = [
                facetracker::properties().new_specs(),
                audiofeatures::properties().new_specs(),
                speech2landmarks::properties().new_specs(),
                mouthdub::properties().new_specs(),
            ];
            bin::specs(stages, &NOT_OFFERED)
        });
        &PROPERTIES
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

impl GstObjectImpl for FaceDub {}

impl ElementImpl for FaceDub {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        Some(DESCRIPTION.metadata())
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        DESCRIPTION.pad_templates()
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        bin::check_whole(&*self.obj(), &self.broken, transition)?;
        self.parent_change_state(transition)
    }
}

impl BinImpl for FaceDub {}
