// SPDX-License-Identifier: MIT OR Apache-2.0
//! Samples the person's layer where the flow says and lays it over the background.

#![allow(
    clippy::needless_range_loop,
    reason = "loops over indices of arrays are what becomes vector instructions"
)]

use multiversion::multiversion;
use wide::f32x4;

use super::layers::{Layers, STEPS};
use super::math::{COUNT, Places, TILE};
use super::points::Point;
use super::store::within;
use crate::face::pixel::catmull_rom;

/// Samples a run of pixels of one row, the first of which is at `first`: `x`, `y` are ways to what is shown there, in the
/// region's pixels, `back` the background there, four bytes a pixel. Pixels come out multiplied by their alpha.
///
/// Catmull-Rom, not bilinear: it returns the pixels themselves where nothing moves and keeps them sharp between, so
/// that sharpness does not pulse while the head moves by fractions of a pixel.
pub fn person_over(
    layers: &Layers,
    first: [usize; 2],
    x: &[f32],
    y: &[f32],
    back: &[u8],
    out: &mut [[f32; 4]],
) {
    let person =
        Person { pixels: &layers.person, stride: layers.stride, size: [layers.width, layers.height], first };
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has it.
        return unsafe { avx2::over(&person, x, y, back, out) };
    }
    over(&person, x, y, back, out);
}

/// What is sampled.
struct Person<'a> {
    pixels: &'a [[i16; 4]],
    stride: usize,
    /// Width and height of the region.
    size: [usize; 2],
    /// Where in it the first pixel is that is drawn.
    first: [usize; 2],
}

impl Person<'_> {
    /// The rows of the 4 x 4 pixels of which that is the first.
    #[inline(always)]
    fn rows(&self, first: u32) -> Option<[&[i16; 16]; 4]> {
        let rows = self.pixels.get(first as usize..)?.get(..3 * self.stride + 4)?;
        // SAFETY: the last of the four rows ends where these do.
        let row = |k: usize| unsafe { &*rows.as_ptr().add(k * self.stride).cast::<[i16; 16]>() };
        Some([row(0), row(1), row(2), row(3)])
    }
}

/// Where the samples of a tile are and what each of their 4 x 4 taps weighs.
struct Taps {
    first: [u32; TILE],
    x: [[f32; TILE]; 4],
    y: [[f32; TILE]; 4],
}

impl Taps {
    const ZERO: Self = Self { first: [0; TILE], x: [[0.0; TILE]; 4], y: [[0.0; TILE]; 4] };

    #[inline(always)]
    fn set(&mut self, tile: usize, x: &[f32], y: &[f32], person: &Person<'_>) {
        let [right, bottom] = person.size.map(|size| (size - 1) as f32);
        let stride = person.stride as i32;
        // Whole tiles of known length, or the compiler finds no vectors here.
        let (mut tx, mut ty) = ([0.0_f32; TILE], [0.0_f32; TILE]);
        tx[..x.len()].copy_from_slice(x);
        ty[..y.len()].copy_from_slice(y);
        let (column, row) = ((person.first[0] + tile * TILE) as f32, person.first[1] as f32);
        for i in 0..TILE {
            let (x, y) = (tx[i] + (column + COUNT[i]), ty[i] + row);
            let (x, y) = (within(x, right), within(y, bottom));
            // SAFETY: both are numbers within the picture, which is smaller than 2^31 pixels. The checks of a plain
            // conversion would be done one by one.
            let (ix, iy): (i32, i32) = unsafe { (x.to_int_unchecked(), y.to_int_unchecked()) };
            self.first[i] = iy.wrapping_mul(stride).wrapping_add(ix) as u32;
            tx[i] = x - ix as f32;
            ty[i] = y - iy as f32;
        }
        for (weights, t) in [(&mut self.x, &tx), (&mut self.y, &ty)] {
            for (k, weights) in weights.iter_mut().enumerate() {
                for i in 0..TILE {
                    weights[i] = catmull_rom(t[i])[k];
                }
            }
        }
    }
}

