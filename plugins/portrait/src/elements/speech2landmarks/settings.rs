//! The properties of `speech2landmarks`.

use gst::glib;
use gst::prelude::*;

use crate::face::edit::FaceControls;
use crate::face::edit::blink::{BlinkControls, BlinkMode};
use crate::face::edit::gains::{GainControls, MAX_GAIN};
use crate::face::edit::gaze::{LookAwayControls, MAX_GAZE_DEG};
use crate::face::emotion::{EMOTION_LEN, Emotion, MixError, parse_mix};
use crate::stream::settings::{ModelSettings, number_param_spec as number, seed_param_spec, store};
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
    /// Seed of blinks and looks away.
    pub seed: u32,
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
    gains: GainControls,
    ease_in_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: ModelSettings::default(),
            seed: 0,
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
    /// Stores a property.
    ///
    /// # Errors
    /// Where a mix of emotions cannot be read: the old one stays.
    pub fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), MixError> {
        let controls = &mut self.controls;
        match name {
            "emotion" => controls.emotion = value.get().unwrap_or_default(),
            "emotion-intensity" => store(&mut controls.emotion_intensity, value),
            "emotion-mix" => return self.set_mix(value.get().unwrap_or_default()),
            "emotion-transition" => store_uint(&mut controls.emotion_transition_ms, value),
            "blink" => controls.blink = value.get().unwrap_or_default(),
            "blink-rate" => store(&mut controls.blink_rate, value),
            "blink-duration" => store_uint(&mut controls.blink_duration_ms, value),
            "gaze-yaw" => store(&mut controls.gaze[0], value),
            "gaze-pitch" => store(&mut controls.gaze[1], value),
            "look-away" => controls.look_away.on = value.get().unwrap_or_default(),
            "look-away-angle" => store(&mut controls.look_away.angle, value),
            "look-away-interval" => store(&mut controls.look_away.interval, value),
            "mouth-gain" => store(&mut controls.gains.mouth, value),
            "expression-gain" => store(&mut controls.gains.expression, value),
            "brow-gain" => store(&mut controls.gains.brow, value),
            "mouth-base" => store(&mut controls.gains.base, value),
            "ease-in" => store_uint(&mut controls.ease_in_ms, value),
            "seed" => self.seed = value.get().unwrap_or_default(),
            name => {
                self.model.set(name, value);
            }
        }
        Ok(())
    }

    /// Reads a property; `None` where the name is none of the element's.
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        let controls = &self.controls;
        Some(match name {
            "emotion" => controls.emotion.to_value(),
            "emotion-intensity" => controls.emotion_intensity.to_value(),
            "emotion-mix" => self.mix_text.to_value(),
            "emotion-transition" => controls.emotion_transition_ms.to_value(),
            "blink" => controls.blink.to_value(),
            "blink-rate" => controls.blink_rate.to_value(),
            "blink-duration" => controls.blink_duration_ms.to_value(),
            "gaze-yaw" => controls.gaze[0].to_value(),
            "gaze-pitch" => controls.gaze[1].to_value(),
            "look-away" => controls.look_away.on.to_value(),
            "look-away-angle" => controls.look_away.angle.to_value(),
            "look-away-interval" => controls.look_away.interval.to_value(),
            "mouth-gain" => controls.gains.mouth.to_value(),
            "expression-gain" => controls.gains.expression.to_value(),
            "brow-gain" => controls.gains.brow.to_value(),
            "mouth-base" => controls.gains.base.to_value(),
            "ease-in" => controls.ease_in_ms.to_value(),
            "seed" => self.seed.to_value(),
            name => return self.model.get(name),
        })
    }

    fn set_mix(&mut self, text: Option<String>) -> Result<(), MixError> {
        self.controls.mix = match text.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(text) => Some(parse_mix(text)?),
        };
        self.mix_text = text;
        Ok(())
    }
}

fn store_uint(place: &mut u32, value: &glib::Value) {
    if let Ok(number) = value.get() {
        *place = number;
    }
}

