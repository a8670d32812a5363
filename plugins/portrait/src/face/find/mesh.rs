// SPDX-License-Identifier: MIT OR Apache-2.0
//! 478 landmarks on one face: MediaPipe's face mesh with attention, which the pack's other networks learned from.
//!
//! Y. Kartynnik et al., Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs, arXiv 1907.06724; I. Grishchenko et
//! al., Attention Mesh, arXiv 2006.10962; irises: A. Ablavatski et al., arXiv 2006.11341.

use std::sync::Arc;

use tch::Device;

use super::sample::{Outside, RgbView, Roi, sample};
use crate::face::landmark::COUNT;
use crate::face::landmark::indices::{EYE_CORNER_LEFT, EYE_CORNER_RIGHT};
use crate::pack::{Pack, PackError, Stage};

/// Presence below which there is no face in the region.
pub const MIN_PRESENCE: f32 = 0.5;

/// Side of the network's input.
const SIZE: usize = 192;

/// Side of the region over the larger extent of the landmarks.
const ROI_SCALE: f32 = 1.5;

/// The mesh network with its buffers.
#[derive(Debug)]
pub struct Mesh {
    stage: Arc<Stage>,
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Mesh {
    /// Loads the pack's `mesh` stage.
    pub fn new(pack: &Pack, device: Device) -> Result<Self, PackError> {
        Ok(Self {
            stage: pack.stage("mesh", device)?,
            input: vec![0.0; 3 * SIZE * SIZE],
            output: vec![0.0; COUNT * 3],
        })
    }

    /// Landmarks of the face in a region: pixels of the picture, z in the unit of x. Returns the probability that there is a
    /// face.
    pub fn track(&mut self, view: &RgbView<'_>, roi: Roi, out: &mut Vec<[f32; 3]>) -> Result<f32, PackError> {
        sample(view, roi, SIZE, Outside::Edge, 0.0..1.0, &mut self.input);
        let [points, presence] = self.stage.run_for(&[self.stage.input(0, &self.input)?])?;
        self.stage.read(&points, &mut self.output)?;
        let mut logit = [0.0];
        self.stage.read(&presence, &mut logit)?;
        let (points, _) = self.output.as_chunks::<3>();
        out.clear();
        out.extend(points.iter().map(|&[x, y, z]| {
            let [px, py] = roi.to_picture(x / SIZE as f32, y / SIZE as f32);
            [px, py, z / SIZE as f32 * roi.side]
        }));
        Ok(1.0 / (1.0 + (-logit[0]).exp()))
    }
}

impl Roi {
    /// The region around landmarks that were found before: eyes level, half as large again as the face.
    pub fn around(landmarks: &[[f32; 3]]) -> Option<Self> {
        let (left, right) = (landmarks.get(EYE_CORNER_LEFT)?, landmarks.get(EYE_CORNER_RIGHT)?);
        let angle = (right[1] - left[1]).atan2(right[0] - left[0]);
        let (sin, cos) = angle.sin_cos();
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for p in landmarks {
            let level = [p[0] * cos + p[1] * sin, p[1] * cos - p[0] * sin];
            for i in 0..2 {
                low[i] = low[i].min(level[i]);
                high[i] = high[i].max(level[i]);
            }
        }
        let [u, v] = [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0];
        let side = ROI_SCALE * (high[0] - low[0]).max(high[1] - low[1]);
        let roi = Self { x: u * cos - v * sin, y: u * sin + v * cos, side, angle };
        roi.is_sane().then_some(roi)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_around_a_turned_face_is_level_with_its_eyes() {
        let mut face = vec![[100.0f32, 100.0, 0.0]; COUNT];
        face[EYE_CORNER_LEFT] = [100.0, 80.0, 0.0];
        face[EYE_CORNER_RIGHT] = [100.0, 120.0, 0.0];
        let roi = Roi::around(&face).unwrap();
        assert!((roi.angle - std::f32::consts::FRAC_PI_2).abs() < 1e-6, "{roi:?}");
        assert!(
            (roi.x - 100.0).abs() < 1e-3 && (roi.y - 100.0).abs() < 1e-3 && (roi.side - 60.0).abs() < 1e-3
        );
        assert_eq!(Roi::around(&[]), None);
        assert_eq!(Roi::around(&vec![[f32::NAN; 3]; COUNT]), None);
        assert_eq!(Roi::around(&vec![[3.0; 3]; COUNT]), None);
    }
}
