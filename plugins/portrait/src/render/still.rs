// SPDX-License-Identifier: MIT OR Apache-2.0
//! The picture at rest: what a frame begins with, whoever draws it.

use std::ops::Range;

use super::{Background, RenderError, Still, Transparency};

/// The frame of a photo that is transparent around it, which does not move with what it shows.
#[derive(Clone, Debug)]
pub struct PhotoFrame {
    mask: Vec<u8>,
    width: usize,
    /// Red, green, blue, alpha behind it, multiplied by the alpha.
    behind: [f32; 4],
}

impl PhotoFrame {
    /// That of a photo whose background is kept; another background shows nothing of it.
    ///
    /// # Errors
    /// Where its mask is not of the photo's size.
    pub fn new(still: &Still<'_>, background: Background) -> Result<Option<Self>, RenderError> {
        let Transparency::Frame { mask, behind } = still.transparency else { return Ok(None) };
        if mask.len() != still.width * still.height {
            return Err(RenderError::Source("the photo's alpha does not have its size".to_owned()));
        }
        let frame = || Self { mask: mask.to_vec(), width: still.width, behind: multiplied(behind) };
        Ok((background == Background::Keep).then(frame))
    }

    /// Exchanges the colour behind it for that of the same photo on a background; `false` where the one has a frame and the
    /// other none.
    pub fn exchange(frame: Option<&mut Self>, still: &Still<'_>, background: Background) -> bool {
        match (frame, still.transparency, background) {
            (Some(frame), Transparency::Frame { behind, .. }, Background::Keep) => {
                frame.behind = multiplied(behind);
                true
            }
            (None, Transparency::Frame { .. }, Background::Keep) | (Some(_), ..) => false,
            (None, ..) => true,
        }
    }

    /// Lets through what is behind in a run of pixels of a row.
    pub fn apply(&self, row: usize, columns: Range<usize>, pixels: &mut [[f32; 4]]) {
        let mask = &self.mask[row * self.width..][columns];
        for (pixel, &mask) in pixels.iter_mut().zip(mask) {
            let inside = f32::from(mask) / 255.0;
            for (value, behind) in pixel.iter_mut().zip(self.behind) {
                *value = *value * inside + behind * (1.0 - inside);
            }
        }
    }
}

/// A colour multiplied by its alpha.
pub fn multiplied([r, g, b, a]: [u8; 4]) -> [f32; 4] {
    [r, g, b, 255].map(|v| f32::from(v) * f32::from(a) / 255.0)
}

/// Red, green, blue, alpha of a colour of the photo.
pub fn whole([r, g, b]: [u8; 3], a: f32) -> [f32; 4] {
    [r, g, b, 255].map(|v| f32::from(v) * a)
}

/// Rows of the photo as it is.
pub fn kept<'a>(
    still: &'a Still<'_>,
    frame: Option<&'a PhotoFrame>,
) -> impl FnMut(usize, &mut [[f32; 4]]) + use<'a> {
    let photo = still.rgb.as_chunks::<3>().0;
    let width = still.width;
    move |y, row| {
        for (out, &rgb) in row.iter_mut().zip(&photo[y * width..]) {
            *out = whole(rgb, 1.0);
        }
        if let Some(frame) = frame {
            frame.apply(y, 0..width, row);
        }
    }
}
