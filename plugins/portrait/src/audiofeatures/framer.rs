//! Cuts a stream of samples into the windows of video frames: no GStreamer, no torch, only counting.

use std::collections::VecDeque;

use super::alignment::{Alignment, Placement};
use super::clock::FrameClock;

/// How far a timestamp may be off before samples are moved: smaller steps are jitter, not gaps. In milliseconds.
const JITTER_MS: u64 = 20;

/// Silence is handed on in bites, so that a gap of an hour needs no memory. In milliseconds.
const SILENCE_BITE_MS: u64 = 1000;

enum Piece {
    Samples(Vec<f32>),
    Silence(u64),
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Samples(samples) => samples.len() as u64,
            Self::Silence(count) => *count,
        }
    }
}

/// What became of samples that were placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// Samples that came after the frames that they belong to.
    pub late: usize,
    /// Everything came too late for so long that the timestamps are not believed any more.
    pub retimed: bool,
}

/// What a live stream needs besides: its frames do not wait for samples.
struct Live {
    alignment: Alignment,
    /// Silence stands where samples did not come in time: the next ones are placed by their timestamp.
    filled: bool,
    /// Position behind everything that a frame has used.
    used: u64,
}

/// Samples in, one window a frame out.
pub struct Framer {
    clock: FrameClock,
    /// Samples in a window.
    window: usize,
    /// Samples by which a window reaches beyond its frame.
    look_ahead: u64,
    /// Samples from grid position `first` on; earlier ones read as silence.
    samples: Vec<f32>,
    first: u64,
    /// Still to be appended.
    queue: VecDeque<Piece>,
    /// Grid position after everything that was placed.
    end: u64,
    /// The frame that comes out next; `None` before the first sample.
    next: Option<u64>,
    live: Option<Live>,
}

impl Framer {
    /// A framer that waits for its first sample.
    pub fn new(clock: FrameClock, window: usize, look_ahead: usize) -> Self {
        Self {
            clock,
            window,
            look_ahead: look_ahead as u64,
            samples: Vec::new(),
            first: 0,
            queue: VecDeque::new(),
            end: 0,
            next: None,
            live: None,
        }
    }

    /// Clocks of this framer.
    pub fn clock(&self) -> FrameClock {
        self.clock
    }

    /// Samples by which a window reaches beyond its frame.
    pub fn look_ahead(&self) -> u64 {
        self.look_ahead
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        *self = Self::new(self.clock, self.window, self.look_ahead as usize);
    }

    /// From now on frames come from `frame` on, one after the other, whether there are samples or not: see
    /// [`Self::fill`].
    pub fn start_live(&mut self, frame: u64) {
        let next = self.next.map_or(frame, |next| next.max(frame));
        let start = next.checked_sub(1).map_or(0, |last| self.clock.frame_end(last));
        if self.next != Some(next) {
            self.clear();
            (self.first, self.end) = (start, start);
        }
        self.next = Some(next);
        self.live = Some(Live { alignment: Alignment::default(), filled: true, used: start.min(self.end) });
    }

    /// Whether [`Self::start_live`] was called since the last reset.
    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Position behind the samples of the frame that comes out next.
    pub fn due(&self) -> Option<u64> {
        Some(self.clock.frame_end(self.next?) + self.look_ahead)
    }

    /// Whether the samples of the frame that comes out next are all there.
    pub fn is_complete(&self) -> bool {
        self.due().is_some_and(|due| self.end >= due)
    }

    /// Puts silence where samples of the next frame are missing, because its time has come.
    pub fn fill(&mut self) {
        let Some(due) = self.due() else { return };
        self.push_silence(due.saturating_sub(self.end));
        if let Some(live) = &mut self.live {
            live.filled = true;
        }
    }

    /// Forgets the samples of a live stream, those that wait as well, and keeps the frame that comes out next.
    pub fn interrupt(&mut self) {
        let Some(live) = &mut self.live else { return self.reset() };
        *live = Live { alignment: Alignment::default(), filled: true, used: live.used };
        (self.first, self.end) = (live.used, live.used);
        self.clear();
    }

    /// Places samples at a grid position, `None` for right behind the last ones. A gap is filled with silence, what
    /// overlaps the past is dropped. `exact` (a discontinuity) turns the tolerance for jitter off.
    pub fn place(&mut self, position: Option<u64>, exact: bool, samples: &[f32]) -> Placed {
        let (skip, placed) = match self.live {
            Some(_) => self.align(position, exact, samples.len()),
            None => (self.seek(position, exact, samples.len() as u64), Placed::default()),
        };
        let samples = &samples[skip..];
        if !samples.is_empty() {
            self.queue.push_back(Piece::Samples(samples.to_vec()));
            self.end += samples.len() as u64;
        }
        placed
    }

    /// Places silence, as [`Self::place`].
    pub fn place_silence(&mut self, position: Option<u64>, count: u64) {
        if let Some(live) = &mut self.live {
            // Samples that are there already are better than silence.
            live.filled = true;
            let end = position.unwrap_or(self.end) + count;
            return self.push_silence(end.saturating_sub(self.end));
        }
        let skip = self.seek(position, true, count) as u64;
        self.push_silence(count - skip);
    }

