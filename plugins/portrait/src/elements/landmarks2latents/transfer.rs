// SPDX-License-Identifier: MIT OR Apache-2.0
//! The motion of a tracked face, put onto another face.

use super::head::Within;
use crate::face::landmark::pose::Pose;

/// Farthest that a transferred pose turns the head away from the photo's, in degrees, where the photo is warped: it shows no
/// more.
pub const MAX_TURN_DEG: f32 = 20.0;

/// Farthest that a transferred pose moves the head, in head scales (inter-ocular distances).
const MAX_SHIFT: f32 = 0.6;

/// Range of a transferred change of size.
const SCALE_RANGE: (f32, f32) = (0.8, 1.25);

/// Angles at the head of a pose's numbers.
const ANGLES: usize = 3;

/// Motion of a tracked face since its first frame.
#[derive(Default)]
pub struct Transfer {
    first: Option<(Vec<[f32; 3]>, Pose)>,
    smoothed: Option<[f32; 7]>,
}

/// How a pose is transferred.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Turns since the first frame, else the angles as they are.
    pub relative: bool,
    /// Time constant of the low-pass, seconds; 0 = none.
    pub smoothing: f32,
    /// Duration of a frame, seconds.
    pub dt: f32,
    /// Farthest turns away from the photo's pose, degrees.
    pub limits: [f32; ANGLES],
}

impl Transfer {
    /// Whether a face was seen: the first one is what all later ones are relative to.
    pub fn has_started(&self) -> bool {
        self.first.is_some()
    }

    /// The first face: normalised landmarks and pose; `landmarks` and `driving` are it where there was none.
    pub fn first(&mut self, landmarks: &[[f32; 3]], driving: Pose) -> &(Vec<[f32; 3]>, Pose) {
        self.first.get_or_insert_with(|| (landmarks.to_vec(), driving))
    }

    /// The pose of the photo's head, whose pose at rest is `rest`, when the tracked one's is `driving`.
    ///
    /// Place and size are always relative: coordinates of two pictures have nothing in common.
    pub fn pose(
        &mut self,
        landmarks: &[[f32; 3]],
        driving: Pose,
        rest: &Pose,
        manner: Manner,
    ) -> (Pose, Within) {
        let from = self.first(landmarks, driving).1;
        let driving = self.smooth(driving, manner);
        // Moves of the driving head are in units of its own size.
        let unit = from.scale.max(f32::EPSILON);
        let turns = if manner.relative { turned(&from, &driving) } else { turned(rest, &driving) };
        let turn = |axis: usize| turns[axis].clamp(-manner.limits[axis], manner.limits[axis]);
        let shift = |value: f32| (value / unit).clamp(-MAX_SHIFT, MAX_SHIFT) * rest.scale;
        let pose = Pose {
            yaw: rest.yaw + turn(0),
            pitch: rest.pitch + turn(1),
            roll: rest.roll + turn(2),
            x: rest.x + shift(driving.x - from.x),
            y: rest.y + shift(driving.y - from.y),
            z: rest.z,
            scale: rest.scale * (driving.scale / unit).clamp(SCALE_RANGE.0, SCALE_RANGE.1),
        };
        let clamped = turns.iter().zip(manner.limits).any(|(t, limit)| t.abs() > limit);
        (pose, if clamped { Within::Clamped } else { Within::Range })
    }

    fn smooth(&mut self, driving: Pose, manner: Manner) -> Pose {
        if manner.smoothing <= 0.0 {
            self.smoothed = None;
            return driving;
        }
        let now = driving.to_array();
        let share = 1.0 - (-manner.dt / manner.smoothing).exp();
        let smoothed = self.smoothed.get_or_insert(now);
        for (index, (value, now)) in smoothed.iter_mut().zip(now).enumerate() {
            let way = now - *value;
            let way = if index < ANGLES { shorter(way) } else { way };
            *value += way * share;
        }
        for angle in &mut smoothed[..ANGLES] {
            *angle = shorter(*angle);
        }
        Pose::from_array(*smoothed)
    }
}

