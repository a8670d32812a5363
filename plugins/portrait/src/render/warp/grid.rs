// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a frame moves the picture, on a coarse grid: the head's flow, what the parallax says beside it, and the body that carries
//! the head.

use super::flow::Flow;
use super::head::Head;
use super::layers::Layers;
use super::math::smooth_step;
use super::parallax::Parallax;
use super::paste::Raster;
use super::points::{Point, Rows};
use super::room::{DRAWN_OUT, Room};
use super::turn::Turn;

/// Points of the grid along a side of the picture.
pub const GRID: usize = 64;
/// No motion is larger, in picture units: control points beyond are not those of a face.
const MAX_MOTION: f32 = 0.25;
/// Farther than any motion reaches, picture units.
const FAR: f32 = 4.0;
/// Share of the neck's way that shoulders and chest go, and what of it they leave out, so that those of a head at rest are at
/// rest; picture units.
pub const BODY_SHARE: f32 = 0.3;
pub const BODY_REST: f32 = 0.0005;

/// Displacement towards the source on the grid.
#[derive(Clone, Debug)]
pub struct Grid {
    /// Across and down, in pixels of the output.
    pub x: Vec<f32>,
    /// The same.
    pub y: Vec<f32>,
    /// Points that move in this frame: index, position, weight, flow.
    index: Vec<usize>,
    at: [Vec<f32>; 2],
    weight: Vec<f32>,
    flow: [Vec<f32>; 2],
    /// Height of hair or hat ([`Head::crown`]).
    crown: f32,
    /// Where the head's motion ends.
    pub room: Room,
    /// Picture units beyond which there is nothing of a person who is cut off there, across and down.
    ends: [[f32; 2]; 2],
}

impl Grid {
    /// One at rest, over those layers of a person whose hair or hat is that high ([`Head::crown`]).
    pub fn new(raster: &Raster, layers: &Layers, crown: f32) -> Self {
        let margins = [0, 1].map(|axis| layers.margins(axis));
        let ends = [0, 1].map(|axis| {
            let ([low, high], margins) = (raster.ends(axis), margins[axis]);
            [if margins[0] == 0 { low } else { low - FAR }, if margins[1] == 0 { high } else { high + FAR }]
        });
        let plane = || vec![0.0; GRID * GRID];
        Self {
            x: plane(),
            y: plane(),
            index: Vec::new(),
            at: Default::default(),
            weight: Vec::new(),
            flow: Default::default(),
            crown,
            room: Room::new(raster, margins),
            ends,
        }
    }

    /// Takes the flow of a frame's head with its turn; breath has lifted the body so far, in picture units.
    pub fn pose(
        &mut self,
        raster: &Raster,
        flow: &Flow,
        parallax: Option<&Parallax>,
        turn: &Turn,
        driving: &[Point],
        rows: &Rows,
        lift: f32,
    ) {
        let way = turn.way();
        let fades = self.room.fades(driving, way);
        let head = Head::new(driving, rows, self.crown, way, fades);
        let body = body(turn.carriage(), lift);
        let place = |i: usize| [i % GRID, i / GRID].map(|v| (v as f32 + 0.5) / GRID as f32);
        self.index.clear();
        self.weight.clear();
        self.at.iter_mut().for_each(Vec::clear);
        for i in 0..GRID * GRID {
            let at = place(i);
            let [weight, carried] = head.weights(at, raster.seams);
            let way = body.map(|way| way * carried);
            (self.x[i], self.y[i]) = (way[0], way[1]);
            if weight > 0.0 {
                self.index.push(i);
                self.weight.push(weight);
                self.at[0].push(at[0]);
                self.at[1].push(at[1]);
            }
        }
        let [fx, fy] = &mut self.flow;
        fx.resize(self.index.len(), 0.0);
        fy.resize(self.index.len(), 0.0);
        flow.displace(&self.at[0], &self.at[1], fx, fy);
        for (k, &i) in self.index.iter().enumerate() {
            let (weight, at) = (self.weight[k], self.at.each_ref().map(|axis| axis[k]));
            let mut way = [fx[k], fy[k]].map(|v| v.clamp(-MAX_MOTION, MAX_MOTION) * weight);
            if let Some(parallax) = parallax {
                let beside = parallax.at([at[0] + way[0], at[1] + way[1]]);
                way = [0, 1].map(|axis| way[axis] + beside[axis] * weight);
            }
            (self.x[i], self.y[i]) = (self.x[i] + way[0], self.y[i] + way[1]);
        }
        for (i, (x, y)) in self.x.iter_mut().zip(&mut self.y).enumerate() {
            let at = place(i);
            *x = within(*x, at[0], self.ends[0]) * raster.scale[0];
            *y = within(*y, at[1], self.ends[1]) * raster.scale[1];
        }
    }
}

/// The way of shoulders and chest back to the photo, where the neck went by `carriage` and breath lifted them.
fn body(carriage: Point, lift: f32) -> Point {
    let length = carriage[0].hypot(carriage[1]);
    let share = BODY_SHARE * (length - BODY_REST).max(0.0) / length.max(f32::EPSILON);
    let [x, y] = carriage.map(|way| -way * share);
    [x, y + lift].map(|way| way.clamp(-MAX_MOTION, MAX_MOTION))
}

/// The way along an axis from a point to what is shown there, made shorter where it would come from beyond the ends of a person
/// who is cut off by those of the photo: the last rows would be drawn as stripes.
fn within(way: f32, at: f32, [low, high]: [f32; 2]) -> f32 {
    let room = if way > 0.0 { high - at } else { at - low };
    way * smooth_step(room / (DRAWN_OUT * way.abs()).max(f32::EPSILON))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A head that leaves the photo is drawn out at its edge; one that enters it, or is far from it, moves as it is.
    #[test]
    fn nothing_is_shown_from_beyond_the_ends_and_nothing_folds() {
        let ends = [-0.1, 1.0];
        for way in [-0.2, -0.03, 0.004, 0.03, 0.2] {
            let shown: Vec<f32> =
                (0..=220).map(|i| i as f32 / 200.0 - 0.1).map(|at| at + within(way, at, ends)).collect();
            assert!(shown.is_sorted(), "{way}");
            assert!((shown[0] + 0.1).abs() < 1e-6 || way > 0.0, "{way}: {}", shown[0]);
            assert!((shown[220] - 1.0).abs() < 1e-6 || way < 0.0, "{way}: {}", shown[220]);
        }
        assert_eq!(within(0.03, 0.0, ends), 0.03);
        assert_eq!(within(-0.03, 1.0, ends), -0.03);
        assert_eq!(within(0.0, 1.0, ends), 0.0);
    }
}
