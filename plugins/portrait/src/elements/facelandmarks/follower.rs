// SPDX-License-Identifier: MIT OR Apache-2.0
//! One who is followed through a video.

use super::measure::{Measure, Tracked};
use super::scene::{SAME_SIZE, is_near};
use crate::face::find::{Face, FaceChoice, Orientation, Roi, Spot};

/// Who is to be followed.
#[derive(Clone, Copy, Debug)]
pub enum Choice {
    /// The same as before.
    Stay,
    /// This one, where there is one.
    One(Option<u64>),
    /// This one, where there is one, in place of one who went away.
    InPlace(Option<u64>),
}

/// See the module.
#[derive(Debug)]
pub struct Follower {
    measure: Measure,
    choice: FaceChoice,
    /// Whether all that are there are looked at to find it: where the largest alone is followed that needs not be.
    crowded: bool,
    /// Who is followed, and whether in place of another one who went away.
    pub followed: Option<u64>,
    pub substitute: bool,
    /// Whether nobody else is to follow that one.
    pub claims: bool,
    /// When that began, in seconds.
    pub since: f64,
    /// Where the followed face was last, and whether the next one may be another.
    last: Option<Spot>,
    may_differ: bool,
    pub roi: Option<Roi>,
    /// How often another shot or another face had begun.
    turns: u64,
}

impl Follower {
    /// Nobody is followed yet; with the face that stands for all.
    pub fn new(mean_face: &[[f32; 3]]) -> Self {
        Self {
            measure: Measure::new(mean_face),
            choice: FaceChoice::default(),
            crowded: false,
            followed: None,
            substitute: false,
            claims: false,
            since: 0.0,
            last: None,
            may_differ: false,
            roi: None,
            turns: 0,
        }
    }

    /// A further one of the same video, whose face is nobody else's.
    pub fn another(&self) -> Self {
        Self { measure: self.measure.another(), claims: true, ..Self::new(&[]) }
    }

    /// Forgets everything that was seen.
    pub fn reset(&mut self) {
        self.measure.reset();
        (self.followed, self.substitute) = (None, false);
        (self.last, self.may_differ, self.roi) = (None, false, None);
        self.since = 0.0;
    }

    /// How often another shot, or another face, had begun.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// Which face is followed.
    pub fn choice(&self) -> FaceChoice {
        self.choice
    }

    /// What was said of the last frame.
    pub fn last(&self) -> Option<&Tracked> {
        self.measure.last()
    }

    /// Whether all that are there are looked at.
    pub fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// The next frame: `several` says that others are followed too, `cut` that another shot begins with it. Returns whether
    /// the face is looked for anew.
    pub fn begin(&mut self, choice: FaceChoice, several: bool, cut: bool) -> bool {
        self.turns += u64::from(cut);
        let crowded = several || choice != FaceChoice::Largest;
        let anew = cut || choice != self.choice || crowded != self.crowded;
        self.crowded = crowded;
        if anew {
            (self.followed, self.substitute, self.choice) = (None, false, choice);
            (self.roi, self.may_differ) = (None, true);
        }
        anew
    }

    /// Follows who is chosen, at a time in seconds.
    pub fn take_up(&mut self, choice: Choice, now: f64) {
        let chosen = match choice {
            Choice::Stay => return,
            Choice::One(chosen) => chosen,
            Choice::InPlace(chosen) => {
                self.substitute = chosen.is_some();
                chosen
            }
        };
        if chosen.is_some() && chosen != self.followed {
            self.may_differ |= self.followed.is_some();
            if self.followed.is_none() {
                self.since = now;
            }
            (self.followed, self.roi) = (chosen, None);
        }
    }

    /// The picture was turned, or it is another's: what was known is not to be followed.
    pub fn lose(&mut self) {
        (self.followed, self.roi) = (None, None);
    }

    /// What is followed in the frame: its face, or none.
    pub fn take(
        &mut self,
        face: Option<Face>,
        cut: bool,
        upright: Orientation,
        size: (usize, usize),
    ) -> &Tracked {
        self.roi = face.as_ref().and_then(|f| Roi::around(&f.landmarks));
        let Some(face) = face else { return self.hold(upright, size) };
        let spot = face.spot();
        let is_other = self.may_differ
            && self.last.is_some_and(|last| spot.is_none_or(|spot| !is_near(&spot, &last, SAME_SIZE)));
        self.turns += u64::from(is_other && !cut);
        (self.last, self.may_differ) = (spot, false);
        self.measure.face(&face.landmarks, is_other, upright, size)
    }

    /// What is sent in place of a frame that is not looked at or shows no face: the last face again, at first the mean
    /// face in the middle of the frame.
    pub fn hold(&mut self, upright: Orientation, size: (usize, usize)) -> &Tracked {
        self.measure.hold(upright, size)
    }
}
