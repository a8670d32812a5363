// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the eyes look: irises turn with the eyeballs, now and then away from the viewer.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::face::chance::Chance;
use crate::face::landmark::Pose;
use crate::face::landmark::indices::{EYE_CORNER_LEFT, EYE_CORNER_RIGHT, IRIS_LEFT, IRIS_RIGHT};
use crate::face::step::smooth_step;

/// Farthest that eyes turn, in degrees: beyond, people turn the head.
pub const MAX_GAZE_DEG: f32 = 30.0;

/// Radius of an eyeball in distances of the outer eye corners: 12 mm of 89 mm, that of MediaPipe's metric face.
const EYEBALL: f32 = 0.135;

/// What irises turn for a degree of gaze sideways, up and down. Pictures of ten faces show irises that went about as far
/// as they were told, but a tracker of faces sees less, as it holds them back towards the middle of the lids: with these
/// numbers 14 degrees aside, 15.5 up and 15.3 down in the mean, where 15 were asked for.
const SHOWN_ASIDE: f32 = 1.25;
const SHOWN_UP: f32 = 1.3;
const SHOWN_DOWN: f32 = 1.52;

/// Fastest turn of the eyes, degrees a second: that of a small saccade.
pub const SACCADE_SPEED: f32 = 250.0;

/// How long the eyes take to look away and back, in seconds.
const LOOK_SECONDS: f32 = 0.16;

/// How long they stay away, in seconds; at most this share of the interval.
const AWAY_SECONDS: (f32, f32) = (0.6, 1.6);
const AWAY_SHARE: f32 = 0.5;

/// Pauses between two looks away, in intervals.
const PAUSE_RANGE: (f32, f32) = (0.6, 1.4);

/// Angle of a look away, in largest angles.
const ANGLE_RANGE: (f32, f32) = (0.5, 1.0);

/// Slope of a look away: mostly sideways, as thinking people look.
const MAX_SLOPE_DEG: f32 = 35.0;

/// Turns the irises by `[yaw, pitch]` degrees about the centres of their eyeballs; signs are those of [`Pose`]. Returns
/// how far each iris went down the face (the viewer's left eye first).
pub fn turn_eyes(face: &mut [[f32; 3]], [yaw, pitch]: [f32; 2]) -> [f32; 2] {
    if (yaw, pitch) == (0.0, 0.0) || face.len() <= IRIS_RIGHT[4] {
        return [0.0; 2];
    }
    let corners = [face[EYE_CORNER_LEFT], face[EYE_CORNER_RIGHT]];
    let radius = EYEBALL * distance(corners[0], corners[1]);
    let (yaw, pitch) = (yaw * SHOWN_ASIDE, pitch * if pitch > 0.0 { SHOWN_DOWN } else { SHOWN_UP });
    [IRIS_LEFT, IRIS_RIGHT].map(|iris| {
        let [x, y, z] = face[iris[0]];
        let centre = [x, y, z + radius];
        let turn = Pose { yaw, pitch, x: centre[0], y: centre[1], z: centre[2], ..Pose::default() };
        let around = iris.map(|i| std::array::from_fn(|k| face[i][k] - centre[k]));
        let mut turned = [[0.0; 3]; 5];
        turn.apply(&around, &mut turned);
        for (i, point) in iris.into_iter().zip(turned) {
            face[i] = point;
        }
        face[iris[0]][1] - y
    })
}

fn distance(a: [f32; 3], b: [f32; 3]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
}

/// How looks away are asked for.
#[derive(Clone, Copy, Debug)]
pub struct LookAwayControls {
    /// Whether the eyes look away at all.
    pub on: bool,
    /// Largest angle in degrees.
    pub angle: f32,
    /// Mean time from one look away to the next, in seconds.
    pub interval: f32,
}

/// Looks away and back, random but repeatable.
pub struct LookAway {
    rng: ChaCha8Rng,
    /// Whether the eyes are away or on their way there.
    away: bool,
    /// Where the eyes come from and go to, in largest angles.
    from: [f32; 2],
    to: [f32; 2],
    /// Seconds since they left.
    since: f32,
    /// Seconds (away) or intervals (looking ahead) until they move again.
    left: f32,
}

impl LookAway {
    /// Eyes that look ahead; what is random comes from `seed`.
    pub fn new(seed: u32) -> Self {
        let mut rng = Chance::LookAway.numbers(seed);
        let left = rng.random_range(PAUSE_RANGE.0..PAUSE_RANGE.1) / 2.0;
        Self { rng, away: false, from: [0.0; 2], to: [0.0; 2], since: LOOK_SECONDS, left }
    }

    /// `[yaw, pitch]` in degrees to add in the next frame.
    pub fn step(&mut self, controls: LookAwayControls, fps: f32) -> [f32; 2] {
        let second = fps.recip();
        self.since += second;
        if self.away {
            self.left -= second;
            if self.left <= 0.0 || !controls.on {
                self.go([0.0; 2]);
                self.away = false;
                self.left = self.rng.random_range(PAUSE_RANGE.0..PAUSE_RANGE.1);
            }
        } else if controls.on {
            self.left -= second / controls.interval;
            if self.left <= 0.0 {
                let angle = self.rng.random_range(ANGLE_RANGE.0..ANGLE_RANGE.1);
                let slope: f32 = self.rng.random_range(-MAX_SLOPE_DEG..MAX_SLOPE_DEG);
                let (sin, cos) = slope.to_radians().sin_cos();
                let side = if self.rng.random() { 1.0 } else { -1.0 };
                self.go([angle * cos * side, angle * sin]);
                self.away = true;
                let stay = self.rng.random_range(AWAY_SECONDS.0..AWAY_SECONDS.1);
                self.left = stay.min(controls.interval * AWAY_SHARE);
            }
        }
        self.now().map(|share| share * controls.angle)
    }

    fn go(&mut self, to: [f32; 2]) {
        (self.from, self.to, self.since) = (self.now(), to, 0.0);
    }

    /// Where the eyes are: they start and stop softly.
    fn now(&self) -> [f32; 2] {
        let t = smooth_step(self.since / LOOK_SECONDS);
        std::array::from_fn(|i| self.from[i] + (self.to[i] - self.from[i]) * t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::COUNT;

    /// Fifteen degrees as ten faces' pictures showed them (see [`SHOWN_ASIDE`]), in distances of the outer eye corners.
    #[test]
    fn irises_go_as_far_as_pictures_show_fifteen_degrees() {
        for (gaze, due) in [
            ([15.0, 0.0], [-0.0434, 0.0]),
            ([-15.0, 0.0], [0.0434, 0.0]),
            ([0.0, 15.0], [0.0, 0.0523]),
            ([0.0, -15.0], [0.0, -0.0451]),
        ] {
            let mut face = vec![[0.0; 3]; COUNT];
            (face[EYE_CORNER_LEFT][0], face[EYE_CORNER_RIGHT][0]) = (-0.5, 0.5);
            let down = turn_eyes(&mut face, gaze);
            for iris in [IRIS_LEFT[0], IRIS_RIGHT[0]] {
                let [x, y, _] = face[iris];
                assert!((x - due[0]).abs() < 2e-4 && (y - due[1]).abs() < 2e-4, "{gaze:?}: {:?}", face[iris]);
            }
            assert!(down.iter().all(|way| (way - due[1]).abs() < 2e-4), "{gaze:?}: {down:?}");
        }
    }
}
