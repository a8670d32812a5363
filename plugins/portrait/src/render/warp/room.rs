// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far a head may go in a picture that the photo goes on around, or in which it is cut off, and where its motion fades out there.
//!
//! Along a seam that the person reaches nothing moves, so that the pasted crop does not show, and motion fades out towards it.
//! Beside others it does so only for a head that would go beyond them. The face itself moves as a whole: mouth and eyes are painted
//! where the landmarks are, and would lie beside a face that is held back.

use super::math::smooth_step;
use super::paste::{Raster, Seams};
use super::points::Point;

/// Width of the band along a seam in which nothing moves, picture units.
pub const STILL: f32 = 1.0 / 64.0;

/// Width of the band in which motion fades out at least, picture units, and in ways of the head: in half of it the picture would
/// fold.
const BORDER: f32 = 0.06;
const SLACK: f32 = 2.0;

/// Width of the band along an end of the photo that is drawn out where a person who is cut off there leaves it, in ways of the head.
pub const DRAWN_OUT: f32 = 2.5;

/// How far a head has to go beyond a seam that the person does not reach until motion fades out along it, picture units.
const BEYOND: f32 = 0.02;

/// Of each side of the picture: low and high, across and down.
pub type Sides<T> = [[T; 2]; 2];

/// How far a head goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Way {
    /// Aside and down, picture units.
    pub shift: Point,
    /// How much farther its top is from what it turns about, picture units.
    pub growth: f32,
}

impl Way {
    /// The farthest that a part of it goes.
    pub fn travel(&self) -> f32 {
        self.shift[0].hypot(self.shift[1]) + self.growth.abs()
    }
}

/// Where motion fades out along a side: over that width, as much as that.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fade {
    width: f32,
    share: f32,
}

impl Fade {
    /// How much of the motion there is so far from the side.
    #[inline(always)]
    pub fn weight(&self, distance: f32) -> f32 {
        if self.share <= 0.0 {
            return 1.0;
        }
        1.0 - self.share * (1.0 - smooth_step((distance - STILL) / self.width))
    }
}

/// How far a head may go to each side, picture units.
#[derive(Clone, Copy, Debug)]
pub struct Limits(Sides<f32>);

impl Limits {
    /// None.
    pub const NONE: Self = Self([[f32::INFINITY; 2]; 2]);

    /// What of a way is more than that.
    pub fn excess(&self, way: Point) -> Point {
        let Self(most) = self;
        [0, 1].map(|axis| way[axis] - way[axis].clamp(-most[axis][0], most[axis][1]))
    }
}

/// The room around a person.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    seams: Seams,
    /// Where the picture ends, and how far the person is from there; picture units.
    ends: Sides<f32>,
    margins: Sides<f32>,
}

impl Room {
    /// That of a person beside whom so many lines of the output are free, from each side.
    pub fn new(raster: &Raster, margins: Sides<usize>) -> Self {
        Self {
            seams: raster.seams,
            ends: [0, 1].map(|axis| raster.ends(axis).map(|end| end.clamp(0.0, 1.0))),
            margins: [0, 1].map(|axis| margins[axis].map(|lines| lines as f32 / raster.scale[axis])),
        }
    }

    /// One that ends where the picture does, of a person who is that far from each side.
    #[cfg(test)]
    pub fn of(seams: Seams, margin: f32) -> Self {
        Self { seams, ends: [[0.0, 1.0]; 2], margins: [[margin; 2]; 2] }
    }

    fn seam(&self, axis: usize, side: usize) -> bool {
        [self.seams.low, self.seams.high][side][axis]
    }

    /// Whether the person reaches a side.
    fn reaches(&self, axis: usize, side: usize) -> bool {
        self.margins[axis][side] < STILL
    }

    /// How far a face with those points is from the still bands.
    fn beside(&self, face: &[Point]) -> Sides<f32> {
        [0, 1].map(|axis| {
            let (low, high) = face.iter().fold((f32::MAX, f32::MIN), |(low, high), point| {
                (low.min(point[axis]), high.max(point[axis]))
            });
            let ends = self.ends[axis];
            [low - ends[0], ends[1] - high].map(|room| (room - STILL).max(0.0))
        })
    }