/// The same for processors without [`mod@avx2`], to the bit.
#[multiversion(targets("x86_64+sse4.1"))]
fn over(person: &Person, x: &[f32], y: &[f32], back: &[u8], out: &mut [[f32; 4]]) {
    let mut taps = Taps::ZERO;
    let tiles = x.chunks(TILE).zip(y.chunks(TILE)).zip(out.chunks_mut(TILE)).zip(back.chunks(TILE * 4));
    // Each step the same way for all that it takes, or the compiler finds no vectors here.
    for (tile, (((x, y), out), back)) in tiles.enumerate() {
        taps.set(tile, x, y, person);
        let mut columns = [[[0.0_f32; 4]; 4]; TILE];
        for i in 0..x.len() {
            let Some([r0, r1, r2, r3]) = person.rows(taps.first[i]) else { continue };
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
        lay(&mut sums, back, out);
    }
}

/// Lays sums of samples over the background.
#[inline(always)]
fn lay(sums: &mut [[f32; 4]; TILE], back: &[u8], out: &mut [[f32; 4]]) {
    let mut through = [1.0_f32; TILE];
    for i in 0..TILE {
        sums[i][3] = within(sums[i][3], 255.0 * STEPS);
        through[i] = 1.0 - sums[i][3] * (1.0 / (255.0 * STEPS));
    }
    for (((out, back), sum), through) in
        out.iter_mut().zip(back.as_chunks::<4>().0).zip(sums.iter()).zip(&through)
    {
        for c in 0..4 {
            out[c] = sum[c] * (1.0 / STEPS) + f32::from(back[c]) * through;
        }
    }
}

/// By hand: the compiler finds no vectors in rows that lie anywhere, which made this the most expensive part of a picture.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{Person, TILE, Taps, lay};

    /// A row of 4 pixels of 4 channels, times its weight: the two to the left and the two to the right.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn weighed(row: &[i16; 16], weight: f32) -> [__m256; 2] {
        let weight = _mm256_set1_ps(weight);
        let weigh = |half: [i16; 8]| {
            // SAFETY: both are 16 bytes, whatever they are. What loads by a pointer goes by way of the stack where
            // assertions are compiled in.
            let pixels = unsafe { std::mem::transmute::<[i16; 8], __m128i>(half) };
            _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(pixels)), weight)
        };
        let halves = row.as_chunks::<8>().0;
        [weigh(halves[0]), weigh(halves[1])]
    }

    /// A column of pixels, times its weight.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn column(pixels: __m128, weight: f32) -> __m128 {
        _mm_mul_ps(pixels, _mm_set1_ps(weight))
    }

    #[target_feature(enable = "avx2")]
    pub fn over(person: &Person<'_>, x: &[f32], y: &[f32], back: &[u8], out: &mut [[f32; 4]]) {
        let mut taps = Taps::ZERO;
        let tiles = x.chunks(TILE).zip(y.chunks(TILE)).zip(out.chunks_mut(TILE)).zip(back.chunks(TILE * 4));
        for (tile, (((x, y), out), back)) in tiles.enumerate() {
            taps.set(tile, x, y, person);
            let mut sums = [[0.0_f32; 4]; TILE];
            for i in 0..x.len() {
                let Some(rows) = person.rows(taps.first[i]) else { continue };
                // In the order of the other form: sums are the same to the bit.
                let [mut left, mut right] = weighed(rows[0], taps.y[0][i]);
                for k in 1..4 {
                    let [a, b] = weighed(rows[k], taps.y[k][i]);
                    (left, right) = (_mm256_add_ps(left, a), _mm256_add_ps(right, b));
                }
                let sum = column(_mm256_castps256_ps128(left), taps.x[0][i]);
                let sum = _mm_add_ps(sum, column(_mm256_extractf128_ps::<1>(left), taps.x[1][i]));
                let sum = _mm_add_ps(sum, column(_mm256_castps256_ps128(right), taps.x[2][i]));
                let sum = _mm_add_ps(sum, column(_mm256_extractf128_ps::<1>(right), taps.x[3][i]));
                // SAFETY: four numbers are written, to anywhere.
                unsafe { _mm_storeu_ps(sums[i].as_mut_ptr(), sum) };
            }
            lay(&mut sums, back, out);
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
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
pub fn patch(rgb: &[u8], side: usize, x: &[f32], y: &[f32], out: &mut [f32]) {
    let (red, rest) = out.split_at_mut(x.len());
    let (green, blue) = rest.split_at_mut(x.len());
    let colours = red.chunks_mut(TILE).zip(green.chunks_mut(TILE)).zip(blue.chunks_mut(TILE));
    let mut places = Places::new();
    let mut samples = [[0.0; TILE]; 2];
    for ((x, y), ((red, green), blue)) in x.chunks(TILE).zip(y.chunks(TILE)).zip(colours) {
        for (samples, units) in samples.iter_mut().zip([x, y]) {
            for (sample, unit) in samples.iter_mut().zip(units) {
                *sample = unit * side as f32 - 0.5;
            }
        }
        places.set(side, &samples[0], &samples[1]);
        for (i, ((red, green), blue)) in red.iter_mut().zip(green).zip(blue).enumerate() {
            let first = places.first(i) * 3;
            let Some(near) = rgb.get(first..first + (side + 2) * 3) else { continue };
            let level = |k: usize| f32::from(near[k]);
            let pixel = |k: usize| f32x4::new([level(3 * k), level(3 * k + 1), level(3 * k + 2), 0.0]);
            let near = [pixel(0), pixel(1), pixel(side), pixel(side + 1)];
            let mixed = places.mix(i, near) * f32x4::splat(1.0 / 255.0);
            [*red, *green, *blue, _] = mixed.to_array();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::warp::math::noise;

    /// Pictures do not depend on the machine.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn both_forms_give_the_same_bits() {
        if !std::arch::is_x86_feature_detected!("avx2") {
            return;
        }
        let (width, height) = (150, 20);
        let (mut next, stride) = (noise(), width + 3);
        let pixels: Vec<[i16; 4]> = (0..stride * (height + 3))
            .map(|_| [(); 4].map(|()| (next() * 20_000.0 - 2000.0) as i16))
            .collect();
        let person = Person { pixels: &pixels, stride, size: [width, height], first: [3, 1] };
        let back: Vec<u8> = (0..width * 4).map(|_| (next() * 256.0) as u8).collect();
        let mut x: Vec<f32> = (0..width).map(|_| next() * 9.0 - 4.5).collect();
        let y: Vec<f32> = (0..width).map(|_| next() * 24.0 - 2.0).collect();
        (x[3], x[4]) = (f32::NAN, 1e9);
        let (mut one, mut other) = (vec![[0.0; 4]; width], vec![[1.0; 4]; width]);
        over(&person, &x, &y, &back, &mut one);
        // SAFETY: the processor has it.
        unsafe { avx2::over(&person, &x, &y, &back, &mut other) };
        assert_eq!(
            one.as_flattened().iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            other.as_flattened().iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        );
    }
}
