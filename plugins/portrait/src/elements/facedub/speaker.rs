// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stages of one voice, from its sound to its mouth in the frames.

use gst::glib;
use gst::prelude::*;

use crate::elements::audiofeatures::{self, AudioFeatures};
use crate::elements::facetracker;
use crate::elements::mouthdub::{self, MouthDub};
use crate::elements::speech2landmarks::{self, Speech2Landmarks};
use crate::stream::bin;

/// What of the stages is not offered: it moves what a video shows already.
const NOT_OFFERED: [&str; 17] = [
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
    "brow-accents",
    "mouth-base",
    "mouth-gain",
    "ease-in",
    // The video itself tells how its person talks.
    "reference",
    "seed",
    "qos",
];

/// What is one for all voices: how and where models run, and what the latency is made of.
const OF_ALL: [&str; 5] = ["model-pack", "device", "num-threads", "look-ahead", "processing-deadline"];

/// The properties of the element: those of all stages, each once.
pub fn specs() -> Vec<glib::ParamSpec> {
    let stages = [
        facetracker::properties().new_specs(),
        audiofeatures::properties().new_specs(),
        speech2landmarks::properties().new_specs(),
        mouthdub::properties().new_specs(),
    ];
    bin::specs(stages, &NOT_OFFERED)
}

/// Those that each voice has of its own.
pub fn own_specs() -> Vec<glib::ParamSpec> {
    specs().into_iter().filter(|spec| !is_of_all(spec.name())).collect()
}

/// Whether a property is one for all voices.
pub fn is_of_all(name: &str) -> bool {
    OF_ALL.contains(&name)
}

/// See the module.
#[derive(Debug)]
pub struct Speaker {
    convert: gst::Element,
    resample: gst::Element,
    pub features: AudioFeatures,
    pub speech: Speech2Landmarks,
    pub mouth: MouthDub,
    /// The mouth's pad for the voice.
    said: gst::Pad,
}

impl Speaker {
    /// Makes the stages of a voice in a bin and links them; what is said of them is named as `of` says. Frames are linked by
    /// the caller.
    ///
    /// # Errors
    /// Where an element is missing, or does not link.
    pub fn new(bin: &gst::Bin, of: Option<&str>) -> Result<Self, glib::BoolError> {
        let named = |stage: &str| match of {
            None => stage.to_owned(),
            Some(of) => format!("{stage}-{of}"),
        };
        // One of that name may be on its way out.
        let is_free = |name: &String| bin.by_name(name).is_none();
        let make = |factory: &str| gst::ElementFactory::make(factory).build();
        let (convert, resample) = (make("audioconvert")?, make("audioresample")?);
        fn stage<T: IsA<glib::Object> + glib::object::IsClass>(name: Option<String>) -> T {
            glib::Object::builder().property_if_some("name", name).build()
        }
        let features: AudioFeatures = stage(Some(named("audiofeatures")).filter(is_free));
        let speech: Speech2Landmarks = stage(Some(named("speech2landmarks")).filter(is_free));
        let mouth: MouthDub = stage(Some(named("mouthdub")).filter(is_free));
        speech.set_property_from_str("blink", "off");
        speech.set_property("ease-in", 0u32);
        let said = mouth
            .request_pad_simple("voice")
            .ok_or_else(|| glib::bool_error!("{} has no pad voice", mouth.name()))?;
        let speaker = Self { convert, resample, features, speech, mouth, said };
        bin.add_many(speaker.elements())?;
        speaker.link().inspect_err(|_| speaker.remove(bin))?;
        Ok(speaker)
    }

    fn link(&self) -> Result<(), glib::BoolError> {
        let (features, speech) = (self.features.upcast_ref(), self.speech.upcast_ref());
        gst::Element::link_many([&self.convert, &self.resample, features, speech])?;
        bin::take_unplaced(&self.convert)?;
        bin::stage_pad(speech, "src")?
            .link(&self.said)
            .map_err(|error| glib::bool_error!("the voice cannot be linked: {error}"))?;
        Ok(())
    }

    /// All elements, the last of the stream first.
    fn elements(&self) -> [&gst::Element; 5] {
        let [features, speech, mouth] = self.stages();
        [mouth, speech, features, &self.resample, &self.convert]
    }

    /// Those that have properties.
    pub fn stages(&self) -> [&gst::Element; 3] {
        [self.features.upcast_ref(), self.speech.upcast_ref(), self.mouth.upcast_ref()]
    }

    /// Where the sound comes in.
    ///
    /// # Errors
    /// Where there is no such pad.
    pub fn sound(&self) -> Result<gst::Pad, glib::BoolError> {
        bin::stage_pad(&self.convert, "sink")
    }

    /// Begins with what the stages of another voice are set to.
    pub fn take_settings(&self, other: &Self) {
        for (own, other) in self.stages().into_iter().zip(other.stages()) {
            for spec in own.list_properties() {
                let settable = spec.flags().contains(glib::ParamFlags::READWRITE);
                if settable && spec.owner_type() == own.type_() {
                    own.set_property_from_value(spec.name(), &other.property_value(spec.name()));
                }
            }
        }
    }

    /// Brings the stages to the state of their bin.
    ///
    /// # Errors
    /// Where one does not start; it has said why.
    pub fn start(&self) -> Result<(), glib::BoolError> {
        self.elements().into_iter().try_for_each(|element| element.sync_state_with_parent())
    }

    /// Ends the voice: nobody waits for it any more. The mouth stays among the frames, and draws nothing.
    pub fn hush(&self, bin: &gst::Bin) {
        self.mouth.release_request_pad(&self.said);
        for element in self.elements().into_iter().skip(1) {
            discard(bin, element);
        }
    }

    /// Takes the mouth away, once it is not among the frames.
    pub fn discard_mouth(&self, bin: &gst::Bin) {
        discard(bin, self.mouth.upcast_ref());
    }

    fn remove(&self, bin: &gst::Bin) {
        self.elements().into_iter().for_each(|element| discard(bin, element));
    }

    /// Frames as the mouth counts them, and the other stages' own statistics.
    pub fn statistics(&self) -> gst::Structure {
        let of = |stage: &gst::Element| stage.property::<gst::Structure>("stats");
        let mut all = of(self.mouth.upcast_ref());
        let names = ["audiofeatures", "speech2landmarks", "mouthdub"];
        for (name, stage) in names.into_iter().zip(self.stages()) {
            if stage.find_property("stats").is_some() {
                all.set(name, of(stage));
            }
        }
        all
    }
}

fn discard(bin: &gst::Bin, element: &gst::Element) {
    // Nothing that comes meanwhile starts it again.
    element.set_locked_state(true);
    let stopped = element.set_state(gst::State::Null);
    if stopped.is_err() || bin.remove(element).is_err() {
        gst::warning!(super::CAT, obj = bin, "{} does not go", element.name());
    }
}
