// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element `facelandmarks` on its own.

use std::sync::Once;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_check::Harness;
use gstportrait::elements::facelandmarks::FaceLandmarks;
use gstportrait::face::landmark::{COUNT, Pose, indices};
use gstportrait::pack::{DEFAULT_PACK, Pack};
use gstportrait::stream::tensor::{FrameMeta, buffer, meta};
use image::{RgbImage, imageops};

const HOPPER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/portrait-grace-hopper.jpg");
const CAPS: &str = "video/x-raw,format=RGB,width=320,height=240,framerate=25/1";
const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gst::Element::register(None, "facelandmarks", gst::Rank::NONE, FaceLandmarks::static_type()).unwrap();
    });
}

fn element() -> gst::Element {
    init();
    gst::ElementFactory::make("facelandmarks").build().unwrap()
}

fn harness(caps: &str) -> Harness {
    init();
    let mut h = Harness::new("facelandmarks");
    h.set_src_caps_str(caps);
    h
}

/// The sample, scaled and moved, in a frame of 320x240.
fn frame(x: i64) -> RgbImage {
    let small = imageops::thumbnail(&image::open(HOPPER).unwrap().into_rgb8(), 192, 225);
    let mut image = RgbImage::from_pixel(320, 240, image::Rgb([90, 110, 130]));
    imageops::replace(&mut image, &small, 60 + x, 8);
    image
}

fn timed(mut buffer: gst::Buffer, index: u64) -> gst::Buffer {
    let b = buffer.get_mut().unwrap();
    b.set_pts(FRAME * index);
    b.set_duration(FRAME);
    buffer
}

fn picture(image: &RgbImage, index: u64) -> gst::Buffer {
    timed(gst::Buffer::from_slice(image.as_raw().clone()), index)
}

fn empty(index: u64) -> gst::Buffer {
    timed(gst::Buffer::from_slice(vec![70u8; 320 * 240 * 3]), index)
}

fn payload(buffer: &gst::Buffer) -> Vec<[f32; 3]> {
    let mut values = vec![0.0; COUNT * 3];
    buffer::read_f32(buffer, &mut values).unwrap();
    values.as_chunks::<3>().0.to_vec()
}

fn tensor(buffer: &gst::Buffer, kind: FrameMeta) -> Vec<f32> {
    meta::read(buffer, kind).unwrap().data
}

fn is_gap(buffer: &gst::Buffer) -> bool {
    buffer.flags().contains(gst::BufferFlags::GAP)
}

fn bytes(buffer: &gst::Buffer) -> Vec<u8> {
    buffer.map_readable().unwrap().to_vec()
}

/// The element's error message, if it posted one.
fn error_on(bus: &gst::Bus) -> Option<String> {
    bus.iter().find_map(|m| match m.view() {
        gst::MessageView::Error(e) => Some(e.error().message().to_owned()),
        _ => None,
    })
}

#[test]
fn it_presents_itself() {
    let element = element();
    let factory = element.factory().unwrap();
    assert_eq!(factory.rank(), gst::Rank::NONE);
    assert_eq!(factory.metadata("klass"), Some("Filter/Analyzer/Video"));
    assert_eq!(element.type_().name(), "GstFaceLandmarks");
    for field in ["long-name", "description", "author"] {
        assert!(!factory.metadata(field).unwrap().is_empty());
    }
    for name in ["model-pack", "device", "num-threads"] {
        let spec = element.find_property(name).unwrap();
        assert!(spec.flags().contains(gst::PARAM_FLAG_MUTABLE_READY) && spec.blurb().is_some(), "{name}");
    }
    assert!(element.property::<bool>("qos"), "late frames are dropped unless told otherwise");
}

