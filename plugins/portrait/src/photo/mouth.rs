// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a photo shows of the mouth: nothing, where a mask, a hand or a microphone covers it, or more than can be closed.
//!
//! The mesh draws a mouth wherever one must be. Whether it is there is seen in the pixels: lips are redder than the skin
//! around them, a dark line parts them, and their edge lies where the mesh says. A few such numbers, weighed by a logistic
//! regression, tell covered mouths (masks, scarves, hands, microphones laid over 167 portraits) from seen ones (the
//! portraits, paintings and beards among them, and stills of 81 films); of the seen ones none is taken for covered.

use crate::face::find::{Outside, RgbView, Roi, sample};
use crate::face::landmark::indices::{
    AROUND_MOUTH, EYE_CORNER_LEFT, EYE_CORNER_RIGHT, INNER_LIP_CORNERS, INNER_LIP_LOWER, INNER_LIP_MIDDLES,
    INNER_LIP_UPPER, LIP_CORNERS, LIPS_OUTER, OUTER_LIP_LOWER, OUTER_LIP_UPPER,
};
use crate::face::pixel::{BT601, single};

/// Side of the square around the mouth, in distances of the outer eye corners, and its pixels.
const SIDE: f32 = 1.3;
const SIZE: usize = 64;

/// Added to channels (0 to 1) before logarithms: what is darker is all the same.
const DARK: f32 = 0.04;

/// Probability from which a mouth counts as covered; and in a photo without colours, where lips are not redder than skin.
const COVERED: f32 = 0.65;
const COVERED_GREY: f32 = 0.96;

/// Logarithms of red and blue over green below which the square is taken as grey.
const GREY: f32 = 0.08;

/// The weighed numbers.
const COUNT: usize = 19;

/// Mean and standard deviation of each number, then its weight and that of its distance from the mean, both in standard
/// deviations; the outcome's bias, and the most that counts of a distance.
const WEIGHTS: [[f32; 4]; COUNT] = [
    // The upper lip, beside the skin around: lighter.
    [-0.1318, 0.272, 0.4763, 0.2484],
    // Redder.
    [0.0817, 0.2352, -1.5162, 1.1513],
    // Bluer.
    [0.031, 0.1788, -0.1278, 0.6411],
    // The lower lip: lighter.
    [-0.045, 0.2015, -0.9304, 0.1446],
    // Redder.
    [0.0896, 0.2662, -0.7327, 0.3789],
    // Bluer.
    [0.0361, 0.1735, -1.376, -0.1877],
    // Depth of the line between the lips.
    [0.3384, 0.3741, -1.6705, 0.746],
    // The least of its columns.
    [0.1441, 0.3073, -0.8158, 0.3695],
    // The median of its columns.
    [0.3251, 0.3821, -0.5912, 0.6558],
    // How far a line across the lips departs from its mean: light.
    [0.2892, 0.2636, -1.5024, 0.9692],
    // Red.
    [0.1806, 0.2622, -0.3506, 0.8746],
    // Blue.
    [0.0998, 0.1876, 1.1502, 0.8149],
    // How unlike its columns are: light, as a share.
    [0.6515, 0.1933, -0.0702, -0.5134],
    // Red.
    [0.0837, 0.0962, -0.2985, 0.384],
    // Change at the edge of the lips: light.
    [0.0923, 0.1913, -0.9132, -0.5742],
    // Red.
    [-0.0859, 0.1791, 1.5568, 0.2592],
    // Blue.
    [-0.0308, 0.0919, 0.2924, 0.5112],
    // How it varies along the edge: light.
    [0.2188, 0.1533, 0.3651, 0.7248],
    // Red.
    [0.109, 0.1505, 1.3336, 0.4929],
];
const BIAS: f32 = -3.7465;
const MOST: f32 = 2.5;

/// Gap between the lips, in widths of the mouth, from which on they do not close cleanly; the same of a mouth that is seen
/// from the side, from that many degrees on.
const WIDE: f32 = 0.42;
const WIDE_ASIDE: f32 = 0.18;
const ASIDE: f32 = 28.0;

/// Steps of a line across the lips, how far it reaches from their middle in sides of the square, and the steps of it in
/// which the line between the lips lies.
const STEPS: usize = 23;
const REACH: f32 = 0.11;
const SEAM: std::ops::Range<usize> = 8..15;

