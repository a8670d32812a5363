// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which landmarks steer the picture, and where the latents hold them.
//!
//! Indices are those of MediaPipe's 478 points. The latents hold only the pack's control points, so every index that
//! the geometry reads is looked up once among them.

use super::RenderError;
use crate::face::landmark::COUNT;
use crate::face::landmark::indices::{
    CHIN_MIDDLE, EYE_LEFT, EYE_RIGHT, FOLD_LOWER, FOLD_UPPER, INNER_FACE, INNER_LIP_LOWER, INNER_LIP_UPPER,
    IRIS_LEFT, IRIS_RIGHT, LIPS_INNER, LIPS_OUTER, NOSE, OUTER_LIP_LOWER, OUTER_LIP_UPPER, OVAL,
};

/// Centres of the irises, the picture's left one first.
const IRIS: [usize; 2] = [IRIS_LEFT[0], IRIS_RIGHT[0]];

/// Weight of an iris as a control point: gaze moves the iris inside of the lids, it must not drag them.
const IRIS_WEIGHT: f32 = 0.35;

/// A point of the picture plane.
pub type Point = [f32; 2];

/// The axis between two corners, of the mouth or of an eye.
#[derive(Clone, Copy, Debug, Default)]
pub struct Axis {
    pub centre: Point,
    /// Direction, of length one.
    pub along: Point,
    pub width: f32,
}

impl Axis {
    pub fn between(left: Point, right: Point) -> Self {
        let (dx, dy) = (right[0] - left[0], right[1] - left[1]);
        let width = (dx * dx + dy * dy).sqrt().max(1e-3);
        let centre = [(left[0] + right[0]) / 2.0, (left[1] + right[1]) / 2.0];
        Self { centre, along: [dx / width, dy / width], width }
    }

    /// Along and across the axis, from its centre.
    pub fn local(&self, p: Point) -> Point {
        let ([x, y], [a, b]) = ([p[0] - self.centre[0], p[1] - self.centre[1]], self.along);
        [x * a + y * b, y * a - x * b]
    }

    /// The point that lies so far along and across.
    pub fn point(&self, [u, v]: Point) -> Point {
        let [a, b] = self.along;
        [self.centre[0] + u * a - v * b, self.centre[1] + u * b + v * a]
    }
}

/// Which lip a control point belongs to: the flow keeps the two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Upper lip.
    Upper,
    /// Lower lip and chin.
    Lower,
    /// The rest of the face.
    Neither,
}

/// Rows of the latents by their meaning.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Landmark index of each control point.
    pub control: Vec<usize>,
    /// Side of each control point.
    pub side: Vec<Side>,
    /// Weight of each control point in the flow.
    pub weight: Vec<f32>,
    /// Outline of the lips.
    pub lips_outer: [usize; 20],
    /// Outline of the mouth's opening.
    pub lips_inner: [usize; 20],
    /// Outline of both eyes, the picture's left one first.
    pub eyes: [[usize; 16]; 2],
    /// Centres of both irises.
    pub iris: [usize; 2],
    /// Upper and lower rim of the mouth, corner to corner.
    pub rims: [[usize; 11]; 2],
    /// Top of the forehead (10), chin (152), cheeks (234, 454).
    pub head: [usize; 4],
    /// Outer eye corners (33, 263), nose bridge (168), nose base (2).
    pub frame: [usize; 4],
    /// Inner eye corners (133, 362).
    pub inner_corners: [usize; 2],
    /// Middle of the upper and the lower rim (13, 14).
    pub mouth: [usize; 2],
    /// Outline of the face, around it.
    pub outline: [usize; 36],
    /// How many times farther the outer corners of the eyes are apart than a person's.
    pub wider: f32,
    /// Inner points near the outline that neither lips nor lids move much.
    pub inside: [usize; 24],
    /// The nose, which a turn brings before the far cheek.
    pub nose: [usize; 18],
}

impl Rows {
    /// Rows of an eye's upper and lower lid, both from corner to corner, picture's left to right.
    pub fn lids(&self, eye: usize) -> [Vec<usize>; 2] {
        let outline = &self.eyes[eye];
        // The outline runs from the outer corner along the lower lid and back along the upper one.
        let mut lower = outline[..9].to_vec();
        let mut upper: Vec<usize> = outline[..1].iter().chain(outline[8..].iter().rev()).copied().collect();
        if eye == 1 {
            lower.reverse();
            upper.reverse();
        }
        [upper, lower]
    }

    /// Which lid a point in the folds around an eye follows.
    pub fn fold_side(&self, eye: usize, row: usize) -> Side {
        let index = self.control[row];
        if FOLD_UPPER[eye].contains(&index) {
            Side::Upper
        } else if FOLD_LOWER[eye].contains(&index) {
            Side::Lower
        } else {
            Side::Neither
        }
    }

    /// Looks the geometry's points up among a pack's control points.
    ///
    /// # Errors
    /// Where a point is missing.
    pub fn new(control: &[usize]) -> Result<Self, RenderError> {
        let side = |i: &usize| match i {
            // What the upper half of the mouth's surroundings follows, and the lower one: lower lip and chin.
            i if [OUTER_LIP_UPPER, INNER_LIP_UPPER].iter().any(|lip| lip[1..10].contains(i)) => Side::Upper,
            i if [OUTER_LIP_LOWER, INNER_LIP_LOWER].iter().any(|lip| lip[1..10].contains(i)) => Side::Lower,
            i if CHIN_MIDDLE.contains(i) => Side::Lower,
            _ => Side::Neither,
        };
        Ok(Self {
            control: control.to_vec(),
            side: control.iter().map(side).collect(),
            weight: control.iter().map(|i| if IRIS.contains(i) { IRIS_WEIGHT } else { 1.0 }).collect(),
            lips_outer: find(control, LIPS_OUTER)?,
            lips_inner: find(control, LIPS_INNER)?,
            eyes: [find(control, EYE_LEFT)?, find(control, EYE_RIGHT)?],
            iris: find(control, IRIS)?,
            rims: [find(control, INNER_LIP_UPPER)?, find(control, INNER_LIP_LOWER)?],
            head: find(control, [10, 152, 234, 454])?,
            frame: find(control, [33, 263, 168, 2])?,
            inner_corners: find(control, [133, 362])?,
            mouth: find(control, [13, 14])?,
            wider: 1.0,
            outline: find(control, OVAL)?,
            inside: find(control, INNER_FACE)?,
            nose: find(control, NOSE)?,
        })
    }

    /// The control points among all landmarks of a face.
    ///
    /// # Errors
    /// Where a landmark is missing or not a number.
    pub fn pick(&self, landmarks: &[[f32; 3]]) -> Result<Vec<Point>, RenderError> {
        let wrong = || RenderError::Source("landmarks are not 478 finite points".to_owned());
        if landmarks.len() != COUNT {
            return Err(wrong());
        }
        self.control
            .iter()
            .map(|&i| landmarks.get(i).filter(|p| p.iter().all(|v| v.is_finite())).map(|p| [p[0], p[1]]))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(wrong)
    }
}

/// The points of those rows.
pub fn gather<const N: usize>(points: &[Point], rows: &[usize; N]) -> [Point; N] {
    rows.map(|row| points[row])
}

fn find<const N: usize>(control: &[usize], indices: [usize; N]) -> Result<[usize; N], RenderError> {
    let mut rows = [0; N];
    for (row, index) in rows.iter_mut().zip(indices) {
        *row = control.iter().position(|&c| c == index).ok_or(RenderError::ControlPoint(index))?;
    }
    Ok(rows)
}
