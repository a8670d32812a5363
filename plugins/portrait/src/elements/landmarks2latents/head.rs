// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pose of the photo's head in each frame: a source of motion, the offsets of the properties, limits, no jumps.

use super::ease::Ease;
use super::settings::Controls;
use crate::face::landmark::pose::{Pose, turned_to};
use crate::pack::{HeadPoses, POSE_LEN};

/// Fastest changes of the offsets that are followed as they are, a second: degrees, head sizes, factor.
const OFFSET_LIMITS: [f32; 6] = [60.0, 60.0, 60.0, 0.5, 0.5, 0.25];

/// Fastest change of the gain that is followed as it is, a second.
const GAIN_LIMIT: f32 = 0.5;

/// Whether a pose stayed within what the photo can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// It did.
    Range,
    /// It was clamped.
    Clamped,
}

/// Moves the head from frame to frame.
pub struct HeadPoser {
    rest: Pose,
    pack: HeadPoses,
    base: Ease<POSE_LEN>,
    offsets: Ease<6>,
    gain: Ease<1>,
}

impl HeadPoser {
    /// A head whose pose in the photo is `rest`, and what the pack says about poses.
    pub fn new(rest: Pose, pack: &HeadPoses) -> Self {
        Self {
            rest,
            pack: pack.clone(),
            base: Ease::default(),
            offsets: Ease::default(),
            gain: Ease::default(),
        }
    }

    /// Goes on around the pose of another photo: between two people no way is eased.
    pub fn go_on_around(&mut self, rest: Pose) {
        self.rest = rest;
        self.base = Ease::default();
    }

    /// Back to the first frame.
    pub fn reset(&mut self) {
        (self.base, self.offsets, self.gain) = (Ease::default(), Ease::default(), Ease::default());
    }

    /// The pose of the next frame, `dt` seconds later.
    ///
    /// `base` is what the source of motion says; `moving` tells that the gain applies to it, `switched` that it comes from
    /// another source than the frame before, so that the way between the two is eased.
    pub fn step(
        &mut self,
        base: Pose,
        moving: bool,
        switched: bool,
        controls: &Controls,
        dt: f32,
    ) -> (Pose, Within) {
        let [gain] = self.gain.step([controls.gain], [GAIN_LIMIT], dt);
        let base = if moving && gain != 1.0 { self.scaled(base, gain) } else { base };
        let limit = if switched { 0.0 } else { f32::INFINITY };
        let base = Pose::from_array(self.base.step(base.to_array(), [limit; POSE_LEN], dt));
        // No offset takes a head farther than from one limit to the other; easing towards more would be faster.
        let limits = self.pack.limits;
        let angle = |axis: usize, asked: f32| {
            self.pack.landmark_turn(axis, asked).clamp(-2.0 * limits[axis], 2.0 * limits[axis])
        };
        let [yaw, pitch, roll] = [angle(0, controls.yaw), angle(1, controls.pitch), angle(2, controls.roll)];
        let asked = [yaw, pitch, roll, controls.x, controls.y, controls.scale];
        let [yaw, pitch, roll, x, y, scale] = self.offsets.step(asked, OFFSET_LIMITS, dt);
        let sum = [base.yaw + yaw, base.pitch + pitch, base.roll + roll];
        let rest = [self.rest.yaw, self.rest.pitch, self.rest.roll];
        let angles: [f32; 3] =
            std::array::from_fn(|i| sum[i].clamp(rest[i] - limits[i], rest[i] + limits[i]));
        let pose = turned_to(base, angles, base.scale * scale);
        let pose = Pose { x: pose.x + x * self.rest.scale, y: pose.y + y * self.rest.scale, ..pose };
        (pose, if angles == sum { Within::Range } else { Within::Clamped })
    }

