// SPDX-License-Identifier: MIT OR Apache-2.0
//! Films: one that is written as a file, and one of two people through `facedub` with what became of each mouth.

use std::path::Path;
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::time::Duration;

use gst::prelude::*;
use gstportrait::stream::tensor::buffer;
use gstportrait::stream::tensor::marks::{Drawn, TrackMark, read_drawn};
use gstportrait::stream::tensor::voices::VoiceMeta;

use super::{COUPLE_CAPS, FRAME, FRAME_SAMPLES, VIDEO_CAPS, init, speech, video};

pub const VOICE: &str =
    "format=time max-bytes=0 caps=audio/x-raw,format=F32LE,layout=interleaved,rate=16000,channels=1";

/// Writes frames as a file that a decoder reads.
pub fn write_clip(path: &Path, frames: impl Iterator<Item = gst::Buffer>) {
    init();
    let line = gst::parse::launch(&format!(
        "appsrc name=video format=time max-bytes=0 caps={VIDEO_CAPS} ! videoconvert ! jpegenc quality=95 ! avimux \
         ! filesink location={}",
        path.display()
    ));
    let pipeline: gst::Pipeline = line.unwrap().downcast().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let source = pipeline.by_name("video").unwrap();
    for frame in frames {
        let _ = source.emit_by_name::<gst::FlowReturn>("push-buffer", &[&frame]);
    }
    let _ = source.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
    let bus = pipeline.bus().unwrap();
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &kinds).expect("the clip is written");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
}

/// A frame as it came out: what became of the mouths of two voices, and how many bytes were written in each half.
#[derive(Clone, Debug)]
pub struct Frame {
    pub time: gst::ClockTime,
    pub voices: [Option<(Drawn, f64)>; 2],
    pub main: Drawn,
    pub found: [bool; 2],
    pub halves: [usize; 2],
}

/// All of them so far, and whether that is all.
pub type Frames = (Vec<Frame>, bool);

#[derive(Clone, Default)]
pub struct Seen(Arc<(Mutex<Frames>, Condvar)>);

impl Seen {
    pub fn change(&self, change: impl FnOnce(&mut Frames)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    pub fn wait(&self, enough: impl Fn(&Frames) -> bool) -> Vec<Frame> {
        let seen = self.0.0.lock().unwrap();
        let (seen, time) =
            self.0.1.wait_timeout_while(seen, Duration::from_secs(60), |seen| !enough(seen)).unwrap();
        assert!(!time.timed_out(), "it hangs after {} frames: {:?}", seen.0.len(), seen.0);
        seen.0.clone()
    }

    pub fn frames(&self, count: usize) -> Vec<Frame> {
        self.wait(|seen| seen.0.len() >= count)
    }

    pub fn end(&self) -> Vec<Frame> {
        self.wait(|seen| seen.1)
    }
}

/// Two people who both stay.
pub fn pair(n: u64) -> gst::Buffer {
    static OTHER: LazyLock<image::RgbImage> = LazyLock::new(|| {
        let photo = image::open(super::photo("portrait-astronaut.png")).unwrap().into_rgb8();
        image::imageops::thumbnail(&photo, 236, 236)
    });
    let mut frame = image::RgbImage::from_pixel(640, 240, image::Rgb([90, 110, 130]));
    let left = image::RgbImage::from_raw(320, 240, video(n).map_readable().unwrap().to_vec()).unwrap();
    image::imageops::replace(&mut frame, &left, 0, 0);
    image::imageops::replace(&mut frame, &*OTHER, 380 - (n % 40) as i64, 4);
    super::at(n, gst::Buffer::from_slice(frame.into_raw()))
}

pub struct Film {
    pub pipeline: gst::Pipeline,
    pub dub: gst::Element,
    pub bus: gst::Bus,
    pub seen: Seen,
}

impl Film {
    /// A film with a `facedub` of those properties, and what follows it in the launch line.
    pub fn new(properties: &str, rest: &str) -> Self {
        Self::of(&format!(
            "appsrc name=video format=time max-bytes=0 caps={COUPLE_CAPS} ! facedub name=dub {properties} \
             ! fakesink name=sink sync=false {rest}"
        ))
    }

