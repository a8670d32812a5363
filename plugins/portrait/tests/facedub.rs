// SPDX-License-Identifier: MIT OR Apache-2.0
//! A person in a video speaks another voice: what of the frames is touched, and when.

mod common;

use std::sync::{Arc, Mutex};

use common::{COUPLE_CAPS, FRAME, FRAME_SAMPLES, LEAVES, VIDEO_CAPS, bus_error, couple, init, speech, video};
use gst::prelude::*;
use gstportrait::stream::tensor::marks::{Drawn, TrackMark, read_drawn};
use gstportrait::stream::tensor::{FrameMeta, buffer, meta};

/// How a video is dubbed in a test.
struct Dub {
    /// Element before the dub, for its format.
    before: &'static str,
    properties: &'static [(&'static str, &'static str)],
    caps: &'static str,
    frames: u64,
    frame: fn(u64) -> gst::Buffer,
    /// Sample of the voice; none where it is not linked.
    voice: Option<fn(usize, usize) -> Vec<f32>>,
}

impl Default for Dub {
    fn default() -> Self {
        Self {
            before: "capsfilter caps=video/x-raw,format=RGB",
            properties: &[],
            caps: VIDEO_CAPS,
            frames: 20,
            frame: video,
            voice: Some(speech),
        }
    }
}

/// A frame as it went in and as it came out.
struct Pair {
    input: gst::Buffer,
    output: gst::Buffer,
    info: gst_video::VideoInfo,
}

impl Pair {
    fn bytes(buffer: &gst::Buffer) -> Vec<u8> {
        buffer.map_readable().unwrap().to_vec()
    }

    fn is_same(&self) -> bool {
        Self::bytes(&self.input) == Self::bytes(&self.output)
    }

    fn drawn(&self) -> (Drawn, f64) {
        read_drawn(&self.output).expect("every frame says what became of it")
    }
}

fn silence(_: usize, count: usize) -> Vec<f32> {
    vec![0.0; count]
}

fn push_voice(source: &gst::Element, frames: u64, voice: fn(usize, usize) -> Vec<f32>) {
    for n in 0..frames {
        let mut sound = buffer::from_f32(&voice(n as usize * FRAME_SAMPLES, FRAME_SAMPLES));
        let b = sound.get_mut().unwrap();
        b.set_pts(FRAME * n);
        b.set_duration(FRAME);
        let _ = source.emit_by_name::<gst::FlowReturn>("push-buffer", &[&sound]);
    }
    let _ = source.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
}

impl Dub {
    fn pipeline(&self) -> gst::Pipeline {
        init();
        let properties: String =
            self.properties.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        let voice = match self.voice {
            Some(_) => {
                "appsrc name=voice format=time max-bytes=0 caps=audio/x-raw,format=F32LE,layout=interleaved,rate=16000,channels=1 \
                 ! dub.voice"
            }
            None => "",
        };
        let text = format!(
            "appsrc name=video format=time max-bytes=0 caps={} ! videoconvert ! {} \
             ! facedub name=dub{properties} ! fakesink name=sink sync=false {voice}",
            self.caps, self.before,
        );
        gst::parse::launch(&text).unwrap().downcast().unwrap()
    }

    fn run(&self) -> Vec<Pair> {
        let pipeline = self.pipeline();
        let get = |name: &str| pipeline.by_name(name).unwrap();
        type Kept = Arc<Mutex<Vec<gst::Buffer>>>;
        let keep = |element: &str, pad: &str| -> Kept {
            let kept = Kept::default();
            let into = Arc::clone(&kept);
            get(element).static_pad(pad).unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                into.lock().unwrap().extend(info.buffer().map(|b| b.copy_deep().unwrap()));
                gst::PadProbeReturn::Ok
            });
            kept
        };
        let (inputs, outputs) = (keep("dub", "video"), keep("sink", "sink"));
        pipeline.set_state(gst::State::Playing).unwrap();
        let frames = get("video");
        for n in 0..self.frames {
            let _ = frames.emit_by_name::<gst::FlowReturn>("push-buffer", &[&(self.frame)(n)]);
        }
        let _ = frames.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
        if let Some(voice) = self.voice {
            push_voice(&get("voice"), self.frames, voice);
        }
        let bus = pipeline.bus().unwrap();
        let end = bus.timed_pop_filtered(
            gst::ClockTime::from_seconds(120),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        );
        let end = end.expect("the film ends");
        assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
        let caps = get("sink").static_pad("sink").unwrap().current_caps().unwrap();
        pipeline.set_state(gst::State::Null).unwrap();
        let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
        let (inputs, outputs) = (inputs.lock().unwrap(), outputs.lock().unwrap());
        assert_eq!(inputs.len(), outputs.len(), "as many frames come out as go in");
        let pairs = inputs.iter().zip(outputs.iter());
        pairs
            .map(|(input, output)| Pair { input: input.clone(), output: output.clone(), info: info.clone() })
            .collect()
    }
}

