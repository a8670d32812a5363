// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `audiofeatures` knows of its stream, from start to stop. Never locked for longer than it takes to look something
//! up: see [`super::engine::Engine`].

use std::collections::VecDeque;
use std::slice::ChunksExactMut;

use super::clock::FrameClock;
use super::engine::{Engine, loudness};
use super::framer::{Framer, Placed};
use super::mixdown::Mixdown;
use super::settings::Settings;
use super::utterance::Utterances;
use crate::pack::PackError;
use crate::stream::element::Segment;
use crate::stream::tensor::{TensorInfo, TensorKind, buffer};
use crate::stream::turn::Turn;

/// Bytes of one float sample of one channel.
pub const SAMPLE_BYTES: usize = 4;

pub struct State {
    /// Caps of the output.
    caps: gst::Caps,
    /// The audio that waits for its frames.
    pub framer: Framer,
    /// Segment of the audio; its start is where its running time begins.
    pub segment: Option<Segment>,
    /// The segment cannot be spoken, which was said.
    pub refused: bool,
    /// Where the stream is live, what that needs.
    pub live: Option<Live>,
    /// All of the sound is there: nobody waits for a frame until the next sound is made.
    pub recorded: bool,
    /// Sound, or a gap in its place, came since the start.
    pub heard: bool,
    /// Where the voice begins and is over.
    pub utterances: Utterances,
    /// Makes one channel of several.
    mixdown: Mixdown,
    /// Samples of a buffer, reused.
    samples: Vec<f32>,
    /// The next buffer comes first after a flush, a gap or the start.
    pub discont: bool,
    /// What was counted since the start.
    pub counts: Counts,
    /// What was said since the start, because it is said once.
    pub warned: Warned,
    /// Frames that are made and not yet pushed.
    pub ready: VecDeque<Ready>,
}

/// A frame of features, and what has to be told before it.
pub struct Ready {
    pub buffer: gst::Buffer,
    pub turns: Vec<Turn>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Samples that came too late for their frame, whether they were heard later or not.
    pub late: u64,
    /// Samples that nobody heard.
    pub lost: u64,
    /// Frames that were made with silence because audio was missing.
    pub idle: u64,
}

/// What is said once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Warned {
    pub moved: bool,
    pub full: bool,
    pub hole: bool,
    pub back: bool,
    pub skipped: bool,
}

/// A live stream's output has a segment of its own, so that it goes on when the audio does not: timestamps are running
/// times.
pub struct Live {
    /// Latency of what comes before.
    pub upstream: gst::ClockTime,
    /// The output's segment must be sent, again after a flush.
    pub segment_due: bool,
    /// The audio has ended.
    pub eos: bool,
    /// Why nothing can be pushed any more.
    pub failed: Option<gst::FlowError>,
    /// Events that came behind audio which waits, and the frames that they come before.
    pub events: VecDeque<(u64, gst::Event)>,
}

impl Live {
    /// A stream that has begun.
    pub fn new(upstream: gst::ClockTime) -> Self {
        Self { upstream, segment_due: true, eos: false, failed: None, events: VecDeque::new() }
    }
}

/// A frame whose window is complete.
pub struct FrameSpan {
    pub number: u64,
    pub pts: gst::ClockTime,
    pub duration: gst::ClockTime,
    pub discont: bool,
    /// Level of the frame, and the highest in its look-ahead, in dB below full scale.
    pub loudness: [f32; 2],
    /// What has to be told before it.
    pub turns: Vec<Turn>,
}

