// SPDX-License-Identifier: MIT OR Apache-2.0
//! `facedub` between two streams that come, stop, flush, seek and end as they like.

mod common;

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use common::{FRAME, FRAME_SAMPLES, VIDEO_CAPS, init, speech, video};
use gst::prelude::*;
use gstportrait::stream::tensor::buffer;
use gstportrait::stream::tensor::marks::{Drawn, read_drawn};

const VOICE_CAPS: &str = "audio/x-raw,format=F32LE,layout=interleaved,rate=16000,channels=1";

/// What comes out, as it comes.
#[derive(Clone, Default)]
struct Out(Arc<(Mutex<Seen>, Condvar)>);

#[derive(Clone, Default)]
struct Seen {
    /// Running times of frames, and what became of them.
    frames: Vec<(gst::ClockTime, Drawn, f64)>,
    sizes: Vec<i32>,
    size: i32,
    ended: bool,
}

impl Out {
    /// Watches a pad.
    fn watch(pad: &gst::Pad) -> Self {
        let out = Self::default();
        let seen = out.clone();
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(kinds, move |pad, info| {
            seen.change(|seen| match &info.data {
                Some(gst::PadProbeData::Buffer(frame)) => {
                    let segment = pad.sticky_event::<gst::event::Segment>(0).unwrap();
                    let segment = segment.segment().downcast_ref::<gst::ClockTime>().unwrap().clone();
                    let (drawn, amount) = read_drawn(frame).expect("every frame says what became of it");
                    // What a parser sends before a segment is not shown.
                    if let Some(time) = segment.to_running_time(frame.pts()) {
                        seen.frames.push((time, drawn, amount));
                        seen.sizes.push(seen.size);
                    }
                }
                Some(gst::PadProbeData::Event(event)) => match event.view() {
                    gst::EventView::Eos(_) => seen.ended = true,
                    gst::EventView::Caps(caps) => {
                        seen.size = caps.caps().structure(0).unwrap().get("width").unwrap();
                    }
                    _ => (),
                },
                _ => (),
            });
            gst::PadProbeReturn::Ok
        });
        out
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    /// Waits until so much was seen.
    fn wait(&self, enough: impl Fn(&Seen) -> bool) -> Seen {
        let seen = self.0.0.lock().unwrap();
        let (seen, time) =
            self.0.1.wait_timeout_while(seen, Duration::from_secs(60), |seen| !enough(seen)).unwrap();
        assert!(!time.timed_out(), "it hangs after {} frames: {:?}", seen.frames.len(), seen.frames);
        seen.clone()
    }

    fn end(&self) -> Seen {
        self.wait(|seen| seen.ended)
    }
}

impl Seen {
    fn drawn(&self) -> Vec<Drawn> {
        self.frames.iter().map(|(_, drawn, _)| *drawn).collect()
    }
}

/// A stream to a pad.
struct Feed(gst::Pad);

impl Feed {
    fn new(dub: &gst::Element, pad: &str) -> Self {
        let source = gst::Pad::builder(gst::PadDirection::Src).build();
        source.set_active(true).unwrap();
        source.link(&dub.static_pad(pad).unwrap()).unwrap();
        Self(source)
    }

    fn event(&self, event: gst::Event) {
        self.0.push_event(event);
    }

    /// A stream with these caps.
    fn begin(&self, caps: &str) {
        self.event(gst::event::StreamStart::new(self.0.name().as_str()));
        self.caps(caps);
        self.goes_on(0);
    }

    fn caps(&self, caps: &str) {
        self.event(gst::event::Caps::new(&caps.parse::<gst::Caps>().unwrap()));
    }

    /// A segment that begins with frame `first`, whose running time is its timestamp.
    fn goes_on(&self, first: u64) {
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        segment.set_base(FRAME * first);
        segment.set_start(FRAME * first);
        segment.set_time(FRAME * first);
        self.event(gst::event::Segment::new(&segment));
    }

