// SPDX-License-Identifier: MIT OR Apache-2.0
//! Breath, which lifts shoulders and chest: calm at rest, a quick one in the pauses of speech and a long one out while a voice
//! speaks.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::ease::Ease;

/// Random stream of the breath: elements with one seed must not share their numbers.
const STREAM: u64 = 3;

/// How far a full breath lifts the shoulders, head sizes (distances of the outer eye corners).
const LIFT: f32 = 0.04;

/// Seconds of a breath in and out at rest, some 14 a minute, and while speaking.
const REST: (f32, f32) = (1.6, 2.6);
const SPEECH: (f32, f32) = (0.6, 5.0);
/// A breath is so much shorter or longer, and shallower, at random.
const VARIES: f32 = 0.2;

/// Level of sound from which on somebody speaks, dB below full scale.
const VOICE_DB: f32 = -45.0;
/// Seconds without a voice after which a speaker takes a breath, if at least this much of the last one is gone; and after
/// which nobody speaks any more.
const PAUSE: f32 = 0.2;
const SPENT: f32 = 0.4;
const OVER: f32 = 1.5;

/// Fastest change of the amount that is followed as it is, a second.
const AMOUNT_LIMIT: f32 = 0.5;

/// The breath of a person who begins breathed out, as in the photo.
pub struct Breath {
    rng: ChaCha8Rng,
    /// How full the lungs are, 0 to the depth of this breath, and whether they fill.
    volume: f32,
    depth: f32,
    /// Factor on the times of this breath.
    slower: f32,
    fills: bool,
    /// Seconds since a voice was heard.
    silent: f32,
    amount: Ease<1>,
}

impl Breath {
    /// The first frame is still to come.
    pub fn new(seed: u32) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(u64::from(seed));
        rng.set_stream(STREAM);
        let mut breath = Self {
            rng,
            volume: 0.0,
            depth: 1.0,
            slower: 1.0,
            fills: false,
            silent: f32::INFINITY,
            amount: Ease::default(),
        };
        breath.take();
        breath
    }

    /// How far shoulders and chest are lifted in the next frame, `dt` seconds later, in head sizes. `loudness` is the level of its
    /// sound, if there is any; `amount` a factor.
    pub fn step(&mut self, loudness: Option<f32>, amount: f32, dt: f32) -> f32 {
        let share = self.volume / self.depth.max(f32::EPSILON);
        // Slow where it turns.
        let lifted = self.depth * (1.0 - (std::f32::consts::PI * share).cos()) / 2.0;
        let [amount] = self.amount.step([amount], [AMOUNT_LIMIT], dt);
        let is_voice = loudness.is_some_and(|level| level > VOICE_DB);
        self.silent = if is_voice { 0.0 } else { self.silent + dt };
        let speaks = self.silent < OVER;
        let (filling, emptying) = if speaks { SPEECH } else { REST };
        if self.fills {
            self.volume += self.depth / (filling * self.slower) * dt;
            if self.volume >= self.depth {
                (self.volume, self.fills) = (self.depth, false);
            }
        } else {
            self.volume = (self.volume - self.depth / (emptying * self.slower) * dt).max(0.0);
            // Nobody takes a breath in the middle of a word.
            let due = if speaks { self.silent > PAUSE && share < 1.0 - SPENT } else { self.volume == 0.0 };
            if due {
                self.take();
            }
        }
        LIFT * lifted * amount
    }

    /// Begins a breath where the last one left the shoulders.
    fn take(&mut self) {
        let left = self.volume / self.depth.max(f32::EPSILON);
        self.depth = 1.0 - VARIES * self.rng.random::<f32>();
        self.slower = 1.0 + VARIES * (2.0 * self.rng.random::<f32>() - 1.0);
        self.volume = left * self.depth;
        self.fills = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DT: f32 = 0.04;

    fn breathed(seed: u32, frames: usize, level: impl Fn(usize) -> f32) -> Vec<f32> {
        let mut breath = Breath::new(seed);
        (0..frames).map(|i| breath.step(Some(level(i)), 1.0, DT)).collect()
    }

    fn crests(lifts: &[f32]) -> Vec<usize> {
        (1..lifts.len() - 1).filter(|&i| lifts[i] > lifts[i - 1] && lifts[i] >= lifts[i + 1]).collect()
    }

    #[test]
    fn at_rest_it_is_calm_and_begins_as_in_the_photo() {
        let lifts = breathed(1, 60 * 25, |_| -90.0);
        assert_eq!(lifts[0], 0.0);
        assert!(lifts.iter().all(|lift| (0.0..=LIFT).contains(lift)));
        assert!((12..=17).contains(&crests(&lifts).len()), "{} a minute", crests(&lifts).len());
        // A tenth of a breath a frame would twitch.
        assert!(lifts.windows(2).all(|w| (w[1] - w[0]).abs() < LIFT / 10.0));
        assert_eq!(lifts, breathed(1, 60 * 25, |_| -90.0));
        assert_ne!(lifts, breathed(2, 60 * 25, |_| -90.0));
    }

    /// A sentence of four seconds, a pause of .6 s, again and again.
    #[test]
    fn who_speaks_breathes_in_between_sentences_only() {
        let speaks = |i: usize| i % 115 < 100;
        let lifts = breathed(1, 40 * 25, |i| if speaks(i) { -20.0 } else { -80.0 });
        let crests = crests(&lifts);
        assert!(crests.len() >= 6, "{crests:?}");
        // A breath that a pause began may end in the first frames of the sentence.
        let rising = |i: usize| lifts[i] > lifts[i - 1];
        let in_words = (200..lifts.len()).filter(|&i| rising(i) && i % 115 > 20 && speaks(i)).count();
        assert_eq!(in_words, 0);
        assert!(lifts.windows(2).all(|w| (w[1] - w[0]).abs() < LIFT / 4.0));
    }

    #[test]
    fn its_amount_may_change_at_any_time_without_a_jump() {
        let mut breath = Breath::new(3);
        let lifts: Vec<f32> =
            (0..500).map(|i| breath.step(None, if i / 40 % 2 == 0 { 2.0 } else { 0.0 }, DT)).collect();
        assert!(lifts.windows(2).all(|w| (w[1] - w[0]).abs() < LIFT / 4.0));
        assert!(lifts.iter().any(|&lift| lift > 1.5 * LIFT), "twice as far");
        let mut none = Breath::new(3);
        assert!((0..500).all(|_| none.step(None, 0.0, DT) == 0.0));
    }
}
