// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the pack's networks see in a photo, once a photo: tensors that later stages take by their names.

use std::sync::Mutex;

use tch::{Device, Tensor};

use super::Picture;
use super::recipe::Square;
use super::view::View;
use crate::face::find::{Outside, RgbView, Roi, sample};
use crate::face::landmark::Pose;
use crate::pack::sync::lock;
use crate::pack::{Pack, PackError, Stage, read};

/// Roles of the stages that see the photo.
const ROLES: [&str; 3] = ["appearance", "source", "parallax"];

/// Tensors of a photo by name, on the device that they were made on.
#[derive(Debug, Default)]
pub struct Sources(Mutex<Vec<(String, Tensor)>>);

/// The photo as the stages may see it.
pub(super) struct Seen<'a> {
    /// The whole of it.
    pub photo: &'a Picture,
    /// The square, upright and in the renderer's resolution.
    pub picture: &'a Picture,
    /// Where it lies in the photo, and how the generator's is turned.
    pub square: Square,
    /// In units of the upright square.
    pub landmarks: &'a [[f32; 3]],
    pub pose: Pose,
}

impl Sources {
    /// Runs the stages.
    pub(super) fn measure(seen: &Seen<'_>, pack: &Pack, device: Device) -> Result<Self, PackError> {
        let mut all = Vec::new();
        for role in ROLES.into_iter().filter(|role| pack.manifest().stages.contains_key(*role)) {
            let stage = pack.stage(role, device)?;
            let outputs = stage.run_with(|name, index| match name {
                "photo" => stage.input(index, &seen.planar(&stage, index)),
                "landmarks" => stage.input(index, seen.own_landmarks().as_flattened()),
                "source_pose" => stage.input(index, &seen.pose.to_array()),
                _ => stage.zero_input(index),
            })?;
            all.extend(outputs.into_named());
        }
        Ok(Self(Mutex::new(all)))
    }

    /// The tensor of that name; it shares its numbers.
    pub fn get(&self, name: &str) -> Option<Tensor> {
        let tensors = lock(&self.0);
        tensors.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor.shallow_clone())
    }

    /// The tensor of that name as an input of a stage.
    ///
    /// # Errors
    /// Where there is none, or one of another count of numbers.
    pub fn input(&self, stage: &Stage, name: &str, index: usize) -> Result<Tensor, PackError> {
        match self.get(name) {
            Some(tensor) => stage.fitted(index, &tensor),
            None => Err(stage.fail(format!("takes {name:?}, which the photo's stages have not given"))),
        }
    }

    /// Numbers of the tensor of that name, none where there is none; a NaN among them is an error.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f32>, PackError> {
        let Some(tensor) = self.get(name) else { return Ok(Vec::new()) };
        let mut numbers = vec![0.0; tensor.numel()];
        read(name, &tensor, &mut numbers)?;
        Ok(numbers)
    }
}

impl Seen<'_> {
    /// The generator's square in the size of an input: planes of red, green and blue, 0 to 1.
    fn planar(&self, stage: &Stage, index: usize) -> Vec<f32> {
        let side = stage.input_shape(index).last().map_or(0, |&side| usize::try_from(side).unwrap_or(0));
        self.square.planar(self.photo, self.picture, side)
    }

    /// Landmarks in units of the generator's square.
    fn own_landmarks(&self) -> Vec<[f32; 3]> {
        self.landmarks.iter().map(|point| self.square.turned(*point)).collect()
    }
}

impl Square {
    /// What it shows of a photo: planes of red, green and blue, 0 to 1. `picture` is the same, upright, in some size.
    pub fn planar(&self, photo: &Picture, picture: &Picture, side: usize) -> Vec<f32> {
        let plane = side * side;
        let mut planar = vec![0.0f32; 3 * plane];
        if self.angle != 0.0 {
            let middle = self.crop.side / 2.0;
            let [x, y] = [self.crop.x, self.crop.y].map(|v| v + middle);
            let roi = Roi { x, y, side: self.crop.side, angle: self.angle };
            if let Some(view) = RgbView::new(&photo.rgb, photo.width * 3, photo.width, photo.height) {
                sample(&view, roi, side, Outside::Edge, 0.0..1.0, &mut planar);
            }
            return planar;
        }
        let cut = (picture.width != side).then(|| View::from(self.crop).cut(photo, side, side));
        let picture = cut.as_ref().unwrap_or(picture);
        for (i, pixel) in picture.rgb.chunks_exact(3).enumerate() {
            for (c, &v) in pixel.iter().enumerate() {
                planar[c * plane + i] = f32::from(v) / 255.0;
            }
        }
        planar
    }
}
