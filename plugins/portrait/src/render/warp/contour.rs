// SPDX-License-Identifier: MIT OR Apache-2.0
//! The outline of a turned face.
//!
//! What a head turns away from the viewer is hidden: the landmarks of the far temple and jaw go behind the eye and the
//! cheek. A warp of one view cannot hide anything, it would fold there and draw what is near twice. So the far outline
//! does not come nearer to the features than to a share of its distance in the photo: the strip between them narrows,
//! as the silhouette of a head does, but never turns over.

use super::math::smooth_step;
use super::points::{Point, Rows};

/// Least width of the strip along the outline, of that in the photo.
const LEAST: f32 = 0.4;

/// Largest width of it: beyond, the few pixels at the edge of a face that were seen from the side would be drawn out.
const MOST: f32 = 1.9;

/// Inner points that each point of the outline is held away from: the nearest ones.
const HELD: usize = 5;

/// Rounds over a point's inner points: they pull in similar directions, so few will do.
const ROUNDS: usize = 2;

/// Rounds of smoothing along the outline, lest one point of it make a dent.
const SMOOTHING: usize = 4;

/// A point that was moved so far steers softly, picture units.
const SOFT: f32 = 0.012;

/// Keeps the outline of a face from folding over what is inside.
#[derive(Clone, Debug)]
pub struct Contour {
    /// Outer corners of the eyes: rows, and where they are in the photo.
    eyes: [(usize, Point); 2],
    points: Vec<Bound>,
    pushes: [Vec<Point>; 2],
    soft: Vec<f32>,
}

/// A point of the outline.
#[derive(Clone, Copy, Debug)]
struct Bound {
    row: usize,
    /// Rows of inner points, with the way from each of them in the photo.
    inner: [(usize, Point); HELD],
}

impl Contour {
    /// The outline of a photo with these control points.
    pub fn new(rows: &Rows, source: &[Point]) -> Self {
        let way = |from: usize, to: usize| [0, 1].map(|i| source[to][i] - source[from][i]);
        let points = rows.outline.map(|row| {
            let mut inner: Vec<(usize, Point)> =
                rows.inside.iter().map(|&inside| (inside, way(inside, row))).collect();
            inner.sort_by(|(_, a), (_, b)| a[0].hypot(a[1]).total_cmp(&b[0].hypot(b[1])));
            Bound { row, inner: std::array::from_fn(|i| inner[i]) }
        });
        let eyes = [rows.frame[0], rows.frame[1]].map(|row| (row, source[row]));
        Self {
            eyes,
            pushes: [vec![[0.0; 2]; points.len()], vec![[0.0; 2]; points.len()]],
            points: points.to_vec(),
            soft: vec![0.0; source.len()],
        }
    }

    /// How far each control point was moved in the last frame, 0 to 1: where the outline is crowded, it has to steer the
    /// picture softly, lest it show a notch at each of its points.
    pub fn soft(&self) -> &[f32] {
        &self.soft
    }

    /// Lets other points steer softly that lie where they are crowded, as much as that.
    pub fn soften(&mut self, rows: &[usize], soft: f32) {
        for &row in rows {
            self.soft[row] = self.soft[row].max(soft);
        }
    }

