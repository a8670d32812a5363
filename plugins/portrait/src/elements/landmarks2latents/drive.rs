// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which parts of the face a video drives, and how they blend into the rest of it.

use super::ease::Ease;
use super::settings::{Controls, Drive};
use crate::face::landmark::region::Regions;

/// Whose face drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// The main pad's: all of it unless told otherwise.
    Main,
    /// That of the pad `pose`: only its pose unless told otherwise.
    Pad,
}

impl Drive {
    /// The flags with `auto` replaced by what it means for that face.
    pub fn resolved(self, driver: Driver) -> Self {
        match (self.contains(Self::AUTO), driver) {
            (true, Driver::Main) => self | Self::ALL,
            (true, Driver::Pad) => self | Self::POSE,
            (false, _) => self,
        }
    }
}

/// Blends driven regions into a face; what is driven may change from frame to frame.
pub struct Blend {
    regions: Regions,
    /// Mouth, eyes, the rest, then how absolute the driven shape is.
    shares: Ease<4>,
    applied: [f32; 4],
}

/// Normalised landmarks of a face.
type Shape<'a> = &'a [[f32; 3]];

/// A face that drives.
#[derive(Clone, Copy)]
pub struct Driving<'a> {
    pub driver: Driver,
    /// What it looks like now and in its first frame; nothing before that.
    pub seen: Option<(Shape<'a>, Shape<'a>)>,
}

impl Blend {
    /// A blend of the regions of the mean face.
    pub fn new(mean_face: &[[f32; 3]]) -> Self {
        Self { regions: Regions::new(mean_face), shares: Ease::default(), applied: [0.0; 4] }
    }

    /// Back to the first frame.
    pub fn reset(&mut self) {
        self.shares = Ease::default();
    }

    /// The shares of the last frame, 0 to 1: how far mouth, eyes and the rest are driven, and how absolute that is. Nothing is
    /// driven by a face that was not seen yet.
    pub fn shares(&self) -> [f32; 4] {
        self.applied
    }

    /// One frame of `dt` seconds: moves the driven regions of `face`, whose shape at rest is `neutral`.
    pub fn apply(
        &mut self,
        face: &mut [[f32; 3]],
        neutral: &[[f32; 3]],
        driving: Option<Driving<'_>>,
        controls: &Controls,
        dt: f32,
    ) {
        let drive = driving.map_or(Drive::empty(), |d| controls.drive.resolved(d.driver));
        let share = |flag| f32::from(u8::from(drive.contains(flag)));
        let absolute = f32::from(u8::from(!controls.drive_relative));
        let asked = [share(Drive::MOUTH), share(Drive::EYES), share(Drive::EXPRESSION), absolute];
        let [mouth, eyes, rest, absolute] = self.shares.step(asked, [0.0; 4], dt);
        self.applied = [0.0, 0.0, 0.0, absolute];
        let Some((now, first)) = driving.and_then(|d| d.seen) else { return };
        self.applied = [mouth, eyes, rest, absolute];
        let gains = [mouth, eyes, rest];
        if gains == [0.0; 3] {
            return;
        }
        // All of the face takes the plain way: nothing is rounded off it.
        let whole = gains == [1.0; 3];
        let target = |i: usize, axis: usize| {
            let relative = neutral[i][axis] + now[i][axis] - first[i][axis];
            if absolute == 0.0 { relative } else { relative + absolute * (now[i][axis] - relative) }
        };
        for (i, weight) in self.regions.weights(gains).enumerate().take(face.len()) {
            for axis in 0..3 {
                let value = face[i][axis];
                face[i][axis] =
                    if whole { target(i, axis) } else { value + weight * (target(i, axis) - value) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::COUNT;
    use crate::face::landmark::indices::{CHIN, FOREHEAD};
    use crate::pack::{DEFAULT_PACK, Pack};

    const DT: f32 = 0.04;
    const LIP: usize = 14;
    const LID: usize = 159;

    fn blend() -> Blend {
        Blend::new(Pack::open(DEFAULT_PACK).unwrap().mean_face())
    }

    /// How far the landmarks of a face at zero are moved, when the driving one's all move by one.
    fn moved(drive: Drive, driver: Driver) -> Vec<f32> {
        let mut face = vec![[0.0; 3]; COUNT];
        let (neutral, first, now) = (face.clone(), vec![[5.0; 3]; COUNT], vec![[6.0; 3]; COUNT]);
        let controls = Controls { drive, ..Controls::default() };
        let driving = Driving { driver, seen: Some((&now, &first)) };
        blend().apply(&mut face, &neutral, Some(driving), &controls, DT);
        face.iter().map(|p| p[0]).collect()
    }

    #[test]
    fn only_the_named_regions_are_driven() {
        let mouth = moved(Drive::MOUTH, Driver::Main);
        assert_eq!((mouth[LIP], mouth[CHIN], mouth[LID], mouth[FOREHEAD]), (1.0, 1.0, 0.0, 0.0));
        let eyes = moved(Drive::EYES | Drive::POSE, Driver::Pad);
        assert_eq!((eyes[LIP], eyes[LID], eyes[FOREHEAD]), (0.0, 1.0, 0.0));
        let rest = moved(Drive::EXPRESSION, Driver::Pad);
        assert_eq!((rest[LIP], rest[LID], rest[FOREHEAD]), (0.0, 0.0, 1.0));
        assert_eq!(moved(Drive::POSE, Driver::Main), [0.0; COUNT]);
    }

    #[test]
    fn automatically_the_main_face_drives_all_and_that_of_the_pad_its_pose() {
        assert_eq!(moved(Drive::AUTO, Driver::Main), [1.0; COUNT]);
        assert_eq!(moved(Drive::AUTO, Driver::Pad), [0.0; COUNT]);
    }

    #[test]
    fn a_shape_is_taken_as_it_is_when_not_relative() {
        let mut face = vec![[0.0; 3]; COUNT];
        let (neutral, first, now) = (face.clone(), vec![[5.0; 3]; COUNT], vec![[6.0; 3]; COUNT]);
        let controls = Controls { drive_relative: false, ..Controls::default() };
        let driving = Driving { driver: Driver::Main, seen: Some((&now, &first)) };
        blend().apply(&mut face, &neutral, Some(driving), &controls, DT);
        assert_eq!(face[LIP], [6.0; 3]);
    }

    #[test]
    fn regions_that_are_switched_on_do_not_jump() {
        let (neutral, first, now) = (vec![[0.0; 3]; COUNT], vec![[5.0; 3]; COUNT], vec![[6.0; 3]; COUNT]);
        let driving = Driving { driver: Driver::Pad, seen: Some((&now, &first)) };
        let mut blend = blend();
        let mut last = 0.0;
        for i in 0..60 {
            let drive = if i < 5 { Drive::POSE } else { Drive::MOUTH };
            let controls = Controls { drive, ..Controls::default() };
            let mut face = neutral.clone();
            blend.apply(&mut face, &neutral, Some(driving), &controls, DT);
            assert!((face[LIP][0] - last).abs() < 0.15, "frame {i}: {last} to {}", face[LIP][0]);
            last = face[LIP][0];
        }
        assert_eq!(last, 1.0);
    }
}
