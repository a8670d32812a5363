// SPDX-License-Identifier: MIT OR Apache-2.0
//! The head behind the face: hair, ears and crown, where no landmarks are.
//!
//! A flow that is only drawn on from the landmarks takes the hair along with the forehead and the ears along with the
//! cheeks, though they lie deeper and hardly move when a head turns. So points of a mean head's outline, of its top and of
//! the neck turn with the outline of the face as one rigid body and steer the flow of the picture beside the landmarks.

use super::points::Point;
use super::turn::Turn;
use crate::face::landmark::Pose;

/// Middle of the head, normalised coordinates (those of [`crate::face::landmark::Pose`]): between the ears.
///
/// Its depth and those of ears and neck lie behind what a head turns about
/// ([`PIVOT`](crate::face::landmark::pose::PIVOT)): fitted to pairs of frames of real people whose heads turned by 8 to 25
/// degrees, where the head's picture comes .15 to .3 dB nearer to the truth than with a head of a skull's depth.
const MIDDLE: [f32; 3] = [0.0, -0.3, 1.45];
/// Half width, height and depth of the head with its hair.
const SIZE: [f32; 3] = [1.0, 1.25, 0.9];
/// Rings of points around the line of sight, as seen from ahead: share of the size, first and last angle in degrees
/// (from ear to ear over the crown), points.
const RINGS: [(f32, f32, f32, usize); 2] = [(1.0, 0.0, 180.0, 19), (0.82, 45.0, 135.0, 9)];
/// The ears, and what hangs from them or beside the jaw.
const EARS: [[f32; 3]; 6] = [
    [-0.85, 0.05, 1.45],
    [0.85, 0.05, 1.45],
    [-1.02, 0.05, 1.52],
    [1.02, 0.05, 1.52],
    [-0.95, 0.4, 1.45],
    [0.95, 0.4, 1.45],
];

/// The neck, and hair beside it. Without these points the neck would be drawn on from the jaw, which moves to the side
/// there: a shelf under the near jaw. As deep as what a head turns about, they stay where they are when it does.
const NECK: [[f32; 3]; 8] = [
    [-0.6, 1.1, 1.15],
    [0.0, 1.25, 1.15],
    [0.6, 1.1, 1.15],
    [-0.6, 1.4, 1.15],
    [0.0, 1.55, 1.15],
    [0.6, 1.4, 1.15],
    [-0.95, 0.85, 1.15],
    [0.95, 0.85, 1.15],
];

/// Points of the head behind the face, where they are in the photo.
#[derive(Clone, Debug)]
pub struct Skull(Vec<[f32; 3]>);

impl Skull {
    /// The head of a photo that has the pose `rest`.
    pub fn new(rest: &Pose) -> Self {
        let mut shape: Vec<[f32; 3]> = EARS.into_iter().chain(NECK).collect();
        for (size, first, last, count) in RINGS {
            let depth = MIDDLE[2] - SIZE[2] * (1.0 - size * size).sqrt();
            shape.extend((0..count).map(|i| {
                let angle = first + (last - first) * i as f32 / (count - 1) as f32;
                let (sin, cos) = angle.to_radians().sin_cos();
                [MIDDLE[0] + size * SIZE[0] * cos, MIDDLE[1] - size * SIZE[1] * sin, depth]
            }));
        }
        let mut points = shape.clone();
        rest.apply(&shape, &mut points);
        Self(points)
    }

    /// Where the points are in the photo.
    pub fn source(&self) -> impl Iterator<Item = Point> {
        self.0.iter().map(|p| [p[0], p[1]])
    }

    /// Where they are in a frame.
    pub fn turned(&self, turn: &Turn) -> impl Iterator<Item = Point> {
        self.0.iter().map(|&point| turn.behind(point))
    }
}
