// SPDX-License-Identifier: MIT OR Apache-2.0
//! One face through a video: found, followed from frame to frame, found again.
//!
//! All of it happens in the video as it stands upright: as its tag says, and where a face lies on its side in that, turned
//! until the face does not.

use tch::Device;

use super::CAT;
use super::crowd::{Crowd, GONE, Person};
use super::cut::Cuts;
use super::measure::{Measure, Tracked, quarters_to_upright};
use crate::face::find::{
    Detection, Face, FaceChoice, Finder, Orientation, RgbView, Roi, Spot, from_farther_away, from_left,
    squares,
};
use crate::pack::{Pack, PackError};

/// How the video is to be shown, where the tags say that.
pub fn orientation(tags: &gst::TagListRef) -> Option<Orientation> {
    let tag = tags.get::<gst::tags::ImageOrientation>()?;
    Orientation::from_tag(tag.get())
}

/// The square in which a face that was not seen in the whole frame is looked for, over the size of the face.
const NEAR: f32 = 4.0;

/// A part of the frame is searched for newcomers this often, in frames.
const PART_EVERY: usize = 5;

/// How much surer the networks must be of a face in a turned video.
const SURER: f32 = 1.15;

/// Seconds of a frame without a timestamp.
const FRAME: f64 = 0.04;

/// Distance, in sides of a face's box, up to which it is the same.
const SAME: f32 = 0.5;

/// Another size up to which it is.
const SAME_SIZE: f32 = 1.5;

/// Follows one face, and knows of the others where one of them is chosen.
#[derive(Debug)]
pub struct Tracker {
    finder: Finder,
    measure: Measure,
    /// How the video is shown, by its tag.
    tagged: Orientation,
    /// The same with the turn that its face needs, and whether a face told that.
    upright: Orientation,
    settled: bool,
    /// Size of the frames as they are stored.
    size: (usize, usize),
    cuts: Cuts,
    crowd: Crowd,
    choice: FaceChoice,
    /// Who is followed, and whether in place of another one who went away.
    followed: Option<u64>,
    substitute: bool,
    /// Where the followed face was last, and whether the next one may be another.
    last: Option<Spot>,
    may_differ: bool,
    roi: Option<Roi>,
    searched: usize,
    /// How often another shot or another face had begun.
    turns: u64,
    /// Time of this frame, and of the last one with the face.
    now: f64,
    found: f64,
}

impl Tracker {
    /// Loads the networks.
    pub fn new(pack: &Pack, device: Device) -> Result<Self, PackError> {
        Ok(Self {
            finder: Finder::new(pack, device)?,
            measure: Measure::new(pack.mean_face()),
            tagged: Orientation::default(),
            upright: Orientation::default(),
            settled: false,
            size: (0, 0),
            cuts: Cuts::default(),
            crowd: Crowd::default(),
            choice: FaceChoice::default(),
            followed: None,
            substitute: false,
            last: None,
            may_differ: false,
            roi: None,
            searched: 0,
            turns: 0,
            now: 0.0,
            found: 0.0,
        })
    }

    /// Forgets everything that was seen.
    pub fn reset(&mut self) {
        self.measure.reset();
        self.cuts.reset();
        self.crowd.forget();
        (self.upright, self.settled) = (self.tagged, false);
        (self.followed, self.substitute) = (None, false);
        (self.last, self.may_differ) = (None, false);
        (self.roi, self.searched) = (None, 0);
        (self.now, self.found) = (0.0, 0.0);
    }

    /// How often another shot, or another face, had begun.
    pub fn turns(&self) -> u64 {
        self.turns
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
        if tagged != self.tagged {
            self.tagged = tagged;
            self.reset();
        }
    }

    /// Degrees, clockwise, by which the face says that the video is to be turned, beyond what its tag says.
    pub fn turned(&self) -> u32 {
        (360 + self.upright.degrees() - self.tagged.degrees()) % 360
    }

    /// How the frames stand upright.
    pub fn upright(&self) -> Orientation {
        self.upright
    }

    /// What was said of the last frame.
    pub fn last(&self) -> Option<&Tracked> {
        self.measure.last()
    }