    fn flush(&self) {
        self.event(gst::event::FlushStart::new());
        self.event(gst::event::FlushStop::new(true));
    }

    fn video(&self, frames: std::ops::Range<u64>) {
        for n in frames {
            let _ = self.0.push(video(n));
        }
    }

    fn voice(&self, frames: std::ops::Range<u64>) {
        for n in frames {
            if self.0.push(word(n)).is_err() {
                return;
            }
        }
    }

    fn end(&self) {
        self.event(gst::event::Eos::new());
    }
}

/// What is said in a frame.
fn word(n: u64) -> gst::Buffer {
    common::at(n, buffer::from_f32(&speech(n as usize * FRAME_SAMPLES, FRAME_SAMPLES)))
}

/// The element alone, its two streams and what comes out.
struct Stage {
    dub: gst::Element,
    video: Feed,
    voice: Feed,
    out: Out,
    _sink: gst::Pad,
}

impl Stage {
    fn new() -> Self {
        init();
        let dub = gst::ElementFactory::make("facedub").build().unwrap();
        // Without a template it would ask for the caps that it has.
        let (direction, presence) = (gst::PadDirection::Sink, gst::PadPresence::Always);
        let any = gst::PadTemplate::new("sink", direction, presence, &gst::Caps::new_any()).unwrap();
        let sink = gst::Pad::builder_from_template(&any)
            .chain_function(|_, _, _| Ok(gst::FlowSuccess::Ok))
            .event_function(|_, _, _| true)
            .build();
        sink.set_active(true).unwrap();
        dub.static_pad("src").unwrap().link(&sink).unwrap();
        let out = Out::watch(&sink);
        dub.set_state(gst::State::Playing).unwrap();
        let (video, voice) = (Feed::new(&dub, "video"), Feed::new(&dub, "voice"));
        Self { dub, video, voice, out, _sink: sink }
    }

    /// Feeds both at once, each on its own thread, from their first frames to their end.
    fn play(&self, video: impl FnOnce(&Feed) + Send, voice: impl FnOnce(&Feed) + Send) -> Seen {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                self.video.begin(VIDEO_CAPS);
                video(&self.video);
                self.video.end();
            });
            scope.spawn(|| {
                self.voice.begin(VOICE_CAPS);
                voice(&self.voice);
                self.voice.end();
            });
            let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.out.end()));
            // Whoever still pushes comes back.
            self.dub.set_state(gst::State::Null).unwrap();
            end
        })
        .unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.dub.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn a_gap_in_the_voice_is_a_pause_and_the_voice_comes_back() {
    let seen = Stage::new().play(
        |video| video.video(0..60),
        |voice| {
            voice.voice(0..15);
            voice.event(gst::event::Gap::builder(FRAME * 15).duration(FRAME * 25).build());
            voice.voice(40..60);
        },
    );
    let drawn = seen.drawn();
    assert_eq!(drawn.len(), 60);
    assert!(drawn[2..14].iter().all(|d| *d == Drawn::Voice), "{drawn:?}");
    // A voice is heard a little before it speaks.
    assert!(drawn[24..34].iter().all(|d| *d != Drawn::Voice), "{drawn:?}");
    assert!(drawn[43..57].iter().filter(|d| **d == Drawn::Voice).count() > 8, "{drawn:?}");
}

#[test]
fn either_may_end_first() {
    let seen = Stage::new().play(|video| video.video(0..40), |voice| voice.voice(0..12));
    let drawn = seen.drawn();
    assert_eq!(drawn.len(), 40);
    assert_eq!(drawn[30..], [Drawn::NoVoice; 10], "the film goes on as it was");
    assert_eq!(seen.frames[39].2, 0.0);
    let seen = Stage::new().play(
        |video| video.video(0..12),
        |voice| {
            // Whoever forks the sound before the element has another branch, which is not to end here.
            let told = (0..400).map(|n| voice.0.push(word(n))).find(Result::is_err);
            assert_ne!(told, Some(Err(gst::FlowError::Eos)));
        },
    );
    assert_eq!(seen.drawn().len(), 12);
}

