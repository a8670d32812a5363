// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a picture is read between its pixels, and what a colour's brightness is.
//!
//! Products and sums stay separate operations (no fused multiply-add), so that every instruction set gives the same
//! bits and a picture does not depend on the machine's vector width.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m128, _mm_add_ps, _mm_mul_ps, _mm_sub_ps};

/// Shares of red, green and blue in the luma by BT.601 (photos, small video) and by BT.709 (sRGB, high definition).
pub const BT601: [f64; 3] = [0.299, 0.587, 0.114];
pub const BT709: [f64; 3] = [0.2126, 0.7152, 0.0722];

/// The same in single precision.
pub const fn single([r, g, b]: [f64; 3]) -> [f32; 3] {
    [r as f32, g as f32, b as f32]
}

/// The two neighbours of a sample and the weight of the second.
#[derive(Clone, Copy, Debug)]
pub struct Tap {
    /// First neighbour.
    pub a: usize,
    /// Second neighbour.
    pub b: usize,
    /// Weight of `b`.
    pub t: f32,
}

/// Neighbours of position `at` (in samples, sample 0 at 0.0) in a line of `n` samples, clamped at the ends.
#[inline(always)]
pub fn tap(at: f32, n: usize) -> Tap {
    let at = at.clamp(0.0, (n - 1) as f32);
    let a = at as usize;
    Tap { a, b: (a + 1).min(n - 1), t: at - a as f32 }
}

/// Mixes four neighbours, left to right and then top to bottom, at a place between them.
#[inline(always)]
pub fn mix([a, b, c, d]: [f32; 4], x: f32, y: f32) -> f32 {
    let (top, bottom) = (a + (b - a) * x, c + (d - c) * x);
    top + (bottom - top) * y
}

/// Four numbers between those of `a` and `b`: the steps of [`mix`].
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
pub(crate) fn between(a: __m128, b: __m128, t: __m128) -> __m128 {
    _mm_add_ps(a, _mm_mul_ps(_mm_sub_ps(b, a), t))
}

/// A bilinear sample at column `x`, row `y` (pixel centres lie on whole numbers) of a picture of that size, clamped at its
/// border; `pixel` gives the channels of a column and a row.
#[inline(always)]
pub fn bilinear<const C: usize>(
    [width, height]: [usize; 2],
    [x, y]: [f32; 2],
    pixel: impl Fn(usize, usize) -> [f32; C],
) -> [f32; C] {
    let (tx, ty) = (tap(x, width), tap(y, height));
    let (a, b) = (pixel(tx.a, ty.a), pixel(tx.b, ty.a));
    let (c, d) = (pixel(tx.a, ty.b), pixel(tx.b, ty.b));
    let mut out = [0.0; C];
    for k in 0..C {
        out[k] = mix([a[k], b[k], c[k], d[k]], tx.t, ty.t);
    }
    out
}

/// Catmull-Rom weights of the four neighbours at a fraction between the inner two.
#[inline(always)]
pub fn catmull_rom(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [t2 - 0.5 * (t + t3), 1.0 - 2.5 * t2 + 1.5 * t3, 0.5 * t + 2.0 * t2 - 1.5 * t3, 0.5 * (t3 - t2)]
}

/// The same curve at any distance from a sample, for kernels that are wider than the samples' own distance.
pub fn catmull_rom_at(distance: f32) -> f32 {
    let x = distance.abs();
    if x < 1.0 {
        1.5 * x * x * x - 2.5 * x * x + 1.0
    } else if x < 2.0 {
        -0.5 * x * x * x + 2.5 * x * x - 4.0 * x + 2.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luma_weights_are_those_of_the_standards_in_both_precisions() {
        for (weights, [r, g, b]) in [(BT601, [0.299, 0.587, 0.114]), (BT709, [0.2126, 0.7152, 0.0722_f32])] {
            assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert_eq!(single(weights), [r, g, b]);
        }
    }

    #[test]
    fn both_forms_of_the_cubic_are_one_curve() {
        for i in 0..=100 {
            let t = i as f32 / 100.0;
            let at = [1.0 + t, t, 1.0 - t, 2.0 - t].map(catmull_rom_at);
            for (weight, same) in catmull_rom(t).into_iter().zip(at) {
                assert!((weight - same).abs() < 1e-5, "{t}: {weight} {same}");
            }
        }
    }

    #[test]
    fn a_plane_is_read_as_it_is_and_clamped_beyond() {
        let plane = |x: usize, y: usize| [3.0 * x as f32 - 2.0 * y as f32];
        for (at, expected) in [([1.25, 0.5], 2.75), ([-3.0, 1.0], -2.0), ([9.0, 9.0], 5.0)] {
            assert_eq!(bilinear([4, 3], at, plane), [expected]);
        }
    }
}
