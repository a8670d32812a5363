//! Where the audio of a live stream goes, whose timestamps jitter, jump and come too late.

use super::clock::FrameClock;

/// How far a timestamp may be off before it counts as a jump. In milliseconds.
const JITTER_MS: i64 = 500;

/// How far timestamps may be off on the average before samples are moved: a frame. In milliseconds.
const MAX_MEAN_MS: i64 = 40;

/// Time constant of that average. In milliseconds.
const MEAN_MS: i64 = 5000;

/// Farthest jump ahead that is taken at its word, as a sentence that is to be spoken later. In milliseconds.
const MAX_AHEAD_MS: i64 = 10_000;

/// How much audio in a row comes too late before its timestamps are no longer believed. In milliseconds.
const LATE_MS: i64 = 1000;

/// What is left between re-timed audio and the frame that waits for it. In milliseconds.
const RETIMED_SLACK_MS: i64 = 40;

/// Where a buffer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Right behind the last one.
    Behind,
    /// At this position; what is between, behind or below it is for the caller to settle.
    At(i64),
}

/// What is known of a live stream's timestamps.
#[derive(Default)]
pub struct Alignment {
    /// Mean distance of the timestamps from where samples were placed, in samples.
    mean: f64,
    /// What is added to positions whose timestamps are not believed.
    shift: i64,
    /// Samples that came too late since the last one in time.
    late: i64,
}

impl Alignment {
    /// Settles where `len` samples of `position` go when `end` is the position behind the last ones. `exact` for a
    /// discontinuity; `silence_waits` where a gap that is not yet history lies before `end`.
    pub fn place(
        &mut self,
        clock: FrameClock,
        position: u64,
        end: u64,
        len: usize,
        exact: bool,
        silence_waits: bool,
    ) -> Placement {
        let samples = |ms: i64| ms * i64::from(clock.rate) / 1000;
        let position = position as i64;
        let mut off = position + self.shift - end as i64;
        if off > samples(MAX_AHEAD_MS) {
            self.shift = end as i64 - position;
            off = 0;
        }
        if exact {
            self.mean = 0.0;
            return Placement::At(end as i64 + off);
        }
        if off.abs() <= samples(JITTER_MS) {
            self.mean += (off as f64 - self.mean) * (len as f64 / samples(MEAN_MS) as f64).min(1.0);
            if self.mean.abs() <= samples(MAX_MEAN_MS) as f64 {
                return Placement::Behind;
            }
            let mean = std::mem::take(&mut self.mean) as i64;
            return Placement::At(end as i64 + mean);
        }
        self.mean = 0.0;
        // Backwards: a source that sends faster than it speaks stamps what follows with the time of sending. Only a
        // gap that still waits shows that the jump before it was the wrong one.
        if off < 0 && !silence_waits { Placement::Behind } else { Placement::At(end as i64 + off) }
    }

    /// Counts `late` of `len` samples that came after their frame; `behind` is how far. True where from now on the
    /// timestamps are not believed, because everything comes too late.
    pub fn count_late(&mut self, clock: FrameClock, late: usize, len: usize, behind: i64) -> bool {
        self.late = if late < len { 0 } else { self.late + len as i64 };
        let samples = |ms: i64| ms * i64::from(clock.rate) / 1000;
        let give_up = self.late >= samples(LATE_MS);
        if give_up {
            self.late = 0;
            self.shift += behind + samples(RETIMED_SLACK_MS);
        }
        give_up
    }
}
