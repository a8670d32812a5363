//! Head motion generated from speech.

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::Tensor;

use crate::face::landmark::pose::Pose;
use crate::pack::{POSE_LEN, Pack, PackError, Stage};

/// Random stream of the head's motion: elements with one seed must not share their numbers.
const POSE_STREAM: u64 = 2;

/// Head motion out of the pack's generator: from speech energy and seeded noise.
pub struct PoseGenerator {
    stage: Arc<Stage>,
    initial: Tensor,
    style: (u32, Tensor),
    rng: ChaCha8Rng,
    noise: Vec<f32>,
    hidden: Tensor,
}

impl PoseGenerator {
    /// A generator that starts at the photo's own pose.
    pub fn new(pack: &Pack, device: tch::Device, initial: &Pose, seed: u32) -> Result<Self, PackError> {
        let stage = pack.stage("pose", device)?;
        Ok(Self {
            initial: stage.input(1, &initial.to_array())?,
            style: (0, stage.zero_input(2)?),
            rng: rng(seed),
            noise: vec![0.0; stage.input_shape(3).iter().product::<i64>().unsigned_abs() as usize],
            hidden: stage.zero_input(4)?,
            stage,
        })
    }

    /// Goes on around the pose of another photo.
    pub fn go_on_around(&mut self, initial: &Pose) -> Result<(), PackError> {
        self.initial = self.stage.input(1, &initial.to_array())?;
        Ok(())
    }

    /// Back to the first frame.
    pub fn reset(&mut self, seed: u32) -> Result<(), PackError> {
        self.rng = rng(seed);
        self.hidden = self.stage.zero_input(4)?;
        Ok(())
    }

    /// Pose of the next frame. `style` 0 is the default, the zero vector; N is the N-th style of the pack, the vector
    /// with 1 at that place.
    pub fn step(&mut self, features: &[f32], style: u32) -> Result<Pose, PackError> {
        if style != self.style.0 {
            let length: i64 = self.stage.input_shape(2).iter().product();
            let one_hot: Vec<f32> =
                (1..=length).map(|i| f32::from(u8::from(i == i64::from(style)))).collect();
            self.style = (style, self.stage.input(2, &one_hot)?);
        }
        self.noise.fill_with(|| StandardNormal.sample(&mut self.rng));
        let inputs = [
            self.stage.input(0, features)?,
            self.initial.shallow_clone(),
            self.style.1.shallow_clone(),
            self.stage.input(3, &self.noise)?,
            self.hidden.shallow_clone(),
        ];
        let [out, hidden] = self.stage.run_for(&inputs)?;
        let mut pose = [0.0; POSE_LEN];
        self.stage.read(&out, &mut pose)?;
        self.hidden = hidden;
        Ok(Pose::from_array(pose))
    }
}

fn rng(seed: u32) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(u64::from(seed));
    rng.set_stream(POSE_STREAM);
    rng
}
