// SPDX-License-Identifier: MIT OR Apache-2.0
//! Brows that rise on stressed words. In half of 71 talking clips they rise by a fiftieth of the eyes' distance or more some eight times
//! a minute, mostly where the voice is louder; a network that says the mean of what people do raises them by less.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::ramp::{Ramp, most_per_frame};
use crate::face::VOICE_DB;
use crate::face::chance::Chance;
use crate::face::landmark::indices::{
    BROW_LEFT, BROW_RIGHT, EYE_CORNER_LEFT, EYE_CORNER_RIGHT, LOWER_BROWS, UPPER_LIDS,
};
use crate::face::step::{smooth_step, step_between};

/// Largest factor on how far they rise.
pub const MAX_ACCENTS: f32 = 2.0;

/// How far they rise, distances of the outer eye corners.
const HEIGHT: (f32, f32) = (0.012, 0.036);

/// Seconds in which they rise, stay up and come down.
const RISE: f32 = 0.2;
const STAY: (f32, f32) = (0.04, 0.4);
const FALL: f32 = 0.4;

/// A syllable is stressed that is so much louder than the voice has been, dB, on the mean of so many seconds of it.
const STRESS_DB: f32 = 5.0;
const MEAN_SECONDS: f32 = 3.0;

/// Share of the stressed syllables that brows rise on, and seconds that they rest at least: with the hundred or so of a minute of
/// speech seven to eight times.
const SHARE: f32 = 0.12;
const REST: f32 = 2.0;

/// Seconds of a change of the amount from nothing to its largest.
const RAMP_SECONDS: f32 = 0.4;

/// Within how many distances of the eye corners skin beside the brows goes with them to a third.
const REACH: f32 = 0.16;

/// How far the brows' outer ends go, in shares of their middle, and where that begins, in shares of their width from the nose.
const OUTER_END: f32 = 0.63;
const OUTER_FROM: f32 = 0.75;

/// A person's brows.
pub struct Accents {
    rng: ChaCha8Rng,
    /// How far each point goes with them, in the face's own unit.
    ways: Vec<f32>,
    amount: Ramp<1>,
    stress: Stress,
    raise: Option<Raise>,
    /// Seconds since they came down.
    rested: f32,
}

/// Tells where a syllable is stressed.
#[derive(Debug, Default)]
struct Stress {
    /// How loud the voice has been, dB.
    mean: Option<f32>,
    loud: bool,
}

/// Brows on their way.
#[derive(Clone, Copy, Debug)]
struct Raise {
    height: f32,
    stay: f32,
    /// Seconds since they began to rise.
    since: f32,
}

impl Accents {
    /// Of a person with these normalised landmarks at rest; what is random comes from `seed`.
    pub fn new(rest: &[[f32; 3]], seed: u32) -> Self {
        Self {
            rng: Chance::Accent.numbers(seed),
            ways: ways(rest),
            amount: Ramp::default(),
            stress: Stress::default(),
            raise: None,
            rested: REST,
        }
    }

    /// Goes on with another person, landmarks as in [`Accents::new`].
    pub fn go_on_as(&mut self, rest: &[[f32; 3]]) {
        self.ways = ways(rest);
    }

    /// Forgets what came before.
    pub fn reset(&mut self, seed: u32) {
        let ways = std::mem::take(&mut self.ways);
        *self = Self { ways, ..Self::new(&[], seed) };
    }

    /// Raises the brows of the next frame's `face`. `loudness` is the level of its sound in dB, if there is any; `amount` a factor.
    pub fn apply(&mut self, face: &mut [[f32; 3]], loudness: Option<f32>, amount: f32, fps: f32) {
        let [amount] = self.amount.step([amount], most_per_frame(MAX_ACCENTS, RAMP_SECONDS, fps));
        let up = amount * self.step(loudness, 1.0 / fps);
        // Exactly the network's face where nothing rises.
        if up > 0.0 {
            for (point, way) in face.iter_mut().zip(&self.ways) {
                point[1] -= up * way;
            }
        }
    }

    /// How far the brows are raised in the next frame, `dt` seconds later.
    fn step(&mut self, loudness: Option<f32>, dt: f32) -> f32 {
        let stressed = self.stress.step(loudness, dt);
        if let Some(mut raise) = self.raise {
            raise.since += dt;
            self.raise = (raise.since < RISE + raise.stay + FALL).then_some(raise);
            return raise.now();
        }
        self.rested += dt;
        if stressed && self.rested >= REST && self.rng.random::<f32>() < SHARE {
            let [height, stay] = [HEIGHT, STAY].map(|(least, most)| self.rng.random_range(least..most));
            self.raise = Some(Raise { height, stay, since: 0.0 });
            self.rested = 0.0;
        }
        0.0
    }
}

impl Stress {
    /// Whether a stressed syllable begins in the next frame.
    fn step(&mut self, loudness: Option<f32>, dt: f32) -> bool {
        let Some(level) = loudness.filter(|&level| level > VOICE_DB) else {
            self.loud = false;
            return false;
        };
        let mean = self.mean.get_or_insert(level);
        *mean += (level - *mean) * (dt / MEAN_SECONDS).min(1.0);
        let loud = level > *mean + STRESS_DB;
        loud && !std::mem::replace(&mut self.loud, loud)
    }
}

impl Raise {
    fn now(self) -> f32 {
        self.height * smooth_step((self.since / RISE).min((RISE + self.stay + FALL - self.since) / FALL))
    }
}

