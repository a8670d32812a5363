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
    #[inline]
    pub fn at(&self, p: Point) -> Place {
        let [u, v] = self.axis.local(p);
        let (top, bottom) = self.rims(u);
        let within = (self.axis.width / 2.0 - u.abs() + 0.5).clamp(0.0, 1.0);
        Place { u, v, top, bottom, within }
    }

    #[inline]
    fn rims(&self, u: f32) -> (f32, f32) {
        let mut i = 0;
        while i + 2 < RIM && self.u[i + 1] < u {
            i += 1;
        }
        let t = ((u - self.u[i]) / (self.u[i + 1] - self.u[i]).max(1e-3)).clamp(0.0, 1.0);
        let mix = |line: &[f32; RIM]| line[i] + (line[i + 1] - line[i]) * t;
        (mix(&self.top), mix(&self.bottom))
    }

    /// What this opening shows at a place of a drawn one: `at` is along and below its upper rim, pixels of the drawn frame;
    /// this opening's are `scale` times as many. Teeth keep their size. Where the drawn mouth is less open, less is shown from
    /// the upper rim down; where it is open wider, upper teeth stay at their rim and lower ones at theirs, and what is between
    /// them is stretched. The second number says how dark it has to be there: 1 where nothing was seen of it.
    #[inline]
    pub fn sample(&self, crop: &Crop, step: [usize; 2], at: Point, drawn: &Self, scale: f32) -> (f32, f32) {
        let u = at[0] * self.axis.width / drawn.axis.width.max(1.0);
        let (top, bottom) = self.rims(u);
        let (drawn_top, drawn_bottom) = drawn.rims(at[0]);
        let (gap, depth, full) = (bottom - top, at[1] * scale, (drawn_bottom - drawn_top) * scale);
        let mut dark = 0.0;
        let depth = if full <= gap {
            depth
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
