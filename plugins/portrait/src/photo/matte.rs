// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which pixels of the crop are the person.
//!
//! The segmentation network answers at half the resolution and softly; a guided filter (K. He et al., ECCV 2010) on
//! the picture's luminance moves its edge to that of the hair.

use super::crop::Crop;
use super::picture::Picture;
use crate::face::find::{Outside, RgbView, Roi, sample};
use crate::face::landmark::indices::OVAL;
use crate::face::pixel::{BT601, mix, single, tap};
use crate::face::step::smooth_step;
use crate::pack::{PackError, Stage};

/// Side of the network's input and output.
const SIZE: usize = 256;

/// Radius of the guided filter's window in pixels.
const RADIUS: usize = 6;

/// How flat (variance of luminance, 0..1) a window must be for its matte to be smoothed and not steered by the picture.
const FLATNESS: f32 = 4e-4;

/// Coverage taken for none, and for all: the network is rarely sure.
const CERTAIN: (f32, f32) = (0.1, 0.9);

/// Coverage from which neighbours hold together, below what share of all that is covered a part of its own is nobody's, and how
/// far less coverage reaches around the others: stray hair; in pixels.
const TOGETHER: u8 = 64;
const ISLAND: f32 = 0.05;
const STRAY: usize = 12;

/// Shares of the channels in the luminance.
const LUMA: [f32; 3] = single(BT601);

/// The network sees the crop, and a square this much wider: a hat that the crop cuts is a person's only with its top.
const CONTEXTS: [f32; 2] = [1.0, 1.3];

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
    let mut rough = vec![0.0f32; width * height];
    let [x, y] = [crop.x, crop.y].map(|v| v + crop.side / 2.0);
    for context in CONTEXTS {
        let coarse = segment(stage, photo, Roi { x, y, side: context * crop.side, angle: 0.0 })?;
        let seen = enlarge(&coarse, SIZE, context, width, height);
        rough.iter_mut().zip(seen).for_each(|(r, s)| *r = r.max(s));
    }
    let (pixels, _) = picture.rgb.as_chunks::<3>();
    let luminance: Vec<f32> = pixels
        .iter()
        .map(|&[r, g, b]| (LUMA[0] * f32::from(r) + LUMA[1] * f32::from(g) + LUMA[2] * f32::from(b)) / 255.0)
        .collect();
    let fine = guided_filter(&luminance, &rough, width, height);
    let mut matte: Vec<u8> = fine.iter().map(|&v| (255.0 * certainty(v) + 0.5) as u8).collect();
    cover_face(&mut matte, landmarks, width, height);
    drop_islands(&mut matte, width, height);
    Ok(matte)
}

fn certainty(value: f32) -> f32 {
    smooth_step((value - CERTAIN.0) / (CERTAIN.1 - CERTAIN.0))
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

/// The matte as a locally linear function of the guide.
fn guided_filter(guide: &[f32], matte: &[f32], width: usize, height: usize) -> Vec<f32> {
    let mean = |values: &[f32]| box_mean(values, width, height, RADIUS);
    let product = |a: &[f32], b: &[f32]| -> Vec<f32> { a.iter().zip(b).map(|(a, b)| a * b).collect() };
    let (mean_guide, mean_matte) = (mean(guide), mean(matte));
    let (square, cross) = (mean(&product(guide, guide)), mean(&product(guide, matte)));
    let slope: Vec<f32> = (0..guide.len())
        .map(|i| {
            let variance = square[i] - mean_guide[i] * mean_guide[i];
            (cross[i] - mean_guide[i] * mean_matte[i]) / (variance + FLATNESS)
        })
        .collect();
    let offset: Vec<f32> = (0..guide.len()).map(|i| mean_matte[i] - slope[i] * mean_guide[i]).collect();
    let (slope, offset) = (mean(&slope), mean(&offset));
    (0..guide.len()).map(|i| slope[i] * guide[i] + offset[i]).collect()
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

/// Takes small parts that do not hang together with the rest for background: the network sees faces in flags and leaves.
fn drop_islands(matte: &mut [u8], width: usize, height: usize) {
    let mut part = vec![0u32; matte.len()];
    let mut sizes = vec![0usize];
    let mut open = Vec::new();
    for start in 0..matte.len() {
        if part[start] != 0 || matte[start] < TOGETHER {
            continue;
        }
        let own = sizes.len() as u32;
        part[start] = own;
        open.push(start);
        let mut size = 0;
        while let Some(at) = open.pop() {
            size += 1;
            let x = at % width;
            let beside = [(x > 0).then(|| at - 1), (x + 1 < width).then_some(at + 1)];
            for next in beside.into_iter().flatten().chain(at.checked_sub(width)).chain([at + width]) {
                if matte.get(next).is_some_and(|&m| m >= TOGETHER) && part[next] == 0 {
                    part[next] = own;
                    open.push(next);
                }
            }
        }
        sizes.push(size);
    }
    let least = sizes.iter().sum::<usize>() as f32 * ISLAND;
    let kept = |&part: &u32| part != 0 && sizes[part as usize] as f32 >= least;
    let person: Vec<f32> = part.iter().map(|part| f32::from(u8::from(kept(part)))).collect();
    let near = box_mean(&person, width, height, STRAY);
    for (m, (part, near)) in matte.iter_mut().zip(part.iter().zip(near)) {
        if near < 1e-6 || *part != 0 && !kept(part) {
            *m = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_parts_that_hang_on_nothing_are_background_and_large_ones_are_a_person() {
        let (w, h) = (100, 60);
        let covered = |x: usize, y: usize| match (x, y) {
            (30..60, 10..60) => 255,       // a person
            (60..66, 30..31) => 40,        // with a strand of hair
            (70..90, 20..35) => 200,       // and a hand
            (2..9, 2..9) => 120,           // and a star on a flag
            (9..30, 4..6) => TOGETHER - 1, // that a haze connects
            _ => 0,
        };
        let mut matte: Vec<u8> = (0..w * h).map(|i| covered(i % w, i / w)).collect();
        let before = matte.clone();
        drop_islands(&mut matte, w, h);
        for (i, (after, before)) in matte.iter().zip(before).enumerate() {
            // The haze goes where it is farther from the person than stray hair.
            let star = i / w < 9 && i % w < 30 - STRAY;
            assert_eq!(*after, if star { 0 } else { before }, "{} {}", i % w, i / w);
        }
        let mut nobody = vec![0; w * h];
        drop_islands(&mut nobody, w, h);
        assert_eq!(nobody, vec![0; w * h]);
    }

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
    fn a_rough_matte_takes_the_edge_of_the_picture() {
        // The picture's edge lies at column 32, the rough matte's ramp from 26 to 44.
        let (w, h) = (64, 32);
        let guide: Vec<f32> = (0..w * h).map(|i| if i % w < 32 { 0.2 } else { 0.8 }).collect();
        let rough: Vec<f32> = (0..w * h).map(|i| ((i % w) as f32 / 18.0 - 1.44).clamp(0.0, 1.0)).collect();
        let fine = guided_filter(&guide, &rough, w, h);
        let line = &fine[16 * w..][..w];
        let (before, after) = (rough[32] - rough[31], line[32] - line[31]);
        assert!(after > 4.0 * before, "{before} {after}");
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