    /// The motion of a pose around rest, more or less of it. Sizes are scaled as factors.
    fn scaled(&self, pose: Pose, gain: f32) -> Pose {
        let (rest, pose) = (self.rest.to_array(), pose.to_array());
        let mut out: [f32; POSE_LEN] = std::array::from_fn(|i| rest[i] + gain * (pose[i] - rest[i]));
        let last = POSE_LEN - 1;
        out[last] = rest[last] * (pose[last] / rest[last].max(f32::EPSILON)).max(f32::EPSILON).powf(gain);
        Pose::from_array(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DT: f32 = 0.04;
    const REST: Pose = Pose { yaw: 3.0, pitch: -1.0, roll: 0.5, x: 0.5, y: 0.55, z: 0.0, scale: 0.25 };

    fn resting() -> HeadPoser {
        let pack = HeadPoses {
            styles: Vec::new(),
            limits: [25.0, 20.0, 25.0],
            gains: [1.5, 1.0, 1.0],
            growth: [0.0; 3],
            skew: [0.0; 3],
        };
        HeadPoser::new(REST, &pack)
    }

    #[test]
    fn without_controls_the_source_is_the_pose_bit_for_bit() {
        let mut head = resting();
        for i in 0..10 {
            let base = Pose { yaw: 3.0 + 0.1 * i as f32, ..REST };
            assert_eq!(head.step(base, true, false, &Controls::default(), DT), (base, Within::Range));
        }
    }

    #[test]
    fn offsets_are_there_from_the_first_frame_in_their_units() {
        let step = |controls: Controls| resting().step(REST, false, false, &controls, DT);
        let (pose, within) = step(Controls { x: 0.2, y: -0.1, ..Controls::default() });
        assert!((pose.x - 0.55).abs() < 1e-6 && (pose.y - 0.525).abs() < 1e-6, "{pose:?}");
        assert_eq!(within, Within::Range);
        let (pose, _) =
            step(Controls { yaw: -8.0, pitch: 5.0, roll: 7.0, scale: 1.1, ..Controls::default() });
        let angles = [pose.yaw + 9.0, pose.pitch - 4.0, pose.roll - 7.5, pose.scale - 0.275];
        assert!(angles.iter().all(|d| d.abs() < 1e-5), "{pose:?}");
    }

    #[test]
    fn landmarks_turn_more_the_farther_the_head_is_to_look_turned() {
        let pack = HeadPoses {
            limits: [90.0; 3],
            gains: [1.5, 1.0, 1.0],
            growth: [0.2, 0.0, 0.0],
            skew: [0.1, 0.0, 0.0],
            ..HeadPoses::default()
        };
        let turned = |by: f32| {
            let controls = Controls { yaw: by, ..Controls::default() };
            HeadPoser::new(REST, &pack).step(REST, false, false, &controls, DT).0.yaw - REST.yaw
        };
        assert!((turned(20.0) - 39.0).abs() < 1e-4 && (turned(-20.0) + 33.0).abs() < 1e-4);
        assert!((turned(10.0) - 16.5).abs() < 1e-4 && turned(0.0) == 0.0);
    }

    #[test]
    fn a_gain_scales_motion_around_rest_and_leaves_rest_alone() {
        let mut head = resting();
        let controls = Controls { gain: 2.0, ..Controls::default() };
        let base = Pose { yaw: 5.0, scale: 0.275, ..REST };
        let (pose, _) = head.step(base, true, false, &controls, DT);
        assert!((pose.yaw - 7.0).abs() < 1e-5 && (pose.scale - 0.3025).abs() < 1e-5, "{pose:?}");
        assert_eq!(resting().step(REST, false, false, &controls, DT).0, REST);
    }

    #[test]
    fn turns_are_clamped_around_the_photos_pose() {
        let mut head = resting();
        let controls = Controls { yaw: 60.0, ..Controls::default() };
        assert_eq!(
            head.step(REST, false, false, &controls, DT),
            (turned_to(REST, [28.0, -1.0, 0.5], 0.25), Within::Clamped)
        );
    }

    #[test]
    fn another_source_is_eased_in() {
        let mut head = resting();
        let controls = Controls::default();
        let far = Pose { yaw: -15.0, x: 0.4, ..REST };
        let mut last = head.step(REST, false, false, &controls, DT).0;
        for i in 0..60 {
            let now = head.step(far, true, i == 0, &controls, DT).0;
            assert!((now.yaw - last.yaw).abs() < 2.5 && (now.x - last.x).abs() < 0.02, "{last:?} {now:?}");
            last = now;
        }
        assert_eq!(last, far);
    }
}
