// SPDX-License-Identifier: MIT OR Apache-2.0
//! `landmarks2latents`: where the pose comes from, what a video drives, and that nothing makes the head jump.

mod common;

use std::time::{Duration, Instant};

use common::{FRAME, LANDMARKS2LATENTS, at, portrait, tensor_caps};
use gst::prelude::*;
use gst_check::Harness;
use gstportrait::face::landmark::Pose;
use gstportrait::stream::tensor::{FrameMeta, TensorKind, buffer, meta};

/// Landmarks in the middle of the lower lip, of an upper lid, of the forehead.
const LIP: usize = 14;
const LID: usize = 159;
const FOREHEAD: usize = 10;

/// Middle of the iris at the picture's left.
const IRIS: usize = 468;

/// What takes so long does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one frame came out with.
#[derive(Clone, Debug, PartialEq)]
struct Out {
    pose: Pose,
    landmarks: Vec<[f32; 3]>,
    /// How far breath lifts the body.
    lift: f32,
    payload: Vec<u8>,
}

/// An element with its properties as in a launch line, and a bus.
fn element(properties: &[(&str, &str)]) -> (gst::Element, gst::Bus) {
    let element = LANDMARKS2LATENTS.element();
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    (element, bus)
}

fn main_pad(element: &gst::Element) -> Harness {
    let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
    harness.set_src_caps(tensor_caps(TensorKind::Landmarks));
    harness
}

fn pose_pad(element: &gst::Element) -> Harness {
    let mut harness = Harness::with_element(element, Some("pose"), None);
    harness.set_src_caps(tensor_caps(TensorKind::Landmarks));
    harness
}

fn pull(harness: &mut Harness) -> Out {
    let buffer = harness.pull().unwrap();
    let numbers = |kind| meta::read(&buffer, kind).unwrap().data;
    Out {
        pose: Pose::from_array(numbers(FrameMeta::Pose).try_into().unwrap()),
        landmarks: numbers(FrameMeta::Landmarks).as_chunks::<3>().0.to_vec(),
        lift: numbers(FrameMeta::Breath)[0],
        payload: buffer.map_readable().unwrap().to_vec(),
    }
}

/// Frame `n` of the speech.
fn speak(harness: &mut Harness, n: u64) -> Out {
    harness.push((LANDMARKS2LATENTS.input)(n)).unwrap();
    pull(harness)
}

fn run(properties: &[(&str, &str)], frames: u64) -> Vec<Out> {
    let (element, _) = element(properties);
    let mut harness = main_pad(&element);
    (0..frames).map(|n| speak(&mut harness, n)).collect()
}

/// Frame `n` of a video: a head that turns by a degree a frame, with a lip, a lid and the forehead that move.
fn video(n: u64) -> gst::Buffer {
    let mut face = portrait().neutral.clone();
    for point in [LIP, LID, FOREHEAD] {
        face[point][1] += 0.01 * n as f32;
    }
    let pose = Pose { yaw: n as f32, x: 0.5, y: 0.5, scale: 0.2, ..Pose::default() };
    let mut buffer = buffer::from_f32(face.as_flattened());
    meta::attach(buffer.get_mut().unwrap(), FrameMeta::Pose, &[7], &pose.to_array());
    at(n, buffer)
}

fn warnings(bus: &gst::Bus) -> Vec<String> {
    std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Warning]))
        .map(|message| match message.view() {
            gst::MessageView::Warning(warning) => warning.debug().map_or_else(String::new, |d| d.to_string()),
            _ => String::new(),
        })
        .collect()
}

/// Farthest that the head goes from one frame to the next: degrees, and share of the picture.
fn largest_step(frames: &[Out]) -> (f32, f32) {
    frames.windows(2).fold((0.0, 0.0), |(turn, shift), pair| {
        let (a, b) = (pair[0].pose.to_array(), pair[1].pose.to_array());
        let step = |i: usize| (a[i] - b[i]).abs();
        (step(0).max(step(1)).max(step(2)).max(turn), step(3).max(step(4)).max(step(6)).max(shift))
    })
}

