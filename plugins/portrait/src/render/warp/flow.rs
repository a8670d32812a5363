// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where each point of the animated picture comes from in the photo.
//!
//! Moving least squares (Schaefer et al. 2006, similarity variant) from driving to source control points, with a gate
//! along the line between the lips: it hides the points of the other lip, else an opening mouth would stretch one lip
//! over the gap. The same gate along a closing eye lets the lids cover the iris. Everything is written as a
//! displacement from the point itself, so that a face that does not move gives exactly zero and no digits are lost to
//! large coordinates.

use multiversion::multiversion;

use super::math::exp_negative;
use super::points::{Axis, Point, Rows, Side};
use crate::face::landmark::indices::{BROW_LEFT, BROW_RIGHT, FOLD_UPPER};

/// Both brows, the viewer's left one first.
const BROWS: [[usize; 10]; 2] = [BROW_LEFT, BROW_RIGHT];

/// Softens the pull of a control point within about four pixels of 512: what the painters were made with.
const FINE: f32 = 6e-5;
/// The same for the head as a whole: within about sixteen pixels, so that its outline does not ripple between the
/// control points.
const SMOOTH: f32 = 1e-3;
/// Weight and softness of the outline of the face and of the points of the skull in the flow of the head: they lie
/// farther apart.
const OUTLINE: (f32, f32) = (2.0, 2e-3);
const SKULL: (f32, f32) = (4.0, 3e-3);
/// Pulls towards a pure translation where all near points coincide.
const LAMBDA: f32 = 2e-5;
/// Width of the gate line's smoothing in widths of mouth or eye.
const GATE_SMOOTHING: f32 = 0.07;
/// Half the height of a closed mouth's gate, picture units.
const MOUTH_GATE: f32 = 0.006;
/// The same of an eye: a closed eye is a line.
const EYE_GATE: f32 = 0.004;

/// How far the edges of upper and lower lid are taken outside of the source's opening, in widths of the eye.
const LID_EDGE: [f32; 2] = [0.02, 0.08];
/// How far lashes and rim reach from there.
const LID_RIGID: [f32; 2] = [0.14, 0.08];

/// How much of the skin between lid and brow goes with the edge of a large eye's lid at most.
const LID_SHARE: f32 = 0.65;

/// Points that are worked on together: the sums over them stay in the nearest cache.
const TILE: usize = 64;
/// Points of the longest gate line.
const RIM: usize = 11;

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
    epsilon: f32,
}

/// The flow of one frame.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Above the gate line, below it, the rest.
    anchors: Vec<Anchor>,
    rims: [Vec<usize>; 2],
    frame: Posed,
}

/// A control point before it is posed.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    row: usize,
    side: Side,
    weight: f32,
    epsilon: f32,
    source: Point,
    /// How far below the driving point it lies, in widths of the gate.
    below: f32,
}

#[derive(Clone, Debug)]
struct Posed {
    controls: Vec<Control>,
    upper: usize,
    lower: usize,
    centre: Point,
    half_height: f32,
    gate: Gate,
}

/// The line between the lips (or lids), from corner to corner.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gate {
    axis: Axis,
    points: usize,
    u: [f32; RIM],
    v: [f32; RIM],
    half: [f32; RIM],
}

impl Flow {
    /// The face's flow towards these source positions of the control points: that of the regions.
    pub fn new(rows: &Rows, source: &[Point]) -> Self {
        let anchors = plain(rows, source, FINE, |row| rows.side[row]);
        Self::gated(anchors, rows.rims.each_ref().map(|rim| rim.to_vec()), source, MOUTH_GATE)
    }

    /// The flow of the head as a whole: `source` goes on with the points of the skull.
    pub fn smooth(rows: &Rows, source: &[Point]) -> Self {
        let (control, skull) = source.split_at(rows.control.len());
        let mut anchors = plain(rows, control, SMOOTH, |row| rows.side[row]);
        for &row in &rows.outline {
            (anchors[row].weight, anchors[row].epsilon) = OUTLINE;
        }
        let (weight, epsilon) = SKULL;
        anchors.extend(skull.iter().zip(control.len()..).map(|(&source, row)| Anchor {
            row,
            side: Side::Neither,
            weight,
            epsilon,
            source,
            below: 0.0,
        }));
        Self::gated(anchors, rows.rims.each_ref().map(|rim| rim.to_vec()), source, MOUTH_GATE)
    }