impl State {
    /// Loads what the settings ask for.
    pub fn new(settings: &Settings) -> Result<(Self, Engine), PackError> {
        let (pack, device) = settings.model.open()?;
        let _threads = settings.model.limit_threads();
        let stage = pack.stage("features", device)?;
        let manifest = pack.manifest();
        let look_ahead = settings.look_ahead_samples(&pack)?;
        let missing = || PackError::NoStage { pack: pack.id(), stage: "features".into() };
        let shape = manifest.feature_shape().ok_or_else(missing)?;
        let fps = manifest.frame_rate().ok_or_else(missing)?;
        let clock = FrameClock { rate: manifest.clock.sample_rate, fps };
        let info = TensorInfo { kind: TensorKind::AudioFeatures, shape, framerate: fps, pack: pack.id() };
        let mut caps = info.to_caps();
        // The stages behind choose their models by it.
        caps.make_mut().set("look-ahead", look_ahead as i32);
        let window = manifest.clock.window_samples;
        let state = Self {
            framer: Framer::new(clock, window, look_ahead),
            segment: None,
            refused: false,
            live: None,
            recorded: false,
            heard: false,
            utterances: Utterances::default(),
            mixdown: Mixdown::new(1, clock.rate),
            samples: Vec::new(),
            caps,
            discont: true,
            counts: Counts::default(),
            warned: Warned::default(),
            ready: VecDeque::new(),
        };
        Ok((state, Engine::new(stage, window, info.len())))
    }

    /// Caps of the output.
    pub fn caps(&self) -> &gst::Caps {
        &self.caps
    }

    /// The audio has so many channels from now on.
    pub fn set_channels(&mut self, channels: usize) {
        if channels != self.mixdown.channels() {
            self.mixdown = Mixdown::new(channels, self.framer.clock().rate);
        }
    }

    /// Bytes of one sample of all channels.
    pub fn moment_bytes(&self) -> usize {
        SAMPLE_BYTES * self.mixdown.channels()
    }

    /// Takes a segment; false where it cannot be spoken.
    pub fn set_segment(&mut self, segment: &gst::Segment) -> bool {
        let segment = segment.downcast_ref::<gst::ClockTime>();
        self.refused = segment.is_some_and(|segment| segment.rate() < 0.0);
        self.segment = segment.filter(|_| !self.refused).map(from_its_offset);
        !self.refused
    }

    /// Places a buffer of audio on the grid; `now` is the running time of the clock, if there is one.
    pub fn place(
        &mut self,
        audio: &gst::BufferRef,
        now: Option<gst::ClockTime>,
    ) -> Result<Placed, buffer::SizeError> {
        self.samples.clear();
        self.samples.resize(audio.size() / SAMPLE_BYTES, 0.0);
        // A gap buffer is silence, whatever its bytes.
        if !audio.flags().contains(gst::BufferFlags::GAP) {
            buffer::read_f32(audio, &mut self.samples)?;
            self.samples.iter_mut().for_each(|s| *s = audible(*s));
        }
        self.mixdown.apply(&mut self.samples);
        let discont = audio.flags().contains(gst::BufferFlags::DISCONT);
        let position = audio.pts().and_then(|pts| self.position(pts));
        let now = now.map(|now| self.framer.clock().sample_at(now));
        let placed = self.framer.place(position, discont, now, &self.samples);
        self.counts.late += placed.late as u64;
        self.counts.lost += placed.lost as u64;
        Ok(placed)
    }

    /// Places the silence of a gap event.
    pub fn place_gap(&mut self, pts: gst::ClockTime, duration: gst::ClockTime) {
        self.heard = true;
        let start = self.segment.as_ref().and_then(|segment| segment.start()).unwrap_or_default();
        let (begin, end) = (pts.max(start), pts + duration);
        if end > begin {
            let position = self.position(begin);
            self.framer.place_silence(position, self.framer.clock().sample_at(end - begin));
        }
    }

    /// Grid position of a timestamp of the audio.
    fn position(&self, pts: gst::ClockTime) -> Option<u64> {
        Some(self.framer.clock().sample_at(grid_time(self.segment.as_ref()?, pts)?))
    }