#[test]
fn landmarks_pose_and_picture_fit_together_and_lie_on_the_face() {
    let mut h = harness(CAPS);
    let out = h.push_and_pull(picture(&frame(0), 3)).unwrap();
    assert_eq!((out.pts(), out.duration()), (Some(FRAME * 3), Some(FRAME)));
    assert_eq!(out.size(), COUNT * 12);
    assert!(!is_gap(&out));
    let landmarks = payload(&out);
    assert_eq!(landmarks.as_flattened(), tensor(&out, FrameMeta::Landmarks));
    assert_eq!(tensor(&out, FrameMeta::Emotion), [0.0; 8]);
    assert!(meta::read(&out, FrameMeta::AudioFeatures).is_none());
    let pose = Pose::from_array(tensor(&out, FrameMeta::Pose).try_into().unwrap());
    let seen = tensor(&out, FrameMeta::PictureLandmarks);
    let mut posed = vec![[0.0; 3]; COUNT];
    pose.apply(&landmarks, &mut posed);
    for (p, q) in posed.iter().zip(seen.as_chunks::<3>().0) {
        // The pose is in frame heights, the picture in widths and heights.
        let (x, y, z) = (p[0] * 240.0 / 320.0, p[1], p[2] * 240.0 / 320.0);
        assert!((x - q[0]).abs() < 1e-5 && (y - q[1]).abs() < 1e-5 && (z - q[2]).abs() < 1e-5);
    }
    let at = |i: usize| (seen[i * 3] * 320.0, seen[i * 3 + 1] * 240.0);
    // Where another tracker (MediaPipe's own) sees eye corners and chin, in pixels of this frame.
    let near = |i: usize, x: f32, y: f32| {
        let p = at(i);
        assert!((p.0 - x).hypot(p.1 - y) < 3.0, "{i}: {p:?} instead of {x}, {y}");
    };
    near(indices::EYE_CORNER_LEFT, 60.0 + 203.0 * 0.375, 8.0 + 192.0 * 0.375);
    near(indices::EYE_CORNER_RIGHT, 60.0 + 323.0 * 0.375, 8.0 + 188.0 * 0.375);
    near(indices::CHIN, 60.0 + 269.0 * 0.375, 8.0 + 335.0 * 0.375);
    assert!(
        pose.yaw.abs() < 10.0 && pose.pitch.abs() < 12.0 && (-12.0..0.0).contains(&pose.roll),
        "{pose:?}"
    );
}

#[test]
fn caps_carry_the_rate_of_the_video_and_the_pack() {
    for ((n, d), width) in [((25, 1), 320), ((30000, 1001), 64), ((0, 1), 5000)] {
        let mut h = harness(&format!("video/x-raw,format=RGB,width={width},height=90,framerate={n}/{d}"));
        let frame = gst::Buffer::from_slice(vec![0u8; (width * 3usize).next_multiple_of(4) * 90]);
        h.push(frame).unwrap();
        let caps = h.sinkpad().unwrap().current_caps().unwrap();
        let s = caps.structure(0).unwrap();
        assert_eq!(s.get::<&str>("dimensions"), Ok("3:478"));
        assert_eq!(s.get::<&str>("tensor-id"), Ok("portrait/landmarks"));
        assert_eq!(s.get::<&str>("pack").unwrap(), Pack::open(DEFAULT_PACK).unwrap().id());
        assert_eq!(s.get::<gst::Fraction>("framerate"), Ok(gst::Fraction::new(n, d)));
    }
}

#[test]
fn caps_queries_honour_rates_and_filters_both_ways() {
    let element = element();
    let (sink, src) = (element.static_pad("sink").unwrap(), element.static_pad("src").unwrap());
    // Without a pack: any pack's landmarks.
    assert!(
        src.query_caps(None).can_intersect(&gst::Caps::builder("other/tensors").field("pack", "x/1").build())
    );
    element.set_state(gst::State::Paused).unwrap();
    let video = sink.query_caps(None);
    assert!(video.iter().all(|s| s.get::<&str>("format") == Ok("RGB")), "{video}");
    let filter: gst::Caps = "video/x-raw,width=640,framerate=15/1; audio/x-raw".parse().unwrap();
    let filtered = sink.query_caps(Some(&filter));
    assert_eq!(filtered.size(), 1);
    assert_eq!(filtered.structure(0).unwrap().get::<i32>("width"), Ok(640));
    let tensors = src.query_caps(None);
    assert_eq!(tensors.structure(0).unwrap().get::<&str>("dimensions"), Ok("3:478"), "{tensors}");
    let foreign: gst::Caps = "other/tensors,tensor-id=(string)portrait/latents".parse().unwrap();
    assert!(src.query_caps(Some(&foreign)).is_empty());
    assert!(!sink.query_accept_caps(&"video/x-raw,format=GRAY8,width=8,height=8".parse().unwrap()));
    element.set_state(gst::State::Null).unwrap();
}

#[test]
fn what_is_no_rgb_video_is_refused() {
    for caps in [
        "video/x-raw,format=BGR,width=320,height=240,framerate=25/1",
        "video/x-raw,format=RGB,width=0,height=240,framerate=25/1",
        "video/x-raw(memory:DMABuf),format=RGB,width=320,height=240,framerate=25/1",
        "audio/x-raw,format=F32LE,rate=16000,channels=1,layout=interleaved",
    ] {
        let mut h = harness(caps);
        assert_eq!(h.push(empty(0)), Err(gst::FlowError::NotNegotiated), "{caps}");
    }
    // Downstream of another pack.
    let mut h = harness(CAPS);
    h.set_sink_caps_str("other/tensors,tensor-id=(string)portrait/landmarks,pack=(string)other/9");
    assert_eq!(h.push(empty(0)), Err(gst::FlowError::NotNegotiated));
}

