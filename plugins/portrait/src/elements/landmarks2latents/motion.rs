// SPDX-License-Identifier: MIT OR Apache-2.0
//! Head motion generated from speech.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::Tensor;

use crate::face::chance::Chance;
use crate::face::landmark::pose::Pose;
use crate::pack::{POSE_LEN, Pack, PackError, Stage};
use crate::photo::Sources;

/// Head motion out of the pack's generator: from speech energy and seeded noise.
pub struct PoseGenerator {
    stage: Arc<Stage>,
    initial: [f32; POSE_LEN],
    /// The style, and the vector that says so.
    style: (u32, Vec<f32>),
    rng: ChaCha8Rng,
    noise: Vec<f32>,
    hidden: Option<Tensor>,
}

impl PoseGenerator {
    /// A generator that starts at the photo's own pose.
    pub fn new(pack: &Pack, device: tch::Device, initial: &Pose, seed: u32) -> Result<Self, PackError> {
        let stage = pack.stage("pose", device)?;
        Ok(Self {
            initial: initial.to_array(),
            style: (0, vec![0.0; stage.numbers("style")]),
            rng: Chance::Pose.numbers(seed),
            noise: vec![0.0; stage.numbers("noise")],
            hidden: stage.first_state()?,
            stage,
        })
    }

    /// Goes on around the pose of another photo.
    pub fn go_on_around(&mut self, initial: &Pose) {
        self.initial = initial.to_array();
    }

    /// Back to the first frame.
    pub fn reset(&mut self, seed: u32) -> Result<(), PackError> {
        self.rng = Chance::Pose.numbers(seed);
        self.hidden = self.stage.first_state()?;
        Ok(())
    }

    /// Pose of the next frame. `style` 0 is the default, the zero vector; N is the N-th style of the pack, the vector
    /// with 1 at that place. `emotion` is the pack's own vector.
    pub fn step(
        &mut self,
        features: &[f32],
        emotion: &[f32],
        style: u32,
        sources: &Sources,
    ) -> Result<Pose, PackError> {
        if style != self.style.0 {
            for (i, value) in (1..).zip(&mut self.style.1) {
                *value = f32::from(u8::from(i == style));
            }
            self.style.0 = style;
        }
        self.noise.fill_with(|| StandardNormal.sample(&mut self.rng));
        let stage = &self.stage;
        let outputs = stage.run_with(|name, index| match name {
            "features" => stage.input(index, features),
            "initial_pose" => stage.input(index, &self.initial),
            "emotion" => stage.input(index, emotion),
            "style" => stage.input(index, &self.style.1),
            "noise" => stage.input(index, &self.noise),
            "state" => match &self.hidden {
                Some(hidden) => Ok(hidden.shallow_clone()),
                None => stage.zero_input(index),
            },
            name => sources.input(stage, name, index),
        })?;
        let mut pose = [0.0; POSE_LEN];
        stage.read(outputs.get("pose")?, &mut pose)?;
        self.hidden = outputs.find("state").map(Tensor::shallow_clone);
        Ok(Pose::from_array(pose))
    }
}
