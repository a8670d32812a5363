// SPDX-License-Identifier: MIT OR Apache-2.0
//! Golden pictures: what was drawn once, looked at, and kept.
//!
//! `UPDATE_GOLDEN=1` in the environment of a test writes its pictures anew: look at them before they are kept.

use image::{RgbImage, imageops};

use crate::root;

/// Least structural similarity (SSIM, mean of all windows) to the golden picture.
const LEAST: f64 = 0.99;

/// Least similarity of the worst square of [`SQUARE`] pixels: what is wrong with an eye is lost in the mean of a picture.
const LEAST_SQUARE: f64 = 0.93;

/// Side of a square that is looked at by itself, in pixels.
const SQUARE: u32 = 32;

/// Pictures are kept at half of their size.
const HALF: u32 = 2;

/// The picture of a sample in RGB.
pub fn picture(sample: &gst::Sample) -> RgbImage {
    let caps = sample.caps().expect("a picture has caps").structure(0).expect("fixed caps").to_owned();
    let side = |name| u32::try_from(caps.get::<i32>(name).expect("a size")).expect("a size");
    let (width, height) = (side("width"), side("height"));
    let map = sample.buffer().expect("a picture").map_readable().expect("a picture can be read");
    let stride = map.len() / height as usize;
    let rows = map.chunks_exact(stride).flat_map(|row| &row[..3 * width as usize]);
    RgbImage::from_raw(width, height, rows.copied().collect()).expect("whole rows")
}

/// The mean similarity, and that of the worst square.
pub fn similarity(one: &RgbImage, other: &RgbImage) -> (f64, f64) {
    let compare = |one: &RgbImage, other: &RgbImage| {
        let windows = image_compare::Algorithm::MSSIMSimple;
        image_compare::rgb_similarity_structure(&windows, one, other).expect("one size").score
    };
    let (width, height) = one.dimensions();
    let mut worst = f64::MAX;
    for top in (0..height - height % SQUARE).step_by(SQUARE as usize) {
        for left in (0..width - width % SQUARE).step_by(SQUARE as usize) {
            let [one, other] =
                [one, other].map(|p| imageops::crop_imm(p, left, top, SQUARE, SQUARE).to_image());
            worst = worst.min(compare(&one, &other));
        }
    }
    (compare(one, other), worst)
}

/// Compares with the golden pictures of that name, or writes them.
pub fn check(name: &str, pictures: &[RgbImage]) {
    let folder = root().join("tests/golden/pictures");
    for (moment, picture) in pictures.iter().enumerate() {
        let (width, height) = picture.dimensions();
        let half = imageops::resize(picture, width / HALF, height / HALF, imageops::FilterType::Triangle);
        let path = folder.join(format!("{name}-{moment}.webp"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            half.save(&path).expect("the golden picture can be written");
            continue;
        }
        let golden = image::open(&path).expect("a golden picture").into_rgb8();
        assert_eq!(golden.dimensions(), half.dimensions(), "{}", path.display());
        let (mean, worst) = similarity(&golden, &half);
        let seen = std::env::temp_dir().join(format!("{name}-{moment}-seen.png"));
        if mean < LEAST || worst < LEAST_SQUARE {
            half.save(&seen).expect("a temporary file can be written");
        }
        assert!(
            mean >= LEAST && worst >= LEAST_SQUARE,
            "{}: similarity {mean:.4}, {worst:.4} in the worst square; what is drawn now: {}",
            path.display(),
            seen.display()
        );
    }
}
