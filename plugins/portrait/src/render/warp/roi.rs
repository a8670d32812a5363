// SPDX-License-Identifier: MIT OR Apache-2.0
//! The regions that painters fill: mouth and eyes, as affine maps from patch to picture.

use super::math::smooth_step;
use super::points::{Point, Rows, gather};

/// Side of the grid on which a region's flow and distances are computed.
pub const COARSE: usize = 32;

/// Width of the soft border of a region, in patch units.
const BORDER: f32 = 0.18;

/// Half width and height, in patch units, within which a region's flow is its own however far the head is turned: lids and lips
/// with what goes with them; and where it has become the head's.
const EYE_CORE: Core = Core { within: [0.3, 0.25], until: [0.9, 0.65] };
/// The same of the large eyes of drawings, whose lids reach farther.
const LARGE_EYE_CORE: Core = Core { within: [0.7, 0.5], until: [1.0, 1.0] };
const MOUTH_CORE: Core = Core { within: [0.5, 0.5], until: [1.0, 1.0] };

/// Smallest half side of a region in picture units: below, landmarks are noise.
const MIN_HALF: f32 = 0.01;

/// A region of the face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Mouth and chin.
    Mouth,
    /// The eye at the picture's left.
    EyeRight,
    /// The eye at the picture's right; its region is mirrored, so that both eyes look alike to the painter.
    EyeLeft,
}

impl Part {
    /// Which eye, if it is one.
    pub fn eye(self) -> Option<usize> {
        match self {
            Self::Mouth => None,
            Self::EyeRight => Some(0),
            Self::EyeLeft => Some(1),
        }
    }

    /// Where its flow is its own when the head is turned, of a face with `large` eyes or another.
    pub fn core(self, large: bool) -> Core {
        match self {
            Self::Mouth => MOUTH_CORE,
            _ if large => LARGE_EYE_CORE,
            _ => EYE_CORE,
        }
    }

    /// Side of the painter's patch in pixels; its maps have half of that.
    pub fn side(self) -> usize {
        if self == Self::Mouth { 128 } else { 64 }
    }
}

/// What of a region moves by itself when the head is turned.
///
/// The region's flow follows every landmark. Beside the nose of a turned head those of the far side come to lie on each other, and
/// there it folds; the head's flow, which is smoother, does not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Core {
    within: Point,
    until: Point,
}

impl Core {
    /// How much of the flow at patch coordinates is the region's, 0 to 1.
    #[inline(always)]
    pub fn weight(&self, [u, v]: Point) -> f32 {
        let share =
            |p: f32, i: usize| smooth_step((self.until[i] - p.abs()) / (self.until[i] - self.within[i]));
        share(u, 0) * share(v, 1)
    }
}

/// Patch coordinates in [-1, 1] to picture units: `[a b; c d] * p + origin`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Affine {
    /// Row-major 2 x 2.
    pub m: [[f32; 2]; 2],
    /// Where the patch's centre lies.
    pub origin: Point,
}

impl Affine {
    /// Patch to picture.
    #[inline(always)]
    pub fn apply(&self, [x, y]: Point) -> Point {
        let [[a, b], [c, d]] = self.m;
        [a * x + b * y + self.origin[0], c * x + d * y + self.origin[1]]
    }

    /// The map from picture to patch.
    pub fn inverse(&self) -> Self {
        let [[a, b], [c, d]] = self.m;
        let n = 1.0 / (a * d - b * c);
        let m = [[d * n, -b * n], [-c * n, a * n]];
        let [x, y] = self.origin;
        Self { m, origin: [-(m[0][0] * x + m[0][1] * y), -(m[1][0] * x + m[1][1] * y)] }
    }

    /// The box around the region: left, top, right, bottom in picture units.
    pub fn bounds(&self) -> [f32; 4] {
        let ([x, y], [[a, b], [c, d]]) = (self.origin, self.m);
        let (half_width, half_height) = (a.abs() + b.abs(), c.abs() + d.abs());
        [x - half_width, y - half_height, x + half_width, y + half_height]
    }
}

/// The region of a part for those control points.
pub fn region(part: Part, points: &[Point], rows: &Rows) -> Affine {
    let [outer_right, outer_left, bridge, base] = gather(points, &rows.frame);
    let (ex, ey) = (outer_left[0] - outer_right[0], outer_left[1] - outer_right[1]);
    // The nose still measures the face when the head is turned.
    let nose = (bridge[0] - base[0]).hypot(bridge[1] - base[1]);
    let eyes = ex.hypot(ey);
    // The mouth of a face with large eyes is that of any face.
    let wider = if part == Part::Mouth { rows.wider } else { 1.0 };
    let width = (eyes / wider).max(1.35 * nose);
    let (cos, sin) = if eyes > 1e-6 { (ex / eyes, ey / eyes) } else { (1.0, 0.0) };
    let half = |factor: f32| (factor * width).max(MIN_HALF);
    let middle = |a: Point, b: Point| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
    let [inner_right, inner_left] = gather(points, &rows.inner_corners);
    let (origin, half, mirror) = match part {
        Part::Mouth => {
            let [upper, lower] = gather(points, &rows.mouth);
            let chin = points[rows.head[1]];
            let at = |i: usize| (upper[i] + lower[i]) * 0.35 + base[i] * 0.1 + chin[i] * 0.2;
            ([at(0), at(1)], half(0.54), 1.0)
        }
        Part::EyeRight => (middle(outer_right, inner_right), half(0.36), 1.0),
        Part::EyeLeft => (middle(outer_left, inner_left), half(0.36), -1.0),
    };
    Affine { m: [[cos * half * mirror, -sin * half], [sin * half * mirror, cos * half]], origin }
}

/// Weight of a region at patch coordinate `p` of one axis: 1 inside, 0 from the border on.
///
/// The painters were trained with a window whose ends are pixel centres, hence the factor.
#[inline(always)]
pub fn window(p: f32, side: usize) -> f32 {
    let n = side as f32;
    ((1.0 - (p * n / (n - 1.0)).abs()) / BORDER).clamp(0.0, 1.0)
}

/// Centres of `n` cells of [-1, 1].
pub fn centres(n: usize) -> impl Iterator<Item = f32> {
    (0..n).map(move |i| (i as f32 + 0.5) / n as f32 * 2.0 - 1.0)
}
