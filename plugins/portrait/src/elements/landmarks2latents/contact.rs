// SPDX-License-Identifier: MIT OR Apache-2.0
//! Eyes that stay with the viewer while the head turns: as it goes one way, they go back.
//!
//! In 50 clips of people whose heads move, a tracker (MediaPipe) sees the irises go against a degree of yaw by 0.5 degrees in the
//! middle, by 0.7 in the upper quarter, who look into the camera; against one of pitch by 0.33 and 0.43. Of eyes that are held in a
//! head (four photos, turned by 12 and 6 degrees) it says 0.07 and 0.16, of such as take all of it back 0.79.

use super::ease::Ease;
use crate::face::edit::gaze::{MAX_GAZE_DEG, turn_eyes};
use crate::face::edit::lids::follow_eyes;

/// What eyes take back of a nod, where they take all of a turn sideways.
const NOD_SHARE: f32 = 0.6;

/// Fastest change of the share that is followed as it is, a second.
const SHARE_LIMIT: f32 = 1.0;

/// The eyes of one head.
#[derive(Default)]
pub struct EyeContact(Ease<1>);

impl EyeContact {
    /// Turns the eyes of normalised landmarks back by `share` of how far the head has turned since the photo: `turn`, yaw and
    /// pitch in degrees, as `gaze`, where the eyes look already. `dt` seconds after the last frame.
    pub fn apply(&mut self, face: &mut [[f32; 3]], share: f32, turn: [f32; 2], gaze: [f32; 2], dt: f32) {
        let [share] = self.0.step([share], [SHARE_LIMIT], dt);
        let shares = [share, share * NOD_SHARE];
        let back = std::array::from_fn(|i| {
            let all = (gaze[i] - turn[i] * shares[i]).clamp(-MAX_GAZE_DEG, MAX_GAZE_DEG);
            all - gaze[i]
        });
        let ways = turn_eyes(face, back);
        follow_eyes(face, ways);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::COUNT;
    use crate::face::landmark::indices::{EYE_CORNER_LEFT, EYE_CORNER_RIGHT, IRIS_LEFT, IRIS_RIGHT};
    use crate::face::landmark::pose::Pose;

    fn face() -> Vec<[f32; 3]> {
        let mut face = vec![[0.0; 3]; COUNT];
        (face[EYE_CORNER_LEFT], face[EYE_CORNER_RIGHT]) = ([-0.5, 0.0, 0.0], [0.5, 0.0, 0.0]);
        for (iris, x) in [(IRIS_LEFT[0], -0.3), (IRIS_RIGHT[0], 0.3)] {
            face[iris] = [x, 0.0, 0.0];
        }
        face
    }

    /// Where an iris is, across and down, when the head has turned so far and the eyes take back that share.
    fn iris(share: f32, turn: [f32; 2], gaze: [f32; 2]) -> [f32; 2] {
        let mut face = face();
        EyeContact::default().apply(&mut face, share, turn, gaze, 0.04);
        [face[IRIS_LEFT[0]][0] + 0.3, face[IRIS_LEFT[0]][1]]
    }

    /// A head turns, its eyes are turned back: in the picture they go less aside than the face in front of them.
    #[test]
    fn eyes_go_against_the_head() {
        for (yaw, pitch) in [(8.0, 0.0), (-8.0, 0.0), (0.0, 6.0), (0.0, -6.0)] {
            let [x, y] = iris(1.0, [yaw, pitch], [0.0; 2]);
            let mut gone = [[0.0; 3]];
            Pose { yaw, pitch, scale: 1.0, ..Pose::default() }.apply(&[[0.0, 0.0, -0.1]], &mut gone);
            let [nose, down, _] = gone[0];
            if yaw != 0.0 {
                assert!(x * nose < 0.0 && y == 0.0, "{yaw}: irises go {x}, the nose {nose}");
            } else {
                assert!(y * down < 0.0 && x.abs() < 1e-6, "{pitch}: irises go {y}, the nose {down}");
            }
            let half = iris(0.5, [yaw, pitch], [0.0; 2]);
            assert!((half[0] - x / 2.0).abs() < 2e-3 && (half[1] - y / 2.0).abs() < 2e-3);
        }
    }

    #[test]
    fn a_head_that_has_not_turned_keeps_its_eyes_to_the_bit() {
        assert_eq!(iris(1.0, [0.0; 2], [9.0, -4.0]), [0.0; 2]);
        assert_eq!(iris(0.0, [12.0, 7.0], [9.0, -4.0]), [0.0; 2]);
    }

    #[test]
    fn no_eye_is_turned_farther_than_eyes_turn() {
        assert_eq!(iris(1.0, [20.0, 0.0], [-MAX_GAZE_DEG, 0.0]), [0.0; 2]);
        let [some, more] = [20.0, 40.0].map(|turn| iris(1.0, [turn, 0.0], [-20.0, 0.0])[0]);
        assert_eq!(some, more);
    }
}
