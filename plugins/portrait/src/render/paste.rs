//! Where the animated picture lies in the output: the crop alone, or the whole photo with the crop in its place.
//!
//! Both are drawn the same way, at the resolution of the pixels that are there: the flow is scaled, not the picture, so
//! the pasted crop is as sharp as the photo around it and needs no matching of colours at its seam.

use std::ops::Range;

use super::{RenderError, Source};

/// What the output shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// The square crop around the face, at the pack's resolution.
    #[default]
    Crop,
    /// The whole photo at its own size.
    Full,
}

/// The output at rest, and how picture units lie in it.
#[derive(Clone, Debug)]
pub struct Raster {
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// The output where nothing moves, RGB8.
    pub rgb: Vec<u8>,
    /// Pixel position of the picture's top left corner; may lie outside.
    pub origin: [f32; 2],
    /// Pixels of a picture unit.
    pub scale: f32,
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
    /// Places a source for a framing. Without the whole photo, [`Framing::Full`] is the crop.
    ///
    /// # Errors
    /// Where the crop does not overlap the photo.
    pub fn new(source: &Source<'_>, framing: Framing) -> Result<Self, RenderError> {
        let side = source.side;
        let whole = Region { x: 0, y: 0, width: side, height: side };
        let Some(photo) = source.photo.as_ref().filter(|_| framing == Framing::Full) else {
            return Ok(Self {
                width: side,
                height: side,
                rgb: source.picture.to_vec(),
                origin: [0.0; 2],
                scale: side as f32,
                region: whole,
                seams: Seams::default(),
            });
        };
        let wrong = || RenderError::Source("the crop does not lie in the photo".to_owned());
        let [x, y] = photo.crop_origin;
        let scale = photo.crop_side;
        if !(scale >= 16.0 && scale.is_finite() && x.is_finite() && y.is_finite()) {
            return Err(wrong());
        }
        let line = |start: f32, size: usize| {
            // Saturating casts: a crop that sticks out is cut off.
            let first = (start.floor().max(0.0) as usize).min(size);
            let last = ((start + scale).ceil().max(0.0) as usize).min(size);
            (first, last.saturating_sub(first))
        };
        let ((x0, width), (y0, height)) = (line(x, photo.width), line(y, photo.height));
        if width < 8 || height < 8 {
            return Err(wrong());
        }
        Ok(Self {
            width: photo.width,
            height: photo.height,
            rgb: photo.rgb.to_vec(),
            origin: [x, y],
            scale,
            region: Region { x: x0, y: y0, width, height },
            seams: Seams {
                low: [x > 0.0, y > 0.0],
                high: [x + scale < photo.width as f32, y + scale < photo.height as f32],
            },
        })
    }

    /// Picture units of a column of the region.
    #[inline(always)]
    pub fn unit_x(&self, column: usize) -> f32 {
        ((self.region.x + column) as f32 + 0.5 - self.origin[0]) / self.scale
    }

    /// Picture units of a row of the region.
    #[inline(always)]
    pub fn unit_y(&self, row: usize) -> f32 {
        ((self.region.y + row) as f32 + 0.5 - self.origin[1]) / self.scale
    }

    /// Copies rows of the output at rest.
    pub fn copy(&self, rows: Range<usize>, out: &mut [u8], stride: usize) {
        let line = self.width * 3;
        let still = self.rgb[rows.start * line..rows.end * line].chunks_exact(line);
        for (to, from) in out.chunks_mut(stride).zip(still) {
            to[..line].copy_from_slice(from);
        }
    }
}
