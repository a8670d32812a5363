// SPDX-License-Identifier: MIT OR Apache-2.0
//! The photo continued beyond its borders: mirrored, and the more out of focus the farther away it is, with the person
//! fading from it. It meets the photo without an edge, and shows nothing that one could take for a part of it.

use std::ops::Range;

use super::picture::Picture;
use crate::face::step::smooth_step;

/// Growth of the blur's radius with the distance from the photo, in pixels a pixel.
const SPREAD: f32 = 0.5;

/// Distance from the photo at which the person is gone, in shares of its shorter side.
const PERSON: f32 = 0.15;

/// How much the mean background counts where there is hardly any other.
const MEAN: f32 = 0.02;

/// A reduced picture: colours times a weight, and the weight.
struct Level {
    width: usize,
    height: usize,
    pixels: Vec<[f32; 4]>,
}

/// Paints what lies beyond `columns` and `rows` of a picture, which are the photo. `person` is a matte of the picture, 255 =
/// person.
pub fn fill(picture: &mut Picture, columns: Range<usize>, rows: Range<usize>, person: Option<&[u8]>) {
    let (width, height) = (picture.width, picture.height);
    if columns.is_empty() || rows.is_empty() || columns.end > width || rows.end > height {
        return;
    }
    let everything = pyramid(picture, &columns, &rows, |_| 1.0);
    let person = person.filter(|matte| matte.len() == width * height);
    let background = person.map(|m| pyramid(picture, &columns, &rows, |i| 1.0 - f32::from(m[i]) / 255.0));
    let mean = background.as_ref().and_then(|levels| levels.last()?.pixels.first().copied());
    // Where all is person there is nothing else to go on.
    let behind = background.zip(mean).filter(|(_, mean)| mean[3] > MEAN);
    let gone = PERSON * columns.len().min(rows.len()) as f32;
    let across: Vec<(f32, f32)> = (0..width).map(|x| mirrored(x, &columns)).collect();
    for (y, row) in picture.rgb.chunks_exact_mut(width * 3).enumerate() {
        let (from_y, down) = mirrored(y, &rows);
        for (pixel, &(from_x, aside)) in row.as_chunks_mut::<3>().0.iter_mut().zip(&across) {
            let distance = down.hypot(aside);
            if distance <= 0.0 {
                continue;
            }
            let place = [from_x, from_y];
            let mut colour = sample(&everything, place, distance);
            if let Some((levels, mean)) = &behind {
                let own = sample(levels, place, distance);
                let share = smooth_step(distance / gone);
                let weight = own[3] + MEAN;
                for c in 0..3 {
                    let own = (own[c] + MEAN * mean[c] / mean[3]) / weight;
                    colour[c] += (own - colour[c]) * share;
                }
            }
            // Saturating casts.
            *pixel = [0, 1, 2].map(|c| (colour[c] + 0.5) as u8);
        }
    }
}

/// The place in the photo that a pixel mirrors, from the photo's corner, and how far beyond its border the pixel lies.
fn mirrored(at: usize, photo: &Range<usize>) -> (f32, f32) {
    let length = photo.len() as f32;
    let from = at as f32 + 0.5 - photo.start as f32;
    let folded = from.rem_euclid(2.0 * length);
    let distance = (-from).max(from - length).max(0.0);
    (if folded > length { 2.0 * length - folded } else { folded }, distance)
}

/// The photo, weighted pixel by pixel of the picture, and ever smaller ones of half the size.
fn pyramid(
    picture: &Picture,
    columns: &Range<usize>,
    rows: &Range<usize>,
    weight: impl Fn(usize) -> f32,
) -> Vec<Level> {
    let colours = picture.rgb.as_chunks::<3>().0;
    let mut pixels = Vec::with_capacity(columns.len() * rows.len());
    for y in rows.clone() {
        pixels.extend(columns.clone().map(|x| y * picture.width + x).map(|i| {
            let ([r, g, b], weight) = (colours[i].map(f32::from), weight(i));
            [r * weight, g * weight, b * weight, weight]
        }));
    }
    let mut levels = vec![Level { width: columns.len(), height: rows.len(), pixels }];
    while let Some(last) = levels.last().filter(|l| l.width.max(l.height) > 1) {
        levels.push(halved(last));
    }
    levels
}

fn halved(level: &Level) -> Level {
    let (width, height) = (level.width.div_ceil(2), level.height.div_ceil(2));
    let at =
        |x: usize, y: usize| level.pixels[y.min(level.height - 1) * level.width + x.min(level.width - 1)];
    let pixels = (0..width * height)
        .map(|i| {
            let (x, y) = (i % width * 2, i / width * 2);
            let (a, b, c, d) = (at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1));
            std::array::from_fn(|k| (a[k] + b[k] + c[k] + d[k]) / 4.0)
        })
        .collect();
    Level { width, height, pixels }
}

/// The photo at a place, as blurred as it is at that distance.
fn sample(levels: &[Level], place: [f32; 2], distance: f32) -> [f32; 4] {
    let depth = (1.0 + SPREAD * distance).log2().min((levels.len() - 1) as f32);
    let (sharp, share) = (depth as usize, depth.fract());
    let blurred = (sharp + 1).min(levels.len() - 1);
    let [a, b] = [sharp, blurred].map(|i| smooth(&levels[i], place.map(|v| v / (1_u64 << i) as f32)));
    std::array::from_fn(|c| a[c] + (b[c] - a[c]) * share)
}

