// SPDX-License-Identifier: MIT OR Apache-2.0
//! How large the irises of a face are: those of drawings may be twice as large as people's.
//!
//! The mesh learned from people and gives every face their irises. The pixels tell better: an iris is a disc that grows lighter
//! at its edge to the left and to the right, lids cover it above and below. Of 166 portraits, photos, paintings and drawings,
//! people's have radii of 0.06 to 0.083 distances of the outer eye corners.

use crate::face::find::{Outside, RgbView, Roi, sample};
use crate::face::landmark::indices::{EYE_CORNER_LEFT, EYE_CORNER_RIGHT, IRIS_LEFT, IRIS_RIGHT};
use crate::face::pixel::{self, BT601, single};

/// Radius of a person's iris in distances of the outer eye corners, as it is measured here.
pub const USUAL: f32 = 0.071;

/// Pixels of the square around an iris, and in a distance of the outer eye corners: with room for the largest disc.
const SIZE: usize = 100;
const SCALE: f32 = 200.0;

/// The smallest radius that is tried, the step to the next, and their number; distances of the corners.
const SMALLEST: f32 = 0.035;
const STEP: f32 = 0.004;
const RADII: usize = 42;

/// Radii that have a smaller and a larger one beside them: an edge lies between those.
const EDGES: usize = RADII - 2;

/// How the disc's centre may lie off the landmark: steps to each side, and their width in distances of the corners.
const OFFSETS: i32 = 4;
const OFFSET: f32 = 0.01;

/// Rays to each side, and degrees from the middle one to the outermost.
const RAYS: usize = 11;
const SPREAD: f32 = 40.0;

/// Which of a side's steps counts, from the least: most of the edge must grow lighter.
const COUNTS: usize = 3;

/// An edge is a disc's where it is at least that share of the clearest: the pupil has one as well.
const CLEAR: f32 = 0.6;

/// Grey levels (of 255) by which an iris' edge grows lighter at least, for each eye and for both at one radius; the least
/// radius for each eye and for both. Of the portraits no photo comes near all four: the clearest edge of one with such radii has
/// 9.9 levels, the largest radius of one with such an edge is 0.083.
const LEVELS: f32 = 11.0;
const LEVELS_BOTH: f32 = 12.0;
const LARGE: f32 = 0.085;
const LARGE_BOTH: f32 = 0.089;

/// The irises of a face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Irises {
    /// Pixels of the picture, the viewer's left one first.
    pub centres: [[f32; 2]; 2],
    /// Distances of the outer eye corners.
    pub radius: f32,
}

/// How clear the disc's edge is at each radius, and where its centre lies off the middle then.
type Edges = [(f32, [f32; 2]); EDGES];

/// The irises of a face whose landmarks are in pixels of the picture, where they are clearly larger than people's.
pub fn large(view: &RgbView<'_>, face: &[[f32; 3]]) -> Option<Irises> {
    let (left, right) = (face.get(EYE_CORNER_LEFT)?, face.get(EYE_CORNER_RIGHT)?);
    // In depth too: seen from the side, the corners are near each other and the iris is as high as ever.
    let corners = (0..3).map(|i| (left[i] - right[i]).powi(2)).sum::<f32>().sqrt();
    let angle = (right[1] - left[1]).atan2(right[0] - left[0]);
    let mut squares = [Roi { x: 0.0, y: 0.0, side: corners * SIZE as f32 / SCALE, angle }; 2];
    let mut found = [[(0.0, [0.0; 2]); EDGES]; 2];
    for ((square, found), iris) in squares.iter_mut().zip(&mut found).zip([IRIS_LEFT, IRIS_RIGHT]) {
        let [x, y, _] = *face.get(iris[0])?;
        *square = Roi { x, y, ..*square };
        *found = square.is_sane().then(|| edges(&grey(view, *square)))?;
        let (clearest, last) = last_clear(&found.map(|edge| edge.0))?;
        if clearest < LEVELS || radius(last) < LARGE {
            return None;
        }
    }
    // The eyes of a face are equally large, what else has an edge (glasses, the white, a lid) is not.
    let near = |of: &Edges, k: usize| {
        let places = k.saturating_sub(1)..=(k + 1).min(EDGES - 1);
        places.max_by(|&a, &b| of[a].0.total_cmp(&of[b].0)).unwrap_or(k)
    };
    let both: [f32; EDGES] =
        std::array::from_fn(|k| found.iter().map(|of| of[near(of, k)].0).fold(f32::MAX, f32::min));
    let clearest = both.iter().copied().fold(0.0, f32::max);
    let peak = |&k: &usize| both[k] >= CLEAR * clearest && both[k] >= both[k - 1] && both[k] >= both[k + 1];
    let place = (1..EDGES - 1).rev().find(peak)?;
    if clearest < LEVELS_BOTH || radius(place) < LARGE_BOTH {
        return None;
    }
    let centres = [0, 1].map(|eye| {
        let [x, y] = found[eye][near(&found[eye], place)].1.map(|v| v / SIZE as f32 + 0.5);
        squares[eye].to_picture(x, y)
    });
    Some(Irises { centres, radius: radius(place) })
}

