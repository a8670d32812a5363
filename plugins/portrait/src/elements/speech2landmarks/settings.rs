// SPDX-License-Identifier: MIT OR Apache-2.0
//! The properties of `speech2landmarks`.

use std::sync::LazyLock;

use crate::face::edit::FaceControls;
use crate::face::edit::accents::MAX_ACCENTS;
use crate::face::edit::blink::{BlinkControls, BlinkMode};
use crate::face::edit::gains::{GainControls, MAX_GAIN};
use crate::face::edit::gaze::{LookAwayControls, MAX_GAZE_DEG};
use crate::face::emotion::{EMOTION_LEN, Emotion, MixError, parse_mix};
use crate::stream::property::{Property, Table, choice, number, parsed, switch, text, whole};
use crate::stream::settings::{ModelSettings, seed};
use crate::stream::stats;

const DEFAULT_EMOTION_INTENSITY: f32 = 1.0;
const DEFAULT_EMOTION_TRANSITION_MS: u32 = 400;
const MAX_EMOTION_TRANSITION_MS: u32 = 10_000;
const DEFAULT_EASE_IN_MS: u32 = 240;
const MAX_EASE_IN_MS: u32 = 5000;
const DEFAULT_BLINK_RATE: f32 = 16.0;
const MAX_BLINK_RATE: f32 = 60.0;
const DEFAULT_BLINK_DURATION_MS: u32 = 280;
const BLINK_DURATION_RANGE_MS: (u32, u32) = (80, 1000);
const DEFAULT_LOOK_AWAY_ANGLE: f32 = 12.0;
const DEFAULT_LOOK_AWAY_INTERVAL: f32 = 6.0;
const LOOK_AWAY_INTERVAL_RANGE: (f32, f32) = (1.0, 60.0);

/// Values of all properties.
#[derive(Clone)]
pub struct Settings {
    /// Which models run, and where.
    pub model: ModelSettings,
    /// Seed of blinks, looks away and brows.
    pub seed: u32,
    /// Video or folder of photos that tells how the person talks.
    pub reference: Option<String>,
    /// What may change from frame to frame.
    pub controls: Controls,
    /// The mix as it was written; `controls` has its weights.
    mix_text: Option<String>,
}

/// What may change from frame to frame.
#[derive(Clone, Copy)]
pub struct Controls {
    emotion: Emotion,
    emotion_intensity: f32,
    /// Weights of several emotions, in the place of `emotion`.
    mix: Option<[f32; EMOTION_LEN]>,
    emotion_transition_ms: u32,
    blink: BlinkMode,
    blink_rate: f32,
    blink_duration_ms: u32,
    gaze: [f32; 2],
    look_away: LookAwayControls,
    accents: f32,
    gains: GainControls,
    ease_in_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: ModelSettings::default(),
            seed: 0,
            reference: None,
            mix_text: None,
            controls: Controls {
                emotion: Emotion::default(),
                emotion_intensity: DEFAULT_EMOTION_INTENSITY,
                mix: None,
                emotion_transition_ms: DEFAULT_EMOTION_TRANSITION_MS,
                blink: BlinkMode::default(),
                blink_rate: DEFAULT_BLINK_RATE,
                blink_duration_ms: DEFAULT_BLINK_DURATION_MS,
                gaze: [0.0; 2],
                look_away: LookAwayControls {
                    on: false,
                    angle: DEFAULT_LOOK_AWAY_ANGLE,
                    interval: DEFAULT_LOOK_AWAY_INTERVAL,
                },
                accents: 1.0,
                gains: GainControls::default(),
                ease_in_ms: DEFAULT_EASE_IN_MS,
            },
        }
    }
}

impl Controls {
    /// The emotion that is asked for, as the models take it.
    pub fn emotion(&self) -> [f32; EMOTION_LEN] {
        match self.mix {
            Some(mix) => mix.map(|weight| weight * self.emotion_intensity),
            None => self.emotion.vector(self.emotion_intensity),
        }
    }

    /// Seconds of a change of an emotion from nothing to full.
    pub fn emotion_transition(&self) -> f32 {
        seconds(self.emotion_transition_ms)
    }

