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
    let (pixels, last) = pixels.as_chunks::<4>();
    let (out, last_out) = out.split_at_mut(pixels.len() * 12);
    for (pixels, out) in pixels.iter().zip(out.as_chunks_mut::<12>().0) {
        let [first, second] = pixels.as_flattened().as_chunks::<8>().0 else { continue };
        let bytes = u8x16::narrow_i16x8(whole(f32x8::new(*first)), whole(f32x8::new(*second))).to_array();
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
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
pub fn store_alpha<const RED: usize, const STRAIGHT: bool>(pixels: &[[f32; 4]], out: &mut [u8]) {
    let (fours, last) = pixels.as_chunks::<4>();
    let mut rest = [[0.0; 4]; 4];
    rest[..last.len()].copy_from_slice(last);
    for (four, out) in fours.iter().chain([&rest]).zip(out.chunks_mut(16)) {
        let [first, second] = [0, 2].map(|i| whole(straight::<STRAIGHT>(four[i], four[i + 1])));
        let mut bytes = u8x16::narrow_i16x8(first, second).to_array();
        if RED != 0 {
            bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|pixel| pixel.swap(0, 2));
        }
        out.copy_from_slice(&bytes[..out.len()]);
    }
}

/// Two pixels within what their alpha allows, as sharp sampling overshoots; not multiplied by it, if `STRAIGHT`.
#[inline(always)]
fn straight<const STRAIGHT: bool>(a: [f32; 4], b: [f32; 4]) -> f32x8 {
    let (x, y) = (within(a[3], 255.0), within(b[3], 255.0));
    // What is opaque but for rounding keeps its colours to the bit.
    let scale = |a: f32| if STRAIGHT && a > 0.5 && a < 254.99 { 255.0 / a } else { 1.0 };
    let (s, t) = (scale(x), scale(y));
    let pixels = f32x8::new([a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]]);
    let most = f32x8::new([x, x, x, x, y, y, y, y]);
    pixels.fast_max(f32x8::ZERO).fast_min(most) * f32x8::new([s, s, s, 1.0, t, t, t, 1.0])
}

/// Rounds the numbers of two pixels.
#[inline(always)]
fn whole(two: f32x8) -> i16x8 {
    i16x8::from_i32x8_saturate((two + f32x8::splat(0.5)).fast_trunc_int())
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

    #[test]
    fn colours_are_no_brighter_than_their_alpha_and_not_multiplied_if_asked() {
        let alphas = [-3.0, 0.0, 0.4, 0.6, 17.3, 128.0, 254.98, 254.995, 255.0, 261.0, f32::NAN];
        let pixels: Vec<[f32; 4]> = alphas
            .iter()
            .flat_map(|&alpha| [-9.0, 0.2, 40.7, 128.0, 300.0].map(|c| [c, c / 2.0, c - 1.0, alpha]))
            .collect();
        for count in [0, 1, 3, 4, 6, pixels.len()] {
            let pixels = &pixels[..count];
            let stored = |store: fn(&[[f32; 4]], &mut [u8])| {
                let mut out = vec![7; count * 4];
                store(pixels, &mut out);
                out
            };
            let alone = |pixel: [f32; 4], straight: bool| {
                let alpha = within(pixel[3], 255.0);
                let scale = if straight && alpha > 0.5 && alpha < 254.99 { 255.0 / alpha } else { 1.0 };
                let [r, g, b] = [0, 1, 2].map(|c| (within(pixel[c], alpha) * scale + 0.5) as u8);
                [r, g, b, (alpha + 0.5) as u8]
            };
            for (straight, rgba, bgra) in [
                (true, stored(store_alpha::<0, true>), stored(store_alpha::<2, true>)),
                (false, stored(store_alpha::<0, false>), stored(store_alpha::<2, false>)),
            ] {
                let expected: Vec<u8> = pixels.iter().flat_map(|&p| alone(p, straight)).collect();
                assert_eq!(rgba, expected, "{straight}");
                let swapped: Vec<u8> =
                    expected.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, a]| [b, g, r, a]).collect();
                assert_eq!(bgra, swapped, "{straight}");
            }
        }
    }
}
