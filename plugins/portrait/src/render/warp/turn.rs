// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far a turned head turns where: the face with its landmarks, its outline and all behind it less.
//!
//! A warp of one view has no side of a head to show. Landmarks are turned by more than the head is to look turned, since
//! nose and light stay those of the photo; an outline that turns as far with them draws the few pixels of the near cheek
//! out and drags the neck along with the jaw. So outline, hair and ears turn about the same axis by a share of it, and
//! the points between follow smoothly. Nods and rolls are everyone's.

use super::math::smooth_step;
use super::points::{Point, Rows};
use super::room::Way;
use crate::face::landmark::indices::STABLE;
use crate::face::landmark::pose::{self, PIVOT, Pose};
use crate::face::landmark::similarity::{self, Matrix, Similarity, row_times};

/// How far outline and skull turn sideways, of the face's turn.
const SHARE: f64 = 2.0 / 3.0;
/// Half width and height of the face as seen from ahead, normalised coordinates.
const FACE: [f32; 2] = [0.77, 0.96];
/// How far the top of a head is from what it turns about, normalised coordinates.
const REACH: f32 = 2.0;
/// Distances from the middle of the face up to which points turn with it, and from which on they turn with the outline;
/// 1 = on the outline.
const EDGE: (f32, f32) = (0.6, 1.0);

/// Degrees of yaw and pitch, of landmarks, from which on the flow of the regions gives way to the head's beside what moves by
/// itself, and where it has.
const TURNED: (f32, f32) = (4.0, 16.0);

/// The turn of a frame.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Rows of control points that expressions move least, and where those are in the photo.
    stable: Vec<usize>,
    source: Vec<[f64; 3]>,
    driving: Vec<[f64; 3]>,
    /// Top of the neck in the photo.
    pivot: [f64; 3],
    /// How far the top of the head is from there, picture units.
    reach: f32,
    /// How much each control point turns as the outline, 0 to 1.
    edge: Vec<f64>,
    motion: Option<Motion>,
}

/// Where a rigid head went.
#[derive(Clone, Copy, Debug)]
struct Motion {
    /// With the landmarks, and how far that turned it: yaw, pitch, roll in degrees.
    face: Similarity,
    angles: [f32; 3],
    /// Where the top of the neck is, and what turns a head back about it.
    pivot: [f64; 3],
    back: Matrix,
}

impl Turn {
    /// The face of a photo, which has the pose `rest`.
    pub fn new(rows: &Rows, landmarks: &[[f32; 3]], mean_face: &[[f32; 3]], rest: &Pose) -> Self {
        let (stable, source) = rows
            .control
            .iter()
            .enumerate()
            .filter(|(_, index)| STABLE.contains(index))
            .filter_map(|(row, &index)| landmarks.get(index).map(|p| (row, p.map(f64::from))))
            .unzip();
        let edge = |index: &usize| {
            let [x, y, _] = mean_face.get(*index).copied().unwrap_or_default();
            let distance = (x / FACE[0]).hypot(y / FACE[1]);
            f64::from(smooth_step((distance - EDGE.0) / (EDGE.1 - EDGE.0)))
        };
        let mut pivot = [[0.0; 3]];
        rest.apply(&[PIVOT], &mut pivot);
        Self {
            stable,
            source,
            driving: Vec::new(),
            pivot: pivot[0].map(f64::from),
            reach: REACH * rest.scale,
            edge: rows.control.iter().map(edge).collect(),
            motion: None,
        }
    }

    /// Takes the control points of a frame. Where they have no motion, the head stays as it is in the photo.
    pub fn pose(&mut self, control: &[[f32; 3]]) {
        self.driving.clear();
        self.driving.extend(self.stable.iter().map(|&row| control[row].map(f64::from)));
        self.motion = similarity::fit(&self.source, &self.driving).map(|face| {
            let angles = pose::angles(&face.rotation).map(|angle| angle as f32);
            let [yaw, _, roll] = angles;
            let about = |yaw: f32, roll: f32| pose::rotation(&Pose { yaw, roll, ..Pose::default() });
            // The head's own axis, which rolls with it.
            let back = about((SHARE as f32 - 1.0) * yaw, roll);
            let upright = about(0.0, -roll);
            Motion {
                face,
                angles,
                pivot: face.apply(self.pivot),
                back: upright.map(|row| row_times(row, &back)),
            }
        });
    }