    /// The face's flow within surroundings that stay where they are: `source` goes on with points of those.
    pub fn within(rows: &Rows, source: &[Point]) -> Self {
        let (control, around) = source.split_at(rows.control.len());
        let mut anchors = plain(rows, control, FINE, |row| rows.side[row]);
        anchors.extend(around.iter().zip(control.len()..).map(|(&source, row)| Anchor {
            row,
            side: Side::Neither,
            weight: 1.0,
            epsilon: FINE,
            source,
            below: 0.0,
        }));
        Self::gated(anchors, rows.rims.each_ref().map(|rim| rim.to_vec()), source, MOUTH_GATE)
    }

    /// Moves the gate of the pose down, picture units: from far above the face it leaves the flow of the lower lip alone, from
    /// far below that of the upper one.
    pub fn lower_gate(&mut self, by: f32) {
        self.frame.gate.v.iter_mut().for_each(|v| *v += by);
    }

    /// A flow in which the lids of an eye slide over it: upper and lower lid are kept apart and the iris has no say.
    pub fn lids(rows: &Rows, source: &[Point], eye: usize) -> Self {
        Self::lids_that_reach(rows, source, eye, f32::INFINITY)
    }

    /// The same of an eye that is large beside the skin above it: the fold goes with the lid, and the lid ends well below the
    /// brow, else it would pull that down.
    pub fn large_lids(rows: &Rows, source: &[Point], eye: usize) -> Self {
        let [upper, _] = rows.lids(eye);
        let axis = Axis::between(source[upper[0]], source[upper[upper.len() - 1]]);
        let height = |row: usize| -axis.local(source[row])[1] / axis.width;
        let lid = upper.iter().map(|&row| height(row)).fold(f32::MIN, f32::max);
        let brows = (0..rows.control.len()).filter(|&row| BROWS[eye].contains(&rows.control[row]));
        let brow = brows.map(height).filter(|&brow| brow > lid).fold(f32::MAX, f32::min);
        let mut flow = Self::lids_that_reach(rows, source, eye, LID_SHARE * (brow - lid));
        flow.anchors
            .retain(|anchor| rows.control.get(anchor.row).is_none_or(|i| !FOLD_UPPER[eye].contains(i)));
        Self::gated(flow.anchors, flow.rims, source, EYE_GATE)
    }

    /// What goes with the upper lid's edge reaches no farther than that, in widths of the eye.
    fn lids_that_reach(rows: &Rows, source: &[Point], eye: usize, most: f32) -> Self {
        let rims = rows.lids(eye);
        let sides = [Side::Upper, Side::Lower];
        let inner = |k: usize| &rims[k][1..rims[k].len() - 1];
        let mut anchors = plain(rows, source, FINE, |row| {
            let lid = (0..2).find(|&k| inner(k).contains(&row));
            lid.map_or_else(|| rows.fold_side(eye, row), |k| sides[k])
        });
        anchors.retain(|anchor| anchor.row != rows.iris[eye]);
        let gate = Gate::new(source, &rims);
        let down = gate.down();
        for (k, outward) in [-1.0, 1.0].into_iter().enumerate() {
            // Lashes and rim travel with the lid's edge; only the skin beyond them stretches. The edge itself shows
            // what lies just outside of the open eye.
            for anchor in anchors.iter_mut().filter(|a| inner(k).contains(&a.row)) {
                anchor.source = [0, 1].map(|i| anchor.source[i] + down[i] * outward * LID_EDGE[k]);
            }
            let rigid: Vec<Anchor> = anchors
                .iter()
                .filter(|a| inner(k).contains(&a.row))
                .map(|a| {
                    let reach = if k == 0 { LID_RIGID[k].min(most) } else { LID_RIGID[k] };
                    let below = outward * reach;
                    Anchor { below, source: [0, 1].map(|i| a.source[i] + down[i] * below), ..*a }
                })
                .collect();
            anchors.extend(rigid);
        }
        Self::gated(anchors, rims, source, EYE_GATE)
    }

    fn gated(mut anchors: Vec<Anchor>, rims: [Vec<usize>; 2], source: &[Point], half_height: f32) -> Self {
        anchors.sort_by_key(|anchor| match anchor.side {
            Side::Upper => 0,
            Side::Lower => 1,
            Side::Neither => 2,
        });
        let count = |side| anchors.iter().filter(|a| a.side == side).count();
        let upper = count(Side::Upper);
        let mut flow = Self {
            rims,
            frame: Posed {
                controls: Vec::with_capacity(anchors.len()),
                upper,
                lower: upper + count(Side::Lower),
                centre: [0.0; 2],
                half_height,
                gate: Gate::default(),
            },
            anchors,
        };
        flow.pose(source, &[]);
        flow
    }

