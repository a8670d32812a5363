// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames of the person whose mouths showed something: what is between the lips is drawn from them.

use super::component::Crop;
use super::opening::Opening;
use super::{COMPONENTS, Task};

/// Gap of the lips, in distances of the outer eye corners, that shows teeth best, and within which a frame is kept.
const BEST: f32 = 0.18;
const KEPT: (f32, f32) = (0.06, 0.34);

/// Ways in which a head is turned that are told apart, and degrees of each.
const TURNS: usize = 5;
const TURN_DEG: f32 = 12.0;

/// How much less what was drawn from before counts with each frame.
const FADE: f32 = 0.2;

/// By how much a frame must be better than the one that is kept: what is kept is seen, and must not change for nothing.
const BETTER: f32 = 1.15;

/// A frame that is kept.
#[derive(Clone, Debug, Default)]
struct Kept {
    score: f32,
    opening: Opening,
    unit: f32,
    crops: [Crop; COMPONENTS],
    light: [f32; COMPONENTS],
    steps: [[usize; 2]; COMPONENTS],
}

/// The frames that are kept, by the turn of the head.
#[derive(Clone, Debug, Default)]
pub struct Store {
    kept: [Kept; TURNS],
    /// Which one is drawn from.
    chosen: Option<usize>,
    /// What was drawn from before it, and how much it still counts: teeth must not jump.
    before: Kept,
    fading: f32,
    /// Which one this frame becomes.
    taking: Option<usize>,
}

/// What is drawn from, in one component.
#[derive(Clone, Copy, Debug)]
pub struct Donor<'a> {
    /// Its mouth.
    pub opening: &'a Opening,
    /// Pixels of its distance of the outer eye corners.
    pub unit: f32,
    /// Its pixels.
    pub crop: &'a Crop,
    /// Pixels from sample to sample.
    pub step: [usize; 2],
    /// Its skin.
    pub light: f32,
}

impl Kept {
    fn donor(&self, index: usize) -> Option<Donor<'_>> {
        let crop = self.crops.get(index).filter(|crop| !crop.is_empty())?;
        let (unit, step, light) = (self.unit, self.steps[index], self.light[index]);
        Some(Donor { opening: &self.opening, unit, crop, step, light })
    }
}

fn turn(yaw: f32) -> usize {
    let middle = (TURNS / 2) as f32;
    (yaw / TURN_DEG + middle + 0.5).clamp(0.0, TURNS as f32 - 1.0) as usize
}

impl Store {
    /// Forgets all.
    pub fn reset(&mut self) {
        self.kept.iter_mut().for_each(|kept| kept.score = 0.0);
        (self.chosen, self.taking, self.fading) = (None, None, 0.0);
    }

    /// What is drawn from changes: it fades.
    fn leave(&mut self) {
        if let Some(kept) = self.chosen.and_then(|i| self.kept.get(i)).filter(|kept| kept.score > 0.0) {
            self.before.clone_from(kept);
            self.fading = 1.0;
        }
    }

    /// Looks at a frame: what it is drawn from, and whether it is kept.
    pub fn consider(&mut self, own: &Opening, task: &Task<'_>) {
        let here = turn(task.yaw);
        self.fading = (self.fading - FADE).max(0.0);
        // What was kept of the last frame is complete now.
        let known = |i: &usize| self.kept[*i].score > 0.0;
        let nearest = (0..TURNS).filter(known).min_by_key(|i| i.abs_diff(here));
        if nearest != self.chosen {
            self.leave();
            self.chosen = nearest;
        }
        let gap = own.gap() / task.unit;
        self.taking = None;
        if !task.clear || gap < KEPT.0 || gap > KEPT.1 {
            return;
        }
        let near = 1.0 - ((gap - BEST) / (KEPT.1 - KEPT.0)).abs();
        let score = near * task.unit.sqrt();
        if score > self.kept[here].score * BETTER {
            if self.chosen == Some(here) {
                self.leave();
            }
            let kept = &mut self.kept[here];
            (kept.score, kept.opening, kept.unit) = (score, *own, task.unit);
            self.taking = Some(here);
        }
    }

    /// Takes a component of the frame, where it is kept.
    pub fn keep(&mut self, index: usize, crop: &Crop, light: f32, step: [usize; 2]) {
        if let Some(kept) = self.taking.and_then(|i| self.kept.get_mut(i))
            && index < COMPONENTS
        {
            kept.crops[index].copy(crop);
            (kept.light[index], kept.steps[index]) = (light, step);
        }
    }

    /// What is drawn from.
    pub fn chosen(&self, index: usize) -> Option<Donor<'_>> {
        self.kept.get(self.chosen?)?.donor(index)
    }

    /// What was drawn from before, and its share.
    pub fn before(&self, index: usize) -> Option<(Donor<'_>, f32)> {
        Some((self.before.donor(index).filter(|_| self.fading > 0.0)?, self.fading))
    }
}
