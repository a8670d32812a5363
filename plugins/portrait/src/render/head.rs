//! How far a point of the picture moves with the head: all of it on face and hair, nothing on shoulders and background.

use super::math::smooth_step;
use super::points::{Point, Rows, gather};

/// Half width of face and hair, and beside the jaw, in widths of the face.
const SIDE: f32 = 0.75;
const JAW_SIDE: f32 = 0.6;
/// Width of the falloff around the head, in head radii.
const FALLOFF: f32 = 0.4;

/// Where the neck begins to lag behind, its length and half width with a soft edge, in heights and widths of the face.
const NECK_TOP: f32 = 0.5;
const NECK_LENGTH: f32 = 0.5;
const NECK_WIDTH: f32 = 0.6;
const NECK_EDGE: f32 = 0.3;

/// Width of the band along the picture's border in which nothing moves, so that a pasted crop has no seam, and of that
/// in which motion fades out, in picture units: what lies beyond the border is unknown.
const STILL: f32 = 1.0 / 64.0;
const BORDER: f32 = 0.06;

/// The head's ellipse in a frame.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    centre: Point,
    up: Point,
    height: f32,
    width: f32,
}

impl Head {
    /// From the control points of a frame.
    pub fn new(points: &[Point], rows: &Rows) -> Self {
        let [top, bottom, left, right] = gather(points, &rows.head);
        let (dx, dy) = (top[0] - bottom[0], top[1] - bottom[1]);
        let height = dx.hypot(dy).max(1e-3);
        Self {
            centre: [(top[0] + bottom[0]) / 2.0, (top[1] + bottom[1]) / 2.0],
            up: [dx / height, dy / height],
            height,
            // A turned head is as wide as it is when it looks ahead.
            width: (left[0] - right[0]).hypot(left[1] - right[1]).max(0.7 * height),
        }
    }

    /// Coordinates along and across the head, in heights and widths of the face.
    #[inline(always)]
    fn place(&self, [x, y]: Point) -> Point {
        let (x, y) = (x - self.centre[0], y - self.centre[1]);
        let across = (y * self.up[0] - x * self.up[1]) / self.width;
        [across, (x * self.up[0] + y * self.up[1]) / self.height]
    }

    /// Distance from the head's centre: 1 on the ellipse around face and hair, whose half width is `side`.
    #[inline(always)]
    fn radius([across, along]: Point, side: f32) -> f32 {
        let along = if along > 0.0 { along / 0.95 } else { along / 0.56 };
        (across / side).hypot(along)
    }

    /// The linear falloff that the pack's generator was tried with.
    #[cfg(test)]
    pub fn linear(&self, point: Point, falloff: f32) -> f32 {
        (1.0 - (Self::radius(self.place(point), SIDE) - 1.0) / falloff).clamp(0.0, 1.0)
    }

    /// Weight of the head's motion at a point of the picture.
    pub fn weight(&self, point: Point) -> f32 {
        let border = |v: f32| smooth_step((v.min(1.0 - v) - STILL) / BORDER);
        let place = self.place(point);
        // Beside the jaw there is no hair that hangs from the head but collars and shoulders.
        let side = SIDE - (SIDE - JAW_SIDE) * smooth_step(-place[1] / 0.4);
        let head = smooth_step(1.0 - (Self::radius(place, side) - 1.0) / FALLOFF);
        let rest = (1.0 - head) * (1.0 - neck(place));
        (1.0 - rest) * border(point[0]) * border(point[1])
    }
}

/// The neck follows less and less towards the shoulders.
fn neck([across, along]: Point) -> f32 {
    let along = if along < 0.0 { 1.0 + (along + NECK_TOP) / NECK_LENGTH } else { 0.0 };
    smooth_step(along) * smooth_step((NECK_WIDTH - across.abs()) / NECK_EDGE)
}
