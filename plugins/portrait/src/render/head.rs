//! How far a point of the picture moves with the head: all of it on face and hair, nothing on shoulders and background.

use super::math::smooth_step;
use super::points::{Point, Rows, gather};

/// Width of the falloff around the head, in head radii.
pub const FALLOFF: f32 = 0.4;

/// Width of the band along the picture's border in which motion fades out, in picture units: what lies beyond the
/// border is unknown.
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

    /// Distance from the head's centre: 1 on the ellipse around face and hair.
    #[inline(always)]
    fn radius(&self, [x, y]: Point) -> f32 {
        let (x, y) = (x - self.centre[0], y - self.centre[1]);
        let along = (x * self.up[0] + y * self.up[1]) / self.height;
        let across = (y * self.up[0] - x * self.up[1]) / self.width;
        let along = if along > 0.0 { along / 0.95 } else { along / 0.56 };
        let across = across / 0.75;
        (across * across + along * along).sqrt()
    }

    /// The linear falloff that the painters were made with.
    pub fn linear(&self, point: Point, falloff: f32) -> f32 {
        (1.0 - (self.radius(point) - 1.0) / falloff).clamp(0.0, 1.0)
    }

    /// Weight of the head's motion at a point of the picture.
    pub fn weight(&self, point: Point) -> f32 {
        let border = |v: f32| smooth_step(v / BORDER) * smooth_step((1.0 - v) / BORDER);
        smooth_step(self.linear(point, FALLOFF)) * border(point[0]) * border(point[1])
    }
}