/// Formats, one that a camera has, one of decoders, two of graphics.
const FORMATS: [&str; 4] = [
    "capsfilter caps=video/x-raw,format=I420",
    "capsfilter caps=video/x-raw,format=NV12",
    "capsfilter caps=video/x-raw,format=RGB",
    "capsfilter caps=video/x-raw,format=RGBA",
];

#[test]
fn while_the_voice_is_silent_frames_are_the_videos_to_the_bit() {
    for before in FORMATS {
        let pairs = Dub { before, voice: Some(silence), ..Dub::default() }.run();
        assert_eq!(pairs.len(), 20);
        for (n, pair) in pairs.iter().enumerate() {
            assert!(pair.is_same(), "{before}: frame {n}");
            assert_eq!(pair.drawn(), (Drawn::Silence, 0.0), "{before}: frame {n}");
        }
    }
}

#[test]
fn without_a_voice_or_a_face_frames_pass() {
    for pair in (Dub { voice: None, ..Dub::default() }).run() {
        assert!(pair.is_same() && pair.drawn() == (Drawn::NoVoice, 0.0));
    }
    let nobody = |n| common::at(n, gst::Buffer::from_slice(vec![70u8; 320 * 240 * 3]));
    for pair in (Dub { frame: nobody, ..Dub::default() }).run() {
        assert!(pair.is_same() && pair.drawn() == (Drawn::NoFace, 0.0));
    }
}

/// Landmarks of a frame in pixels.
fn pixels(pair: &Pair) -> Vec<[f32; 2]> {
    let [w, h] = [pair.info.width() as f32, pair.info.height() as f32];
    let points = meta::read(&pair.output, FrameMeta::PictureLandmarks).unwrap().data;
    points.as_chunks::<3>().0.iter().map(|p| [p[0] * w, p[1] * h]).collect()
}

/// Pixels around the mouth that may be drawn, in distances of the outer eye corners.
const REACH: f32 = 1.3;

#[test]
fn only_the_surroundings_of_the_mouth_are_touched_and_the_mouth_is() {
    for before in FORMATS {
        let pairs = Dub { before, frames: 30, ..Dub::default() }.run();
        let mut most = 0;
        for (n, pair) in pairs.iter().enumerate() {
            assert_eq!(pair.info.size(), pair.output.size(), "{before}");
            let points = pixels(pair);
            let (left, right) = (points[33], points[263]);
            let reach = REACH * (left[0] - right[0]).hypot(left[1] - right[1]);
            let mouth = points[13];
            let (input, output) = (Pair::bytes(&pair.input), Pair::bytes(&pair.output));
            let mut touched = 0;
            for component in 0..pair.info.n_components() as u8 {
                let (stride, pixel) = (pair.info.comp_stride(component), pair.info.comp_pstride(component));
                let first = pair.info.comp_offset(component);
                let (w, h) = (pair.info.comp_width(component), pair.info.comp_height(component));
                for (x, y) in (0..h).flat_map(|y| (0..w).map(move |x| (x, y))) {
                    let at = first + y as usize * stride as usize + x as usize * pixel as usize;
                    if input[at] == output[at] {
                        continue;
                    }
                    touched += 1;
                    assert_ne!(component, 3, "{before}: alpha of frame {n}");
                    let scale = [pair.info.width() as f32 / w as f32, pair.info.height() as f32 / h as f32];
                    let way = [x as f32 * scale[0] - mouth[0], y as f32 * scale[1] - mouth[1]];
                    assert!(way[0].hypot(way[1]) < reach, "{before}: frame {n}, {x}, {y} of {component}");
                    assert!(way[1] > -0.5 * reach, "{before}: above the nose, frame {n}");
                }
            }
            if pair.drawn().1 == 0.0 {
                assert_eq!(touched, 0, "{before}: frame {n}");
            }
            most = most.max(touched);
        }
        assert!(most > 500, "{before}: {most} samples changed");
        let spoken = pairs.iter().filter(|pair| pair.drawn() == (Drawn::Voice, 1.0)).count();
        assert!(spoken > 15, "{before}: {spoken}");
        for pair in &pairs {
            let marked = gst::meta::CustomMeta::from_buffer(&pair.output, meta::SYNTHETIC_META).is_ok();
            assert_eq!(marked, pair.drawn().1 > 0.0, "drawn frames are marked as such, others are not");
        }
    }
}

