// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lips that close over an open mouth of the photo.
//!
//! The flow squeezes what is between the lips, and a painter does not quite cover teeth that are squeezed to a line: they
//! came out as streaks. So lips grow inwards over the photo's teeth as the mouth closes, from both rims, in the colours of
//! the lips' edges, with the dark of the seam where they meet.

use super::flow::Gate;
use super::math::{bilinear_rgb, smooth_step};
use super::points::{Axis, Point, Rows, gather};
use crate::face::pixel;

/// Photos whose mouth opens less than this, in widths, show nothing to close over.
const OPEN: f32 = 0.05;
/// Openings, as shares of the photo's, at which the lips begin to cover it and at which they meet.
const COVERS: (f32, f32) = (0.42, 0.1);
/// Width of the soft edge of what is covered, as a share of the way to the middle.
const EDGE: f32 = 0.35;
/// Where on the lip its colour is taken, in heights of that lip from the rim.
const ON_LIP: f32 = 0.2;
/// How dark the seam is, and how wide, in heights of the photo's opening.
const SEAM: (f32, f32) = (0.65, 0.2);

/// The mouth of a photo, covered by lips.
#[derive(Clone, Debug)]
pub struct Lips {
    /// Colours, and how far from the rim (0) to the middle (1) a pixel lies; outside of the mouth the photo.
    cover: Vec<[f32; 4]>,
    /// Left and top of `cover` in the photo, and its size, pixels.
    origin: [usize; 2],
    size: [usize; 2],
    /// Side of the photo in pixels.
    side: f32,
    /// How far the photo's mouth is open, in widths.
    open: f32,
    /// How much is covered in this frame: 0 nothing, 1 all.
    closed: f32,
}

impl Lips {
    /// Those of a square RGB8 photo with these control points; none where its mouth is shut.
    pub fn new(rgb: &[u8], side: usize, points: &[Point], rows: &Rows) -> Option<Self> {
        let open = Gate::new(points, &rows.rims).opening();
        if open < OPEN {
            return None;
        }
        let pixel = |point: Point| point.map(|v| v * side as f32 - 0.5);
        let opening = Opening::new(&rows.rims.each_ref().map(|rim| rim.map(|row| pixel(points[row]))));
        // Middles of the lips' outer edges: the outline runs from the left corner below to the right one and back above.
        let outer = gather(points, &rows.lips_outer).map(pixel);
        let [upper, lower] = gather(points, &rows.mouth).map(pixel);
        let height = |a: Point, b: Point| (a[0] - b[0]).hypot(a[1] - b[1]);
        let on_lip = [-1.0 - ON_LIP * height(outer[15], upper), 1.0 + ON_LIP * height(outer[5], lower)];
        let colour = |at: Point| bilinear_rgb(rgb, side, at);
        let ([left, top], [right, bottom]) = opening.bounds(side);
        let mut cover = Vec::with_capacity((right - left + 1) * (bottom - top + 1));
        for y in top..=bottom {
            for x in left..=right {
                let at = [x as f32, y as f32];
                let Some((along, share)) = opening.place(at) else {
                    let [r, g, b] = colour(at);
                    cover.push([r, g, b, 0.0]);
                    continue;
                };
                let [upper, lower] = [0, 1].map(|k| colour(opening.point(along, k, on_lip[k])));
                let below = smooth_step((share - 0.5 + SEAM.1) / (2.0 * SEAM.1));
                let dark = 1.0 - SEAM.0 * (-((share - 0.5) / SEAM.1).powi(2)).exp();
                let [r, g, b] = [0, 1, 2].map(|c| (upper[c] + (lower[c] - upper[c]) * below) * dark);
                cover.push([r, g, b, 1.0 - (2.0 * share - 1.0).abs()]);
            }
        }
        let size = [right - left + 1, bottom - top + 1];
        Some(Self { cover, origin: [left, top], size, side: side as f32, open, closed: 0.0 })
    }

    /// Takes how far the mouth is open in a frame, in widths.
    pub fn pose(&mut self, opening: f32) {
        self.closed = smooth_step((COVERS.0 - opening / self.open) / (COVERS.0 - COVERS.1));
    }

    /// How much of the mouth is covered in this frame, 0 to 1.
    pub fn closed(&self) -> f32 {
        self.closed
    }

    /// Covers what a patch shows of the photo: three planes, values 0 to 1, of the photo at `x`, `y` in picture units.
    pub fn cover(&self, x: &[f32], y: &[f32], patch: &mut [f32]) {
        let area = x.len();
        let reach = self.closed * (1.0 + EDGE);
        let [right, bottom] = self.size.map(|n| (n - 1) as f32);
        for i in 0..area {
            let u = x[i] * self.side - 0.5 - self.origin[0] as f32;
            let v = y[i] * self.side - 0.5 - self.origin[1] as f32;
            if !(u > 0.0 && v > 0.0 && u < right && v < bottom) {
                continue;
            }
            let [r, g, b, depth] = self.sample(u, v);
            let weight = smooth_step((reach - depth) / EDGE);
            for (c, value) in [r, g, b].into_iter().enumerate() {
                let out = &mut patch[c * area + i];
                *out += (value / 255.0 - *out) * weight;
            }
        }
    }

    fn sample(&self, u: f32, v: f32) -> [f32; 4] {
        pixel::bilinear(self.size, [u, v], |x, y| self.cover[y * self.size[0] + x])
    }
}

