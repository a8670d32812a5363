// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small functions that vectorise: exponential, tanh, bilinear taps and samples.
//!
//! Products and sums stay separate operations (no fused multiply-add), so that every instruction set gives the same
//! bits and a picture does not depend on the machine's vector width.

/// `e^x` for `x <= 0`, relative error below 5e-6 (the argument's rounding); underflows to about 1e-38.
#[inline(always)]
pub fn exp_negative(x: f32) -> f32 {
    // 1.5 * 2^23: adding it leaves the nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let z = (if x > -87.0 { x } else { -87.0 }) * std::f32::consts::LOG2_E;
    let shifted = z + ROUND;
    let f = (z - (shifted - ROUND)) * std::f32::consts::LN_2;
    let p = 1.0 + f * (1.0 + f * (0.5 + f * (1.0 / 6.0 + f * (1.0 / 24.0 + f * (1.0 / 120.0 + f / 720.0)))));
    let scale = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    p * scale
}

/// Hyperbolic tangent, absolute error below 1e-6.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let e = exp_negative(-2.0 * x.abs());
    let y = (1.0 - e) / (1.0 + e);
    if x < 0.0 { -y } else { y }
}

pub use crate::face::pixel::{Tap, tap};
pub use crate::face::step::smooth_step;

use wide::f32x4;

use super::store::within;
use crate::face::pixel;

/// Taps that resize a line of `from` samples to `to` samples; borders of both are aligned, ends are clamped.
pub fn resize_taps(from: usize, to: usize) -> Vec<Tap> {
    let ratio = from as f32 / to as f32;
    (0..to).map(|i| tap((i as f32 + 0.5) * ratio - 0.5, from)).collect()
}

/// Resizes a square plane by those taps in both directions.
pub fn resize(plane: &[f32], side: usize, taps: &[Tap], out: &mut [f32]) {
    for (row, ty) in out.chunks_exact_mut(taps.len()).zip(taps) {
        let (above, below) = (&plane[ty.a * side..][..side], &plane[ty.b * side..][..side]);
        for (value, tx) in row.iter_mut().zip(taps) {
            let top = above[tx.a] + (above[tx.b] - above[tx.a]) * tx.t;
            let bottom = below[tx.a] + (below[tx.b] - below[tx.a]) * tx.t;
            *value = top + (bottom - top) * ty.t;
        }
    }
}

/// A bilinear sample of a square plane, clamped at its border; positions in samples.
#[inline(always)]
pub fn sample(plane: &[f32], side: usize, x: f32, y: f32) -> f32 {
    bilinear(plane.as_chunks::<1>().0, side, x, y)[0]
}

/// The same of a square plane of `C` channels.
#[inline(always)]
pub fn bilinear<const C: usize>(plane: &[[f32; C]], side: usize, x: f32, y: f32) -> [f32; C] {
    pixel::bilinear([side; 2], [x, y], |x, y| plane[y * side + x])
}

/// The same of a square RGB8 picture.
#[inline(always)]
pub fn bilinear_rgb(rgb: &[u8], side: usize, at: [f32; 2]) -> [f32; 3] {
    pixel::bilinear([side; 2], at, |x, y| {
        let p = &rgb[(y * side + x) * 3..][..3];
        [f32::from(p[0]), f32::from(p[1]), f32::from(p[2])]
    })
}

/// Samples that are placed together.
pub const TILE: usize = 32;

/// The numbers from 0 on.
pub const COUNT: [f32; TILE] = {
    let mut count = [0.0; TILE];
    let mut i = 0;
    while i < TILE {
        count[i] = i as f32;
        i += 1;
    }
    count
};

/// Where a tile of bilinear samples lies in a square plane.
pub struct Places {
    /// First of the four neighbours.
    first: [u32; TILE],
    /// Way from there, right and down, 0 to 1.
    x: [f32; TILE],
    y: [f32; TILE],
}

