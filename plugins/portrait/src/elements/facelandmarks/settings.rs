//! The properties of `facelandmarks`.

use gst::glib;
use gst::prelude::*;

use crate::face::find::{ChoiceError, FaceProperty};
use crate::stream::settings::ModelSettings;

/// What the properties say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub model: ModelSettings,
    /// Which face of the video is followed.
    pub face: FaceProperty,
}

impl Settings {
    /// Stores a property; a name that is none of these does nothing.
    ///
    /// # Errors
    /// Where a text chooses no face: the old one stays.
    pub fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), ChoiceError> {
        if name == "face" {
            return self.face.set(value);
        }
        self.model.set(name, value);
        Ok(())
    }

    /// Reads a property; `None` where the name is none of these.
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        if name == "face" { Some(self.face.text().to_value()) } else { self.model.get(name) }
    }
}

/// A new set of the properties.
pub fn param_specs() -> Vec<glib::ParamSpec> {
    let mut specs = ModelSettings::param_specs();
    specs.push(FaceProperty::param_spec(
        "Which face of the video is followed: largest, left, right, a number (counted from the left where the first faces are \
         seen, then as they come; a face keeps its number until it is away for a second; anew after a cut) or x,y (the one \
         nearest to that point: 0 to 1 of the width and the height, from the upper left corner)",
        true,
    ));
    specs
}
