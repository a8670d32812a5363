// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-facedub
 *
 * A person in a video speaks another voice: the video comes to the pad `video`, the voice to the pad `voice`, and the video
 * goes out with its caps, size and times, only its mouth says the voice. A bin of `facetracker`, `audiofeatures`,
 * `speech2landmarks` and `mouthdub`, with an audio converter and a queue; its properties are theirs. Nothing but the
 * surroundings of the mouth is touched, and nothing at all while the voice is silent.
 *
 * Of several faces `face` tells whose mouth it is. Each pad `voice_%u` is a further voice for a further face, with stages of
 * its own behind the same tracker: `face`, the emotion, `amplitude` and the silence are properties of the pad, which begins
 * with the element's, but for `face`. Models, `look-ahead` and `processing-deadline` are the element's, for all. A face is
 * that of one voice: who asks for the same gets the next best. Pads come and go in any state; frames that were tracked
 * before a pad came do not know its face.
 *
 * With `analyse` people are learned from a file, mostly the same video, before the first frame, else as the video plays.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 filesrc location=video.mp4 ! decodebin ! videoconvert ! facedub name=d ! videoconvert ! autovideosink filesrc location=speech.wav ! decodebin ! d.voice
 * ]|
 * |[
 * gst-launch-1.0 filesrc location=video.mp4 ! decodebin ! videoconvert ! facedub name=d voice_0::face=left voice_1::face=right ! videoconvert ! autovideosink filesrc location=speech.wav ! decodebin ! d.voice_0 filesrc location=second.wav ! decodebin ! d.voice_1
 * ]|
 *
 * Since: 0.2
 */
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::CAT;
use super::analysis::{self, Analysis};
use super::awaits::Awaits;
use super::speaker::{self, Speaker};
use super::voices::Voice;
use crate::elements::facetracker::{self, FaceTracker};
use crate::stream::bin;
use crate::stream::complaint::Complaints;
use crate::stream::element::{Description, lock};

/// Frames may wait so long for the voice, which is windowed with what follows it.
const WAIT: gst::ClockTime = gst::ClockTime::from_seconds(2);

/// The stages of the video and of the pad `voice`.
pub(super) struct Main {
    pub tracker: FaceTracker,
    pub speaker: Speaker,
}

impl Main {
    /// In the order of the data.
    fn stages(&self) -> [&gst::Element; 4] {
        let [features, speech, mouth] = self.speaker.stages();
        [self.tracker.upcast_ref(), features, speech, mouth]
    }
}

pub struct FaceDub {
    video: gst::GhostPad,
    voice: gst::GhostPad,
    pub(super) src: gst::GhostPad,
    main: OnceLock<Main>,
    /// Those of the pads `voice_%u`, in the order of their mouths.
    pub(super) voices: Mutex<Vec<Voice>>,
    /// Those whose mouths are still among the frames.
    pub(super) leaving: Mutex<Vec<Arc<Speaker>>>,
    /// Held while frames are linked.
    pub(super) linking: Mutex<()>,
    pub(super) complaints: Complaints,
    /// Whether the first frame may still wait for voices.
    pub(super) awaits: Awaits,
    /// File from which people are learned before the first frame, and what looks at it.
    pub(super) analyse: Mutex<Option<String>>,
    pub(super) analysis: Mutex<Option<Analysis>>,
    /// Why the inside could not be put together; said when the element is started.
    broken: OnceLock<String>,
}

impl FaceDub {
    fn assemble(&self) -> Result<(), glib::BoolError> {
        let dub = self.obj();
        let dub: &gst::Bin = dub.upcast_ref();
        let queue = gst::ElementFactory::make("queue").build()?;
        // Frames wait here for their voice, and the tracker works on the next ones meanwhile.
        queue.set_property("max-size-buffers", 0u32);
        queue.set_property("max-size-bytes", 0u32);
        queue.set_property("max-size-time", WAIT.nseconds());
        let tracker: FaceTracker = glib::Object::builder().property("name", "facetracker").build();
        let speaker = Speaker::new(dub, None)?;
        let (first, mouth) = (tracker.upcast_ref(), speaker.mouth.upcast_ref());
        dub.add_many([first, &queue])?;
        gst::Element::link_many([first, &queue, mouth])?;
        self.video.set_target(Some(&bin::stage_pad(first, "sink")?))?;
        self.voice.set_target(Some(&speaker.sound()?))?;
        self.src.set_target(Some(&bin::stage_pad(mouth, "src")?))?;
        for (linked, signal) in [(true, "linked"), (false, "unlinked")] {
            let tracker = tracker.downgrade();
            self.voice.connect(signal, false, move |_| {
                tracker.upgrade()?.claim(linked);
                None
            });
        }
        let main = self.main.get_or_init(|| Main { tracker, speaker });
        self.wait_for_voices(&bin::stage_pad(main.tracker.upcast_ref(), "sink")?);
        bin::control(dub.upcast_ref(), &main.stages())
    }

    /// The stages, where all of them are there.
    pub(super) fn main(&self) -> Result<&Main, glib::BoolError> {
        self.main.get().ok_or_else(|| glib::bool_error!("the element lacks its stages"))
    }

    /// The pad `voice`.
    pub(super) fn voice(&self) -> &gst::GhostPad {
        &self.voice
    }

    /// Frames as the first mouth counts them, each stage's own statistics, and those of further voices by their pads.
    fn statistics(&self) -> Option<gst::Structure> {
        let main = self.main.get()?;
        let of = |stage: &gst::Element| stage.property::<gst::Structure>("stats");
        let mut all = of(main.speaker.mouth.upcast_ref());
        for stage in main.stages() {
            if stage.find_property("stats").is_some() {
                all.set(stage.name().as_str(), of(stage));
            }
        }
        for voice in lock(&self.voices).clone() {
            all.set(voice.pad.name().as_str(), voice.speaker.statistics());
        }
        Some(all)
    }
}