    /// Moves the outline out of the face where it is too near.
    pub fn unfold(&mut self, driving: &mut [Point]) {
        // Roll and growth of the head since the photo, as one complex number.
        let [(a, from), (b, to)] = self.eyes;
        let now = [0, 1].map(|i| driving[b][i] - driving[a][i]);
        let then = [0, 1].map(|i| to[i] - from[i]);
        let length = (then[0] * then[0] + then[1] * then[1]).max(1e-9);
        let turn =
            [(then[0] * now[0] + then[1] * now[1]) / length, (then[0] * now[1] - then[1] * now[0]) / length];
        self.soft.fill(0.0);
        let [pushes, smooth] = &mut self.pushes;
        let mut any = false;
        for (bound, push) in self.points.iter().zip(pushes.iter_mut()) {
            *push = [0.0; 2];
            for _ in 0..ROUNDS {
                for &(inside, [x, y]) in &bound.inner {
                    let way = [turn[0] * x - turn[1] * y, turn[1] * x + turn[0] * y];
                    let width = way[0].hypot(way[1]).max(1e-6);
                    let along = [way[0] / width, way[1] / width];
                    let [dx, dy] = [0, 1].map(|i| driving[bound.row][i] + push[i] - driving[inside][i]);
                    let width_now = dx * along[0] + dy * along[1];
                    let missing = width_now.clamp(LEAST * width, MOST * width) - width_now;
                    *push = [push[0] + missing * along[0], push[1] + missing * along[1]];
                    any |= missing != 0.0;
                }
            }
        }
        if !any {
            return;
        }
        let count = pushes.len();
        for _ in 0..SMOOTHING {
            for i in 0..count {
                let (before, after) = (pushes[(i + count - 1) % count], pushes[(i + 1) % count]);
                smooth[i] = [0, 1].map(|k| (before[k] + 2.0 * pushes[i][k] + after[k]) / 4.0);
            }
            std::mem::swap(pushes, smooth);
        }
        for (bound, push) in self.points.iter().zip(pushes.iter()) {
            let point = &mut driving[bound.row];
            *point = [point[0] + push[0], point[1] + push[1]];
            self.soft[bound.row] = smooth_step(push[0].hypot(push[1]) / SOFT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A round face of radius 0.2 with its inner points on a ring of radius 0.15.
    fn face() -> (Rows, Vec<Point>) {
        let rows = Rows::new(&(0..478).collect::<Vec<_>>()).unwrap();
        let mut points = vec![[0.5; 2]; 478];
        let on = |i: usize, count: usize, radius: f32| {
            let (sin, cos) = (i as f32 / count as f32 * std::f32::consts::TAU).sin_cos();
            [0.5 - radius * cos, 0.5 + radius * sin]
        };
        for (i, row) in rows.inside.into_iter().enumerate() {
            points[row] = on(i, rows.inside.len(), 0.15);
        }
        for (i, row) in rows.outline.into_iter().enumerate() {
            points[row] = on(i, rows.outline.len(), 0.2);
        }
        (points[rows.frame[0]], points[rows.frame[1]]) = ([0.4, 0.5], [0.6, 0.5]);
        (rows, points)
    }

    #[test]
    fn a_face_that_only_moves_grows_and_rolls_keeps_its_outline() {
        let (rows, source) = face();
        let mut contour = Contour::new(&rows, &source);
        let mut still = source.clone();
        contour.unfold(&mut still);
        assert_eq!(still, source);
        let moved: Vec<Point> =
            source.iter().map(|[x, y]| [1.2 * x - 0.3 * y + 0.1, 0.3 * x + 1.2 * y - 0.2]).collect();
        let mut driving = moved.clone();
        contour.unfold(&mut driving);
        assert_eq!(driving, moved);
        assert!(contour.soft().iter().all(|&soft| soft == 0.0));
    }

    #[test]
    fn the_far_side_of_a_turned_face_does_not_fold() {
        let (rows, source) = face();
        let mut contour = Contour::new(&rows, &source);
        let mut driving = source.clone();
        let left: Vec<usize> = rows.outline.into_iter().filter(|&row| source[row][0] < 0.4).collect();
        for &row in &left {
            driving[row][0] += 0.08;
        }
        contour.unfold(&mut driving);
        for &row in &left {
            let out = (driving[row][0] - 0.5).hypot(driving[row][1] - 0.5);
            // Smoothing along the outline leaves a little less than the least width at its ends.
            assert!((0.15..0.2).contains(&out), "outside of the inner ring: {out}");
        }
        assert!(contour.soft()[left[left.len() / 2]] > 0.9);
        let (row, far) = (rows.outline[18], source[rows.outline[18]]);
        assert!(driving[row] == far && contour.soft()[row] == 0.0, "the near side stays");
    }
}
