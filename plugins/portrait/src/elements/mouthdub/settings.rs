//! The properties of `mouthdub`.

use gst::glib;
use gst::prelude::*;

use crate::stream::settings::{ModelSettings, number_param_spec, store};
use crate::stream::stats;

const DEFAULT_PASSTHROUGH_MS: u32 = 400;
const MAX_PASSTHROUGH_MS: u32 = 60_000;
const DEFAULT_THRESHOLD_DB: f32 = -50.0;
const THRESHOLD_RANGE_DB: (f32, f32) = (-100.0, 0.0);
const MAX_GAIN: f32 = 2.0;

/// What is seen while the voice is silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstMouthDubSilence")]
pub enum Silence {
    /// The video's own mouth, untouched.
    #[default]
    #[enum_value(name = "The video's own mouth, untouched", nick = "original")]
    Original,
    /// A shut mouth.
    #[enum_value(name = "A shut mouth", nick = "shut")]
    Shut,
}

/// Values of all properties.
#[derive(Clone, Debug)]
pub struct Settings {
    pub model: ModelSettings,
    pub controls: Controls,
}

/// What may change from frame to frame.
#[derive(Clone, Copy, Debug)]
pub struct Controls {
    pub silence: Silence,
    pub passthrough_ms: u32,
    pub threshold_db: f32,
    pub gain: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: ModelSettings::default(),
            controls: Controls {
                silence: Silence::default(),
                passthrough_ms: DEFAULT_PASSTHROUGH_MS,
                threshold_db: DEFAULT_THRESHOLD_DB,
                gain: 1.0,
            },
        }
    }
}

impl Settings {
    /// Stores a property; a name that is none of these does nothing.
    pub fn set(&mut self, name: &str, value: &glib::Value) {
        match name {
            "silence" => self.controls.silence = value.get().unwrap_or_default(),
            "silence-passthrough" => {
                self.controls.passthrough_ms = value.get().unwrap_or(DEFAULT_PASSTHROUGH_MS);
            }
            "silence-threshold" => store(&mut self.controls.threshold_db, value),
            "amplitude" => store(&mut self.controls.gain, value),
            name => {
                self.model.set(name, value);
            }
        }
    }

    /// Reads a property; `None` where the name is none of these.
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "silence" => self.controls.silence.to_value(),
            "silence-passthrough" => self.controls.passthrough_ms.to_value(),
            "silence-threshold" => self.controls.threshold_db.to_value(),
            "amplitude" => self.controls.gain.to_value(),
            name => return self.model.get(name),
        })
    }
}

/// A new set of the properties.
pub fn param_specs() -> Vec<glib::ParamSpec> {
    let mut specs = ModelSettings::param_specs();
    specs.extend([
        glib::ParamSpecEnum::builder_with_default("silence", Silence::default())
            .nick("Silence")
            .blurb("What is seen while the voice is silent: the video's own mouth, untouched, or a shut one")
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("silence-passthrough")
            .nick("Silence passthrough")
            .blurb("Time in ms that the voice is silent before the video's own mouth comes back")
            .maximum(MAX_PASSTHROUGH_MS)
            .default_value(DEFAULT_PASSTHROUGH_MS)
            .mutable_playing()
            .controllable()
            .build(),
        number_param_spec(
            "silence-threshold",
            "Silence threshold",
            "Level in dB below full scale under which the voice is silent",
            THRESHOLD_RANGE_DB,
            DEFAULT_THRESHOLD_DB,
        ),
        number_param_spec(
            "amplitude",
            "Amplitude",
            "How far mouth and jaw move, over what the voice says and the person is seen to do",
            (0.0, MAX_GAIN),
            1.0,
        ),
        stats::param_spec(),
    ]);
    specs
}
