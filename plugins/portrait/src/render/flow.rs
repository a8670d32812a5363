//! Where each point of the animated picture comes from in the photo.
//!
//! Moving least squares (Schaefer et al. 2006, similarity variant) from driving to source control points, with a gate
//! along the line between the lips: it hides the points of the other lip, else an opening mouth would stretch one lip
//! over the gap. Everything is written as a displacement from the point itself, so that a face that does not move
//! gives exactly zero and no digits are lost to large coordinates.

use multiversion::multiversion;

use super::math::exp_negative;
use super::points::{Point, Rows, Side, gather};

/// Softens the pull of a control point within about four pixels of 512.
const EPSILON: f32 = 6e-5;
/// Pulls towards a pure translation where all near points coincide.
const LAMBDA: f32 = 2e-5;
/// Width of the mouth line's smoothing in mouth widths.
const GATE_SMOOTHING: f32 = 0.07;
/// Half the height of a closed mouth's gate, picture units.
const GATE_HALF_HEIGHT: f32 = 0.006;

/// Points that are worked on together.
const LANES: usize = 8;

/// One control point of a frame.
#[derive(Clone, Copy, Debug, Default)]
struct Control {
    /// Driving position.
    x: f32,
    y: f32,
    /// Source minus driving position.
    ux: f32,
    uy: f32,
    /// Dot and cross product of the position (about the centre of the face) and the displacement.
    dot: f32,
    cross: f32,
    weight: f32,
}

/// The flow of one frame.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Rows of the control points: upper lip, lower lip, the rest.
    order: Vec<usize>,
    upper: usize,
    lower: usize,
    source: Vec<Point>,
    weight: Vec<f32>,
    rims: [[usize; 11]; 2],
    frame: Frame,
}

#[derive(Clone, Debug, Default)]
struct Frame {
    controls: Vec<Control>,
    upper: usize,
    lower: usize,
    centre: Point,
    gate: Gate,
}

/// The line between the lips in the frame of the mouth: `along` from corner to corner.
#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    centre: Point,
    along: Point,
    width: f32,
    u: [f32; 11],
    v: [f32; 11],
    half: [f32; 11],
}

impl Flow {
    /// A flow towards these source positions of the control points.
    pub fn new(rows: &Rows, source: &[Point]) -> Self {
        let mut order: Vec<usize> = (0..source.len()).collect();
        let rank = |i: &usize| match rows.side[*i] {
            Side::Upper => 0,
            Side::Lower => 1,
            Side::Neither => 2,
        };
        order.sort_by_key(rank);
        let count = |side| rows.side.iter().filter(|s| **s == side).count();
        let mut flow = Self {
            upper: count(Side::Upper),
            lower: count(Side::Lower),
            source: order.iter().map(|&i| source[i]).collect(),
            weight: order.iter().map(|&i| rows.weight[i]).collect(),
            order,
            rims: rows.rims,
            frame: Frame::default(),
        };
        flow.pose(source);
        flow
    }

    /// Takes the driving positions of the control points, in the latents' order.
    pub fn pose(&mut self, driving: &[Point]) {
        let n = driving.len() as f32;
        let centre = driving.iter().fold([0.0; 2], |c, p| [c[0] + p[0] / n, c[1] + p[1] / n]);
        let frame = &mut self.frame;
        frame.centre = centre;
        (frame.upper, frame.lower) = (self.upper, self.upper + self.lower);
        frame.controls.clear();
        frame.controls.extend(self.order.iter().zip(&self.source).zip(&self.weight).map(
            |((&row, source), &weight)| {
                let [x, y] = driving[row];
                let (ux, uy) = (source[0] - x, source[1] - y);
                let (cx, cy) = (x - centre[0], y - centre[1]);
                Control { x, y, ux, uy, dot: cx * ux + cy * uy, cross: cx * uy - cy * ux, weight }
            },
        ));
        frame.gate = Gate::new(&gather(driving, &self.rims[0]), &gather(driving, &self.rims[1]));
    }

    /// Displacement towards the source at points of the driving picture.
    pub fn displace(&self, x: &[f32], y: &[f32], ux: &mut [f32], uy: &mut [f32]) {
        displace(&self.frame, x, y, ux, uy);
    }
}

impl Gate {
    fn new(upper: &[Point; 11], lower: &[Point; 11]) -> Self {
        let (left, right) = (upper[0], upper[10]);
        let (dx, dy) = (right[0] - left[0], right[1] - left[1]);
        let width = (dx * dx + dy * dy).sqrt().max(1e-3);
        let along = [dx / width, dy / width];
        let centre = [(left[0] + right[0]) / 2.0, (left[1] + right[1]) / 2.0];
        let mut gate = Self { centre, along, width, ..Self::default() };
        for i in 0..11 {
            let (a, b) = (upper[i], lower[i]);
            let m = [(a[0] + b[0]) / 2.0 - centre[0], (a[1] + b[1]) / 2.0 - centre[1]];
            gate.u[i] = m[0] * along[0] + m[1] * along[1];
            gate.v[i] = m[1] * along[0] - m[0] * along[1];
            gate.half[i] = ((b[1] - a[1]) * along[0] - (b[0] - a[0]) * along[1]).max(0.0) / 2.0;
        }
        gate
    }