#[test]
fn each_mode_gives_its_pose() {
    let rest = portrait().pose;
    assert!(run(&[("pose-mode", "still")], 4).iter().all(|out| out.pose == rest));
    for out in run(&[("pose-mode", "free"), ("yaw", "-9"), ("pitch", "2"), ("roll", "4")], 3) {
        let Pose { yaw, pitch, roll, .. } = out.pose;
        // What a head looks turned by, landmarks turn more than.
        let pack = common::pack();
        let turn = |axis, by| pack.manifest().pose.landmark_turn(axis, by);
        let off = [yaw - turn(0, -9.0), pitch - turn(1, 2.0), roll - turn(2, 4.0)];
        assert!(off.iter().all(|v| v.abs() < 1e-4), "{off:?}");
    }
    let generated = run(&[("pose-mode", "generated"), ("seed", "5")], 20);
    assert!(largest_step(&generated).0 > 0.0);
    assert_eq!(
        generated,
        run(&[("seed", "5")], 20),
        "without a video, auto is generated; same seed, same frames"
    );
    assert_ne!(generated, run(&[("seed", "6")], 20));
    let double = run(&[("seed", "5"), ("pose-gain", "2")], 20);
    for (once, twice) in generated.iter().zip(double) {
        let (once, twice) = (once.pose.yaw - rest.yaw, twice.pose.yaw - rest.yaw);
        assert!((twice - 2.0 * once).abs() < 1e-3, "{once} {twice}");
    }
}

#[test]
fn changes_while_playing_take_effect_and_never_jump() {
    let (element, _) = element(&[]);
    let mut harness = main_pad(&element);
    let mut frames = Vec::new();
    let changes = [
        ("pose-mode", "still"),
        ("yaw", "18"),
        ("yaw", "-18"),
        ("pose-mode", "free"),
        ("x", "0.3"),
        ("scale", "0.85"),
        ("pose-mode", "generated"),
        ("pose-gain", "3"),
        ("roll", "-15"),
        ("y", "-0.3"),
        ("pose-mode", "still"),
    ];
    for (i, (name, value)) in (0..).zip(changes) {
        for n in 0..8 {
            frames.push(speak(&mut harness, i * 8 + n));
        }
        element.set_property_from_str(name, value);
    }
    for n in 0..40 {
        frames.push(speak(&mut harness, 88 + n));
    }
    let (turn, shift) = largest_step(&frames);
    assert!(turn < 7.5 && shift < 0.03, "{turn} degrees, {shift} of the picture in a frame");
    let yaw = |n: usize| frames[n].pose.yaw;
    assert!((yaw(17) - yaw(15)).abs() > 0.3, "a change is seen within two frames");
    let last = frames.last().unwrap().pose;
    let turn = common::pack().manifest().pose.landmark_turn(0, -18.0);
    assert!((last.yaw - portrait().pose.yaw - turn).abs() < 1e-3, "and arrives: {last:?}");
}

#[test]
fn what_the_photo_cannot_show_is_clamped_with_one_warning() {
    let (element, bus) = element(&[("pose-mode", "still"), ("yaw", "70"), ("pose-style", "9")]);
    let mut harness = main_pad(&element);
    let limit = common::pack().manifest().pose.limits[0];
    for n in 0..4 {
        let out = speak(&mut harness, n);
        assert!((out.pose.yaw - portrait().pose.yaw - limit).abs() < 1e-4, "{:?}", out.pose);
    }
    assert_eq!(warnings(&bus).len(), 1);
    element.set_property_from_str("pose-mode", "generated");
    element.set_property("pose-style", 63u32);
    (4..8).for_each(|n| drop(speak(&mut harness, n)));
    assert_eq!(warnings(&bus).len(), 1, "too large a style is said once");
    element.set_property_from_str("pose-mode", "transferred");
    (8..12).for_each(|n| drop(speak(&mut harness, n)));
    assert_eq!(warnings(&bus).len(), 1, "a missing video is said once");
}

#[test]
fn a_face_on_the_main_pad_drives_what_it_may() {
    let drive = |flags: &str| {
        let (element, _) = element(&[("drive", flags)]);
        let mut harness = main_pad(&element);
        let outs: Vec<Out> = (0..6)
            .map(|n| {
                harness.push(video(n)).unwrap();
                pull(&mut harness)
            })
            .collect();
        let (neutral, last) = (&portrait().neutral, &outs[5]);
        let moved = |i: usize| ((last.landmarks[i][1] - neutral[i][1]) / 0.05 * 100.0).round() as i32;
        (moved(LIP), moved(LID), moved(FOREHEAD), (last.pose.yaw - portrait().pose.yaw).round() as i32)
    };
    assert_eq!(drive("auto"), (100, 100, 100, 5));
    assert_eq!(drive("all"), (100, 100, 100, 5));
    assert_eq!(drive("mouth"), (100, 0, 0, 0));
    assert_eq!(drive("pose+eyes"), (0, 100, 0, 5));
    assert_eq!(drive("expression"), (0, 0, 100, 0));
}