#[test]
fn padded_rows_and_split_memories_give_the_same_numbers() {
    let image = frame(0);
    let expected = bytes(&harness(CAPS).push_and_pull(picture(&image, 0)).unwrap());
    let stride = 1024;
    let mut padded = vec![255u8; 100 + stride * 240];
    for (y, row) in image.as_raw().chunks_exact(960).enumerate() {
        padded[100 + y * stride..][..960].copy_from_slice(row);
    }
    let mut buffer = gst::Buffer::from_slice(padded);
    gst_video::VideoMeta::add_full(
        buffer.get_mut().unwrap(),
        gst_video::VideoFrameFlags::empty(),
        gst_video::VideoFormat::Rgb,
        320,
        240,
        &[100],
        &[stride as i32],
    )
    .unwrap();
    let kept = buffer.clone();
    let before = bytes(&kept);
    assert_eq!(bytes(&harness(CAPS).push_and_pull(timed_copy(&buffer)).unwrap()), expected);
    assert_eq!(bytes(&kept), before, "the input is not written to");
    let mut split = gst::Buffer::new();
    for part in image.as_raw().chunks(77_777) {
        split.get_mut().unwrap().append_memory(gst::Memory::from_slice(part.to_vec()));
    }
    assert_eq!(bytes(&harness(CAPS).push_and_pull(split).unwrap()), expected);
}

fn timed_copy(buffer: &gst::Buffer) -> gst::Buffer {
    timed(buffer.copy(), 0)
}

#[test]
fn upstream_is_offered_video_meta() {
    let h = harness(CAPS);
    let caps: gst::Caps = CAPS.parse().unwrap();
    let mut query = gst::query::Allocation::new(Some(&caps), true);
    assert!(h.element().unwrap().static_pad("sink").unwrap().query(&mut query));
    assert!(query.find_allocation_meta::<gst_video::VideoMeta>().is_some());
}

#[test]
fn a_buffer_that_is_too_small_is_one_error() {
    let mut h = harness(CAPS);
    let bus = gst::Bus::new();
    h.element().unwrap().set_bus(Some(&bus));
    assert_eq!(h.push(gst::Buffer::from_slice(vec![0u8; 100])), Err(gst::FlowError::Error));
    assert!(error_on(&bus).is_some());
}

#[test]
fn without_a_face_the_mean_face_then_the_last_face_is_sent_and_marked() {
    let mut h = harness(CAPS);
    let pack = Pack::open(DEFAULT_PACK).unwrap();
    let first = h.push_and_pull(empty(0)).unwrap();
    assert!(is_gap(&first));
    assert_eq!(payload(&first), pack.mean_face());
    let seen = tensor(&first, FrameMeta::PictureLandmarks);
    assert!(seen.chunks_exact(3).all(|p| (0.2..0.8).contains(&p[0]) && (0.1..0.9).contains(&p[1])));
    let face = h.push_and_pull(picture(&frame(0), 1)).unwrap();
    assert!(!is_gap(&face));
    let lost = h.push_and_pull(empty(2)).unwrap();
    assert!(is_gap(&lost));
    assert_eq!(bytes(&lost), bytes(&face));
    assert_eq!(tensor(&lost, FrameMeta::Pose), tensor(&face, FrameMeta::Pose));
    let again = h.push_and_pull(picture(&frame(40), 3)).unwrap();
    assert!(!is_gap(&again));
    // A gap in the video is a gap in the landmarks; a picture that is repeated to fill one is a picture.
    let filling = |mut buffer: gst::Buffer| {
        buffer.make_mut().set_flags(gst::BufferFlags::GAP);
        buffer
    };
    let repeated = h.push_and_pull(filling(picture(&frame(40), 4))).unwrap();
    assert!(!is_gap(&repeated));
    let mut void = gst::Buffer::new();
    void.make_mut().set_pts(repeated.pts().unwrap() + repeated.duration().unwrap());
    let held = h.push_and_pull(filling(void)).unwrap();
    assert!(is_gap(&held) && bytes(&held) == bytes(&repeated));
}

#[test]
fn a_moving_face_is_followed() {
    let mut h = harness(CAPS);
    let mut nose = Vec::new();
    for (index, x) in [0, 6, 12, 18, 24, 12, 0].into_iter().enumerate() {
        let out = h.push_and_pull(picture(&frame(x), index as u64)).unwrap();
        assert!(!is_gap(&out));
        nose.push(tensor(&out, FrameMeta::PictureLandmarks)[indices::NOSE_TIP * 3] * 320.0 - x as f32);
    }
    let mean = nose.iter().sum::<f32>() / nose.len() as f32;
    assert!(nose.iter().all(|x| (x - mean).abs() < 1.5), "{nose:?}");
}

