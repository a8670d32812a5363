// SPDX-License-Identifier: MIT OR Apache-2.0
//! The person in a video, learned as the video plays: how their mouth rests, and where that of a voice belongs on them.
//!
//! Speech moves a mouth from its closed state. A video shows it closed now and then, and nearly so often: the mean of its
//! closed shapes is the base to which the voice's motion is added.

use super::landmark::indices::{LIPS_INNER, LIPS_OUTER};
use super::landmark::neutral::{close_mouth, lip_gaps, mouth_gap};
use super::landmark::region::Regions;

/// Gap between the lips, in distances of the outer eye corners, at which a frame tells a third of what a shut mouth tells of
/// the mouth at rest; and the least that any frame tells.
const TELLING: f32 = 0.04;
const LEAST_TOLD: f32 = 0.02;

/// Frames of a shut mouth that are remembered: expressions change within seconds.
const MEMORY: f32 = 60.0;

/// Share of a frame in where the mouth lies on the face, up and down: lips move so, and the errors of the pose do.
const FOLLOW: f32 = 0.25;

/// Upper lip and the skin above it: what shows best where the mouth lies, because speech moves it least.
const UPPER: [usize; 9] = [185, 40, 39, 37, 0, 267, 269, 270, 409];

/// What is known of the person.
#[derive(Clone, Debug)]
pub struct Person {
    /// How much of each landmark is the mouth's.
    weights: Vec<f32>,
    /// The closed mouth, normalised.
    rest: Vec<[f32; 3]>,
    told: f32,
    /// Where the mouth of this frame lies from that one.
    offset: [f32; 3],
    closed: Vec<[f32; 3]>,
}

impl Person {
    /// Nobody yet; `mean_face` is the pack's.
    pub fn new(mean_face: &[[f32; 3]]) -> Self {
        Self {
            weights: Regions::new(mean_face).weights([1.0, 0.0, 0.0]).collect(),
            rest: Vec::new(),
            told: 0.0,
            offset: [0.0; 3],
            closed: Vec::new(),
        }
    }

    /// Another person begins.
    pub fn reset(&mut self) {
        self.rest.clear();
        (self.told, self.offset) = (0.0, [0.0; 3]);
    }

    /// Whether a face was learned from.
    pub fn is_known(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Learns from the face of a frame, normalised landmarks.
    pub fn look(&mut self, face: &[[f32; 3]]) {
        self.closed.clear();
        self.closed.extend_from_slice(face);
        close_mouth(&mut self.closed);
        let telling = (-gap(face) / TELLING).exp().max(LEAST_TOLD);
        let first = self.rest.len() != face.len();
        if first {
            self.rest.clear();
            self.rest.extend_from_slice(&self.closed);
            self.told = 0.0;
        }
        self.told = (self.told + telling).min(MEMORY);
        let way = self.way();
        for k in [0, 2] {
            self.offset[k] = way[k];
        }
        self.offset[1] = if first { 0.0 } else { self.offset[1] + FOLLOW * (way[1] - self.offset[1]) };
        let share = telling / self.told;
        for (rest, closed) in self.rest.iter_mut().zip(&self.closed) {
            for k in 0..3 {
                rest[k] += (closed[k] - rest[k]) * share;
            }
        }
    }

    /// From the mouth at rest to that of the frame.
    fn way(&self) -> [f32; 3] {
        let mean = |points: &[usize], k: usize| {
            let way = |&i: &usize| match (self.closed.get(i), self.rest.get(i)) {
                (Some(closed), Some(rest)) => closed[k] - rest[k],
                _ => 0.0,
            };
            points.iter().map(way).sum::<f32>() / points.len() as f32
        };
        let lips = |k| (mean(&LIPS_OUTER, k) + mean(&LIPS_INNER, k)) / 2.0;
        [lips(0), mean(&UPPER, 1), lips(2)]
    }

    /// The face of the frame with the mouth of the voice: `motion` is what the voice moves each landmark from the closed
    /// mouth, normalised; after [`Person::look`].
    pub fn speak(&self, face: &[[f32; 3]], motion: &[[f32; 3]], out: &mut Vec<[f32; 3]>) {
        out.clear();
        out.extend_from_slice(face);
        let all = out.iter_mut().zip(&self.rest).zip(motion).zip(&self.weights);
        for (((out, rest), motion), weight) in all {
            for k in 0..3 {
                out[k] += (rest[k] + self.offset[k] + motion[k] - out[k]) * weight;
            }
        }
    }
}

/// Share of the frames whose gap is smaller than what counts as far open.
const OFTEN: f32 = 0.85;

/// By how much, in distances of the outer eye corners, a frame moves what counts as far open.
const STEP: f32 = 0.006;

/// Frames of a talking mouth from which on its amplitude is believed.
const BELIEVED: f32 = 75.0;

/// A person whose far open is less than this does not talk in the video.
const TALKS: f32 = 0.03;

/// Least and largest ratio of two amplitudes.
const RATIO: (f32, f32) = (0.8, 1.3);

/// How far the person opens their mouth when they talk, beside how far the voice's face does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Amplitude {
    own: f32,
    voice: f32,
    frames: f32,
}

