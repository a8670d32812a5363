// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pictures at another rate than the latents': motion is interpolated, not pictures.
//!
//! A frame shows the moment in the middle of its span, and so do the latents; what lies between two of them is mixed
//! in proportion. More than straight lines is not needed: at 25 latents a second a swaying head bends away from them by
//! hundredths of a pixel, and a curve that overshoots would part lips that touch.

use std::collections::VecDeque;

use crate::stream::grid::FrameGrid;

/// Latents whose gap to the next is longer than this share of their duration are the last before a pause.
const PAUSE: f64 = 0.5;

/// The times of frames from an origin on, without a drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    origin: gst::ClockTime,
    frames: FrameGrid,
}

impl Grid {
    /// When a frame begins.
    pub fn time(&self, frame: u64) -> gst::ClockTime {
        self.origin + self.frames.time(frame)
    }

    /// The frame that begins nearest to a time.
    fn nearest(&self, time: gst::ClockTime) -> u64 {
        self.frames.nearest(time.saturating_sub(self.origin))
    }
}

/// A buffer of latents and its span.
#[derive(Clone, Debug)]
struct Moment {
    buffer: gst::Buffer,
    start: gst::ClockTime,
    end: gst::ClockTime,
}

impl Moment {
    fn middle(&self) -> u64 {
        (self.start + self.end).nseconds() / 2
    }
}

/// A frame to be drawn.
#[derive(Clone, Debug)]
pub struct Shot {
    /// When it begins.
    pub pts: gst::ClockTime,
    /// How long it lasts.
    pub duration: gst::ClockTime,
    /// Latents before and after its middle.
    pub between: [gst::Buffer; 2],
    /// How far it lies between the two, 0 to 1.
    pub share: f32,
    /// Whether no other frame lies nearer to the first or to the second.
    pub nearest: [bool; 2],
}

impl Shot {
    /// The latents that its middle is nearest to.
    pub fn nearest(&self) -> &gst::Buffer {
        &self.between[usize::from(self.share > 0.5)]
    }
}

/// Turns latents of one rate into frames of another.
#[derive(Debug)]
pub struct Resampler {
    rate: gst::Fraction,
    span: gst::ClockTime,
    grid: Option<Grid>,
    /// Index of the next frame.
    next: u64,
    older: Option<Moment>,
    newer: Option<Moment>,
    waiting: VecDeque<Moment>,
}

impl Resampler {
    /// From latents of a rate to frames of another; both are positive.
    pub fn new(latents: gst::Fraction, frames: gst::Fraction) -> Self {
        Self::empty(frames, span(latents))
    }

    /// How much later frames come than if both rates were the same: a frame waits for the latents after its middle.
    pub fn latency(&self) -> gst::ClockTime {
        (self.span + span(self.rate)) / 2
    }

    /// Forgets everything: the next latents begin a new grid.
    pub fn reset(&mut self) {
        *self = Self::empty(self.rate, self.span);
    }

    fn empty(rate: gst::Fraction, span: gst::ClockTime) -> Self {
        Self {
            rate,
            span,
            grid: None,
            next: 0,
            older: None,
            newer: None,
            waiting: VecDeque::with_capacity(2),
        }
    }

    /// Takes latents; their frames are those that [`Resampler::shot`] gives from now on.
    pub fn push(&mut self, buffer: gst::Buffer) {
        let last = self.waiting.back().or(self.newer.as_ref());
        let start = buffer.pts().or(last.map(|m| m.end)).unwrap_or(gst::ClockTime::ZERO);
        let end = start + buffer.duration().filter(|d| !d.is_zero()).unwrap_or(self.span);
        self.waiting.push_back(Moment { buffer, start, end });
    }

    /// The next frame, if the latents for it are there.
    pub fn shot(&mut self) -> Option<Shot> {
        loop {
            match (&self.newer, self.waiting.front()) {
                (_, None) => {}
                (None, Some(_)) => self.begin(false),
                (Some(newer), Some(waiting)) if follows(newer, waiting) => {
                    self.older = self.newer.take();
                    self.newer = self.waiting.pop_front();
                }
                (Some(newer), Some(waiting)) => {
                    let back = waiting.start < newer.start;
                    if let Some(shot) = self.rest() {
                        return Some(shot);
                    }
                    self.begin(back);
                }
            }
            let until = self.newer.as_ref()?.middle();
            if let Some((shot, _)) = self.at_next().filter(|(_, middle)| *middle <= until) {
                self.next += 1;
                return Some(shot);
            }
            if self.waiting.is_empty() {
                return None;
            }
        }
    }

    /// The next frame in the rest of the newest latents, when nothing comes after them.
    pub fn rest(&mut self) -> Option<Shot> {
        let end = self.newer.as_ref()?.end;
        let (shot, _) = self.at_next().filter(|(shot, _)| shot.pts < end)?;
        self.next += 1;
        Some(shot)
    }

    /// After a pause: the grid stays, the latents do not. `back` in time begins a new grid.
    fn begin(&mut self, back: bool) {
        (self.older, self.newer) = (None, self.waiting.pop_front());
        let Some(newer) = &self.newer else { return };
        match &self.grid {
            Some(grid) if !back => self.next = self.next.max(grid.nearest(newer.start)),
            _ => {
                self.grid = Some(Grid { origin: newer.start, frames: FrameGrid { rate: self.rate } });
                self.next = 0;
            }
        }
    }

