// SPDX-License-Identifier: MIT OR Apache-2.0
//! Telling that nobody is there.

use gst::prelude::*;

use crate::face::find::{FaceChoice, Spot, places};

/// How long a video may begin without the face that is to move a portrait.
const AT_FIRST: gst::ClockTime = gst::ClockTime::SECOND;

/// How long the face may be away.
const LATER: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// Faces by their numbers, and the size of the picture that they lie in.
type Faces = (Vec<(usize, Spot)>, (f32, f32));

/// What becomes of the pictures without a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// The portrait that it moves does not.
    Still,
    /// They pass as they are: those of a film, in which people come and go.
    Pass,
}

/// Watches for how long the face is away; tells it once.
#[derive(Debug)]
pub struct Absence {
    without: Without,
    /// Running time of the first frame without it.
    since: Option<gst::ClockTime>,
    seen: bool,
    told: bool,
}

/// What there is to say of a face that is not there.
pub struct Missing {
    without: Without,
    was_seen: bool,
    /// Faces that are there instead.
    count: usize,
    places: String,
}

impl Absence {
    /// Nothing was seen yet.
    pub fn new(without: Without) -> Self {
        Self { without, since: None, seen: false, told: false }
    }

    /// A frame with the face or without it, at a running time; gives what is to be told now. `faces` are numbered ones that are
    /// there instead, and the size of their picture.
    pub fn look(
        &mut self,
        found: bool,
        time: Option<gst::ClockTime>,
        faces: impl FnOnce() -> Faces,
    ) -> Option<Missing> {
        self.is_due(found, time).then(|| self.missing(faces()))
    }

    /// The video is over; gives what is to be told where it never showed the face and that was not told yet.
    pub fn end(&mut self, faces: impl FnOnce() -> Faces) -> Option<Missing> {
        self.is_due_at_end().then(|| self.missing(faces()))
    }

    fn is_due(&mut self, found: bool, time: Option<gst::ClockTime>) -> bool {
        if found {
            (self.seen, self.since) = (true, None);
            return false;
        }
        let Some(time) = time else { return false };
        let since = *self.since.get_or_insert(time);
        let limit = match (self.without, self.seen) {
            (Without::Still, false) => AT_FIRST,
            (Without::Still, true) | (Without::Pass, false) => LATER,
            (Without::Pass, true) => return false,
        };
        let due = !self.told && time.saturating_sub(since) >= limit;
        self.told |= due;
        due
    }

    fn is_due_at_end(&mut self) -> bool {
        let due = !self.told && !self.seen && self.since.is_some();
        self.told |= due;
        due
    }

    fn missing(&self, (faces, size): Faces) -> Missing {
        Missing {
            without: self.without,
            was_seen: self.seen,
            count: faces.len(),
            places: places(&faces, size),
        }
    }

    /// Time runs anew.
    pub fn restart(&mut self) {
        self.since = None;
    }
}

impl Missing {
    /// Posts it as a warning of the element that looks for the face; without a lock held.
    pub fn post(&self, element: &gst::Element, choice: FaceChoice) {
        let text = self.text(&element.name(), choice);
        gst::element_warning!(element, gst::StreamError::WrongType, ("{text}"));
    }

    fn text(&self, name: &str, choice: FaceChoice) -> String {
        let still = match self.without {
            Without::Still => "the portrait holds still",
            Without::Pass => "its pictures stay as they are",
        };
        match (choice, self) {
            (FaceChoice::Number(number), Self { count: 1.., .. }) => format!(
                "{name} finds no face {number} in the video, only {} (x,y of the frame): {still}; set `face` to one of these \
                 numbers, largest, left, right or x,y",
                self.places
            ),
            (_, Self { was_seen: true, .. }) => format!(
                "{name} has found no face in the video for a while: the portrait holds its last pose until one comes (said once)"
            ),
            _ => format!(
                "{name} finds no face in the video: {still} until one comes; use a video of a person who looks towards the \
                 camera, well lit, whose face takes up a tenth of the frame or more"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames, 40 ms apart, at which it is told.
    fn told(absence: &mut Absence, frames: impl IntoIterator<Item = bool>) -> Vec<usize> {
        let time = |i: usize| gst::ClockTime::from_mseconds(40) * i as u64;
        let frames = frames.into_iter().enumerate();
        frames.filter(|&(i, found)| absence.is_due(found, Some(time(i)))).map(|(i, _)| i).collect()
    }

    #[test]
    fn nobody_from_the_start_is_told_once_after_a_second() {
        let mut absence = Absence::new(Without::Still);
        assert_eq!(told(&mut absence, [false; 2000]), [25]);
        assert!(!absence.is_due_at_end());
    }

    #[test]
    fn a_face_that_is_away_for_a_moment_is_not_missed_and_one_that_is_gone_is() {
        let moments = (0..2000).map(|i| i % 100 == 20);
        assert!(told(&mut Absence::new(Without::Still), moments).is_empty());
        let gone = (0..2000).map(|i| i == 7);
        assert_eq!(told(&mut Absence::new(Without::Still), gone), [8 + 250]);
    }

    #[test]
    fn a_video_shorter_than_a_second_is_told_at_its_end() {
        let mut absence = Absence::new(Without::Still);
        assert!(told(&mut absence, [false; 10]).is_empty());
        assert!(absence.is_due_at_end() && !absence.is_due_at_end());
        let mut seen = Absence::new(Without::Still);
        told(&mut seen, [false, true, false]);
        assert!(!seen.is_due_at_end());
        assert!(!Absence::new(Without::Still).is_due_at_end(), "a stream without a frame");
    }

    #[test]
    fn a_film_in_which_people_come_and_go_is_told_of_only_where_nobody_comes() {
        let mut absence = Absence::new(Without::Pass);
        assert_eq!(told(&mut absence, [false; 2000]), [250]);
        let mut short = Absence::new(Without::Pass);
        assert!(told(&mut short, [false; 100]).is_empty() && short.is_due_at_end());
        let mut gone = Absence::new(Without::Pass);
        assert!(told(&mut gone, (0..2000).map(|i| i == 7)).is_empty() && !gone.is_due_at_end());
    }

    #[test]
    fn a_seek_starts_the_second_anew() {
        let mut absence = Absence::new(Without::Still);
        told(&mut absence, [false; 20]);
        absence.restart();
        assert_eq!(told(&mut absence, [false; 30]), [25]);
    }
}