#[test]
fn eyes_stay_with_the_viewer_while_the_head_turns() {
    let turned = |yaw: &str, contact: Option<&str>| {
        let contact = contact.map(|share| ("eye-contact", share));
        let properties: Vec<_> = [("pose-mode", "still"), ("yaw", yaw)].into_iter().chain(contact).collect();
        run(&properties, 1).remove(0)
    };
    let (held, default) = (turned("12", Some("0")), turned("12", None));
    let way = |out: &Out| out.landmarks[IRIS][0] - held.landmarks[IRIS][0];
    // The head turns to the left, the eyes to the right.
    assert!(way(&default) > 0.01, "{}", way(&default));
    assert!(way(&turned("12", Some("1"))) > 1.2 * way(&default));
    assert!((way(&turned("-12", None)) + way(&default)).abs() < 0.005);
    assert_eq!((default.landmarks[LIP], default.pose), (held.landmarks[LIP], held.pose));
    assert_ne!(default.payload, held.payload, "latents follow");
    // A head as in the photo has the eyes of the speech.
    assert_eq!(turned("0", None), turned("0", Some("0")));
}

#[test]
fn eyes_that_a_video_drives_look_where_its_own_do() {
    let iris = |drive: &str| {
        let (element, _) = element(&[("drive", drive)]);
        let mut harness = main_pad(&element);
        let outs = (0..6).map(|n| {
            harness.push(video(n)).unwrap();
            pull(&mut harness).landmarks[IRIS][0]
        });
        outs.last().unwrap() - portrait().neutral[IRIS][0]
    };
    assert!(iris("all").abs() < 1e-6);
    assert!(iris("pose+mouth") > 0.005);
}

#[test]
fn who_is_moved_by_the_speech_breathes_and_nobody_else() {
    let lifts = |properties: &[(&str, &str)]| -> Vec<f32> {
        run(properties, 60).iter().map(|out| out.lift).collect()
    };
    let once = lifts(&[]);
    assert!(once[0] == 0.0 && once.iter().any(|&lift| lift > 0.02 * portrait().pose.scale), "{once:?}");
    let twice: Vec<f32> = once.iter().map(|lift| 2.0 * lift).collect();
    assert_eq!(lifts(&[("breath", "2")]), twice);
    assert_ne!(lifts(&[("seed", "2")]), once);
    for none in [("breath", "0"), ("pose-mode", "still"), ("pose-mode", "free")] {
        assert_eq!(lifts(&[none]), [0.0; 60], "{none:?}");
    }
    // It lifts the body, and moves nothing of the face.
    let payloads =
        |breath| run(&[("breath", breath)], 20).into_iter().map(|out| out.payload).collect::<Vec<_>>();
    assert!(payloads("1") == payloads("0"));
}

#[test]
fn a_face_on_the_pose_pad_drives_a_speaking_one() {
    let (element, bus) = element(&[("drive", "pose+eyes")]);
    let mut harness = main_pad(&element);
    let mut second = pose_pad(&element);
    let plain = run(&[("pose-mode", "still")], 12);
    let rest = portrait().pose;
    for n in 0..8 {
        second.push(video(n)).unwrap();
    }
    second.push_event(gst::event::Eos::new());
    for n in 0..12u64 {
        let out = speak(&mut harness, n);
        // The end is held.
        let turned = n.min(7) as f32;
        assert!((out.pose.yaw - rest.yaw - turned).abs() < 1e-4, "frame {n}: {:?}", out.pose);
        let speech = &plain[n as usize].landmarks;
        assert_eq!(out.landmarks[LIP], speech[LIP], "the voice has the mouth");
        assert_eq!(out.landmarks[FOREHEAD], speech[FOREHEAD]);
        let lid = out.landmarks[LID][1] - portrait().neutral[LID][1];
        assert!((lid - 0.01 * turned).abs() < 1e-4, "the video has the eyes: {lid}");
    }
    assert_eq!(warnings(&bus), [""; 0]);
}

