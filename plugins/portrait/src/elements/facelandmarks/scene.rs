// SPDX-License-Identifier: MIT OR Apache-2.0
//! The faces that a video shows, and where those are that are followed.

use tch::Device;

use super::CAT;
use super::crowd::{Crowd, GONE, Person};
use super::cut::Cuts;
use super::follower::{Choice, Follower};
use super::measure::quarters_to_upright;
use crate::face::find::{
    Detection, Face, Finder, Orientation, RgbView, Roi, Spot, from_farther_away, from_left, squares,
};
use crate::pack::{Pack, PackError};

/// The square in which a face that was not seen in the whole frame is looked for, over the size of the face.
const NEAR: f32 = 4.0;

/// A part of the frame is searched for newcomers this often, in frames.
const PART_EVERY: usize = 5;

/// Quarters of a whole turn, and how often one is asked, in frames, where they are asked in turn.
const TURNS: u8 = 4;
const TURN_EVERY: usize = 3;

/// How much surer the networks must be of a face in a turned video.
const SURER: f32 = 1.15;

/// Seconds of a frame without a timestamp, or with one that went back.
const FRAME: f64 = 0.04;

/// Distance, in sides of a face's box, up to which it is the same.
const SAME: f32 = 0.5;

/// Another size up to which it is.
pub const SAME_SIZE: f32 = 1.5;

/// What a video shows, whoever is followed in it.
#[derive(Debug)]
pub struct Scene {
    finder: Finder,
    /// How the video is shown, by its tag.
    pub tagged: Orientation,
    /// The same with the turn that its face needs, and whether a face told that.
    pub upright: Orientation,
    pub settled: bool,
    /// How far that is asked, and whether turn by turn with frames between, as in a live video, which has no time for all at once,
    /// and where it was known in the shot before.
    asked: Asked,
    in_turn: bool,
    /// Whether the video is live.
    pub live: bool,
    /// Size of the frames as they are stored.
    pub size: (usize, usize),
    cuts: Cuts,
    pub crowd: Crowd,
    pub searched: usize,
    /// Time of this frame, and of the last one with a face.
    pub now: f64,
    pub found: f64,
    /// What is added to the frames' times.
    shift: f64,
}

/// How upright a face stands in the video, as it is and turned: frames that could have told, the turns that were asked, the
/// best of them, and how sure it is.
#[derive(Debug, Default)]
struct Asked {
    frames: usize,
    turns: u8,
    best: u8,
    sure: f32,
}

/// Faces of a frame, as the detector sees them.
struct Seen {
    faces: Vec<Detection>,
    spots: Vec<Spot>,
    /// Whether there are more than before.
    grown: bool,
}

impl Scene {
    /// Loads the networks.
    pub fn new(pack: &Pack, device: Device) -> Result<Self, PackError> {
        Ok(Self {
            finder: Finder::new(pack, device)?,
            tagged: Orientation::default(),
            upright: Orientation::default(),
            settled: false,
            asked: Asked::default(),
            in_turn: false,
            live: false,
            size: (0, 0),
            cuts: Cuts::default(),
            crowd: Crowd::default(),
            searched: 0,
            now: 0.0,
            found: 0.0,
            shift: 0.0,
        })
    }

    /// Forgets what was seen.
    pub fn reset(&mut self) {
        self.cuts.reset();
        self.crowd.forget();
        self.upright = self.tagged;
        self.unsettle(self.live);
        self.searched = 0;
        (self.now, self.found, self.shift) = (0.0, 0.0, 0.0);
    }

    /// The next frame; whether another shot begins with it.
    pub fn begin(&mut self, stored: &RgbView<'_>, time: Option<f64>) -> bool {
        (self.now, self.shift) = advance(self.now, self.shift, time);
        self.size = (stored.width(), stored.height());
        let cut = self.cuts.is_cut(stored);
        if cut {
            self.crowd.forget();
            self.unsettle(self.settled || self.in_turn);
        }
        cut
    }