#[test]
fn the_drawn_mouth_opens_with_the_voice() {
    let gaps = |voice| -> Vec<f32> {
        let pairs =
            Dub { voice: Some(voice), frames: 40, properties: &[("silence", "shut")], ..Dub::default() }
                .run();
        let gap = |pair: &Pair| {
            let points = pixels(pair);
            let eyes = (points[33][0] - points[263][0]).hypot(points[33][1] - points[263][1]);
            (points[13][0] - points[14][0]).hypot(points[13][1] - points[14][1]) / eyes
        };
        pairs.iter().skip(8).map(gap).collect()
    };
    let (shut, open) = (gaps(silence), gaps(speech));
    let most = |gaps: &[f32]| gaps.iter().copied().fold(0.0, f32::max);
    assert!(most(&shut) < 0.02, "silence keeps the mouth shut: {shut:?}");
    assert!(most(&open) > 0.05, "speech opens it: {open:?}");
}

/// In anamorphic video the mouth that is drawn is as wide and as open as in the same video with square pixels.
#[test]
fn pixels_that_are_not_square_get_the_same_mouth() {
    let mouths = |before| -> Vec<Vec<f32>> {
        let pairs = Dub { before, ..Dub::default() }.run();
        pairs.iter().map(|pair| meta::read(&pair.output, FrameMeta::PictureLandmarks).unwrap().data).collect()
    };
    let square = mouths(Dub::default().before);
    let squeezed = mouths(
        "videoscale ! capsfilter caps=video/x-raw,format=RGB,width=224,height=240,pixel-aspect-ratio=10/7",
    );
    let (mut off, mut opened) = (0.0f32, 0.0f32);
    for (a, b) in square.iter().zip(&squeezed).skip(5) {
        // Corners and middle of the lips: x in widths, y in heights.
        for at in [61, 291, 13, 14].into_iter().flat_map(|point| [3 * point, 3 * point + 1]) {
            off = off.max((a[at] - b[at]).abs());
        }
        opened = opened.max(a[3 * 14 + 1] - a[3 * 13 + 1]);
    }
    assert!(off < 0.15 * opened, "{off} of {opened}");
}

#[test]
fn times_flags_and_metadata_pass() {
    init();
    static META: std::sync::Once = std::sync::Once::new();
    META.call_once(|| gst::meta::CustomMeta::register("DubTestMeta", &[]));
    let frame = |n| {
        let mut frame = video(n);
        let b = frame.get_mut().unwrap();
        gst::meta::CustomMeta::add(b, "DubTestMeta").unwrap().mut_structure().set("n", n);
        b.set_offset(n + 7);
        b.set_pts(FRAME * n + gst::ClockTime::from_useconds(n * 3));
        frame
    };
    for (n, pair) in (Dub { frame, ..Dub::default() }).run().iter().enumerate() {
        let (input, output) = (&pair.input, &pair.output);
        assert_eq!(output.pts(), Some(FRAME * n as u64 + gst::ClockTime::from_useconds(n as u64 * 3)));
        assert_eq!((input.duration(), input.offset()), (output.duration(), output.offset()));
        let kept = gst::meta::CustomMeta::from_buffer(output, "DubTestMeta").unwrap();
        assert_eq!(kept.structure().get::<u64>("n"), Ok(n as u64));
        assert!(TrackMark::read(output).unwrap().found);
    }
}

#[test]
fn odd_sizes_are_drawn_and_interlaced_frames_are_one_clear_error() {
    let odd = "videoscale ! capsfilter caps=video/x-raw,format=I420,width=317,height=239";
    let pairs = Dub { before: odd, ..Dub::default() }.run();
    assert!(pairs.iter().any(|pair| !pair.is_same()));

    init();
    let mut h = gst_check::Harness::new("mouthdub");
    let bus = gst::Bus::new();
    h.element().unwrap().set_bus(Some(&bus));
    h.set_src_caps_str(
        "video/x-raw,format=I420,width=320,height=240,framerate=25/1,interlace-mode=interleaved",
    );
    assert!(h.push(common::at(0, gst::Buffer::from_slice(vec![0u8; 320 * 240 * 3 / 2]))).is_err());
    assert!(bus_error(&bus).unwrap().0.contains("deinterlace"));
    assert_eq!(bus_error(&bus), None, "once");
}

