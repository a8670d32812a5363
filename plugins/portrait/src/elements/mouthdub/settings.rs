// SPDX-License-Identifier: MIT OR Apache-2.0
//! The properties of `mouthdub`.

use std::sync::LazyLock;

use gst::glib;

use crate::stream::property::{Table, choice, number, whole};
use crate::stream::settings::ModelSettings;
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

/// The element's properties.
pub fn properties() -> &'static Table<Settings> {
    static PROPERTIES: LazyLock<Table<Settings>> = LazyLock::new(|| {
        Table::new(ModelSettings::properties(|s: &mut Settings| &mut s.model).chain([
            choice(
                [
                    "silence",
                    "Silence",
                    "What is seen while the voice is silent: the video's own mouth, untouched, or a shut one",
                ],
                |s: &mut Settings| &mut s.controls.silence,
            ),
            whole(
                [
                    "silence-passthrough",
                    "Silence passthrough",
                    "Time in ms that the voice is silent before the video's own mouth comes back",
                ],
                (0, MAX_PASSTHROUGH_MS),
                |s: &mut Settings| &mut s.controls.passthrough_ms,
            )
            .controllable(),
            number(
                [
                    "silence-threshold",
                    "Silence threshold",
                    "Level in dB below full scale under which the voice is silent",
                ],
                THRESHOLD_RANGE_DB,
                |s: &mut Settings| &mut s.controls.threshold_db,
            ),
            number(
                [
                    "amplitude",
                    "Amplitude",
                    "How far mouth and jaw move, over what the voice says and the person is seen to do",
                ],
                (0.0, MAX_GAIN),
                |s: &mut Settings| &mut s.controls.gain,
            ),
            stats::property(),
        ]))
    });
    &PROPERTIES
}
