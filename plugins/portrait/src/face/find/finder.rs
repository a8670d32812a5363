// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding faces: detector and mesh together.

use tch::Device;

use super::detector::{Detection, Detector, suppress};
use super::mesh::{MIN_PRESENCE, Mesh};
use super::sample::{RgbView, Roi};
use super::select::Spot;
use crate::face::landmark::indices::{CHIN, FOREHEAD, IRIS_LEFT, IRIS_RIGHT, LIPS_INNER, NOSE_TIP};
use crate::pack::{Pack, PackError};

/// Side of the zoomed-out square over that of the picture: a face that fills the picture is too large for the detector.
const ZOOM_OUT: f32 = 1.6;

/// The smallest squares that are searched: a face of 64 pixels is large enough in them.
const MIN_SQUARE: f32 = 400.0;

/// Most squares of one size: beyond that a photo is so large that a face of 64 pixels is nobody's portrait. One takes a few
/// milliseconds.
const MAX_SQUARES: usize = 300;

/// From one square to the next, in sides. A face that the squares twice as large missed is smaller than the overlap.
const SQUARE_STEP: f32 = 0.6;

/// Side of the detector's box over the height of the face.
const DETECTED: f32 = 0.8;

/// Times the mesh runs on a new face: the first region comes from the detector and is rough.
const PASSES: usize = 2;

/// A face with its landmarks.
#[derive(Clone, Debug)]
pub struct Face {
    /// Pixels of the picture, z in the unit of x.
    pub landmarks: Vec<[f32; 3]>,
    /// Probability that it is one.
    pub presence: f32,
    /// How sure the detector was, 0 to 1; 1 where it was not asked.
    pub score: f32,
}

impl Face {
    /// Pixels from the top of the forehead to the chin.
    pub fn height(&self) -> f32 {
        match (self.landmarks.get(FOREHEAD), self.landmarks.get(CHIN)) {
            (Some(a), Some(b)) => (a[0] - b[0]).hypot(a[1] - b[1]),
            _ => 0.0,
        }
    }

    /// The square that [`Detection::spot`] is, as the mesh sees the face.
    pub fn spot(&self) -> Option<Spot> {
        let at = |i: usize| self.landmarks.get(i).map(|p| [p[0], p[1]]);
        let points =
            [at(IRIS_LEFT[0])?, at(IRIS_RIGHT[0])?, at(NOSE_TIP)?, at(LIPS_INNER[0])?, at(LIPS_INNER[10])?];
        // Both corners of the mouth count as one.
        let mouth = [(points[3][0] + points[4][0]) / 2.0, (points[3][1] + points[4][1]) / 2.0];
        Some(Spot::square(&[points[0], points[1], points[2], mouth], DETECTED * self.height()))
    }

    /// Two detections far apart can lead the mesh to one face.
    fn is_same(&self, other: &Self) -> bool {
        let apart = match (self.landmarks.get(NOSE_TIP), other.landmarks.get(NOSE_TIP)) {
            (Some(a), Some(b)) => (a[0] - b[0]).hypot(a[1] - b[1]),
            _ => return false,
        };
        apart < 0.3 * self.height().max(other.height())
    }
}

/// Detector and mesh.
#[derive(Debug)]
pub struct Finder {
    detector: Detector,
    mesh: Mesh,
}

impl Finder {
    /// Loads the pack's `detector` and `mesh`.
    pub fn new(pack: &Pack, device: Device) -> Result<Self, PackError> {
        Ok(Self { detector: Detector::new(pack, device)?, mesh: Mesh::new(pack, device)? })
    }

    /// Every face of a photo, largest first. Where the whole photo at once shows none, ever smaller parts of it are searched,
    /// which takes a second or two for a large photo without any.
    pub fn find_all(&mut self, view: &RgbView<'_>) -> Result<Vec<Face>, PackError> {
        let whole = view.letterbox().side;
        let mut found: Vec<Detection> = Vec::new();
        for squares in levels(view) {
            let already = !found.is_empty();
            let finer = squares.iter().all(|square| square.side < whole);
            let mut level = Vec::new();
            for square in squares {
                level.append(&mut self.detector.detect(view, square)?);
            }
            // Finer squares cut faces that coarser ones showed whole.
            let known = found.clone();
            found.extend(suppress(level).into_iter().filter(|new| known.iter().all(|old| !old.is_same(new))));
            // One finer level shows whether there are smaller faces beside the first.
            if already && finer {
                break;
            }
        }
        let mut faces = self.refine(view, found)?;
        faces.sort_by(|a, b| b.height().total_cmp(&a.height()));
        Ok(faces)
    }

    /// The largest face within one square of the picture.
    pub fn find_in(&mut self, view: &RgbView<'_>, square: Roi) -> Result<Option<Face>, PackError> {
        let mut found = self.detector.detect(view, square)?;
        found.sort_by(|a, b| b.side().total_cmp(&a.side()));
        for detection in found {
            if let Some(face) = self.refine_one(view, &detection)? {
                return Ok(Some(face));
            }
        }
        Ok(None)
    }

