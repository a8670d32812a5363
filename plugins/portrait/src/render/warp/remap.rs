// SPDX-License-Identifier: MIT OR Apache-2.0
//! Samples the person's layer where the flow says and lays it over the background.

#![allow(
    clippy::needless_range_loop,
    reason = "loops over indices of arrays are what becomes vector instructions"
)]

use multiversion::multiversion;

use super::layers::{Layers, STEPS};
use super::math::bilinear_rgb;
use super::points::Point;
use super::store::within;
use crate::face::pixel::catmull_rom;

/// Samples a run of pixels of one row: `x`, `y` are positions in the region's pixels, `back` the background there, four
/// bytes a pixel. Pixels come out multiplied by their alpha.
///
/// Catmull-Rom, not bilinear: it returns the pixels themselves where nothing moves and keeps them sharp between, so
/// that sharpness does not pulse while the head moves by fractions of a pixel.
pub fn person_over(layers: &Layers, x: &[f32], y: &[f32], back: &[u8], out: &mut [[f32; 4]]) {
    over(&layers.person, layers.stride, layers.width, layers.height, x, y, back, out);
}

/// Pixels whose taps are computed together.
const TILE: usize = 64;

/// Where the samples of a tile are and what each of their 4 x 4 taps weighs.
struct Taps {
    first: [u32; TILE],
    x: [[f32; TILE]; 4],
    y: [[f32; TILE]; 4],
}

impl Taps {
    #[inline(always)]
    fn set(&mut self, x: &[f32], y: &[f32], right: f32, bottom: f32, stride: i32) {
        // Whole tiles of known length, or the compiler finds no vectors here.
        let (mut tx, mut ty) = ([0.0_f32; TILE], [0.0_f32; TILE]);
        tx[..x.len()].copy_from_slice(x);
        ty[..y.len()].copy_from_slice(y);
        for i in 0..TILE {
            let (x, y) = (within(tx[i], right), within(ty[i], bottom));
            let (ix, iy) = (x as i32, y as i32);
            self.first[i] = iy.wrapping_mul(stride).wrapping_add(ix) as u32;
            tx[i] = x - ix as f32;
            ty[i] = y - iy as f32;
        }
        for i in 0..TILE {
            [self.x[0][i], self.x[1][i], self.x[2][i], self.x[3][i]] = catmull_rom(tx[i]);
        }
        for i in 0..TILE {
            [self.y[0][i], self.y[1][i], self.y[2][i], self.y[3][i]] = catmull_rom(ty[i]);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2", "x86_64+avx2", "x86_64+sse4.1"))]
fn over(
    person: &[[i16; 4]],
    stride: usize,
    width: usize,
    height: usize,
    x: &[f32],
    y: &[f32],
    back: &[u8],
    out: &mut [[f32; 4]],
) {
    let (right, bottom) = ((width - 1) as f32, (height - 1) as f32);
    let mut taps = Taps { first: [0; TILE], x: [[0.0; TILE]; 4], y: [[0.0; TILE]; 4] };
    let tiles = x.chunks(TILE).zip(y.chunks(TILE)).zip(out.chunks_mut(TILE)).zip(back.chunks(TILE * 4));
    // Each step the same way for all that it takes, or the compiler finds no vectors here.
    for (((x, y), out), back) in tiles {
        taps.set(x, y, right, bottom, stride as i32);
        let mut columns = [[[0.0_f32; 4]; 4]; TILE];
        for i in 0..x.len() {
            let first = taps.first[i] as usize;
            let row = |k: usize| {
                person.get(first + k * stride..).and_then(|p| p.as_flattened().first_chunk::<16>())
            };
            let (Some(r0), Some(r1), Some(r2), Some(r3)) = (row(0), row(1), row(2), row(3)) else { continue };
            let weights = |w: &[[f32; TILE]; 4]| [w[0][i], w[1][i], w[2][i], w[3][i]];
            let (wx, wy) = (weights(&taps.x), weights(&taps.y));
            let columns = columns[i].as_flattened_mut();
            for k in 0..16 {
                columns[k] = (f32::from(r0[k]) * wy[0]
                    + f32::from(r1[k]) * wy[1]
                    + f32::from(r2[k]) * wy[2]
                    + f32::from(r3[k]) * wy[3])
                    * wx[k / 4];
            }
        }
        let mut sums = [[0.0_f32; 4]; TILE];
        for (sum, [a, b, c, d]) in sums.iter_mut().zip(&columns) {
            for k in 0..4 {
                sum[k] = a[k] + b[k] + c[k] + d[k];
            }
        }
        let mut through = [1.0_f32; TILE];
        for i in 0..TILE {
            sums[i][3] = within(sums[i][3], 255.0 * STEPS);
            through[i] = 1.0 - sums[i][3] * (1.0 / (255.0 * STEPS));
        }
        for (((out, back), sum), through) in
            out.iter_mut().zip(back.as_chunks::<4>().0).zip(&sums).zip(&through)
        {
            for c in 0..4 {
                out[c] = sum[c] * (1.0 / STEPS) + f32::from(back[c]) * through;
            }
        }
    }
}

/// A Catmull-Rom sample of an RGB8 square at a place in pixels, clamped at its border.
pub fn sharp(rgb: &[u8], side: usize, [x, y]: Point) -> [f32; 3] {
    let last = (side - 1) as f32;
    let taps = [x, y].map(|v| {
        let v = within(v, last);
        let first = v as usize;
        (first, catmull_rom(v - first as f32))
    });
    let mut sum = [0.0; 3];
    let at = |first: usize, k: usize| (first + k).saturating_sub(1).min(side - 1);
    for (j, wy) in taps[1].1.into_iter().enumerate() {
        for (i, wx) in taps[0].1.into_iter().enumerate() {
            let pixel = &rgb[(at(taps[1].0, j) * side + at(taps[0].0, i)) * 3..][..3];
            for (sum, value) in sum.iter_mut().zip(pixel) {
                *sum += f32::from(*value) * (wx * wy);
            }
        }
    }
    sum
}

/// Three planes of a patch, values 0 to 1: bilinear samples of an RGB8 square at picture units, clamped at its border.
pub fn patch(rgb: &[u8], side: usize, x: &[f32], y: &[f32], out: &mut [f32]) {
    let area = x.len();
    let (red, rest) = out.split_at_mut(area);
    let (green, blue) = rest.split_at_mut(area);
    for i in 0..area {
        let at = [x[i], y[i]].map(|unit| unit * side as f32 - 0.5);
        [red[i], green[i], blue[i]] = bilinear_rgb(rgb, side, at).map(|v| v * (1.0 / 255.0));
    }
}