/// A new set of the properties: one class each, the element's and that of the bin that proxies them.
pub fn param_specs() -> Vec<glib::ParamSpec> {
    let mut specs = ModelSettings::param_specs();
    specs.extend(emotion_specs());
    specs.extend(eye_specs());
    specs.extend(gain_specs());
    specs.extend([ease_in_param_spec(), seed_param_spec(), stats::param_spec()]);
    specs
}

/// Whole milliseconds that may change, or be keyframed, while the pipeline plays.
fn milliseconds(name: &str, nick: &str, blurb: &str, range: (u32, u32), default: u32) -> glib::ParamSpec {
    glib::ParamSpecUInt::builder(name)
        .nick(nick)
        .blurb(blurb)
        .minimum(range.0)
        .maximum(range.1)
        .default_value(default)
        .mutable_playing()
        .controllable()
        .build()
}

fn ease_in_param_spec() -> glib::ParamSpec {
    glib::ParamSpecUInt::builder("ease-in")
        .nick("Ease in")
        .blurb(
            "Time in ms in which the face passes from the photo's own, which the first picture shows, to the one that \
             speaks (0 = it speaks from the first picture on)",
        )
        .maximum(MAX_EASE_IN_MS)
        .default_value(DEFAULT_EASE_IN_MS)
        .mutable_ready()
        .build()
}

fn emotion_specs() -> [glib::ParamSpec; 4] {
    [
        glib::ParamSpecEnum::builder_with_default("emotion", Emotion::default())
            .nick("Emotion")
            .blurb("Emotion of the face while it speaks")
            .mutable_playing()
            .build(),
        number(
            "emotion-intensity",
            "Emotion intensity",
            "How strong the emotion is (0 = none, 1 = full)",
            (0.0, 1.0),
            DEFAULT_EMOTION_INTENSITY,
        ),
        glib::ParamSpecString::builder("emotion-mix")
            .nick("Emotion mix")
            .blurb(
                "Several emotions with weights from 0 to 1, as in happy=0.6,surprise=0.3, in the place of the property \
                 emotion (none = use that one); a sum above 1 is scaled down to 1, emotion-intensity scales the mix",
            )
            .mutable_playing()
            .build(),
        milliseconds(
            "emotion-transition",
            "Emotion transition",
            "Time in ms of a change of an emotion from none to full; smaller changes take their part of it (0 = at once)",
            (0, MAX_EMOTION_TRANSITION_MS),
            DEFAULT_EMOTION_TRANSITION_MS,
        ),
    ]
}

fn eye_specs() -> [glib::ParamSpec; 8] {
    let gaze = (-MAX_GAZE_DEG, MAX_GAZE_DEG);
    [
        glib::ParamSpecEnum::builder_with_default("blink", BlinkMode::default())
            .nick("Blink")
            .blurb("When the eyes blink; the action signal blink works in either mode")
            .mutable_playing()
            .build(),
        number(
            "blink-rate",
            "Blink rate",
            "Blinks a minute (0 = none)",
            (0.0, MAX_BLINK_RATE),
            DEFAULT_BLINK_RATE,
        ),
        milliseconds(
            "blink-duration",
            "Blink duration",
            "Mean duration of a blink in ms; each is up to 15 % shorter or longer",
            BLINK_DURATION_RANGE_MS,
            DEFAULT_BLINK_DURATION_MS,
        ),
        number(
            "gaze-yaw",
            "Gaze yaw",
            "Degrees by which the eyes turn sideways from where the photo's look (positive = to the viewer's left, \
             as the yaw of the head)",
            gaze,
            0.0,
        ),
        number(
            "gaze-pitch",
            "Gaze pitch",
            "Degrees by which the eyes turn up or down from where the photo's look (positive = down, as the pitch of \
             the head); the lids follow",
            gaze,
            0.0,
        ),
        glib::ParamSpecBoolean::builder("look-away")
            .nick("Look away")
            .blurb("Whether the eyes look away from the viewer now and then, at random; added to the gaze")
            .mutable_playing()
            .build(),
        number(
            "look-away-angle",
            "Look away angle",
            "Largest angle of a look away, in degrees",
            (0.0, MAX_GAZE_DEG),
            DEFAULT_LOOK_AWAY_ANGLE,
        ),
        number(
            "look-away-interval",
            "Look away interval",
            "Mean time in seconds from the end of a look away to the next one",
            LOOK_AWAY_INTERVAL_RANGE,
            DEFAULT_LOOK_AWAY_INTERVAL,
        ),
    ]
}