#[test]
fn a_voice_that_ended_may_begin_again() {
    let stage = Stage::new();
    let (out, again) = (stage.out.clone(), std::sync::Barrier::new(2));
    let seen = stage.play(
        |video| {
            video.video(0..20);
            again.wait();
            video.video(20..50);
        },
        |voice| {
            voice.voice(0..10);
            voice.end();
            out.wait(|seen| seen.frames.len() == 20);
            voice.event(gst::event::StreamStart::new("again"));
            voice.caps(VOICE_CAPS);
            voice.goes_on(20);
            again.wait();
            voice.voice(20..50);
        },
    );
    let drawn = seen.drawn();
    assert_eq!(drawn.len(), 50);
    assert_eq!(drawn[15..20], [Drawn::NoVoice; 5], "{drawn:?}");
    assert!(drawn[22..48].iter().filter(|d| **d == Drawn::Voice).count() > 12, "{drawn:?}");
}

#[test]
fn a_voice_that_flushes_alone_begins_again_where_its_new_segment_does() {
    let stage = Stage::new();
    let out = stage.out.clone();
    let seen = stage.play(
        |video| video.video(0..60),
        |voice| {
            voice.voice(0..20);
            out.wait(|seen| seen.frames.len() >= 10);
            voice.flush();
            voice.goes_on(20);
            voice.voice(20..60);
        },
    );
    let drawn = seen.drawn();
    assert_eq!(drawn.len(), 60);
    assert!(drawn[30..55].iter().filter(|d| **d == Drawn::Voice).count() > 15, "{drawn:?}");
}

#[test]
fn a_video_that_flushes_alone_goes_on_and_ends() {
    let stage = Stage::new();
    let out = stage.out.clone();
    let seen = stage.play(
        |video| {
            video.video(0..12);
            out.wait(|seen| seen.frames.len() >= 6);
            video.flush();
            video.goes_on(12);
            video.video(12..50);
        },
        |voice| voice.voice(0..50),
    );
    let drawn = seen.drawn();
    let after: Vec<_> = seen.frames.iter().filter(|(t, ..)| *t >= FRAME * 16).map(|f| f.1).collect();
    assert_eq!(after.len(), 34, "{:?}", seen.frames);
    assert!(after.iter().filter(|d| **d == Drawn::Voice).count() > 25, "{drawn:?}");
}

#[test]
fn frames_of_another_size_are_drawn_too() {
    let wide = "video/x-raw,format=RGB,width=480,height=360,framerate=25/1";
    let large = |n| {
        let small = image::RgbImage::from_raw(320, 240, video(n).map_readable().unwrap().to_vec()).unwrap();
        let large = image::imageops::resize(&small, 480, 360, image::imageops::FilterType::Triangle);
        common::at(n, gst::Buffer::from_slice(large.into_raw()))
    };
    let seen = Stage::new().play(
        |video| {
            video.video(0..15);
            video.caps(wide);
            for n in 15..30 {
                video.0.push(large(n)).unwrap();
            }
            video.caps(VIDEO_CAPS);
            video.video(30..45);
        },
        |voice| voice.voice(0..45),
    );
    let drawn = seen.drawn();
    assert_eq!(seen.sizes, [vec![320; 15], vec![480; 15], vec![320; 15]].concat());
    for part in [3..15, 18..30, 33..44] {
        assert!(drawn[part].iter().filter(|d| **d == Drawn::Voice).count() >= 8, "{drawn:?}");
    }
}

/// A pipeline of a launch line, in which `dub` sends frames to `sink`.
struct Line {
    pipeline: gst::Pipeline,
    out: Out,
}

