// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lays paint over pixels, four channels at once: what the compiler makes of the plain form takes twice as long. All that is used
//! here every x86-64 processor has.

use std::arch::x86_64::*;

use super::math::tap;
use super::patch::Frame;
use crate::face::pixel::between;

/// The largest level.
const FULL: f32 = 255.0;

#[inline]
#[target_feature(enable = "sse2")]
fn load(pixel: &[f32; 4]) -> __m128 {
    // SAFETY: four numbers are read, from anywhere.
    unsafe { _mm_loadu_ps(pixel.as_ptr()) }
}

/// Between zero and `last`.
#[inline]
#[target_feature(enable = "sse2")]
fn within(v: __m128, last: __m128) -> __m128 {
    _mm_min_ps(last, _mm_max_ps(_mm_setzero_ps(), v))
}

/// The fourth number in all places.
#[inline]
#[target_feature(enable = "sse2")]
fn fourth(v: __m128) -> __m128 {
    _mm_shuffle_ps::<0b11_11_11_11>(v, v)
}

/// A bilinear sample of a square plane, as `math::bilinear`.
#[inline]
#[target_feature(enable = "sse2")]
fn bilinear(plane: &[[f32; 4]], side: usize, x: f32, y: f32) -> __m128 {
    let (tx, ty) = (tap(x, side), tap(y, side));
    let at = |x: usize, y: usize| load(&plane[y * side + x]);
    let (wx, wy) = (_mm_set1_ps(tx.t), _mm_set1_ps(ty.t));
    let top = between(at(tx.a, ty.a), at(tx.b, ty.a), wx);
    let bottom = between(at(tx.a, ty.b), at(tx.b, ty.b), wx);
    between(top, bottom, wy)
}

/// `patch::blend_paint`.
#[target_feature(enable = "sse2")]
pub fn blend(frame: &Frame, [u, du, v]: [f32; 3], under: &[[f32; 4]], pixels: &mut [[f32; 4]]) {
    let n = frame.side as f32 / 2.0;
    let some = !frame.squeezed.is_empty();
    let (one, full) = (_mm_set1_ps(1.0), _mm_set1_ps(FULL));
    for (i, (pixel, under)) in pixels.iter_mut().zip(under).enumerate() {
        let [px, py] = frame.to_patch.apply([u + du * i as f32, v]);
        if px.abs() >= 1.0 || py.abs() >= 1.0 {
            continue;
        }
        let (x, y) = ((px + 1.0) * n - 0.5, (py + 1.0) * n - 0.5);
        let paint = bilinear(&frame.paint, frame.side, x, y);
        let squeezed = if some { bilinear(&frame.squeezed, frame.side, x, y) } else { _mm_setzero_ps() };
        let (alpha, rest) = (fourth(paint), _mm_sub_ps(one, fourth(squeezed)));
        let kept = |photo: __m128| _mm_add_ps(_mm_mul_ps(within(photo, full), rest), squeezed);
        let painted = _mm_add_ps(paint, _mm_mul_ps(kept(load(under)), alpha));
        let painted = within(painted, _mm_mul_ps(full, alpha));
        let old = load(pixel);
        let colour = _mm_add_ps(_mm_mul_ps(kept(old), _mm_sub_ps(one, alpha)), painted);
        let opaque = _mm_add_ps(old, _mm_mul_ps(_mm_sub_ps(full, old), alpha));
        // Three numbers of the one, the fourth of the other.
        let ends = _mm_shuffle_ps::<0b11_10_10_10>(colour, opaque);
        let all = _mm_shuffle_ps::<0b11_00_01_00>(colour, ends);
        // SAFETY: four numbers are written, to anywhere.
        unsafe { _mm_storeu_ps(pixel.as_mut_ptr(), all) };
    }
}
