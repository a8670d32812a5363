// SPDX-License-Identifier: MIT OR Apache-2.0
//! Regions of a face, as a weight of each landmark: they add up to one, so that driving all regions is driving the face.

use super::indices::{
    CHIN_SKIN, EYE_LEFT, EYE_RIGHT, IRIS_LEFT, IRIS_RIGHT, JAW_LINE, LIPS_INNER, LIPS_OUTER,
};
use crate::face::step::smooth_step;

/// Distances from the landmarks of a region within which a landmark is all of it, and from which on nothing of it, in
/// distances of the outer eye corners.
const MOUTH_REACH: (f32, f32) = (0.06, 0.26);
const EYE_REACH: (f32, f32) = (0.05, 0.15);

/// How much of each landmark belongs to mouth, eyes and the rest, in this order; the three add up to one.
#[derive(Clone, Debug)]
pub struct Regions(Vec<[f32; 3]>);

impl Regions {
    /// Regions by the distances in the mean face, normalised landmarks.
    pub fn new(mean_face: &[[f32; 3]]) -> Self {
        let seeds = |groups: &[&[usize]]| -> Vec<[f32; 3]> {
            groups.iter().flat_map(|g| g.iter()).filter_map(|&i| mean_face.get(i).copied()).collect()
        };
        let mouth = seeds(&[&LIPS_OUTER, &LIPS_INNER, &CHIN_SKIN, &JAW_LINE]);
        let eyes = seeds(&[&EYE_LEFT, &EYE_RIGHT, &IRIS_LEFT, &IRIS_RIGHT]);
        let weights = mean_face.iter().map(|&point| {
            let mouth = near(point, &mouth, MOUTH_REACH);
            let eyes = near(point, &eyes, EYE_REACH) * (1.0 - mouth);
            [mouth, eyes, 1.0 - mouth - eyes]
        });
        Self(weights.collect())
    }

    /// Weight of each landmark when so much (0 to 1) of mouth, eyes and the rest is driven.
    pub fn weights(&self, gains: [f32; 3]) -> impl Iterator<Item = f32> {
        self.0.iter().map(move |w| (0..3).map(|i| w[i] * gains[i]).sum())
    }
}

/// 1 near the seeds, 0 far from them, smooth between.
fn near([x, y, _]: [f32; 3], seeds: &[[f32; 3]], (inner, outer): (f32, f32)) -> f32 {
    let distance = seeds.iter().map(|s| (s[0] - x).hypot(s[1] - y)).fold(f32::INFINITY, f32::min);
    smooth_step((outer - distance) / (outer - inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::indices::{BROW_LEFT, BROW_RIGHT, CHIN, FOREHEAD, NOSE_TIP};
    use crate::pack::{DEFAULT_PACK, Pack};

    #[test]
    fn landmarks_lie_in_their_regions_and_all_regions_are_the_face() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let regions = Regions::new(pack.mean_face());
        let of = |gains| regions.weights(gains).collect::<Vec<f32>>();
        let (mouth, eyes, rest) = (of([1.0, 0.0, 0.0]), of([0.0, 1.0, 0.0]), of([0.0, 0.0, 1.0]));
        for i in LIPS_OUTER.into_iter().chain(LIPS_INNER).chain([CHIN]) {
            assert_eq!(mouth[i], 1.0, "landmark {i}");
        }
        for i in EYE_LEFT.into_iter().chain(EYE_RIGHT).chain(IRIS_LEFT).chain(IRIS_RIGHT) {
            assert_eq!(eyes[i], 1.0, "landmark {i}");
        }
        for i in BROW_LEFT.into_iter().chain(BROW_RIGHT).chain([FOREHEAD, NOSE_TIP]) {
            assert!(rest[i] > 0.5, "landmark {i}: {}", rest[i]);
        }
        for i in 0..mouth.len() {
            assert!((mouth[i] + eyes[i] + rest[i] - 1.0).abs() < 1e-6, "landmark {i}");
        }
    }
}
