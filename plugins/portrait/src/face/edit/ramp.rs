// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values that follow what is asked of them without a jump.

/// Numbers that move towards a target at a limited speed. A target that moves slower is followed exactly, so that a
/// keyframed curve arrives as it was drawn.
#[derive(Clone, Debug)]
pub struct Ramp<const N: usize> {
    now: Option<[f32; N]>,
}

impl<const N: usize> Default for Ramp<N> {
    fn default() -> Self {
        Self { now: None }
    }
}

impl<const N: usize> Ramp<N> {
    /// One frame on towards `target`, each number by `most` at most; the first frame is there at once.
    pub fn step(&mut self, target: [f32; N], most: f32) -> [f32; N] {
        let now = self.now.get_or_insert(target);
        for (value, target) in now.iter_mut().zip(target) {
            *value += (target - *value).clamp(-most, most);
        }
        *now
    }
}

/// Largest change in one frame of something that takes `seconds` for a change of `range`; without limit for 0 seconds.
pub fn most_per_frame(range: f32, seconds: f32, fps: f32) -> f32 {
    let frames = seconds * fps;
    if frames > 0.0 { range / frames } else { f32::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_takes_its_time_and_a_start_none() {
        let mut ramp = Ramp::default();
        let most = most_per_frame(1.0, 0.4, 25.0);
        assert_eq!(ramp.step([1.0, 0.0], most), [1.0, 0.0]);
        for frame in 1..=10 {
            let [falls, rises] = ramp.step([0.0, 1.0], most);
            assert!((rises - frame as f32 * 0.1).abs() < 1e-5 && (falls + rises - 1.0).abs() < 1e-5);
        }
        assert_eq!(ramp.step([1.0, 1.0], most_per_frame(1.0, 0.0, 25.0)), [1.0, 1.0], "no time: at once");
    }

    #[test]
    fn a_slow_target_is_followed_exactly() {
        let mut ramp = Ramp::default();
        for frame in 0..20 {
            let target = [frame as f32 * 0.05];
            assert_eq!(ramp.step(target, 0.1), target);
        }
    }
}
