// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is said of a face: its landmarks and pose in units of the frame.

use crate::face::find::Orientation;
use crate::face::landmark::indices::{EYE_CORNER_LEFT, EYE_CORNER_RIGHT};
use crate::face::landmark::{COUNT, Pose, pose};

/// Scale of the pose before the first face, in frame heights: the size of a head in a portrait.
const RESTING_SCALE: f32 = 0.2;

/// What is known of the face in a frame.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// Normalised landmarks.
    pub landmarks: Vec<[f32; 3]>,
    /// Pose in the upright frame; its unit of length is the height of that, for x too.
    pub pose: Pose,
    /// Landmarks in the frame as it is stored: x in widths, y in heights, z in widths.
    pub picture: Vec<[f32; 3]>,
    /// Whether the face is in this frame; else all of this is an earlier frame's, or the mean face's.
    pub found: bool,
    /// Whether it is the face of somebody else than in the frames before.
    pub is_other: bool,
}

impl Tracked {
    /// Flags the buffer of the frame: GAP where no face was found, MARKER where another one begins.
    pub fn flag(&self, buffer: &mut gst::BufferRef) {
        for (flag, on) in [(gst::BufferFlags::GAP, !self.found), (gst::BufferFlags::MARKER, self.is_other)] {
            if on {
                buffer.set_flags(flag);
            } else {
                buffer.unset_flags(flag);
            }
        }
    }
}

/// Measures faces and keeps the last one.
#[derive(Debug)]
pub struct Measure {
    mean_face: Vec<[f32; 3]>,
    tracked: Option<Tracked>,
}

impl Measure {
    /// With the face that stands for all.
    pub fn new(mean_face: &[[f32; 3]]) -> Self {
        Self { mean_face: mean_face.to_vec(), tracked: None }
    }

    /// With the same face that stands for all.
    pub fn another(&self) -> Self {
        Self::new(&self.mean_face)
    }

    /// Forgets the last face.
    pub fn reset(&mut self) {
        self.tracked = None;
    }

    /// A face: landmarks in pixels of the upright frame; `size` is that of the frame as it is stored.
    pub fn face(
        &mut self,
        pixels: &[[f32; 3]],
        is_other: bool,
        upright: Orientation,
        size: (usize, usize),
    ) -> &Tracked {
        let height = upright.size(size).1 as f32;
        let posed: Vec<[f32; 3]> = pixels.iter().map(|p| p.map(|v| v / height)).collect();
        let pose = pose::decompose(&posed, &self.mean_face);
        let mut landmarks = vec![[0.0; 3]; posed.len()];
        pose.remove(&posed, &mut landmarks);
        let picture = stored(pixels, upright, size);
        self.tracked.insert(Tracked { landmarks, pose, picture, found: true, is_other })
    }

    /// The last face again; before the first one the mean face in the middle of the frame.
    pub fn hold(&mut self, upright: Orientation, size: (usize, usize)) -> &Tracked {
        let held = match self.tracked.take() {
            Some(tracked) => Tracked { found: false, is_other: false, ..tracked },
            None => self.resting(upright, size),
        };
        self.tracked.insert(held)
    }

    /// What was said last.
    pub fn last(&self) -> Option<&Tracked> {
        self.tracked.as_ref()
    }

    fn resting(&self, upright: Orientation, size: (usize, usize)) -> Tracked {
        let (width, height) = upright.size(size);
        let (width, height) = (width as f32, height as f32);
        let pose = Pose { x: width / height / 2.0, y: 0.5, scale: RESTING_SCALE, ..Pose::default() };
        let mut posed = vec![[0.0; 3]; COUNT];
        pose.apply(&self.mean_face, &mut posed);
        let pixels: Vec<[f32; 3]> = posed.iter().map(|p| p.map(|v| v * height)).collect();
        let picture = stored(&pixels, upright, size);
        Tracked { landmarks: self.mean_face.clone(), pose, picture, found: false, is_other: false }
    }
}

/// Pixels of the upright frame in widths and heights of the frame as it is stored.
fn stored(pixels: &[[f32; 3]], upright: Orientation, size: (usize, usize)) -> Vec<[f32; 3]> {
    let (width, height) = (size.0 as f32, size.1 as f32);
    let one = |&[x, y, z]: &[f32; 3]| {
        let [x, y] = upright.to_stored([x, y], size);
        [x / width, y / height, z / width]
    };
    pixels.iter().map(one).collect()
}

/// By how many quarters, clockwise, a picture is to be turned so that a face in it stands upright, as nearly as that goes.
pub fn quarters_to_upright(landmarks: &[[f32; 3]]) -> u8 {
    let (Some(left), Some(right)) = (landmarks.get(EYE_CORNER_LEFT), landmarks.get(EYE_CORNER_RIGHT)) else {
        return 0;
    };
    let roll = (right[1] - left[1]).atan2(right[0] - left[0]);
    (-(roll / std::f32::consts::FRAC_PI_2).round() as i32).rem_euclid(4) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (160, 90);

    /// A face that was turned clockwise by so many degrees, in pixels.
    fn rolled(degrees: f32) -> Vec<[f32; 3]> {
        let mut face = vec![[0.0; 3]; COUNT];
        let (sin, cos) = degrees.to_radians().sin_cos();
        face[EYE_CORNER_LEFT] = [50.0 - 10.0 * cos, 40.0 - 10.0 * sin, 0.0];
        face[EYE_CORNER_RIGHT] = [50.0 + 10.0 * cos, 40.0 + 10.0 * sin, 0.0];
        face
    }

    #[test]
    fn a_face_that_lies_tells_how_far_to_turn_and_one_that_is_tilted_does_not() {
        for (degrees, quarters) in
            [(0.0, 0), (40.0, 0), (-40.0, 0), (90.0, 3), (70.0, 3), (180.0, 2), (-90.0, 1)]
        {
            assert_eq!(quarters_to_upright(&rolled(degrees)), quarters, "{degrees}");
        }
        assert_eq!(quarters_to_upright(&[]), 0);
    }

    #[test]
    fn a_turned_frame_gives_the_same_face_and_its_own_picture() {
        gst::init().unwrap();
        let pack = crate::pack::Pack::open(crate::pack::DEFAULT_PACK).unwrap();
        let pose = Pose { yaw: 5.0, roll: 3.0, x: 0.6, y: 0.4, scale: 0.2, ..Pose::default() };
        let (mut posed, mut measure) = (vec![[0.0; 3]; COUNT], Measure::new(pack.mean_face()));
        pose.apply(pack.mean_face(), &mut posed);
        for quarters in 0..4 {
            let upright = Orientation::turn(quarters);
            let height = upright.size(SIZE).1 as f32;
            let pixels: Vec<[f32; 3]> = posed.iter().map(|p| p.map(|v| v * height)).collect();
            let tracked = measure.face(&pixels, false, upright, SIZE);
            assert!((tracked.pose.roll - 3.0).abs() < 0.01 && (tracked.pose.x - 0.6).abs() < 1e-4);
            for (p, q) in pixels.iter().zip(&tracked.picture) {
                let shown = upright.to_shown([q[0] * 160.0, q[1] * 90.0], SIZE);
                assert!((shown[0] - p[0]).abs() < 1e-3 && (shown[1] - p[1]).abs() < 1e-3);
            }
        }
    }
}
