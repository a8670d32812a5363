//! The head behind the face: hair, ears and crown, where no landmarks are.
//!
//! A flow that is only drawn on from the landmarks takes the hair along with the forehead and the ears along with the
//! cheeks, though they lie deeper and hardly move when a head turns. So points of a mean head's outline, and of its top,
//! turn with the face as one rigid body and steer the flow of the picture beside the landmarks.

use super::points::{Point, Rows};
use crate::landmark::indices::STABLE;
use crate::landmark::pose::decompose;
use crate::landmark::similarity::{self, Similarity};

/// Middle of the head, normalised coordinates (those of [`crate::landmark::Pose`]): between the ears.
const MIDDLE: [f32; 3] = [0.0, -0.3, 1.15];
/// Half width, height and depth of the head with its hair.
const SIZE: [f32; 3] = [1.0, 1.25, 0.9];
/// Rings of points around the line of sight, as seen from ahead: share of the size, first and last angle in degrees
/// (from ear to ear over the crown), points.
const RINGS: [(f32, f32, f32, usize); 2] = [(1.0, 0.0, 180.0, 19), (0.82, 45.0, 135.0, 9)];
/// The ears, and what hangs from them or beside the jaw.
const EARS: [[f32; 3]; 6] = [
    [-0.85, 0.05, 1.15],
    [0.85, 0.05, 1.15],
    [-1.02, 0.05, 1.22],
    [1.02, 0.05, 1.22],
    [-0.95, 0.4, 1.15],
    [0.95, 0.4, 1.15],
];

/// Points of the head that turn with the face.
#[derive(Clone, Debug)]
pub struct Skull {
    /// Rows of control points that expressions move least, and where those are in the photo.
    stable: Vec<usize>,
    source: Vec<[f64; 3]>,
    driving: Vec<[f64; 3]>,
    points: Vec<[f32; 3]>,
}

impl Skull {
    /// The head of a photo with these landmarks.
    pub fn new(rows: &Rows, landmarks: &[[f32; 3]], mean_face: &[[f32; 3]]) -> Self {
        let mut shape = EARS.to_vec();
        for (size, first, last, count) in RINGS {
            let depth = MIDDLE[2] - SIZE[2] * (1.0 - size * size).sqrt();
            shape.extend((0..count).map(|i| {
                let angle = first + (last - first) * i as f32 / (count - 1) as f32;
                let (sin, cos) = angle.to_radians().sin_cos();
                [MIDDLE[0] + size * SIZE[0] * cos, MIDDLE[1] - size * SIZE[1] * sin, depth]
            }));
        }
        let mut points = shape.clone();
        decompose(landmarks, mean_face).apply(&shape, &mut points);
        let (stable, source) = rows
            .control
            .iter()
            .enumerate()
            .filter(|(_, index)| STABLE.contains(index))
            .filter_map(|(row, &index)| landmarks.get(index).map(|p| (row, p.map(f64::from))))
            .unzip();
        Self { stable, source, driving: Vec::new(), points }
    }

    /// Where the points are in the photo.
    pub fn source(&self) -> impl Iterator<Item = Point> {
        self.points.iter().map(|p| [p[0], p[1]])
    }

    /// Where they are in a frame with those control points.
    pub fn turn(&mut self, control: &[[f32; 3]]) -> impl Iterator<Item = Point> {
        self.driving.clear();
        self.driving.extend(self.stable.iter().map(|&row| control[row].map(f64::from)));
        let motion = similarity::fit(&self.source, &self.driving);
        self.points.iter().map(move |&point| {
            let moved = |m: Similarity| m.apply(point.map(f64::from)).map(|v| v as f32);
            let [x, y, _] = motion.map_or(point, moved);
            [x, y]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::landmark::Pose;
    use crate::pack::{DEFAULT_PACK, Pack};

    const REST: Pose = Pose { yaw: 5.0, pitch: -3.0, roll: 2.0, x: 0.5, y: 0.5, z: 0.0, scale: 0.25 };

    fn posed(pose: Pose, points: &[[f32; 3]]) -> Vec<[f32; 3]> {
        let mut out = points.to_vec();
        pose.apply(points, &mut out);
        out
    }

    #[test]
    fn hair_and_ears_turn_as_one_with_the_face() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let control = &pack.manifest().latents.control_points;
        let rows = Rows::new(control).unwrap();
        let face = posed(REST, pack.mean_face());
        let mut skull = Skull::new(&rows, &face, pack.mean_face());
        let pick = |face: &[[f32; 3]]| control.iter().map(|&i| face[i]).collect::<Vec<_>>();
        let source: Vec<Point> = skull.source().collect();
        let still = pick(&face);
        assert_eq!(skull.turn(&still).collect::<Vec<_>>(), source, "nothing moves at rest");

        let turned = Pose { yaw: 25.0, x: 0.42, scale: 0.26, ..REST };
        let upright = Skull::new(&rows, pack.mean_face(), pack.mean_face());
        let expected = posed(turned, &upright.points);
        let control_now = pick(&posed(turned, pack.mean_face()));
        for ([x, y], [ex, ey, _]) in skull.turn(&control_now).zip(expected) {
            assert!((x - ex).hypot(y - ey) < 1e-3, "{x} {y}, expected {ex} {ey}");
        }
        // Points without a motion leave the head where it is.
        let nowhere = vec![[0.5; 3]; control.len()];
        assert_eq!(skull.turn(&nowhere).collect::<Vec<_>>(), source);
    }
}
