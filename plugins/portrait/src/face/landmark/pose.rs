// SPDX-License-Identifier: MIT OR Apache-2.0
//! Head pose: the similarity between a face as it is seen and the same face normalised.
//!
//! `posed = scale * (normalised @ R) + (x, y, z)` on row vectors, `R = Rx(pitch) @ Ry(yaw) @ Rz(roll)`. Normalised
//! faces lie on the pack's mean face: looking straight ahead, nose tip near the origin, inter-ocular distance near 1.
//! x points right and y down in the picture, z away from the camera.

use super::indices::STABLE;
use super::similarity::{self, Matrix, row_times, transpose};
use crate::pack::POSE_LEN;

/// |cosine of the yaw| below which pitch and roll turn about the same axis.
const GIMBAL_LOCK: f64 = 1e-7;

/// What a head turns about: the top of the neck, between the ears, below and behind the tip of the nose; normalised
/// coordinates. About there a head is round, so that its outline stays where it was while the face moves over it.
pub const PIVOT: [f32; 3] = [0.0, 0.35, 1.1];

/// A head pose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// Degrees, about the vertical axis.
    pub yaw: f32,
    /// Degrees, nodding.
    pub pitch: f32,
    /// Degrees, in the plane of the picture.
    pub roll: f32,
    /// Where the origin of the normalised face lies; picture units.
    pub x: f32,
    /// As `x`, down.
    pub y: f32,
    /// As `x`, in depth.
    pub z: f32,
    /// Picture units of one inter-ocular distance of the mean face.
    pub scale: f32,
}

impl Default for Pose {
    /// The identity: posed and normalised points are the same.
    fn default() -> Self {
        Self { yaw: 0.0, pitch: 0.0, roll: 0.0, x: 0.0, y: 0.0, z: 0.0, scale: 1.0 }
    }
}

impl Pose {
    /// The seven numbers in the order of tensors and metadata.
    pub fn to_array(&self) -> [f32; POSE_LEN] {
        [self.yaw, self.pitch, self.roll, self.x, self.y, self.z, self.scale]
    }

    /// The inverse of [`Pose::to_array`].
    pub fn from_array([yaw, pitch, roll, x, y, z, scale]: [f32; POSE_LEN]) -> Self {
        Self { yaw, pitch, roll, x, y, z, scale }
    }

    /// Poses normalised points; as many as the shorter of the two slices.
    pub fn apply(&self, normalised: &[[f32; 3]], out: &mut [[f32; 3]]) {
        let (rotation, shift, scale) = self.parts();
        for (p, out) in normalised.iter().zip(out) {
            let turned = row_times(p.map(f64::from), &rotation);
            *out = std::array::from_fn(|i| (scale * turned[i] + shift[i]) as f32);
        }
    }

    /// Removes the pose from posed points: the inverse of [`Pose::apply`]. A scale of zero gives zeros.
    pub fn remove(&self, posed: &[[f32; 3]], out: &mut [[f32; 3]]) {
        let (rotation, shift, scale) = self.parts();
        let (back, inverse) = (transpose(&rotation), if scale == 0.0 { 0.0 } else { 1.0 / scale });
        for (p, out) in posed.iter().zip(out) {
            let centred: [f64; 3] = std::array::from_fn(|i| inverse * (f64::from(p[i]) - shift[i]));
            *out = row_times(centred, &back).map(|v| v as f32);
        }
    }

    fn parts(&self) -> (Matrix, [f64; 3], f64) {
        (rotation(self), [self.x, self.y, self.z].map(f64::from), f64::from(self.scale))
    }
}

/// The pose of tracked points: Procrustes with scale of their stable points onto those of the mean face.
///
/// Both slices hold [`super::COUNT`] points. Points that give no pose (all in one place, not finite, too few) have the
/// identity.
pub fn decompose(posed: &[[f32; 3]], mean_face: &[[f32; 3]]) -> Pose {
    let stable = |points: &[[f32; 3]]| -> Vec<[f64; 3]> {
        STABLE.iter().filter_map(|&i| points.get(i)).map(|p| p.map(f64::from)).collect()
    };
    let Some(fit) = similarity::fit(&stable(posed), &stable(mean_face)) else { return Pose::default() };
    let back = transpose(&fit.rotation);
    let shift = row_times(fit.shift, &back).map(|v| -v / fit.scale);
    let [yaw, pitch, roll] = angles(&back);
    Pose {
        yaw: yaw as f32,
        pitch: pitch as f32,
        roll: roll as f32,
        x: shift[0] as f32,
        y: shift[1] as f32,
        z: shift[2] as f32,
        scale: (1.0 / fit.scale) as f32,
    }
}