fn gain_specs() -> [glib::ParamSpec; 4] {
    let range = (0.0, MAX_GAIN);
    [
        number(
            "mouth-gain",
            "Mouth gain",
            "How far mouth and jaw move (0 = they stay shut, 1 = as the network says, 2 = twice as far); lips that \
             touch still touch",
            range,
            1.0,
        ),
        number(
            "expression-gain",
            "Expression gain",
            "How far everything but mouth and jaw moves (0 = not at all, 1 = as the network says, 2 = twice as far)",
            range,
            1.0,
        ),
        number(
            "brow-gain",
            "Brow gain",
            "How far brows and forehead move, on top of expression-gain (0 = not at all, 1 = as the rest)",
            range,
            1.0,
        ),
        number(
            "mouth-base",
            "Mouth base",
            "How open the mouth is at silence (0 = shut, 1 = wide open)",
            (0.0, 1.0),
            0.0,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_is_stored_and_says_when_it_may_change() {
        gst::init().unwrap();
        let mut settings = Settings::default();
        for spec in param_specs().iter().filter(|spec| spec.flags().contains(glib::ParamFlags::WRITABLE)) {
            let name = spec.name();
            assert_eq!(
                settings.get(name).map(|v| v.type_()),
                Some(spec.value_type()),
                "{name} is readable in its type"
            );
            if !name.contains("-pack") && name != "device" {
                let default = settings.get(name).map(|v| format!("{v:?}"));
                assert_eq!(default, Some(format!("{:?}", spec.default_value())), "{name}: the default");
            }
            let numeric = spec.is::<glib::ParamSpecFloat>() || name.ends_with("transition");
            assert!(
                !numeric || spec.flags().contains(gst::PARAM_FLAG_CONTROLLABLE),
                "{name} can be keyframed"
            );
            assert!(settings.set(name, &settings.get(name).unwrap()).is_ok());
        }
    }

    #[test]
    fn a_wrong_mix_leaves_the_old_one_and_an_empty_one_the_emotion() {
        gst::init().unwrap();
        let mut settings = Settings::default();
        settings.set("emotion", &Emotion::Sad.to_value()).unwrap();
        settings.set("emotion-intensity", &0.5f32.to_value()).unwrap();
        settings.set("emotion-mix", &"happy=0.6,surprise=0.4".to_value()).unwrap();
        let mixed = settings.controls.emotion();
        assert_eq!(mixed, [0.0, 0.3, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0], "the intensity scales the mix");
        assert!(settings.set("emotion-mix", &"happy".to_value()).is_err());
        assert_eq!(settings.controls.emotion(), mixed);
        assert_eq!(
            settings.get("emotion-mix").unwrap().get::<Option<String>>().unwrap().as_deref(),
            Some("happy=0.6,surprise=0.4")
        );
        for none in [Some(""), Some(" "), None] {
            settings.set("emotion-mix", &"happy=1".to_value()).unwrap();
            settings.set("emotion-mix", &none.to_value()).unwrap();
            assert_eq!(settings.controls.emotion(), Emotion::Sad.vector(0.5));
        }
    }

    #[test]
    fn a_number_that_is_none_leaves_the_old_value() {
        gst::init().unwrap();
        let mut settings = Settings::default();
        settings.set("gaze-yaw", &4.0f32.to_value()).unwrap();
        settings.set("gaze-yaw", &f32::NAN.to_value()).unwrap();
        assert_eq!(settings.get("gaze-yaw").unwrap().get::<f32>().unwrap(), 4.0);
    }
}