impl Places {
    /// Nowhere yet.
    pub const fn new() -> Self {
        Self { first: [0; TILE], x: [0.0; TILE], y: [0.0; TILE] }
    }

    /// Takes positions in samples of a plane of `side` of them, clamped at its border.
    #[inline(always)]
    pub fn set(&mut self, side: usize, x: &[f32; TILE], y: &[f32; TILE]) {
        let (last, before, stride) = ((side - 1) as f32, side as i32 - 2, side as i32);
        for i in 0..TILE {
            let (x, y) = (within(x[i], last), within(y[i], last));
            // SAFETY: both are numbers within the plane, which has fewer than 2^31 samples. The checks of a plain conversion
            // would be done one by one.
            let (a, b): (i32, i32) = unsafe { (x.to_int_unchecked(), y.to_int_unchecked()) };
            let a = if a < before { a } else { before };
            let b = if b < before { b } else { before };
            self.first[i] = b.wrapping_mul(stride).wrapping_add(a) as u32;
            (self.x[i], self.y[i]) = (x - a as f32, y - b as f32);
        }
    }

    /// Sample `i`; `near` gives its neighbours, counted from the first: itself, the next, those of the row below.
    #[inline(always)]
    pub fn mix(&self, i: usize, [a, b, c, d]: [f32x4; 4]) -> f32x4 {
        let (x, y) = (f32x4::splat(self.x[i]), f32x4::splat(self.y[i]));
        let (top, bottom) = (a + (b - a) * x, c + (d - c) * x);
        top + (bottom - top) * y
    }

    /// The first neighbour of sample `i`.
    #[inline(always)]
    pub fn first(&self, i: usize) -> usize {
        self.first[i] as usize
    }

    /// Sample `i` of a plane of four channels, which are worked on together.
    #[inline(always)]
    pub fn sample(&self, i: usize, plane: &[[f32; 4]], side: usize) -> f32x4 {
        let first = self.first(i);
        let Some(near) = plane.get(first..first + side + 2) else { return f32x4::ZERO };
        let at = |k: usize| f32x4::new(near[k]);
        self.mix(i, [at(0), at(1), at(side), at(side + 1)])
    }
}

/// Numbers from 0 to 1, the same each time.
#[cfg(test)]
pub fn noise() -> impl FnMut() -> f32 {
    let mut state = 1_u32;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_and_tanh_are_those_of_the_library() {
        for i in 0..4000 {
            let x = -(i as f32) * 0.02;
            assert!((exp_negative(x) - x.exp()).abs() <= 5e-6 * x.exp() + 1e-37, "{x}");
            let x = (i as f32 - 2000.0) * 0.005;
            assert!((tanh(x) - x.tanh()).abs() < 1e-6, "{x}");
        }
        assert!(exp_negative(f32::NEG_INFINITY) >= 0.0);
    }

    #[test]
    fn a_tile_of_samples_is_what_each_is_alone() {
        let (mut next, side) = (noise(), 9);
        let plane: Vec<[f32; 4]> = (0..side * side).map(|_| [(); 4].map(|()| next() * 50.0 - 20.0)).collect();
        let mut at = [[0.0; TILE]; 2];
        at.iter_mut().flatten().for_each(|v| *v = next() * 14.0 - 3.0);
        (at[0][0], at[1][1], at[0][2], at[1][2]) = (8.0, 8.0, f32::NAN, 1e9);
        let mut places = Places::new();
        places.set(side, &at[0], &at[1]);
        for i in 0..TILE {
            let x = if at[0][i].is_nan() { 0.0 } else { at[0][i] };
            let alone = bilinear(&plane, side, x, at[1][i]);
            for (a, b) in places.sample(i, &plane, side).to_array().into_iter().zip(alone) {
                assert!((a - b).abs() < 2e-5, "{i}: {a}, alone {b}");
            }
        }
    }
}