    /// Fills up so that every frame that holds a placed sample comes out.
    pub fn finish(&mut self) {
        let Some(next) = self.next else { return };
        let Some(final_sample) = self.end.checked_sub(1) else { return };
        let last = self.clock.frame_of(final_sample);
        if last >= next {
            let due = self.clock.frame_end(last) + self.look_ahead;
            self.push_silence(due.saturating_sub(self.end));
        }
    }

    /// Writes the next window if its samples are there; returns its frame.
    pub fn next(&mut self, out: &mut [f32]) -> Option<u64> {
        let frame = self.next?;
        let due = self.clock.frame_end(frame) + self.look_ahead;
        while self.first + (self.samples.len() as u64) < due {
            self.feed()?;
        }
        for (i, value) in out.iter_mut().enumerate() {
            // Window sample i stands at due - window + i, which may lie before the first sample.
            let at = (due + i as u64).checked_sub(self.window as u64 + self.first);
            *value = at.and_then(|at| self.samples.get(at as usize)).copied().unwrap_or(0.0);
        }
        self.next = Some(frame + 1);
        if let Some(live) = &mut self.live {
            live.used = due;
        }
        self.forget();
        Some(frame)
    }

    /// Moves to a position; returns how many of the coming samples lie in the past.
    fn seek(&mut self, position: Option<u64>, exact: bool, len: u64) -> usize {
        let Some(position) = position else {
            self.next.get_or_insert_with(|| self.clock.frame_of(self.end));
            return 0;
        };
        if self.next.is_none() {
            self.first = position;
            self.end = position;
            self.next = Some(self.clock.frame_of(position));
            return 0;
        }
        let jitter = if exact { 0 } else { u64::from(self.clock.rate) * JITTER_MS / 1000 };
        if position.abs_diff(self.end) <= jitter {
            0
        } else if position > self.end {
            self.push_silence(position - self.end);
            0
        } else {
            (self.end - position).min(len) as usize
        }
    }

    /// [`Self::seek`] of a live stream, which moves as little as it can.
    fn align(&mut self, position: Option<u64>, exact: bool, len: usize) -> (usize, Placed) {
        let silence_waits = self.queue.iter().any(|piece| matches!(piece, Piece::Silence(_)));
        let (Some(live), Some(position)) = (&mut self.live, position) else { return Default::default() };
        let exact = exact | std::mem::take(&mut live.filled);
        let placement = live.alignment.place(self.clock, position, self.end, len, exact, silence_waits);
        let (used, target) = match placement {
            Placement::Behind => (live.used as i64, self.end as i64),
            Placement::At(target) => (live.used as i64, target),
        };
        let behind = (used - target).max(0);
        let late = (behind as usize).min(len);
        let retimed = live.alignment.count_late(self.clock, late, len, behind);
        // What is still late when the next samples come must not be taken for a continuous stream.
        live.filled = late == len;
        self.rewind(target.max(used) as u64);
        self.push_silence((target.max(0) as u64).saturating_sub(self.end));
        (late, Placed { late, retimed })
    }

    fn clear(&mut self) {
        self.samples.clear();
        self.queue.clear();
    }

    /// Takes back what was placed at or behind a position.
    fn rewind(&mut self, to: u64) {
        while self.end > to {
            let surplus = self.end - to;
            match self.queue.back_mut() {
                Some(Piece::Samples(samples)) if samples.len() as u64 > surplus => {
                    samples.truncate(samples.len() - surplus as usize);
                    self.end = to;
                }
                Some(Piece::Silence(count)) if *count > surplus => {
                    *count -= surplus;
                    self.end = to;
                }
                Some(piece) => {
                    self.end -= piece.len();
                    self.queue.pop_back();
                }
                None => {
                    self.samples.truncate(to.saturating_sub(self.first) as usize);
                    self.end = to;
                }
            }
        }
    }

    fn push_silence(&mut self, count: u64) {
        if count > 0 {
            self.queue.push_back(Piece::Silence(count));
            self.end += count;
        }
    }

    /// Appends one piece, or one bite of silence.
    fn feed(&mut self) -> Option<()> {
        let bite = u64::from(self.clock.rate) * SILENCE_BITE_MS / 1000;
        match self.queue.pop_front()? {
            Piece::Samples(samples) => self.samples.extend_from_slice(&samples),
            piece => {
                let len = piece.len();
                let now = len.min(bite);
                self.samples.resize(self.samples.len() + now as usize, 0.0);
                if len > now {
                    self.queue.push_front(Piece::Silence(len - now));
                }
            }
        }
        Some(())
    }