#[test]
fn the_same_film_is_dubbed_the_same_every_time() {
    let run =
        || -> Vec<Vec<u8>> { Dub::default().run().iter().map(|pair| Pair::bytes(&pair.output)).collect() };
    assert!(run() == run());
}

/// How many bytes left and right of the middle were written.
fn halves(pair: &Pair) -> [usize; 2] {
    let (input, output) = (Pair::bytes(&pair.input), Pair::bytes(&pair.output));
    let mut counts = [0; 2];
    for (i, (a, b)) in input.iter().zip(&output).enumerate() {
        counts[i % (640 * 3) / (320 * 3)] += usize::from(a != b);
    }
    counts
}

#[test]
fn of_two_people_the_right_mouth_moves_and_nobodys_when_its_person_left() {
    let run =
        |properties| Dub { properties, caps: COUPLE_CAPS, frames: 32, frame: couple, ..Dub::default() }.run();
    let right = run(&[("face", "2")]);
    for (n, pair) in right.iter().enumerate() {
        let [left, right] = halves(pair);
        assert_eq!(left, 0, "the other person is not touched, frame {n}");
        assert!(n < LEAVES as usize || right == 0, "nobody is there in frame {n}");
    }
    assert!(right.iter().any(|pair| halves(pair)[1] > 500));
    assert_eq!(right.last().unwrap().drawn(), (Drawn::NoFace, 0.0));
    let left = run(&[("face", "left")]);
    let moved = left.iter().filter(|pair| halves(pair)[0] > 100).count();
    assert!(moved > 20, "throughout: {moved}");
    assert!(left.iter().all(|pair| halves(pair)[1] == 0));
}

/// Frame from which on the other one speaks.
const TURN: usize = 14;

#[test]
fn of_two_behind_each_other_each_gives_its_face_its_own_voice() {
    init();
    let voice = |name: &str, dub: &str| {
        format!(
            "appsrc name={name} format=time max-bytes=0 caps=audio/x-raw,format=F32LE,layout=interleaved,rate=16000,channels=1 \
             ! {dub}.voice "
        )
    };
    let text = format!(
        "appsrc name=video format=time max-bytes=0 caps={COUPLE_CAPS} ! facedub name=a face=1 silence-passthrough=40 \
         ! facedub name=b face=2 silence-passthrough=40 ! fakesink name=sink sync=false {} {}",
        voice("first", "a"),
        voice("second", "b")
    );
    let pipeline: gst::Pipeline = gst::parse::launch(&text).unwrap().downcast().unwrap();
    let get = |name: &str| pipeline.by_name(name).unwrap();
    let keep = |pad: gst::Pad| {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&kept);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            into.lock().unwrap().extend(info.buffer().map(|b| b.copy_deep().unwrap()));
            gst::PadProbeReturn::Ok
        });
        kept
    };
    let inputs = keep(get("a").static_pad("video").unwrap());
    let outputs = keep(get("sink").static_pad("sink").unwrap());
    pipeline.set_state(gst::State::Playing).unwrap();
    let push = |name: &str, buffer: gst::Buffer| {
        let _ = get(name).emit_by_name::<gst::FlowReturn>("push-buffer", &[&buffer]);
    };
    for n in 0..34 {
        push("video", common::at(n, couple(n.min(LEAVES - 1)).copy()));
        for (name, speaks) in [("first", n < TURN as u64), ("second", n >= TURN as u64)] {
            let said = if speaks { speech } else { silence };
            push(name, common::at(n, buffer::from_f32(&said(n as usize * FRAME_SAMPLES, FRAME_SAMPLES))));
        }
    }
    for name in ["video", "first", "second"] {
        let _ = get(name).emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
    }
    let bus = pipeline.bus().unwrap();
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &kinds).expect("the film ends");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    let (inputs, outputs) = (inputs.lock().unwrap(), outputs.lock().unwrap());
    let info = gst_video::VideoInfo::from_caps(&COUPLE_CAPS.parse::<gst::Caps>().unwrap()).unwrap();
    let touched: Vec<[usize; 2]> = inputs
        .iter()
        .zip(outputs.iter())
        .map(|(input, output)| {
            halves(&Pair { input: input.clone(), output: output.clone(), info: info.clone() })
        })
        .collect();
    assert_eq!(touched.len(), 34);
    let busy = |range: std::ops::Range<usize>, side: usize| {
        touched[range].iter().filter(|halves| halves[side] > 100).count()
    };
    // A voice is heard a little before it speaks, and its mouth is eased out.
    assert_eq!((busy(3..TURN, 0) > 8, busy(0..TURN - 5, 1)), (true, 0), "first the left one: {touched:?}");
    assert_eq!(
        (busy(TURN + 12..34, 0), busy(TURN + 3..33, 1) > 10),
        (0, true),
        "then the right: {touched:?}"
    );
}

