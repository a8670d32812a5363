//! Emotion labels, their vector, and smooth changes between them.

use gst::glib;

use crate::pack::EMOTIONS;

/// Numbers in an emotion vector.
pub const EMOTION_LEN: usize = EMOTIONS.len();

/// Largest change of an intensity from one frame to the next: a full change takes ten frames, so that a property that
/// jumps does not make the face jump.
const STEP_PER_FRAME: f32 = 0.1;

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

/// The emotion as it is applied, following the one that is asked for.
#[derive(Clone, Debug, Default)]
pub struct EmotionRamp {
    now: Option<[f32; EMOTION_LEN]>,
}

impl EmotionRamp {
    /// One frame on towards `target`; the first frame is there at once.
    pub fn step(&mut self, target: [f32; EMOTION_LEN]) -> [f32; EMOTION_LEN] {
        let now = self.now.get_or_insert(target);
        for (value, target) in now.iter_mut().zip(target) {
            *value += (target - *value).clamp(-STEP_PER_FRAME, STEP_PER_FRAME);
        }
        *now
    }
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
    fn a_change_takes_ten_frames_and_a_start_none() {
        let mut ramp = EmotionRamp::default();
        assert_eq!(ramp.step(Emotion::Happy.vector(1.0)), Emotion::Happy.vector(1.0));
        let mut last = [0.0; EMOTION_LEN];
        for _ in 0..10 {
            last = ramp.step(Emotion::Sad.vector(1.0));
        }
        assert!((last[2] - 1.0).abs() < 1e-5 && last[1].abs() < 1e-5, "{last:?}");
    }
}
