// SPDX-License-Identifier: MIT OR Apache-2.0
//! Teeth that a photo does not show.
//!
//! How wide they are and where one ends is not to be known. Between the shut lips of a smile that opens, where many are seen at
//! once, the painter draws something of every possible gap, and its teeth looked cracked. Softened they look as they
//! should, and come a little closer to the truth (models/generator/README.md).

use super::math::smooth_step;
use super::points::{Axis, Point, Rows};

/// Opening of the photo's mouth, in its own widths, up to which its teeth are hidden and from which on they are known.
const HIDDEN: (f32, f32) = (0.06, 0.12);

/// Width of a mouth, in distances of the outer eye corners, at which a face begins to smile and at which it smiles.
const SMILE: (f32, f32) = (0.54, 0.62);

/// A Gaussian of 0.8 pixels of the patch, from its middle.
const KERNEL: [f32; 3] = [0.499, 0.2285, 0.022];

/// How far the paint of the mouth is softened.
#[derive(Clone, Debug)]
pub struct Teeth {
    /// How little the photo shows of them, 0 to 1.
    hidden: f32,
    /// How much the photo smiles, 0 to 1.
    smile: f32,
    /// The share of this frame, 0 to 1.
    share: f32,
    scratch: Vec<f32>,
}

impl Teeth {
    /// Those of a photo with these control points, painted in a patch of `side` x `side` pixels.
    pub fn new(points: &[Point], rows: &Rows, side: usize) -> Self {
        let open = apart(points, rows.mouth) / apart(points, [rows.rims[0][0], rows.rims[0][10]]);
        let hidden = 1.0 - smooth_step((open - HIDDEN.0) / (HIDDEN.1 - HIDDEN.0));
        Self { hidden, smile: smile(points, rows), share: 0.0, scratch: vec![0.0; side * side] }
    }

    /// Takes the points of a frame.
    pub fn pose(&mut self, driving: &[Point], rows: &Rows) {
        self.share = self.hidden * self.smile.max(smile(driving, rows));
    }

    /// Softens a change of colour: planes of the patch's size, at whose border nothing is painted.
    pub fn soften(&mut self, delta: &mut [f32]) {
        if self.share <= 0.0 {
            return;
        }
        let (area, share, [a, b, c]) = (self.scratch.len(), self.share, KERNEL);
        let side = area.isqrt();
        let inner = area - 4 * side - 4;
        for plane in delta.chunks_exact_mut(area) {
            self.scratch.copy_from_slice(plane);
            for (across, v) in self.scratch[2..].iter_mut().zip(plane.windows(5)) {
                *across = v[2] * a + (v[1] + v[3]) * b + (v[0] + v[4]) * c;
            }
            let v: [&[f32]; 5] = std::array::from_fn(|row| &self.scratch[row * side + 2..][..inner]);
            for (i, out) in plane[2 * side + 2..][..inner].iter_mut().enumerate() {
                let soft = v[2][i] * a + (v[1][i] + v[3][i]) * b + (v[0][i] + v[4][i]) * c;
                *out += (soft - *out) * share;
            }
        }
    }
}

/// How much a face smiles, 0 to 1.
fn smile(points: &[Point], rows: &Rows) -> f32 {
    let mouth = apart(points, [rows.lips_outer[0], rows.lips_outer[10]]);
    let width = mouth / apart(points, [rows.frame[0], rows.frame[1]]) * rows.wider;
    smooth_step((width - SMILE.0) / (SMILE.1 - SMILE.0))
}

fn apart(points: &[Point], [a, b]: [usize; 2]) -> f32 {
    Axis::between(points[a], points[b]).width
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 16;

    /// A checkerboard as painted over a mouth of that width from a photo whose mouth is open so far.
    fn painted(width: f32, open: f32) -> f32 {
        let rows = Rows::new(&(0..478).collect::<Vec<_>>()).unwrap();
        let mut points = vec![[0.5; 2]; 478];
        (points[rows.frame[0]], points[rows.frame[1]]) = ([0.3, 0.4], [0.7, 0.4]);
        for [left, right] in [[rows.rims[0][0], rows.rims[0][10]], [rows.lips_outer[0], rows.lips_outer[10]]]
        {
            (points[left], points[right]) = ([0.5 - 0.2 * width, 0.6], [0.5 + 0.2 * width, 0.6]);
        }
        let [upper, lower] = rows.mouth;
        (points[upper], points[lower]) = ([0.5, 0.6], [0.5, 0.6 + 0.4 * width * open]);
        let mut teeth = Teeth::new(&points, &rows, SIDE);
        teeth.pose(&points, &rows);
        let sign = |i: usize| if (i / SIDE + i).is_multiple_of(2) { 1.0 } else { -1.0 };
        let mut delta: Vec<f32> = (0..3 * SIDE * SIDE).map(sign).collect();
        teeth.soften(&mut delta);
        assert_eq!(&delta[..2 * SIDE + 2], (0..2 * SIDE + 2).map(sign).collect::<Vec<_>>());
        delta[SIDE * SIDE + 8 * SIDE + 8].abs()
    }

    #[test]
    fn only_a_smile_from_shut_lips_is_softened() {
        assert!(painted(0.7, 0.0) < 0.05);
        assert_eq!(painted(0.5, 0.0), 1.0, "a mouth that does not smile");
        assert_eq!(painted(0.7, 0.2), 1.0, "teeth that the photo shows");
        assert!((0.1..0.9).contains(&painted(0.58, 0.0)), "in between there are steps");
    }
}
