// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far a point of the picture moves with the head: all of it on face and hair, nothing on the background; and how far with
//! the body that carries it: shoulders and chest.

use super::math::smooth_step;
use super::paste::Seams;
use super::points::{Point, Rows, gather};
use super::room::{Fade, STILL, Sides, Way};

/// Half width of face and hair, and beside the jaw, in widths of the face.
const SIDE: f32 = 0.75;
const JAW_SIDE: f32 = 0.6;
/// Half height below the middle of the face, in heights of the face.
const BELOW: f32 = 0.56;
/// Width of the falloff around the head, in head radii.
const FALLOFF: f32 = 0.4;
/// Width of all that fades at least, in ways of a head that moves aside or changes its size: beside it the picture is drawn out
/// to twice its size at most. In a narrower band hair and neck would fold, and half of a head would stay where it was.
const SLACK: f32 = 3.0;
/// Where hair ends above the middle of the face, in heights of the face, and where the tallest hat does.
pub const CROWN: f32 = 0.95;
const TALLEST: f32 = 1.6;
/// Half width of the strip in which hair or hat are looked for, in widths of the face, and how much of a line across
/// it they cover.
const CROWN_STRIP: f32 = 0.25;
const CROWN_SHARE: f32 = 0.5;
/// Lines that are looked at on the way up, in heights of the face.
const CROWN_STEP: f32 = 0.02;

/// Height below the middle of the face within which the neck's motion comes up, inside of the head where both are narrow; in
/// heights of the face.
const NECK_START: f32 = 0.2;
/// Where the neck begins to lag behind, its length and half width with a soft edge, in heights and widths of the face.
const NECK_TOP: f32 = 0.5;
const NECK_LENGTH: f32 = 0.5;
const NECK_WIDTH: f32 = 0.6;
const NECK_EDGE: f32 = 0.3;

/// How far above and below the middle of the face the body begins beside head and neck, in heights of the face.
const BODY: (f32, f32) = (-0.2, -0.7);

/// Width of the band along a seam in which the body's motion fades out, whose outline runs across; in picture units.
const BORDER: f32 = 0.3;

/// The head's ellipse in a frame.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    centre: Point,
    up: Point,
    height: f32,
    width: f32,
    /// Height of hair or hat above the centre, in heights of the face.
    crown: f32,
    /// Width of everything that fades at least, picture units.
    slack: f32,
    fades: Sides<Fade>,
}

impl Head {
    /// From the control points of a frame, in which the head as a whole has gone that `way`, which fades out like that along the
    /// sides of the picture. `crown` is that of the photo.
    pub fn new(points: &[Point], rows: &Rows, crown: f32, way: Way, fades: Sides<Fade>) -> Self {
        let [top, bottom, left, right] = gather(points, &rows.head);
        let (dx, dy) = (top[0] - bottom[0], top[1] - bottom[1]);
        let height = dx.hypot(dy).max(1e-3);
        Self {
            centre: [(top[0] + bottom[0]) / 2.0, (top[1] + bottom[1]) / 2.0],
            up: [dx / height, dy / height],
            height,
            // A turned head is as wide as it is when it looks ahead.
            width: (left[0] - right[0]).hypot(left[1] - right[1]).max(0.7 * height),
            crown,
            slack: SLACK * way.travel(),
            fades,
        }
    }

    /// How far hair or hat reach above the middle of the face, in heights of the face, by the matte of the photo (a
    /// square of `side` pixels, 255 = person): all of a hat moves with the head, or it would bend.
    pub fn crown(points: &[Point], rows: &Rows, matte: &[u8], side: usize) -> f32 {
        let head = Self::new(points, rows, CROWN, Way::default(), Default::default());
        let covered = |across: f32, along: f32| {
            let (across, along) = (across * head.width, along * head.height);
            let x = head.centre[0] - across * head.up[1] + along * head.up[0];
            let y = head.centre[1] + across * head.up[0] + along * head.up[1];
            // Beyond the picture a hat goes on as it was: saturating casts clamp.
            let pixel = |v: f32| ((v * side as f32) as usize).min(side - 1);
            matte.get(pixel(y) * side + pixel(x)).is_some_and(|&m| m > 127)
        };
        let line = |along: f32| {
            let strip = (-4..=4).map(|i| i as f32 / 4.0 * CROWN_STRIP);
            strip.filter(|&across| covered(across, along)).count() as f32 >= CROWN_SHARE * 9.0
        };
        let steps = ((TALLEST - CROWN) / CROWN_STEP) as usize;
        let above = (0..steps).take_while(|&i| line(CROWN + i as f32 * CROWN_STEP)).count();
        CROWN + above as f32 * CROWN_STEP
    }

    /// Coordinates along and across the head, in heights and widths of the face.
    #[inline(always)]
    fn place(&self, [x, y]: Point) -> Point {
        let (x, y) = (x - self.centre[0], y - self.centre[1]);
        let across = (y * self.up[0] - x * self.up[1]) / self.width;
        [across, (x * self.up[0] + y * self.up[1]) / self.height]
    }

