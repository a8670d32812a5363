//! Where the head is in each frame: generated from speech, or transferred from a tracked video.

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::Tensor;

use crate::landmark::pose::Pose;
use crate::pack::{POSE_LEN, Pack, PackError, Stage};

/// Random stream of the head's motion: elements with one seed must not share their numbers.
const POSE_STREAM: u64 = 2;

/// Farthest that a transferred pose turns the head away from the photo's, in degrees: a warped photo shows no more.
const MAX_TURN_DEG: f32 = 20.0;

/// Farthest that a transferred pose moves the head, in head scales (inter-ocular distances).
const MAX_SHIFT: f32 = 0.6;

/// Range of a transferred change of size.
const SCALE_RANGE: (f32, f32) = (0.8, 1.25);

/// Head motion out of the pack's generator: from speech energy and seeded noise.
pub struct PoseGenerator {
    stage: Arc<Stage>,
    initial: Tensor,
    style: Tensor,
    rng: ChaCha8Rng,
    hidden: Tensor,
}

impl PoseGenerator {
    /// A generator that starts at the photo's own pose.
    pub fn new(pack: &Pack, device: tch::Device, initial: &Pose, seed: u32) -> Result<Self, PackError> {
        let stage = pack.stage("pose", device)?;
        Ok(Self {
            initial: stage.input(1, &initial.to_array())?,
            style: stage.zero_input(2)?,
            rng: rng(seed),
            hidden: stage.zero_input(4)?,
            stage,
        })
    }

    /// Back to the first frame.
    pub fn reset(&mut self, seed: u32) -> Result<(), PackError> {
        self.rng = rng(seed);
        self.hidden = self.stage.zero_input(4)?;
        Ok(())
    }

    /// Pose of the next frame.
    pub fn step(&mut self, features: &[f32]) -> Result<Pose, PackError> {
        let numbers: i64 = self.stage.input_shape(3).iter().product();
        let noise: Vec<f32> = (0..numbers).map(|_| StandardNormal.sample(&mut self.rng)).collect();
        let inputs = [
            self.stage.input(0, features)?,
            self.initial.shallow_clone(),
            self.style.shallow_clone(),
            self.stage.input(3, &noise)?,
            self.hidden.shallow_clone(),
        ];
        let mut outputs = self.stage.run(&inputs)?.into_iter();
        let mut pose = [0.0; POSE_LEN];
        if let (Some(out), Some(hidden)) = (outputs.next(), outputs.next()) {
            self.stage.read(&out, &mut pose)?;
            self.hidden = hidden;
        }
        Ok(Pose::from_array(pose))
    }
}

fn rng(seed: u32) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(u64::from(seed));
    rng.set_stream(POSE_STREAM);
    rng
}

/// Motion of a tracked face, relative to its first frame, on another face.
#[derive(Default)]
pub struct Transfer {
    first: Option<(Vec<[f32; 3]>, Pose)>,
}

/// Whether a transferred pose stayed within what the photo can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// It did.
    Range,
    /// It was clamped.
    Clamped,
}

impl Transfer {
    /// Whether a face was seen: the first one is what all later ones are relative to.
    pub fn has_started(&self) -> bool {
        self.first.is_some()
    }

    /// Puts the change of a tracked face since the first frame onto the photo's `neutral` landmarks (written to
    /// `landmarks`, which holds the tracked ones) and pose.
    pub fn apply(
        &mut self,
        landmarks: &mut [[f32; 3]],
        driving: Pose,
        neutral: &[[f32; 3]],
        rest: &Pose,
    ) -> (Pose, Within) {
        let (first, from) = self.first.get_or_insert_with(|| (landmarks.to_vec(), driving));
        for ((point, first), neutral) in landmarks.iter_mut().zip(first.iter()).zip(neutral) {
            for axis in 0..3 {
                point[axis] = neutral[axis] + point[axis] - first[axis];
            }
        }
        // Moves of the driving head are in units of its own size.
        let unit = from.scale.max(f32::EPSILON);
        let turn = |value: f32| value.clamp(-MAX_TURN_DEG, MAX_TURN_DEG);
        let shift = |value: f32| (value / unit).clamp(-MAX_SHIFT, MAX_SHIFT) * rest.scale;
        let pose = Pose {
            yaw: rest.yaw + turn(driving.yaw - from.yaw),
            pitch: rest.pitch + turn(driving.pitch - from.pitch),
            roll: rest.roll + turn(driving.roll - from.roll),
            x: rest.x + shift(driving.x - from.x),
            y: rest.y + shift(driving.y - from.y),
            z: rest.z,
            scale: rest.scale * (driving.scale / unit).clamp(SCALE_RANGE.0, SCALE_RANGE.1),
        };
        let turns = [driving.yaw - from.yaw, driving.pitch - from.pitch, driving.roll - from.roll];
        let clamped = turns.iter().any(|t| t.abs() > MAX_TURN_DEG);
        (pose, if clamped { Within::Clamped } else { Within::Range })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pose(yaw: f32, x: f32, scale: f32) -> Pose {
        Pose { yaw, pitch: 0.0, roll: 0.0, x, y: 0.5, z: 0.0, scale }
    }

    #[test]
    fn the_first_frame_leaves_the_photo_as_it_is() {
        let neutral = [[1.0, 2.0, 3.0]];
        let rest = pose(3.0, 0.5, 0.2);
        let mut face = [[9.0, 9.0, 9.0]];
        let (posed, within) = Transfer::default().apply(&mut face, pose(-30.0, 0.1, 0.4), &neutral, &rest);
        assert_eq!((face, posed.to_array(), within), (neutral, rest.to_array(), Within::Range));
    }

    #[test]
    fn motion_is_relative_and_in_head_sizes() {
        let mut transfer = Transfer::default();
        let rest = pose(0.0, 0.5, 0.2);
        let mut face = [[0.0, 0.0, 0.0]];
        transfer.apply(&mut face, pose(5.0, 0.1, 0.4), &[[1.0, 1.0, 1.0]], &rest);
        let mut face = [[0.0, 0.5, 0.0]];
        let (posed, _) = transfer.apply(&mut face, pose(12.0, 0.2, 0.4), &[[1.0, 1.0, 1.0]], &rest);
        assert_eq!(face, [[1.0, 1.5, 1.0]]);
        assert!((posed.yaw - 7.0).abs() < 1e-5 && (posed.x - 0.55).abs() < 1e-6, "{posed:?}");
        let (posed, within) = transfer.apply(&mut face, pose(90.0, 0.2, 0.4), &[[1.0, 1.0, 1.0]], &rest);
        assert_eq!((posed.yaw, within), (MAX_TURN_DEG, Within::Clamped));
    }
}