    /// What is asked of the face beside the emotion.
    pub fn face(&self) -> FaceControls {
        FaceControls {
            accents: self.accents,
            gains: self.gains,
            ease_in: seconds(self.ease_in_ms),
            gaze: self.gaze,
            look_away: self.look_away,
            blink: BlinkControls {
                mode: self.blink,
                rate: self.blink_rate,
                duration: seconds(self.blink_duration_ms),
            },
        }
    }
}

fn seconds(milliseconds: u32) -> f32 {
    milliseconds as f32 / 1000.0
}

impl Settings {
    fn set_mix(&mut self, text: Option<String>) -> Result<(), MixError> {
        self.controls.mix = match text.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(text) => Some(parse_mix(text)?),
        };
        self.mix_text = text;
        Ok(())
    }
}

/// The element's properties.
pub fn properties() -> &'static Table<Settings> {
    static PROPERTIES: LazyLock<Table<Settings>> = LazyLock::new(|| {
        let model = ModelSettings::properties(|s: &mut Settings| &mut s.model);
        let own = emotion().into_iter().chain(eyes()).chain(gains()).chain([
            whole(
                [
                    "ease-in",
                    "Ease in",
                    "Time in ms in which the face passes from the photo's own, which the first picture shows, to the one \
                     that speaks (0 = it speaks from the first picture on)",
                ],
                (0, MAX_EASE_IN_MS),
                |s: &mut Settings| &mut s.controls.ease_in_ms,
            )
            .in_ready(),
            text(
                [
                    "reference",
                    "Reference",
                    "How the person talks: path of a video of them who talks (best 2 to 6 s from the front; of a longer one 20 s are \
                     looked at), or of a folder with several photos; where the mouth lies, its shape and how far it opens \
                     follow it (none = the average talker); set while playing it is measured beside the stream and comes \
                     within 0.4 s",
                ],
                |s| &mut s.reference,
            ),
            seed(|s| &mut s.seed),
            stats::property(),
        ]);
        Table::new(model.chain(own))
    });
    &PROPERTIES
}

fn emotion() -> [Property<Settings>; 4] {
    [
        choice(["emotion", "Emotion", "Emotion of the face while it speaks"], |s| &mut s.controls.emotion),
        number(
            ["emotion-intensity", "Emotion intensity", "How strong the emotion is (0 = none, 1 = full)"],
            (0.0, 1.0),
            |s| &mut s.controls.emotion_intensity,
        ),
        parsed(
            [
                "emotion-mix",
                "Emotion mix",
                "Several emotions with weights from 0 to 1, as in happy=0.6,surprise=0.3, in the place of the property \
                 emotion (none = use that one); a sum above 1 is scaled down to 1, emotion-intensity scales the mix",
            ],
            |s: &Settings| s.mix_text.clone(),
            Settings::set_mix,
        ),
        whole(
            [
                "emotion-transition",
                "Emotion transition",
                "Time in ms of a change of an emotion from none to full; smaller changes take their part of it (0 = at \
                 once)",
            ],
            (0, MAX_EMOTION_TRANSITION_MS),
            |s: &mut Settings| &mut s.controls.emotion_transition_ms,
        )
        .controllable(),
    ]
}

fn eyes() -> [Property<Settings>; 8] {
    let gaze = (-MAX_GAZE_DEG, MAX_GAZE_DEG);
    [
        choice(
            ["blink", "Blink", "When the eyes blink; the action signal blink works in either mode"],
            |s| &mut s.controls.blink,
        ),
        number(["blink-rate", "Blink rate", "Blinks a minute (0 = none)"], (0.0, MAX_BLINK_RATE), |s| {
            &mut s.controls.blink_rate
        }),
        whole(
            [
                "blink-duration",
                "Blink duration",
                "Mean duration of a blink in ms; each is up to 15 % shorter or longer",
            ],
            BLINK_DURATION_RANGE_MS,
            |s: &mut Settings| &mut s.controls.blink_duration_ms,
        )
        .controllable(),
        number(
            [
                "gaze-yaw",
                "Gaze yaw",
                "Degrees by which the eyes turn sideways from where the photo's look (positive = to the viewer's left, \
                 as the yaw of the head)",
            ],
            gaze,
            |s| &mut s.controls.gaze[0],
        ),
        number(
            [
                "gaze-pitch",
                "Gaze pitch",
                "Degrees by which the eyes turn up or down from where the photo's look (positive = down, as the pitch \
                 of the head); the lids follow",
            ],
            gaze,
            |s| &mut s.controls.gaze[1],
        ),
        switch(
            [
                "look-away",
                "Look away",
                "Whether the eyes look away from the viewer now and then, at random; added to the gaze",
            ],
            |s| &mut s.controls.look_away.on,
        ),
        number(
            ["look-away-angle", "Look away angle", "Largest angle of a look away, in degrees"],
            (0.0, MAX_GAZE_DEG),
            |s| &mut s.controls.look_away.angle,
        ),
        number(
            [
                "look-away-interval",
                "Look away interval",
                "Mean time in seconds from the end of a look away to the next one",
            ],
            LOOK_AWAY_INTERVAL_RANGE,
            |s| &mut s.controls.look_away.interval,
        ),
    ]
}

