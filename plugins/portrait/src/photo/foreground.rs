// SPDX-License-Identifier: MIT OR Apache-2.0
//! The person's own colours where the background shines through: without its fringe in hair.
//!
//! Blur-fusion (M. Forte, Approximate Fast Foreground Colour Estimation, ICIP 2021): colours of both sides are those around,
//! corrected so that they mix to the picture; once over a wide window, then over a narrow one.

use super::matte::box_mean;
use super::picture::Picture;

/// Radii of the windows in pixels of a 512-pixel crop.
const RADII: [f32; 2] = [48.0, 6.0];

/// Weight of a pixel's own colour where nothing of a side is near.
const ALONE: f32 = 1e-6;

/// Colours of the person in a picture with that matte; where the person covers all, the picture's own.
pub fn colours(picture: &Picture, matte: &[u8]) -> Picture {
    let (width, height) = (picture.width, picture.height);
    if matte.iter().all(|&m| m == 0 || m == 255) {
        return picture.clone();
    }
    let cover: Vec<f32> = matte.iter().map(|&m| f32::from(m) / 255.0).collect();
    let bare: Vec<f32> = cover.iter().map(|a| 1.0 - a).collect();
    let own: [Vec<f32>; 3] =
        std::array::from_fn(|c| picture.rgb.iter().skip(c).step_by(3).map(|&v| f32::from(v)).collect());
    let (mut front, mut back) = (own.clone(), own.clone());
    for radius in RADII {
        let radius = ((radius * width as f32 / 512.0).round() as usize).max(1);
        let mean = |values: &[f32]| box_mean(values, width, height, radius);
        let (covered, uncovered) = (mean(&cover), mean(&bare));
        let around = |colour: &[f32], share: &[f32], all: &[f32]| -> Vec<f32> {
            let sum: Vec<f32> = colour.iter().zip(share).map(|(v, w)| v * w).collect();
            let pixels = mean(&sum).into_iter().zip(all).zip(colour);
            pixels.map(|((sum, all), colour)| (sum + ALONE * colour) / (all + ALONE)).collect()
        };
        for c in 0..3 {
            back[c] = around(&back[c], &bare, &uncovered);
            front[c] = around(&front[c], &cover, &covered);
            let sides = front[c].iter_mut().zip(&back[c]).zip(own[c].iter().zip(&cover));
            sides.for_each(|((f, b), (own, a))| {
                *f = (*f + a * (own - a * *f - (1.0 - a) * b)).clamp(0.0, 255.0)
            });
        }
    }
    let mut rgb = picture.rgb.clone();
    for (i, out) in rgb.as_chunks_mut::<3>().0.iter_mut().enumerate().filter(|(i, _)| matte[*i] < 255) {
        *out = [0, 1, 2].map(|c| (front[c][i] + 0.5) as u8);
    }
    Picture { width, height, rgb }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hair_takes_no_colour_of_the_background_along() {
        // Dark hair whose edge is soft, before a bright wall.
        let (size, height, hair, wall) = (256, 40, [60.0, 40.0, 30.0], [230.0, 240.0, 250.0]);
        let cover = |i: usize| (16.5 - (i % size) as f32 / 8.0).clamp(0.0, 1.0);
        let matte: Vec<u8> = (0..size * height).map(|i| (255.0 * cover(i)).round() as u8).collect();
        let mixed = |i: usize| [0, 1, 2].map(|c| (wall[c] + (hair[c] - wall[c]) * cover(i)).round() as u8);
        let picture = Picture { width: size, height, rgb: (0..size * height).flat_map(mixed).collect() };
        let found = colours(&picture, &matte);
        for i in (0..size * height).filter(|&i| matte[i] > 60) {
            for c in 0..3 {
                let off = f32::from(found.rgb[3 * i + c]) - hair[c];
                assert!(off.abs() < 20.0, "{i}: {off} at a matte of {}", matte[i]);
            }
            assert!(matte[i] < 255 || found.rgb[3 * i..][..3] == picture.rgb[3 * i..][..3]);
        }
        let hard: Vec<u8> = matte.iter().map(|&m| if m > 99 { 255 } else { 0 }).collect();
        assert_eq!(colours(&picture, &hard).rgb, picture.rgb);
    }
}
