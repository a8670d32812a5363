// SPDX-License-Identifier: MIT OR Apache-2.0
//! Colours for what is missing of a picture, smoothly out of those around it.
//!
//! Pull-push (S. Gortler et al., The Lumigraph, 1996): what is known is averaged into ever smaller pictures, then holes are
//! filled from the next smaller one.

use crate::face::pixel::bilinear;

/// One level of the pyramid: colour times weight, and weight.
pub(super) struct Level {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<[f32; 4]>,
}

/// Fills what is missing at a level from the smaller ones: colours where weights are 0.
pub(super) fn pull_push(level: Level) -> Vec<[f32; 4]> {
    if level.width == 1 && level.height == 1 {
        return level.pixels.iter().map(|&p| normalised(p)).collect();
    }
    let small = pull(&level);
    let (w, h) = (small.width, small.height);
    let below = pull_push(small);
    level
        .pixels
        .iter()
        .enumerate()
        .map(|(i, &pixel)| {
            let missing = 1.0 - pixel[3].min(1.0);
            if missing <= 0.0 {
                return normalised(pixel);
            }
            let at = [i % level.width, i / level.width].map(|v| v as f32 / 2.0 - 0.25);
            let fill = between(&below, w, h, at);
            // Premultiplied colours: what is there, and the rest from below.
            std::array::from_fn(|c| if c < 3 { pixel[c] + missing * fill[c] } else { 1.0 })
        })
        .collect()
}

/// Half the size; weights saturate at 1, so that sure pixels are not drowned by many unsure ones.
fn pull(level: &Level) -> Level {
    let (width, height) = (level.width.div_ceil(2), level.height.div_ceil(2));
    let mut pixels = vec![[0.0f32; 4]; width * height];
    for (y, line) in level.pixels.chunks_exact(level.width).enumerate() {
        for (x, p) in line.iter().enumerate() {
            let sum = &mut pixels[y / 2 * width + x / 2];
            sum.iter_mut().zip(p).for_each(|(s, v)| *s += v);
        }
    }
    for p in &mut pixels {
        if p[3] > 1.0 {
            *p = normalised(*p);
        }
    }
    Level { width, height, pixels }
}

fn normalised(p: [f32; 4]) -> [f32; 4] {
    if p[3] > 0.0 { p.map(|v| v / p[3]) } else { p }
}

/// A bilinear sample of a picture, clamped at its border.
pub(super) fn between(pixels: &[[f32; 4]], width: usize, height: usize, at: [f32; 2]) -> [f32; 4] {
    bilinear([width, height], at, |x, y| pixels[y * width + x])
}
