// SPDX-License-Identifier: MIT OR Apache-2.0
//! Irises that turn inside of the lids.
//!
//! The flow between the control points cannot do it: it is smooth, so that an iris and the lids close around it hold each
//! other back (a look of 15 degrees to the side arrives as 6, one up or down as 1). Here the disc of the iris moves as a
//! whole, over the white of the eye, and the lids cover it.

use super::maps::signed_distance;
use super::math::smooth_step;
use super::points::{Point, Rows, gather};
use super::roi::{Affine, COARSE, centres};

/// Radius of an iris in units of the eye's patch, with its soft edge: 11.7 mm of diameter in a patch of 64 mm.
const RADIUS: f32 = 0.21;

/// Width of the ring around it in which the white of the eye gives way, patch units. Behind the iris the white is drawn
/// out: a narrow ring draws out the iris' own edge instead, as if the iris were larger and had hardly turned, and folds
/// where the way is longer than the ring (0.28 for a look 30 degrees down).
const RING: f32 = 0.36;

/// Within this on either side of the lids their own motion takes over, patch units.
const RIM: f32 = 0.03;

/// Corners that say an eye became so much larger, or turned so far, are those of no eye.
const MOST_GROWTH: f32 = 0.5;

/// Way of an iris between the corners, in widths of the eye, from which on it is turned: about 8 degrees.
const TURNED: f32 = 0.06;

/// The iris of one eye of a photo.
#[derive(Clone, Debug)]
pub struct Iris {
    eye: usize,
    /// Where it is in the photo, and the outer and inner corner of its eye.
    source: Point,
    corners: [Point; 2],
    /// Patch coordinates of the grid, and how far inside of the lids they lie.
    x: Vec<f32>,
    y: Vec<f32>,
    inside: Vec<f32>,
    /// How much of each point of the grid moves with the iris.
    share: Vec<f32>,
    /// Displacement at the driving iris' centre, and what it changes by for each unit away from there.
    centre: Point,
    shift: Point,
    growth: Point,
    turned: f32,
    /// Patch units.
    radius: f32,
}

impl Iris {
    /// The iris of an eye (0 at the picture's left) of a photo with these control points.
    pub fn new(rows: &Rows, source: &[Point], eye: usize) -> Self {
        let line: Vec<f32> = centres(COARSE).collect();
        let grid = COARSE * COARSE;
        Self {
            eye,
            source: source[rows.iris[eye]],
            corners: corners(rows, source, eye),
            x: (0..grid).map(|i| line[i % COARSE]).collect(),
            y: (0..grid).map(|i| line[i / COARSE]).collect(),
            inside: vec![0.0; grid],
            share: vec![0.0; grid],
            centre: [0.0; 2],
            shift: [0.0; 2],
            growth: [0.0; 2],
            turned: 0.0,
            radius: RADIUS,
        }
    }

    /// The same with a larger radius, in patch units and without its soft edge.
    pub fn with_radius(self, radius: f32) -> Self {
        Self { radius: radius.max(RADIUS), ..self }
    }

    /// Takes the driving control points of a frame.
    pub fn pose(&mut self, driving: &[Point], rows: &Rows, to_patch: &Affine) {
        let lids = gather(driving, &rows.eyes[self.eye]).map(|p| to_patch.apply(p));
        signed_distance(&self.x, &self.y, &lids, &mut self.inside);
        self.centre = driving[rows.iris[self.eye]];
        let [cx, cy] = to_patch.apply(self.centre);
        for (((share, x), y), inside) in self.share.iter_mut().zip(&self.x).zip(&self.y).zip(&self.inside) {
            let away = (x - cx).hypot(y - cy);
            // Linear: a soft fall is half as steep again in its middle, and would fold there.
            let falls = ((self.radius + RING - away) / RING).clamp(0.0, 1.0);
            *share = falls * smooth_step((inside + RIM) / (2.0 * RIM));
        }
        // The iris keeps its size with the eye's: the similarity of the corners, as one complex number.
        let [a, b] = corners(rows, driving, self.eye);
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let (sx, sy) = (self.corners[1][0] - self.corners[0][0], self.corners[1][1] - self.corners[0][1]);
        let length = (dx * dx + dy * dy).max(1e-9);
        let growth = [(sx * dx + sy * dy) / length - 1.0, (sy * dx - sx * dy) / length];
        self.growth = growth.map(|v| v.clamp(-MOST_GROWTH, MOST_GROWTH));
        self.shift = [self.source[0] - self.centre[0], self.source[1] - self.centre[1]];
        // What is left of that way where the whole eye moves.
        let way = [0, 1].map(|i| {
            let eye = (self.corners[0][i] + self.corners[1][i] - a[i] - b[i]) / 2.0;
            self.shift[i] - eye
        });
        self.turned = smooth_step(way[0].hypot(way[1]) / (TURNED * length.sqrt()));
    }

    /// Whether the iris looks elsewhere than in the photo, 0 to 1.
    pub fn turned(&self) -> f32 {
        self.turned
    }

