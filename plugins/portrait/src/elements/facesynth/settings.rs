//! The properties of `facesynth`.

use gst::glib;
use gst::prelude::*;

use super::{AlphaMode, Background, Framing};
use crate::face::find::{ChoiceError, FaceProperty};
use crate::render;
use crate::stream::settings::ModelSettings;
use crate::stream::stats;

/// Opaque black, as ARGB.
const BLACK: u32 = 0xff00_0000;

/// What the properties say.
#[derive(Clone, Default)]
pub struct Settings {
    pub model: ModelSettings,
    pub portrait: Option<String>,
    /// Path of a second photo of the person.
    pub portrait_open: Option<String>,
    /// Which face of the photos.
    pub face: FaceProperty,
    pub framing: Framing,
    pub look: Look,
}

/// Files of the photos of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    pub portrait: Option<String>,
    pub open: Option<String>,
}

/// What may change from frame to frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub background: Background,
    /// ARGB, big-endian.
    pub color: u32,
    pub alpha: AlphaMode,
}

impl Default for Look {
    fn default() -> Self {
        Self { background: Background::default(), color: BLACK, alpha: AlphaMode::default() }
    }
}

impl Look {
    /// What the renderer puts behind the person.
    pub fn behind(&self) -> render::Background {
        match self.background {
            Background::Keep => render::Background::Keep,
            Background::Transparent => render::Background::Colour([0; 4]),
            Background::Color => {
                let [a, r, g, b] = self.color.to_be_bytes();
                render::Background::Colour([r, g, b, a])
            }
        }
    }
}

impl Settings {
    /// The photos that are asked for.
    pub fn paths(&self) -> Paths {
        Paths { portrait: self.portrait.clone(), open: self.portrait_open.clone() }
    }

    /// Stores a property.
    ///
    /// # Errors
    /// Where a text chooses no face: the old one stays.
    pub fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), ChoiceError> {
        match name {
            "portrait" => self.portrait = value.get().unwrap_or_default(),
            "portrait-open" => self.portrait_open = value.get().unwrap_or_default(),
            "face" => return self.face.set(value),
            "framing" => self.framing = value.get().unwrap_or_default(),
            "background" => self.look.background = value.get().unwrap_or_default(),
            "background-color" => self.look.color = value.get().unwrap_or(BLACK),
            "alpha-mode" => self.look.alpha = value.get().unwrap_or_default(),
            name => {
                self.model.set(name, value);
            }
        }
        Ok(())
    }

    /// Reads a property.
    pub fn get(&self, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "portrait" => self.portrait.to_value(),
            "portrait-open" => self.portrait_open.to_value(),
            "face" => self.face.text().to_value(),
            "framing" => self.framing.to_value(),
            "background" => self.look.background.to_value(),
            "background-color" => self.look.color.to_value(),
            "alpha-mode" => self.look.alpha.to_value(),
            name => self.model.get(name).unwrap_or_else(|| pspec.default_value().clone()),
        }
    }
}

/// A new set of the properties: one class each, the element's and that of the bin that proxies them.
pub fn param_specs() -> Vec<glib::ParamSpec> {
    let mut specs = ModelSettings::param_specs();
    specs.extend([
        glib::ParamSpecString::builder("portrait")
            .nick("Portrait")
            .blurb(
                "Photo of the face to animate: path of a PNG, JPEG or WebP file, or of a HEIC or AVIF file where libheif is \
                 installed; one that is set while playing is analysed beside the stream and then shown, one that cannot be \
                 used is a warning on the bus, and the old one stays",
            )
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder("portrait-open")
            .nick("Portrait, open")
            .blurb(
                "Second photo of the same person, best from the front with the mouth open: path of a PNG, JPEG or WebP file; \
                 the inside of the mouth is drawn from it, and the mouth held while talking as both photos tell (none = all \
                 from the portrait); may change while playing as the portrait does",
            )
            .mutable_playing()
            .build(),
        FaceProperty::param_spec(
            "Which face of the photo is animated: largest, left, right, a number (1 = the first from the left) or x,y (the one \
             nearest to that point: 0 to 1 of the width and the height, from the upper left corner); the same of a second photo, \
             or its largest where that shows fewer",
            false,
        ),
        glib::ParamSpecEnum::builder_with_default("framing", Framing::default())
            .nick("Framing")
            .blurb("What the picture shows: the face and its surroundings (a square unless caps ask for another shape), or the whole photo")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("background", Background::default())
            .nick("Background")
            .blurb("What is behind the person: the photo's own background, nothing (RGBA and BGRA only), or background-color")
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("background-color")
            .nick("Background colour")
            .blurb(
                "Colour behind the person with background=color, and of the photo's transparent parts with background=keep \
                 where the format has no alpha; big-endian ARGB (0xff00b140 is a green screen)",
            )
            .default_value(BLACK)
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("alpha-mode", AlphaMode::default())
            .nick("Alpha mode")
            .blurb("Whether colours of RGBA and BGRA are multiplied by their alpha")
            .mutable_playing()
            .build(),
        stats::param_spec(),
    ]);
    specs
}