    /// The next face is to tell anew how the video stands, turn by turn or at once.
    pub fn unsettle(&mut self, in_turn: bool) {
        (self.settled, self.in_turn, self.asked) = (false, in_turn, Asked::default());
    }

    /// The face of each.
    pub fn look(
        &mut self,
        stored: &RgbView<'_>,
        followers: &mut [&mut Follower],
    ) -> Result<Vec<Option<Face>>, PackError> {
        if let [only] = followers
            && !only.is_crowded()
        {
            return Ok(vec![self.largest(stored, only)?]);
        }
        let upright = self.upright;
        let seen = self.see(stored)?;
        if self.upright != upright {
            followers.iter_mut().for_each(|follower| follower.lose());
        }
        let Some(seen) = seen else { return Ok(vec![None; followers.len()]) };
        let mut faces: Vec<Option<Face>> = Vec::with_capacity(followers.len());
        for index in 0..followers.len() {
            let (before, rest) = followers.split_at_mut(index);
            let Some((follower, behind)) = rest.split_first_mut() else { break };
            let same = before.iter().position(|f| f.followed.is_some() && f.followed == follower.followed);
            if follower.claims && same.and_then(|i| before.get(i)).is_some_and(|f| f.claims) {
                follower.lose();
            }
            let taken = |id: u64| {
                let others = before.iter().chain(behind.iter());
                follower.claims && others.into_iter().any(|other| other.claims && other.followed == Some(id))
            };
            let chosen = self.choose(follower, seen.grown, taken);
            follower.take_up(chosen, self.now);
            let same = before.iter().position(|f| f.followed.is_some() && f.followed == follower.followed);
            let face = match same.and_then(|index| faces.get(index)) {
                Some(face) => face.clone(),
                None => self.chosen(stored, &seen, follower)?,
            };
            faces.push(face);
        }
        Ok(faces)
    }

    /// By how many quarters more the video is to be turned so that the face there stands upright, once that is known. The
    /// networks see a face in one that stands on its head as well, but are less sure of it.
    pub fn quarters(&mut self, stored: &RgbView<'_>, spot: &Spot) -> Result<Option<u8>, PackError> {
        self.asked.frames += 1;
        if self.in_turn && !self.asked.frames.is_multiple_of(TURN_EVERY) {
            return Ok(None);
        }
        let centre = self.upright.to_stored(spot.centre(), self.size);
        let until = if self.in_turn { self.asked.turns + 1 } else { TURNS };
        for turns in self.asked.turns..until {
            self.asked.turns += 1;
            let turned = self.upright.then_turned(turns);
            let [x, y] = turned.to_shown(centre, self.size);
            let square = Roi { x, y, side: NEAR * spot.side(), angle: 0.0 };
            let Some((score, face)) = self.finder.find_best(&stored.shown(turned), square)? else { continue };
            let total = (turns + quarters_to_upright(&face.landmarks)) % TURNS;
            gst::debug!(CAT, "turned by {turns}: a face of score {score}, upright by {total}");
            // What a face that lies on its side in its view says counts less than one that stands there.
            let score = if turns == 0 && total == 0 { SURER * score } else { score };
            if score > self.asked.sure {
                (self.asked.best, self.asked.sure) = (total, score);
            }
        }
        self.settled = self.asked.turns == TURNS;
        Ok(self.settled.then_some(self.asked.best))
    }

    /// The video is to be turned further: what was known of its faces lies elsewhere.
    pub fn turn(&mut self, quarters: u8) {
        self.upright = self.upright.then_turned(quarters);
        self.asked = Asked::default();
        self.crowd.forget();
    }