    /// Distance from the head's centre: 1 around face and hair, whose half width is `side`. Below the middle that is an ellipse;
    /// above it hats and hair fill the corners, which would stay behind in a head that leans.
    #[inline(always)]
    fn radius(&self, [across, along]: Point, side: f32) -> f32 {
        let across = across / side;
        if along <= 0.0 {
            return across.hypot(along / BELOW);
        }
        let (across, along) = (across * across, along * along / (self.crown * self.crown));
        (across * across + along * along).sqrt().sqrt()
    }

    /// The linear falloff around an ellipse that the pack's generator was tried with.
    #[cfg(test)]
    pub fn linear(&self, point: Point, falloff: f32) -> f32 {
        let [across, along] = self.place(point);
        let along = if along > 0.0 { along / self.crown } else { along / BELOW };
        (1.0 - ((across / SIDE).hypot(along) - 1.0) / falloff).clamp(0.0, 1.0)
    }

    /// Weights of the head's motion and of the body's at a point of the picture; both end at the seams.
    pub fn weights(&self, point: Point, seams: Seams) -> [f32; 2] {
        let place = self.place(point);
        // Beside the jaw there is no hair that hangs from the head but collars and shoulders.
        let side = SIDE - (SIDE - JAW_SIDE) * smooth_step(-place[1] / 0.4);
        let shortest = (JAW_SIDE * self.width).min(BELOW * self.height);
        let falloff = FALLOFF.max(self.slack / shortest);
        let head = smooth_step(1.0 - (self.radius(place, side) - 1.0) / falloff);
        let rest = (1.0 - head) * (1.0 - neck(place, NECK_EDGE.max(self.slack / self.width)));
        let body = rest * smooth_step((BODY.0 - place[1]) / (BODY.0 - BODY.1));
        [0, 1].into_iter().fold([1.0 - rest, body], |[head, body], axis| {
            let ends = [point[axis], 1.0 - point[axis]];
            let seam = [seams.low[axis], seams.high[axis]];
            let faded: f32 = [0, 1].map(|i| self.fades[axis][i].weight(ends[i])).iter().product();
            let near = [0, 1].map(|i| if seam[i] { ends[i] } else { 1.0 });
            [head * faded, body * smooth_step((near[0].min(near[1]) - STILL) / BORDER)]
        })
    }
}

/// The neck follows less and less towards the shoulders; to its sides within `edge` widths of the face.
fn neck([across, along]: Point, edge: f32) -> f32 {
    let beside = smooth_step((NECK_WIDTH - NECK_EDGE + edge - across.abs()) / edge);
    smooth_step(1.0 + (along + NECK_TOP) / NECK_LENGTH) * smooth_step(-along / NECK_START) * beside
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::COUNT;
    use crate::render::warp::room::Room;

    /// A face of 0.22 by 0.3 in the middle of the picture.
    fn face() -> (Rows, Vec<Point>) {
        let rows = Rows::new(&(0..COUNT).collect::<Vec<_>>()).unwrap();
        let mut points = vec![[0.5, 0.4]; COUNT];
        for (row, at) in rows.head.into_iter().zip([[0.5, 0.25], [0.5, 0.55], [0.39, 0.4], [0.61, 0.4]]) {
            points[row] = at;
        }
        (rows, points)
    }

    /// What is shown along a line goes on in its order, or a part of the person would be there twice; and the face moves as a
    /// whole.
    #[test]
    fn a_head_that_goes_far_takes_what_is_beside_it_along() {
        let (rows, points) = face();
        let all = Seams { low: [true; 2], high: [true; 2] };
        let rooms = [(Seams::default(), 0.0), (all, 0.0), (all, 0.05)];
        for (travel, (seams, margin)) in
            [0.01, 0.04, 0.08, 0.12, 0.2].into_iter().flat_map(|travel| rooms.map(|room| (travel, room)))
        {
            let room = Room::of(seams, margin);
            for (axis, sign) in [(0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0)] {
                let mut shift = [0.0; 2];
                shift[axis] = sign * travel;
                shift[axis] -= room.limits(&points).excess(shift)[axis];
                let moved: Vec<Point> = points.iter().map(|p| [p[0] + shift[0], p[1] + shift[1]]).collect();
                let way = Way { shift, growth: 0.0 };
                let head = Head::new(&moved, &rows, CROWN, way, room.fades(&moved, way));
                for at in &moved {
                    assert!(head.weights(*at, seams)[0] > 0.999, "{way:?} {room:?}: {at:?} is held back");
                }
                for across in 1..40 {
                    let shown = (0..=800).map(|along| {
                        let mut at = [across as f32 / 40.0; 2];
                        at[axis] = along as f32 / 800.0;
                        at[axis] - shift[axis] * head.weights(at, seams)[0]
                    });
                    assert!(shown.is_sorted(), "{way:?} {room:?} {across}");
                }
            }
        }
    }
}