#[test]
fn a_loop_starts_again_without_a_jump_and_going_back_in_time_forgets() {
    let (element, _) = element(&[("pose-loop", "true")]);
    let mut harness = main_pad(&element);
    let mut second = pose_pad(&element);
    let play = |harness: &mut Harness, second: &mut Harness| -> Vec<Out> {
        (0..15).for_each(|n| assert!(second.push(video(n)).is_ok()));
        second.push_event(gst::event::Eos::new());
        (0..50).map(|n| speak(harness, n)).collect()
    };
    let first = play(&mut harness, &mut second);
    let yaw = |n: usize| first[n].pose.yaw - portrait().pose.yaw;
    assert!((yaw(14) - 14.0).abs() < 1e-3);
    assert!(yaw(18) < 13.0 && yaw(18) > 3.0, "it goes back to the beginning: {}", yaw(18));
    assert!(yaw(22) < yaw(18), "{} {}", yaw(18), yaw(22));
    assert!(largest_step(&first).0 < 4.0, "{:?}", largest_step(&first));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    for pad in [&mut second, &mut harness] {
        pad.push_event(gst::event::FlushStart::new());
        pad.push_event(gst::event::FlushStop::new(true));
        pad.push_event(gst::event::Segment::new(&segment));
    }
    assert_eq!(play(&mut harness, &mut second), first, "after a seek");
    second.push_event(gst::event::StreamStart::new("again"));
    for pad in [&mut second, &mut harness] {
        pad.push_event(gst::event::Segment::new(&segment));
    }
    assert_eq!(play(&mut harness, &mut second), first, "without a flush");
}

/// Somebody else is elsewhere in the video and looks elsewhere: no motion of the head that follows.
#[test]
fn another_face_takes_over_and_the_head_comes_to_rest_without_a_jump() {
    let other = |n: u64| {
        let mut buffer = buffer::from_f32(portrait().neutral.as_flattened());
        let pose = Pose { yaw: 16.0, x: 0.9, y: 0.3, scale: 0.12, ..Pose::default() };
        let b = buffer.get_mut().unwrap();
        meta::attach(b, FrameMeta::Pose, &[7], &pose.to_array());
        b.set_flags(if n == 6 { gst::BufferFlags::MARKER } else { gst::BufferFlags::empty() });
        at(n, buffer)
    };
    let face = |n: u64| if n < 6 { video(n) } else { other(n) };
    let rest = portrait().pose;
    for on_pad in [false, true] {
        let (element, bus) = element(&[]);
        let mut harness = main_pad(&element);
        let mut second = on_pad.then(|| pose_pad(&element));
        let outs: Vec<Out> = (0..40)
            .map(|n| match &mut second {
                None => {
                    harness.push(face(n)).unwrap();
                    pull(&mut harness)
                }
                Some(second) => {
                    second.push(face(n)).unwrap();
                    speak(&mut harness, n)
                }
            })
            .collect();
        assert!((outs[5].pose.yaw - rest.yaw - 5.0).abs() < 1e-3);
        assert!(largest_step(&outs).0 < 2.0, "{:?}", largest_step(&outs));
        let (last, unit) = (outs[39].pose, rest.scale);
        assert!((last.yaw - rest.yaw).abs() < 0.2, "{last:?}");
        assert!((last.x - rest.x).abs() < 0.02 * unit && (last.scale / unit - 1.0).abs() < 0.02, "{last:?}");
        assert_eq!(warnings(&bus), [""; 0]);
    }
}

#[test]
fn smoothing_and_absolute_angles() {
    let last = |properties: &[(&str, &str)]| {
        let (element, _) = element(properties);
        let mut harness = main_pad(&element);
        for n in 3..13 {
            harness.push(video(n)).unwrap();
        }
        (0..10).map(|_| pull(&mut harness).pose.yaw).last().unwrap()
    };
    let rest = portrait().pose.yaw;
    assert!((last(&[]) - rest - 9.0).abs() < 1e-4);
    assert!((last(&[("pose-relative", "false")]) - 12.0).abs() < 1e-4);
    let smooth = last(&[("pose-smoothing", "200")]) - rest;
    assert!((3.0..7.0).contains(&smooth), "{smooth}");
}

