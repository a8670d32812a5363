//! Blinks, as edits of normalised landmarks: SPACE blinks between its first and second network.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Upper lid point and the lower lid point below it, both eyes.
const LIDS: [(usize, usize); 14] = [
    (246, 7),
    (161, 163),
    (160, 144),
    (159, 145),
    (158, 153),
    (157, 154),
    (173, 155),
    (466, 249),
    (388, 390),
    (387, 373),
    (386, 374),
    (385, 380),
    (384, 381),
    (398, 382),
];

/// Folds above the upper lids: skin that follows the lid, with the lid point it hangs on.
const FOLDS: [(usize, usize); 10] = [
    (30, 161),
    (29, 160),
    (27, 159),
    (28, 158),
    (56, 157),
    (260, 388),
    (259, 387),
    (257, 386),
    (258, 385),
    (286, 384),
];

/// How far the folds follow their lid.
const FOLD_SHARE: f32 = 0.35;

/// Where the lids meet, from the upper (0) to the lower (1): the lower lid hardly moves.
const MEETING_POINT: f32 = 0.88;

/// Closure of the lids frame by frame at 25 fps: closing is faster than opening. Not quite to the end: trackers see no
/// fully shut eye, so painters that learn from them have never seen one.
const PROFILE: [f32; 7] = [0.33, 0.8, SHUT, 0.88, 0.6, 0.33, 0.12];

/// Closure of a blink at its height.
const SHUT: f32 = 0.92;

/// Shortest pause between two blinks, in frames at 25 fps.
const MIN_PAUSE_FRAMES: u32 = 35;

/// Mean of the pause beyond the shortest one, in frames: 15 to 17 blinks a minute with it.
const MEAN_EXTRA_PAUSE_FRAMES: f32 = 55.0;

/// Longest pause beyond the shortest one, in frames.
const MAX_EXTRA_PAUSE_FRAMES: f32 = 200.0;

/// A person's blinking, random but repeatable.
pub struct Blinker {
    rng: ChaCha8Rng,
    /// Frames until the lids begin to close, or into [`PROFILE`] while they do.
    pause: u32,
    phase: Option<usize>,
}

impl Blinker {
    /// A blinker whose pauses come from `rng`.
    pub fn new(mut rng: ChaCha8Rng) -> Self {
        let pause = pause(&mut rng);
        Self { rng, pause, phase: None }
    }

    /// Closure of the lids in the next frame, 0 open to 1 shut.
    pub fn step(&mut self) -> f32 {
        if let Some(phase) = self.phase {
            self.phase = (phase + 1 < PROFILE.len()).then_some(phase + 1);
            return PROFILE[phase];
        }
        if self.pause == 0 {
            self.pause = pause(&mut self.rng);
            self.phase = Some(1);
            return PROFILE[0];
        }
        self.pause -= 1;
        0.0
    }
}

/// Pauses are exponential beyond a shortest one, as people's are, roughly.
fn pause(rng: &mut ChaCha8Rng) -> u32 {
    let uniform: f32 = rng.random_range(f32::EPSILON..1.0);
    MIN_PAUSE_FRAMES + (-uniform.ln() * MEAN_EXTRA_PAUSE_FRAMES).min(MAX_EXTRA_PAUSE_FRAMES) as u32
}

/// Moves the lids of landmarks towards each other by `closure` (0 to 1) of their distance.
pub fn close_lids(landmarks: &mut [[f32; 3]], closure: f32) {
    if closure <= 0.0 || landmarks.len() < 468 {
        return;
    }
    for (fold, lid) in FOLDS {
        let lower = LIDS.iter().find(|(upper, _)| *upper == lid).map_or(lid, |(_, lower)| *lower);
        for axis in 0..3 {
            let way = (landmarks[lower][axis] - landmarks[lid][axis]) * MEETING_POINT;
            landmarks[fold][axis] += way * closure * FOLD_SHARE;
        }
    }
    for (upper, lower) in LIDS {
        for axis in 0..3 {
            let (a, b) = (landmarks[upper][axis], landmarks[lower][axis]);
            let meeting = a + (b - a) * MEETING_POINT;
            landmarks[upper][axis] = a + (meeting - a) * closure;
            landmarks[lower][axis] = b + (meeting - b) * closure;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn closures(seed: u64, frames: usize) -> Vec<f32> {
        let mut blinker = Blinker::new(ChaCha8Rng::seed_from_u64(seed));
        (0..frames).map(|_| blinker.step()).collect()
    }

    #[test]
    fn people_blink_ten_to_twenty_five_times_a_minute() {
        let minutes = 20;
        let shut = closures(1, minutes * 60 * 25).into_iter().filter(|&c| c == SHUT).count();
        assert!((10 * minutes..=25 * minutes).contains(&shut), "{} a minute", shut / minutes);
    }

    #[test]
    fn a_seed_repeats_and_another_differs() {
        assert_eq!(closures(7, 2000), closures(7, 2000));
        assert_ne!(closures(7, 2000), closures(8, 2000));
    }

    #[test]
    fn shut_lids_meet_and_open_ones_stay() {
        let mut face = vec![[0.0; 3]; 478];
        for (upper, lower) in LIDS {
            face[upper] = [0.1, -0.1, 0.0];
            face[lower] = [0.1, 0.1, 0.0];
        }
        let open = face.clone();
        close_lids(&mut face, 0.0);
        assert_eq!(face, open);
        close_lids(&mut face, 1.0);
        for (upper, lower) in LIDS {
            assert!((face[upper][1] - face[lower][1]).abs() < 1e-6);
            assert!(face[upper][1] > 0.0, "the upper lid does the way");
        }
    }
}