static DESCRIPTION: Description = Description::new(
    ["Face dub", "Generic/Bin/Inference/Filter/Effect/Audio/Video", "People in a video speak other voices"],
    || {
        use gst::{PadDirection, PadPresence, PadTemplate};
        let video = gst_video::VideoCapsBuilder::new().format_list(facetracker::FORMATS).build();
        let audio = gst_audio::AudioCapsBuilder::new().build();
        let pads = [
            ("video", PadDirection::Sink, video.clone()),
            ("voice", PadDirection::Sink, audio.clone()),
            ("src", PadDirection::Src, video),
        ];
        let further = PadTemplate::with_gtype(
            "voice_%u",
            PadDirection::Sink,
            PadPresence::Request,
            &audio,
            super::FaceDubPad::static_type(),
        );
        // Names and directions are constants: creation cannot fail.
        pads.into_iter()
            .filter_map(|(name, direction, caps)| {
                PadTemplate::new(name, direction, PadPresence::Always, &caps).ok()
            })
            .chain(further)
            .collect()
    },
);

#[glib::object_subclass]
impl ObjectSubclass for FaceDub {
    const NAME: &'static str = "GstFaceDub";
    type Type = super::FaceDub;
    type ParentType = gst::Bin;
    type Interfaces = (gst::ChildProxy,);

    fn with_class(klass: &Self::Class) -> Self {
        let pad = |name: &str, direction| bin::ghost_pad(klass.pad_template(name), name, direction);
        Self {
            video: pad("video", gst::PadDirection::Sink).build(),
            voice: pad("voice", gst::PadDirection::Sink)
                .query_function(bin::sound_query)
                .chain_function(bin::sound_chain)
                .chain_list_function(bin::sound_chain_list)
                .build(),
            src: pad("src", gst::PadDirection::Src).build(),
            main: OnceLock::new(),
            voices: Mutex::default(),
            leaving: Mutex::default(),
            linking: Mutex::default(),
            complaints: Complaints::default(),
            awaits: Awaits::default(),
            analyse: Mutex::default(),
            analysis: Mutex::default(),
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
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut specs = speaker::specs();
            specs.push(
                glib::ParamSpecString::builder("analyse")
                    .nick("Analyse")
                    .blurb(
                        "Video file, mostly the same as is dubbed, from whose first 20 s and first shot how the people rest and open \
                         their mouths is learned before the first frame (none = as the video plays)",
                    )
                    .flags(glib::ParamFlags::READWRITE | gst::PARAM_FLAG_MUTABLE_READY)
                    .build(),
            );
            specs
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if pspec.name() == "analyse" {
            let file = value.get::<Option<String>>().unwrap_or_default();
            *lock(&self.analyse) = file.filter(|file| !file.is_empty());
            return;
        }
        let Some(main) = self.main.get() else { return };
        bin::set_property(&main.stages(), pspec.name(), value);
        if speaker::is_of_all(pspec.name()) {
            for voice in lock(&self.voices).clone() {
                bin::set_property(&voice.speaker.stages(), pspec.name(), value);
            }
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let default = || pspec.default_value().clone();
        if pspec.name() == "analyse" {
            return lock(&self.analyse).to_value();
        }
        if pspec.name() == "stats" {
            return self.statistics().map_or_else(default, |all| all.to_value());
        }
        self.main.get().map_or_else(default, |main| bin::property(&main.stages(), pspec))
    }
}

/// Elements first, then the pads of further voices.
impl ChildProxyImpl for FaceDub {
    fn child_by_name(&self, name: &str) -> Option<glib::Object> {
        let voices = lock(&self.voices).clone();
        let pad = voices.into_iter().find(|voice| voice.pad.name() == name);
        pad.map(|voice| voice.pad.upcast()).or_else(|| self.parent_child_by_name(name))
    }

    fn child_by_index(&self, index: u32) -> Option<glib::Object> {
        let elements = self.parent_children_count();
        match index.checked_sub(elements) {
            None => self.parent_child_by_index(index),
            Some(pad) => Some(lock(&self.voices).get(pad as usize)?.pad.clone().upcast()),
        }
    }

    fn children_count(&self) -> u32 {
        self.parent_children_count() + lock(&self.voices).len() as u32
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

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        match self.request_voice(template, name) {
            Ok(pad) => Some(pad.upcast()),
            Err(error) => {
                gst::warning!(CAT, imp = self, "{error}");
                None
            }
        }
    }

    fn release_pad(&self, pad: &gst::Pad) {
        self.release_voice(pad);
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        bin::check_whole(&*self.obj(), &self.broken, transition)?;
        match transition {
            gst::StateChange::NullToReady => self.complaints.post(&*self.obj()),
            gst::StateChange::ReadyToPaused => {
                let file = lock(&self.analyse).clone();
                if let Some(Err(text)) = file.map(|file| analysis::check(&file)) {
                    gst::element_imp_error!(self, gst::ResourceError::OpenRead, ("{text}"));
                    return Err(gst::StateChangeError);
                }
                self.awaits.begin();
            }
            gst::StateChange::PausedToReady => {
                self.awaits.end();
                // Its thread is waited for without the lock.
                let analysis = lock(&self.analysis).take();
                drop(analysis);
            }
            _ => (),
        }
        self.parent_change_state(transition)
    }
}

impl BinImpl for FaceDub {}
