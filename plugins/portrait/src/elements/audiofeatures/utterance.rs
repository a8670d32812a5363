// SPDX-License-Identifier: MIT OR Apache-2.0
//! Utterances: where a voice begins and where it is over, frame by frame, for applications that take turns.

use crate::stream::turn::Turn;

/// A voice that pauses for so long has said what it had to say, unless it was told to be complete before.
const PAUSE: gst::ClockTime = gst::ClockTime::from_mseconds(600);

/// A frame is voiced where its peak is above this share of the loudest ones (-20 dB) ...
const VOICED_LEVEL: f32 = 0.1;

/// ... and above this share of full scale (-50 dB).
const LEAST_LEVEL: f32 = 0.003;

/// Time constant in which loud peaks are forgotten.
const LEVEL_TIME: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// Follows the frames of a stream.
#[derive(Debug, Default)]
pub struct Utterances {
    /// Utterances so far.
    count: u64,
    /// The loudest peak of the last seconds, 0 to 1.
    loudest: f32,
    /// Where the voice was heard last, while it speaks.
    speaking: Option<gst::ClockTime>,
    /// End of the newest frame.
    last: gst::ClockTime,
    /// The utterance is complete before the frame of that number.
    complete: Option<u64>,
    /// It was interrupted, which goes out with the next frame.
    interrupted: Option<Turn>,
}

impl Utterances {
    /// A frame that spans these running times, with the peak of its sound; what has to go out before it.
    pub fn frame(&mut self, number: u64, begin: gst::ClockTime, end: gst::ClockTime, peak: f32) -> Vec<Turn> {
        let mut turns: Vec<Turn> = self.interrupted.take().into_iter().collect();
        if self.complete.is_some_and(|complete| number >= complete) {
            self.complete = None;
            turns.extend(self.over(self.last, false));
        }
        let seconds = end.saturating_sub(begin).nseconds() as f32 / LEVEL_TIME.nseconds() as f32;
        self.loudest = peak.max(self.loudest * (-seconds).exp());
        if peak > (self.loudest * VOICED_LEVEL).max(LEAST_LEVEL) {
            if self.speaking.is_none() {
                self.count += 1;
                turns.push(Turn { number: self.count, started: true, time: begin, interrupted: false });
            }
            self.speaking = Some(end);
        } else if let Some(heard) = self.speaking
            && end.saturating_sub(heard) >= PAUSE
        {
            turns.extend(self.over(heard, false));
        }
        self.last = end;
        turns
    }

    /// The utterance is complete with the frame before that number.
    pub fn complete(&mut self, number: u64) {
        self.complete = Some(number);
    }

    /// No frame follows; what has to go out.
    pub fn finish(&mut self) -> Vec<Turn> {
        let mut turns: Vec<Turn> = self.interrupted.take().into_iter().collect();
        if let Some(heard) = self.speaking {
            turns.extend(self.over(heard, false));
        }
        self.complete = None;
        turns
    }

    /// A flush: what was to be spoken is forgotten.
    pub fn interrupt(&mut self) {
        self.complete = None;
        if let Some(turn) = self.over(self.last, true) {
            self.interrupted = Some(turn);
        }
    }

    fn over(&mut self, time: gst::ClockTime, interrupted: bool) -> Option<Turn> {
        self.speaking.take().map(|_| Turn { number: self.count, started: false, time, interrupted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_MS: u64 = 40;

    fn ms(ms: u64) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(ms)
    }

    /// Frames from that number on with these peaks; turns as (frame before which, started, ms, interrupted).
    fn hear(utterances: &mut Utterances, first: u64, peaks: &[f32]) -> Vec<(u64, bool, u64, bool)> {
        let mut turns = Vec::new();
        for (number, peak) in (first..).zip(peaks) {
            for turn in utterances.frame(number, ms(number * FRAME_MS), ms((number + 1) * FRAME_MS), *peak) {
                turns.push((number, turn.started, turn.time.mseconds(), turn.interrupted));
            }
        }
        turns
    }

    #[test]
    fn a_voice_that_pauses_for_long_is_over_where_it_was_heard_last() {
        let mut utterances = Utterances::default();
        let mut peaks = vec![0.0, 0.5, 0.4];
        // A breath, in noise, and more words.
        peaks.extend([0.01; 10]);
        peaks.push(0.3);
        peaks.extend([0.0; 20]);
        peaks.push(0.3);
        let turns = hear(&mut utterances, 0, &peaks);
        assert_eq!(turns, [(1, true, 40, false), (28, false, 560, false), (34, true, 1360, false)]);
        assert_eq!(
            utterances.finish(),
            [Turn { number: 2, started: false, time: ms(1400), interrupted: false }]
        );
        assert_eq!(utterances.finish(), []);
    }

    #[test]
    fn an_utterance_that_was_completed_is_over_without_a_pause() {
        let mut utterances = Utterances::default();
        assert_eq!(hear(&mut utterances, 0, &[0.5; 3]), [(0, true, 0, false)]);
        utterances.complete(5);
        assert_eq!(hear(&mut utterances, 3, &[0.5, 0.0, 0.0]), [(5, false, 200, false)]);
        // Once, and the next one begins by itself.
        assert_eq!(hear(&mut utterances, 6, &[0.5]), [(6, true, 240, false)]);
    }

    #[test]
    fn an_interruption_is_told_with_the_next_frame() {
        let mut utterances = Utterances::default();
        assert_eq!(hear(&mut utterances, 0, &[0.5; 3]).len(), 1);
        utterances.interrupt();
        assert_eq!(hear(&mut utterances, 3, &[0.0]), [(3, false, 120, true)]);
        utterances.interrupt();
        assert_eq!(hear(&mut utterances, 4, &[0.0]), [], "nobody spoke");
    }
}