/// A sample by cubic B-splines, which show no cells; beyond the border the picture is mirrored.
fn smooth(level: &Level, [x, y]: [f32; 2]) -> [f32; 4] {
    let taps = |at: f32, length: usize| {
        let at = at - 0.5;
        let first = at.floor();
        let t = at - first;
        let weights = [
            (1.0 - t).powi(3) / 6.0,
            (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
            (-3.0 * t * t * t + 3.0 * t * t + 3.0 * t + 1.0) / 6.0,
            t * t * t / 6.0,
        ];
        let last = length as isize - 1;
        let index = |k: isize| {
            let i = first as isize - 1 + k;
            let i = if i < 0 { -1 - i } else { i };
            (if i > last { 2 * last + 1 - i } else { i }).clamp(0, last) as usize
        };
        ([0, 1, 2, 3].map(index), weights)
    };
    let ((columns, across), (rows, down)) = (taps(x, level.width), taps(y, level.height));
    let mut sum = [0.0; 4];
    for (row, down) in rows.into_iter().zip(down) {
        let line = &level.pixels[row * level.width..][..level.width];
        for (column, across) in columns.into_iter().zip(across) {
            for (sum, value) in sum.iter_mut().zip(line[column]) {
                *sum += value * (down * across);
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stripes of black and white, `side` pixels wide, in the middle of a green picture.
    fn striped(width: usize, height: usize, photo: &Range<usize>) -> Picture {
        let colour = |i: usize| {
            let (x, y) = (i % width, i / width);
            let inside = photo.contains(&x) && photo.contains(&y);
            if !inside { [0, 255, 0] } else { [if x / 4 % 2 == 0 { 0 } else { 255 }; 3] }
        };
        Picture { width, height, rgb: (0..width * height).flat_map(colour).collect() }
    }

    fn contrast(picture: &Picture, y: usize, columns: Range<usize>) -> i32 {
        let row = columns.map(|x| i32::from(picture.rgb[(y * picture.width + x) * 3]));
        row.clone().max().unwrap_or(0) - row.min().unwrap_or(0)
    }

    #[test]
    fn beyond_the_photo_there_is_no_edge_and_are_no_stripes() {
        let photo = 64..192;
        let mut picture = striped(256, 256, &photo);
        let before = picture.clone();
        fill(&mut picture, photo.clone(), photo.clone(), None);
        for y in photo.clone() {
            let of = |p: &Picture| p.rgb[(y * 256 + 64) * 3..(y * 256 + 192) * 3].to_vec();
            assert!(of(&picture) == of(&before), "the photo is as it was");
        }
        let columns = 80..176;
        assert!(contrast(&picture, 192, columns.clone()) > 150, "no edge");
        for (row, most) in [(192 + 8, 60), (192 + 24, 12), (192 + 60, 8), (64 - 24, 12)] {
            let found = contrast(&picture, row, columns.clone());
            assert!(found < most, "stripes of {found} in row {row}");
        }
        let green = picture.rgb.as_chunks::<3>().0.iter().any(|p| p[1] > p[0]);
        assert!(!green, "something was not filled");
    }

    /// Red is the person, up to the photo's border; behind is blue.
    #[test]
    fn the_person_fades_into_the_background() {
        let (size, photo) = (256, 64..192);
        let person = |i: usize| (96..160).contains(&(i % size)) && (90..192).contains(&(i / size));
        let rgb = (0..size * size).flat_map(|i| if person(i) { [250, 0, 0] } else { [0, 0, 200] }).collect();
        let matte: Vec<u8> = (0..size * size).map(|i| if person(i) { 255 } else { 0 }).collect();
        let mut picture = Picture { width: size, height: size, rgb };
        fill(&mut picture, photo.clone(), photo, Some(&matte));
        let red = |x: usize, y: usize| picture.rgb[(y * size + x) * 3];
        assert!(red(128, 192) > 200, "no edge where the person is cut: {}", red(128, 192));
        for (x, y) in [(128, 230), (128, 250), (128, 30), (128, 5), (5, 128), (250, 250)] {
            assert!(red(x, y) < 8, "{x} {y}: {}", red(x, y));
        }
        // A person everywhere goes on as such.
        let mut all = Picture { width: 40, height: 40, rgb: vec![9; 40 * 40 * 3] };
        fill(&mut all, 10..30, 10..30, Some(&[255; 40 * 40]));
        assert!(all.rgb.iter().all(|&v| v == 9));
    }

    #[test]
    fn photos_of_any_shape_are_continued() {
        for (columns, rows) in [(0..1, 0..1), (5..6, 0..40), (0..40, 39..40), (10..20, 3..4), (0..40, 0..40)]
        {
            let mut picture = Picture { width: 40, height: 40, rgb: vec![7; 40 * 40 * 3] };
            fill(&mut picture, columns.clone(), rows.clone(), Some(&[90; 40 * 40]));
            assert!(picture.rgb.iter().all(|&v| v == 7), "{columns:?} {rows:?}");
        }
        let mut picture = Picture { width: 8, height: 8, rgb: vec![9; 8 * 8 * 3] };
        fill(&mut picture, 3..3, 0..8, None);
        fill(&mut picture, 0..9, 0..8, None);
    }
}