/// Radius of an edge, in distances of the corners.
fn radius(edge: usize) -> f32 {
    SMALLEST + STEP * (edge + 1) as f32
}

/// The clearest edge, and the place of the last that is nearly as clear.
fn last_clear(edges: &[f32; EDGES]) -> Option<(f32, usize)> {
    let clearest = edges.iter().copied().fold(0.0, f32::max);
    let last = edges.iter().rposition(|&edge| edge >= CLEAR * clearest)?;
    Some((clearest, last))
}

/// Grey levels of a square, a little blurred.
fn grey(view: &RgbView<'_>, square: Roi) -> Vec<f32> {
    const LUMA: [f32; 3] = single(BT601);
    let plane = SIZE * SIZE;
    let mut planes = vec![0.0; 3 * plane];
    sample(view, square, SIZE, Outside::Edge, 0.0..255.0, &mut planes);
    let sharp: Vec<f32> = (0..plane).map(|i| (0..3).map(|c| LUMA[c] * planes[c * plane + i]).sum()).collect();
    let across = blur(&sharp, |i, by| i / SIZE * SIZE + moved(i % SIZE, by));
    blur(&across, |i, by| moved(i / SIZE, by) * SIZE + i % SIZE)
}

fn moved(at: usize, by: isize) -> usize {
    at.saturating_add_signed(by).min(SIZE - 1)
}

/// A Gaussian of one pixel along one axis: grain and the steps of a JPEG are no edges.
fn blur(from: &[f32], moved: impl Fn(usize, isize) -> usize) -> Vec<f32> {
    const WEIGHTS: [f32; 4] = [0.399, 0.242, 0.054, 0.0045];
    let around = |i: usize| {
        let beside =
            (1..4).map(|by: isize| WEIGHTS[by as usize] * (from[moved(i, by)] + from[moved(i, -by)]));
        WEIGHTS[0] * from[i] + beside.sum::<f32>()
    };
    (0..from.len()).map(around).collect()
}

/// Looks for discs around the middle of a square.
fn edges(grey: &[f32]) -> Edges {
    let middle = SIZE as f32 / 2.0 - 0.5;
    let rays: [[[f32; 2]; RAYS]; 2] = [0.0, 180.0f32].map(|side| {
        std::array::from_fn(|i| {
            let (sin, cos) =
                (side + SPREAD * (2.0 * i as f32 / (RAYS - 1) as f32 - 1.0)).to_radians().sin_cos();
            [cos, sin]
        })
    });
    let mut best: Edges = [(f32::MIN, [0.0; 2]); EDGES];
    for row in -OFFSETS..=OFFSETS {
        for column in -OFFSETS..=OFFSETS {
            let off = [column, row].map(|v| v as f32 * OFFSET * SCALE);
            let levels = rays.map(|rays| rays.map(|ray| along(grey, off.map(|v| v + middle), ray)));
            for (edge, best) in best.iter_mut().enumerate() {
                let [right, left] = levels.each_ref().map(|rays| {
                    let mut steps = rays.each_ref().map(|ray| ray[edge + 2] - ray[edge]);
                    *steps.select_nth_unstable_by(COUNTS, f32::total_cmp).1
                });
                let clear = right.min(left);
                if clear > best.0 {
                    *best = (clear, off);
                }
            }
        }
    }
    best
}

