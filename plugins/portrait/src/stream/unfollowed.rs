// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties that the model pack cannot follow: said once, by name, when the element starts or the property is set.

use std::sync::{Arc, Mutex};

use gst::glib;
use gst::prelude::*;

use crate::pack::sync::lock;
use crate::pack::{EMOTIONS, Manifest, Pack};

/// Properties, and what a pack calls the control that they are of.
const CONTROLS: [(&str, &str); 24] = [
    ("blink-rate", "blink"),
    ("blink-duration", "blink"),
    ("gaze-yaw", "gaze"),
    ("gaze-pitch", "gaze"),
    ("eye-contact", "gaze"),
    ("look-away", "look-away"),
    ("look-away-angle", "look-away"),
    ("look-away-interval", "look-away"),
    ("mouth-gain", "mouth-gain"),
    ("expression-gain", "expression-gain"),
    ("brow-gain", "brow-gain"),
    ("brow-accents", SPEECH),
    ("mouth-base", "mouth-base"),
    ("yaw", "yaw"),
    ("pitch", "pitch"),
    ("roll", "roll"),
    ("x", "x"),
    ("y", "y"),
    ("scale", "scale"),
    ("emotion", EMOTION),
    ("emotion-mix", EMOTION),
    ("breath", WARP),
    ("portrait-open", WARP),
    ("reference", SPEECH),
];

/// What follows from the pack's emotions, and from its renderer.
const EMOTION: &str = "emotion";
const WARP: &str = "warp";

/// What follows from what the pack's speech network says.
const SPEECH: &str = "speech";

/// What was said in a life of an element.
#[derive(Debug, Default)]
pub struct Unfollowed(Mutex<Option<Life>>);

#[derive(Debug)]
struct Life {
    pack: Arc<Pack>,
    told: Vec<&'static str>,
}

impl Unfollowed {
    /// The element starts with a pack.
    pub fn start(&self, element: &impl IsA<gst::Element>, pack: &Arc<Pack>) {
        *lock(&self.0) = Some(Life { pack: Arc::clone(pack), told: Vec::new() });
        for (property, _) in CONTROLS {
            if element.as_ref().has_property(property) {
                self.check(element, property);
            }
        }
    }

    /// The element stops.
    pub fn stop(&self) {
        *lock(&self.0) = None;
    }

    /// A property was set. To be called without a lock that its getter takes.
    pub fn check(&self, element: &impl IsA<gst::Element>, property: &str) {
        let Some((property, control)) = CONTROLS.into_iter().find(|(name, _)| *name == property) else {
            return;
        };
        let element = element.as_ref();
        let pack = match &*lock(&self.0) {
            Some(life) if !life.told.contains(&property) => Arc::clone(&life.pack),
            _ => return,
        };
        let value = element.property_value(property);
        let unset = element.find_property(property).is_some_and(|spec| is_same(&value, spec.default_value()));
        if unset || follows(pack.manifest(), control, &value) {
            return;
        }
        if let Some(life) = &mut *lock(&self.0) {
            life.told.push(property);
        }
        gst::element_warning!(
            element,
            gst::ResourceError::Settings,
            ("`{property}` is set, and the model pack {} cannot follow it (said once)", pack.id())
        );
    }
}

fn is_same(a: &glib::Value, b: &glib::Value) -> bool {
    match (a.serialize(), b.serialize()) {
        (Ok(a), Ok(b)) => a == b,
        (a, b) => a.is_err() && b.is_err(),
    }
}

fn follows(manifest: &Manifest, control: &str, value: &glib::Value) -> bool {
    let is_of_pack = |label: &str| manifest.emotions.iter().any(|own| own == label);
    match control {
        SPEECH => manifest.says_landmarks(),
        WARP => manifest.picture.renderer == crate::pack::RendererKind::Warp,
        // An emotion, or a mix of them: what the pack does not know is named in it.
        EMOTION => {
            let text = value.get::<Option<String>>().ok().flatten();
            let text = text.or_else(|| value.serialize().ok().map(Into::into)).unwrap_or_default();
            let asked = |label: &&&str| {
                text.split([',', '=']).any(|word| word.trim().eq_ignore_ascii_case(label))
                    && **label != EMOTIONS[0]
            };
            EMOTIONS.iter().filter(asked).all(|label| is_of_pack(label))
        }
        control => manifest.follows(control),
    }
}
