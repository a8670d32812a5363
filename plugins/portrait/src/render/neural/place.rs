// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a generator's square lies in the output: scaled, moved, and turned with the face.

use crate::face::step::smooth_step;
use crate::render::paste::{Raster, Region, Seams};
use crate::render::{RenderError, Still};

/// Turns by less are none, in radians: a hundredth of a pixel at the corners.
const UPRIGHT: f32 = 2e-5;

/// The generator's square in the output.
#[derive(Clone, Debug)]
pub struct Place {
    /// Pixels of the output that it may touch.
    pub region: Region,
    /// Whether rows and columns of the output are those of the square.
    pub upright: bool,
    /// Place in the square, 0 to 1, of the output's upper left corner, and how it changes from pixel to pixel, across and down.
    corner: [f32; 2],
    across: [f32; 2],
    down: [f32; 2],
    /// Sides beyond which the output goes on.
    seams: Seams,
    feather: f32,
}

impl Place {
    /// Of the square around the middle of a picture's crop, turned by `angle` radians.
    ///
    /// # Errors
    /// Where the picture does not have the size it claims, or shows nothing of the crop.
    pub fn new(still: &Still<'_>, angle: f32, feather: f32) -> Result<Self, RenderError> {
        let raster = Raster::new(still)?;
        let (origin, scale) = (raster.origin, raster.scale);
        let upright = angle.abs() < UPRIGHT;
        let (sin, cos) = if upright { (0.0, 1.0) } else { angle.sin_cos() };
        let middle = [0, 1].map(|k| -origin[k] / scale[k] - 0.5);
        let turned = |x: f32, y: f32| [x * cos + y * sin, y * cos - x * sin];
        let corner = turned(middle[0], middle[1]).map(|v| v + 0.5);
        let seams = if upright { raster.seams } else { Seams { low: [true; 2], high: [true; 2] } };
        let region = if upright { raster.region } else { around(still, [sin, cos]) };
        Ok(Self {
            region,
            upright,
            corner,
            across: turned(1.0 / scale[0], 0.0),
            down: turned(0.0, 1.0 / scale[1]),
            seams,
            feather,
        })
    }

    /// Place in the square of a pixel's middle, 0 to 1 where it is inside.
    #[inline(always)]
    pub fn at(&self, x: f32, y: f32) -> [f32; 2] {
        [0, 1].map(|k| self.corner[k] + (x + 0.5) * self.across[k] + (y + 0.5) * self.down[k])
    }

    /// The square in widths and heights of output pixels: of an upright one its size.
    pub fn size(&self) -> [f32; 2] {
        let length = |v: [f32; 2]| 1.0 / v[0].hypot(v[1]).max(f32::EPSILON);
        [length(self.across), length(self.down)]
    }

    /// How much is drawn at a place along an axis: all of it but near sides beyond which the photo goes on.
    #[inline(always)]
    pub fn share(&self, axis: usize, at: f32) -> f32 {
        let low = if self.seams.low[axis] { smooth_step(at / self.feather) } else { 1.0 };
        let high = if self.seams.high[axis] { smooth_step((1.0 - at) / self.feather) } else { 1.0 };
        low * high
    }
}

/// The part of the output around a turned square.
fn around(still: &Still<'_>, [sin, cos]: [f32; 2]) -> Region {
    let reach = (sin.abs() + cos.abs()) / 2.0;
    let line = |k: usize, size: usize| {
        let middle = still.origin[k] + still.scale[k] / 2.0;
        let [low, high] = [-reach, reach].map(|v| middle + v * still.scale[k]);
        // Saturating casts: what sticks out is cut off.
        let first = (low.floor().max(0.0) as usize).min(size);
        (first, ((high.ceil().max(0.0) as usize).min(size)).saturating_sub(first))
    };
    let ((x, width), (y, height)) = (line(0, still.width), line(1, still.height));
    Region { x, y, width, height }
}
