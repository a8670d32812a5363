// SPDX-License-Identifier: MIT OR Apache-2.0
//! The face at rest: speech moves a mouth from its closed state, but photos smile with open lips.

use super::indices::{
    CHIN_SKIN, INNER_LIP_CORNERS as CORNERS, INNER_LIP_LOWER, INNER_LIP_UPPER, JAW_LINE, OUTER_LIP_LOWER,
    OUTER_LIP_UPPER,
};

/// Upper and lower point of the inner lips, from corner to corner.
const INNER_LIPS: [(usize, usize); 9] = {
    let mut pairs = [(0, 0); 9];
    let mut i = 0;
    while i < pairs.len() {
        pairs[i] = (INNER_LIP_UPPER[i + 1], INNER_LIP_LOWER[i + 1]);
        i += 1;
    }
    pairs
};

/// Points of a face without its irises.
const MESH: usize = 468;

/// Place of the middle of the mouth in [`INNER_LIPS`].
const MIDDLE: usize = 4;

/// Share of a gap that the upper lip closes; the lower one, hanging on the jaw, does the rest.
const UPPER_SHARE: f32 = 0.3;

/// Upper lip without its inner edge, and the skin above it, with how far they follow the edge.
const UPPER_FOLLOWERS: [(&[usize], f32); 3] = [
    (&[62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292], 0.9),
    (&[184, 74, 73, 72, 11, 302, 303, 304, 408], 0.75),
    (OUTER_LIP_UPPER.split_at(1).1.split_at(9).0, 0.6),
];

/// Lower lip without its inner edge, chin and jaw, with how far they follow the edge.
const LOWER_FOLLOWERS: [(&[usize], f32); 5] = [
    (&[96, 89, 179, 86, 15, 316, 403, 319, 325], 1.0),
    (&[77, 90, 180, 85, 16, 315, 404, 320, 307], 1.0),
    (OUTER_LIP_LOWER.split_at(1).1.split_at(9).0, 1.0),
    (&CHIN_SKIN, 0.85),
    (&JAW_LINE, 0.7),
];

/// Gaps between the inner lips from corner to corner, positive where they are open.
pub type Gaps = [f32; INNER_LIPS.len()];

/// The gap in the middle of the mouth: how open it is.
pub fn mouth_gap(gaps: &Gaps) -> f32 {
    gaps[MIDDLE]
}

/// The gaps of normalised landmarks; all are zero where points are missing.
pub fn lip_gaps(face: &[[f32; 3]]) -> Gaps {
    if face.len() < MESH {
        return Gaps::default();
    }
    INNER_LIPS.map(|(upper, lower)| face[lower][1] - face[upper][1])
}

/// Closes the lips of normalised landmarks, chin and jaw with them. Closed lips stay as they are.
pub fn close_mouth(face: &mut [[f32; 3]]) {
    widen_gaps(face, &lip_gaps(face).map(|gap| -gap.max(0.0)));
}

/// Opens the lips of normalised landmarks by `gap` in the middle, chin and jaw with them.
pub fn open_mouth(face: &mut [[f32; 3]], gap: f32) {
    if face.len() < MESH {
        return;
    }
    let bow = bow(face);
    widen_gaps(face, &INNER_LIPS.map(|(upper, _)| gap * bow(face[upper][0])));
}

/// Widens each gap between the inner lips by a change; a negative one brings the lips together. The skin around, chin and
/// jaw follow.
pub fn widen_gaps(face: &mut [[f32; 3]], changes: &Gaps) {
    if face.len() < MESH {
        return;
    }
    let bow = bow(face);
    let largest = changes.iter().fold(0.0f32, |most, c| if c.abs() > most.abs() { *c } else { most });
    for (change, (upper, lower)) in changes.iter().zip(INNER_LIPS) {
        face[upper][1] -= change * UPPER_SHARE;
        face[lower][1] += change * (1.0 - UPPER_SHARE);
    }
    for (points, share) in UPPER_FOLLOWERS {
        for &point in points {
            face[point][1] -= largest * UPPER_SHARE * share * bow(face[point][0]);
        }
    }
    for (points, share) in LOWER_FOLLOWERS {
        for &point in points {
            let width = bow(face[point][0]).max(1.0 - share);
            face[point][1] += largest * (1.0 - UPPER_SHARE) * share * width;
        }
    }
}

/// A gap is widest in the middle of the mouth (1) and nothing at the corners (0); below the lips the jaw moves as one.
fn bow(face: &[[f32; 3]]) -> impl Fn(f32) -> f32 + use<> {
    let (left, right) = (face[CORNERS[0]][0], face[CORNERS[1]][0]);
    let half = ((right - left) / 2.0).abs().max(f32::EPSILON);
    let middle = f32::midpoint(left, right);
    move |x| 1.0 - ((x - middle) / half).clamp(-1.0, 1.0).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(gap: f32) -> Vec<[f32; 3]> {
        let mut face = vec![[0.0, 0.5, 0.0]; 478];
        (face[CORNERS[0]], face[CORNERS[1]]) = ([-0.3, 0.2, 0.0], [0.3, 0.2, 0.0]);
        for (i, (upper, lower)) in INNER_LIPS.into_iter().enumerate() {
            let x = -0.24 + 0.06 * i as f32;
            (face[upper], face[lower]) = ([x, 0.2, 0.0], [x, 0.2 + gap, 0.0]);
        }
        face
    }

    #[test]
    fn open_lips_meet_and_the_chin_follows() {
        let mut open = face(0.1);
        close_mouth(&mut open);
        for (upper, lower) in INNER_LIPS {
            assert!((open[upper][1] - open[lower][1]).abs() < 1e-6);
        }
        assert!(open[152][1] < 0.5 - 0.02, "the chin rises: {}", open[152][1]);
        assert_eq!(open[4], [0.0, 0.5, 0.0], "the nose stays");
    }

    #[test]
    fn an_opened_mouth_closes_again() {
        let mut open = face(0.0);
        open_mouth(&mut open, 0.1);
        assert!((mouth_gap(&lip_gaps(&open)) - 0.1).abs() < 0.005, "{}", mouth_gap(&lip_gaps(&open)));
        assert!(open[152][1] > 0.5 + 0.02, "the chin sinks: {}", open[152][1]);
        close_mouth(&mut open);
        assert!(mouth_gap(&lip_gaps(&open)).abs() < 1e-6);
    }

    #[test]
    fn closed_lips_stay() {
        let mut closed = face(0.0);
        let before = closed.clone();
        close_mouth(&mut closed);
        assert_eq!(closed, before);
    }
}
