//! One face through a video: found, followed from frame to frame, found again.

use tch::Device;

use crate::face::{Face, Finder, RgbView, Roi, from_farther_away, squares};
use crate::landmark::{COUNT, Pose, pose};
use crate::pack::{Pack, PackError};

/// Scale of the pose before the first face, in frame heights: the size of a head in a portrait.
const RESTING_SCALE: f32 = 0.2;

/// What is known of the face in a frame.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// Normalised landmarks.
    pub landmarks: Vec<[f32; 3]>,
    /// Pose; its unit of length is the height of the frame, for x too.
    pub pose: Pose,
    /// Landmarks in the frame: x in widths, y in heights, z in widths.
    pub picture: Vec<[f32; 3]>,
    /// Whether the face is in this frame; else all of this is an earlier frame's, or the mean face's.
    pub found: bool,
}

/// Follows one face.
#[derive(Debug)]
pub struct Tracker {
    finder: Finder,
    mean_face: Vec<[f32; 3]>,
    roi: Option<Roi>,
    searched: usize,
    tracked: Option<Tracked>,
}

impl Tracker {
    /// Loads the networks.
    pub fn new(pack: &Pack, device: Device) -> Result<Self, PackError> {
        Ok(Self {
            finder: Finder::new(pack, device)?,
            mean_face: pack.mean_face().to_vec(),
            roi: None,
            searched: 0,
            tracked: None,
        })
    }

    /// Forgets everything that was seen.
    pub fn reset(&mut self) {
        self.roi = None;
        self.searched = 0;
        self.tracked = None;
    }

    /// The face in the next frame.
    pub fn track(&mut self, view: &RgbView<'_>) -> Result<&Tracked, PackError> {
        let mut face = match self.roi {
            Some(roi) => self.finder.follow(view, roi)?,
            None => None,
        };
        if face.is_none() {
            face = self.search(view)?;
        }
        self.roi = face.as_ref().and_then(|f| Roi::around(&f.landmarks));
        match face {
            Some(face) => Ok(self.tracked.insert(self.measure(&face.landmarks, view.width(), view.height()))),
            None => Ok(self.hold(view.width(), view.height())),
        }
    }

    /// What is sent in place of a frame that is not looked at or shows no face: the last face again, at first the mean
    /// face in the middle of the frame.
    pub fn hold(&mut self, width: usize, height: usize) -> &Tracked {
        let resting = match self.tracked.take() {
            Some(tracked) => Tracked { found: false, ..tracked },
            None => self.resting(width, height),
        };
        self.tracked.insert(resting)
    }

    /// Looks at the whole frame, and in turn, one a frame, at it from farther away and at its parts, where smaller
    /// faces are found.
    fn search(&mut self, view: &RgbView<'_>) -> Result<Option<Face>, PackError> {
        let whole = view.letterbox();
        if let Some(face) = self.finder.find_in(view, whole)? {
            self.searched = 0;
            return Ok(Some(face));
        }
        let mut turns = squares(view, whole.side / 2.0);
        turns.push(from_farther_away(view));
        let turn = turns[self.searched % turns.len()];
        self.searched += 1;
        self.finder.find_in(view, turn)
    }

    fn measure(&self, pixels: &[[f32; 3]], width: usize, height: usize) -> Tracked {
        let (w, h) = (width as f32, height as f32);
        let posed: Vec<[f32; 3]> = pixels.iter().map(|p| p.map(|v| v / h)).collect();
        let pose = pose::decompose(&posed, &self.mean_face);
        let mut landmarks = vec![[0.0; 3]; posed.len()];
        pose.remove(&posed, &mut landmarks);
        let picture = pixels.iter().map(|p| [p[0] / w, p[1] / h, p[2] / w]).collect();
        Tracked { landmarks, pose, picture, found: true }
    }

    fn resting(&self, width: usize, height: usize) -> Tracked {
        let aspect = width as f32 / height as f32;
        let pose = Pose { x: aspect / 2.0, y: 0.5, scale: RESTING_SCALE, ..Pose::default() };
        let mut posed = vec![[0.0; 3]; COUNT];
        pose.apply(&self.mean_face, &mut posed);
        let picture = posed.iter().map(|p| [p[0] / aspect, p[1], p[2] / aspect]).collect();
        Tracked { landmarks: self.mean_face.clone(), pose, picture, found: false }
    }
}
