// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cuts a stream of samples into the windows of video frames: no GStreamer, no torch, only counting.

use super::alignment::{Alignment, Arrival, Place};
use super::clock::FrameClock;
use super::queue::{Piece, Queue};

/// How far a timestamp may be off before samples are moved: smaller steps are jitter, not gaps. In milliseconds.
const JITTER_MS: u64 = 20;

/// Silence is handed on in bites, so that a gap of an hour needs no memory. In milliseconds.
const SILENCE_BITE_MS: u64 = 1000;

/// How much of a hole in the timestamps is filled with frames where nothing is live. In milliseconds.
const MAX_HOLE_MS: u64 = 10_000;

/// How much of what was heard is remembered where nothing is live, to know again what comes once more: 640 kB, twice that
/// before it is tidied up. In milliseconds.
const MEMORY_MS: u64 = 10_000;

/// How much of a live stream waits for its time: 10 minutes, 38 MB. In milliseconds.
const MAX_WAITING_MS: u64 = 600_000;

/// How much later than its timestamps live sound may be heard because frames were left out. In milliseconds.
const MAX_DELAY_MS: u64 = 5000;

/// What became of samples that were placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// Samples that came after the frames that they belong to; they are heard later.
    pub late: usize,
    /// How much later they are heard than their timestamps say, if they are. In samples.
    pub moved: u64,
    /// Samples that nobody hears, because the source's clock is fast or too much waits.
    pub lost: usize,
    /// Too much waits.
    pub is_full: bool,
    /// Samples of a hole before these that is too long to be filled.
    pub hole: Option<u64>,
    /// How far back the timestamps of lost samples point, in samples, where nothing is live.
    pub back: Option<u64>,
}

/// What sound is whose timestamps lie in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// What was placed there before.
    Same,
    /// Something else.
    New,
    /// What was there is not known any more.
    Unknown,
}