/// How far from the lips' edge its two sides are compared, in sides of the square.
const BESIDE: f32 = 0.035;

/// Shares of the channels in the brightness.
const LUMA: [f32; 3] = single(BT601);

/// A picture in logarithms: of luminance, of red over green, of blue over green.
struct Square(Vec<[f32; 3]>);

/// Whether something covers the mouth of a face; landmarks are in pixels of the picture.
pub fn is_covered(view: &RgbView<'_>, landmarks: &[[f32; 3]]) -> bool {
    evidence(view, landmarks).is_some_and(|(numbers, colour)| {
        probability(&numbers) > if colour < GREY { COVERED_GREY } else { COVERED }
    })
}

/// Why a mouth will not close cleanly, if it will not: landmarks without their pose, and degrees of yaw.
pub fn too_wide(neutral: &[[f32; 3]], yaw: f32) -> Option<&'static str> {
    let between = |[a, b]: [usize; 2]| -> Option<f32> {
        let (a, b) = (neutral.get(a)?, neutral.get(b)?);
        Some((0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f32>().sqrt())
    };
    let gap = between(INNER_LIP_MIDDLES)? / between(INNER_LIP_CORNERS)?.max(f32::EPSILON);
    if gap > WIDE {
        Some("is wide open")
    } else if gap > WIDE_ASIDE && yaw.abs() > ASIDE {
        Some("is open and seen from the side")
    } else {
        None
    }
}

fn probability(numbers: &[f32; COUNT]) -> f32 {
    let sum: f32 = numbers
        .iter()
        .zip(&WEIGHTS)
        .map(|(value, [mean, deviation, slope, bend])| {
            let off = ((value - mean) / deviation).clamp(-MOST, MOST);
            off * slope + off.abs() * bend
        })
        .sum();
    1.0 / (1.0 + (-(sum + BIAS)).exp())
}

