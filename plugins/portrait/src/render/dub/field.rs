// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flow of a frame around the mouth, of the upper and of the lower lip.

use super::{Point, Task};
use crate::face::landmark::indices::{CHIN, EYE_CORNER_LEFT, EYE_CORNER_RIGHT, FOREHEAD};
use crate::face::pixel;
use crate::face::step::smooth_step;
use crate::render::warp::flow::Flow;
use crate::render::warp::points::Rows;

/// Cells of the grid on which the flow is computed, across and down.
const CELLS: usize = 48;

/// What is drawn: half its width, and how far it reaches above and below the middle of the mouth, in distances of the outer
/// eye corners.
const HALF_WIDTH: f32 = 0.80;
const ABOVE: f32 = 0.40;
const BELOW: f32 = 0.95;

/// Share of that in which the flow fades out.
const FADE: f32 = 0.3;

/// How far beyond that pixels may come from, in distances of the outer eye corners.
pub const REACH: f32 = 0.2;

/// Height of the picture that the flow was made for, over that of a face in it.
const FACE: f32 = 2.0;

/// Points around the lower face that stay, in distances of the outer eye corners from the middle of the mouth.
const AROUND: [Point; 11] = [
    [-0.95, 0.95],
    [-0.5, 1.0],
    [0.0, 1.0],
    [0.5, 1.0],
    [0.95, 0.95],
    [-1.0, 0.6],
    [1.0, 0.6],
    [-1.05, 0.2],
    [1.05, 0.2],
    [-1.1, -0.2],
    [1.1, -0.2],
];

/// See the module.
#[derive(Debug)]
pub struct Field {
    /// Middle of the mouth, and the direction from eye to eye.
    middle: Point,
    along: Point,
    unit: f32,
    /// Left, top, right, bottom in pixels of what is drawn.
    bounds: [f32; 4],
    /// Displacement in pixels at each point of the grid over the bounds.
    upper: Vec<Point>,
    lower: Vec<Point>,
    points: [Vec<Point>; 2],
    planes: [Vec<f32>; 4],
}

impl Default for Field {
    fn default() -> Self {
        let plane = || vec![0.0; CELLS * CELLS];
        Self {
            middle: [0.0; 2],
            along: [1.0, 0.0],
            unit: 1.0,
            bounds: [0.0; 4],
            upper: vec![[0.0; 2]; CELLS * CELLS],
            lower: vec![[0.0; 2]; CELLS * CELLS],
            points: [Vec::new(), Vec::new()],
            planes: [plane(), plane(), plane(), plane()],
        }
    }
}

impl Field {
    /// Finds what is drawn of a frame.
    pub fn place(&mut self, task: &Task<'_>) {
        let at = |i: usize| task.source[i];
        let (left, right) = (at(EYE_CORNER_LEFT), at(EYE_CORNER_RIGHT));
        let (dx, dy) = (right[0] - left[0], right[1] - left[1]);
        let length = dx.hypot(dy);
        self.along = if length > 1e-3 { [dx / length, dy / length] } else { [1.0, 0.0] };
        // Corners and the middle of the upper lip: what a jaw does not move.
        let points = [at(61), at(291), at(0)];
        self.middle = [0, 1].map(|k| points.iter().map(|p| p[k]).sum::<f32>() / 3.0);
        self.unit = task.unit;
        let corners =
            [[-HALF_WIDTH, -ABOVE], [HALF_WIDTH, -ABOVE], [-HALF_WIDTH, BELOW], [HALF_WIDTH, BELOW]]
                .map(|p| self.pixel(p));
        let of =
            |k: usize, pick: fn(f32, f32) -> f32, from: f32| corners.iter().map(|p| p[k]).fold(from, pick);
        self.bounds = [
            of(0, f32::min, f32::INFINITY),
            of(1, f32::min, f32::INFINITY),
            of(0, f32::max, f32::NEG_INFINITY),
            of(1, f32::max, f32::NEG_INFINITY),
        ];
    }

    /// A place in distances of the outer eye corners from the middle of the mouth, in pixels.
    fn pixel(&self, [x, y]: Point) -> Point {
        let ([a, b], s) = (self.along, self.unit);
        [self.middle[0] + s * (x * a - y * b), self.middle[1] + s * (x * b + y * a)]
    }

    /// The inverse.
    fn local(&self, p: Point) -> Point {
        let ([dx, dy], [a, b]) = ([p[0] - self.middle[0], p[1] - self.middle[1]], self.along);
        [(dx * a + dy * b) / self.unit, (dy * a - dx * b) / self.unit]
    }