    /// Takes the driving positions of the control points, in the latents' order, and how softly they steer (0 to 1; none
    /// where it ends).
    pub fn pose(&mut self, driving: &[Point], soft: &[f32]) {
        let n = driving.len() as f32;
        let centre = driving.iter().fold([0.0; 2], |c, p| [c[0] + p[0] / n, c[1] + p[1] / n]);
        let gate = Gate::new(driving, &self.rims);
        let down = gate.down();
        let frame = &mut self.frame;
        (frame.centre, frame.gate) = (centre, gate);
        frame.controls.clear();
        frame.controls.extend(self.anchors.iter().map(|anchor| {
            let [x, y] = [0, 1].map(|i| driving[anchor.row][i] + down[i] * anchor.below);
            let (ux, uy) = (anchor.source[0] - x, anchor.source[1] - y);
            let (cx, cy) = (x - centre[0], y - centre[1]);
            let (dot, cross) = (cx * ux + cy * uy, cx * uy - cy * ux);
            let epsilon = anchor.epsilon + soft.get(anchor.row).map_or(0.0, |soft| soft * OUTLINE.1);
            Control { x, y, ux, uy, dot, cross, weight: anchor.weight, epsilon }
        }));
    }

    /// Displacement towards the source at points of the driving picture.
    pub fn displace(&self, x: &[f32], y: &[f32], ux: &mut [f32], uy: &mut [f32]) {
        displace(&self.frame, x, y, ux, uy);
    }

    /// Mean height of the gap between the gate's rims, in widths.
    pub fn opening(&self) -> f32 {
        self.frame.gate.opening()
    }
}

/// An anchor at each control point.
fn plain(rows: &Rows, source: &[Point], epsilon: f32, side: impl Fn(usize) -> Side) -> Vec<Anchor> {
    let anchor = |(row, &source): (usize, &Point)| Anchor {
        row,
        side: side(row),
        weight: rows.weight[row],
        epsilon,
        source,
        below: 0.0,
    };
    source.iter().enumerate().map(anchor).collect()
}