/// The numbers that tell whether a mouth is there, and how far from grey its surroundings are; none where there are no
/// landmarks to look at.
fn evidence(view: &RgbView<'_>, landmarks: &[[f32; 3]]) -> Option<([f32; COUNT], f32)> {
    let point = |i: usize| landmarks.get(i).map(|p| [p[0], p[1]]);
    let (left, right) = (point(EYE_CORNER_LEFT)?, point(EYE_CORNER_RIGHT)?);
    let eyes = (left[0] - right[0]).hypot(left[1] - right[1]);
    let centre = [0, 1].map(|c| {
        let sum: f32 =
            LIP_CORNERS.iter().chain(&INNER_LIP_MIDDLES).filter_map(|&i| point(i)).map(|p| p[c]).sum();
        sum / 4.0
    });
    let angle = (right[1] - left[1]).atan2(right[0] - left[0]);
    let roi = Roi { x: centre[0], y: centre[1], side: SIDE * eyes, angle };
    if !roi.is_sane() {
        return None;
    }
    let square = Square::new(view, roi);
    let (sin, cos) = angle.sin_cos();
    // Units of the square, 0 to 1.
    let place = |i: usize| -> Option<[f32; 2]> {
        let [x, y] = point(i)?;
        let (x, y) = (x - centre[0], y - centre[1]);
        Some([(x * cos + y * sin) / roi.side + 0.5, (y * cos - x * sin) / roi.side + 0.5])
    };
    let places = |of: &[usize]| of.iter().map(|&i| place(i)).collect::<Option<Vec<_>>>();
    let middle = |a: &[[f32; 2]], b: &[[f32; 2]]| -> Vec<[f32; 2]> {
        a.iter().zip(b).map(|(a, b)| [0, 1].map(|c| (a[c] + b[c]) / 2.0)).collect()
    };
    let (upper, lower) = (places(&INNER_LIP_UPPER[1..10])?, places(&INNER_LIP_LOWER[1..10])?);
    let around = square.median(&places(&AROUND_MOUTH)?);
    let lip = |edge: &[usize], rim: &[[f32; 2]]| Some(square.median(&middle(&places(edge)?, &rim[1..8])));
    let lips = [lip(&OUTER_LIP_UPPER[2..9], &upper)?, lip(&OUTER_LIP_LOWER[2..9], &lower)?];
    let [upper_lip, lower_lip] = lips.map(|lip: [f32; 3]| [0, 1, 2].map(|c| lip[c] - around[c]));

    // Lines across the lips, column by column.
    let step = |k: usize| REACH * (2.0 * k as f32 / (STEPS - 1) as f32 - 1.0);
    let columns: Vec<[[f32; 3]; STEPS]> = middle(&upper, &lower)
        .iter()
        .map(|&[x, y]| std::array::from_fn(|k| square.at([x, y + step(k)])))
        .collect();
    let mut seams: Vec<f32> = columns
        .iter()
        .map(|line| {
            let light = |range: std::ops::Range<usize>| line[range].iter().map(|p| p[0]);
            let brightest = |range| light(range).fold(f32::MIN, f32::max);
            brightest(0..SEAM.start).min(brightest(SEAM.end..STEPS)) - light(SEAM).fold(f32::MAX, f32::min)
        })
        .collect();
    let seam = mean(&seams);
    seams.sort_by(f32::total_cmp);
    let (least, median) = (seams[0], seams[seams.len() / 2]);
    // How far the mean line departs from its own mean, without the outermost columns; how little the columns are alike.
    let inner = &columns[1..columns.len() - 1];
    let departs = [0, 1, 2].map(|c| {
        let line: Vec<f32> =
            (0..STEPS).map(|k| mean(&inner.iter().map(|column| column[k][c]).collect::<Vec<_>>())).collect();
        let level = mean(&line);
        line.iter().map(|v| (v - level).abs()).fold(0.0, f32::max)
    });
    let unlike = |c: usize| {
        let of = |k: usize| columns.iter().map(move |column| column[k][c]);
        let rest = (0..STEPS).flat_map(|k| {
            let level = mean(&of(k).collect::<Vec<_>>());
            of(k).map(move |v| v - level)
        });
        (deviation(&rest.collect::<Vec<_>>()), deviation(&(0..STEPS).flat_map(of).collect::<Vec<_>>()))
    };
    let ((rest, all), (rest_red, _)) = (unlike(0), unlike(1));

    // What changes at the lips' edge, from its inner to its outer side.
    let outline = places(&LIPS_OUTER)?;
    let centre = [0, 1].map(|c| mean(&outline.iter().map(|p| p[c]).collect::<Vec<_>>()));
    let changes: Vec<[f32; 3]> = outline
        .iter()
        .map(|p| {
            let out = [0, 1].map(|c| p[c] - centre[c]);
            let length = out[0].hypot(out[1]).max(f32::EPSILON);
            let side = |way: f32| square.at([0, 1].map(|c| p[c] + out[c] / length * way));
            let (outer, inner) = (side(BESIDE), side(-BESIDE));
            [0, 1, 2].map(|c| outer[c] - inner[c])
        })
        .collect();
    let change = |c: usize| changes.iter().map(|v| v[c]).collect::<Vec<_>>();
    let edge = [0, 1, 2].map(|c| mean(&change(c)));
    let [ul, ur, ub] = upper_lip;
    let [ll, lr, lb] = lower_lip;
    let [pl, pr, pb] = departs;
    let [el, er, eb] = edge;
    let (light, red) = (deviation(&change(0)), deviation(&change(1)));
    let unlike = rest / (all + 0.02);
    let numbers =
        [ul, ur, ub, ll, lr, lb, seam, least, median, pl, pr, pb, unlike, rest_red, el, er, eb, light, red];
    Some((numbers, square.colour()))
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

fn deviation(values: &[f32]) -> f32 {
    let level = mean(values);
    mean(&values.iter().map(|v| (v - level).powi(2)).collect::<Vec<_>>()).sqrt()
}

impl Square {
    fn new(view: &RgbView<'_>, roi: Roi) -> Self {
        let mut planes = vec![0.0; 3 * SIZE * SIZE];
        sample(view, roi, SIZE, Outside::Edge, 0.0..1.0, &mut planes);
        let (red, rest) = planes.split_at(SIZE * SIZE);
        let (green, blue) = rest.split_at(SIZE * SIZE);
        let pixel = |((r, g), b): ((&f32, &f32), &f32)| {
            let [r, g, b] = [r, g, b].map(|v| v + DARK);
            [(LUMA[0] * r + LUMA[1] * g + LUMA[2] * b).ln(), (r / g).ln(), (b / g).ln()]
        };
        Self(red.iter().zip(green).zip(blue).map(pixel).collect())
    }

    /// At a place in units of the square, clamped to it.
    fn at(&self, place: [f32; 2]) -> [f32; 3] {
        let [x, y] = place.map(|v| (v * SIZE as f32 - 0.5).clamp(0.0, SIZE as f32 - 1.01));
        let (column, row) = (x as usize, y as usize);
        let (tx, ty) = (x - column as f32, y - row as f32);
        let at = |x: usize, y: usize, c: usize| self.0[y * SIZE + x][c];
        std::array::from_fn(|c| {
            let top = at(column, row, c) * (1.0 - tx) + at(column + 1, row, c) * tx;
            let low = at(column, row + 1, c) * (1.0 - tx) + at(column + 1, row + 1, c) * tx;
            top * (1.0 - ty) + low * ty
        })
    }

    /// Mean distance from grey.
    fn colour(&self) -> f32 {
        mean(&self.0.iter().map(|p| (p[1].abs() + p[2].abs()) / 2.0).collect::<Vec<_>>())
    }

    /// The median of each channel at those places.
    fn median(&self, places: &[[f32; 2]]) -> [f32; 3] {
        let values: Vec<[f32; 3]> = places.iter().map(|&place| self.at(place)).collect();
        std::array::from_fn(|c| {
            let mut channel: Vec<f32> = values.iter().map(|v| v[c]).collect();
            channel.sort_by(f32::total_cmp);
            let half = channel.len() / 2;
            match channel.len() {
                0 => 0.0,
                n if n % 2 == 1 => channel[half],
                _ => (channel[half - 1] + channel[half]) / 2.0,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::neutral::open_mouth;
    use crate::pack::{DEFAULT_PACK, Pack};

    /// The mean face with its mouth so far open, in distances of the eyes.
    fn open(by: f32) -> Vec<[f32; 3]> {
        let mut face = Pack::open(DEFAULT_PACK).unwrap().mean_face().to_vec();
        open_mouth(&mut face, by);
        face
    }

    #[test]
    fn a_mouth_that_speaks_is_not_too_wide_and_one_that_shouts_is() {
        assert_eq!(too_wide(&open(0.0), 0.0), None);
        assert_eq!(too_wide(&open(0.12), -10.0), None);
        assert_eq!(too_wide(&open(0.5), 0.0), Some("is wide open"));
        assert_eq!(too_wide(&open(0.09), 40.0), Some("is open and seen from the side"));
        assert_eq!(too_wide(&open(0.0), 40.0), None);
        assert_eq!(too_wide(&[], 0.0), None);
    }

    /// A face of one skin, with or without lips where the landmarks say: red, with a dark line between them.
    #[test]
    fn lips_are_seen_and_skin_without_lips_is_not_taken_for_them() {
        const SIDE: usize = 400;
        let face: Vec<[f32; 3]> =
            open(0.0).iter().map(|p| [p[0] * 160.0 + 200.0, p[1] * 160.0 + 200.0, p[2] * 160.0]).collect();
        let at = |i: usize| [face[i][0], face[i][1]];
        let ([left, right], middle) = (LIP_CORNERS.map(at), at(13));
        let painted = |lips: bool| {
            let pixel = |i: usize| {
                let (x, y) = ((i % SIDE) as f32, (i / SIDE) as f32);
                let across = (x - middle[0]) / (right[0] - left[0]) * 2.0;
                let height = 0.5 * (at(17)[1] - at(0)[1]) * (1.0 - across * across).max(0.0).sqrt();
                let down = y - middle[1];
                if lips && across.abs() < 1.0 && down.abs() < height {
                    if down.abs() < 2.0 { [70, 30, 30] } else { [170, 85, 85] }
                } else {
                    [205, 160, 135]
                }
            };
            (0..SIDE * SIDE).flat_map(pixel).collect::<Vec<u8>>()
        };
        let covered = |rgb: &[u8]| is_covered(&RgbView::new(rgb, SIDE * 3, SIDE, SIDE).unwrap(), &face);
        assert!(!covered(&painted(true)));
        assert!(covered(&painted(false)));
        assert!(!is_covered(&RgbView::new(&[0; 12], 6, 2, 2).unwrap(), &[]));
    }
}