/// How far each point goes with brows that rise by a distance of the eye corners: as in the clips, where the forehead is pushed
/// together and the lids stay.
fn ways(rest: &[[f32; 3]]) -> Vec<f32> {
    let at = |i: usize| rest.get(i).copied().unwrap_or_default();
    let distance = |a: [f32; 3], b: [f32; 3]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let height = |points: [usize; 2]| f32::midpoint(at(points[0])[1], at(points[1])[1]);
    let (lid, brow) = (height(UPPER_LIDS), height(LOWER_BROWS));
    let corners = [EYE_CORNER_LEFT, EYE_CORNER_RIGHT].map(at);
    let unit = distance(corners[0], corners[1]);
    let middle = f32::midpoint(corners[0][0], corners[1][0]);
    let brows: Vec<[f32; 3]> = BROW_LEFT.into_iter().chain(BROW_RIGHT).map(at).collect();
    let aside = |point: &[f32; 3]| (point[0] - middle).abs();
    let width = brows.iter().map(aside).fold(f32::MIN_POSITIVE, f32::max);
    let way = |point: &[f32; 3]| {
        let away = brows.iter().map(|&brow| distance(*point, brow)).fold(f32::MAX, f32::min);
        let outer = step_between(OUTER_FROM, 1.0, aside(point) / width);
        let above = step_between(lid, f32::midpoint(lid, brow), point[1]);
        unit * (-away / (REACH * unit)).exp() * (1.0 - (1.0 - OUTER_END) * outer) * above
    };
    rest.iter().map(way).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::indices::{FOREHEAD, LIDS, NOSE_TIP};
    use crate::pack::{DEFAULT_PACK, Pack};

    const FPS: f32 = 25.0;

    /// Heights of brows over a voice of that level in each frame.
    fn raised(seed: u32, frames: usize, level: impl Fn(usize) -> f32) -> Vec<f32> {
        let mut accents = Accents::new(&[], seed);
        (0..frames).map(|i| accents.step(Some(level(i)), 1.0 / FPS)).collect()
    }

    /// Syllables of .2 s, each third of them loud.
    fn speech(i: usize) -> f32 {
        match (i % 5, i / 5 % 3) {
            (4, _) => -60.0,
            (_, 2) => -18.0,
            _ => -28.0,
        }
    }

    fn begins(heights: &[f32]) -> Vec<usize> {
        (1..heights.len()).filter(|&i| heights[i - 1] == 0.0 && heights[i] > 0.0).collect()
    }

    #[test]
    fn brows_rise_on_loud_syllables_now_and_then() {
        let heights = raised(1, 60 * 25, speech);
        let begins = begins(&heights);
        assert!((5..=11).contains(&begins.len()), "{} a minute", begins.len());
        for i in begins {
            assert!((i - 1..=i).any(|i| speech(i) == -18.0), "frame {i}");
        }
        assert!(heights.iter().all(|height| (0.0..=HEIGHT.1).contains(height)));
        assert!(heights.windows(2).all(|w| (w[1] - w[0]).abs() < HEIGHT.1 / 2.5), "a jump");
        assert_eq!(heights, raised(1, 60 * 25, speech));
        assert_ne!(heights, raised(2, 60 * 25, speech));
    }

    #[test]
    fn they_rest_in_silence_noise_and_an_even_voice() {
        for level in [-90.0, -50.0, -20.0] {
            assert!(raised(1, 60 * 25, |_| level).iter().all(|&height| height == 0.0), "{level} dB");
        }
        let mut accents = Accents::new(&[], 1);
        assert!((0..500).all(|_| accents.step(None, 1.0 / FPS) == 0.0));
    }

    #[test]
    fn a_changing_amount_moves_no_brow_at_once_and_none_leaves_the_face_as_it_is() {
        let lift = |amount: fn(usize) -> f32| {
            let mut rest = vec![[0.0; 3]; 478];
            rest[EYE_CORNER_RIGHT][0] = 1.0;
            LOWER_BROWS.into_iter().for_each(|i| rest[i][1] = -0.2);
            let mut accents = Accents::new(&rest, 1);
            let mut next = |i: usize| {
                let mut face = rest.clone();
                accents.apply(&mut face, Some(speech(i)), amount(i), FPS);
                rest[LOWER_BROWS[0]][1] - face[LOWER_BROWS[0]][1]
            };
            (0..3000).map(&mut next).collect::<Vec<f32>>()
        };
        assert!(lift(|_| 0.0).iter().all(|&up| up == 0.0));
        let changing = lift(|i| if i / 40 % 2 == 0 { 2.0 } else { 0.0 });
        assert!(changing.iter().any(|&up| up > HEIGHT.0));
        assert!(changing.windows(2).all(|w| (w[1] - w[0]).abs() < 2.0 * HEIGHT.1 / 2.5), "a jump");
    }

    #[test]
    fn the_forehead_is_pushed_together_and_lids_and_nose_stay() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let ways = ways(pack.mean_face());
        assert!(BROW_LEFT.into_iter().chain(BROW_RIGHT).all(|i| ways[i] > 0.4), "brows");
        assert!(ways[FOREHEAD] < 0.15 && ways[NOSE_TIP] == 0.0);
        assert!(LIDS.as_flattened().iter().all(|&(upper, lower)| ways[upper].max(ways[lower]) < 0.05));
    }
}
