// SPDX-License-Identifier: MIT OR Apache-2.0
//! The opening of a mouth: what lies between its lips, and where that is.

use super::Point;
use super::component::Crop;
use crate::face::step::smooth_step;
use crate::render::warp::points::Axis;

/// Points of a rim, corner to corner.
const RIM: usize = 11;

/// Shares of a gap that hold upper and lower teeth.
const UPPER: f32 = 0.45;
const LOWER: f32 = 0.35;

/// By how much a mouth must be opened further than it was seen for what is between its teeth to be dark: teeth that are drawn
/// out are no mouth's.
const DARKENS: f32 = 0.5;

/// Rims of a mouth about the axis through its corners, pixels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opening {
    axis: Axis,
    u: [f32; RIM],
    top: [f32; RIM],
    bottom: [f32; RIM],
}

/// Shares of a gap that show upper teeth, or lower ones, well within their rims; and half of a mouth's width in which front
/// teeth are, a share of that.
const UPPER_BAND: [f32; 3] = [0.15, 0.25, 0.35];
const LOWER_BAND: [f32; 3] = [0.65, 0.75, 0.85];
const FRONT: [f32; 5] = [-0.25, -0.12, 0.0, 0.12, 0.25];

/// By how much lower teeth must be brighter than what is below the upper lip to be what a mouth shows, in parts of the
/// skin's brightness.
const BRIGHTER: f32 = 0.25;

/// Share of an opening that the upper lip's shadow reaches down to where lower teeth are shown; share of the gap that showed
/// them under which a drawn one hides them.
const SHADOW: f32 = 0.4;
const HIDES: f32 = 0.35;

/// A place relative to an opening.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Along the mouth and across it, pixels from its middle.
    pub u: f32,
    pub v: f32,
    /// Rims there.
    pub top: f32,
    pub bottom: f32,
    /// 1 between the corners, 0 beyond.
    pub within: f32,
}

impl Opening {
    /// That of a face, by the indices of its rims.
    pub fn new(face: &[[f32; 3]], [upper, lower]: &[[usize; RIM]; 2]) -> Self {
        let flat = |i: usize| [face[i][0], face[i][1]];
        let axis = Axis::between(flat(upper[0]), flat(upper[RIM - 1]));
        let mut opening = Self { axis, ..Self::default() };
        for i in 0..RIM {
            let ([ua, va], [ub, vb]) = (axis.local(flat(upper[i])), axis.local(flat(lower[i])));
            opening.u[i] = f32::midpoint(ua, ub);
            // Lips that overlap are shut.
            let (middle, half) = (f32::midpoint(va, vb), ((vb - va) / 2.0).max(0.0));
            (opening.top[i], opening.bottom[i]) = (middle - half, middle + half);
        }
        opening
    }

    /// Largest gap between the rims, pixels.
    pub fn gap(&self) -> f32 {
        self.top.iter().zip(self.bottom).map(|(top, bottom)| bottom - top).fold(0.0, f32::max)
    }

    /// From corner to corner, pixels.
    pub fn width(&self) -> f32 {
        self.axis.width
    }

    /// So many pixels across the mouth, down.
    pub fn down(&self, by: f32) -> Point {
        [-self.axis.along[1] * by, self.axis.along[0] * by]
    }

    /// A pixel relative to the opening.
    #[inline(always)]
    pub fn at(&self, p: Point) -> Place {
        let [u, v] = self.axis.local(p);
        let (top, bottom) = self.rims(u);
        let within = (self.axis.width / 2.0 - u.abs() + 0.5).clamp(0.0, 1.0);
        Place { u, v, top, bottom, within }
    }

    #[inline(always)]
    fn rims(&self, u: f32) -> (f32, f32) {
        let mut i = 0;
        while i + 2 < RIM && self.u[i + 1] < u {
            i += 1;
        }
        let t = ((u - self.u[i]) / (self.u[i + 1] - self.u[i]).max(1e-3)).clamp(0.0, 1.0);
        let mix = |line: &[f32; RIM]| line[i] + (line[i + 1] - line[i]) * t;
        let top = mix(&self.top);
        // Of shut lips the rounding of either may be the larger.
        (top, mix(&self.bottom).max(top))
    }

    /// How far what this opening shows hangs at the lower lip, 0 to 1: some people show their lower teeth when they speak.
    /// `light` is the skin's brightness.
    pub fn lean(&self, crop: &Crop, step: [usize; 2], light: f32) -> f32 {
        let mean = |band: [f32; 3]| {
            let mut points = [[0.0; 2]; FRONT.len() * 3];
            for (i, point) in points.iter_mut().enumerate() {
                let u = FRONT[i / 3] * self.axis.width;
                let (top, bottom) = self.rims(u);
                *point = self.axis.point([u, top + (bottom - top) * band[i % 3]]);
            }
            crop.mean(&points, step)
        };
        smooth_step((mean(LOWER_BAND) - mean(UPPER_BAND)) / (BRIGHTER * light).max(1.0))
    }