#[test]
fn another_shot_begins_with_its_first_frame() {
    const CUT: u64 = 14;
    let film = |n| if n < CUT { video(n) } else { shot(n) };
    fn shot(n: u64) -> gst::Buffer {
        let photo = image::open(common::photo("portrait-astronaut.png")).unwrap().into_rgb8();
        let mut frame = image::RgbImage::from_pixel(320, 240, image::Rgb([20, 30, 20]));
        image::imageops::replace(&mut frame, &image::imageops::thumbnail(&photo, 230, 230), 60 + n as i64, 5);
        common::at(n, gst::Buffer::from_slice(frame.into_raw()))
    }
    let pairs = Dub { frame: film, frames: 28, ..Dub::default() }.run();
    let turns: Vec<u64> = pairs.iter().map(|pair| TrackMark::read(&pair.output).unwrap().turn).collect();
    // In the first frames nobody knows yet how much a video moves: it may look like cuts.
    let (before, after) = (&turns[6..CUT as usize], &turns[CUT as usize..]);
    assert!(before.iter().all(|turn| turn == &before[0]), "{turns:?}");
    assert!(after.iter().all(|turn| turn == &after[0] && turn != &before[0]), "{turns:?}");
    let amounts: Vec<f64> = pairs.iter().map(|pair| pair.drawn().1).collect();
    assert_eq!(amounts[CUT as usize - 1..][..3], [1.0; 3], "nothing is eased over a cut: {amounts:?}");
    // Its mouth is where the new face is, at once.
    let mouth = |n: usize| pixels(&pairs[n])[13];
    let (first, next) = (mouth(CUT as usize), mouth(CUT as usize + 1));
    assert!((first[0] - next[0]).hypot(first[1] - next[1]) < 6.0, "{first:?} {next:?}");
}

/// Latency that a live video and a live voice have together.
#[test]
fn the_latency_is_that_of_the_longer_way() {
    init();
    let dub = gst::ElementFactory::make("facedub").build().unwrap();
    let sink = gst::ElementFactory::make("fakesink").property("sync", true).build().unwrap();
    let line = gst::parse::launch(
        "videotestsrc is-live=true name=v ! video/x-raw,format=I420,width=64,height=64,framerate=25/1 \
         ! identity name=video  audiotestsrc is-live=true samplesperbuffer=160 ! audio/x-raw,rate=16000,channels=1 \
         ! identity name=voice",
    );
    let pipeline: gst::Pipeline = line.unwrap().downcast().unwrap();
    pipeline.add_many([&dub, &sink]).unwrap();
    let get = |name: &str| pipeline.by_name(name).unwrap();
    get("video").link_pads(Some("src"), &dub, Some("video")).unwrap();
    get("voice").link_pads(Some("src"), &dub, Some("voice")).unwrap();
    dub.link(&sink).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let (result, ..) = pipeline.state(gst::ClockTime::from_seconds(60));
    result.unwrap();
    let ask = |pad: &gst::Pad| {
        let mut query = gst::query::Latency::new();
        assert!(pad.query(&mut query));
        query.result()
    };
    let upstream = ask(&get("voice").static_pad("src").unwrap()).1;
    let stats: gst::Structure = dub.property("stats");
    let own: u64 = stats.get::<gst::Structure>("audiofeatures").unwrap().get("latency").unwrap();
    let (live, min, max) = ask(&dub.static_pad("src").unwrap());
    assert!(live);
    assert_eq!(min, upstream + gst::ClockTime::from_nseconds(own));
    assert!(max.is_none_or(|max| max >= min), "{max:?}");
    // Frame, look-ahead, deadline.
    assert_eq!(own, 40_000_000 + 160_000_000 + 20_000_000);
    pipeline.set_state(gst::State::Null).unwrap();
}
