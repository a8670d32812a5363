// SPDX-License-Identifier: MIT OR Apache-2.0
//! One face through a video: found, followed from frame to frame, found again.
//!
//! All of it happens in the video as it stands upright: as its tag says, and where a face lies on its side in that, turned
//! until the face does not.

use tch::Device;

use super::crowd::{GONE, Person};
use super::follower::Follower;
use super::measure::Tracked;
use super::scene::Scene;
use crate::face::find::{Face, FaceChoice, Orientation, RgbView, Spot};
use crate::pack::{Pack, PackError};

/// How the video is to be shown, where the tags say that.
pub fn orientation(tags: &gst::TagListRef) -> Option<Orientation> {
    let tag = tags.get::<gst::tags::ImageOrientation>()?;
    Orientation::from_tag(tag.get())
}

/// Follows one face or several, and knows of the others where one of them is chosen.
#[derive(Debug)]
pub struct Tracker {
    scene: Scene,
    first: Follower,
    /// Faces that are followed beside that, by the numbers of those who ask for them.
    further: Vec<(u32, Follower)>,
}

impl Tracker {
    /// Loads the networks.
    pub fn new(pack: &Pack, device: Device) -> Result<Self, PackError> {
        Ok(Self {
            scene: Scene::new(pack, device)?,
            first: Follower::new(pack.mean_face()),
            further: Vec::new(),
        })
    }

    /// Forgets everything that was seen.
    pub fn reset(&mut self) {
        self.scene.reset();
        self.first.reset();
        self.further.iter_mut().for_each(|(_, follower)| follower.reset());
    }

    /// Whether the video is live.
    pub fn set_live(&mut self, live: bool) {
        self.scene.live = live;
    }

    /// How often another shot, or another face, had begun.
    pub fn turns(&self) -> u64 {
        self.first.turns()
    }

    /// Heeds what an event says of how the video is to be shown: its tag, or that another video begins.
    pub fn heed(&mut self, event: &gst::Event) {
        match event.view() {
            gst::EventView::StreamStart(_) => self.set_orientation(Orientation::default()),
            gst::EventView::Tag(tag) => {
                if let Some(orientation) = orientation(tag.tag()) {
                    self.set_orientation(orientation);
                }
            }
            _ => (),
        }
    }

    /// How the video is to be shown, as its tag says.
    fn set_orientation(&mut self, tagged: Orientation) {
        if tagged != self.scene.tagged {
            self.scene.tagged = tagged;
            self.reset();
        }
    }

    /// Degrees, clockwise, by which the face says that the video is to be turned, beyond what its tag says.
    pub fn turned(&self) -> u32 {
        (360 + self.scene.upright.degrees() - self.scene.tagged.degrees()) % 360
    }

    /// How the frames stand upright.
    pub fn upright(&self) -> Orientation {
        self.scene.upright
    }

    /// What was said of the last frame.
    pub fn last(&self) -> Option<&Tracked> {
        self.first.last()
    }

    /// What was said of the last frame about a face that is followed beside the first, and the count of [`Tracker::turns`] of
    /// it.
    pub fn last_of(&self, number: u32) -> Option<(&Tracked, u64)> {
        let (_, follower) = self.further.iter().find(|(n, _)| *n == number)?;
        Some((follower.last()?, follower.turns()))
    }

    /// The faces that are there, by their numbers, and the size of the picture that they lie in; known only where the choice
    /// is not the largest.
    pub fn faces(&self) -> (Vec<(usize, Spot)>, (f32, f32)) {
        let scene = &self.scene;
        let shown = |p: &Person| p.number.map(|number| (number, scene.shown(&p.spot)));
        let mut faces: Vec<_> = scene.crowd.people().filter_map(shown).collect();
        faces.sort_by_key(|face| face.0);
        (faces, scene.shown_size())
    }

    /// The chosen face in the next frame, as it is stored, at a time in seconds.
    pub fn track(
        &mut self,
        stored: &RgbView<'_>,
        choice: FaceChoice,
        time: Option<f64>,
    ) -> Result<&Tracked, PackError> {
        self.track_several(stored, choice, &[], time)
    }

    /// Whether the face that is followed first is not to be followed for others too; at first it may be.
    pub fn claim(&mut self, claims: bool) {
        self.first.claims = claims;
    }

    /// The same as [`Tracker::track`], and further faces, each by the number of who asks for it: no two of them are one. What they are
    /// is told by [`Tracker::last_of`].
    pub fn track_several(
        &mut self,
        stored: &RgbView<'_>,
        choice: FaceChoice,
        further: &[(u32, FaceChoice)],
        time: Option<f64>,
    ) -> Result<&Tracked, PackError> {
        self.further.retain(|(number, _)| further.iter().any(|(n, _)| n == number));
        for (number, _) in further {
            if !self.further.iter().any(|(n, _)| n == number) {
                self.further.push((*number, self.first.another()));
            }
        }
        let Self { scene, first, further: others } = self;
        let cut = scene.begin(stored, time);
        let crowded = !further.is_empty();
        let mut anew = first.begin(choice, crowded, cut);
        for (number, follower) in others.iter_mut() {
            let wanted = further.iter().find(|(n, _)| n == number).map_or(choice, |(_, choice)| *choice);
            anew |= follower.begin(wanted, crowded, cut);
        }
        if anew {
            scene.searched = 0;
        }
        let mut followers: Vec<&mut Follower> =
            std::iter::once(&mut *first).chain(others.iter_mut().map(|(_, follower)| follower)).collect();
        let mut faces = scene.look(stored, &mut followers)?;
        // The first face tells whether the video lies on its side.
        if let (false, Some(spot)) = (scene.settled, faces.iter().flatten().find_map(Face::spot)) {
            let quarters = scene.quarters(stored, &spot)?;
            if let Some(quarters @ 1..) = quarters {
                scene.turn(quarters);
                followers.iter_mut().for_each(|follower| follower.lose());
                faces = scene.look(stored, &mut followers)?;
            }
        }
        if faces.iter().any(Option::is_some) {
            scene.found = scene.now;
        } else if scene.now - scene.found > GONE {
            // What comes then may be another video behind the first, or the first was mistaken for a face.
            scene.unsettle(true);
        }
        let mut faces = faces.into_iter();
        let face = faces.next().flatten();
        for ((_, follower), face) in others.iter_mut().zip(faces) {
            follower.take(face, cut, scene.upright, scene.size);
        }
        Ok(first.take(face, cut, scene.upright, scene.size))
    }

    /// What is sent in place of a frame that is not looked at or shows no face: the last face again, at first the mean
    /// face in the middle of the frame.
    pub fn hold(&mut self, width: usize, height: usize) -> &Tracked {
        for (_, follower) in &mut self.further {
            follower.hold(self.scene.upright, (width, height));
        }
        self.first.hold(self.scene.upright, (width, height))
    }
}
