// SPDX-License-Identifier: MIT OR Apache-2.0
//! From RGB rows to luma and half-size chroma, in fixed point so that every machine gives the same bytes.

#![allow(
    clippy::needless_range_loop,
    reason = "loops over indices of arrays are what becomes vector instructions"
)]

use std::ops::Range;

use multiversion::multiversion;

/// Bits behind the point of the coefficients.
const BITS: u32 = 16;
/// Weights of the pixels of a chroma sample add up to this.
const TAPS: u32 = 8;

/// How RGB becomes Y'CbCr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matrix {
    luma: [i32; 3],
    blue: [i32; 3],
    red: [i32; 3],
    black: i32,
    /// Whether chroma samples lie on the even columns (MPEG-2, H.264) or between two columns (JPEG).
    cosited: bool,
}

impl Matrix {
    /// From the shares of red and blue in the luma (0.2126 and 0.0722 of BT.709), the range of the numbers (16 to 235,
    /// or 0 to 255 if `full`), and the place of the chroma samples.
    pub fn new(red: f64, blue: f64, full: bool, cosited: bool) -> Self {
        let fixed = |v: f64| (v * f64::from(1 << BITS)).round() as i32;
        let (black, height, width) = if full { (0, 1.0, 1.0) } else { (16, 219.0 / 255.0, 224.0 / 255.0) };
        let shares = [red, 1.0 - red - blue, blue];
        // Coefficients add up exactly, or grey would be tinted.
        let close = |mut c: [i32; 3], sum: i32| {
            c[1] = sum - c[0] - c[2];
            c
        };
        let difference = |at: usize| {
            let scale = width / 2.0 / (1.0 - shares[at]);
            let colour = |i: usize| scale * (if i == at { 1.0 } else { 0.0 } - shares[i]);
            close([0, 1, 2].map(|i| fixed(colour(i))), 0)
        };
        Self {
            luma: close(shares.map(|s| fixed(s * height)), fixed(height)),
            blue: difference(2),
            red: difference(0),
            black,
            cosited,
        }
    }

    /// Luma of RGB8 pixels.
    pub fn luma(&self, rgb: &[u8], out: &mut [u8]) {
        luma(self, rgb, out);
    }

    /// Chroma samples of a range of two rows of RGB8 pixels: calls `put` with index, blue and red difference.
    #[inline(always)]
    pub fn chroma(&self, rows: [&[u8]; 2], range: Range<usize>, mut put: impl FnMut(usize, u8, u8)) {
        let [above, below] = rows.map(|row| row.as_chunks::<3>().0);
        let last = above.len().min(below.len()).saturating_sub(1);
        for i in range {
            let (x, right) = ((2 * i).min(last), (2 * i + 1).min(last));
            let (left, weights) =
                if self.cosited { (x.saturating_sub(1), [1, 2, 1]) } else { (x, [0, 2, 2]) };
            let mut sum = [0; 3];
            for c in 0..3 {
                let column = |x: usize| i32::from(above[x][c]) + i32::from(below[x][c]);
                sum[c] = column(left) * weights[0] + column(x) * weights[1] + column(right) * weights[2];
            }
            let mix = |k: &[i32; 3]| {
                let bits = BITS + TAPS.ilog2();
                let value = k[0] * sum[0] + k[1] * sum[1] + k[2] * sum[2];
                ((value + (128 << bits) + (1 << (bits - 1))) >> bits).clamp(0, 255) as u8
            };
            put(i, mix(&self.blue), mix(&self.red));
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2", "x86_64+avx2", "x86_64+sse4.1"))]
fn luma(matrix: &Matrix, rgb: &[u8], out: &mut [u8]) {
    let [r, g, b] = matrix.luma;
    let offset = (matrix.black << BITS) + (1 << (BITS - 1));
    for (out, pixel) in out.iter_mut().zip(rgb.as_chunks::<3>().0) {
        let [pr, pg, pb] = pixel.map(i32::from);
        *out = ((r * pr + g * pg + b * pb + offset) >> BITS).clamp(0, 255) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the standards say, in floating point.
    fn exact([red, blue]: [f64; 2], rgb: [u8; 3]) -> [f64; 3] {
        let [r, g, b] = rgb.map(|v| f64::from(v) / 255.0);
        let y = red * r + (1.0 - red - blue) * g + blue * b;
        let (cb, cr) = ((b - y) / (2.0 - 2.0 * blue), (r - y) / (2.0 - 2.0 * red));
        [16.0 + 219.0 * y, 128.0 + 224.0 * cb, 128.0 + 224.0 * cr]
    }

    #[test]
    fn colours_are_those_of_the_standards_and_grey_has_no_tint() {
        for shares in [[0.2126, 0.0722], [0.299, 0.114]] {
            let matrix = Matrix::new(shares[0], shares[1], false, true);
            for i in 0..=255_u8 {
                for rgb in [[i; 3], [i, 0, 0], [0, i, 0], [0, 0, i], [255, i, 128]] {
                    let row: Vec<u8> = rgb.repeat(4);
                    let mut luma = [0; 4];
                    matrix.luma(&row, &mut luma);
                    let mut found = Vec::new();
                    matrix.chroma([&row, &row], 0..2, |_, u, v| found.push([u, v]));
                    let wanted = exact(shares, rgb);
                    for [u, v] in found {
                        for (ours, exact) in [luma[0], u, v].into_iter().zip(wanted) {
                            assert!((f64::from(ours) - exact).abs() < 0.51, "{rgb:?}: {ours}, exact {exact}");
                        }
                    }
                    if rgb == [i; 3] {
                        let mut tint = Vec::new();
                        matrix.chroma([&row, &row], 0..2, |_, u, v| tint.push((u, v)));
                        assert_eq!(tint, [(128, 128); 2]);
                    }
                }
            }
        }
    }

    #[test]
    fn chroma_lies_where_it_says() {
        // One blue column among black ones.
        let row = |at: usize| (0..8).flat_map(|x| [0, 0, if x == at { 255 } else { 0 }]).collect::<Vec<u8>>();
        let blue = |cosited: bool, at: usize| {
            let row = row(at);
            let mut out = Vec::new();
            Matrix::new(0.2126, 0.0722, true, cosited).chroma([&row, &row], 0..4, |_, u, _| out.push(u));
            out
        };
        assert_eq!(blue(true, 2), [128, 191 + 1, 128, 128]);
        let between = blue(true, 3);
        assert_eq!(between[1], between[2], "an odd column lies between two samples");
        assert_eq!(blue(false, 2), blue(false, 3));
    }
}
