// SPDX-License-Identifier: MIT OR Apache-2.0
//! Emotion labels, their vector, and mixes of them.

use gst::glib;

use crate::pack::EMOTIONS;

/// Numbers in an emotion vector.
pub const EMOTION_LEN: usize = EMOTIONS.len();

/// Emotion of the face, one at a time; order of [`EMOTIONS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPortraitEmotion")]
pub enum Emotion {
    /// No emotion besides that of the photo.
    #[default]
    #[enum_value(name = "Neutral", nick = "neutral")]
    Neutral = 0,
    /// Happy.
    #[enum_value(name = "Happy", nick = "happy")]
    Happy = 1,
    /// Sad.
    #[enum_value(name = "Sad", nick = "sad")]
    Sad = 2,
    /// Surprise.
    #[enum_value(name = "Surprise", nick = "surprise")]
    Surprise = 3,
    /// Fear.
    #[enum_value(name = "Fear", nick = "fear")]
    Fear = 4,
    /// Angry.
    #[enum_value(name = "Angry", nick = "angry")]
    Angry = 5,
    /// Disgust.
    #[enum_value(name = "Disgust", nick = "disgust")]
    Disgust = 6,
    /// Contempt.
    #[enum_value(name = "Contempt", nick = "contempt")]
    Contempt = 7,
}

impl Emotion {
    /// The vector that the models take: the intensity at the label's place. Neutral is the zero vector.
    pub fn vector(self, intensity: f32) -> [f32; EMOTION_LEN] {
        let mut vector = [0.0; EMOTION_LEN];
        if self != Self::Neutral {
            vector[self as usize] = intensity.clamp(0.0, 1.0);
        }
        vector
    }
}

/// Why a mix of emotions cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MixError {
    /// An entry without a weight.
    #[error("\"{0}\" is not LABEL=WEIGHT; write \"happy=0.6,surprise=0.3\"")]
    Entry(String),
    /// An emotion that packs do not know.
    #[error("there is no emotion \"{0}\"; the labels are {labels}", labels = EMOTIONS.join(", "))]
    Label(String),
    /// A weight outside of the range.
    #[error("the weight \"{1}\" of {0} is not a number from 0 to 1")]
    Weight(String, String),
    /// A label that stands there twice.
    #[error("{0} is there twice; name each emotion once")]
    Twice(String),
}

/// The vector of a mix such as `happy=0.6,surprise=0.3`. Weights that sum to more than 1 are scaled down to 1: models
/// know faces of full intensity, not beyond. Neutral counts in that sum and adds nothing to the face.
///
/// # Errors
/// Where the text is no list of labels with weights from 0 to 1.
pub fn parse_mix(text: &str) -> Result<[f32; EMOTION_LEN], MixError> {
    let mut weights: [Option<f32>; EMOTION_LEN] = [None; EMOTION_LEN];
    for entry in text.split(',') {
        let (label, weight) =
            entry.split_once('=').ok_or_else(|| MixError::Entry(entry.trim().to_owned()))?;
        let (label, weight) = (label.trim(), weight.trim());
        let index = EMOTIONS.iter().position(|known| *known == label);
        let index = index.ok_or_else(|| MixError::Label(label.to_owned()))?;
        let value = weight.parse().ok().filter(|w| (0.0..=1.0).contains(w));
        let value = value.ok_or_else(|| MixError::Weight(label.to_owned(), weight.to_owned()))?;
        if weights[index].replace(value).is_some() {
            return Err(MixError::Twice(label.to_owned()));
        }
    }
    let mut vector = weights.map(Option::unwrap_or_default);
    let sum: f32 = vector.iter().sum();
    if sum > 1.0 {
        vector = vector.map(|weight| weight / sum);
    }
    vector[Emotion::Neutral as usize] = 0.0;
    Ok(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_at_the_place_that_packs_give_them() {
        gst::init().unwrap();
        use gst::prelude::*;
        let class = glib::EnumClass::new::<Emotion>();
        for (index, label) in EMOTIONS.iter().enumerate() {
            assert_eq!(class.value(index as i32).map(|v| v.nick()), Some(*label));
        }
        assert_eq!(Emotion::static_type().name(), "GstPortraitEmotion");
        assert_eq!(Emotion::Neutral.vector(1.0), [0.0; EMOTION_LEN]);
        assert_eq!(Emotion::Angry.vector(0.5)[5], 0.5);
    }

    #[test]
    fn a_mix_is_its_weights() {
        assert_eq!(parse_mix("happy=0.6, surprise=0.3").unwrap(), [0.0, 0.6, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(parse_mix(" sad = 1 ").unwrap(), Emotion::Sad.vector(1.0));
        assert_eq!(parse_mix("neutral=1").unwrap(), [0.0; EMOTION_LEN]);
    }

    #[test]
    fn a_mix_is_never_more_than_one_full_emotion() {
        assert_eq!(parse_mix("happy=1,surprise=1").unwrap()[..4], [0.0, 0.5, 0.0, 0.5]);
        assert_eq!(
            parse_mix("neutral=1,angry=1").unwrap(),
            Emotion::Angry.vector(0.5),
            "neutral takes its part"
        );
    }

    #[test]
    fn an_error_names_what_is_wrong() {
        let text = |mix: &str| parse_mix(mix).unwrap_err().to_string();
        let wrong_label = text("happy=0.5,glad=0.5");
        assert!(wrong_label.contains("\"glad\"") && EMOTIONS.iter().all(|e| wrong_label.contains(e)));
        assert!(text("happy").contains("\"happy\" is not LABEL=WEIGHT"));
        assert!(text("happy=0.5,").contains("\"\""));
        for weight in ["1.5", "-0.1", "NaN", "inf", "", "x"] {
            assert!(text(&format!("sad={weight}")).contains(&format!("\"{weight}\" of sad")), "{weight}");
        }
        assert!(text("sad=0.5,sad=0.5").contains("sad is there twice"));
    }
}