#[test]
fn restart_flush_and_new_caps_forget_the_face() {
    let run = |h: &mut Harness| -> Vec<Vec<u8>> {
        [0, 4, 8].map(|x| bytes(&h.push_and_pull(picture(&frame(x), x as u64)).unwrap())).to_vec()
    };
    let mut h = harness(CAPS);
    let expected = run(&mut h);
    let flush = |h: &mut Harness| {
        assert!(h.push_event(gst::event::FlushStart::new()));
        assert_eq!(h.push(empty(0)), Err(gst::FlowError::Flushing));
        assert!(h.push_event(gst::event::FlushStop::new(true)));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        assert!(h.push_event(gst::event::Segment::new(&segment)));
    };
    flush(&mut h);
    assert_eq!(run(&mut h), expected, "after a flush");
    assert!(h.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())));
    assert_eq!(run(&mut h), expected, "after a segment that goes back in time");
    // The flush must forget what is held too.
    flush(&mut h);
    let held = h.push_and_pull(empty(0)).unwrap();
    assert_eq!(payload(&held), Pack::open(DEFAULT_PACK).unwrap().mean_face());
    h.set_src_caps_str("video/x-raw,format=RGB,width=160,height=120,framerate=25/1");
    let small = imageops::thumbnail(&frame(0), 160, 120);
    assert!(!is_gap(&h.push_and_pull(picture(&small, 1)).unwrap()));
    h.set_src_caps_str(CAPS);
    assert_eq!(run(&mut h), expected, "after other caps");
    let element = h.element().unwrap();
    element.set_state(gst::State::Null).unwrap();
    h.play();
    h.set_src_caps_str(CAPS);
    assert_eq!(run(&mut h), expected, "after a restart");
}

#[test]
fn every_frame_in_is_a_buffer_out_before_eos() {
    let mut h = harness("video/x-raw,format=RGB,width=320,height=240,framerate=30000/1001");
    let image = frame(0);
    let time = |i: u64| gst::ClockTime::from_nseconds(i * 1_001_000_000 / 30);
    for i in 0..12 {
        let mut buffer = gst::Buffer::from_slice(image.as_raw().clone());
        buffer.get_mut().unwrap().set_pts(time(i));
        h.push(buffer).unwrap();
    }
    assert!(h.push_event(gst::event::Eos::new()));
    let times: Vec<_> = std::iter::from_fn(|| h.try_pull()).take(12).map(|b| b.pts()).collect();
    assert_eq!(times, (0..12).map(|i| Some(time(i))).collect::<Vec<_>>());
    assert_eq!(h.buffers_in_queue(), 0);
    let events: Vec<_> = std::iter::from_fn(|| h.try_pull_event()).map(|e| e.type_()).collect();
    assert_eq!(events.last(), Some(&gst::EventType::Eos));
}

#[test]
fn late_frames_are_dropped_and_the_next_in_time_is_not() {
    let mut h = harness(CAPS);
    h.push_and_pull(picture(&frame(0), 0)).unwrap();
    // The sink saw frame 1 come 200 ms late.
    let late = gst::ClockTime::from_mseconds(200);
    let qos = gst::event::Qos::new(gst::QOSType::Underflow, 2.0, late.nseconds() as i64, Some(FRAME));
    assert!(h.push_upstream_event(qos));
    for i in 2..5 {
        h.push(picture(&frame(0), i)).unwrap();
    }
    assert_eq!(h.buffers_in_queue(), 0, "frames 2 to 4 are late");
    h.push(picture(&frame(0), 30)).unwrap();
    let out = h.pull().unwrap();
    assert_eq!(out.pts(), Some(FRAME * 30));
    assert!(!is_gap(&out));
    let stats: gst::Structure = h.element().unwrap().property("stats");
    assert_eq!((stats.get("frames"), stats.get("dropped")), (Ok(2u64), Ok(3u64)));
    assert!(stats.get::<f64>("average-ms").unwrap() > 0.0);
}

#[test]
fn it_adds_no_latency() {
    let mut h = harness(CAPS);
    h.set_live(true);
    h.set_upstream_latency(gst::ClockTime::from_mseconds(30));
    h.push_and_pull(empty(0)).unwrap();
    assert_eq!(h.query_latency(), Some(gst::ClockTime::from_mseconds(30)));
}