impl Amplitude {
    /// Another person begins; the voice is the same.
    pub fn reset(&mut self) {
        (self.own, self.frames) = (0.0, 0.0);
    }

    /// Begins with what is known of the person from elsewhere.
    pub fn begin_with(&mut self, known: &Self) {
        (self.own, self.frames) = (known.own, 0.0);
    }

    /// A frame of a person whose voice nobody listens to: the gap of their lips.
    pub fn look_at_person(&mut self, gap: f32) {
        self.own = follow(self.own, gap);
    }

    /// A frame: the gap of the person's lips and of the voice's, in distances of the outer eye corners.
    pub fn look(&mut self, own: f32, voice: f32) {
        (self.own, self.voice) = (follow(self.own, own), follow(self.voice, voice));
        if self.own > TALKS && self.voice > TALKS {
            self.frames = (self.frames + 1.0).min(BELIEVED);
        }
    }

    /// By how much more than the voice's face the person opens their mouth.
    pub fn gain(&self) -> f32 {
        if self.voice <= 0.0 {
            return 1.0;
        }
        let ratio = (self.own / self.voice).clamp(RATIO.0, RATIO.1);
        1.0 + (ratio - 1.0) * self.frames / BELIEVED
    }
}

/// What counts as far open, after another frame.
fn follow(far: f32, gap: f32) -> f32 {
    (far + STEP * if gap > far { OFTEN } else { OFTEN - 1.0 }).max(0.0)
}

/// The gap of a face's lips, normalised landmarks.
pub fn gap(face: &[[f32; 3]]) -> f32 {
    mouth_gap(&lip_gaps(face)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::neutral::open_mouth;
    use crate::pack::{DEFAULT_PACK, Pack};

    #[test]
    fn a_talking_mouth_is_learned_shut_and_says_what_the_voice_says() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let mut rest = pack.mean_face().to_vec();
        close_mouth(&mut rest);
        let mut person = Person::new(pack.mean_face());
        let mut said = Vec::new();
        let mut voice = rest.clone();
        open_mouth(&mut voice, 0.08);
        let motion: Vec<[f32; 3]> =
            voice.iter().zip(&rest).map(|(v, r)| std::array::from_fn(|k| v[k] - r[k])).collect();
        for n in 0..100 {
            let mut face = rest.clone();
            open_mouth(&mut face, 0.1 * (n as f32 * 0.7).sin().abs());
            person.look(&face);
            person.speak(&face, &vec![[0.0; 3]; face.len()], &mut said);
            assert!(gap(&said) < 0.004, "shut in frame {n}: {}", gap(&said));
            person.speak(&face, &motion, &mut said);
            assert!((gap(&said) - 0.08).abs() < 0.006, "open in frame {n}: {}", gap(&said));
            assert!(said[4] == face[4] && said[33] == face[33], "nose and eyes are the frame's");
        }
    }

    #[test]
    fn the_mouth_stays_on_a_face_whose_pose_is_a_little_wrong() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let mut person = Person::new(pack.mean_face());
        let still = vec![[0.0; 3]; pack.mean_face().len()];
        let mut said = Vec::new();
        for n in 0..60 {
            let mut face = pack.mean_face().to_vec();
            close_mouth(&mut face);
            let wrong = if n < 30 { 0.0 } else { 0.03 };
            face.iter_mut().for_each(|p| p[0] += wrong);
            person.look(&face);
            person.speak(&face, &still, &mut said);
            assert!((said[13][0] - face[13][0]).abs() < 0.003, "frame {n}");
        }
    }

    #[test]
    fn who_talks_with_a_wide_mouth_is_dubbed_with_one_and_who_does_not_talk_tells_nothing() {
        let talk = |n: usize, most: f32| most * (n as f32 * 0.7).sin().max(0.0);
        let learned = |own: f32, voice: f32| {
            let mut amplitude = Amplitude::default();
            for n in 0..1000 {
                amplitude.look(talk(n, own), talk(n, voice));
            }
            amplitude.gain()
        };
        assert!((learned(0.12, 0.1) - 1.2).abs() < 0.08, "{}", learned(0.12, 0.1));
        assert!((learned(0.1, 0.1) - 1.0).abs() < 0.02);
        assert_eq!(learned(0.3, 0.1), RATIO.1);
        assert_eq!(learned(0.01, 0.1), 1.0, "an idle clip");
        assert_eq!(learned(0.1, 0.0), 1.0, "silence");
        // Who was watched before begins there.
        let mut watched = Amplitude::default();
        (0..1000).for_each(|n| watched.look_at_person(talk(n, 0.12)));
        let (mut begun, mut anew) = (Amplitude::default(), Amplitude::default());
        begun.begin_with(&watched);
        for n in 0..40 {
            begun.look(talk(n, 0.12), talk(n, 0.1));
            anew.look(talk(n, 0.12), talk(n, 0.1));
        }
        assert!((begun.own - watched.own).abs() < 0.02 && anew.own < begun.own - 0.01);
    }
}