/// The same head with other angles and another size: the top of its neck stays where it is. So do properties turn it;
/// generated and transferred motion brings its own shifts.
pub fn turned_to(from: Pose, [yaw, pitch, roll]: [f32; 3], scale: f32) -> Pose {
    if [from.yaw, from.pitch, from.roll, from.scale] == [yaw, pitch, roll, scale] {
        return from;
    }
    let mut pivots = [[0.0; 3]; 2];
    let (was, is) = pivots.split_at_mut(1);
    from.apply(&[PIVOT], was);
    let to = Pose { yaw, pitch, roll, scale, ..from };
    to.apply(&[PIVOT], is);
    let shift = |axis: usize| was[0][axis] - is[0][axis];
    Pose { x: to.x + shift(0), y: to.y + shift(1), z: to.z + shift(2), ..to }
}

/// What a pose does to row vectors.
pub fn rotation(pose: &Pose) -> Matrix {
    let (sy, cy) = f64::from(pose.yaw).to_radians().sin_cos();
    let (sp, cp) = f64::from(pose.pitch).to_radians().sin_cos();
    let (sr, cr) = f64::from(pose.roll).to_radians().sin_cos();
    [
        [cy * cr, cy * sr, -sy],
        [sp * sy * cr - cp * sr, sp * sy * sr + cp * cr, sp * cy],
        [cp * sy * cr + sp * sr, cp * sy * sr - sp * cr, cp * cy],
    ]
}

