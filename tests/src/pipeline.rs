// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running pipelines inside of the test.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use gst::prelude::*;

use crate::SAMPLE_RATE;

/// A pipeline that hangs is an error after this.
const TIMEOUT: gst::ClockTime = gst::ClockTime::from_seconds(120);

/// A frame as an appsink saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Presentation time, from the beginning of the stream.
    pub pts: Option<gst::ClockTime>,
    /// How long it is shown.
    pub duration: Option<gst::ClockTime>,
    /// Bytes in its payload.
    pub size: usize,
    /// Hash of its payload.
    pub hash: u64,
}

impl Frame {
    /// What the comparison of two frames needs.
    pub fn of(buffer: &gst::BufferRef) -> Self {
        let mut hasher = DefaultHasher::new();
        let map = buffer.map_readable().expect("a buffer can be read");
        map.as_slice().hash(&mut hasher);
        Self { pts: buffer.pts(), duration: buffer.duration(), size: map.size(), hash: hasher.finish() }
    }
}

/// A pipeline that is stopped when it is dropped.
pub struct Pipeline(gst::Pipeline);

impl Pipeline {
    /// Builds a launch line.
    pub fn parse(launch: &str) -> Self {
        crate::init();
        let element = gst::parse::launch(launch).unwrap_or_else(|e| panic!("{launch}: {e}"));
        Self(element.downcast().unwrap_or_else(|_| panic!("{launch}: not a pipeline")))
    }

    /// The element of that name.
    pub fn element(&self, name: &str) -> gst::Element {
        self.0.by_name(name).unwrap_or_else(|| panic!("no element {name}"))
    }

    /// The GStreamer object.
    pub fn object(&self) -> &gst::Pipeline {
        &self.0
    }

    /// Goes to a state and waits until it is reached.
    pub fn go(&self, state: gst::State) -> Result<(), String> {
        let set = self.0.set_state(state);
        if set == Ok(gst::StateChangeSuccess::Async) {
            self.wait_for(gst::MessageType::AsyncDone)
        } else if set.is_err() {
            Err(self.error().unwrap_or_else(|| format!("{state:?} was refused without an error message")))
        } else {
            Ok(())
        }
    }

    /// Starts to play, without waiting.
    pub fn play(&self) {
        if self.0.set_state(gst::State::Playing).is_err() {
            panic!(
                "{}",
                self.error().unwrap_or_else(|| "PLAYING was refused without an error message".into())
            );
        }
    }

    /// Plays to the end of the stream; an error message is returned as text.
    pub fn run(&self) -> Result<(), String> {
        self.run_within(TIMEOUT)
    }

    /// As [`Pipeline::run`], for what may take longer than a test.
    pub fn run_within(&self, limit: gst::ClockTime) -> Result<(), String> {
        self.play();
        self.wait_within(gst::MessageType::Eos, limit)
    }

    /// Waits for a message; an error message before it is returned as text.
    pub fn wait_for(&self, kind: gst::MessageType) -> Result<(), String> {
        self.wait_within(kind, TIMEOUT)
    }

    fn wait_within(&self, kind: gst::MessageType, limit: gst::ClockTime) -> Result<(), String> {
        let bus = self.0.bus().ok_or("no bus")?;
        let start = Instant::now();
        match bus.timed_pop_filtered(limit, &[kind, gst::MessageType::Error]) {
            Some(message) => text_of_error(&message).map_or(Ok(()), Err),
            None => Err(format!("no {kind:?} after {:.0} s", start.elapsed().as_secs_f64())),
        }
    }

    /// The first error message that waits on the bus.
    pub fn error(&self) -> Option<String> {
        let message = self.0.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        text_of_error(&message)
    }

    /// Keeps what comes to the appsink of that name.
    pub fn record(&self, sink: &str) -> Recording {
        let sink: gst_app::AppSink = self.element(sink).downcast().expect("an appsink");
        sink.set_sync(false);
        let recording = Recording::default();
        let frames = recording.clone();
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    let mut recording = frames.0.lock().expect("no test panics while it records");
                    recording.caps = sample.caps_owned();
                    // An edit list, as MP4 files have for reordered pictures, moves the stream's own times.
                    let segment = sample.segment().and_then(|s| s.downcast_ref::<gst::ClockTime>());
                    recording.frames.extend(sample.buffer().map(|buffer| {
                        let frame = Frame::of(buffer);
                        Frame { pts: segment.and_then(|s| s.to_running_time(frame.pts)), ..frame }
                    }));
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        recording
    }

    /// Feeds the appsrc of that name with speech in buffers of `chunk` samples, then with the end of the stream.
    ///
    /// The pipeline must be PAUSED or PLAYING, or on its way there.
    pub fn feed(&self, source: &str, samples: &[f32], chunk: usize) {
        let source: gst_app::AppSrc = self.element(source).downcast().expect("an appsrc");
        for (index, part) in samples.chunks(chunk).enumerate() {
            let time = |sample: usize| {
                gst::ClockTime::from_nseconds((sample as u64 * 1_000_000_000) / SAMPLE_RATE as u64)
            };
            let (start, end) = (index * chunk, index * chunk + part.len());
            let bytes: Vec<u8> = part.iter().flat_map(|v| v.to_le_bytes()).collect();
            let mut buffer = gst::Buffer::from_mut_slice(bytes);
            let header = buffer.get_mut().expect("a new buffer is writable");
            header.set_pts(time(start));
            header.set_duration(time(end) - time(start));
            source.push_buffer(buffer).expect("an appsrc takes a buffer");
        }
        source.end_of_stream().expect("an appsrc takes the end of the stream");
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // Nothing can be done about a pipeline that does not stop.
        let _ = self.0.set_state(gst::State::Null);
    }
}

fn text_of_error(message: &gst::Message) -> Option<String> {
    let gst::MessageView::Error(error) = message.view() else { return None };
    let debug = error.debug().unwrap_or_default();
    Some(format!("{} ({debug})", error.error()))
}

/// Frames of an appsink, filled while the pipeline runs.
#[derive(Clone, Default)]
pub struct Recording(Arc<Mutex<Recorded>>);

#[derive(Default)]
struct Recorded {
    caps: Option<gst::Caps>,
    frames: Vec<Frame>,
}

impl Recording {
    /// The frames so far.
    pub fn frames(&self) -> Vec<Frame> {
        self.0.lock().expect("no test panics while it records").frames.clone()
    }

    /// Caps of the newest frame.
    pub fn caps(&self) -> gst::Caps {
        let recorded = self.0.lock().expect("no test panics while it records");
        recorded.caps.clone().expect("nothing was recorded")
    }
}
