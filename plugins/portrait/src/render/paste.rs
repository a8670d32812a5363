// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the animated picture lies in the output: the crop alone, or more or less of the photo with the crop in its place.
//!
//! Both are drawn the same way, at the resolution of the output: the flow is scaled, not the picture, so that the
//! pasted crop is as sharp as the photo around it and needs no matching of colours at its seam.

use super::{RenderError, Still};

/// The smallest picture unit in pixels.
pub const LEAST: f32 = 16.0;

/// How picture units lie in the output.
#[derive(Clone, Debug)]
pub struct Raster {
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Pixel position of the picture's top left corner; may lie outside.
    pub origin: [f32; 2],
    /// Pixels of a picture unit, across and down.
    pub scale: [f32; 2],
    /// The part of the picture that is inside of the output: first pixel and size.
    pub region: Region,
    /// Where the picture ends and the output goes on.
    pub seams: Seams,
}

/// Sides of the picture at which motion has to end, because the output goes on beyond them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seams {
    /// Left, top.
    pub low: [bool; 2],
    /// Right, bottom.
    pub high: [bool; 2],
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// First column.
    pub x: usize,
    /// First row.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Raster {
    /// Places the picture in the output.
    ///
    /// # Errors
    /// Where the output does not have the size it claims, or the picture does not overlap it.
    pub fn new(still: &Still<'_>) -> Result<Self, RenderError> {
        let area = still.width * still.height;
        if area == 0 || still.rgb.len() != area * 3 || still.matte.is_some_and(|m| m.len() != area) {
            return Err(RenderError::Source("the photo does not have the size it claims".to_owned()));
        }
        let wrong = || RenderError::Source("the crop does not lie in the photo".to_owned());
        let ([x, y], scale) = (still.origin, still.scale);
        if !(scale.iter().all(|s| *s >= LEAST && s.is_finite()) && x.is_finite() && y.is_finite()) {
            return Err(wrong());
        }
        let line = |start: f32, scale: f32, size: usize| {
            // Saturating casts: a crop that sticks out is cut off.
            let first = (start.floor().max(0.0) as usize).min(size);
            let last = ((start + scale).ceil().max(0.0) as usize).min(size);
            (first, last.saturating_sub(first))
        };
        let ((x0, width), (y0, height)) = (line(x, scale[0], still.width), line(y, scale[1], still.height));
        if width < 8 || height < 8 {
            return Err(wrong());
        }
        Ok(Self {
            width: still.width,
            height: still.height,
            origin: [x, y],
            scale,
            region: Region { x: x0, y: y0, width, height },
            seams: Seams {
                low: [x > 0.0, y > 0.0],
                high: [x + scale[0] < still.width as f32, y + scale[1] < still.height as f32],
            },
        })
    }

    /// Picture units between which the output has pixels, across (axis 0) or down (1).
    pub fn ends(&self, axis: usize) -> [f32; 2] {
        let size = [self.width, self.height][axis] as f32;
        [-self.origin[axis] / self.scale[axis], (size - self.origin[axis]) / self.scale[axis]]
    }

    /// Picture units of a column of the region.
    #[inline(always)]
    pub fn unit_x(&self, column: usize) -> f32 {
        ((self.region.x + column) as f32 + 0.5 - self.origin[0]) / self.scale[0]
    }

    /// Picture units of a row of the region.
    #[inline(always)]
    pub fn unit_y(&self, row: usize) -> f32 {
        ((self.region.y + row) as f32 + 0.5 - self.origin[1]) / self.scale[1]
    }
}
