// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lids as landmarks: they close, and go up and down with the eyes.

use crate::face::landmark::indices::{FOLDS, LIDS};

/// How far the folds follow their lid.
const FOLD_SHARE: f32 = 0.35;

/// How far the lids follow the eye, at each place from the outer to the inner corner: the corners are held.
const BOW: [f32; 7] = [0.45, 0.75, 0.95, 1.0, 0.95, 0.75, 0.45];

/// Share of the iris's way that the upper lid goes with it.
const UPPER_SHARE: f32 = 0.9;

/// The same of the lower lid: a narrow eye must not close over an iris that looks down.
const LOWER_SHARE: f32 = 0.5;

/// What is left at least of the opening when the upper lid follows a look down.
const LEAST_OPENING: f32 = 0.35;

/// Where the lids meet, from the upper (0) to the lower (1): the lower lid hardly moves.
const MEETING_POINT: f32 = 0.88;

/// Moves the lids with eyes whose irises went down by `ways` (up where negative), in the unit of the landmarks.
pub fn follow_eyes(face: &mut [[f32; 3]], ways: [f32; 2]) {
    if face.len() < 468 {
        return;
    }
    for (eye, way) in ways.into_iter().enumerate() {
        let mut moved = [0.0; 7];
        for (((upper, lower), bow), moved) in LIDS[eye].into_iter().zip(BOW).zip(&mut moved) {
            let opening = (face[lower][1] - face[upper][1]).max(0.0);
            let down = way * bow * LOWER_SHARE;
            let most = opening * (1.0 - LEAST_OPENING) + down;
            *moved = (way * bow * UPPER_SHARE).min(most.max(0.0));
            face[upper][1] += *moved;
            face[lower][1] += down;
        }
        for (fold, place) in FOLDS[eye] {
            face[fold][1] += moved[place] * FOLD_SHARE;
        }
    }
}

/// Moves the lids towards each other by `closure` (0 to 1) of their distance.
pub fn close(face: &mut [[f32; 3]], closure: f32) {
    if closure <= 0.0 || face.len() < 468 {
        return;
    }
    for eye in 0..2 {
        for (fold, place) in FOLDS[eye] {
            let (upper, lower) = LIDS[eye][place];
            for axis in 0..3 {
                let way = (face[lower][axis] - face[upper][axis]) * MEETING_POINT;
                face[fold][axis] += way * closure * FOLD_SHARE;
            }
        }
        for (upper, lower) in LIDS[eye] {
            for axis in 0..3 {
                let (a, b) = (face[upper][axis], face[lower][axis]);
                let meeting = a + (b - a) * MEETING_POINT;
                face[upper][axis] = a + (meeting - a) * closure;
                face[lower][axis] = b + (meeting - b) * closure;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A face whose lids are 0.2 apart.
    fn face() -> Vec<[f32; 3]> {
        let mut face = vec![[0.0; 3]; 478];
        for (upper, lower) in LIDS.into_iter().flatten() {
            face[upper] = [0.1, -0.1, 0.0];
            face[lower] = [0.1, 0.1, 0.0];
        }
        face
    }

    #[test]
    fn shut_lids_meet_and_open_ones_stay() {
        let mut face = face();
        let open = face.clone();
        close(&mut face, 0.0);
        assert_eq!(face, open);
        close(&mut face, 1.0);
        for (upper, lower) in LIDS.into_iter().flatten() {
            assert!((face[upper][1] - face[lower][1]).abs() < 1e-6);
            assert!(face[upper][1] > 0.0, "the upper lid does the way");
        }
    }

    #[test]
    fn lids_follow_the_eyes_and_stay_open() {
        for way in [-0.1, 0.05, 0.1, 1.0] {
            let (mut moved, before) = (face(), face());
            follow_eyes(&mut moved, [way, 0.0]);
            let (upper, lower) = LIDS[0][3];
            assert!((moved[upper][1] - before[upper][1]) * way > 0.0, "{way}");
            assert!(moved[lower][1] - moved[upper][1] >= 0.2 * LEAST_OPENING - 1e-6, "{way}");
            let (upper, lower) = LIDS[1][3];
            assert_eq!((moved[upper], moved[lower]), (before[upper], before[lower]), "the other eye stays");
        }
    }
}