    /// The faces that are there, by their numbers, and the size of the picture that they lie in; known only where the choice
    /// is not the largest.
    pub fn faces(&self) -> (Vec<(usize, Spot)>, (f32, f32)) {
        let shown = |p: &Person| p.number.map(|number| (number, self.shown(&p.spot)));
        let mut faces: Vec<_> = self.crowd.people().filter_map(shown).collect();
        faces.sort_by_key(|face| face.0);
        (faces, self.shown_size())
    }

    /// The chosen face in the next frame, as it is stored, at a time in seconds.
    pub fn track(
        &mut self,
        stored: &RgbView<'_>,
        choice: FaceChoice,
        time: Option<f64>,
    ) -> Result<&Tracked, PackError> {
        self.now = time.unwrap_or(self.now + FRAME).max(self.now);
        self.size = (stored.width(), stored.height());
        let cut = self.cuts.is_cut(stored);
        if cut {
            self.crowd.forget();
            self.settled = false;
            self.turns += 1;
        }
        if cut || choice != self.choice {
            (self.followed, self.substitute, self.choice) = (None, false, choice);
            (self.roi, self.searched, self.may_differ) = (None, 0, true);
        }
        let mut face = self.look(stored)?;
        // The first face tells whether the video lies on its side.
        if let (false, Some(spot)) = (self.settled, face.as_ref().and_then(Face::spot)) {
            self.settled = true;
            let quarters = self.quarters(stored, &spot)?;
            if quarters != 0 {
                self.turn(quarters);
                face = self.look(stored)?;
            }
        }
        self.roi = face.as_ref().and_then(|f| Roi::around(&f.landmarks));
        let Some(face) = face else {
            // What comes then may be another video behind the first, or the first was mistaken for a face.
            if self.now - self.found > GONE {
                self.settled = false;
            }
            return Ok(self.hold(stored.width(), stored.height()));
        };
        self.found = self.now;
        let spot = face.spot();
        let is_other = self.may_differ
            && self.last.is_some_and(|last| spot.is_none_or(|spot| !is_near(&spot, &last, SAME_SIZE)));
        self.turns += u64::from(is_other && !cut);
        (self.last, self.may_differ) = (spot, false);
        Ok(self.measure.face(&face.landmarks, is_other, self.upright, self.size))
    }

    /// What is sent in place of a frame that is not looked at or shows no face: the last face again, at first the mean
    /// face in the middle of the frame.
    pub fn hold(&mut self, width: usize, height: usize) -> &Tracked {
        self.measure.hold(self.upright, (width, height))
    }

    fn look(&mut self, stored: &RgbView<'_>) -> Result<Option<Face>, PackError> {
        if self.choice == FaceChoice::Largest { self.largest(stored) } else { self.chosen(stored) }
    }

    /// By how many quarters more the video is to be turned so that the face there stands upright. The networks see a face in
    /// one that stands on its head as well, but are less sure of it.
    fn quarters(&mut self, stored: &RgbView<'_>, spot: &Spot) -> Result<u8, PackError> {
        let centre = self.upright.to_stored(spot.centre(), self.size);
        let (mut best, mut sure) = (0, 0.0);
        for quarters in 0..4 {
            let turned = self.upright.then_turned(quarters);
            let [x, y] = turned.to_shown(centre, self.size);
            let square = Roi { x, y, side: NEAR * spot.side(), angle: 0.0 };
            let Some((score, face)) = self.finder.find_best(&stored.shown(turned), square)? else { continue };
            let total = (quarters + quarters_to_upright(&face.landmarks)) % 4;
            gst::debug!(CAT, "turned by {quarters}: a face of score {score}, upright by {total}");
            let score = if total == 0 { SURER * score } else { score };
            if score > sure {
                (best, sure) = (total, score);
            }
        }
        Ok(best)
    }

    /// The video is to be turned further: what was known of its faces lies elsewhere.
    fn turn(&mut self, quarters: u8) {
        self.upright = self.upright.then_turned(quarters);
        self.crowd.forget();
        (self.followed, self.roi) = (None, None);
    }

    /// Goes on with the face that was followed; where it is lost, the largest one.
    fn largest(&mut self, stored: &RgbView<'_>) -> Result<Option<Face>, PackError> {
        if let Some(roi) = self.roi
            && let Some(face) = self.finder.follow(&stored.shown(self.upright), roi)?
        {
            return Ok(Some(face));
        }
        self.search(stored)
    }