/// What is between the lips, in pixels.
struct Opening {
    axis: Axis,
    /// Upper and lower rim: along, across.
    rims: [[Point; 11]; 2],
}

impl Opening {
    fn new(rims: &[[Point; 11]; 2]) -> Self {
        let axis = Axis::between(rims[0][0], rims[0][10]);
        Self { axis, rims: rims.map(|rim| rim.map(|point| axis.local(point))) }
    }

    /// The point `outward` pixels across from a rim.
    fn point(&self, along: f32, k: usize, outward: f32) -> Point {
        self.axis.point([along, self.rim(along, k) + outward])
    }

    /// How far across a rim lies at a place along.
    fn rim(&self, along: f32, k: usize) -> f32 {
        let rim = &self.rims[k];
        let next = rim.iter().position(|p| p[0] > along).unwrap_or(10).max(1);
        let ([u0, v0], [u1, v1]) = (rim[next - 1], rim[next]);
        v0 + (v1 - v0) * ((along - u0) / (u1 - u0).max(1e-3)).clamp(0.0, 1.0)
    }

    /// Place along, and share of the way from the upper (0) to the lower rim (1); none outside of the opening.
    fn place(&self, p: Point) -> Option<(f32, f32)> {
        let [u, v] = self.axis.local(p);
        let (upper, lower) = (self.rim(u, 0), self.rim(u, 1));
        let inside = u > self.rims[0][0][0] && u < self.rims[0][10][0] && v > upper && v < lower;
        inside.then(|| (u, (v - upper) / (lower - upper)))
    }

    /// First and last pixel of a square photo that are inside or beside it.
    fn bounds(&self, side: usize) -> ([usize; 2], [usize; 2]) {
        let corners = (0..2).flat_map(|k| (0..11).map(move |i| (k, i)));
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        for p in corners.map(|(k, i)| self.point(self.rims[k][i][0], k, 0.0)) {
            for axis in 0..2 {
                (low[axis], high[axis]) = (low[axis].min(p[axis]), high[axis].max(p[axis]));
            }
        }
        let last = (side - 1) as f32;
        (low.map(|v| (v - 1.0).clamp(0.0, last) as usize), high.map(|v| (v + 2.0).clamp(0.0, last) as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 200;

    /// A face of skin, red lips and white teeth whose mouth is half as high as wide.
    fn mouth(opening: f32) -> (Vec<u8>, Rows, Vec<Point>) {
        let all: Vec<usize> = (0..478).collect();
        let rows = Rows::new(&all).unwrap();
        let mut points = vec![[0.0; 2]; 478];
        for (k, side) in [-1.0, 1.0].into_iter().enumerate() {
            for (i, row) in rows.rims[k].into_iter().enumerate() {
                let along = i as f32 / 5.0 - 1.0;
                points[row] = [0.5 + 0.2 * along, 0.5 + side * opening * (1.0 - along * along)];
            }
        }
        (points[rows.lips_outer[15]], points[rows.lips_outer[5]]) = ([0.5, 0.3], [0.5, 0.7]);
        let colour = |i: usize| {
            let (x, y) = ((i % SIDE) as f32 / SIDE as f32 - 0.5, (i / SIDE) as f32 / SIDE as f32 - 0.5);
            let edge = opening * (1.0 - (x / 0.2).powi(2));
            if y.abs() < edge && x.abs() < 0.2 { [255, 255, 255] } else { [200, 40, 40] }
        };
        ((0..SIDE * SIDE).flat_map(colour).collect(), rows, points)
    }

    /// Green in the middle column of the mouth, from rim to rim, when it is open to that share of the photo's opening.
    fn column(share: f32) -> Vec<f32> {
        let (rgb, rows, points) = mouth(0.1);
        let mut lips = Lips::new(&rgb, SIDE, &points, &rows).unwrap();
        lips.pose(lips.open * share);
        let y: Vec<f32> = (0..19).map(|i| 0.41 + 0.01 * i as f32).collect();
        let mut patch = vec![1.0; 3 * y.len()];
        lips.cover(&vec![0.5; y.len()], &y, &mut patch);
        patch[y.len()..2 * y.len()].to_vec()
    }

    #[test]
    fn shut_lips_hide_the_teeth_and_open_ones_do_not() {
        assert!(column(1.0).iter().chain(&column(0.6)).all(|&green| green == 1.0));
        let shut = column(0.0);
        assert!(shut.iter().all(|&green| green < 0.3), "{shut:?}");
        assert!(shut[9] < 0.6 * shut[2], "the seam is darker than the lips: {shut:?}");
        // Half-way they have come in from the rims and leave the middle as it is.
        let half = column(COVERS.0 + 0.4 * (COVERS.1 - COVERS.0));
        assert!(half[0] < 0.3 && half[18] < 0.3 && half[9] == 1.0, "{half:?}");
    }

    #[test]
    fn lips_close_bit_by_bit() {
        let white = |n: i32| column(0.6 - 0.02 * n as f32).iter().sum::<f32>();
        let all: Vec<f32> = (0..30).map(white).collect();
        assert!(all.windows(2).all(|w| w[1] <= w[0] + 1e-4 && w[0] - w[1] < 3.0), "{all:?}");
    }

    #[test]
    fn a_shut_mouth_has_nothing_to_cover() {
        let (rgb, rows, points) = mouth(0.005);
        assert!(Lips::new(&rgb, SIDE, &points, &rows).is_none());
    }
}