#[test]
fn the_pose_pad_comes_and_goes_while_the_portrait_speaks() {
    let (element, _) = element(&[("pose-mode", "auto")]);
    let mut harness = main_pad(&element);
    let plain = run(&[], 8);
    (0..2).for_each(|n| assert_eq!(speak(&mut harness, n), plain[n as usize], "frame {n}"));
    let mut second = pose_pad(&element);
    assert_eq!(speak(&mut harness, 2), plain[2], "no face came yet");
    second.push(video(3)).unwrap();
    speak(&mut harness, 3);
    // The harness releases its pad.
    drop(second);
    assert!(element.static_pad("pose").is_none());
    let after: Vec<Out> = (4..60).map(|n| speak(&mut harness, n)).collect();
    assert!(largest_step(&after).0 < 3.0);
    let mut again = pose_pad(&element);
    again.push(video(60)).unwrap();
    speak(&mut harness, 60);
}

/// A pause is no time to wave the head about.
#[test]
fn generated_motion_is_calm_while_the_voice_is_silent() {
    let spread = |silent: bool| {
        let (element, _) = element(&[("pose-mode", "generated"), ("seed", "3")]);
        let mut harness = main_pad(&element);
        let yaws: Vec<f32> = (0..250)
            .map(|n| {
                let mut buffer = (LANDMARKS2LATENTS.input)(n);
                if silent {
                    let mut features = meta::read(&buffer, FrameMeta::AudioFeatures).unwrap();
                    features.data.fill(-11.5);
                    meta::attach(
                        buffer.make_mut(),
                        FrameMeta::AudioFeatures,
                        &features.shape,
                        &features.data,
                    );
                }
                harness.push(buffer).unwrap();
                pull(&mut harness).pose.yaw
            })
            .collect();
        let mean = yaws.iter().sum::<f32>() / yaws.len() as f32;
        (yaws.iter().map(|yaw| (yaw - mean).powi(2)).sum::<f32>() / yaws.len() as f32).sqrt()
    };
    let (speaking, silent) = (spread(false), spread(true));
    assert!(silent < 0.8 * speaking && silent > 0.05, "{silent} degrees silent, {speaking} speaking");
}

/// A voice and a video that wait for each other, as from files.
fn from_files(element: &gst::Element) -> (Harness, Harness) {
    let (mut main, mut second) = (main_pad(element), pose_pad(element));
    main.set_live(false);
    second.set_live(false);
    (main, second)
}

/// Ten seconds of video on a thread; what came of it.
fn play(mut second: Harness) -> std::thread::JoinHandle<(Result<gst::FlowSuccess, gst::FlowError>, Harness)> {
    std::thread::spawn(move || {
        let mut flow = Ok(gst::FlowSuccess::Ok);
        for n in 0..250 {
            flow = second.push(video(n));
            if flow.is_err() {
                break;
            }
        }
        (flow, second)
    })
}

/// Nobody needs the rest of a video when the voice has ended: its source is told, and does not wait for ever.
#[test]
fn the_end_of_the_voice_ends_the_video() {
    let (element, _) = element(&[]);
    let (mut main, second) = from_files(&element);
    let playing = play(second);
    speak(&mut main, 0);
    assert!(!playing.is_finished());
    main.push_event(gst::event::Eos::new());
    let start = Instant::now();
    while !playing.is_finished() {
        assert!(start.elapsed() < PATIENCE, "the voice has ended, and the video waits");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(playing.join().unwrap().0, Err(gst::FlowError::Eos));
}

/// The end of a segment of either does not stop the other, nor the seek that begins the next one.
#[test]
fn the_end_of_a_segment_stops_neither_voice_nor_video() {
    let (element, _) = element(&[]);
    let (mut main, second) = from_files(&element);
    let playing = play(second);
    speak(&mut main, 0);
    main.push_event(gst::event::SegmentDone::new(FRAME));
    let (flow, mut second) = playing.join().unwrap();
    assert!(flow.is_ok(), "the video goes on to its own end: {flow:?}");
    second.push_event(gst::event::SegmentDone::new(FRAME * 250));
    // The video is over, its end is held.
    let last = (1..300).map(|n| speak(&mut main, n).pose.yaw).last();
    assert!(last.is_some());
}