    /// Looks at the whole frame, and in turn, one a frame, at it from farther away, at its parts, where smaller faces are
    /// found, and until a face was seen at it lying on its sides.
    fn search(&mut self, stored: &RgbView<'_>) -> Result<Option<Face>, PackError> {
        let view = stored.shown(self.upright);
        let whole = view.letterbox();
        if let Some(face) = self.finder.find_in(&view, whole)? {
            self.searched = 0;
            return Ok(Some(face));
        }
        let turns = if self.settled { 0..0 } else { 1..4 };
        let mut places: Vec<(u8, Roi)> = turns.map(|quarters| (quarters, whole)).collect();
        let at_once = if self.searched == 0 { places.len().max(1) } else { 1 };
        places.extend(squares(&view, whole.side / 2.0).into_iter().map(|part| (0, part)));
        places.push((0, from_farther_away(&view)));
        for _ in 0..at_once {
            let (quarters, square) = places[self.searched % places.len()];
            self.searched += 1;
            let turned = self.upright.then_turned(quarters);
            let view = stored.shown(turned);
            let square = if quarters == 0 { square } else { view.letterbox() };
            if let Some(face) = self.finder.find_in(&view, square)? {
                if quarters != 0 {
                    self.turn(quarters);
                }
                self.searched = 0;
                return Ok(Some(face));
            }
        }
        Ok(None)
    }

    /// The face of the one that is chosen among all that are there.
    fn chosen(&mut self, stored: &RgbView<'_>) -> Result<Option<Face>, PackError> {
        let mut seen = self.detect(&stored.shown(self.upright))?;
        if seen.is_empty() && self.crowd.is_empty() {
            // Where a small face is found, or one that lies on its side, all are looked for.
            if self.search(stored)?.is_none() {
                return Ok(None);
            }
            seen = self.detect_all(&stored.shown(self.upright))?;
        }
        let view = stored.shown(self.upright);
        let spots: Vec<Spot> = seen.iter().map(Detection::spot).collect();
        let grown = self.meet(&view, &seen, &spots)?;
        self.choose(grown);
        gst::trace!(CAT, "seen {spots:?}, following {:?} of {:?}", self.followed, self.crowd);
        let Some(id) = self.followed else { return Ok(None) };
        let mut face = match self.roi {
            Some(roi) => self.finder.follow(&view, roi)?,
            None => None,
        };
        // Where two faces meet, the region of one may have come to show the other.
        if face.as_ref().is_some_and(|face| !self.is_of(face, id)) {
            face = None;
        }
        if face.is_none()
            && let Some(person) = self.crowd.get(id)
            && let Some(index) =
                spots.iter().position(|spot| person.is_seen(self.now) && *spot == person.spot)
        {
            face = self.finder.refine_one(&view, &seen[index])?.filter(|face| self.is_of(face, id));
        }
        let (now, spot) = (self.now, face.as_ref().and_then(Face::spot));
        if let (Some(spot), Some(person)) = (spot, self.crowd.get_mut(id))
            && !person.is_seen(now)
        {
            person.follow(spot, now);
        }
        Ok(face)
    }

    /// What the detector sees: in the whole frame, around faces that it misses there, and now and then in a part of it.
    fn detect(&mut self, view: &RgbView<'_>) -> Result<Vec<Detection>, PackError> {
        let whole = view.letterbox();
        let mut seen = self.finder.detect(view, whole)?;
        if self.crowd.is_empty() {
            return if seen.is_empty() { Ok(seen) } else { self.detect_all(view) };
        }
        let expected: Vec<Spot> = self.crowd.people().map(|p| p.expected(self.now)).collect();
        for spot in expected {
            if !seen.iter().any(|d| is_near(&d.spot(), &spot, f32::INFINITY)) {
                let [x, y] = spot.centre();
                let square = Roi { x, y, side: NEAR * spot.side(), angle: 0.0 };
                add_new(&mut seen, self.finder.detect(view, square)?);
            }
        }
        self.searched += 1;
        if self.searched.is_multiple_of(PART_EVERY) {
            let parts = squares(view, whole.side / 2.0);
            let part = parts[self.searched / PART_EVERY % parts.len()];
            add_new(&mut seen, self.finder.detect(view, part)?);
        }
        Ok(seen)
    }

