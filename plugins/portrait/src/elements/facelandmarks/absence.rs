// SPDX-License-Identifier: MIT OR Apache-2.0
//! Telling that nobody is there.

/// How long a video may begin without the face.
const AT_FIRST: gst::ClockTime = gst::ClockTime::SECOND;

/// How long the face may be away.
const LATER: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// Watches for how long the face is away; tells it once.
#[derive(Debug, Default)]
pub struct Absence {
    /// Running time of the first frame without it.
    since: Option<gst::ClockTime>,
    seen: bool,
    told: bool,
}

impl Absence {
    /// A frame with the face or without it, at a running time; true where that is to be told now.
    pub fn is_due(&mut self, found: bool, time: Option<gst::ClockTime>) -> bool {
        if found {
            (self.seen, self.since) = (true, None);
            return false;
        }
        let Some(time) = time else { return false };
        let since = *self.since.get_or_insert(time);
        let limit = if self.seen { LATER } else { AT_FIRST };
        let due = !self.told && time.saturating_sub(since) >= limit;
        self.told |= due;
        due
    }

    /// The video is over; true where it never showed the face and that was not told yet.
    pub fn is_due_at_end(&mut self) -> bool {
        let due = !self.told && !self.seen && self.since.is_some();
        self.told |= due;
        due
    }

    /// Whether the face was ever there.
    pub fn was_seen(&self) -> bool {
        self.seen
    }

    /// Time runs anew.
    pub fn restart(&mut self) {
        self.since = None;
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
        let mut absence = Absence::default();
        assert_eq!(told(&mut absence, [false; 2000]), [25]);
        assert!(!absence.is_due_at_end());
    }

    #[test]
    fn a_face_that_is_away_for_a_moment_is_not_missed_and_one_that_is_gone_is() {
        let moments = (0..2000).map(|i| i % 100 == 20);
        assert!(told(&mut Absence::default(), moments).is_empty());
        let gone = (0..2000).map(|i| i == 7);
        assert_eq!(told(&mut Absence::default(), gone), [8 + 250]);
    }

    #[test]
    fn a_video_shorter_than_a_second_is_told_at_its_end() {
        let mut absence = Absence::default();
        assert!(told(&mut absence, [false; 10]).is_empty());
        assert!(absence.is_due_at_end() && !absence.is_due_at_end());
        let mut seen = Absence::default();
        told(&mut seen, [false, true, false]);
        assert!(!seen.is_due_at_end());
        assert!(!Absence::default().is_due_at_end(), "a stream without a frame");
    }

    #[test]
    fn a_seek_starts_the_second_anew() {
        let mut absence = Absence::default();
        told(&mut absence, [false; 20]);
        absence.restart();
        assert_eq!(told(&mut absence, [false; 30]), [25]);
    }
}