    /// Weights of the upper and the lower lip's points at a point.
    #[inline(always)]
    fn weights(&self, x: &Lanes, y: &Lanes) -> (Lanes, Lanes) {
        let (u, v) = (
            x.map2(y, |x, y| (x - self.centre[0]) * self.along[0] + (y - self.centre[1]) * self.along[1]),
            x.map2(y, |x, y| (y - self.centre[1]) * self.along[0] - (x - self.centre[0]) * self.along[1]),
        );
        let sharp = 1.0 / (GATE_SMOOTHING * self.width);
        // Comparisons, not f32::min: rustc 1.95 loses lanes of a chain of `min` when it targets AVX-512.
        let mut nearest = Lanes([f32::MAX; LANES]);
        for mid in self.u {
            nearest = nearest.map2(&u, |n, u| {
                let d = ((u - mid) * sharp) * ((u - mid) * sharp);
                if d < n { d } else { n }
            });
        }
        let (mut sum, mut line, mut half) = (Lanes::ZERO, Lanes::ZERO, Lanes::ZERO);
        for i in 0..self.u.len() {
            let (mid, v, h) = (self.u[i], self.v[i], self.half[i]);
            let w = u.map2(&nearest, |u, n| exp_negative(n - ((u - mid) * sharp) * ((u - mid) * sharp)));
            sum = sum.map2(&w, |s, w| s + w);
            line = line.map2(&w, |s, w| s + w * v);
            half = half.map2(&w, |s, w| s + w * h);
        }
        let line = line.map2(&sum, |l, s| l / s);
        let half = half.map2(&sum, |h, s| h / s + GATE_HALF_HEIGHT);
        let below = v.map2(&line, |v, l| v - l).map2(&half, |d, h| (0.5 + d / (2.0 * h)).clamp(0.0, 1.0));
        let near = u.map2(&u, |u, _| ((1.12 - u.abs() / (0.5 * self.width)) / 0.2).clamp(0.0, 1.0));
        (near.map2(&below, |n, g| 1.0 - n * g), near.map2(&below, |n, g| 1.0 - n * (1.0 - g)))
    }
}

/// A few numbers that move together: loops over them become vector instructions.
#[derive(Clone, Copy)]
struct Lanes([f32; LANES]);

impl Lanes {
    const ZERO: Self = Self([0.0; LANES]);

    #[inline(always)]
    fn map2(&self, other: &Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let mut out = Self::ZERO;
        for i in 0..LANES {
            out.0[i] = f(self.0[i], other.0[i]);
        }
        out
    }
}

/// Weighted sums over control points.
struct Sums {
    weight: Lanes,
    x: Lanes,
    y: Lanes,
    square: Lanes,
    ux: Lanes,
    uy: Lanes,
    dot: Lanes,
    cross: Lanes,
}

#[inline(always)]
fn accumulate(controls: &[Control], px: &Lanes, py: &Lanes, gate: &Lanes, sums: &mut Sums) {
    for c in controls {
        let (mut dx, mut dy, mut r2, mut w) = (Lanes::ZERO, Lanes::ZERO, Lanes::ZERO, Lanes::ZERO);
        for i in 0..LANES {
            dx.0[i] = c.x - px.0[i];
            dy.0[i] = c.y - py.0[i];
            r2.0[i] = dx.0[i] * dx.0[i] + dy.0[i] * dy.0[i];
            let s = r2.0[i] + EPSILON;
            w.0[i] = gate.0[i] * c.weight / (s * s);
        }
        for i in 0..LANES {
            sums.weight.0[i] += w.0[i];
            sums.x.0[i] += w.0[i] * dx.0[i];
            sums.y.0[i] += w.0[i] * dy.0[i];
            sums.square.0[i] += w.0[i] * r2.0[i];
            sums.ux.0[i] += w.0[i] * c.ux;
            sums.uy.0[i] += w.0[i] * c.uy;
            sums.dot.0[i] += w.0[i] * c.dot;
            sums.cross.0[i] += w.0[i] * c.cross;
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2", "x86_64+avx2"))]
fn displace(frame: &Frame, x: &[f32], y: &[f32], ux: &mut [f32], uy: &mut [f32]) {
    let chunks = x.chunks(LANES).zip(y.chunks(LANES)).zip(ux.chunks_mut(LANES).zip(uy.chunks_mut(LANES)));
    for ((x, y), (ux, uy)) in chunks {
        let (mut px, mut py) = (Lanes([frame.centre[0]; LANES]), Lanes([frame.centre[1]; LANES]));
        px.0[..x.len()].copy_from_slice(x);
        py.0[..y.len()].copy_from_slice(y);
        let (upper, lower) = frame.gate.weights(&px, &py);
        let zero = Lanes::ZERO;
        let mut s =
            Sums { weight: zero, x: zero, y: zero, square: zero, ux: zero, uy: zero, dot: zero, cross: zero };
        accumulate(&frame.controls[..frame.upper], &px, &py, &upper, &mut s);
        accumulate(&frame.controls[frame.upper..frame.lower], &px, &py, &lower, &mut s);
        accumulate(&frame.controls[frame.lower..], &px, &py, &Lanes([1.0; LANES]), &mut s);
        let (mut ox, mut oy) = (zero, zero);
        for i in 0..LANES {
            let n = 1.0 / s.weight.0[i];
            // Means about the point: offset to the control points and their displacement.
            let (mx, my) = (s.x.0[i] * n, s.y.0[i] * n);
            let (tx, ty) = (s.ux.0[i] * n, s.uy.0[i] * n);
            let variance = s.square.0[i] * n - (mx * mx + my * my) + LAMBDA;
            // Positions in `dot` and `cross` are about the face's centre: move them to the weighted mean.
            let (cx, cy) = (mx + px.0[i] - frame.centre[0], my + py.0[i] - frame.centre[1]);
            let a = (s.dot.0[i] * n - (cx * tx + cy * ty)) / variance;
            let b = (s.cross.0[i] * n - (cx * ty - cy * tx)) / variance;
            ox.0[i] = tx - a * mx + b * my;
            oy.0[i] = ty - b * mx - a * my;
        }
        ux.copy_from_slice(&ox.0[..ux.len()]);
        uy.copy_from_slice(&oy.0[..uy.len()]);
    }
}