    /// Mixes the iris' motion into the displacement `ux`, `uy` of the grid's points `x`, `y` of the picture.
    pub fn turn(&self, x: &[f32], y: &[f32], ux: &mut [f32], uy: &mut [f32]) {
        self.turn_by(1.0, x, y, ux, uy);
    }

    /// The same for a share of the motion.
    pub fn turn_by(&self, part: f32, x: &[f32], y: &[f32], ux: &mut [f32], uy: &mut [f32]) {
        let ([gx, gy], [cx, cy]) = (self.growth, self.centre);
        for (i, share) in self.share.iter().map(|share| share * part).enumerate() {
            let (px, py) = (x[i] - cx, y[i] - cy);
            ux[i] += (self.shift[0] + gx * px - gy * py - ux[i]) * share;
            uy[i] += (self.shift[1] + gy * px + gx * py - uy[i]) * share;
        }
    }
}

/// Outer and inner corner of an eye.
fn corners(rows: &Rows, points: &[Point], eye: usize) -> [Point; 2] {
    [points[rows.frame[eye]], points[rows.inner_corners[eye]]]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An eye of unit width about the origin, its iris in the middle; patch and picture units are the same.
    fn eye() -> (Rows, Vec<Point>) {
        let all: Vec<usize> = (0..478).collect();
        let rows = Rows::new(&all).unwrap();
        let mut points = vec![[0.0; 2]; 478];
        for (i, row) in rows.eyes[0].into_iter().enumerate() {
            let (sin, cos) = (i as f32 / 16.0 * std::f32::consts::TAU).sin_cos();
            points[row] = [-0.5 * cos, 0.25 * sin];
        }
        (rows, points)
    }

    /// An iris that went so far, and the displacement that it gives to a motionless grid.
    fn moved(shift: Point) -> (Iris, [Vec<f32>; 2]) {
        let (rows, source) = eye();
        let mut driving = source.clone();
        driving[rows.iris[0]] = shift;
        let mut iris = Iris::new(&rows, &source, 0);
        iris.pose(&driving, &rows, &Affine { m: [[1.0, 0.0], [0.0, 1.0]], origin: [0.0; 2] });
        let (mut ux, mut uy) = (vec![0.0; COARSE * COARSE], vec![0.0; COARSE * COARSE]);
        iris.turn(&iris.x, &iris.y, &mut ux, &mut uy);
        (iris, [ux, uy])
    }

    /// That displacement in the middle of the iris and right outside of the lids.
    fn turned(shift: Point) -> (Point, Point) {
        let (_, [ux, uy]) = moved(shift);
        let at = |point: Point| {
            let cell = |p: f32| ((p + 1.0) / 2.0 * COARSE as f32) as usize;
            let i = cell(point[1]) * COARSE + cell(point[0]);
            [ux[i], uy[i]]
        };
        (at(shift), at([0.0, 0.35]))
    }

    #[test]
    fn an_iris_at_rest_moves_nothing() {
        assert_eq!(turned([0.0; 2]), ([0.0; 2], [0.0; 2]));
    }

    #[test]
    fn an_iris_moves_as_far_as_it_was_told_and_the_skin_stays() {
        for shift in [[0.1, 0.0], [-0.1, 0.0], [0.0, 0.08], [0.0, -0.08]] {
            let (centre, skin) = turned(shift);
            assert!((centre[0] + shift[0]).abs() < 1e-4 && (centre[1] + shift[1]).abs() < 1e-4, "{centre:?}");
            assert_eq!(skin, [0.0; 2]);
        }
    }

    /// What is drawn behind an iris comes from places in the same order, however far it looks.
    #[test]
    fn the_white_behind_an_iris_does_not_fold() {
        for way in [0.125, 0.28] {
            let (iris, [ux, _]) = moved([way, 0.0]);
            let row = COARSE / 2 * COARSE..(COARSE / 2 + 1) * COARSE;
            let source: Vec<f32> =
                row.filter(|&i| iris.x[i].abs() < 0.4).map(|i| iris.x[i] + ux[i]).collect();
            assert!(source.windows(2).all(|s| s[1] > s[0]), "{way}: {source:?}");
        }
    }

    /// An iris has 11.7 mm of the 64 mm that a patch shows, and its white gives way over 11.5 mm around it.
    #[test]
    fn the_disc_moves_as_a_whole_and_the_white_around_it_by_halves() {
        let way = 0.02;
        let (iris, [ux, _]) = moved([way, 0.0]);
        let row = COARSE / 2 * COARSE..(COARSE / 2 + 1) * COARSE;
        for i in row.filter(|&i| iris.x[i].abs() < 0.45) {
            let away = (iris.x[i] - way).abs();
            let due = ((0.57 - away) / 0.36).clamp(0.0, 1.0);
            let share = -ux[i] / way;
            assert!((share - due).abs() < 0.03, "{away}: {share} for {due}");
        }
    }
}
