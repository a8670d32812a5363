// SPDX-License-Identifier: MIT OR Apache-2.0
//! A second photo of the person: two looks tell better than one how a mouth is held while talking.
//!
//! The network places the talking mouth by the lips of one photo, and misses it by 0.018 of the distance of the eyes on people
//! that it has not seen; the mean of what it says of a shut and of an open mouth misses it by 0.013
//! (models/speech2landmarks/README.md). Only the place, width and roundness of the mouth are taken from there: lips touch
//! and part as the first photo's would.

use crate::face::landmark::neutral::{lip_gaps, widen_gaps};
use crate::face::landmark::region::Regions;

/// Weight of the second photo: a look is a look.
const SHARE: f32 = 0.5;

/// What is added to each landmark.
pub struct SecondLook(Vec<[f32; 3]>);

impl SecondLook {
    /// From the same moment as the network draws it for the first and for the second photo, normalised landmarks.
    pub fn new(regions: &Regions, first: &[[f32; 3]], second: &[[f32; 3]]) -> Self {
        let weights = regions.weights([SHARE, 0.0, 0.0]);
        let mut mean: Vec<[f32; 3]> = first
            .iter()
            .zip(second)
            .zip(weights)
            .map(|((a, b), w)| std::array::from_fn(|k| a[k] + (b[k] - a[k]) * w))
            .collect();
        let (wanted, gaps) = (lip_gaps(first), lip_gaps(&mean));
        widen_gaps(&mut mean, &std::array::from_fn(|i| wanted[i] - gaps[i]));
        Self(mean.iter().zip(first).map(|(m, f)| std::array::from_fn(|k| m[k] - f[k])).collect())
    }

    /// Moves the mouth of a frame.
    pub fn apply(&self, face: &mut [[f32; 3]]) {
        for (point, shift) in face.iter_mut().zip(&self.0) {
            for (value, shift) in point.iter_mut().zip(shift) {
                *value += shift;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::indices::{CHIN, FOREHEAD, IRIS_LEFT};
    use crate::face::landmark::neutral::open_mouth;
    use crate::pack::{DEFAULT_PACK, Pack};

    #[test]
    fn the_mouth_goes_half_of_the_way_and_opens_no_wider() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let first = pack.mean_face().to_vec();
        let mut second = first.clone();
        for point in &mut second {
            point[0] += 0.02;
        }
        open_mouth(&mut second, 0.1);
        let look = SecondLook::new(&Regions::new(&first), &first, &second);
        let mut face = first.clone();
        look.apply(&mut face);
        let moved = |i: usize| face[i][0] - first[i][0];
        assert!([13, 14, 61, 291, CHIN].iter().all(|&i| (moved(i) - 0.01).abs() < 1e-5), "half of the way");
        assert!([FOREHEAD, IRIS_LEFT[0], 168].iter().all(|&i| face[i] == first[i]), "the mouth only");
        let gaps = lip_gaps(&face).into_iter().zip(lip_gaps(&first));
        assert!(gaps.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < 1e-5, "as open as before");
    }

    #[test]
    fn the_same_photo_again_changes_nothing() {
        let face = Pack::open(DEFAULT_PACK).unwrap().mean_face().to_vec();
        let look = SecondLook::new(&Regions::new(&face), &face, &face);
        assert!(look.0.iter().flatten().all(|v| v.abs() < 1e-6));
    }
}
