// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clean background plate: the crop without the person, for what shows when the head moves.
//!
//! Pull-push (S. Gortler et al., The Lumigraph, 1996): colours of the background are averaged into ever smaller pictures,
//! then holes are filled from the next smaller one.

use super::exemplar;
use super::matte::box_mean;
use super::picture::Picture;
use crate::face::pixel::bilinear;

/// How far the person's colours reach beyond the matte, in pixels of a 512-pixel crop.
const BLEED: f32 = 6.0;

/// Matte value from which a pixel is not background.
const PERSON: u8 = 8;

/// Radius of the smoothing of the filled part.
const SMOOTH: usize = 3;

/// One level of the pyramid: colour times weight, and weight.
pub(super) struct Level {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<[f32; 4]>,
}

/// The background behind the person. Where the person covers everything, the picture itself.
pub fn plate(picture: &Picture, matte: &[u8]) -> Picture {
    let (width, height) = (picture.width, picture.height);
    let radius = (BLEED * width as f32 / 512.0).ceil() as usize;
    let person: Vec<f32> = matte.iter().map(|&v| if v >= PERSON { 1.0 } else { 0.0 }).collect();
    // A pixel is background if its whole neighbourhood is.
    let near = box_mean(&person, width, height, radius);
    let (colours, _) = picture.rgb.as_chunks::<3>();
    let known: Vec<bool> = near.iter().map(|&v| v < 1e-6).collect();
    if !known.contains(&true) || known.len() != colours.len() {
        return picture.clone();
    }
    let pixels = colours
        .iter()
        .zip(&known)
        .map(
            |(c, &known)| {
                if known { [f32::from(c[0]), f32::from(c[1]), f32::from(c[2]), 1.0] } else { [0.0; 4] }
            },
        )
        .collect();
    let filled = pull_push(Level { width, height, pixels });
    let smooth: [Vec<f32>; 3] = std::array::from_fn(|i| {
        let channel: Vec<f32> = filled.iter().map(|p| p[i]).collect();
        box_mean(&channel, width, height, SMOOTH)
    });
    let rgb = (0..colours.len())
        .flat_map(|i| {
            if known[i] {
                colours[i]
            } else {
                std::array::from_fn(|c| (smooth[c][i] + 0.5).clamp(0.0, 255.0) as u8)
            }
        })
        .collect();
    let mut plate = Picture { width, height, rgb };
    exemplar::refine(&mut plate, &known);
    plate
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A horizontal gradient with a white square of a person in the middle.
    fn scene(size: usize) -> (Picture, Vec<u8>) {
        let inside = |i: usize| {
            (size / 3..2 * size / 3).contains(&(i % size)) && (size / 3..2 * size / 3).contains(&(i / size))
        };
        let rgb = (0..size * size)
            .flat_map(|i| if inside(i) { [255; 3] } else { [(i % size * 200 / size) as u8; 3] })
            .collect();
        let matte = (0..size * size).map(|i| if inside(i) { 255 } else { 0 }).collect();
        (Picture { width: size, height: size, rgb }, matte)
    }

    #[test]
    fn the_person_is_gone_and_the_background_untouched() {
        for size in [96, 127, 512] {
            let (picture, matte) = scene(size);
            let plate = plate(&picture, &matte);
            for i in 0..size * size {
                let (expected, found) = ((i % size * 200 / size) as i32, i32::from(plate.rgb[i * 3]));
                assert!((expected - found).abs() < 45, "{size} {i}: {found} where {expected} was due");
            }
            assert_eq!(plate.rgb[..size], picture.rgb[..size]);
        }
    }

    #[test]
    fn a_person_everywhere_leaves_the_picture() {
        let (picture, _) = scene(64);
        assert_eq!(plate(&picture, &[255; 64 * 64]).rgb, picture.rgb);
        assert_eq!(plate(&picture, &[0; 64 * 64]).rgb, picture.rgb);
    }
}