    /// The next frames whose windows are complete, and their windows, as many as there are places: of a live stream one.
    /// Those of a recording wait until there are so many, unless `all` of them are asked for.
    pub fn next_frames(&mut self, places: ChunksExactMut<'_, f32>, all: bool) -> Vec<FrameSpan> {
        let most = if self.live.is_some() { 1 } else { places.len() };
        if self.recorded && !all && self.framer.complete(most) < most {
            return Vec::new();
        }
        places.take(most).map_while(|window| self.next(window)).collect()
    }

    /// The next frame whose window is complete, and its window.
    fn next(&mut self, window: &mut [f32]) -> Option<FrameSpan> {
        let number = self.framer.next(window)?;
        let clock = self.framer.clock();
        let (begin, end) =
            (self.timestamp(clock.frame_time(number)), self.timestamp(clock.frame_time(number + 1)));
        let discont = std::mem::take(&mut self.discont) | self.framer.take_skipped();
        let duration = end.saturating_sub(begin);
        let turns = self.turns(number, begin, duration, window);
        let loudness = loudness(window, self.framer.look_ahead() as usize);
        Some(FrameSpan { number, pts: begin, duration, discont, loudness, turns })
    }

    /// What a frame tells of the voice, whose window this is.
    fn turns(
        &mut self,
        number: u64,
        pts: gst::ClockTime,
        duration: gst::ClockTime,
        window: &[f32],
    ) -> Vec<Turn> {
        let clock = self.framer.clock();
        let count =
            clock.frame_end(number) - number.checked_sub(1).map_or(0, |before| clock.frame_end(before));
        // The frame's own samples stand before its look-ahead.
        let end = window.len().saturating_sub(self.framer.look_ahead() as usize);
        let own = window.get(end.saturating_sub(count as usize)..end).unwrap_or_default();
        let peak = own.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        let running = match &self.segment {
            Some(segment) if self.live.is_none() => segment.to_running_time(pts),
            _ => Some(pts),
        };
        running.map_or_else(Vec::new, |begin| self.utterances.frame(number, begin, begin + duration, peak))
    }

    /// The output's timestamp at a grid time.
    fn timestamp(&self, grid: gst::ClockTime) -> gst::ClockTime {
        match &self.segment {
            Some(segment) if self.live.is_none() => stream_position(segment, grid),
            _ => grid,
        }
    }

    /// Forgets what was heard. `resume` where the same presentation goes on, as after an interruption.
    pub fn reset(&mut self, resume: bool) {
        self.mixdown.reset();
        self.ready.clear();
        if resume && self.live.is_some() {
            self.framer.interrupt();
        } else {
            self.framer.reset();
            self.discont = true;
        }
    }

    /// Frame and look-ahead: what the element adds to the latency before anything is computed.
    pub fn latency(&self) -> gst::ClockTime {
        let clock = self.framer.clock();
        clock.frame_time(1) + clock.duration_of(self.framer.look_ahead())
    }
}

/// The same segment from where its running time begins: a pad offset below zero hides its first part.
fn from_its_offset(segment: &Segment) -> Segment {
    let mut segment = segment.clone();
    if let (Some(start), Some(offset)) = (segment.start(), segment.offset()) {
        segment.set_start(start + offset);
        segment.set_offset(gst::ClockTime::ZERO);
    }
    segment
}

/// A sample as a loudspeaker would play it. Broken sources send NaN and numbers that overflow in a spectrum; a stream must
/// not end for them.
fn audible(sample: f32) -> f32 {
    if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) }
}

/// Time since the start of the presentation: running time at normal speed. Other speeds keep the stream's own pace,
/// because the sound that arrives does.
fn grid_time(segment: &Segment, pts: gst::ClockTime) -> Option<gst::ClockTime> {
    let start = segment.start()?;
    Some(pts.checked_sub(start)? + segment.base().unwrap_or_default())
}

/// The stream's timestamp at a grid time.
fn stream_position(segment: &Segment, grid: gst::ClockTime) -> gst::ClockTime {
    let start = segment.start().unwrap_or_default();
    (grid + start).checked_sub(segment.base().unwrap_or_default()).unwrap_or(start)
}
