// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which pixels of the crop are the person.
//!
//! The segmentation network answers at half the resolution and softly. Where it is sure it is believed; the band between is
//! decided by the picture's colours.

use super::crop::Crop;
use super::islands::{drop_haze, drop_islands};
use super::matting;
use super::picture::Picture;
use super::trimap::Trimap;
use crate::face::find::{Outside, RgbView, Roi, sample};
use crate::face::landmark::indices::OVAL;
use crate::face::pixel::{mix, tap};
use crate::pack::{PackError, Stage};

/// Side of the network's input and output.
const SIZE: usize = 256;

/// Coverage taken for none, and for all: colours are never quite those of one side.
const CERTAIN: (f32, f32) = (0.08, 0.92);

/// The network sees the crop, and a square this much wider: a hat that the crop cuts is a person's only with its top.
const WIDER: f32 = 1.3;

/// Side of the square that is looked at for the top of the head, in heights of the face.
const HEAD: f32 = 3.0;

/// Half width of the strip above the face that hair or hat fill, in heights of the face, and how much of each line.
const STRIP: f32 = 0.2;
const FILLED: f32 = 0.5;

/// Row of the photo at which hair or hat end above a face, by the coarse answer of the pack's `matte`.
pub fn crown(photo: &Picture, forehead: [f32; 2], chin: [f32; 2], stage: &Stage) -> Result<f32, PackError> {
    let face = (forehead[0] - chin[0]).hypot(forehead[1] - chin[1]);
    let square = Roi { x: forehead[0], y: forehead[1], side: HEAD * face, angle: 0.0 };
    let person = segment(stage, photo, square)?;
    let cell = square.side / SIZE as f32;
    let strip = (STRIP * face / cell) as usize;
    let filled = |row: &&[f32]| {
        let strip = &row[SIZE / 2 - strip..=SIZE / 2 + strip];
        strip.iter().filter(|&&v| v > 0.5).count() as f32 >= FILLED * strip.len() as f32
    };
    let above = person[..SIZE * SIZE / 2].chunks_exact(SIZE).rev().take_while(filled).count();
    Ok(forehead[1] - above as f32 * cell)
}

/// The network's answer on a square of the photo, `SIZE` x `SIZE`, 0 to 1.
fn segment(stage: &Stage, photo: &Picture, square: Roi) -> Result<Vec<f32>, PackError> {
    let mut person = vec![0.0; SIZE * SIZE];
    let Some(view) = RgbView::new(&photo.rgb, photo.width * 3, photo.width, photo.height) else {
        person.fill(1.0);
        return Ok(person);
    };
    let mut input = vec![0.0; 3 * SIZE * SIZE];
    sample(&view, square, SIZE, Outside::Edge, 0.0..1.0, &mut input);
    let [output] = stage.run_for(&[stage.input(0, &input)?])?;
    stage.read(&output, &mut person)?;
    Ok(person)
}

/// The matte of a crop, one byte a pixel, 255 = person. `landmarks` are in picture units: the face is always person.
pub fn matte(
    photo: &Picture,
    crop: &Crop,
    picture: &Picture,
    landmarks: &[[f32; 3]],
    stage: &Stage,
) -> Result<Vec<u8>, PackError> {
    let (width, height) = (picture.width, picture.height);
    let [x, y] = [crop.x, crop.y].map(|v| v + crop.side / 2.0);
    let look = |context: f32| -> Result<Vec<f32>, PackError> {
        let coarse = segment(stage, photo, Roi { x, y, side: context * crop.side, angle: 0.0 })?;
        Ok(enlarge(&coarse, SIZE, context, width, height))
    };
    let (own, wider) = (look(1.0)?, look(WIDER)?);
    let mut face = vec![0; width * height];
    cover_face(&mut face, landmarks, width, height);
    let face: Vec<bool> = face.iter().map(|&v| v > 0).collect();
    let fine = matting::solve(picture, &Trimap::new(&own, &wider, &face, width, height));
    let mut matte: Vec<u8> = fine.iter().map(|&v| (255.0 * certainty(v) + 0.5) as u8).collect();
    drop_haze(&mut matte, width, height);
    drop_islands(&mut matte, width, height);
    Ok(matte)
}

fn certainty(value: f32) -> f32 {
    ((value - CERTAIN.0) / (CERTAIN.1 - CERTAIN.0)).clamp(0.0, 1.0)
}