    /// How far a head may go whose face has those points in the photo.
    pub fn limits(&self, face: &[Point]) -> Limits {
        let beside = self.beside(face);
        Limits([0, 1].map(|axis| {
            // Towards a seam hair goes as far as there is room, or where that cuts it off the face as far as motion can fade out
            // before it. Away from an end at which the person is cut off, the face stays out of what is drawn out.
            [0, 1].map(|side| {
                let towards = match (self.seam(axis, side), self.reaches(axis, side)) {
                    (false, _) => f32::INFINITY,
                    (true, false) => self.margins[axis][side],
                    (true, true) => beside[axis][side] / (1.0 + SLACK),
                };
                let behind = 1 - side;
                let drawn_out = !self.seam(axis, behind) && self.reaches(axis, behind);
                let away = if drawn_out { beside[axis][behind] / (DRAWN_OUT - 1.0) } else { f32::INFINITY };
                towards.min(away)
            })
        }))
    }

    /// Where the motion of a head that went that way fades out; `face` are its points.
    pub fn fades(&self, face: &[Point], way: Way) -> Sides<Fade> {
        let beside = self.beside(face);
        let fade = |axis: usize, side: usize| {
            let margin = self.margins[axis][side];
            let towards = if side == 0 { -way.shift[axis] } else { way.shift[axis] } + way.growth;
            let (over, share) = if self.reaches(axis, side) {
                (way.travel(), 1.0)
            } else {
                (towards - margin, smooth_step((towards - margin) / BEYOND))
            };
            let width = (SLACK * over).min(beside[axis][side]).max(BORDER);
            Fade { width, share: if self.seam(axis, side) { share } else { 0.0 } }
        };
        [0, 1].map(|axis| [0, 1].map(|side| fade(axis, side)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACE: [Point; 2] = [[0.4, 0.3], [0.6, 0.7]];
    const ASIDE: Seams = Seams { low: [true, false], high: [true, false] };

    #[test]
    fn a_way_ends_where_its_motion_could_not_fade_out() {
        let margins = [[0.0; 2], [0.1; 2]];
        let room = Room { margins, ..Room::of(ASIDE, 0.0) };
        let most = (0.4 - STILL) / (1.0 + SLACK);
        for way in [[0.05, -0.4], [-0.1, 0.4], [0.0; 2]] {
            assert_eq!(room.limits(&FACE).excess(way), [0.0; 2], "{way:?}");
        }
        for (way, over) in [(0.3, 0.3 - most), (-0.3, most - 0.3)] {
            let [x, y] = room.limits(&FACE).excess([way, 0.2]);
            assert!((x - over).abs() < 1e-6 && y == 0.0, "{way}: {x} {y}");
        }
        assert_eq!(Limits::NONE.excess([0.9, -0.9]), [0.0; 2]);
        // A face at the very seam does not move towards it at all.
        assert_eq!(room.limits(&[[0.0, 0.5], [0.4, 0.6]]).excess([-0.1, 0.0]), [-0.1, 0.0]);
        // Hair that the seam does not cut off stops at it.
        let hair = Room::of(ASIDE, 0.05);
        assert_eq!(hair.limits(&FACE).excess([0.05, 0.9]), [0.0; 2]);
        assert_eq!(hair.limits(&FACE).excess([-0.125, 0.9]), [-0.075, 0.0]);
    }

    /// A chest that the photo's lower end cuts off is drawn out below a head that goes up.
    #[test]
    fn a_face_stays_out_of_what_is_drawn_out() {
        let room = Room { margins: [[0.1, 0.1], [0.1, 0.0]], ..Room::of(Seams::default(), 0.0) };
        let most = (0.3 - STILL) / (DRAWN_OUT - 1.0);
        let [x, y] = room.limits(&FACE).excess([0.6, -0.3]);
        assert!(x == 0.0 && (y + 0.3 - most).abs() < 1e-6, "{x} {y}");
        assert_eq!(room.limits(&FACE).excess([0.0, 0.3]), [0.0; 2]);
    }

    #[test]
    fn motion_fades_out_along_seams_that_the_person_reaches_or_would_go_beyond() {
        let margins = [[0.0, 0.2], [0.0; 2]];
        let room = Room { margins, ..Room::of(ASIDE, 0.0) };
        let held = |shift: f32, growth: f32| {
            let fades = room.fades(&FACE, Way { shift: [shift, 0.0], growth });
            [0, 1].map(|side| fades[0][side].weight(STILL) < 0.5)
        };
        assert_eq!(held(0.1, 0.0), [true, false]);
        assert_eq!(held(0.25, 0.0), [true, true]);
        assert_eq!(held(0.1, 0.15), [true, true]);
        assert_eq!(held(-0.4, -0.3), [true, false]);
        let [_, down] = room.fades(&FACE, Way { shift: [0.0, 0.9], growth: 0.0 });
        assert!(down.iter().all(|fade| fade.weight(0.0) == 1.0), "the photo ends there");
    }
}
