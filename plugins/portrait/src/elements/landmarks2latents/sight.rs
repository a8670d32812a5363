// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a stage sees of the face in a video: a square around it, upright, as the pack's crop lies around the photo's.

use crate::face::find::{Outside, RgbView, Roi, sample};
use crate::face::landmark::Pose;
use crate::face::landmark::indices::{CHIN, FOREHEAD};
use crate::pack::{CropRecipe, Stage};
use crate::photo::{Crop, Square};

/// The last face that was seen.
pub struct Sight {
    recipe: Option<CropRecipe>,
    side: usize,
    pixels: Vec<f32>,
    posed: Vec<[f32; 3]>,
}

impl Sight {
    /// For a stage, and the pack's own square. It stands upright: how a head leans is part of what the stage sees.
    pub fn new(stage: &Stage, recipe: Option<&CropRecipe>) -> Self {
        let shape = stage.place("frame").map_or(&[][..], |at| stage.input_shape(at));
        let side = shape.last().map_or(0, |&side| usize::try_from(side).unwrap_or(0));
        let recipe = recipe.map(|recipe| CropRecipe { rotate: false, ..recipe.clone() });
        Self { recipe, side, pixels: vec![0.0; 3 * side * side], posed: Vec::new() }
    }

    /// Looks at a face in an upright frame, told by its normalised landmarks and its pose in heights of the frame.
    pub fn look(&mut self, view: &RgbView<'_>, landmarks: &[[f32; 3]], pose: &Pose) {
        let (width, height) = (view.width(), view.height());
        self.posed.resize(landmarks.len(), [0.0; 3]);
        pose.apply(landmarks, &mut self.posed);
        self.posed.iter_mut().for_each(|point| *point = point.map(|v| v * height as f32));
        let Some((forehead, chin)) = self.posed.get(FOREHEAD).zip(self.posed.get(CHIN)) else { return };
        let crop = match &self.recipe {
            Some(recipe) => Square::around(&self.posed, recipe).crop,
            None => Crop::around([forehead[0], forehead[1]], [chin[0], chin[1]], width, height),
        };
        let middle = crop.side / 2.0;
        let roi = Roi { x: crop.x + middle, y: crop.y + middle, side: crop.side, angle: 0.0 };
        sample(view, roi, self.side, Outside::Edge, 0.0..1.0, &mut self.pixels);
    }

    /// Planes of red, green and blue, 0 to 1; zeros before the first face.
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    /// Forgets the face.
    pub fn forget(&mut self) {
        self.pixels.fill(0.0);
    }
}