    /// Turns the outline of the face less than `control` says, and what is near it.
    pub fn ease(&self, control: &[[f32; 3]], driving: &mut [Point]) {
        let Some(motion) = &self.motion else { return };
        for ((out, point), edge) in driving.iter_mut().zip(control).zip(&self.edge) {
            let point = point.map(f64::from);
            let less = motion.less(point);
            *out = [0, 1].map(|i| (point[i] + edge * (less[i] - point[i])) as f32);
        }
    }

    /// How far the head has turned since the photo: yaw, pitch, roll in degrees.
    pub fn angles(&self) -> [f32; 3] {
        self.motion.as_ref().map_or([0.0; 3], |motion| motion.angles)
    }

    /// How far it is turned to a side, up or down: 0 to 1, from where on the flow of the regions folds beside lids and lips.
    pub fn turned(&self) -> f32 {
        let [yaw, pitch, _] = self.angles();
        smooth_step((yaw.hypot(pitch) - TURNED.0) / (TURNED.1 - TURNED.0))
    }

    /// How far the top of the neck went since the photo: to the right, down; picture units.
    pub fn carriage(&self) -> Point {
        self.motion
            .as_ref()
            .map_or([0.0; 2], |motion| [0, 1].map(|i| (motion.pivot[i] - self.pivot[i]) as f32))
    }

    /// How far the head as a whole went since the photo. Turns are none of it.
    pub fn way(&self) -> Way {
        let grown = self.motion.as_ref().map_or(0.0, |motion| motion.face.scale as f32 - 1.0);
        Way { shift: self.carriage(), growth: grown * self.reach }
    }

    /// Where a point of the photo's face is if it moves with the head only.
    pub fn carried(&self, point: [f64; 3]) -> [f64; 3] {
        self.motion.as_ref().map_or(point, |motion| motion.face.apply(point))
    }

    /// Where a point behind the face went that is there in the photo.
    pub fn behind(&self, point: [f32; 3]) -> Point {
        let moved = |m: &Motion| m.less(m.face.apply(point.map(f64::from))).map(|v| v as f32);
        let [x, y, _] = self.motion.as_ref().map_or(point, moved);
        [x, y]
    }
}

