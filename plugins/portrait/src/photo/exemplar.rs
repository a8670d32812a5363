// SPDX-License-Identifier: MIT OR Apache-2.0
//! Detail for that part of the clean background plate which shows when the head moves: what is beside it goes on there.
//!
//! Pixels of a ring along the known background are copied from a shift away. Where the background is plain, or nothing in it
//! explains the ring's edge, the smooth fill is better and stays.

use super::matte::box_mean;
use super::picture::Picture;
use super::pull_push::{Level, between, pull_push};
use super::shifts::{Scale, Shifts, distances};

/// How deep the ring is, and where it begins to fade into the smooth fill, in pixels of a 512-pixel crop.
const DEEP: f32 = 48.0;
const FADES: f32 = 16.0;

/// How far sources lie at most, and how far from what is unknown at least: hair that the matte missed is not to be copied.
/// In pixels of a 512-pixel crop.
const FAR: f32 = 160.0;
const MARGIN: f32 = 6.0;

/// Width of the picture in which shifts are found, and its smallest side that is worth it, in pixels.
const FINE: usize = 256;
const SMALL: usize = 32;

/// Mean step from pixel to pixel of a background, right and down together in levels, that is plain, and that is detailed.
const PLAIN: (f32, f32) = (4.0, 7.0);

/// Mean squared error of copies at the edge, as a share of the variance there, that is good, and that is useless.
const UNLIKE: (f32, f32) = (0.7, 1.2);

/// Variance that is noise.
const NOISE: f32 = 30.0;

/// Radii over which detail and errors are averaged, and over which the shares are smoothed, in pixels of the fine picture.
const AROUND: usize = 10;
const ALONG: usize = 8;
const SOFT: usize = 3;

/// What a copy lacks at the edge, at most, in levels: more is another thing rather than another light.
const LACK: f32 = 30.0;

/// Fewer pixels than this are not worth it.
const FEW: usize = 64;

/// Copies background into the ring of a plate, which is filled smoothly where it is not `known`; where it is `nearly`, which
/// includes that, the photo can be compared with.
pub(super) fn refine(photo: &Picture, plate: &mut Picture, known: &[bool], nearly: &[bool]) {
    let step = (plate.width / FINE).max(1);
    let (width, height) = (plate.width / step, plate.height / step);
    if width.min(height) < SMALL {
        return;
    }
    let unit = width as f32 / 512.0;
    let deep = (DEEP * unit) as u16;
    let whole = cells(known, plate.width, step, width, height);
    let (depth, nearest) = distances(&whole, width, height, deep);
    let nearly = cells(nearly, plate.width, step, width, height);
    let mut colours = means(plate, step, width, height);
    let own = colours.iter_mut().zip(means(photo, step, width, height)).zip(&nearly);
    own.filter(|(_, nearly)| **nearly).for_each(|((colour, own), _)| *colour = own);
    let mut fine = Scale { width, height, colours, known: whole, nearly, depth, ring: Vec::new() };
    let detail = detail(&fine);
    let mut share: Vec<f32> = (0..width * height)
        .map(|i| {
            let fade = (DEEP - f32::from(fine.depth[i]) / unit) / (DEEP - FADES);
            let busy = (detail[nearest[i]] - PLAIN.0) / (PLAIN.1 - PLAIN.0);
            if fine.depth[i] == 0 { 0.0 } else { busy.clamp(0.0, 1.0) * fade.clamp(0.0, 1.0) }
        })
        .collect();
    fine.ring = share.iter().map(|&v| v > 0.0).collect();
    if fine.ring.iter().filter(|&&v| v).count() < FEW {
        return;
    }
    let mut shifts = Shifts::new(&fine, deep, (FAR * unit) as i16, (MARGIN * unit) as usize);
    shifts.grow();
    shifts.improve();
    let lacks = judge(&shifts, width, height, &nearest, &mut share);
    copy(plate, known, step, &shifts, &Judged { width, height, share, lacks });
}

/// How much of the copies is taken, and what is added to them, in the fine picture.
struct Judged {
    width: usize,
    height: usize,
    share: Vec<f32>,
    lacks: Vec<[f32; 4]>,
}

/// Which cells of `step` x `step` pixels are all known.
fn cells(known: &[bool], row: usize, step: usize, width: usize, height: usize) -> Vec<bool> {
    let mut whole = vec![true; width * height];
    for (y, line) in known.chunks_exact(row).take(height * step).enumerate() {
        let cells = &mut whole[y / step * width..][..width];
        cells
            .iter_mut()
            .zip(line.chunks_exact(step))
            .for_each(|(cell, known)| *cell &= !known.contains(&false));
    }
    whole
}

/// Mean colours of cells of `step` x `step` pixels.
fn means(picture: &Picture, step: usize, width: usize, height: usize) -> Vec<[f32; 3]> {
    let mut sums = vec![[0u32; 3]; width * height];
    for (y, line) in picture.rgb.chunks_exact(picture.width * 3).take(height * step).enumerate() {
        let cells = &mut sums[y / step * width..][..width];
        for (sum, pixels) in cells.iter_mut().zip(line.chunks_exact(step * 3)) {
            for pixel in pixels.as_chunks::<3>().0 {
                (0..3).for_each(|c| sum[c] += u32::from(pixel[c]));
            }
        }
    }
    sums.iter().map(|sum| sum.map(|v| v as f32 / (step * step) as f32)).collect()
}