    /// Computes the flow of a frame; `into` is by how much the source's lips are taken smaller at their rims.
    pub fn pose(&mut self, rows: &Rows, task: &Task<'_>, into: Point) {
        self.place(task);
        let at = |i: usize| task.source[i];
        let side = (FACE * (at(FOREHEAD)[0] - at(CHIN)[0]).hypot(at(FOREHEAD)[1] - at(CHIN)[1])).max(1.0);
        let middle = self.middle;
        let unit = |p: Point| [0, 1].map(|k| (p[k] - middle[k]) / side + 0.5);
        let around = AROUND.map(|p| unit(self.pixel(p)));
        let [source, driving] = &mut self.points;
        for (points, face) in [(&mut *source, task.source), (&mut *driving, task.driving)] {
            points.clear();
            points.extend(rows.control.iter().map(|&i| unit([face[i][0], face[i][1]])));
            points.extend(around);
        }
        for (rim, sign) in rows.rims.iter().zip([-1.0, 1.0]) {
            for &row in &rim[1..rim.len() - 1] {
                for k in 0..2 {
                    source[row][k] += sign * into[k] / side;
                }
            }
        }
        let mut flow = Flow::within(rows, source);
        flow.pose(driving, &[]);
        let [x, y, ux, uy] = &mut self.planes;
        let [left, top, right, bottom] = self.bounds;
        let place = |i: usize| {
            let part = |k: usize| k as f32 / (CELLS - 1) as f32;
            [left + (right - left) * part(i % CELLS), top + (bottom - top) * part(i / CELLS)]
        };
        for i in 0..CELLS * CELLS {
            [x[i], y[i]] = unit(place(i));
        }
        // All of the face lies above the gate, then below it.
        for (way, down) in [(&mut self.upper, 4.0), (&mut self.lower, -8.0)] {
            flow.lower_gate(down);
            flow.displace(x, y, ux, uy);
            for (i, way) in way.iter_mut().enumerate() {
                *way = [ux[i] * side, uy[i] * side];
            }
        }
        for i in 0..CELLS * CELLS {
            let fade = fade(self.local(place(i)));
            for way in [&mut self.upper[i], &mut self.lower[i]] {
                *way = way.map(|v| v * fade);
            }
        }
    }

    /// What is drawn, and `beyond` pixels around it, in samples of a component: left, top, width, height.
    pub fn bounds(&self, beyond: f32, step: [usize; 2], size: [usize; 2]) -> [usize; 4] {
        let [left, top, right, bottom] = self.bounds;
        let range = |low: f32, high: f32, k: usize| {
            let step = step[k] as f32;
            // Casts of floats saturate.
            let first = (((low - beyond) / step).floor() as usize).min(size[k]);
            let last = (((high + beyond) / step).ceil() as usize + 1).clamp(first, size[k]);
            (first, last - first)
        };
        let ((x, width), (y, height)) = (range(left, right, 0), range(top, bottom, 1));
        [x, y, width, height]
    }

    /// Displacement at a pixel, of the upper and of the lower lip.
    #[inline(always)]
    pub fn at(&self, p: Point) -> [Point; 2] {
        let [left, top, right, bottom] = self.bounds;
        let cell = |v: f32, low: f32, high: f32| (v - low) / (high - low).max(1e-3) * (CELLS - 1) as f32;
        let (x, y) = (cell(p[0], left, right), cell(p[1], top, bottom));
        let last = (CELLS - 1) as f32;
        if !(x >= 0.0 && y >= 0.0 && x <= last && y <= last) {
            return [[0.0; 2]; 2];
        }
        let (i, j) = ((x as usize).min(CELLS - 2), (y as usize).min(CELLS - 2));
        let (tx, ty) = (x - i as f32, y - j as f32);
        let first = j * CELLS + i;
        let between = |plane: &[Point]| {
            let two = |at: usize| plane.get(at..).and_then(<[Point]>::first_chunk::<2>);
            let (Some([a, b]), Some([c, d])) = (two(first), two(first + CELLS)) else { return [0.0; 2] };
            [pixel::mix([a[0], b[0], c[0], d[0]], tx, ty), pixel::mix([a[1], b[1], c[1], d[1]], tx, ty)]
        };
        [between(&self.upper), between(&self.lower)]
    }
}

/// How much of the flow is left at a place, in distances of the outer eye corners from the middle of the mouth.
fn fade([x, y]: Point) -> f32 {
    let edge = |v: f32, limit: f32| smooth_step((1.0 - v.abs() / limit) / FADE);
    edge(x, HALF_WIDTH) * edge(y, if y < 0.0 { ABOVE } else { BELOW })
}