/// Bilinear enlargement of the middle of a square, which is `context` times as wide as what is wanted.
fn enlarge(data: &[f32], size: usize, context: f32, width: usize, height: usize) -> Vec<f32> {
    let place = |i: usize, length: usize| {
        let from_middle = ((i as f32 + 0.5) / length as f32 - 0.5) / context;
        tap((from_middle + 0.5) * size as f32 - 0.5, size)
    };
    let columns: Vec<_> = (0..width).map(|x| place(x, width)).collect();
    (0..height)
        .flat_map(|y| {
            let ty = place(y, height);
            let (top, low) = (&data[ty.a * size..][..size], &data[ty.b * size..][..size]);
            columns
                .iter()
                .map(move |tx| mix([top[tx.a], top[tx.b], low[tx.a], low[tx.b]], tx.t, ty.t))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Mean over a square window, cut at the borders.
pub(super) fn box_mean(values: &[f32], width: usize, height: usize, radius: usize) -> Vec<f32> {
    let mut rows = vec![0.0f32; values.len()];
    for (line, out) in values.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
        // f64: a running sum of f32 would drift over the row.
        let mut sum: f64 = line.iter().take(radius).map(|&v| f64::from(v)).sum();
        for (x, out) in out.iter_mut().enumerate() {
            if let Some(&v) = line.get(x + radius) {
                sum += f64::from(v);
            }
            if let Some(&v) = x.checked_sub(radius + 1).and_then(|i| line.get(i)) {
                sum -= f64::from(v);
            }
            let count = (x + radius).min(width - 1) - x.saturating_sub(radius) + 1;
            *out = (sum / count as f64) as f32;
        }
    }
    let mut result = vec![0.0f32; values.len()];
    let mut sum = vec![0.0f64; width];
    let row = |y: usize| &rows[y * width..][..width];
    for y in 0..radius.min(height) {
        sum.iter_mut().zip(row(y)).for_each(|(s, &v)| *s += f64::from(v));
    }
    for (y, out) in result.chunks_exact_mut(width).enumerate() {
        if y + radius < height {
            sum.iter_mut().zip(row(y + radius)).for_each(|(s, &v)| *s += f64::from(v));
        }
        if y > radius {
            sum.iter_mut().zip(row(y - radius - 1)).for_each(|(s, &v)| *s -= f64::from(v));
        }
        let count = (y + radius).min(height - 1) - y.saturating_sub(radius) + 1;
        out.iter_mut().zip(&sum).for_each(|(o, s)| *o = (s / count as f64) as f32);
    }
    result
}

/// Fills the outline of the face: whatever the network thinks of beards and spectacles, they move with it.
fn cover_face(matte: &mut [u8], landmarks: &[[f32; 3]], width: usize, height: usize) {
    let outline: Vec<[f32; 2]> = OVAL
        .iter()
        .filter_map(|&i| landmarks.get(i))
        .map(|p| [p[0] * width as f32 - 0.5, p[1] * height as f32 - 0.5])
        .collect();
    for (y, line) in matte.chunks_exact_mut(width).enumerate() {
        let y = y as f32;
        let mut crossings: Vec<f32> = (0..outline.len())
            .filter_map(|i| {
                let (a, b) = (outline[i], outline[(i + 1) % outline.len()]);
                ((a[1] <= y) != (b[1] <= y)).then(|| a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]))
            })
            .collect();
        crossings.sort_by(f32::total_cmp);
        for pair in crossings.chunks_exact(2) {
            let (from, to) = (pair[0].ceil().max(0.0) as usize, (pair[1].floor() + 1.0).max(0.0) as usize);
            if let Some(inside) = line.get_mut(from..to.min(width)) {
                inside.fill(255);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_mean_of_one_value_is_that_value_up_to_the_borders() {
        let mean = box_mean(&[3.0; 35], 7, 5, 6);
        assert!(mean.iter().all(|v| (v - 3.0).abs() < 1e-6), "{mean:?}");
        let mut spot = vec![0.0; 49];
        spot[24] = 9.0;
        let mean = box_mean(&spot, 7, 7, 1);
        assert!((mean[24] - 1.0).abs() < 1e-6 && (mean[16] - 1.0).abs() < 1e-6 && mean[0] == 0.0, "{mean:?}");
    }

    #[test]
    fn the_face_is_person_and_faces_beyond_the_border_do_no_harm() {
        let mut landmarks = vec![[0.5f32; 3]; crate::face::landmark::COUNT];
        for (i, &index) in OVAL.iter().enumerate() {
            let t = i as f32 / OVAL.len() as f32 * std::f32::consts::TAU;
            landmarks[index] = [0.5 + 0.3 * t.sin(), 0.5 - 0.3 * t.cos(), 0.0];
        }
        let mut matte = vec![0u8; 64 * 64];
        cover_face(&mut matte, &landmarks, 64, 64);
        assert_eq!((matte[32 * 64 + 32], matte[0]), (255, 0));
        let share = matte.iter().filter(|&&v| v == 255).count() as f32 / 4096.0;
        assert!((share - 0.28).abs() < 0.02, "{share}");
        for p in &mut landmarks {
            p[0] -= 0.7;
            p[1] += 3.0;
        }
        cover_face(&mut matte, &landmarks, 64, 64);
        cover_face(&mut matte, &[[f32::NAN; 3]; crate::face::landmark::COUNT], 64, 64);
    }
}
