// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a person talks ([`Habit`]), put on what the network says of an average talker.
//!
//! Two things are: where the mouth lies and what shape its lips have, the same in all frames, and how far they part. Lips that
//! touch still touch, and a mouth that is shut stays shut. A habit that comes or goes while playing does so within
//! [`SECONDS`].

use crate::face::habit::Habit;
use crate::face::landmark::neutral::{close_mouth, lip_gaps, widen_gaps};
use crate::face::landmark::region::Regions;

/// Gaps up to this are lips that touch, in distances of the outer eye corners.
const TOUCH: f32 = 0.004;

/// How long another habit takes to come, in seconds.
const SECONDS: f32 = 0.4;

/// What is done to each frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Manner {
    /// Added to each landmark.
    shift: Vec<[f32; 3]>,
    /// What gaps between the lips are multiplied with.
    opening: f32,
}

/// What the network says of somebody: a face, and the same in silence, normalised landmarks.
pub struct Said<'a> {
    /// The face.
    pub face: &'a [[f32; 3]],
    /// In silence.
    pub silent: &'a [[f32; 3]],
}

impl Manner {
    /// Of a person with that habit, for whom the network draws `silent` in silence. `average` tells how a talking mouth lies
    /// beside one in silence: its face is the mean of talking people, which the reference is compared with.
    pub fn new(habit: &Habit, silent: &[[f32; 3]], average: &Said<'_>) -> Self {
        let weights: Vec<f32> = Regions::new(average.face).weights([habit.share, 0.0, 0.0]).collect();
        let shut = |face: &[[f32; 3]]| {
            let mut face = face.to_vec();
            close_mouth(&mut face);
            face
        };
        let (silent, talks, rests) = (shut(silent), shut(average.face), shut(average.silent));
        let one = |(i, weight): (usize, f32)| {
            std::array::from_fn(|k| (habit.face[i][k] - silent[i][k] - (talks[i][k] - rests[i][k])) * weight)
        };
        let known = habit.face.len().min(silent.len()).min(talks.len()).min(rests.len());
        Self { shift: weights.into_iter().take(known).enumerate().map(one).collect(), opening: habit.opening }
    }

    /// That of everybody, of whom nothing is known.
    fn none(landmarks: usize) -> Self {
        Self { shift: vec![[0.0; 3]; landmarks], opening: 1.0 }
    }

    /// Moves the mouth of a frame.
    fn apply(&self, face: &mut [[f32; 3]]) {
        let before = lip_gaps(face);
        for (point, shift) in face.iter_mut().zip(&self.shift) {
            for (value, shift) in point.iter_mut().zip(shift) {
                *value += shift;
            }
        }
        let after = lip_gaps(face);
        let wanted = |gap: f32| if gap > TOUCH { TOUCH + (gap - TOUCH) * self.opening } else { gap };
        widen_gaps(face, &std::array::from_fn(|i| wanted(before[i]) - after[i]));
    }

    /// Goes a part of the way to another one.
    fn approach(&mut self, other: &Self, part: f32) {
        for (own, other) in self.shift.iter_mut().zip(&other.shift) {
            for (own, other) in own.iter_mut().zip(other) {
                *own += (other - *own) * part;
            }
        }
        self.opening += (other.opening - self.opening) * part;
    }
}

/// The manner of the frames, and the one that comes.
#[derive(Debug, Default)]
pub struct Manners {
    now: Option<Manner>,
    coming: Option<Coming>,
}

#[derive(Debug)]
struct Coming {
    manner: Option<Manner>,
    /// Frames until it is there; known with the first.
    left: Option<f32>,
}

impl Manners {
    /// From the next frame on.
    pub fn set(&mut self, manner: Option<Manner>) {
        *self = Self { now: manner, coming: None };
    }

    /// Comes within [`SECONDS`].
    pub fn change(&mut self, manner: Option<Manner>) {
        self.coming = Some(Coming { manner, left: None });
    }

    /// Frames follow that have nothing to do with those before: what comes is there.
    pub fn settle(&mut self) {
        if let Some(coming) = self.coming.take() {
            self.now = coming.manner;
        }
    }