    /// Goes on with the face that was followed; where it is lost, the largest one.
    fn largest(&mut self, stored: &RgbView<'_>, follower: &mut Follower) -> Result<Option<Face>, PackError> {
        if let Some(roi) = follower.roi
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
        let turns = if self.settled { 0..0 } else { 1..TURNS };
        let mut places: Vec<(u8, Roi)> = turns.map(|quarters| (quarters, whole)).collect();
        let at_once = if self.searched == 0 && !self.in_turn { places.len().max(1) } else { 1 };
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

    /// All that are there; `None` where nobody is.
    fn see(&mut self, stored: &RgbView<'_>) -> Result<Option<Seen>, PackError> {
        let mut faces = self.detect(&stored.shown(self.upright))?;
        if faces.is_empty() && self.crowd.is_empty() {
            // Where a small face is found, or one that lies on its side, all are looked for.
            if self.search(stored)?.is_none() {
                return Ok(None);
            }
            faces = self.detect_all(&stored.shown(self.upright))?;
        }
        let view = stored.shown(self.upright);
        let spots: Vec<Spot> = faces.iter().map(Detection::spot).collect();
        let grown = self.meet(&view, &faces, &spots)?;
        Ok(Some(Seen { faces, spots, grown }))
    }

    /// The face of the one who is followed among all that are there.
    fn chosen(
        &mut self,
        stored: &RgbView<'_>,
        seen: &Seen,
        follower: &mut Follower,
    ) -> Result<Option<Face>, PackError> {
        let (view, spots) = (stored.shown(self.upright), &seen.spots);
        gst::trace!(CAT, "seen {spots:?}, following {:?} of {:?}", follower.followed, self.crowd);
        let Some(id) = follower.followed else { return Ok(None) };
        let mut face = match follower.roi {
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
            && let Some(detection) = seen.faces.get(index)
        {
            face = self.finder.refine_one(&view, detection)?.filter(|face| self.is_of(face, id));
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

    /// Who is to be followed now, where that may be another one; `grown` says that somebody came. Who is `taken` is not.
    fn choose(&self, follower: &Follower, grown: bool, taken: impl Fn(u64) -> bool) -> Choice {
        let gone = follower.followed.is_some_and(|id| self.crowd.get(id).is_none());
        // Who was seen in the first moment need not be all that are there.
        let doubts = follower.substitute || self.now - follower.since <= GONE;
        if follower.followed.is_some() && !gone && !(grown && doubts) {
            return Choice::Stay;
        }
        let shown = |spot: &Spot| self.shown(spot);
        let chosen = self.crowd.choose(follower.choice(), shown, self.shown_size(), taken);
        if gone { Choice::InPlace(chosen) } else { Choice::One(chosen) }
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

    pub fn shown_size(&self) -> (f32, f32) {
        let (width, height) = self.tagged.size(self.size);
        (width as f32, height as f32)
    }

    /// A spot of the upright video in the video as it is shown.
    pub fn shown(&self, spot: &Spot) -> Spot {
        let [x0, y0, x1, y1] = spot.bounds;
        let shown = |point| self.tagged.to_shown(self.upright.to_stored(point, self.size), self.size);
        Spot::around([[x0, y0], [x1, y1]].map(shown)).unwrap_or(*spot)
    }
}

/// The time of a frame behind one at `now`, and the shift of those that follow. Where times go back, faces go on: if the clock
/// stood still until they have caught up, nobody would move for so long and then be far away at once.
fn advance(now: f64, shift: f64, time: Option<f64>) -> (f64, f64) {
    match time {
        Some(time) if time + shift >= now => (time + shift, shift),
        Some(time) => (now + FRAME, now + FRAME - time),
        None => (now + FRAME, shift),
    }
}

/// Whether two boxes are about those of one face, of up to `growth` times the size.
pub fn is_near(a: &Spot, b: &Spot, growth: f32) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_where_timestamps_go_back() {
        let (mut now, mut shift, mut times) = (0.0, 0.0, Vec::new());
        for time in [Some(0.0), Some(0.5), Some(1.0), Some(0.0), Some(0.5), None, Some(1.0)] {
            (now, shift) = advance(now, shift, time);
            times.push((now * 100.0).round());
        }
        assert_eq!(times, [0.0, 50.0, 100.0, 104.0, 154.0, 158.0, 204.0]);
    }
}
