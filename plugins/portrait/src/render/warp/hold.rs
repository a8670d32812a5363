// SPDX-License-Identifier: MIT OR Apache-2.0
//! A mouth that something covers: a mask, a hand, a microphone. Nobody can say what is behind it, so mouth and jaw go with
//! the head and do nothing else.

use super::math::smooth_step;
use super::points::Rows;
use super::turn::Turn;
use crate::face::landmark::indices::NOSE_TIP;

/// Middle of the upper lip's outer edge: from there down all of the face is held, up to the tip of the nose less and less.
const UPPER_LIP: usize = 0;

/// Control points that are held.
#[derive(Clone, Debug)]
pub struct Hold(Vec<Held>);

#[derive(Clone, Copy, Debug)]
struct Held {
    row: usize,
    /// How firmly, 0 to 1.
    firmly: f64,
    /// Where it is in the photo, picture units.
    source: [f64; 3],
}

impl Hold {
    /// Mouth and jaw of a face; heights are those of the mean face.
    pub fn new(rows: &Rows, landmarks: &[[f32; 3]], mean_face: &[[f32; 3]]) -> Self {
        let height = |index: usize| mean_face.get(index).map_or(0.0, |p| p[1]);
        let (nose, lip) = (height(NOSE_TIP), height(UPPER_LIP));
        let held = |(row, &index): (usize, &usize)| {
            let firmly = smooth_step((height(index) - nose) / (lip - nose).max(f32::EPSILON));
            let source = landmarks.get(index)?.map(f64::from);
            (firmly > 0.0).then_some(Held { row, firmly: f64::from(firmly), source })
        };
        Self(rows.control.iter().enumerate().filter_map(held).collect())
    }

    /// Puts the held points of a frame where the head carries them.
    pub fn keep(&self, turn: &Turn, points: &mut [[f32; 3]]) {
        for held in &self.0 {
            let carried = turn.carried(held.source);
            let Some(point) = points.get_mut(held.row) else { continue };
            for (value, carried) in point.iter_mut().zip(carried) {
                *value = (f64::from(*value) + (carried - f64::from(*value)) * held.firmly) as f32;
            }
        }
    }
}