/// What a live stream needs besides: its frames do not wait for samples.
#[derive(Default)]
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
    queue: Queue,
    /// Grid position after everything that was placed, and after the sound of it.
    end: u64,
    sound_end: u64,
    /// The frame that comes out next; `None` before the first sample.
    next: Option<u64>,
    /// Grid position of the first sample.
    begin: u64,
    /// A hole was left out before it.
    skipped: bool,
    /// Grid positions of the newest hole that was left out.
    hole: std::ops::Range<u64>,
    /// Timestamps lag behind the sound.
    lags: bool,
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
            queue: Queue::default(),
            end: 0,
            sound_end: 0,
            next: None,
            begin: 0,
            skipped: false,
            hole: 0..0,
            lags: false,
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
        let live = self.live.get_or_insert_default();
        (live.used, live.filled) = (live.used.max(start), true);
        self.next = Some(next);
        while self.fed() < start && self.feed().is_some() {}
        if self.fed() < start {
            self.clear(start);
        }
    }

    /// Leaves the frames of a live stream out that come before `frame`. The sound that they would have shown is heard
    /// later, and what follows it behind it, until a pause makes up for it; if that were too much later, never.
    pub fn skip_to(&mut self, frame: u64) -> Placed {
        let (Some(live), Some(next)) = (&mut self.live, self.next) else { return Placed::default() };
        // All of it is to be seen coming, as by the frames that are left out.
        let start = frame.checked_sub(1).map_or(0, |last| self.clock.frame_end(last) + self.look_ahead);
        let unheard = self.sound_end.min(start).saturating_sub(live.used) as usize;
        let by = if frame > next { start.saturating_sub(live.used) } else { 0 };
        let delay = live.alignment.shift().max(0) as u64 + by;
        if unheard == 0 || delay * 1000 > MAX_DELAY_MS * u64::from(self.clock.rate) {
            let gone = self.sound_end.min(start.saturating_sub(self.look_ahead)).saturating_sub(live.used);
            self.start_live(frame);
            return Placed { late: gone as usize, lost: gone as usize, ..Placed::default() };
        }
        self.next = Some(frame);
        live.used += by;
        self.first += by;
        let fed = self.first + self.samples.len() as u64;
        let (end, sound_end) = self.queue.delay(by, fed);
        live.alignment.delay(end.saturating_sub(self.end));
        self.sound_end = sound_end.unwrap_or(self.sound_end + by);
        self.end = end;
        Placed { late: unheard, moved: delay, ..Placed::default() }
    }

    /// Whether [`Self::start_live`] was called since the last reset.
    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// The frame that comes out next.
    pub fn next_frame(&self) -> Option<u64> {
        self.next
    }

    /// The frame that shows what comes behind all the sound so far.
    pub fn frame_behind(&self) -> u64 {
        self.clock.frame_of(self.sound_end.max(self.live.as_ref().map_or(0, |live| live.used)))
    }

    /// The first frame that shows none of the sound so far.
    pub fn frame_after(&self) -> u64 {
        let used = self.live.as_ref().map_or(0, |live| live.used);
        self.sound_end.max(used).checked_sub(1).map_or(0, |last| self.clock.frame_of(last) + 1)
    }

    /// Position behind the samples of the frame that comes out next.
    pub fn due(&self) -> Option<u64> {
        Some(self.clock.frame_end(self.next?) + self.look_ahead)
    }

    /// Whether the samples of the frame that comes out next are all there.
    pub fn is_complete(&self) -> bool {
        self.complete(1) == 1
    }

    /// How many of the frames that come out next, up to `most`, have all of their samples, but for holes that are left out.
    pub fn complete(&self, most: usize) -> usize {
        let Some(next) = self.next else { return 0 };
        let due = |frame: &u64| self.clock.frame_end(*frame) + self.look_ahead <= self.end;
        (next..).take(most).take_while(due).count()
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
        let used = live.used;
        *live = Live { filled: true, used, ..Live::default() };
        self.clear(used);
    }

    /// Places samples at a grid position, `None` for right behind the last ones. A gap is filled with silence, what
    /// repeats the past is dropped; other sound that its timestamps put there is heard on behind it, as by an encoder: the
    /// container tells a wrong rate. Where that cannot be told, it is lost. `exact` (a discontinuity) turns the tolerance for
    /// jitter off. `now` is where the
    /// clock stands, if there is one.
    pub fn place(&mut self, position: Option<u64>, exact: bool, now: Option<u64>, samples: &[f32]) -> Placed {
        if self.live.is_some() {
            return self.place_live(position, exact, now, samples);
        }
        let past = position.filter(|&position| self.next.is_some() && position < self.end);
        let again = past.map_or(Again::Same, |past| self.again(past, samples));
        // What was said long ago is not known any more: who lagged once goes on to.
        self.lags = past.is_some() && !exact && (self.lags || again == Again::New);
        let back = past.map_or(0, |past| self.end - past);
        let position = position.filter(|_| !self.lags);
        let (skip, hole) = self.seek(position, exact, samples.len() as u64, MAX_HOLE_MS);
        self.push_sound(samples[skip..].to_vec());
        let lost = if again == Again::Same { 0 } else { skip };
        let back = Some(back).filter(|_| lost as u64 > self.samples_of(JITTER_MS));
        Placed { hole, lost, back, ..Placed::default() }
    }

    /// Places silence, as [`Self::place`].
    pub fn place_silence(&mut self, position: Option<u64>, count: u64) {
        if let Some(live) = &mut self.live {
            // Samples that are there already are better than silence.
            live.filled = true;
            let position = position.map(|position| position.saturating_add_signed(live.alignment.shift()));
            let end = position.unwrap_or(self.end) + count;
            let most = self.samples_of(MAX_WAITING_MS).saturating_sub(self.waiting());
            return self.push_silence(end.saturating_sub(self.end).min(most));
        }
        // Somebody says that this is a pause, and not where a clock jumped.
        let (skip, _) = self.seek(position, true, count, u64::MAX);
        self.push_silence(count - skip as u64);
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
        let mut frame = self.next?;
        let mut due = self.clock.frame_end(frame) + self.look_ahead;
        while self.fed() < due {
            self.feed()?;
            // A hole may have been left out.
            frame = self.next?;
            due = self.clock.frame_end(frame) + self.look_ahead;
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

    /// Whether a hole was left out before the frame that came out last; told once.
    pub fn take_skipped(&mut self) -> bool {
        std::mem::take(&mut self.skipped)
    }

    /// Whether samples are those that were placed at a position before.
    fn again(&self, position: u64, samples: &[f32]) -> Again {
        if position < self.begin || self.hole.contains(&position) {
            return Again::New;
        }
        let Some(at) = position.checked_sub(self.first) else { return Again::Unknown };
        let known = self.samples.iter().copied().chain(self.queue.samples()).skip(at as usize);
        let mut pairs = known.zip(samples).peekable();
        if pairs.peek().is_none() && !samples.is_empty() {
            return Again::Unknown;
        }
        if pairs.all(|(known, sample)| known == *sample) { Again::Same } else { Again::New }
    }

    /// Moves to a position; returns how many of the coming samples lie in the past, and the hole before them that is
    /// left out because it is longer than `most_ms`.
    fn seek(&mut self, position: Option<u64>, exact: bool, len: u64, most_ms: u64) -> (usize, Option<u64>) {
        let Some(position) = position else {
            self.next.get_or_insert_with(|| self.clock.frame_of(self.end));
            return (0, None);
        };
        if self.next.is_none() {
            self.clear(position);
            self.begin = position;
            self.next = Some(self.clock.frame_of(position));
            return (0, None);
        }
        let jitter = if exact { 0 } else { self.samples_of(JITTER_MS) };
        if position.abs_diff(self.end) <= jitter {
            (0, None)
        } else if position < self.end {
            ((self.end - position).min(len) as usize, None)
        } else {
            let (hole, most) = (position - self.end, self.samples_of(most_ms));
            self.push_silence(hole.min(most));
            if hole <= most {
                return (0, None);
            }
            self.queue.push_skip(position);
            self.hole = self.end..position;
            self.end = position;
            (0, Some(hole))
        }
    }

    /// [`Self::place`] of a live stream, which moves as little as it can.
    fn place_live(
        &mut self,
        position: Option<u64>,
        discont: bool,
        now: Option<u64>,
        samples: &[f32],
    ) -> Placed {
        let most = self.samples_of(MAX_WAITING_MS).saturating_sub(self.waiting());
        let Some(live) = &mut self.live else { return Placed::default() };
        if samples.len() as u64 > most {
            // Where a sentence goes on after some of it was lost, only its timestamps tell.
            live.filled |= position.is_some();
            return Placed { lost: samples.len(), is_full: true, ..Placed::default() };
        }
        let arrival = Arrival {
            position,
            len: samples.len(),
            discont,
            filled: std::mem::take(&mut live.filled),
            end: self.end,
            sound_end: self.sound_end.max(live.used),
            used: live.used,
            now,
        };
        let Place { take_back, target, skip, late, spare } = live.alignment.place(self.clock, &arrival);
        let lost = skip.min(samples.len());
        let sound = live.alignment.shorten(self.clock, &samples[lost..], spare);
        let moved = if late > 0 { live.alignment.shift().max(0) as u64 } else { 0 };
        if let Some(from) = take_back {
            self.take_back(from);
        }
        self.push_silence(target.saturating_sub(self.end));
        self.push_sound(sound);
        Placed { late, moved, lost, ..Placed::default() }
    }

    /// Samples in so many milliseconds.
    fn samples_of(&self, ms: u64) -> u64 {
        ms.saturating_mul(u64::from(self.clock.rate)) / 1000
    }

    /// Samples of a live stream that no frame has used.
    fn waiting(&self) -> u64 {
        self.end.saturating_sub(self.live.as_ref().map_or(0, |live| live.used))
    }

    /// Grid position behind the samples that windows are cut from.
    fn fed(&self) -> u64 {
        self.first + self.samples.len() as u64
    }

    /// Forgets what waits; what comes next begins at a position.
    fn clear(&mut self, position: u64) {
        self.samples.clear();
        self.queue.clear();
        (self.first, self.end, self.sound_end) = (position, position, position);
    }

    /// Takes back silence that was placed at or behind a position and that no frame has used.
    fn take_back(&mut self, from: u64) {
        let (count, position) = self.queue.take_back(from);
        self.end -= count;
        if self.sound_end > position {
            self.sound_end -= count;
        }
        let to = from.max(self.sound_end);
        if self.queue.is_empty() && self.end > to {
            self.samples.truncate(to.saturating_sub(self.first) as usize);
            self.end = to.max(self.first);
        }
    }

    fn push_sound(&mut self, samples: Vec<f32>) {
        if !samples.is_empty() {
            self.end += samples.len() as u64;
            self.sound_end = self.end;
            self.queue.push_sound(samples);
        }
    }

    fn push_silence(&mut self, count: u64) {
        if count > 0 {
            self.queue.push_silence(self.end, count);
            self.end += count;
        }
    }

    /// Appends one piece, or one bite of silence.
    fn feed(&mut self) -> Option<()> {
        match self.queue.pop(self.samples_of(SILENCE_BITE_MS))? {
            Piece::Sound(samples) => self.samples.extend_from_slice(&samples),
            Piece::Silence(count) => self.samples.resize(self.samples.len() + count as usize, 0.0),
            Piece::Skip(to) => {
                self.samples.clear();
                self.first = to;
                self.next = Some(self.clock.frame_of(to));
                self.skipped = true;
            }
        }
        Some(())
    }

    /// Drops samples that no later window sees.
    fn forget(&mut self) {
        let Some(next) = self.next else { return };
        let memory = if self.live.is_some() { 0 } else { self.samples_of(MEMORY_MS) };
        let keep = (self.clock.frame_end(next) + self.look_ahead).saturating_sub(self.window as u64 + memory);
        let drop = keep.saturating_sub(self.first).min(self.samples.len() as u64);
        // Moving the rest down costs as much as it holds: wait until it is the smaller part.
        if drop as usize > self.samples.len() / 2 {
            self.samples.drain(..drop as usize);
            self.first += drop;
        }
    }
}

#[cfg(test)]
#[path = "framer_tests.rs"]
mod tests;