    /// The frame `next` and its middle.
    fn at_next(&self) -> Option<(Shot, u64)> {
        let (grid, newer) = (self.grid.as_ref()?, self.newer.as_ref()?);
        let older = self.older.as_ref().unwrap_or(newer);
        let (pts, end) = (grid.time(self.next), grid.time(self.next + 1));
        let middle = (pts + end).nseconds() / 2;
        let (from, to) = (older.middle(), newer.middle());
        let share = if to > from { middle.saturating_sub(from) as f64 / (to - from) as f64 } else { 1.0 };
        let duration = end - pts;
        let near = |other: u64| middle.abs_diff(other) * 2 <= duration.nseconds();
        let shot = Shot {
            pts,
            duration,
            between: [older.buffer.clone(), newer.buffer.clone()],
            share: share.min(1.0) as f32,
            nearest: [near(from), near(to)],
        };
        Some((shot, middle))
    }
}

fn span(rate: gst::Fraction) -> gst::ClockTime {
    FrameGrid { rate }.span()
}

/// Whether latents go on without a pause.
fn follows(before: &Moment, after: &Moment) -> bool {
    let slack = (before.end - before.start).nseconds() as f64 * PAUSE;
    after.start > before.start && after.start.nseconds() as f64 <= before.end.nseconds() as f64 + slack
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: gst::ClockTime = gst::ClockTime::from_mseconds(40);

    fn latents(n: u64) -> gst::Buffer {
        let mut buffer = gst::Buffer::new();
        let b = buffer.get_mut().unwrap();
        b.set_pts(SPAN * n);
        b.set_duration(SPAN);
        b.set_offset(n);
        buffer
    }

    /// Frames of `count` latents: start, and the place among the latents.
    fn run(rate: (i32, i32), inputs: impl IntoIterator<Item = u64>) -> Vec<(gst::ClockTime, f64)> {
        let mut resampler = Resampler::new(gst::Fraction::new(25, 1), gst::Fraction::new(rate.0, rate.1));
        let mut out = Vec::new();
        let mut take = |shot: Shot| {
            let [a, b] = shot.between.each_ref().map(|b| b.offset() as f64);
            out.push((shot.pts, a + (b - a) * f64::from(shot.share)));
        };
        for n in inputs {
            resampler.push(latents(n));
            std::iter::from_fn(|| resampler.shot()).for_each(&mut take);
        }
        std::iter::from_fn(|| resampler.rest()).for_each(&mut take);
        out
    }

    #[test]
    fn an_hour_has_its_frames_and_no_drift() {
        gst::init().unwrap();
        // 3603.6 seconds: 108,000 frames at 30000/1001.
        let grid = Grid {
            origin: gst::ClockTime::ZERO,
            frames: FrameGrid { rate: gst::Fraction::new(30000, 1001) },
        };
        for frame in 0..108_000_u64 {
            let exact = u128::from(frame) * 1001 * 1_000_000_000 / 30000;
            assert_eq!(u128::from(grid.time(frame).nseconds()), exact);
            assert_eq!(grid.nearest(grid.time(frame)), frame);
        }
        let frames = run((30000, 1001), 0..90_090);
        assert_eq!(frames.len(), 108_000);
        for (k, (pts, place)) in frames.iter().enumerate() {
            assert_eq!(*pts, grid.time(k as u64));
            let middle = (k as f64 + 0.5) * 1001.0 / 30000.0;
            let wanted = (middle * 25.0 - 0.5).clamp(0.0, 90_089.0);
            assert!((place - wanted).abs() < 1e-3, "{k}: {place}, not {wanted}");
        }
    }

    #[test]
    fn every_rate_covers_the_time_of_the_latents() {
        gst::init().unwrap();
        for (rate, frames) in
            [((24, 1), 24), ((25, 1), 25), ((30, 1), 30), ((50, 1), 50), ((60000, 1001), 60), ((60, 1), 60)]
        {
            let out = run(rate, 0..25);
            assert_eq!(out.len(), frames, "{rate:?}");
            assert!(out.windows(2).all(|w| w[0].1 <= w[1].1), "{rate:?}: time runs backwards");
        }
    }

    #[test]
    fn a_pause_is_kept_and_the_grid_goes_on() {
        gst::init().unwrap();
        let out = run((50, 1), (0..5).chain(20..25));
        let times: Vec<u64> = out.iter().map(|(pts, _)| pts.mseconds() / 20).collect();
        let wanted: Vec<u64> = (0..10).chain(40..50).collect();
        assert_eq!(times, wanted);
        assert!(out.iter().all(|(_, place)| *place < 5.0 || *place >= 20.0), "moved during the pause");
    }

    #[test]
    fn each_of_the_latents_has_its_nearest_frame() {
        gst::init().unwrap();
        for rate in [(24, 1), (30, 1), (50, 1), (60, 1)] {
            let mut resampler = Resampler::new(gst::Fraction::new(25, 1), gst::Fraction::new(rate.0, rate.1));
            let mut near = [false; 20];
            for n in 0..20 {
                resampler.push(latents(n));
                while let Some(shot) = resampler.shot() {
                    for (buffer, nearest) in shot.between.iter().zip(shot.nearest) {
                        near[buffer.offset() as usize] |= nearest;
                    }
                }
            }
            assert!(near[..19].iter().all(|n| *n), "{rate:?}: {near:?}");
        }
    }
}