impl Motion {
    /// Where a point of the turned face is if it turns as far as the outline only.
    fn less(&self, point: [f64; 3]) -> [f64; 3] {
        let turned = row_times(std::array::from_fn(|i| point[i] - self.pivot[i]), &self.back);
        std::array::from_fn(|i| self.pivot[i] + turned[i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::indices::{
        CHIN, EYE_CORNER_LEFT, EYE_CORNER_RIGHT, EYE_LEFT, EYE_RIGHT, LIPS_INNER, NOSE_TIP, OVAL,
    };
    use crate::pack::{DEFAULT_PACK, Pack};
    use crate::render::warp::patch::Patch;
    use crate::render::warp::skull::Skull;
    use crate::render::warp::{Geometry, Part, paint};

    const REST: Pose = Pose { yaw: 5.0, pitch: -3.0, roll: 2.0, x: 0.5, y: 0.5, z: 0.0, scale: 0.25 };

    /// Two rigid poses of the mean face, as its control points, and a turn from one to the other.
    struct Setting {
        rows: Rows,
        mean: Vec<[f32; 3]>,
        turn: Turn,
        skull: Skull,
    }

    impl Setting {
        fn new() -> Self {
            let pack = Pack::open(DEFAULT_PACK).unwrap();
            let rows = Rows::new(&pack.manifest().latents.control_points).unwrap();
            let mean = pack.mean_face().to_vec();
            let face = posed(REST, &mean);
            Self { turn: Turn::new(&rows, &face, &mean, &REST), skull: Skull::new(&REST), rows, mean }
        }

        /// Control points of a head in that pose; takes its turn.
        fn head(&mut self, pose: Pose) -> Vec<[f32; 3]> {
            let face = posed(pose, &self.mean);
            let control: Vec<_> = self.rows.control.iter().map(|&i| face[i]).collect();
            self.turn.pose(&control);
            control
        }

        /// What is drawn of them.
        fn drawn(&mut self, pose: Pose) -> Vec<Point> {
            let control = self.head(pose);
            let mut driving = flat(&control);
            self.turn.ease(&control, &mut driving);
            driving
        }

        fn row(&self, index: usize) -> usize {
            self.rows.control.iter().position(|&i| i == index).unwrap()
        }
    }

    fn posed(pose: Pose, points: &[[f32; 3]]) -> Vec<[f32; 3]> {
        let mut out = points.to_vec();
        pose.apply(points, &mut out);
        out
    }

    fn flat(points: &[[f32; 3]]) -> Vec<Point> {
        points.iter().map(|p| [p[0], p[1]]).collect()
    }

    /// Largest distance between points of two lists.
    fn apart(a: &[Point], b: &[Point]) -> f32 {
        a.iter().zip(b).map(|([x, y], [u, v])| (x - u).hypot(y - v)).fold(0.0, f32::max)
    }

    /// A pose that is turned from rest about the top of the neck.
    fn turned(yaw: f32) -> Pose {
        pose::turned_to(REST, [yaw, REST.pitch, REST.roll], REST.scale)
    }

    #[test]
    fn nothing_moves_at_rest_or_where_points_have_no_motion() {
        let mut setting = Setting::new();
        let still = setting.head(REST);
        assert_eq!(setting.drawn(REST), flat(&still));
        let source: Vec<Point> = setting.skull.source().collect();
        assert_eq!(setting.skull.turned(&setting.turn).collect::<Vec<_>>(), source);
        let nowhere = vec![[0.5; 3]; setting.rows.control.len()];
        setting.turn.pose(&nowhere);
        assert_eq!(setting.skull.turned(&setting.turn).collect::<Vec<_>>(), source);
    }

    #[test]
    fn features_turn_with_the_landmarks_and_the_outline_by_its_share() {
        let mut setting = Setting::new();
        for by in [-27.0, 27.0] {
            let full = flat(&setting.head(turned(REST.yaw + by)));
            let less = flat(&setting.head(turned(REST.yaw + by * SHARE as f32)));
            let drawn = setting.drawn(turned(REST.yaw + by));
            let share = |index: usize| {
                let row = setting.row(index);
                apart(&[drawn[row]], &[full[row]]) / apart(&[less[row]], &[full[row]])
            };
            for index in [NOSE_TIP, LIPS_INNER[15], EYE_LEFT[8], EYE_RIGHT[8]] {
                assert!(share(index) < 0.01, "landmark {index}: {}", share(index));
            }
            // Outer corners of the eyes lie a little towards the outline.
            for index in [EYE_CORNER_LEFT, EYE_CORNER_RIGHT] {
                assert!((0.1..0.4).contains(&share(index)), "landmark {index}: {}", share(index));
            }
            for row in OVAL.map(|i| setting.row(i)) {
                // The outline of a face is no ellipse.
                assert!(apart(&[drawn[row]], &[less[row]]) < 0.01, "{:?} {:?}", drawn[row], less[row]);
            }
        }
    }

    /// Landmarks of the far side come to lie on each other beside the nose: where the flow of an eye's region ends there, the
    /// picture would jump.
    #[test]
    fn beside_the_far_eye_of_a_turned_face_the_picture_jumps_less() {
        const STEP: f32 = 1.0 / 512.0;
        let mut setting = Setting::new();
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let latents = &pack.manifest().latents;
        let face = posed(REST, &setting.mean);
        let mut geometry =
            Geometry::new(&latents.control_points, latents.count, &face, &setting.mean).unwrap();
        let source = geometry.driving.clone();
        for (by, far) in [(-34.0, Part::EyeLeft), (34.0, Part::EyeRight)] {
            let control = setting.head(turned(REST.yaw + by));
            let mut values = control.as_flattened().to_vec();
            values.resize(latents.count * 3, 0.0);
            geometry.pose(&values).unwrap();
            let mut patch = Patch::new(far, &source, &geometry.rows);
            patch.pose(&geometry.fine, &geometry.driving, &geometry.rows);
            let [left, top, right, bottom] = patch.frame().bounds;
            let columns = ((right - left) / STEP) as usize;
            let x: Vec<f32> = (0..columns).map(|i| left + i as f32 * STEP).collect();
            // How far apart is what neighbours show, below the eye.
            let jump = |turned: f32| {
                let line = |row: usize| {
                    let y = top + row as f32 * STEP;
                    let [mut fx, mut fy, mut sx, mut sy] = [(); 4].map(|()| vec![0.0; columns]);
                    geometry.smooth.displace(&x, &vec![y; columns], &mut fx, &mut fy);
                    let (flow, seen) = ([&mut fx[..], &mut fy[..]], [&mut sx[..], &mut sy[..]]);
                    paint::flow(patch.frame(), [left, STEP, y], [1.0; 2], turned, flow, seen);
                    fx
                };
                let rows = (bottom - top) / STEP;
                let lines: Vec<Vec<f32>> = (rows as usize * 7 / 10..rows as usize).map(line).collect();
                let pairs = lines.windows(2).flat_map(|pair| pair[0].iter().zip(&pair[1]));
                pairs.map(|(above, below)| (above - below).abs() / STEP).fold(0.0, f32::max)
            };
            let (plain, mended) = (jump(0.0), jump(geometry.turn.turned()));
            assert!(mended < 0.9 * plain, "{by}: {plain} {mended}");
        }
    }

    #[test]
    fn hair_ears_and_neck_turn_as_one_with_the_outline() {
        let mut setting = Setting::new();
        setting.head(turned(REST.yaw - 24.0));
        let behind: Vec<Point> = setting.skull.turned(&setting.turn).collect();
        let expected: Vec<Point> = Skull::new(&turned(REST.yaw - 24.0 * SHARE as f32)).source().collect();
        assert!(apart(&behind, &expected) < 2e-3, "{}", apart(&behind, &expected));
    }

    #[test]
    fn nods_rolls_shifts_and_sizes_are_those_of_the_landmarks() {
        let mut setting = Setting::new();
        for pose in [
            Pose { pitch: 12.0, ..REST },
            Pose { roll: -18.0, ..REST },
            Pose { x: 0.4, y: 0.56, scale: 0.3, ..REST },
        ] {
            let full = flat(&setting.head(pose));
            assert!(apart(&setting.drawn(pose), &full) < 4e-3, "{pose:?}");
            let behind: Vec<Point> = setting.skull.turned(&setting.turn).collect();
            let expected: Vec<Point> = Skull::new(&pose).source().collect();
            assert!(apart(&behind, &expected) < 4e-3, "{pose:?}");
        }
    }

    #[test]
    fn the_near_jaw_and_the_neck_below_it_keep_their_places() {
        let mut setting = Setting::new();
        let still = setting.drawn(REST);
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let latents = &pack.manifest().latents;
        let face = posed(REST, &setting.mean);
        let mut geometry =
            Geometry::new(&latents.control_points, latents.count, &face, &setting.mean).unwrap();
        let neck = posed(REST, &[[-0.6, 1.1, 1.1], [0.6, 1.1, 1.1], [-0.6, 1.25, 1.1], [0.6, 1.25, 1.1]]);
        let [x, y] = [0, 1].map(|axis| neck.iter().map(|p| p[axis]).collect::<Vec<_>>());
        for (by, near) in [(-27.0, 172), (27.0, 397)] {
            let control = setting.head(turned(REST.yaw + by));
            let (full, drawn) = (flat(&control), setting.drawn(turned(REST.yaw + by)));
            for row in [near, CHIN].map(|i| setting.row(i)) {
                let moved = |points: &[Point]| apart(&points[row..=row], &still[row..=row]);
                assert!(moved(&drawn) < 0.75 * moved(&full), "{by}: {} {}", moved(&drawn), moved(&full));
            }
            let mut values = control.as_flattened().to_vec();
            values.resize(latents.count * 3, 0.0);
            geometry.pose(&values).unwrap();
            let (mut ux, mut uy) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            geometry.smooth.displace(&x, &y, &mut ux, &mut uy);
            for (ux, uy) in ux.iter().zip(&uy) {
                assert!(ux.hypot(*uy) < 0.15 * REST.scale, "{by}: {ux} {uy}");
            }
        }
    }
}