#[test]
fn events_that_it_does_not_know_and_gaps_pass() {
    let mut h = harness(CAPS);
    h.push_and_pull(empty(0)).unwrap();
    let custom = gst::event::CustomDownstream::new(gst::Structure::new_empty("made-up"));
    assert!(h.push_event(custom));
    assert!(h.push_event(gst::event::Gap::builder(FRAME).duration(FRAME).build()));
    let types: Vec<_> = std::iter::from_fn(|| h.try_pull_event()).map(|e| e.type_()).collect();
    assert!(
        types.contains(&gst::EventType::CustomDownstream) && types.contains(&gst::EventType::Gap),
        "{types:?}"
    );
}

#[test]
fn what_was_known_of_an_animated_video_is_not_mixed_with_what_is_seen() {
    let mut h = harness(CAPS);
    meta::register();
    let mut buffer = picture(&frame(0), 0);
    {
        let b = buffer.get_mut().unwrap();
        meta::attach(b, FrameMeta::Latents, &[2, 3], &[0.5; 6]);
        meta::attach(b, FrameMeta::AudioFeatures, &[1, 2], &[0.5; 2]);
        meta::attach(b, FrameMeta::Pose, &[7], &[9.0; 7]);
    }
    let out = h.push_and_pull(buffer).unwrap();
    assert!(
        meta::read(&out, FrameMeta::Latents).is_none()
            && meta::read(&out, FrameMeta::AudioFeatures).is_none()
    );
    assert_ne!(tensor(&out, FrameMeta::Pose), [9.0; 7]);
}

#[test]
fn bad_settings_are_errors_of_the_state_change_and_name_the_property() {
    for (property, value, named) in [
        ("model-pack", "/no/such/pack", "model-pack"),
        ("model-pack", "no-such-pack", "no-such-pack"),
        ("model-pack", "\u{1}/../..//", "model-pack"),
        ("device", "cuda:99", "cuda:99"),
        ("device", "toaster", "toaster"),
    ] {
        let element = element();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        element.set_property(property, value);
        assert_eq!(element.property::<String>(property), value);
        element.set_state(gst::State::Ready).unwrap();
        assert!(element.set_state(gst::State::Paused).is_err());
        let error = error_on(&bus).expect("an error message");
        assert!(error.contains(named), "{error}");
        element.set_state(gst::State::Null).unwrap();
        // Mended, it starts.
        element.set_property(property, None::<String>);
        element.set_state(gst::State::Paused).unwrap();
        element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn it_starts_and_stops_twenty_times_and_goes_away() {
    let element = element();
    let weak = element.downgrade();
    for round in 0..20 {
        element.set_state(gst::State::Playing).unwrap();
        element.set_property("device", if round % 2 == 0 { "cpu" } else { "auto" });
        element.set_state(gst::State::Null).unwrap();
    }
    drop(element);
    assert!(weak.upgrade().is_none());
}

#[test]
fn libtorch_threads_are_left_alone_unless_asked() {
    let before = tch::get_num_threads();
    harness(CAPS).push_and_pull(picture(&frame(0), 0)).unwrap();
    assert_eq!(tch::get_num_threads(), before);
}

#[test]
fn properties_answer_while_downstream_blocks() {
    init();
    let mut h = Harness::new("facelandmarks");
    h.set_blocking_push_mode();
    h.set_src_caps_str(CAPS);
    let element = h.element().unwrap();
    let pad = element.static_pad("sink").unwrap();
    let pusher = std::thread::spawn(move || {
        for i in 0..3 {
            let _ = pad.chain(empty(i));
        }
    });
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(300) {
        let asked = Instant::now();
        assert_eq!(element.property::<String>("model-pack"), DEFAULT_PACK);
        element.set_property("num-threads", 0u32);
        assert!(asked.elapsed() < Duration::from_millis(250));
        std::thread::sleep(Duration::from_millis(5));
    }
    for _ in 0..3 {
        h.pull().unwrap();
    }
    pusher.join().unwrap();
}

#[test]
fn what_downstream_answers_is_passed_up_without_an_error() {
    let mut h = harness(CAPS);
    let bus = gst::Bus::new();
    h.element().unwrap().set_bus(Some(&bus));
    h.push_and_pull(empty(0)).unwrap();
    let eos = gst::PadProbeType::BUFFER;
    h.sinkpad().unwrap().add_probe(eos, |_, info| {
        info.flow_res = Err(gst::FlowError::Eos);
        gst::PadProbeReturn::Handled
    });
    assert_eq!(h.push(empty(1)), Err(gst::FlowError::Eos));
    assert_eq!(error_on(&bus), None);
}
