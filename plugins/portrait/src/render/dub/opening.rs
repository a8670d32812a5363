//! The opening of a mouth: what lies between its lips, and where that is.

use super::Point;
use super::component::Crop;
use crate::render::warp::points::Axis;

/// Points of a rim, corner to corner.
const RIM: usize = 11;

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
    /// this opening's are `scale` times as many. Upper teeth keep their size: less is shown of them, not less of each; only
    /// where the drawn mouth is open wider is it all stretched.
    #[inline]
    pub fn sample(&self, crop: &Crop, step: [usize; 2], at: Point, drawn: &Self, scale: f32) -> f32 {
        let u = at[0] * self.axis.width / drawn.axis.width.max(1.0);
        let (top, bottom) = self.rims(u);
        let stretch = (drawn.gap() * scale / self.gap().max(1e-3)).max(1.0);
        let v = (top + at[1] * scale / stretch).min(bottom);
        let [x, y] = self.axis.point([u, v]);
        crop.sharp([(x + 0.5) / step[0] as f32 - 0.5, (y + 0.5) / step[1] as f32 - 0.5])
    }
}
