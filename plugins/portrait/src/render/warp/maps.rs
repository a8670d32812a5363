// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a painter sees of the geometry: soft shapes of lips, lids and irises, and where its patch comes from.

use multiversion::multiversion;

use super::math::{Tap, exp_negative, resize, resize_taps, sample, tanh};
use super::points::{Point, Rows, gather};
use super::roi::{Affine, COARSE, Part, centres};

/// Channels of the maps: driving shapes, source shapes where they are seen, source shapes, coordinates.
pub const CHANNELS: usize = 11;

/// Twice the variance of an iris blob, patch units squared.
const IRIS_SIZE: f32 = 0.04;

/// Computes soft shapes of one part at its maps' side.
#[derive(Clone, Debug)]
pub struct Shapes {
    part: Part,
    side: usize,
    taps: Vec<Tap>,
    x: Vec<f32>,
    y: Vec<f32>,
    coarse: [Vec<f32>; 2],
    fine: Vec<f32>,
}

impl Shapes {
    /// Shapes of a part.
    pub fn new(part: Part) -> Self {
        let side = part.side() / 2;
        let line: Vec<f32> = centres(COARSE).collect();
        Self {
            part,
            side,
            taps: resize_taps(COARSE, side),
            x: (0..COARSE * COARSE).map(|i| line[i % COARSE]).collect(),
            y: (0..COARSE * COARSE).map(|i| line[i / COARSE]).collect(),
            coarse: [vec![0.0; COARSE * COARSE], vec![0.0; COARSE * COARSE]],
            fine: vec![0.0; side * side],
        }
    }

    /// Side of the maps.
    pub fn side(&self) -> usize {
        self.side
    }

    /// How far each cell of the coarse grid lies inside of the opening that was drawn last, in patch units.
    pub fn depth(&self) -> &[f32] {
        &self.coarse[0]
    }

    /// Three planes into `out`. Mouth: tanh of 25 and 4 times the opening's distance, of 25 times the lips'. Eye: tanh of
    /// 25 and 4 times the lids' distance, the iris.
    pub fn draw(&mut self, points: &[Point], to_patch: &Affine, rows: &Rows, out: &mut [f32]) {
        let [first, second] = &mut self.coarse;
        let mouth = self.part == Part::Mouth;
        if mouth {
            let inner = gather(points, &rows.lips_inner).map(|p| to_patch.apply(p));
            let outer = gather(points, &rows.lips_outer).map(|p| to_patch.apply(p));
            signed_distance(&self.x, &self.y, &inner, first);
            signed_distance(&self.x, &self.y, &outer, second);
        } else {
            let eye = usize::from(self.part == Part::EyeLeft);
            let lids = gather(points, &rows.eyes[eye]).map(|p| to_patch.apply(p));
            signed_distance(&self.x, &self.y, &lids, first);
            blob(&self.x, &self.y, to_patch.apply(points[rows.iris[eye]]), second);
        }
        let area = self.side * self.side;
        let (sharp, rest) = out.split_at_mut(area);
        let (soft, last) = rest.split_at_mut(area);
        resize(first, COARSE, &self.taps, &mut self.fine);
        soften(&self.fine, 25.0, sharp);
        soften(&self.fine, 4.0, soft);
        if mouth {
            resize(second, COARSE, &self.taps, &mut self.fine);
            soften(&self.fine, 25.0, &mut last[..area]);
        } else {
            resize(second, COARSE, &self.taps, &mut last[..area]);
        }
    }
}

/// Samples the source's shapes at the patch coordinates `fx`, `fy` of each pixel of a plane.
pub fn carry(shapes: &[f32], side: usize, fx: &[f32], fy: &[f32], out: &mut [f32]) {
    let area = side * side;
    for (plane, out) in shapes.chunks_exact(area).zip(out.chunks_exact_mut(area)) {
        for ((value, x), y) in out.iter_mut().zip(fx).zip(fy) {
            let position = |p: f32| ((p + 1.0) * side as f32 - 1.0) / 2.0;
            *value = sample(plane, side, position(*x), position(*y));
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2", "x86_64+avx2"))]
fn soften(values: &[f32], factor: f32, out: &mut [f32]) {
    for (o, v) in out.iter_mut().zip(values) {
        *o = tanh(v * factor);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2", "x86_64+avx2"))]
fn blob(x: &[f32], y: &[f32], centre: Point, out: &mut [f32]) {
    for ((o, x), y) in out.iter_mut().zip(x).zip(y) {
        let (dx, dy) = (x - centre[0], y - centre[1]);
        *o = exp_negative(-(dx * dx + dy * dy) / IRIS_SIZE);
    }
}

/// Distance to a polygon, positive inside.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2", "x86_64+avx2"))]
pub fn signed_distance(x: &[f32], y: &[f32], polygon: &[Point], out: &mut [f32]) {
    const LANES: usize = 32;
    for ((x, y), out) in x.chunks_exact(LANES).zip(y.chunks_exact(LANES)).zip(out.chunks_exact_mut(LANES)) {
        let mut nearest = [f32::MAX; LANES];
        let mut sign = [-1.0_f32; LANES];
        for (i, a) in polygon.iter().enumerate() {
            let b = polygon[(i + 1) % polygon.len()];
            let (ex, ey) = (b[0] - a[0], b[1] - a[1]);
            let inverse = 1.0 / (ex * ex + ey * ey + 1e-9);
            let slope = ex / if ey.abs() < 1e-9 { 1e-9 } else { ey };
            for l in 0..LANES {
                let (px, py) = (x[l] - a[0], y[l] - a[1]);
                let t = (px * ex + py * ey) * inverse;
                let t = if t > 0.0 { t } else { 0.0 };
                let t = if t < 1.0 { t } else { 1.0 };
                let (dx, dy) = (px - t * ex, py - t * ey);
                let d = dx * dx + dy * dy;
                nearest[l] = if d < nearest[l] { d } else { nearest[l] };
                let crosses = (a[1] <= y[l]) != (b[1] <= y[l]);
                let flips = crosses & (px < slope * py);
                sign[l] = if flips { -sign[l] } else { sign[l] };
            }
        }
        for l in 0..LANES {
            out[l] = sign[l] * (nearest[l] + 1e-12).sqrt();
        }
    }
}
