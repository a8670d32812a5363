//! Frames of the person whose mouths showed something: what is between the lips is drawn from them.

use super::component::Crop;
use super::opening::Opening;
use super::{COMPONENTS, Task};

/// Gap of the lips, in distances of the outer eye corners, that shows teeth best, and within which a frame is kept.
const BEST: f32 = 0.14;
const KEPT: (f32, f32) = (0.06, 0.30);

/// Ways in which a head is turned that are told apart, and degrees of each.
const TURNS: usize = 5;
const TURN_DEG: f32 = 12.0;

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
#[derive(Debug, Default)]
pub struct Store {
    kept: [Kept; TURNS],
    /// Which one is drawn from.
    chosen: Option<usize>,
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

fn turn(yaw: f32) -> usize {
    let middle = (TURNS / 2) as f32;
    (yaw / TURN_DEG + middle + 0.5).clamp(0.0, TURNS as f32 - 1.0) as usize
}

impl Store {
    /// Forgets all.
    pub fn reset(&mut self) {
        self.kept.iter_mut().for_each(|kept| kept.score = 0.0);
        (self.chosen, self.taking) = (None, None);
    }

    /// Looks at a frame: what it is drawn from, and whether it is kept.
    pub fn consider(&mut self, own: &Opening, _drawn_gap: f32, task: &Task<'_>) {
        let here = turn(task.yaw);
        let known = |i: &usize| self.kept[*i].score > 0.0;
        self.chosen = (0..TURNS).filter(known).min_by_key(|i| i.abs_diff(here));
        let gap = own.gap() / task.unit;
        self.taking = None;
        if gap < KEPT.0 || gap > KEPT.1 {
            return;
        }
        let near = 1.0 - ((gap - BEST) / (KEPT.1 - KEPT.0)).abs();
        let score = near * task.unit.sqrt();
        let kept = &mut self.kept[here];
        if score > kept.score * BETTER {
            (kept.score, kept.opening, kept.unit) = (score, *own, task.unit);
            kept.crops.iter_mut().for_each(|crop| *crop = Crop::default());
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
        let kept = self.kept.get(self.chosen?)?;
        let crop = kept.crops.get(index).filter(|crop| !crop.is_empty())?;
        Some(Donor {
            opening: &kept.opening,
            unit: kept.unit,
            crop,
            step: kept.steps[index],
            light: kept.light[index],
        })
    }
}
