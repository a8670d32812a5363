// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rounds pixels to bytes.

#![allow(
    clippy::needless_range_loop,
    reason = "loops over indices of arrays are what becomes vector instructions"
)]

use multiversion::multiversion;

/// Between 0 and `last`.
#[inline(always)]
pub fn within(v: f32, last: f32) -> f32 {
    let v = if v > 0.0 { v } else { 0.0 };
    if v < last { v } else { last }
}

/// Rounds a run of pixels to RGB8.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2", "x86_64+avx2", "x86_64+sse4.1"))]
pub fn store(pixels: &[[f32; 4]], out: &mut [u8]) {
    for (pixel, out) in pixels.iter().zip(out.as_chunks_mut::<3>().0) {
        for c in 0..3 {
            // A saturating cast: what overshoots is clamped.
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