/// Yaw, pitch and roll of a head that turned from one pose to another.
fn turned(from: &Pose, to: &Pose) -> [f32; ANGLES] {
    [to.yaw - from.yaw, to.pitch - from.pitch, to.roll - from.roll].map(shorter)
}

/// The shorter way around: 179 degrees and -179 are 2 apart.
fn shorter(turn: f32) -> f32 {
    if turn > 180.0 {
        turn - 360.0
    } else if turn < -180.0 {
        turn + 360.0
    } else {
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Manner = Manner { relative: true, smoothing: 0.0, dt: 0.04, limits: [MAX_TURN_DEG; ANGLES] };

    fn pose(yaw: f32, x: f32, scale: f32) -> Pose {
        Pose { yaw, pitch: 0.0, roll: 0.0, x, y: 0.5, z: 0.0, scale }
    }

    #[test]
    fn the_first_frame_leaves_the_photo_as_it_is() {
        let rest = pose(3.0, 0.5, 0.2);
        let (posed, within) = Transfer::default().pose(&[], pose(-30.0, 0.1, 0.4), &rest, PLAIN);
        assert_eq!((posed.to_array(), within), (rest.to_array(), Within::Range));
    }

    #[test]
    fn motion_is_relative_and_in_head_sizes() {
        let mut transfer = Transfer::default();
        let rest = pose(0.0, 0.5, 0.2);
        transfer.pose(&[], pose(5.0, 0.1, 0.4), &rest, PLAIN);
        let (posed, _) = transfer.pose(&[], pose(12.0, 0.2, 0.4), &rest, PLAIN);
        assert!((posed.yaw - 7.0).abs() < 1e-5 && (posed.x - 0.55).abs() < 1e-6, "{posed:?}");
        let (posed, within) = transfer.pose(&[], pose(90.0, 0.2, 0.4), &rest, PLAIN);
        assert_eq!((posed.yaw, within), (MAX_TURN_DEG, Within::Clamped));
    }

    #[test]
    fn absolute_angles_are_those_of_the_video_and_the_place_is_the_photos() {
        let (rest, manner) = (pose(3.0, 0.5, 0.2), Manner { relative: false, ..PLAIN });
        let (posed, within) = Transfer::default().pose(&[], pose(-12.0, 0.9, 0.7), &rest, manner);
        assert_eq!((posed.yaw, posed.x, posed.scale, within), (-12.0, 0.5, 0.2, Within::Range));
    }

    #[test]
    fn smoothing_is_a_low_pass_of_its_time_constant() {
        let (rest, manner) = (pose(0.0, 0.5, 0.2), Manner { smoothing: 0.4, ..PLAIN });
        let mut transfer = Transfer::default();
        transfer.pose(&[], pose(0.0, 0.1, 0.4), &rest, manner);
        let path: Vec<f32> =
            (0..10).map(|_| transfer.pose(&[], pose(10.0, 0.1, 0.4), &rest, manner).0.yaw).collect();
        assert!((path[9] - 6.32).abs() < 0.02, "63 % after the time constant: {path:?}");
    }

    /// Of a video that stands on its head, say.
    #[test]
    fn a_roll_past_180_degrees_is_a_small_turn() {
        let rest = pose(0.0, 0.5, 0.2);
        let rolled = |roll: f32| Pose { roll, ..pose(0.0, 0.1, 0.4) };
        for smoothing in [0.0, 0.4] {
            let (mut transfer, manner) = (Transfer::default(), Manner { smoothing, ..PLAIN });
            let path =
                [178.0, -179.0, 179.5, -178.0].map(|roll| transfer.pose(&[], rolled(roll), &rest, manner));
            assert!(path.iter().all(|(p, within)| (0.0..4.1).contains(&p.roll) && *within == Within::Range));
        }
        let upright = Manner { relative: false, ..PLAIN };
        let (posed, _) = Transfer::default().pose(&[], rolled(-179.0), &rolled(178.0), upright);
        assert_eq!(posed.roll, 181.0);
    }
}