    /// Moves the mouth of the next frame, of `fps` a second.
    pub fn apply(&mut self, face: &mut [[f32; 3]], fps: f32) {
        if let Some(coming) = &mut self.coming {
            let left = coming.left.get_or_insert((SECONDS * fps).max(1.0));
            if *left < 2.0 {
                self.settle();
            } else {
                let none = Manner::none(face.len());
                let target = coming.manner.as_ref().unwrap_or(&none);
                self.now.get_or_insert_with(|| none.clone()).approach(target, 1.0 / *left);
                *left -= 1.0;
            }
        }
        if let Some(manner) = &self.now {
            manner.apply(face);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::indices::{CHIN, FOREHEAD, IRIS_LEFT};
    use crate::face::landmark::neutral::{mouth_gap, open_mouth};
    use crate::pack::{DEFAULT_PACK, Pack};

    const FPS: f32 = 25.0;

    fn mean_face() -> Vec<[f32; 3]> {
        Pack::open(DEFAULT_PACK).unwrap().mean_face().to_vec()
    }

    /// Of somebody whose mouth lies 0.03 aside and opens by half, for a network that says of everybody in silence what it is
    /// told.
    fn manner(share: f32) -> Manner {
        let face = mean_face();
        let mut shut = face.clone();
        close_mouth(&mut shut);
        let aside = shut.iter().map(|p| [p[0] + 0.03, p[1], p[2]]).collect();
        let habit = Habit { face: aside, share, opening: 0.5 };
        Manner::new(&habit, &shut, &Said { face: &face, silent: &shut })
    }

    fn gap(face: &[[f32; 3]]) -> f32 {
        mouth_gap(&lip_gaps(face))
    }

    #[test]
    fn the_mouth_alone_goes_as_far_as_the_habit_tells() {
        let mut face = mean_face();
        close_mouth(&mut face);
        let before = face.clone();
        manner(0.8).apply(&mut face);
        let moved = |i: usize| face[i][0] - before[i][0];
        assert!([13, 14, 61, 291, CHIN].iter().all(|&i| (moved(i) - 0.024).abs() < 1e-5));
        assert!([FOREHEAD, IRIS_LEFT[0], 168].iter().all(|&i| face[i] == before[i]), "the mouth only");
    }

    #[test]
    fn lips_that_touch_still_touch_and_others_part_as_the_person_parts_them() {
        for (said, shown) in [(0.0, 0.0), (0.003, 0.003), (0.1, 0.052)] {
            let mut face = mean_face();
            close_mouth(&mut face);
            open_mouth(&mut face, said);
            manner(1.0).apply(&mut face);
            assert!((gap(&face) - shown).abs() < 2e-3, "{said}: {}", gap(&face));
        }
    }

    #[test]
    fn the_average_talker_is_left_as_the_network_says() {
        let face = mean_face();
        let mut rest = face.clone();
        close_mouth(&mut rest);
        rest[61][0] += 0.01;
        let mut shut = face.clone();
        close_mouth(&mut shut);
        let habit = Habit { face: shut, share: 1.0, opening: 1.0 };
        let manner = Manner::new(&habit, &rest, &Said { face: &face, silent: &rest });
        assert!(manner.shift.iter().flatten().all(|v| v.abs() < 1e-6));
    }

    #[test]
    fn a_habit_comes_and_goes_without_a_jump_and_leaves_nothing() {
        let mut manners = Manners::default();
        let place = |manners: &mut Manners| {
            let mut face = mean_face();
            manners.apply(&mut face, FPS);
            face
        };
        assert_eq!(place(&mut manners), mean_face());
        let manner = manner(1.0);
        manners.change(Some(manner.clone()));
        let mut ways: Vec<f32> = (0..12).map(|_| place(&mut manners)[61][0] - mean_face()[61][0]).collect();
        ways.insert(0, 0.0);
        assert!(ways.windows(2).all(|w| (-1e-6..0.006).contains(&(w[1] - w[0]))), "{ways:?}");
        let mut there = mean_face();
        manner.apply(&mut there);
        assert_eq!(place(&mut manners), there);
        manners.change(None);
        assert!(place(&mut manners)[61][0] > mean_face()[61][0]);
        let last = (0..12).map(|_| place(&mut manners)).last().unwrap();
        assert_eq!(last, mean_face(), "to the bit");
    }
}