    /// Drops samples that no later window sees.
    fn forget(&mut self) {
        let Some(next) = self.next else { return };
        let keep = (self.clock.frame_end(next) + self.look_ahead).saturating_sub(self.window as u64);
        let drop = keep.saturating_sub(self.first).min(self.samples.len() as u64);
        // Moving the rest down costs as much as it holds: wait until it is the smaller part.
        if drop as usize > self.samples.len() / 2 {
            self.samples.drain(..drop as usize);
            self.first += drop;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: usize = 880;
    const LOOK_AHEAD: usize = 1920;

    fn pal() -> FrameClock {
        FrameClock { rate: 16000, fps: gst::Fraction::new(25, 1) }
    }

    fn ntsc() -> FrameClock {
        FrameClock { rate: 16000, fps: gst::Fraction::new(30000, 1001) }
    }

    fn drain(framer: &mut Framer) -> Vec<(u64, Vec<f32>)> {
        let mut out = vec![0.0; framer.window];
        let mut frames = Vec::new();
        while let Some(n) = framer.next(&mut out) {
            frames.push((n, out.clone()));
        }
        frames
    }

    fn run(clock: FrameClock, audio: &[f32], sizes: &[usize]) -> Vec<(u64, Vec<f32>)> {
        let mut framer = Framer::new(clock, WINDOW, LOOK_AHEAD);
        let (mut at, mut frames) = (0, Vec::new());
        for size in sizes.iter().cycle() {
            let part = &audio[at..(at + size).min(audio.len())];
            framer.place(Some(at as u64), false, part);
            frames.extend(drain(&mut framer));
            at += part.len();
            if at == audio.len() {
                break;
            }
        }
        framer.finish();
        frames.extend(drain(&mut framer));
        frames
    }

    #[test]
    fn a_window_ends_look_ahead_after_its_frame() {
        let audio: Vec<f32> = (0..6400).map(|i| i as f32).collect();
        let frames = run(pal(), &audio, &[6400]);
        assert_eq!(frames.len(), 10);
        assert_eq!(frames[0].1[WINDOW - 1], (640 + LOOK_AHEAD - 1) as f32);
        assert_eq!(frames[9].1[WINDOW - 1], 0.0, "silence follows the end");
    }

    #[test]
    fn no_drift_after_an_hour_of_ntsc() {
        let clock = ntsc();
        let n = 107_892; // frames in 3600 s at 30000/1001, rounded down
        assert_eq!(clock.frame_time(n).nseconds(), 3_599_996_400_000);
        assert!(clock.sample_at(clock.frame_time(n)).abs_diff(clock.frame_end(n - 1)) <= 1);
        assert_eq!(clock.frame_of(clock.frame_end(n)), n + 1);
    }

    #[test]
    fn gaps_become_silence_and_overlaps_are_dropped() {
        let mut framer = Framer::new(pal(), WINDOW, 0);
        framer.place(Some(0), false, &[1.0; 640]);
        framer.place(Some(1920), false, &[2.0; 640]);
        framer.place(Some(1920), true, &[3.0; 1280]);
        let frames = drain(&mut framer);
        let last = |n: usize| frames[n].1[WINDOW - 1];
        assert_eq!(frames.len(), 5);
        assert_eq!([last(0), last(1), last(2), last(3), last(4)], [1.0, 0.0, 0.0, 2.0, 3.0]);
    }

    #[test]
    fn small_jitter_moves_nothing() {
        let mut framer = Framer::new(pal(), WINDOW, 0);
        framer.place(Some(0), false, &[1.0; 640]);
        framer.place(Some(650), false, &[2.0; 640]);
        assert_eq!(drain(&mut framer).len(), 2);
    }

    #[test]
    fn a_stream_that_starts_late_starts_on_its_frame() {
        let mut framer = Framer::new(pal(), WINDOW, 0);
        framer.place(Some(16000 + 100), false, &[1.0; 640]);
        let frames = drain(&mut framer);
        assert_eq!(frames[0].0, 25);
        assert_eq!(frames[0].1[WINDOW - 540 - 1], 0.0);
        assert_eq!(frames[0].1[WINDOW - 540], 1.0);
    }

    #[test]
    fn an_hour_of_silence_needs_little_memory() {
        let mut framer = Framer::new(pal(), WINDOW, 0);
        framer.place_silence(Some(0), 3600 * 16000);
        let mut out = vec![0.0; WINDOW];
        let mut count = 0;
        while framer.next(&mut out).is_some() {
            count += 1;
            assert!(framer.samples.len() <= 3 * 16000);
        }
        assert_eq!(count, 90_000);
    }

    proptest! {
        /// Streaming equals whole-file: how the samples are cut up does not matter.
        #[test]
        fn cuts_do_not_matter(sizes in proptest::collection::vec(1usize..5000, 1..6), len in 1usize..40_000, film: bool) {
            let clock = if film { ntsc() } else { pal() };
            let audio: Vec<f32> = (0..len).map(|i| (i as f32 * 0.37).sin()).collect();
            let whole = run(clock, &audio, &[len]);
            prop_assert_eq!(whole.len() as u64, clock.frame_of(len as u64 - 1) + 1);
            prop_assert_eq!(whole, run(clock, &audio, &sizes));
        }
    }
}