fn gains() -> [Property<Settings>; 5] {
    let range = (0.0, MAX_GAIN);
    [
        number(
            [
                "mouth-gain",
                "Mouth gain",
                "How far mouth and jaw move (0 = they stay shut, 1 = as the network says, 2 = twice as far); lips that \
                 touch still touch",
            ],
            range,
            |s| &mut s.controls.gains.mouth,
        ),
        number(
            [
                "expression-gain",
                "Expression gain",
                "How far everything but mouth and jaw moves (0 = not at all, 1 = as the network says, 2 = twice as far)",
            ],
            range,
            |s| &mut s.controls.gains.expression,
        ),
        number(
            [
                "brow-gain",
                "Brow gain",
                "How far brows and forehead move, on top of expression-gain (0 = not at all, 1 = as the rest)",
            ],
            range,
            |s| &mut s.controls.gains.brow,
        ),
        number(
            [
                "brow-accents",
                "Brow accents",
                "How far brows rise now and then where a word is stressed, at random; brow-gain and expression-gain scale it (0 = not \
                 at all, 1 = as people do)",
            ],
            (0.0, MAX_ACCENTS),
            |s| &mut s.controls.accents,
        ),
        number(
            ["mouth-base", "Mouth base", "How open the mouth is at silence (0 = shut, 1 = wide open)"],
            (0.0, 1.0),
            |s| &mut s.controls.gains.base,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::property::Unreadable;
    use gst::glib;
    use gst::prelude::*;

    fn set(settings: &mut Settings, name: &str, value: impl ToValue) -> Result<(), Unreadable> {
        properties().set(settings, name, &value.to_value())
    }

    fn get(settings: &mut Settings, name: &str) -> glib::Value {
        let spec = properties().specs().iter().find(|spec| spec.name() == name).unwrap();
        properties().get(settings, spec)
    }

    #[test]
    fn every_number_can_be_keyframed() {
        gst::init().unwrap();
        for spec in properties().specs() {
            let numeric = spec.is::<glib::ParamSpecFloat>() || spec.name().ends_with("transition");
            assert!(!numeric || spec.flags().contains(gst::PARAM_FLAG_CONTROLLABLE), "{}", spec.name());
        }
    }

    #[test]
    fn a_wrong_mix_leaves_the_old_one_and_an_empty_one_the_emotion() {
        gst::init().unwrap();
        let mut settings = Settings::default();
        set(&mut settings, "emotion", Emotion::Sad).unwrap();
        set(&mut settings, "emotion-intensity", 0.5f32).unwrap();
        set(&mut settings, "emotion-mix", "happy=0.6,surprise=0.4").unwrap();
        let mixed = settings.controls.emotion();
        assert_eq!(mixed, [0.0, 0.3, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0], "the intensity scales the mix");
        assert!(set(&mut settings, "emotion-mix", "happy").is_err());
        assert_eq!(settings.controls.emotion(), mixed);
        let text = get(&mut settings, "emotion-mix").get::<Option<String>>().unwrap();
        assert_eq!(text.as_deref(), Some("happy=0.6,surprise=0.4"));
        for none in [Some(""), Some(" "), None] {
            set(&mut settings, "emotion-mix", "happy=1").unwrap();
            set(&mut settings, "emotion-mix", none).unwrap();
            assert_eq!(settings.controls.emotion(), Emotion::Sad.vector(0.5));
        }
    }
}