/// Yaw, pitch, roll in degrees: the inverse of [`rotation`].
pub fn angles(r: &Matrix) -> [f64; 3] {
    let yaw = (-r[0][2]).clamp(-1.0, 1.0).asin();
    let (pitch, roll) = if r[0][0].hypot(r[0][1]) < GIMBAL_LOCK {
        ((-r[2][1]).atan2(r[1][1]), 0.0)
    } else {
        (r[1][2].atan2(r[2][2]), r[0][1].atan2(r[0][0]))
    };
    [yaw, pitch, roll].map(f64::to_degrees)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::COUNT;
    use proptest::prelude::*;

    /// A made-up face: any points in general position do.
    fn face() -> Vec<[f32; 3]> {
        (0..COUNT)
            .map(|i| {
                let t = i as f32;
                [(t * 0.37).sin() * 0.7, (t * 0.73).cos() * 0.9, (t * 1.31).sin() * 0.4]
            })
            .collect()
    }

    fn distance(a: &[[f32; 3]], b: &[[f32; 3]]) -> f32 {
        a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    proptest! {
        #[test]
        fn the_pose_that_was_applied_is_found_again(
            yaw in -89.0f32..89.0, pitch in -179.0f32..179.0, roll in -179.0f32..179.0,
            x in -2.0f32..2.0, y in -2.0f32..2.0, z in -2.0f32..2.0, scale in 0.01f32..4.0,
        ) {
            let pose = Pose { yaw, pitch, roll, x, y, z, scale };
            let mean = face();
            let mut posed = mean.clone();
            pose.apply(&mean, &mut posed);
            let found = decompose(&posed, &mean);
            let mut again = mean.clone();
            found.apply(&mean, &mut again);
            prop_assert!(distance(&posed, &again) < 2e-5 * (1.0 + scale), "{pose:?} {found:?}");
            prop_assert!((found.scale - scale).abs() < 1e-4 * scale);
            prop_assert!((found.yaw - yaw).abs() < 0.05 && (found.x - x).abs() < 1e-3);
        }

        #[test]
        fn posing_normalised_points_again_gives_back_the_tracked_ones(
            seed in 0u32..1000, size in 0.001f32..10.0,
        ) {
            // A face that is not the mean one: normalised points differ from it, the round trip is exact all the same.
            let mean = face();
            let posed: Vec<[f32; 3]> = mean.iter().enumerate().map(|(i, p)| {
                let wobble = ((i as f32) * 0.11 + seed as f32).sin() * 0.2;
                [p[1] * size + wobble * size, -p[0] * size, p[2] * size + 3.0]
            }).collect();
            let pose = decompose(&posed, &mean);
            let (mut normalised, mut again) = (mean.clone(), mean.clone());
            pose.remove(&posed, &mut normalised);
            pose.apply(&normalised, &mut again);
            prop_assert!(distance(&posed, &again) < 1e-5 * (3.0 + size));
            // What is normalised has no pose left.
            let left = decompose(&normalised, &mean);
            prop_assert!(left.yaw.abs() < 0.01 && left.pitch.abs() < 0.01 && left.roll.abs() < 0.01, "{left:?}");
            prop_assert!((left.scale - 1.0).abs() < 1e-3 && left.x.abs() < 1e-3);
        }
    }

    #[test]
    fn conventions_are_those_of_the_models() {
        let right = [[1.0f32, 0.0, 0.0]];
        let mut out = [[0.0f32; 3]];
        let turned = |pose: Pose, out: &mut [[f32; 3]]| pose.apply(&right, out);
        turned(Pose { roll: 90.0, ..Pose::default() }, &mut out);
        assert!(distance(&out, &[[0.0, 1.0, 0.0]]) < 1e-6, "{out:?}");
        turned(Pose { yaw: 90.0, ..Pose::default() }, &mut out);
        assert!(distance(&out, &[[0.0, 0.0, -1.0]]) < 1e-6, "{out:?}");
        turned(Pose { scale: 2.0, x: 0.5, pitch: 40.0, ..Pose::default() }, &mut out);
        assert!(distance(&out, &[[2.5, 0.0, 0.0]]) < 1e-6, "{out:?}");
        let pose = Pose::from_array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(Pose::from_array(pose.to_array()), pose);
        assert_eq!((pose.yaw, pose.pitch, pose.roll, pose.x, pose.scale), (1.0, 2.0, 3.0, 4.0, 7.0));
    }

    #[test]
    fn looking_along_the_picture_still_round_trips() {
        let mean = face();
        let pose = Pose { yaw: 90.0, pitch: 20.0, roll: 30.0, ..Pose::default() };
        let (mut posed, mut again) = (mean.clone(), mean.clone());
        pose.apply(&mean, &mut posed);
        decompose(&posed, &mean).apply(&mean, &mut again);
        assert!(distance(&posed, &again) < 1e-3);
    }

    #[test]
    fn the_top_of_the_neck_stays_where_the_head_turns() {
        let rest = Pose { yaw: 3.0, pitch: -1.0, roll: 0.5, x: 0.5, y: 0.55, z: 0.0, scale: 0.25 };
        let turned = turned_to(rest, [-15.0, 8.0, 5.0], 0.3);
        let mut pivots = [[0.0; 3]; 2];
        let (was, is) = pivots.split_at_mut(1);
        rest.apply(&[PIVOT], was);
        turned.apply(&[PIVOT], is);
        assert!((0..3).all(|i| (was[0][i] - is[0][i]).abs() < 1e-6), "{pivots:?}");
        assert!(turned.x > rest.x, "a head that turns to the right moves its nose there");
        assert_eq!(turned_to(rest, [3.0, -1.0, 0.5], 0.25), rest);
    }

    #[test]
    fn lips_chin_lids_and_brows_do_not_move_the_head() {
        use crate::face::landmark::indices::{BROW_LEFT, CHIN, EYE_LEFT, LIPS_INNER, LIPS_OUTER};
        let mean = face();
        let pose = Pose { yaw: 12.0, pitch: -5.0, roll: 3.0, x: 0.5, y: 0.4, z: 0.1, scale: 0.2 };
        let mut talking = mean.clone();
        // The outer corner of the eye is a stable point.
        let moving =
            LIPS_INNER.iter().chain(&LIPS_OUTER).chain(&BROW_LEFT).chain(&EYE_LEFT[1..8]).chain(&[CHIN]);
        for &i in moving {
            talking[i][1] += 0.3;
        }
        let mut posed = mean.clone();
        pose.apply(&talking, &mut posed);
        let found = decompose(&posed, &mean);
        let far =
            pose.to_array().iter().zip(found.to_array()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-3, "{found:?}");
    }

    #[test]
    fn points_without_a_pose_have_the_identity() {
        let mean = face();
        assert_eq!(decompose(&[[0.5; 3]; COUNT], &mean), Pose::default());
        assert_eq!(decompose(&[[f32::NAN; 3]; COUNT], &mean), Pose::default());
        assert_eq!(decompose(&[], &mean), Pose::default());
    }
}