impl Line {
    fn new(text: &str) -> Self {
        init();
        let pipeline: gst::Pipeline = gst::parse::launch(text).unwrap().downcast().unwrap();
        let out = Out::watch(&pipeline.by_name("sink").unwrap().static_pad("sink").unwrap());
        Self { pipeline, out }
    }

    fn play(&self) {
        self.pipeline.set_state(gst::State::Playing).unwrap();
    }

    fn push(&self, source: &str, buffers: impl IntoIterator<Item = gst::Buffer>) {
        let source = self.pipeline.by_name(source).unwrap();
        for buffer in buffers {
            let _ = source.emit_by_name::<gst::FlowReturn>("push-buffer", &[&buffer]);
        }
    }

    fn end(&self, source: &str) {
        let source = self.pipeline.by_name(source).unwrap();
        let _ = source.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

fn film() -> String {
    format!(
        "appsrc name=video format=time max-bytes=0 caps={VIDEO_CAPS} ! facedub name=dub ! fakesink name=sink sync=false"
    )
}

#[test]
fn a_voice_whose_elements_are_linked_late_is_waited_for() {
    let line = Line::new(&format!("{} audioconvert name=late ! audioresample ! dub.voice", film()));
    line.play();
    line.push("video", (0..20).map(video));
    line.end("video");
    // Whoever does not wait has passed frames by now.
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(line.out.wait(|_| true).frames.len(), 0);
    let source = gst::parse::launch(&format!("appsrc name=voice format=time max-bytes=0 caps={VOICE_CAPS}"));
    let source = source.unwrap();
    line.pipeline.add(&source).unwrap();
    source.link(&line.pipeline.by_name("late").unwrap()).unwrap();
    source.sync_state_with_parent().unwrap();
    line.push("voice", (0..20).map(word));
    line.end("voice");
    let drawn = line.out.end().drawn();
    assert!(drawn.iter().all(|d| matches!(d, Drawn::Voice | Drawn::Silence)), "{drawn:?}");
    assert!(drawn[..10].iter().filter(|d| **d == Drawn::Voice).count() > 5, "{drawn:?}");
}

#[test]
fn a_voice_whose_decoder_shows_it_late_is_waited_for() {
    // The decoder is linked when it knows what it decodes; each piece of the file takes a while.
    let line = Line::new(&format!(
        "{} filesrc blocksize=65536 location={} ! identity sleep-time=700000 ! decodebin ! dub.voice",
        film(),
        common::photo("speech-am_michael.wav").display()
    ));
    line.play();
    line.push("video", (0..40).map(video));
    line.end("video");
    let drawn = line.out.end().drawn();
    let waited = drawn.iter().all(|d| matches!(d, Drawn::Voice | Drawn::Silence));
    assert!(drawn.len() == 40 && waited, "{drawn:?}");
}

#[test]
fn a_voice_that_nobody_links_is_not_waited_for_nor_one_that_was_taken_away() {
    // A decoder that has shown what it has brings none.
    let line = Line::new(&format!(
        "{} filesrc location={} ! decodebin ! fakesink",
        film(),
        common::photo("speech-am_michael.wav").display()
    ));
    line.play();
    line.push("video", (0..6).map(video));
    line.end("video");
    assert_eq!(line.out.end().drawn(), [Drawn::NoVoice; 6]);

    let line = Line::new(&format!(
        "{} appsrc name=voice format=time max-bytes=0 caps={VOICE_CAPS} ! audioconvert name=c ! dub.voice",
        film()
    ));
    line.play();
    line.push("video", (0..10).map(video));
    line.push("voice", (0..20).map(word));
    line.out.wait(|seen| seen.frames.len() >= 10);
    let (source, convert) = (line.pipeline.by_name("voice").unwrap(), line.pipeline.by_name("c").unwrap());
    source.unlink(&convert);
    line.push("video", (10..40).map(video));
    line.end("video");
    let drawn = line.out.wait(|seen| seen.frames.len() == 40).drawn();
    assert_eq!(drawn[30..], [Drawn::NoVoice; 10], "{drawn:?}");
}

/// Films and voices that seek, looped by segments without a flush, then with one, into the middle.
#[test]
fn segments_of_a_film_and_its_voice_loop() {
    const FRAMES: u64 = 12;
    init();
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("film.rgb");
    let frames: Vec<u8> = (0..40).flat_map(|n| video(n).map_readable().unwrap().to_vec()).collect();
    std::fs::write(&raw, frames).unwrap();
    let line = Line::new(&format!(
        "filesrc blocksize=230400 location={} ! rawvideoparse format=rgb width=320 height=240 framerate=25/1 \
         ! facedub name=dub ! fakesink name=sink sync=false  filesrc location={} ! wavparse ! dub.voice",
        raw.display(),
        common::photo("speech-am_michael.wav").display()
    ));
    let bus = line.pipeline.bus().unwrap();
    line.pipeline.set_state(gst::State::Paused).unwrap();
    line.pipeline.state(gst::ClockTime::from_seconds(60)).0.unwrap();
    let seek = |flags, from: u64| {
        let (set, [start, stop]) = (gst::SeekType::Set, [from, from + FRAMES].map(|n| FRAME * n));
        line.pipeline.seek(1.0, flags | gst::SeekFlags::ACCURATE, set, start, set, stop).unwrap();
    };
    seek(gst::SeekFlags::FLUSH | gst::SeekFlags::SEGMENT, 8);
    line.out.change(|seen| seen.frames.clear());
    line.play();
    for (round, from) in [(1, 8), (2, 8), (3, 20)] {
        line.out.wait(|seen| seen.frames.len() >= round * FRAMES as usize);
        assert_eq!(common::bus_error(&bus), None);
        let last = round == 3;
        seek(if last { gst::SeekFlags::FLUSH } else { gst::SeekFlags::SEGMENT }, from);
    }
    let seen = line.out.end();
    // The recording speaks in all of them; where a segment ends is the parser's matter.
    let within: Vec<_> = seen.frames.iter().filter(|(time, ..)| *time < FRAME * FRAMES * 3).collect();
    assert!(within.len().abs_diff(4 * FRAMES as usize) <= 4, "{:?}", seen.frames);
    // A parser that gives a frame beyond a segment's end gives one that the voice does not reach.
    let silent = within.iter().filter(|(_, d, _)| !matches!(d, Drawn::Voice | Drawn::Silence));
    let at_ends = |time: gst::ClockTime| (time.nseconds() / FRAME.nseconds()).is_multiple_of(FRAMES);
    assert!(silent.clone().all(|(time, ..)| at_ends(*time)) && silent.count() <= 3, "{:?}", seen.frames);
}

/// Live, frames come out with a voice or without one, that begins late, stops and begins again.
#[test]
fn live_every_frame_comes_out_whatever_the_voice_does() {
    const FRAMES: u64 = 60;
    let line = Line::new(&format!(
        "appsrc name=video is-live=true format=time max-bytes=0 caps={VIDEO_CAPS} ! facedub name=dub \
         ! fakesink name=sink sync=false  \
         appsrc name=voice is-live=true format=time max-bytes=0 caps={VOICE_CAPS} ! audioconvert ! dub.voice"
    ));
    line.play();
    for n in 0..FRAMES {
        line.push("video", [video(n)]);
        if (20..35).contains(&n) || n >= 50 {
            line.push("voice", [word(n)]);
        }
        std::thread::sleep(FRAME.into());
    }
    line.end("video");
    let seen = line.out.end();
    let times: Vec<_> = seen.frames.iter().map(|(time, ..)| *time).collect();
    let expected: Vec<_> = (0..FRAMES).map(|n| FRAME * n).collect();
    assert_eq!(times, expected);
    assert!(seen.drawn()[..15].iter().all(|d| *d != Drawn::Voice), "{:?}", seen.drawn());
}