impl Gate {
    /// The gate between upper and lower rims, which are rows of the points.
    pub fn new(points: &[Point], rims: &[impl AsRef<[usize]>; 2]) -> Self {
        let [upper, lower] = rims.each_ref().map(AsRef::as_ref);
        let count = upper.len().min(lower.len()).min(RIM);
        let axis = Axis::between(points[upper[0]], points[upper[count - 1]]);
        let mut gate = Self { axis, points: count, ..Self::default() };
        for i in 0..count {
            let (a, b) = (points[upper[i]], points[lower[i]]);
            [gate.u[i], gate.v[i]] = axis.local([(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0]);
            gate.half[i] = ((b[1] - a[1]) * axis.along[0] - (b[0] - a[0]) * axis.along[1]).max(0.0) / 2.0;
        }
        gate
    }

    /// Mean height of the gap between the rims, in widths.
    pub fn opening(&self) -> f32 {
        self.half[..self.points].iter().sum::<f32>() * 2.0 / (self.points as f32 * self.axis.width)
    }

    /// One width across the axis.
    fn down(&self) -> Point {
        let Axis { along, width, .. } = self.axis;
        [-along[1] * width, along[0] * width]
    }

    /// Weights of the upper and the lower points at a tile of points.
    #[inline(always)]
    fn weigh(&self, half_height: f32, x: &Tile, y: &Tile, upper: &mut Tile, lower: &mut Tile) {
        let zero = || Tile([0.0; TILE]);
        let (mut u, mut sum, mut line, mut half) = (zero(), zero(), zero(), zero());
        // Comparisons, not f32::min: rustc 1.95 loses lanes of a chain of `min` when it targets AVX-512.
        let mut nearest = Tile([f32::MAX; TILE]);
        let Axis { centre, along, width } = self.axis;
        let sharp = 1.0 / (GATE_SMOOTHING * width);
        for i in 0..TILE {
            u.0[i] = (x.0[i] - centre[0]) * along[0] + (y.0[i] - centre[1]) * along[1];
        }
        for mid in &self.u[..self.points] {
            for i in 0..TILE {
                let d = ((u.0[i] - mid) * sharp) * ((u.0[i] - mid) * sharp);
                nearest.0[i] = if d < nearest.0[i] { d } else { nearest.0[i] };
            }
        }
        for k in 0..self.points {
            let (mid, v, h) = (self.u[k], self.v[k], self.half[k]);
            for i in 0..TILE {
                let d = ((u.0[i] - mid) * sharp) * ((u.0[i] - mid) * sharp);
                let w = exp_negative(nearest.0[i] - d);
                sum.0[i] += w;
                line.0[i] += w * v;
                half.0[i] += w * h;
            }
        }
        for i in 0..TILE {
            let v = (y.0[i] - centre[1]) * along[0] - (x.0[i] - centre[0]) * along[1];
            let h = half.0[i] / sum.0[i] + half_height;
            let below = unit(0.5 + (v - line.0[i] / sum.0[i]) / (2.0 * h));
            let near = unit((1.12 - u.0[i].abs() / (0.5 * width)) / 0.2);
            upper.0[i] = 1.0 - near * below;
            lower.0[i] = 1.0 - near * (1.0 - below);
        }
    }
}

#[inline(always)]
fn unit(v: f32) -> f32 {
    let v = if v > 0.0 { v } else { 0.0 };
    if v < 1.0 { v } else { 1.0 }
}

/// Numbers of a tile: plain loops over them become vector instructions.
#[derive(Clone, Copy)]
struct Tile([f32; TILE]);

/// Weighted sums over control points: weight, offset, squared distance, displacement, dot, cross.
struct Sums([Tile; 8]);

#[inline(always)]
fn accumulate(controls: &[Control], px: &Tile, py: &Tile, gate: &Tile, sums: &mut Sums) {
    let Sums([weight, x, y, square, ux, uy, dot, cross]) = sums;
    for c in controls {
        for i in 0..TILE {
            let (dx, dy) = (c.x - px.0[i], c.y - py.0[i]);
            let r2 = dx * dx + dy * dy;
            let s = r2 + c.epsilon;
            let w = gate.0[i] * c.weight / (s * s);
            weight.0[i] += w;
            x.0[i] += w * dx;
            y.0[i] += w * dy;
            square.0[i] += w * r2;
            ux.0[i] += w * c.ux;
            uy.0[i] += w * c.uy;
            dot.0[i] += w * c.dot;
            cross.0[i] += w * c.cross;
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2", "x86_64+avx2"))]
fn displace(frame: &Posed, x: &[f32], y: &[f32], ux: &mut [f32], uy: &mut [f32]) {
    let tiles = x.chunks(TILE).zip(y.chunks(TILE)).zip(ux.chunks_mut(TILE).zip(uy.chunks_mut(TILE)));
    for ((x, y), (ux, uy)) in tiles {
        let (mut px, mut py) = (Tile([frame.centre[0]; TILE]), Tile([frame.centre[1]; TILE]));
        px.0[..x.len()].copy_from_slice(x);
        py.0[..y.len()].copy_from_slice(y);
        let (mut upper, mut lower) = (Tile([0.0; TILE]), Tile([0.0; TILE]));
        frame.gate.weigh(frame.half_height, &px, &py, &mut upper, &mut lower);
        let mut sums = Sums([Tile([0.0; TILE]); 8]);
        let controls = &frame.controls;
        accumulate(&controls[..frame.upper], &px, &py, &upper, &mut sums);
        accumulate(&controls[frame.upper..frame.lower], &px, &py, &lower, &mut sums);
        accumulate(&controls[frame.lower..], &px, &py, &Tile([1.0; TILE]), &mut sums);
        let Sums([weight, sx, sy, square, sux, suy, dot, cross]) = &sums;
        let (mut ox, mut oy) = (Tile([0.0; TILE]), Tile([0.0; TILE]));
        for i in 0..TILE {
            let n = 1.0 / weight.0[i];
            // Means about the point: offset to the control points and their displacement.
            let (mx, my) = (sx.0[i] * n, sy.0[i] * n);
            let (tx, ty) = (sux.0[i] * n, suy.0[i] * n);
            let variance = square.0[i] * n - (mx * mx + my * my) + LAMBDA;
            // Positions in `dot` and `cross` are about the face's centre: move them to the weighted mean.
            let (cx, cy) = (mx + px.0[i] - frame.centre[0], my + py.0[i] - frame.centre[1]);
            let a = (dot.0[i] * n - (cx * tx + cy * ty)) / variance;
            let b = (cross.0[i] * n - (cx * ty - cy * tx)) / variance;
            ox.0[i] = tx - a * mx + b * my;
            oy.0[i] = ty - b * mx - a * my;
        }
        ux.copy_from_slice(&ox.0[..ux.len()]);
        uy.copy_from_slice(&oy.0[..uy.len()]);
    }
}
