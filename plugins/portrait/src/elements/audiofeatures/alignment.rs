// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the audio of a live stream goes, whose timestamps jitter, jump, come too late or are missing.
//!
//! Right timestamps are kept to the sample. Nothing that was heard is left out where it can still be spoken: what comes
//! after its time is spoken as soon as it can be, and what follows it close behind. How much later than its timestamps
//! that is, is made up for where it costs no speech: at the next gap in the timestamps, and in pauses of the voice.

use super::clock::FrameClock;

/// How far a timestamp may be off before it counts as a jump. In milliseconds.
const JITTER_MS: i64 = 500;

/// How far timestamps may be off on the average before samples are moved: a frame. In milliseconds.
const MAX_MEAN_MS: i64 = 40;

/// Time constant of that average. In milliseconds.
const MEAN_MS: i64 = 5000;

/// Farthest jump ahead that is taken at its word, as a sentence that is to be spoken later. In milliseconds.
const MAX_AHEAD_MS: i64 = 10_000;

/// What is left between audio that nothing tells the time of, or that is much too late, and the frame that waits for it:
/// what follows may come as late. In milliseconds.
const SLACK_MS: i64 = 40;

/// A source that sends as fast as it hears hands a buffer on no earlier than this before its end. In milliseconds.
const PACE_MS: i64 = 100;

/// How long a voice pauses before the rest of the pause may be left out. In milliseconds.
const PAUSE_MS: usize = 100;

/// Pieces in which pauses are looked for. In milliseconds.
const SLICE_MS: usize = 10;

/// A voice pauses where its peaks are below this share of its loudest ones (-20 dB) ...
const PAUSE_LEVEL: f32 = 0.1;

/// ... or below this share of full scale (-60 dB).
const SILENCE_LEVEL: f32 = 0.001;

/// Time constant in which loud peaks are forgotten. In milliseconds.
const LEVEL_MS: f32 = 5000.0;

/// A buffer of audio, and how far the stream is; positions and lengths in samples.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// What the timestamp says.
    pub position: Option<u64>,
    pub len: usize,
    /// Marked as a discontinuity.
    pub discont: bool,
    /// Silence was put where this should have come.
    pub filled: bool,
    /// Position behind what was placed, behind the sound of it, and behind what frames have used.
    pub end: u64,
    pub sound_end: u64,
    pub used: u64,
    /// Where the clock stands.
    pub now: Option<u64>,
}

/// Where a buffer goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Silence that was placed at or behind this position is taken back.
    pub take_back: Option<u64>,
    /// The buffer begins here, or right behind the sound before it.
    pub target: u64,
    /// Samples to leave out at its beginning: the source's clock is fast.
    pub skip: usize,
    /// Samples that came after their time.
    pub late: usize,
    /// Up to so many samples of pauses are to be left out.
    pub spare: usize,
}

/// What is known of a live stream's timestamps.
#[derive(Default)]
pub struct Alignment {
    /// Mean distance of the timestamps from where samples were placed, in samples.
    mean: f64,
    /// What is added to positions: above zero where audio is spoken later than its timestamps say.
    shift: i64,
    level: Level,
    /// Where the clock stood when the buffer before this one came.
    last: Option<u64>,
}

impl Alignment {
    /// How much later than its timestamps audio is spoken, in samples; below zero where they are far in the future.
    pub fn shift(&self) -> i64 {
        self.shift
    }

    /// All that waits is spoken so much later than was settled.
    pub fn delay(&mut self, by: u64) {
        self.shift += by as i64;
    }

