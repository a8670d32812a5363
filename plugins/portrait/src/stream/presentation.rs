// SPDX-License-Identifier: MIT OR Apache-2.0
//! When a recurrent stage forgets what came before.

use crate::stream::element::Segment;

/// Follows the running time of a stage's frames. While it goes on the viewer sees one presentation, in which the face must
/// not jump: over a flush that keeps it (an interruption), into the next segment of a gapless source or of a seek without
/// a flush, into another stream. Where it goes back, another presentation begins, which must not show traces of the last.
#[derive(Debug, Default)]
pub struct Presentation {
    /// Running time of the newest frame.
    last: Option<gst::ClockTime>,
    /// A segment came after it.
    new_segment: bool,
}

impl Presentation {
    /// Whether an event tells anything about that. Others are not worth waiting for a stage that computes.
    pub fn is_concerned(event: &gst::Event) -> bool {
        matches!(event.type_(), gst::EventType::FlushStop | gst::EventType::Segment)
    }

    /// Whether the stage starts anew with this event.
    pub fn starts_with_event(&mut self, event: &gst::Event) -> bool {
        match event.view() {
            gst::EventView::FlushStop(flush) if flush.resets_time() => {
                *self = Self::default();
                true
            }
            gst::EventView::Segment(_) => {
                self.new_segment = true;
                false
            }
            _ => false,
        }
    }

    /// Whether the stage starts anew with the frame of that timestamp.
    pub fn starts_with_frame(&mut self, segment: &Segment, pts: Option<gst::ClockTime>) -> bool {
        let Some(time) = segment.to_running_time(pts) else { return false };
        let last = self.last.replace(time);
        // Within a segment it is jitter.
        std::mem::take(&mut self.new_segment) && last.is_some_and(|last| time < last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A segment whose timestamp `start` has the running time `base`, in milliseconds.
    fn segment(start: u64, base: u64) -> Segment {
        let mut segment = Segment::new();
        segment.set_start(gst::ClockTime::from_mseconds(start));
        segment.set_base(gst::ClockTime::from_mseconds(base));
        segment
    }

    fn event(presentation: &mut Presentation, segment: &Segment) -> bool {
        presentation.starts_with_event(&gst::event::Segment::new(segment))
    }

    fn frame(presentation: &mut Presentation, segment: &Segment, ms: u64) -> bool {
        presentation.starts_with_frame(segment, Some(gst::ClockTime::from_mseconds(ms)))
    }

    #[test]
    fn running_time_alone_tells_whether_it_goes_on() {
        gst::init().unwrap();
        // Start and base of the segment that follows a frame at 1 s, its first timestamp, and whether all is forgotten.
        for (start, base, pts, anew) in [
            (1040, 1040, 1040, false), // the next file of a gapless source
            (0, 1040, 0, false),       // the same, with timestamps of its own; a seek without a flush
            (0, 1000, 0, false),       // a frame that was begun is finished
            (0, 60_000, 0, false),     // a pause
            (0, 0, 0, true),
            (5000, 0, 5000, true), // later in the stream, and yet the beginning of a presentation
        ] {
            let mut presentation = Presentation::default();
            let first = segment(0, 0);
            assert!(!event(&mut presentation, &first));
            assert!(!frame(&mut presentation, &first, 960));
            assert!(!frame(&mut presentation, &first, 1000));
            let next = segment(start, base);
            assert!(!event(&mut presentation, &next), "the first frame tells");
            assert_eq!(frame(&mut presentation, &next, pts), anew, "{start} {base}");
            assert!(!frame(&mut presentation, &next, pts + 40), "once");
        }
    }

    #[test]
    fn a_flush_tells_by_itself() {
        gst::init().unwrap();
        let flush = |reset| gst::event::FlushStop::new(reset);
        let mut presentation = Presentation::default();
        let first = segment(0, 0);
        frame(&mut presentation, &first, 1000);
        assert!(!presentation.starts_with_event(&flush(false)));
        assert!(presentation.starts_with_event(&flush(true)));
        event(&mut presentation, &first);
        assert!(!frame(&mut presentation, &first, 0), "the flush was it");
        assert!(!presentation.starts_with_event(&gst::event::StreamStart::new("another")));
    }

    #[test]
    fn timestamps_that_jitter_or_lie_outside_of_the_segment_are_no_beginning() {
        gst::init().unwrap();
        let mut presentation = Presentation::default();
        let first = segment(500, 0);
        event(&mut presentation, &first);
        assert!(!frame(&mut presentation, &first, 1000));
        assert!(!frame(&mut presentation, &first, 990));
        assert!(!presentation.starts_with_frame(&first, None));
        event(&mut presentation, &first);
        assert!(!frame(&mut presentation, &first, 100), "before the segment");
        assert!(frame(&mut presentation, &first, 500));
    }
}
