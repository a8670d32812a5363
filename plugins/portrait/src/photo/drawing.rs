// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the detector takes for a face and is none: smileys, emoji, sockets.
//!
//! Skin has shades, be it photographed, painted or rendered; what a program fills has one colour. Of 248 faces of photos,
//! films, paintings and statues none has more than 6 % of brow, eyes and cheeks flat, drawings have a fifth and more. (A mask
//! over the mouth may be as flat.) Other things, such as sockets, the detector is less sure of than of any of those faces,
//! and the mesh has to bend far to fit them.

use std::ops::Range;

use crate::face::find::{Face, Outside, RgbView, Roi, sample};
use crate::face::landmark::similarity;

/// Pixels of the face's square, and which columns and rows of them lie within the upper half of the face.
const SIZE: usize = 64;
const COLUMNS: Range<usize> = 14..50;
const ROWS: Range<usize> = 14..33;

/// Difference to the next pixel, in levels of 8 bits, below which it is the same colour.
const SAME: f32 = 1.0;

/// Share of the face from which on it is drawn.
const FLAT: f32 = 0.12;

/// What the detector is less sure of is a face only if it has the shape of one: mean distance of its landmarks from those of
/// the mean face, in distances of the outer eye corners.
const SURE: f32 = 0.72;
const BENT: f64 = 0.07;

/// Whether what was found is none of a person; its landmarks are in pixels of the picture.
pub fn is_no_face(view: &RgbView<'_>, face: &Face, mean_face: &[[f32; 3]]) -> bool {
    let flat = Roi::around(&face.landmarks).is_some_and(|roi| flatness(view, roi) > FLAT);
    flat || face.score < SURE && bend(&face.landmarks, mean_face) > BENT
}

/// How far landmarks are from the shape of the mean face.
fn bend(landmarks: &[[f32; 3]], mean_face: &[[f32; 3]]) -> f64 {
    let [face, mean] =
        [landmarks, mean_face].map(|of| of.iter().map(|p| p.map(f64::from)).collect::<Vec<_>>());
    let Some(fit) = similarity::fit(&mean, &face) else { return f64::INFINITY };
    let square = |(mean, face): (&[f64; 3], &[f64; 3])| {
        let expected = fit.apply(*mean);
        (0..3).map(|i| ((face[i] - expected[i]) / fit.scale).powi(2)).sum::<f64>()
    };
    (mean.iter().zip(&face).map(square).sum::<f64>() / mean.len() as f64).sqrt()
}

/// Share of a face's pixels that have the colour of those beside and below them.
fn flatness(view: &RgbView<'_>, roi: Roi) -> f32 {
    let mut planes = vec![0.0; 3 * SIZE * SIZE];
    sample(view, roi, SIZE, Outside::Edge, 0.0..255.0, &mut planes);
    let differs = |a: usize, b: usize| {
        planes.chunks_exact(SIZE * SIZE).any(|plane| (plane[a] - plane[b]).abs() >= SAME)
    };
    let same = |&i: &usize| !differs(i, i + 1) && !differs(i, i + SIZE);
    let inside = ROWS.flat_map(|y| COLUMNS.map(move |x| y * SIZE + x));
    inside.filter(same).count() as f32 / (ROWS.len() * COLUMNS.len()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::{DEFAULT_PACK, Pack};

    #[test]
    fn a_turned_face_is_not_bent_and_a_squeezed_one_is() {
        let mean = Pack::open(DEFAULT_PACK).unwrap().mean_face().to_vec();
        let turned: Vec<[f32; 3]> =
            mean.iter().map(|p| [3.0 * p[1] + 70.0, -3.0 * p[0], 3.0 * p[2]]).collect();
        assert!(bend(&turned, &mean) < 1e-3);
        let squeezed: Vec<[f32; 3]> = mean.iter().map(|p| [p[0], 0.6 * p[1], p[2]]).collect();
        assert!(bend(&squeezed, &mean) > BENT);
        assert!(bend(&[], &mean) > BENT);
    }

    #[test]
    fn a_filled_disc_is_flat_and_a_shaded_one_is_not() {
        let flat_of = |shade: fn(f32) -> f32| {
            let pixel = |i: usize| {
                let far = ((i % 100) as f32 - 50.0).hypot((i / 100) as f32 - 50.0);
                [(200.0 + shade(far)) as u8, 160, 120]
            };
            let rgb: Vec<u8> = (0..10_000).flat_map(pixel).collect();
            let view = RgbView::new(&rgb, 300, 100, 100).unwrap();
            flatness(&view, view.letterbox())
        };
        assert_eq!(flat_of(|_| 0.0), 1.0);
        assert!(flat_of(|far| -1.5 * far) < FLAT);
    }
}