    /// Settles where a buffer goes.
    pub fn place(&mut self, clock: FrameClock, arrival: &Arrival) -> Place {
        let samples = |ms: i64| ms * i64::from(clock.rate) / 1000;
        let Arrival { discont, filled, .. } = *arrival;
        // Buffers of a burst come together, those of a microphone one after the other.
        let before = std::mem::replace(&mut self.last, arrival.now);
        let apart = arrival.now.zip(before).is_none_or(|(now, last)| now >= last + arrival.len as u64 / 2);
        let (end, used, len) = (arrival.end as i64, arrival.used as i64, arrival.len as i64);
        let Some(position) = arrival.position.map(|position| position as i64) else {
            // Not so close that it runs dry before the next one.
            let target = if filled { end.max(used + samples(SLACK_MS)) } else { end };
            return Place { target: target as u64, ..Place::default() };
        };
        let exact = discont || filled;
        if filled {
            // After a pause all may be in time again.
            self.shift = self.shift.min(0);
        }
        let mut off = position + self.shift - end;
        if off > samples(MAX_AHEAD_MS) {
            self.shift = end - position;
            off = 0;
        }
        if off > samples(JITTER_MS) || exact {
            // A gap makes up for what was late before it.
            let repaid = self.shift.min(off).max(0);
            self.shift -= repaid;
            off -= repaid;
        }
        // What waits was sent faster than it is spoken; a microphone cannot do that.
        let waits =
            |slack| arrival.now.is_some_and(|now| end > now as i64 + self.shift.max(0) + samples(slack));
        if !exact && off.abs() <= samples(JITTER_MS) {
            if off < 0 && waits(JITTER_MS) {
                return Place { target: arrival.end, ..Place::default() };
            }
            let paced =
                apart && arrival.now.is_none_or(|now| position + len <= now as i64 + samples(PACE_MS));
            // Not so much that it comes too late again.
            let least = if position >= used { 0 } else { used + samples(SLACK_MS) - position };
            let spare = if paced && !waits(PACE_MS) { (self.shift - least).max(0) as usize } else { 0 };
            self.mean += (off as f64 - self.mean) * (len as f64 / samples(MEAN_MS) as f64).min(1.0);
            let mut step = 0;
            if self.mean.abs() > samples(MAX_MEAN_MS) as f64 {
                step = std::mem::take(&mut self.mean) as i64;
            }
            return Place {
                target: (end + step.max(0)) as u64,
                skip: step.min(0).unsigned_abs() as usize,
                spare,
                ..Place::default()
            };
        }
        self.mean = 0.0;
        let target = end + off;
        let behind = used - target;
        if !exact || behind <= 0 {
            // A jump back: a source that sends faster than it speaks stamps what follows with the time of sending.
            // Silence that still waits behind this place shows that the jump before it was the wrong one.
            let target = target.max(0) as u64;
            return Place { take_back: Some(target.max(arrival.used)), target, ..Place::default() };
        }
        // A little too late: by no more than must be.
        let slack = if behind > samples(SLACK_MS) { samples(SLACK_MS) } else { 0 };
        let target = (used + slack).max(arrival.sound_end as i64);
        self.shift = target - position;
        Place {
            take_back: Some(target as u64),
            target: target as u64,
            late: behind.min(len) as usize,
            ..Place::default()
        }
    }

    /// Copies samples, less up to `most` of those in which the voice pauses.
    pub fn shorten(&mut self, clock: FrameClock, samples: &[f32], most: usize) -> Vec<f32> {
        let slice = (clock.rate as usize * SLICE_MS / 1000).max(1);
        let mut kept = Vec::with_capacity(samples.len());
        let mut left = most;
        for slice in samples.chunks(slice) {
            if self.level.pauses(clock, slice) && slice.len() <= left {
                left -= slice.len();
            } else {
                kept.extend_from_slice(slice);
            }
        }
        self.shift -= (most - left) as i64;
        kept
    }
}

/// Tells the pauses of a voice.
#[derive(Default)]
struct Level {
    /// The loudest peak of the last seconds.
    peak: f32,
    /// Samples since it fell quiet.
    quiet: usize,
}

impl Level {
    /// Hears a slice; whether it lies in a pause that is no part of a word.
    fn pauses(&mut self, clock: FrameClock, slice: &[f32]) -> bool {
        let peak = slice.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
        let ms = slice.len() as f32 * 1000.0 / clock.rate as f32;
        self.peak = peak.max(self.peak * (-ms / LEVEL_MS).exp());
        if peak > (self.peak * PAUSE_LEVEL).max(SILENCE_LEVEL) {
            self.quiet = 0;
            return false;
        }
        self.quiet += slice.len();
        self.quiet > clock.rate as usize * PAUSE_MS / 1000
    }
}