    pub fn of(text: &str) -> Self {
        init();
        let pipeline: gst::Pipeline = gst::parse::launch(text).unwrap().downcast().unwrap();
        let dub = pipeline.by_name("dub").unwrap();
        let bus = pipeline.bus().unwrap();
        let seen = Seen::default();
        let sent = seen.clone();
        let sink = pipeline.by_name("sink").unwrap().static_pad("sink").unwrap();
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        sink.add_probe(kinds, move |pad, info| {
            match &info.data {
                Some(gst::PadProbeData::Buffer(frame)) => {
                    let segment = pad.sticky_event::<gst::event::Segment>(0).unwrap();
                    let segment = segment.segment().downcast_ref::<gst::ClockTime>().unwrap().clone();
                    if let Some(time) = segment.to_running_time(frame.pts()) {
                        sent.change(|seen| seen.0.push(read(frame, time)));
                    }
                }
                Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Eos => {
                    sent.change(|seen| seen.1 = true);
                }
                _ => (),
            }
            gst::PadProbeReturn::Ok
        });
        Self { pipeline, dub, bus, seen }
    }

    pub fn state(&self, state: gst::State) {
        self.pipeline.set_state(state).unwrap();
    }

    pub fn push(&self, source: &str, buffer: gst::Buffer) {
        let source = self.pipeline.by_name(source).unwrap();
        let _ = source.emit_by_name::<gst::FlowReturn>("push-buffer", &[&buffer]);
    }

    pub fn video(&self, frames: std::ops::Range<u64>) {
        frames.for_each(|n| self.push("video", pair(n)));
    }

    /// A voice that speaks in some of the frames, and is silent in the others.
    pub fn voice(&self, source: &str, frames: std::ops::Range<u64>, speaks: std::ops::Range<u64>) {
        for n in frames {
            let start = n as usize * FRAME_SAMPLES;
            let said =
                if speaks.contains(&n) { speech(start, FRAME_SAMPLES) } else { vec![0.0; FRAME_SAMPLES] };
            self.push(source, super::at(n, buffer::from_f32(&said)));
        }
    }

    pub fn end(&self, sources: &[&str]) {
        for source in sources {
            let source = self.pipeline.by_name(source).unwrap();
            let _ = source.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
        }
    }

    /// A source that is added while the film runs, linked to a new pad of that name.
    pub fn add_voice(&self, source: &str, pad: &str, face: &str) -> gst::Pad {
        let added = gst::parse::launch(&format!("appsrc name={source} {VOICE}")).unwrap();
        self.pipeline.add(&added).unwrap();
        let pad = self.dub.request_pad_simple(pad).unwrap();
        pad.set_property("face", face);
        added.static_pad("src").unwrap().link(&pad).unwrap();
        added.sync_state_with_parent().unwrap();
        pad
    }

    pub fn children(&self) -> Vec<String> {
        self.dub.downcast_ref::<gst::Bin>().unwrap().children().iter().map(|c| c.name().to_string()).collect()
    }

    pub fn warnings(&self) -> Vec<String> {
        let messages = std::iter::from_fn(|| self.bus.pop_filtered(&[gst::MessageType::Warning]));
        messages
            .filter_map(|message| match message.view() {
                gst::MessageView::Warning(warning) => Some(warning.error().message().to_owned()),
                _ => None,
            })
            .collect()
    }
}

impl Drop for Film {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

/// The bytes that the film itself has there are those of [`pair`], whose number is its time's.
pub fn read(frame: &gst::BufferRef, time: gst::ClockTime) -> Frame {
    let n = frame.pts().unwrap().nseconds() / FRAME.nseconds();
    let (input, output) = (pair(n), frame.map_readable().unwrap());
    let mut halves = [0; 2];
    for (i, (a, b)) in input.map_readable().unwrap().iter().zip(output.iter()).enumerate() {
        halves[i % (640 * 3) / (320 * 3)] += usize::from(a != b);
    }
    let metas = [VoiceMeta::new(0), VoiceMeta::new(1)];
    Frame {
        time,
        voices: [0, 1].map(|voice: usize| metas[voice].drawn(frame)),
        main: read_drawn(frame).expect("every frame says what became of its mouth").0,
        found: [0, 1].map(|voice: usize| metas[voice].mark(frame).is_some_and(|mark: TrackMark| mark.found)),
        halves,
    }
}

/// Frames in which a half was drawn.
pub fn busy(frames: &[Frame], side: usize) -> usize {
    frames.iter().filter(|frame| frame.halves[side] > 100).count()
}

pub fn two(properties: &str) -> String {
    format!("{properties} appsrc name=first {VOICE} ! dub.voice_0  appsrc name=second {VOICE} ! dub.voice_1")
}

pub const LEFT_AND_RIGHT: &str = "silence-passthrough=40 voice_0::face=1 voice_1::face=right";
