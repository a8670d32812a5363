// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much colour paint may have: that of a black-and-white photo none.
//!
//! Painters have learned from photos in colour: the teeth that they add to a grey face come out green.

use super::math::smooth_step;
use super::points::{Point, Rows, gather};
use crate::face::pixel::{BT709, single};

/// Saturation of a face (its pixels' mean range of channels over their mean highest one) up to which paint is grey, and from
/// which on it has all of its colour. Black-and-white photos have up to 0.001, the palest faces in colour 0.09, marble 0.06.
const SATURATION: (f32, f32) = (0.02, 0.1);
/// Shares of the channels in the brightness.
const LUMA: [f32; 3] = single(BT709);

/// What paint keeps of its colour, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tint(f32);

impl Tint {
    /// That of the face in a square RGB8 photo with these control points.
    pub fn new(rgb: &[u8], side: usize, points: &[Point], rows: &Rows) -> Self {
        let (mut range, mut highest) = (0_u64, 1_u64);
        for &[r, g, b] in face(rgb, side, points, rows) {
            let high = r.max(g).max(b);
            range += u64::from(high - r.min(g).min(b));
            highest += u64::from(high);
        }
        let saturation = range as f32 / highest as f32;
        Self(smooth_step((saturation - SATURATION.0) / (SATURATION.1 - SATURATION.0)))
    }

    /// Takes colour out of a change of colour: three planes of `area` values for each region.
    pub fn fade(self, delta: &mut [f32], area: usize) {
        if self.0 >= 1.0 {
            return;
        }
        for region in delta.chunks_exact_mut(3 * area) {
            let (red, rest) = region.split_at_mut(area);
            let (green, blue) = rest.split_at_mut(area);
            for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
                [*r, *g, *b] = self.of([*r, *g, *b]);
            }
        }
    }

    /// A colour, or a change of one, with as much colour as paint may have.
    pub fn of(self, colour: [f32; 3]) -> [f32; 3] {
        let luma = colour[0] * LUMA[0] + colour[1] * LUMA[1] + colour[2] * LUMA[2];
        colour.map(|channel| luma + (channel - luma) * self.0)
    }
}

/// Pixels of the box around the inner face in a square RGB8 photo with these control points.
pub fn face<'a>(
    rgb: &'a [u8],
    side: usize,
    points: &[Point],
    rows: &Rows,
) -> impl Iterator<Item = &'a [u8; 3]> + use<'a> {
    let inside = gather(points, &rows.inside);
    let pixels = |axis: usize| {
        let values = inside.iter().map(|p| (p[axis] * side as f32).clamp(0.0, (side - 1) as f32));
        let (low, high) = values.fold((f32::MAX, 0.0_f32), |(low, high), v| (low.min(v), high.max(v)));
        low as usize..high as usize + 1
    };
    let (columns, lines) = (pixels(0), pixels(1));
    lines.flat_map(move |y| &rgb[y * side * 3..][..side * 3].as_chunks::<3>().0[columns.clone()])
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Side of photos in pixels.
    pub const SIDE: usize = 64;

    /// A face whose inner part is the box in the middle.
    pub fn face() -> (Vec<Point>, Rows) {
        let rows = Rows::new(&(0..478).collect::<Vec<_>>()).unwrap();
        let mut points = vec![[0.5; 2]; 478];
        for (i, row) in rows.inside.into_iter().enumerate() {
            points[row] = [0.3 + 0.4 * (i % 2) as f32, 0.3 + 0.4 * (i / 2 % 2) as f32];
        }
        (points, rows)
    }

    /// The tint of a photo of one colour, around the face another.
    fn tint(inner: [u8; 3], around: [u8; 3]) -> Tint {
        let (points, rows) = face();
        let inside = |v: usize| (19..46).contains(&v);
        let pixel = |i: usize| if inside(i % SIDE) && inside(i / SIDE) { inner } else { around };
        let rgb: Vec<u8> = (0..SIDE * SIDE).flat_map(pixel).collect();
        Tint::new(&rgb, SIDE, &points, &rows)
    }

    #[test]
    fn a_grey_face_gets_grey_paint_whatever_is_around_it() {
        let grey = tint([180, 181, 180], [200, 30, 30]);
        let mut delta = vec![0.3, -0.1, 0.5, 0.2, 0.1, 0.0];
        grey.fade(&mut delta, 2);
        let (first, second) = (0.2126 * 0.3 + 0.7152 * 0.5 + 0.0722 * 0.1, 0.2126 * -0.1 + 0.7152 * 0.2);
        let expected = [first, second, first, second, first, second];
        assert!(delta.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{delta:?}");
    }

    #[test]
    fn a_pale_face_keeps_the_colour_of_its_paint() {
        let pale = tint([230, 215, 206], [128; 3]);
        let mut delta = vec![0.3, 0.5, 0.1];
        pale.fade(&mut delta, 1);
        assert_eq!(delta, [0.3, 0.5, 0.1]);
        assert!(tint([200, 190, 188], [128; 3]).0 < 0.9, "between grey and colour there are steps");
    }
}