/// Mean step from pixel to pixel in the known surroundings of each pixel.
fn detail(scale: &Scale) -> Vec<f32> {
    let (width, height) = (scale.width, scale.height);
    let luma: Vec<f32> = scale.colours.iter().map(|c| (c[0] + c[1] + c[2]) / 3.0).collect();
    let (mut steps, mut counts) = (vec![0.0f32; luma.len()], vec![0.0f32; luma.len()]);
    for i in (0..width * (height - 1)).filter(|i| (i + 1) % width > 0) {
        if [i, i + 1, i + width].iter().all(|&k| scale.known[k]) {
            steps[i] = (luma[i] - luma[i + 1]).abs() + (luma[i] - luma[i + width]).abs();
            counts[i] = 1.0;
        }
    }
    let [steps, counts] = [steps, counts].map(|plane| box_mean(&plane, width, height, AROUND));
    steps.iter().zip(&counts).map(|(s, n)| if *n > 1e-6 { s / n } else { 0.0 }).collect()
}

/// Lowers the share of copies where they do not explain the ring's edge, and says what they lack.
fn judge(
    shifts: &Shifts,
    width: usize,
    height: usize,
    nearest: &[usize],
    share: &mut Vec<f32>,
) -> Vec<[f32; 4]> {
    let mut lacks = vec![[0.0f32; 4]; width * height];
    let (mut off, mut variance) = (vec![0.0f32; width * height], vec![0.0f32; width * height]);
    for ([x, y], [r, g, b], error, varies) in shifts.misses() {
        let i = y * width + x;
        lacks[i] = [r, g, b, 1.0].map(|v| v.clamp(-LACK, LACK));
        (off[i], variance[i]) = (error, varies + NOISE);
    }
    let [off, variance] = [off, variance].map(|plane| box_mean(&plane, width, height, ALONG));
    for (i, share) in share.iter_mut().enumerate().filter(|(_, share)| **share > 0.0) {
        let ratio = off[nearest[i]] / variance[nearest[i]].max(1e-3);
        *share *= ((UNLIKE.1 - ratio) / (UNLIKE.1 - UNLIKE.0)).clamp(0.0, 1.0);
    }
    *share = box_mean(share, width, height, SOFT);
    pull_push(Level { width, height, pixels: lacks })
}

/// Copies into the plate by shifts of the fine picture; where they differ, pixels are mixed.
fn copy(plate: &mut Picture, known: &[bool], step: usize, shifts: &Shifts, judged: &Judged) {
    let photo = plate.rgb.clone();
    let (width, height) = (plate.width, plate.height);
    let pixel = |x: usize, y: usize, [dx, dy]: [i16; 2]| {
        let along = |v: usize, by: i16, length: usize| {
            v.saturating_add_signed(isize::from(by) * step as isize).min(length - 1)
        };
        let at = along(y, dy, height) * width + along(x, dx, width);
        [0, 1, 2].map(|c| f32::from(photo[at * 3 + c]))
    };
    let stride = shifts.place(0, 1) - shifts.place(0, 0);
    for cell in (0..judged.share.len()).filter(|&cell| judged.share[cell] > 1e-6) {
        let (column, row) = (cell % judged.width, cell / judged.width);
        let middle = shifts.place(column, row);
        let around: [_; 9] = std::array::from_fn(|k| shifts.at(middle + k / 3 * stride + k % 3 - stride - 1));
        let Some((first, _)) = around[4] else { continue };
        let alike = around.iter().all(|at| at.is_some_and(|(shift, _)| shift == first));
        for (x, y) in (0..step * step).map(|k| (column * step + k % step, row * step + k / step)) {
            let i = y * width + x;
            if known[i] {
                continue;
            }
            let at = [x, y].map(|v| (v as f32 + 0.5) / step as f32 - 0.5);
            let copied = if alike {
                pixel(x, y, first)
            } else {
                let mut sum = [0.0f32; 4];
                for (k, (shift, worth)) in
                    around.iter().enumerate().filter_map(|(k, at)| at.map(|at| (k, at)))
                {
                    let near = |at: f32, cell: usize, k: usize| {
                        (1.5 - (cell as f32 + k as f32 - 1.0 - at).abs()).max(0.0)
                    };
                    let weight = worth * near(at[0], column, k % 3) * near(at[1], row, k / 3);
                    let [r, g, b] = pixel(x, y, shift);
                    sum = [sum[0] + weight * r, sum[1] + weight * g, sum[2] + weight * b, sum[3] + weight];
                }
                [0, 1, 2].map(|c| sum[c] / sum[3])
            };
            let lack = between(&judged.lacks, judged.width, judged.height, at);
            for (c, out) in plate.rgb[i * 3..][..3].iter_mut().enumerate() {
                let smooth = f32::from(*out);
                let mixed = smooth + (copied[c] + lack[c] - smooth) * judged.share[cell];
                *out = (mixed + 0.5).clamp(0.0, 255.0) as u8;
            }
        }
    }
}
