// SPDX-License-Identifier: MIT OR Apache-2.0
//! Breath, which lifts shoulders and chest: calm at rest, a quick one in the pauses of speech and a long one out while a voice
//! speaks.

use std::f32::consts::PI;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::ease::Ease;
use crate::face::VOICE_DB;
use crate::face::chance::Chance;

/// How far a full breath lifts the shoulders, head sizes (distances of the outer eye corners).
const LIFT: f32 = 0.04;

/// Seconds of a breath in and out at rest, some 14 a minute, and while speaking.
const REST: (f32, f32) = (1.6, 2.6);
const SPEECH: (f32, f32) = (0.6, 5.0);
/// A breath is so much shorter or longer, and shallower, at random.
const VARIES: f32 = 0.2;

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
    /// How deep this breath is, how much of it is in, and whether more comes.
    depth: f32,
    share: f32,
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
        let mut breath = Self {
            rng: Chance::Breath.numbers(seed),
            depth: 1.0,
            share: 0.0,
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
        let lifted = self.lifted();
        let [amount] = self.amount.step([amount], [AMOUNT_LIMIT], dt);
        let is_voice = loudness.is_some_and(|level| level > VOICE_DB);
        self.silent = if is_voice { 0.0 } else { self.silent + dt };
        let speaks = self.silent < OVER;
        let (filling, emptying) = if speaks { SPEECH } else { REST };
        if self.fills {
            self.share = (self.share + dt / (filling * self.slower)).min(1.0);
            self.fills = self.share < 1.0;
        } else {
            self.share = (self.share - dt / (emptying * self.slower)).max(0.0);
            // Nobody takes a breath in the middle of a word.
            let spent =
                if speaks { self.silent > PAUSE && self.share < 1.0 - SPENT } else { self.share == 0.0 };
            if spent {
                self.take();
            }
        }
        LIFT * lifted * amount
    }

    /// How far the shoulders are lifted, of a breath as deep as they come; slow where it turns.
    fn lifted(&self) -> f32 {
        self.depth * (1.0 - (PI * self.share).cos()) / 2.0
    }

    /// Begins a breath where the last one left the shoulders.
    fn take(&mut self) {
        let lifted = self.lifted();
        self.depth = 1.0 - VARIES * self.rng.random::<f32>();
        self.slower = 1.0 + VARIES * (2.0 * self.rng.random::<f32>() - 1.0);
        self.share = (1.0 - 2.0 * (lifted / self.depth).min(1.0)).acos() / PI;
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
    fn another_breath_begins_where_the_last_one_left_the_shoulders() {
        let mut breath = Breath::new(5);
        for share in [0.0, 0.2, 0.6] {
            breath.share = share;
            let (lifted, depth) = (breath.lifted(), breath.depth);
            breath.take();
            assert!((breath.lifted() - lifted).abs() < 1e-6 && breath.depth != depth, "{share}");
        }
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