    /// All that the detector sees anywhere in the frame.
    fn detect_all(&mut self, view: &RgbView<'_>) -> Result<Vec<Detection>, PackError> {
        let whole = view.letterbox();
        let mut seen = self.finder.detect(view, whole)?;
        for square in std::iter::once(from_farther_away(view)).chain(squares(view, whole.side / 2.0)) {
            add_new(&mut seen, self.finder.detect(view, square)?);
        }
        Ok(seen)
    }

    /// Follows those who are known, and takes up who is not; true where there are more faces than before.
    fn meet(&mut self, view: &RgbView<'_>, seen: &[Detection], spots: &[Spot]) -> Result<bool, PackError> {
        let new = self.crowd.follow(spots, self.now);
        let shown: Vec<Spot> = new.iter().map(|&index| self.shown(&spots[index])).collect();
        let mut grown = false;
        for index in from_left(&shown).into_iter().map(|i| new[i]) {
            let face = self.finder.refine_one(view, &seen[index])?;
            // The detector can see parts of a face that is known already.
            let (now, spot) = (self.now, face.as_ref().and_then(Face::spot));
            let known = |spot: Spot| {
                self.crowd.people().any(|p| p.is_seen(now) && is_near(&p.spot, &spot, f32::INFINITY))
            };
            let is_new = spot.is_some_and(|spot| !known(spot));
            self.crowd.add(spots[index], is_new, now);
            grown |= is_new;
        }
        Ok(grown)
    }

    /// Sees to it that somebody is followed; `grown` says that somebody came.
    fn choose(&mut self, grown: bool) {
        let gone = self.followed.is_some_and(|id| self.crowd.get(id).is_none());
        if self.followed.is_some() && !gone && !(grown && self.substitute) {
            return;
        }
        let chosen = self.crowd.choose(self.choice, |spot| self.shown(spot), self.shown_size());
        if gone {
            self.substitute = chosen.is_some();
        }
        if chosen.is_some() && chosen != self.followed {
            self.may_differ |= self.followed.is_some();
            (self.followed, self.roi) = (chosen, None);
        }
    }

    /// Whether a face is that of somebody rather than of another one.
    fn is_of(&self, face: &Face, id: u64) -> bool {
        let (Some(spot), Some(person)) = (face.spot(), self.crowd.get(id)) else { return false };
        let distance = |p: &Person| {
            let ([ax, ay], [bx, by]) = (spot.centre(), p.expected(self.now).centre());
            (ax - bx).hypot(ay - by)
        };
        let own = distance(person);
        // Who is hidden has been followed by what is expected alone.
        let reach = if person.is_seen(self.now) { SAME } else { 2.0 * SAME };
        own <= reach * person.spot.side()
            && self.crowd.people().all(|p| p.id == id || !p.is_seen(self.now) || distance(p) > own)
    }

    fn shown_size(&self) -> (f32, f32) {
        let (width, height) = self.tagged.size(self.size);
        (width as f32, height as f32)
    }

    /// A spot of the upright video in the video as it is shown.
    fn shown(&self, spot: &Spot) -> Spot {
        let [x0, y0, x1, y1] = spot.bounds;
        let shown = |point| self.tagged.to_shown(self.upright.to_stored(point, self.size), self.size);
        Spot::around([[x0, y0], [x1, y1]].map(shown)).unwrap_or(*spot)
    }
}

/// Whether two boxes are about those of one face, of up to `growth` times the size.
fn is_near(a: &Spot, b: &Spot, growth: f32) -> bool {
    let ([ax, ay], [bx, by]) = (a.centre(), b.centre());
    let (small, large) = (a.side().min(b.side()), a.side().max(b.side()));
    (ax - bx).hypot(ay - by) <= SAME * large && large <= growth * small
}

/// Adds what is not seen yet. Boxes of one face differ where a square cuts it or shows it small.
fn add_new(seen: &mut Vec<Detection>, more: Vec<Detection>) {
    for new in more {
        let spot = new.spot();
        if !seen.iter().any(|old| old.is_same(&new) || is_near(&old.spot(), &spot, f32::INFINITY)) {
            seen.push(new);
        }
    }
}
