// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rounds pixels to bytes.

#![allow(
    clippy::needless_range_loop,
    reason = "loops over indices of arrays are what becomes vector instructions"
)]

use multiversion::multiversion;
use wide::{f32x8, i16x8, u8x16};

/// Between 0 and `last`.
#[inline(always)]
pub fn within(v: f32, last: f32) -> f32 {
    let v = if v > 0.0 { v } else { 0.0 };
    if v < last { v } else { last }
}

/// Rounds a run of pixels to RGB8: what overshoots is clamped.
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
pub fn store(pixels: &[[f32; 4]], out: &mut [u8]) {
    let half = f32x8::splat(0.5);
    let (pixels, last) = pixels.as_chunks::<4>();
    let (out, last_out) = out.split_at_mut(pixels.len() * 12);
    for (pixels, out) in pixels.iter().zip(out.as_chunks_mut::<12>().0) {
        let whole = |two: &[f32; 8]| i16x8::from_i32x8_saturate((f32x8::new(*two) + half).fast_trunc_int());
        let [first, second] = pixels.as_flattened().as_chunks::<8>().0 else { continue };
        let bytes = u8x16::narrow_i16x8(whole(first), whole(second)).to_array();
        for (out, pixel) in out.as_chunks_mut::<3>().0.iter_mut().zip(bytes.as_chunks::<4>().0) {
            out.copy_from_slice(&pixel[..3]);
        }
    }
    for (pixel, out) in last.iter().zip(last_out.as_chunks_mut::<3>().0) {
        for c in 0..3 {
            out[c] = (pixel[c] + 0.5) as u8;
        }
    }
}

/// Rounds a run of pixels, whose colours are multiplied by their alpha, to four bytes; red is byte `RED`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2", "x86_64+avx2", "x86_64+sse4.1"))]
pub fn store_alpha<const RED: usize, const STRAIGHT: bool>(pixels: &[[f32; 4]], out: &mut [u8]) {
    for (&[r, g, b, a], out) in pixels.iter().zip(out.as_chunks_mut::<4>().0) {
        let a = within(a, 255.0);
        // Sharp sampling overshoots: no colour is brighter than its alpha allows.
        // What is opaque but for rounding keeps its colours to the bit.
        let scale = if STRAIGHT && a > 0.5 && a < 254.99 { 255.0 / a } else { 1.0 };
        let [r, g, b] = [r, g, b].map(|v| (within(v, a) * scale + 0.5) as u8);
        let a = (a + 0.5) as u8;
        *out = if RED == 0 { [r, g, b, a] } else { [b, g, r, a] };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_rounded_and_clamped_wherever_they_lie_in_a_run() {
        let values = [-1e4, -0.6, 0.0, 0.49, 0.51, 127.5, 254.6, 255.4, 1e4, f32::NAN];
        for count in 0..11 {
            let pixels: Vec<[f32; 4]> =
                (0..count).map(|i| [0, 1, 2, 3].map(|c| values[(3 * i + c) % values.len()])).collect();
            let (mut out, alone) = (vec![7; count * 3 + 2], |v: f32| (v + 0.5) as u8);
            store(&pixels, &mut out);
            let expected: Vec<u8> = pixels.iter().flat_map(|p| [0, 1, 2].map(|c| alone(p[c]))).collect();
            assert_eq!(out[..count * 3], expected);
            assert_eq!(out[count * 3..], [7; 2], "beyond the run");
        }
    }
}