/// The levels at each radius along a ray.
fn along(grey: &[f32], from: [f32; 2], ray: [f32; 2]) -> [f32; RADII] {
    std::array::from_fn(|k| {
        let far = (SMALLEST + STEP * k as f32) * SCALE;
        let at = [0, 1].map(|i| from[i] + far * ray[i]);
        let [level] = pixel::bilinear([SIZE; 2], at, |x, y| [grey[y * SIZE + x]]);
        level
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::face::landmark::COUNT;

    /// Side of the drawn picture, and distance of its outer eye corners.
    pub const SIDE: usize = 400;
    pub const CORNERS: f32 = 200.0;

    /// Two drawn eyes whose irises have that radius, in distances of the corners, and lie so far off their landmarks.
    pub fn drawn(radius: f32, off: [f32; 2]) -> (Vec<u8>, Vec<[f32; 3]>) {
        let mut face = vec![[200.0, 260.0, 0.0]; COUNT];
        (face[EYE_CORNER_LEFT], face[EYE_CORNER_RIGHT]) = ([100.0, 200.0, 0.0], [300.0, 200.0, 0.0]);
        let irises = [[135.0, 200.0, 0.0], [265.0, 200.0, 0.0]];
        for (iris, centre) in [IRIS_LEFT, IRIS_RIGHT].into_iter().zip(irises) {
            for i in iris {
                face[i] = [centre[0] - off[0], centre[1] - off[1], 0.0];
            }
        }
        let pixel = |i: usize| {
            let (x, y) = ((i % SIDE) as f32 + 0.5, (i / SIDE) as f32 + 0.5);
            let from = |c: [f32; 3]| (x - c[0]).hypot((y - c[1]) * 1.3) / CORNERS;
            let far = irises.iter().map(|c| (x - c[0]).hypot(y - c[1]) / CORNERS).fold(f32::MAX, f32::min);
            let open = irises.map(from).into_iter().fold(f32::MAX, f32::min);
            match far {
                _ if far < radius => [90, 60, 40],
                _ if open < 2.0 * radius => [235, 235, 235],
                _ => [205, 160, 135],
            }
        };
        ((0..SIDE * SIDE).flat_map(pixel).collect(), face)
    }

    #[test]
    fn large_irises_are_measured_and_those_of_people_are_not_touched() {
        for (size, off) in [(0.1, [0.0; 2]), (0.12, [4.0, 3.0]), (0.14, [-5.0, 2.0])] {
            let (rgb, face) = drawn(size, off);
            let view = RgbView::new(&rgb, SIDE * 3, SIDE, SIDE).unwrap();
            let found = large(&view, &face).unwrap();
            assert!((found.radius - size).abs() < 0.008, "{size}: {found:?}");
            for (centre, iris) in found.centres.iter().zip([IRIS_LEFT, IRIS_RIGHT]) {
                let expected = [0, 1].map(|i| face[iris[0]][i] + off[i]);
                assert!((0..2).all(|i| (centre[i] - expected[i]).abs() < 3.0), "{centre:?}, {expected:?}");
            }
        }
        for size in [0.06, 0.07, 0.08] {
            let (rgb, face) = drawn(size, [0.0; 2]);
            assert_eq!(large(&RgbView::new(&rgb, SIDE * 3, SIDE, SIDE).unwrap(), &face), None, "{size}");
        }
    }

    #[test]
    fn no_picture_is_too_odd() {
        let (rgb, mut face) = drawn(0.12, [0.0; 2]);
        let tiny = RgbView::new(&[7; 12], 6, 2, 2).unwrap();
        assert_eq!(large(&tiny, &face), None);
        assert_eq!(large(&tiny, &[]), None);
        let view = RgbView::new(&rgb, SIDE * 3, SIDE, SIDE).unwrap();
        face[EYE_CORNER_LEFT] = [f32::NAN; 3];
        assert_eq!(large(&view, &face), None);
        face[EYE_CORNER_LEFT] = face[EYE_CORNER_RIGHT];
        assert_eq!(large(&view, &face), None);
    }
}
