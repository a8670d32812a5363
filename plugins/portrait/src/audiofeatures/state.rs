//! What `audiofeatures` holds from start to stop.

use std::sync::Arc;

use super::clock::FrameClock;
use super::framer::{Framer, Placed};
use super::settings::{LookAhead, Settings};
use crate::element::Segment;
use crate::pack::{PackError, Stage};
use crate::tensor::{TensorInfo, TensorKind, buffer};

/// Bytes of one mono float sample.
pub const SAMPLE_BYTES: usize = 4;

pub struct State {
    stage: Arc<Stage>,
    caps: gst::Caps,
    pub framer: Framer,
    /// Segment of the audio.
    pub segment: Option<Segment>,
    /// Where the stream is live, what that needs.
    pub live: Option<Live>,
    /// Sound, or a gap in its place, came since the start.
    pub heard: bool,
    /// Samples of a buffer, reused.
    samples: Vec<f32>,
    /// Samples of one window, reused.
    window: Vec<f32>,
    /// Numbers of one frame's features, reused.
    features: Vec<f32>,
    /// The next buffer comes first after a flush, a gap or the start.
    pub discont: bool,
    /// Samples that came too late for their frame.
    pub late: u64,
    /// Frames that were made with silence because audio was missing.
    pub idle: u64,
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
}

impl State {
    pub fn new(settings: &Settings) -> Result<Self, PackError> {
        let (pack, device) = settings.model.open()?;
        let _threads = settings.model.limit_threads();
        let stage = pack.stage("features", device)?;
        let manifest = pack.manifest();
        let look_ahead = match (settings.look_ahead, &manifest.low_latency) {
            (LookAhead::Quality, _) => manifest.clock.look_ahead_samples,
            (LookAhead::Low, Some(low)) => low.look_ahead_samples,
            (LookAhead::Low, None) => return Err(PackError::NoLowLatency(pack.id())),
        };
        let missing = || PackError::NoStage { pack: pack.id(), stage: "features".into() };
        let shape = manifest.feature_shape().ok_or_else(missing)?;
        let fps = manifest.frame_rate().ok_or_else(missing)?;
        let clock = FrameClock { rate: manifest.clock.sample_rate, fps };
        let info = TensorInfo { kind: TensorKind::AudioFeatures, shape, framerate: fps, pack: pack.id() };
        let mut caps = info.to_caps();
        // The stages behind choose their models by it.
        caps.make_mut().set("look-ahead", look_ahead as i32);
        Ok(Self {
            stage,
            framer: Framer::new(clock, manifest.clock.window_samples, look_ahead),
            segment: None,
            live: None,
            heard: false,
            samples: Vec::new(),
            window: vec![0.0; manifest.clock.window_samples],
            features: vec![0.0; info.len()],
            caps,
            discont: true,
            late: 0,
            idle: 0,
        })
    }

    /// Caps of the output.
    pub fn caps(&self) -> &gst::Caps {
        &self.caps
    }

    /// Places a buffer of audio on the grid.
    pub fn place(&mut self, audio: &gst::BufferRef) -> Result<Placed, buffer::SizeError> {
        self.samples.clear();
        self.samples.resize(audio.size() / SAMPLE_BYTES, 0.0);
        // A gap buffer is silence, whatever its bytes.
        if !audio.flags().contains(gst::BufferFlags::GAP) {
            buffer::read_f32(audio, &mut self.samples)?;
            self.samples.iter_mut().for_each(|s| *s = audible(*s));
        }
        let discont = audio.flags().contains(gst::BufferFlags::DISCONT);
        let position = audio.pts().and_then(|pts| self.position(pts));
        let placed = self.framer.place(position, discont, &self.samples);
        self.late += placed.late as u64;
        Ok(placed)
    }

    /// Places the silence of a gap event.
    pub fn place_gap(&mut self, pts: gst::ClockTime, duration: gst::ClockTime) {
        self.heard = true;
        let position = self.position(pts);
        self.framer.place_silence(position, self.framer.clock().sample_at(duration));
    }

    /// Grid position of a timestamp of the audio.
    fn position(&self, pts: gst::ClockTime) -> Option<u64> {
        Some(self.framer.clock().sample_at(grid_time(self.segment.as_ref()?, pts)?))
    }

    /// Features of the next frame whose window is complete.
    pub fn next(&mut self) -> Result<Option<gst::Buffer>, PackError> {
        let Some(number) = self.framer.next(&mut self.window) else { return Ok(None) };
        let [output] = self.stage.run_for(&[self.stage.input(0, &self.window)?])?;
        self.stage.read(&output, &mut self.features)?;
        let mut buffer = buffer::from_f32(&self.features);
        let clock = self.framer.clock();
        let (begin, end) =
            (self.timestamp(clock.frame_time(number)), self.timestamp(clock.frame_time(number + 1)));
        if let Some(out) = buffer.get_mut() {
            out.set_offset(number);
            out.set_offset_end(number + 1);
            out.set_pts(begin);
            out.set_duration(end.saturating_sub(begin));
            if std::mem::take(&mut self.discont) {
                out.set_flags(gst::BufferFlags::DISCONT);
            }
        }
        Ok(Some(buffer))
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
