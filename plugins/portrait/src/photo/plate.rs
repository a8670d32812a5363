// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clean background plate: the crop without the person, for what shows when the head moves.
//!
//! It is smooth where little is known of it, and beside a detailed background goes on like that.

use super::exemplar;
use super::matte::box_mean;
use super::picture::Picture;
use super::pull_push::{Level, pull_push};

/// How far the person's colours reach beyond the matte, in pixels of a 512-pixel crop.
const BLEED: f32 = 6.0;

/// How far the person's colours surely reach; from there to [`BLEED`] they hardly do. In pixels of a 512-pixel crop.
const HALO: f32 = 2.0;

/// Matte value from which a pixel is not background.
const PERSON: u8 = 8;

/// Radius of the smoothing of the filled part.
const SMOOTH: usize = 3;

/// The background behind the person. Where the person covers everything, the picture itself.
pub fn plate(picture: &Picture, matte: &[u8]) -> Picture {
    let person: Vec<f32> = matte.iter().map(|&v| if v >= PERSON { 1.0 } else { 0.0 }).collect();
    // A pixel is background if its whole neighbourhood is.
    let clear = |radius: f32| -> Vec<bool> {
        let radius = (radius * picture.width as f32 / 512.0).ceil() as usize;
        box_mean(&person, picture.width, picture.height, radius).iter().map(|&v| v < 1e-6).collect()
    };
    let known = clear(BLEED);
    if !known.contains(&true) || known.len() * 3 != picture.rgb.len() {
        return picture.clone();
    }
    let mut plate = smooth(picture, &known);
    exemplar::refine(picture, &mut plate, &known, &clear(HALO));
    plate
}

/// A picture filled smoothly where it is not known.
fn smooth(picture: &Picture, known: &[bool]) -> Picture {
    let (width, height) = (picture.width, picture.height);
    let colours = picture.rgb.as_chunks::<3>().0;
    let pixels = colours
        .iter()
        .zip(known)
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
    Picture { width, height, rgb }
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

    /// A magenta person, round, before a background.
    fn before(
        width: usize,
        height: usize,
        background: impl Fn(usize, usize) -> [u8; 3],
    ) -> (Picture, Vec<u8>) {
        let side = width.min(height) as f32;
        let inside = |x: usize, y: usize| (x as f32 - 0.5 * side).hypot(y as f32 - 0.55 * side) < 0.26 * side;
        let pixels = (0..width * height).map(|i| (i % width, i / width));
        let colour = |(x, y)| if inside(x, y) { [255, 0, 255] } else { background(x, y) };
        let matte = pixels.clone().map(|(x, y)| if inside(x, y) { 255 } else { 0 }).collect();
        (Picture { width, height, rgb: pixels.flat_map(colour).collect() }, matte)
    }

    fn stripes(x: usize, y: usize) -> [u8; 3] {
        if ((x + y / 2) / 14).is_multiple_of(2) { [20, 60, 50] } else { [60, 200, 150] }
    }

    fn checks(x: usize, y: usize) -> [u8; 3] {
        if (x / 20 + y / 20).is_multiple_of(2) { [40, 30, 70] } else { [70, 210, 200] }
    }

    /// How far a plate is off behind the person's edge, up to 16 pixels of a 512-pixel crop.
    fn error(plate: &Picture, matte: &[u8], background: fn(usize, usize) -> [u8; 3]) -> f32 {
        let bare: Vec<f32> = matte.iter().map(|&m| 1.0 - f32::from(m) / 255.0).collect();
        let near = box_mean(&bare, plate.width, plate.height, 16 * plate.width / 512);
        let edge = (0..matte.len()).filter(|&i| matte[i] > 0 && near[i] > 1e-6);
        let off = |i: usize| {
            let truth = background(i % plate.width, i / plate.width);
            (0..3).map(|c| f32::from(truth[c].abs_diff(plate.rgb[i * 3 + c]))).sum::<f32>() / 3.0
        };
        let (sum, count) = edge.fold((0.0, 0.0), |(sum, count), i| (sum + off(i), count + 1.0));
        sum / count
    }

    #[test]
    fn stripes_and_checks_go_on_behind_the_person() {
        for (name, background) in [("stripes", stripes as fn(usize, usize) -> [u8; 3]), ("checks", checks)] {
            for side in [512, 700] {
                let (picture, matte) = before(side, side, background);
                let found = plate(&picture, &matte);
                let smoothed = smooth(&picture, &matte.iter().map(|&m| m == 0).collect::<Vec<_>>());
                let [copied, smooth] = [&found, &smoothed].map(|plate| error(plate, &matte, background));
                assert!(copied < 0.4 * smooth, "{name} {side}: off by {copied}, smoothly by {smooth}");
                assert_eq!(found, plate(&picture, &matte), "the same twice");
            }
        }
    }

    #[test]
    fn a_plain_background_is_filled_smoothly_and_nothing_else() {
        let (picture, matte) = before(512, 512, |x, y| [(x / 3) as u8, (y / 4) as u8, ((x + y) / 6) as u8]);
        let person: Vec<f32> = matte.iter().map(|&m| f32::from(m)).collect();
        let known: Vec<bool> = box_mean(&person, 512, 512, 6).iter().map(|&v| v < 1e-6).collect();
        assert!(plate(&picture, &matte) == smooth(&picture, &known));
    }

    /// The matte lacks a rim of the person, as of hair.
    #[test]
    fn nothing_of_the_person_is_copied() {
        let (mut picture, matte) = before(512, 512, checks);
        for i in 0..matte.len() {
            let (x, y) = (i % 512, i / 512);
            let distance = (x as f32 - 256.0).hypot(y as f32 - 281.6) - 133.0;
            if (0.0..5.0).contains(&distance) {
                picture.rgb[i * 3..][..3].copy_from_slice(&[255, 0, 255]);
            }
        }
        let found = plate(&picture, &matte);
        let red = (0..matte.len()).filter(|&i| matte[i] > 0).map(|i| found.rgb[i * 3]).max();
        assert!(red.is_some_and(|red| red < 120), "{red:?}");
    }

    #[test]
    fn pictures_of_any_size_have_a_plate() {
        for (width, height) in
            [(1, 1), (3, 90), (32, 32), (33, 97), (64, 40), (301, 64), (513, 77), (40, 900)]
        {
            let (picture, matte) = before(width, height, checks);
            let found = plate(&picture, &matte);
            assert_eq!((found.width, found.height, found.rgb.len()), (width, height, width * height * 3));
            // Only one row, or one column, is background.
            let mut all = vec![255; width * height];
            all[..width].fill(0);
            plate(&picture, &all);
            all.fill(255);
            all.chunks_exact_mut(width).for_each(|row| row[width - 1] = 0);
            plate(&picture, &all);
        }
    }
}
