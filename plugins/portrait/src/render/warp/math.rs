// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small functions that vectorise: exponential, tanh, bilinear taps.
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
}