    /// What this opening shows at a place of a drawn one: `at` is along and below its upper rim, pixels of the drawn frame;
    /// this opening's are `scale` times as many. Teeth keep their size. Where the drawn mouth is less open, less is shown: from
    /// the upper rim down, or, with a `lean` of 1, from the lower rim up. Where it is open wider, upper teeth stay at their rim
    /// and lower ones at theirs, and what is between them is stretched. The second number says how dark it has to be there: 1
    /// where nothing was seen of it.
    #[inline]
    pub fn sample(
        &self,
        crop: &Crop,
        step: [usize; 2],
        at: Point,
        drawn: &Self,
        (scale, lean): (f32, f32),
    ) -> (f32, f32) {
        let u = at[0] * self.axis.width / drawn.axis.width.max(1.0);
        let (top, bottom) = self.rims(u);
        let (drawn_top, drawn_bottom) = drawn.rims(at[0]);
        let (gap, depth, full) = (bottom - top, at[1] * scale, (drawn_bottom - drawn_top) * scale);
        let mut dark = 0.0;
        let depth = if full <= gap {
            // The upper lip's shadow stays, and lips that nearly meet hide all teeth.
            let shows =
                smooth_step(depth / (SHADOW * full).max(1e-3)) * smooth_step(full / (HIDES * gap).max(1e-3));
            depth + (gap - full) * lean * shows
        } else {
            let (upper, lower) = (gap * UPPER, gap * LOWER);
            let (above, below) = (depth, full - depth);
            if above < upper {
                above
            } else if below < lower {
                gap - below
            } else {
                let (seen, between) = (gap - upper - lower, (full - upper - lower).max(1e-3));
                let way = ((above - upper) / between).clamp(0.0, 1.0);
                dark = smooth_step((full / gap.max(1e-3) - 1.0) / DARKENS)
                    * smooth_step(4.0 * way * (1.0 - way));
                upper + way * seen
            }
        };
        let [x, y] = self.axis.point([u, (top + depth).clamp(top, bottom)]);
        (crop.sharp([(x + 0.5) / step[0] as f32 - 0.5, (y + 0.5) / step[1] as f32 - 0.5]), dark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::dub::component::{Component, Kind};

    /// A mouth from 40 to 60, its lips so far apart, about a line that bends and climbs.
    fn opening(gap: f32, climb: f32) -> Opening {
        let mut face = vec![[0.0; 3]; 2 * RIM];
        let rims = [std::array::from_fn(|i| i), std::array::from_fn(|i| RIM + i)];
        for i in 0..RIM {
            let part = i as f32 / (RIM - 1) as f32;
            let (x, bow) = (40.0 + 20.0 * part, 4.0 * part * (1.0 - part));
            let y = 50.0 + climb * part + 1.7 * bow;
            (face[i], face[RIM + i]) = ([x, y - gap * bow / 2.0, 0.0], [x, y + gap * bow / 2.0, 0.0]);
        }
        Opening::new(&face, &rims)
    }

    /// Rows that tell where they are: brighter by two from each to the next.
    fn picture() -> Crop {
        rows(|row| (row * 2) as u8)
    }

    /// A picture of 100 rows of one brightness each.
    fn rows(of: impl Fn(usize) -> u8) -> Crop {
        let mut data: Vec<u8> = (0..100 * 100).map(|i| of(i / 100)).collect();
        let component = Component {
            stride: 100,
            data: &mut data,
            pixel: 1,
            size: [100; 2],
            step: [1, 1],
            kind: Kind::Colour,
        };
        let mut crop = Crop::default();
        crop.take(&component, [0, 0, 100, 100]);
        crop
    }

    #[test]
    fn shut_and_crooked_mouths_are_no_panic() {
        let crop = picture();
        for n in 0..2000 {
            let (gap, climb) = (if n % 2 == 0 { 0.0 } else { 0.01 * n as f32 }, 0.013 * n as f32 - 13.0);
            let (from, to) = (opening(gap, climb), opening(0.003 * n as f32, -climb));
            let at = [0.011 * n as f32 - 11.0, 0.002 * n as f32];
            let (value, dark) = from.sample(&crop, [1, 1], at, &to, (0.9, 0.5));
            assert!(value.is_finite() && (0.0..=1.0).contains(&dark), "{n}");
        }
    }

    #[test]
    fn less_is_shown_of_teeth_and_a_wider_mouth_keeps_them_at_their_rims() {
        let (crop, wide) = (picture(), opening(10.0, 0.0));
        let row = |from: &Opening, to: &Opening, below: f32| {
            from.sample(&crop, [1, 1], [0.0, below], to, (1.0, 0.0))
        };
        let top = row(&wide, &wide, 0.0).0;
        let narrow = opening(4.0, 0.0);
        assert_eq!(row(&wide, &narrow, 3.0), (top + 6.0, 0.0), "three rows below the rim, as in the frame");
        let wider = opening(18.0, 0.0);
        assert!((row(&wide, &wider, 3.0).0 - (top + 6.0)).abs() < 0.1, "upper teeth");
        assert!(
            (row(&wide, &wider, 16.0).0 - (top + 16.0)).abs() < 0.1,
            "lower teeth, two rows above theirs"
        );
        assert!(row(&wide, &wider, 9.0).1 > 0.9, "dark between them");
    }

    #[test]
    fn a_mouth_that_shows_lower_teeth_keeps_them_when_it_closes() {
        let (wide, narrow) = (opening(12.0, 0.0), opening(5.0, 0.0));
        // Rows of the frame that are bright: below the middle of the opening, or above it.
        for (bright, lean) in [(54..62, 1.0), (46..54, 0.0)] {
            let crop = rows(|row| if bright.contains(&row) { 220 } else { 30 });
            let is = wide.lean(&crop, [1, 1], 180.0);
            assert!((is - lean).abs() < 0.02, "{bright:?}: {is}");
            let seen = |below: f32| wide.sample(&crop, [1, 1], [0.0, below], &narrow, (1.0, is)).0;
            assert!((2..4).all(|below| seen(below as f32) > 150.0), "teeth fill a narrow mouth: {bright:?}");
        }
    }
}
