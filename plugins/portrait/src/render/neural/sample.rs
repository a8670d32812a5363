// SPDX-License-Identifier: MIT OR Apache-2.0
//! Scales a drawn square to the output, once: rows and columns one after the other where it is upright, else pixel by pixel.

use std::ops::Range;

use super::place::Place;
use crate::photo::{Taps, kernel};

/// A drawn square: red, green, blue 0 to 255, and the matte 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct Drawn {
    pub side: usize,
    pub pixels: Vec<[f32; 4]>,
}

/// How an upright square is scaled.
#[derive(Clone, Debug)]
pub struct Scaling {
    columns: Vec<Taps>,
    rows: Vec<Taps>,
    /// Rows of the square that are needed.
    needed: Range<usize>,
    width: usize,
    /// The needed rows, scaled across.
    wide: Vec<[f32; 4]>,
}

impl Scaling {
    /// From `side` pixels to the region of a place.
    pub fn new(place: &Place, side: usize) -> Self {
        let region = place.region;
        let taps = |axis: usize, first: usize, size: usize| {
            let at = |pixel: f32| {
                let place = if axis == 0 { place.at(pixel - 0.5, 0.0) } else { place.at(0.0, pixel - 0.5) };
                place[axis] * side as f32
            };
            let start = at(first as f32);
            kernel(start, at((first + size) as f32) - start, size, side)
        };
        let columns = taps(0, region.x, region.width);
        let rows = taps(1, region.y, region.height);
        let first = rows.iter().map(|t| t.first).min().unwrap_or(0);
        let last = rows.iter().map(|t| t.first + t.weights.len()).max().unwrap_or(0);
        let wide = vec![[0.0; 4]; (last - first) * region.width];
        Self { columns, rows, needed: first..last, width: region.width, wide }
    }

    /// Scales a square across.
    pub fn widen(&mut self, drawn: &Drawn) {
        let rows = self.needed.clone();
        if self.width == 0 {
            return;
        }
        for (y, out) in rows.zip(self.wide.chunks_exact_mut(self.width)) {
            let line = &drawn.pixels[y * drawn.side..][..drawn.side];
            for (taps, out) in self.columns.iter().zip(out) {
                *out = mix(taps, line.iter().skip(taps.first));
            }
        }
    }

    /// A row of the region.
    pub fn row(&self, y: usize, out: &mut [[f32; 4]]) {
        let Taps { first, weights } = &self.rows[y];
        let lines = self.wide.chunks_exact(self.width).skip(first - self.needed.start);
        out.fill([0.0; 4]);
        for (weight, line) in weights.iter().zip(lines).filter(|(weight, _)| **weight != 0.0) {
            for (out, pixel) in out.iter_mut().zip(line) {
                for c in 0..4 {
                    out[c] += weight * pixel[c];
                }
            }
        }
    }
}

fn mix<'p>(taps: &Taps, pixels: impl Iterator<Item = &'p [f32; 4]>) -> [f32; 4] {
    let mut sum = [0.0; 4];
    for (weight, pixel) in taps.weights.iter().zip(pixels) {
        for c in 0..4 {
            sum[c] += weight * pixel[c];
        }
    }
    sum
}

/// A row of the region of a turned square; pixels outside of it are nothing.
pub fn turned_row(place: &Place, drawn: &Drawn, y: usize, out: &mut [[f32; 4]]) {
    let side = drawn.side as f32;
    // Samples of an output pixel along each axis: as many as it takes pixels of the square.
    let times = place.size().map(|size| (side / size).round().clamp(1.0, 8.0) as usize);
    let share = 1.0 / (times[0] * times[1]) as f32;
    for (x, out) in out.iter_mut().enumerate() {
        *out = [0.0; 4];
        for i in 0..times[1] {
            for j in 0..times[0] {
                let part = |k: usize, of: usize| (k as f32 + 0.5) / of as f32 - 0.5;
                let (px, py) = ((place.region.x + x) as f32, (place.region.y + y) as f32);
                let [u, v] = place.at(px + part(j, times[0]), py + part(i, times[1]));
                if (0.0..=1.0).contains(&u) && (0.0..=1.0).contains(&v) {
                    let pixel = bicubic(drawn, u * side - 0.5, v * side - 0.5);
                    for c in 0..4 {
                        out[c] += share * pixel[c];
                    }
                }
            }
        }
    }
}

/// A sample between pixels, whose middles lie on whole numbers; the border goes on as it is.
fn bicubic(drawn: &Drawn, x: f32, y: f32) -> [f32; 4] {
    let last = drawn.side as isize - 1;
    let (x0, y0) = (x.floor(), y.floor());
    let (wx, wy) = (weights(x - x0), weights(y - y0));
    let column = |k: usize| (x0 as isize + k as isize - 1).clamp(0, last) as usize;
    let columns = [0, 1, 2, 3].map(column);
    let mut sum = [0.0; 4];
    for (k, wy) in wy.into_iter().enumerate() {
        let row = (y0 as isize + k as isize - 1).clamp(0, last) as usize * drawn.side;
        for (column, wx) in columns.into_iter().zip(wx) {
            let pixel = &drawn.pixels[row + column];
            for c in 0..4 {
                sum[c] += wx * wy * pixel[c];
            }
        }
    }
    sum
}

/// Catmull-Rom weights of four neighbours.
fn weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [-0.5 * t3 + t2 - 0.5 * t, 1.5 * t3 - 2.5 * t2 + 1.0, -1.5 * t3 + 2.0 * t2 + 0.5 * t, 0.5 * t3 - 0.5 * t2]
}
