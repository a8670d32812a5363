// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a person holds and opens the mouth while talking, measured on faces of theirs: frames of a video, or photos.
//!
//! One photo does not tell that: the lips of people that training has not seen are missed by nearly half of what a face that
//! stands still misses, by the same way in all frames. The mean of a person's faces tells it the better the more of them
//! there are; what few of them say is drawn towards the average talker. The constants are measured on training clips
//! (models/speech2landmarks/habit.py): the mean of so much of a clip misses that of the rest as far as people differ from
//! each other.

use super::landmark::neutral::{close_mouth, lip_gaps, mouth_gap};

/// Seconds of video that tell as much as one photo: frames of one moment are alike.
pub const ALIKE: f32 = 0.4;

/// Photos that tell as much of where the mouth lies as is known of everybody, and the same of how far it opens, which only
/// those tell that show it open.
const PLACED: f32 = 1.0;
const OPENED: f32 = 0.5;

/// Gaps between the lips beyond this are a mouth that is open, in distances of the outer eye corners.
const OPEN: f32 = 0.02;

/// Mean gap of the open mouths that the network draws of average speech, in the same unit.
const SPOKEN: f32 = 0.086;

/// How much less and more than the network says a person may open the mouth.
const LEAST_AND_MOST: (f32, f32) = (0.4, 1.6);

/// A person's habit.
#[derive(Clone, Debug, PartialEq)]
pub struct Habit {
    /// The mean of the faces with the mouth shut, normalised landmarks.
    pub face: Vec<[f32; 3]>,
    /// How much that tells, 0 (nothing) to 1 (all).
    pub share: f32,
    /// How far the mouth opens, where the network's own way is 1.
    pub opening: f32,
}

/// Faces of one person, as they are seen.
#[derive(Clone, Debug, Default)]
pub struct Faces {
    sum: Vec<[f32; 3]>,
    weight: f32,
    gaps: f32,
    open: f32,
}

impl Faces {
    /// Another face, normalised landmarks; `weight` is 1 for a photo, for a frame its seconds over [`ALIKE`].
    pub fn look(&mut self, face: &[[f32; 3]], weight: f32) {
        if self.sum.is_empty() {
            self.sum.resize(face.len(), [0.0; 3]);
        }
        for (sum, point) in self.sum.iter_mut().zip(face) {
            for (sum, value) in sum.iter_mut().zip(point) {
                *sum += value * weight;
            }
        }
        self.weight += weight;
        let gap = mouth_gap(&lip_gaps(face));
        if gap > OPEN {
            self.gaps += gap * weight;
            self.open += weight;
        }
    }

    /// The sum of the weights.
    pub fn weight(&self) -> f32 {
        self.weight
    }

    /// What the faces tell; nothing where there are none.
    pub fn habit(&self) -> Option<Habit> {
        if self.weight <= 0.0 {
            return None;
        }
        let mut face: Vec<[f32; 3]> = self.sum.iter().map(|sum| sum.map(|v| v / self.weight)).collect();
        close_mouth(&mut face);
        let opening = if self.open > 0.0 {
            (self.gaps / self.open / SPOKEN).powf(self.open / (self.open + OPENED))
        } else {
            1.0
        };
        let (least, most) = LEAST_AND_MOST;
        Some(Habit { face, share: self.weight / (self.weight + PLACED), opening: opening.clamp(least, most) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::neutral::open_mouth;
    use crate::pack::{DEFAULT_PACK, Pack};

    /// Faces of somebody whose mouth is open by each of these gaps, and so far aside.
    fn faces(gaps: &[f32], aside: f32, weight: f32) -> Faces {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let mut faces = Faces::default();
        for &gap in gaps {
            let mut face = pack.mean_face().to_vec();
            close_mouth(&mut face);
            open_mouth(&mut face, gap);
            face.iter_mut().for_each(|p| p[0] += aside);
            faces.look(&face, weight);
        }
        faces
    }

    #[test]
    fn few_faces_tell_less_than_many_and_none_nothing() {
        assert_eq!(Faces::default().habit(), None);
        let share = |n: usize, weight| faces(&vec![0.0; n], 0.0, weight).habit().unwrap().share;
        assert!((share(1, 1.0) - 0.5).abs() < 1e-6 && (share(4, 1.0) - 0.8).abs() < 1e-6);
        // Four seconds of video are worth ten photos, however many frames they have.
        assert!((share(100, 0.04 / ALIKE) - 10.0 / 11.0).abs() < 1e-4);
        assert!((share(50, 0.08 / ALIKE) - share(100, 0.04 / ALIKE)).abs() < 1e-4);
    }

    #[test]
    fn the_mouth_lies_where_the_faces_have_it_whether_it_is_open_or_not() {
        let habit = faces(&[0.0, 0.12, 0.05], 0.02, 1.0).habit().unwrap();
        let rest = faces(&[0.0], 0.02, 1.0).habit().unwrap();
        assert!((habit.face[61][0] - rest.face[61][0]).abs() < 1e-4);
        assert!(mouth_gap(&lip_gaps(&habit.face)) < 1e-4, "shut");
    }

    #[test]
    fn open_mouths_tell_how_far_they_open_and_shut_ones_do_not() {
        let opening = |gaps: &[f32]| faces(gaps, 0.0, 1.0).habit().unwrap().opening;
        assert_eq!(opening(&[0.0, 0.0, 0.01]), 1.0, "portraits with the mouth shut");
        let talks = opening(&[0.05, 0.0, 0.03, 0.0]);
        assert!((talks - (0.04f32 / SPOKEN).powf(2.0 / 2.5)).abs() < 0.03, "{talks}: pauses tell nothing");
        assert!(opening(&[0.1; 40]) > 1.1 && opening(&[0.5; 40]) == LEAST_AND_MOST.1);
        assert!(opening(&[0.021; 40]) == LEAST_AND_MOST.0);
        assert!(opening(&[0.15]) < opening(&[0.15; 4]), "one photo may be an accident");
    }
}