    /// The face within one square of the picture of which the networks are surest, and how sure they are: 0 to 1.
    pub fn find_best(&mut self, view: &RgbView<'_>, square: Roi) -> Result<Option<(f32, Face)>, PackError> {
        let mut best: Option<(f32, Face)> = None;
        for detection in self.detector.detect(view, square)? {
            if let Some(face) = self.refine_one(view, &detection)? {
                let score = detection.score * face.presence;
                if best.as_ref().is_none_or(|(other, _)| score > *other) {
                    best = Some((score, face));
                }
            }
        }
        Ok(best)
    }

    /// Every face that the detector sees within one square of the picture, before the mesh has looked at it.
    pub fn detect(&mut self, view: &RgbView<'_>, square: Roi) -> Result<Vec<Detection>, PackError> {
        self.detector.detect(view, square)
    }

    /// Follows a face from the region where it was last; `None` where it is gone.
    pub fn follow(&mut self, view: &RgbView<'_>, roi: Roi) -> Result<Option<Face>, PackError> {
        let mut landmarks = Vec::new();
        let presence = self.mesh.track(view, roi, &mut landmarks)?;
        Ok((presence >= MIN_PRESENCE).then_some(Face { landmarks, presence, score: 1.0 }))
    }

    fn refine(&mut self, view: &RgbView<'_>, found: Vec<Detection>) -> Result<Vec<Face>, PackError> {
        let mut faces: Vec<Face> = Vec::new();
        for detection in found {
            if let Some(face) = self.refine_one(view, &detection)?
                && !faces.iter().any(|other| other.is_same(&face))
            {
                faces.push(face);
            }
        }
        Ok(faces)
    }

    /// The landmarks of what the detector saw; `None` where the mesh sees no face there.
    pub fn refine_one(&mut self, view: &RgbView<'_>, found: &Detection) -> Result<Option<Face>, PackError> {
        let mut roi = found.roi();
        let mut face = None;
        for _ in 0..PASSES {
            face = self.follow(view, roi)?;
            match face.as_ref().and_then(|f| Roi::around(&f.landmarks)) {
                Some(next) => roi = next,
                None => return Ok(None),
            }
        }
        Ok(face.map(|face| Face { score: found.score, ..face }))
    }
}

/// What is searched, coarse to fine: the whole photo, the same from farther away, then squares of ever smaller size.
fn levels(view: &RgbView<'_>) -> impl Iterator<Item = Vec<Roi>> {
    let whole = view.letterbox();
    let mut side = MIN_SQUARE;
    while side * 2.0 < whole.side {
        side *= 2.0;
    }
    let finer = std::iter::successors(Some(side), |side| Some(side / 2.0))
        .take_while(move |&side| side >= MIN_SQUARE && side < whole.side)
        .map(|side| squares(view, side))
        .take_while(|squares| squares.len() <= MAX_SQUARES);
    [vec![whole], vec![from_farther_away(view)]].into_iter().chain(finer)
}

/// A square around the whole picture with room to spare.
pub fn from_farther_away(view: &RgbView<'_>) -> Roi {
    let whole = view.letterbox();
    Roi { side: whole.side * ZOOM_OUT, ..whole }
}

/// Overlapping squares that cover the picture.
pub fn squares(view: &RgbView<'_>, side: f32) -> Vec<Roi> {
    let centres = |length: usize| -> Vec<f32> {
        let room = length as f32 - side;
        if room <= 0.0 {
            return vec![length as f32 / 2.0];
        }
        let count = (room / (SQUARE_STEP * side)).ceil().max(1.0);
        (0..=count as usize).map(|i| side / 2.0 + room * i as f32 / count).collect()
    };
    let columns = centres(view.width());
    centres(view.height())
        .into_iter()
        .flat_map(|y| columns.iter().map(move |&x| Roi { x, y, side, angle: 0.0 }).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_cover_the_picture_and_overlap() {
        let data = vec![0u8; 1000 * 300 * 3];
        let view = RgbView::new(&data, 3000, 1000, 300).unwrap();
        let all = squares(&view, 250.0);
        let left = all.iter().map(|s| s.x - 125.0).fold(f32::INFINITY, f32::min);
        let right = all.iter().map(|s| s.x + 125.0).fold(0.0, f32::max);
        assert!((left, right) == (0.0, 1000.0), "{all:?}");
        let columns: Vec<_> = all.iter().filter(|s| s.y == all[0].y).collect();
        assert!(columns.windows(2).all(|w| w[1].x - w[0].x <= SQUARE_STEP * 250.0 + 1e-3));
        assert_eq!(squares(&view, 400.0).iter().filter(|s| s.y != 150.0).count(), 0);
    }

    #[test]
    fn levels_end_at_the_smallest_square_and_within_a_budget() {
        let sides = |width: usize, height: usize| -> Vec<(f32, usize)> {
            let data = vec![0u8; width * height * 3];
            let view = RgbView::new(&data, width * 3, width, height).unwrap();
            levels(&view).map(|l| (l[0].side, l.len())).collect()
        };
        assert_eq!(sides(300, 200), [(300.0, 1), (480.0, 1)]);
        assert_eq!(sides(1000, 900).iter().map(|l| l.0).collect::<Vec<_>>(), [1000.0, 1600.0, 800.0, 400.0]);
        assert!(sides(5000, 3000).iter().any(|l| l.0 == 400.0));
        assert!(sides(9000, 3000).iter().all(|l| l.1 <= MAX_SQUARES && l.0 > 400.0));
    }
}
