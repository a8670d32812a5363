// SPDX-License-Identifier: MIT OR Apache-2.0
//! `speech2landmarks`: what its controls do to the landmarks, live and by keyframes.

mod common;

use std::sync::{Arc, LazyLock};

use common::{AUDIO_FEATURES, FRAME, SPEECH2LANDMARKS, at, pack, photo, portrait};
use gst::glib;
use gst::prelude::*;
use gst_controller::prelude::*;
use gstportrait::face::landmark::indices::{BROW_LEFT, IRIS_LEFT, IRIS_RIGHT, LIPS_OUTER};
use gstportrait::photo::{Photos, Portrait, context};
use gstportrait::stream::tensor::{FrameMeta, buffer, meta};

/// Frames a second.
const FPS: usize = 25;

/// Gaps that the network leaves between lips that touch, in distances of the outer eye corners.
const TOUCH: f32 = 0.004;

/// What comes out for one frame.
#[derive(Clone, Debug, PartialEq)]
struct Frame {
    points: Vec<[f32; 3]>,
    emotion: Vec<f32>,
    /// As [`FrameMeta::Face`] tells.
    face: Vec<f32>,
}

impl Frame {
    fn of(buffer: &gst::Buffer) -> Self {
        let mut points = vec![[0.0; 3]; 478];
        buffer::read_f32(buffer, points.as_flattened_mut()).unwrap();
        let tensor = |kind| meta::read(buffer, kind).unwrap().data;
        Self { points, emotion: tensor(FrameMeta::Emotion), face: tensor(FrameMeta::Face) }
    }

    fn gap(&self) -> f32 {
        self.points[14][1] - self.points[13][1]
    }

    /// Opening of the eye at the viewer's left.
    fn eye(&self) -> f32 {
        self.points[145][1] - self.points[159][1]
    }

    fn closure(&self) -> f32 {
        self.face[2]
    }

    /// Farthest way of a point from here to another frame.
    fn way(&self, other: &Self) -> f32 {
        let numbers = self.points.as_flattened().iter().zip(other.points.as_flattened());
        numbers.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }
}

/// Features of three seconds of speech.
fn speech() -> &'static [Vec<f32>] {
    static SPEECH: LazyLock<Vec<Vec<f32>>> = LazyLock::new(|| {
        let mut harness = AUDIO_FEATURES.harness();
        let samples = buffer::from_f32(&common::speech(0, 75 * common::FRAME_SAMPLES));
        harness.push(at(0, samples)).unwrap();
        harness.push_event(gst::event::Eos::new());
        let frames = common::drain(&mut harness);
        frames
            .iter()
            .map(|b| b.chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect())
            .collect()
    });
    &SPEECH
}

/// Features that stand for silence.
fn silence() -> Vec<f32> {
    vec![0.0; speech()[0].len()]
}

/// An element that eats features, frame by frame.
struct Run {
    harness: gst_check::Harness,
    frames: u64,
}

impl Run {
    /// Eyes that do not blink by themselves and a face that speaks at once, so that nothing moves but what a test moves.
    fn new() -> Self {
        Self::easing_in().at_once()
    }

    /// The same, but for the way in.
    fn easing_in() -> Self {
        Self::around(&SPEECH2LANDMARKS.element())
    }

    fn around(element: &gst::Element) -> Self {
        element.set_property_from_str("blink", "off");
        Self { harness: SPEECH2LANDMARKS.harness_of(element), frames: 0 }
    }

    fn at_once(self) -> Self {
        self.element().set_property("ease-in", 0u32);
        self
    }

    /// The person of the portrait, with a second photo.
    fn with_second_photo(open: Option<Arc<Portrait>>) -> Self {
        Self::of(Photos { portrait: portrait(), open })
    }

    fn of(photos: Photos) -> Self {
        let element = SPEECH2LANDMARKS.element();
        element.set_context(&context::make(&photos));
        Self::around(&element).at_once()
    }

    fn element(&self) -> gst::Element {
        self.harness.element().unwrap()
    }

    fn step(&mut self, features: &[f32]) -> Frame {
        self.take(buffer::from_f32(features))
    }

    fn take(&mut self, features: gst::Buffer) -> Frame {
        self.harness.push(at(self.frames, features)).unwrap();
        self.frames += 1;
        Frame::of(&self.harness.pull().unwrap())
    }

    fn silence(&mut self, frames: usize) -> Vec<Frame> {
        let silence = silence();
        (0..frames).map(|_| self.step(&silence)).collect()
    }

    fn speech(&mut self) -> Vec<Frame> {
        speech().iter().map(|features| self.step(features)).collect()
    }
}

/// Speech with a number set from the start.
fn speech_with(name: &str, value: f32) -> Vec<Frame> {
    let mut run = Run::new();
    run.element().set_property(name, value);
    run.speech()
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0, 0.0), |(s, n), v| (s + v, n + 1.0));
    sum / count
}

#[test]
fn mouth_gain_scales_the_aperture_and_closed_lips_stay_closed() {
    let plain = speech_with("mouth-gain", 1.0);
    let aperture = mean(plain.iter().map(|f| f.gap().max(TOUCH) - TOUCH));
    assert!(aperture > 0.01, "speech opens the mouth: {aperture}");
    for gain in [0.0, 0.5, 1.6, 2.0] {
        let scaled = speech_with("mouth-gain", gain);
        let ratio = mean(scaled.iter().map(|f| f.gap().max(TOUCH) - TOUCH)) / aperture;
        assert!((ratio - gain).abs() < 0.05, "{ratio} for {gain}");
        for (frame, plain) in scaled.iter().zip(&plain).filter(|(_, plain)| plain.gap() <= TOUCH) {
            assert!(frame.gap() <= TOUCH * 1.1, "{} opens to {}", plain.gap(), frame.gap());
        }
    }
}

/// The first picture can follow a still of the photo; six frames later nothing of it is left.
#[test]
fn the_face_begins_as_the_photo_whatever_is_said_and_eases_into_speech() {
    let (plain, eased) = (Run::new().speech(), Run::easing_in().speech());
    let mut louder = Run::easing_in();
    louder.element().set_property("mouth-gain", 2.0f32);
    louder.element().set_property_from_str("emotion", "happy");
    let first = louder.step(&silence());
    assert!(plain[0].way(&eased[0]) > 1e-3, "the photo's face is another than the one that speaks");
    assert!(eased[0].way(&first) < 1e-6, "neither sound nor controls change it: {}", eased[0].way(&first));
    for (i, (plain, eased)) in plain.iter().zip(&eased).enumerate() {
        assert_eq!(plain == eased, i >= 6, "frame {i}");
    }
}

/// The second photo shows somebody else here: what matters is what it moves and what it leaves.
#[test]
fn a_second_photo_moves_the_mouth_and_leaves_its_opening_and_the_rest() {
    let open = Portrait::analyse(&photo("portrait-astronaut.png"), &pack(), tch::Device::Cpu).unwrap();
    let [one, two] = [None, Some(open)].map(|open| Run::with_second_photo(open).speech());
    assert_eq!(one.len(), two.len());
    for (one, two) in one.iter().zip(&two) {
        let way = |i: usize| (0..3).map(|k| (one.points[i][k] - two.points[i][k]).abs()).fold(0.0, f32::max);
        assert!(mean(LIPS_OUTER.iter().map(|&i| way(i))) > 1e-3, "the lips move");
        assert!((one.gap() - two.gap()).abs() < 1e-4, "{} {}", one.gap(), two.gap());
        assert!(BROW_LEFT.iter().chain(&IRIS_LEFT).all(|&i| way(i) == 0.0), "brows and eyes stay");
    }
}

#[test]
fn a_gain_of_one_is_the_network_itself() {
    let mut run = Run::new();
    let element = run.element();
    for name in ["mouth-gain", "expression-gain", "brow-gain"] {
        element.set_property(name, 1.0f32);
    }
    assert_eq!(run.speech(), Run::new().speech());
}

#[test]
fn expression_and_brow_gains_scale_their_part_of_the_face() {
    let lift = |name: &str, gain: f32| {
        let mut run = Run::new();
        run.element().set_property_from_str("emotion", "surprise");
        run.element().set_property(name, gain);
        let frame = run.silence(3).pop().unwrap();
        (mean(BROW_LEFT.iter().map(|&i| frame.points[i][1])), frame.eye(), frame.gap())
    };
    let mut run = Run::new();
    let rest = run.silence(3).pop().unwrap();
    let rest_brow = mean(BROW_LEFT.iter().map(|&i| rest.points[i][1]));
    let (brow, eye, gap) = lift("brow-gain", 1.0);
    assert!(brow < rest_brow - 0.01, "surprise lifts the brows: {brow} from {rest_brow}");
    for name in ["brow-gain", "expression-gain"] {
        let (none, _, _) = lift(name, 0.0);
        let (twice, wide, same) = lift(name, 2.0);
        assert!(none > brow && twice < brow, "{name}: {none} {brow} {twice}");
        let ratio = (twice - none) / (brow - none);
        assert!((ratio - 2.0).abs() < 0.1, "{name}: {ratio}");
        assert!((same - gap).abs() < 1e-5, "{name} leaves the mouth");
        assert_eq!((wide - eye).abs() < 1e-5, name == "brow-gain", "{name}: eye {eye} {wide}");
    }
}

/// Half a minute of features of silence, over which brows rise on syllables of which each third is loud.
fn stressed(mut run: Run) -> Vec<Frame> {
    let level = |i: usize| match (i % 5, i / 5 % 3) {
        (4, _) => -60.0,
        (_, 2) => -18.0,
        _ => -28.0,
    };
    let hear = |i: usize| {
        let mut features = buffer::from_f32(&silence());
        meta::attach(features.get_mut().unwrap(), FrameMeta::Loudness, &[2], &[level(i); 2]);
        run.take(features)
    };
    (0..30 * FPS).map(hear).collect()
}

/// How far brows rise at most over where they were in the first frame.
fn lift(frames: &[Frame]) -> f32 {
    let brow = |frame: &Frame| mean(BROW_LEFT.iter().map(|&i| frame.points[i][1]));
    frames.iter().map(|frame| brow(&frames[0]) - brow(frame)).fold(0.0, f32::max)
}

#[test]
fn brows_rise_on_stressed_syllables_and_nothing_else_does() {
    let heard = |accents: f32, brow_gain: f32| {
        let run = Run::new();
        run.element().set_property("brow-accents", accents);
        run.element().set_property("brow-gain", brow_gain);
        stressed(run)
    };
    let still = heard(0.0, 1.0);
    let raised = heard(1.0, 1.0);
    let once = lift(&raised) - lift(&still);
    assert!((0.005..0.04).contains(&once), "{once}");
    for (accents, gain, factor) in [(2.0, 1.0, 2.0), (1.0, 2.0, 2.0), (1.0, 0.0, 0.0)] {
        let scaled = lift(&heard(accents, gain)) - lift(&heard(0.0, gain));
        assert!((scaled / once - factor).abs() < 0.1, "{scaled} for {once}");
    }
    for (raised, still) in raised.iter().zip(&still) {
        assert!(LIPS_OUTER.iter().chain(&IRIS_LEFT[..1]).all(|&i| raised.points[i] == still.points[i]));
    }
}

/// Their frame would bend.
#[test]
fn behind_glasses_brows_rise_by_a_third() {
    let analyse = |path: &std::path::Path| Portrait::analyse(path, &pack(), tch::Device::Cpu).unwrap();
    let bare = analyse(&photo("portrait-astronaut.png"));
    let points: Vec<[f32; 3]> = bare.crop.pixels(&bare.landmarks).collect();
    let mut picture = image::open(photo("portrait-astronaut.png")).unwrap().into_rgb8();
    // A bridge from the inner corner of the one eye to that of the other.
    let (from, to) = (points[133], points[362]);
    let half = (to[0] - from[0]) / 12.0;
    for x in from[0] as u32..to[0] as u32 {
        for y in (from[1] - half) as u32..(from[1] + half) as u32 {
            picture.put_pixel(x, y, image::Rgb([20; 3]));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    picture.save(folder.path().join("worn.png")).unwrap();
    let worn = analyse(&folder.path().join("worn.png"));
    assert_eq!((bare.glasses, worn.glasses), (false, true));
    let [bare, worn] = [bare, worn].map(|portrait| {
        let heard = |accents: f32| {
            let run = Run::of(Photos { portrait: Arc::clone(&portrait), open: None });
            run.element().set_property("brow-accents", accents);
            lift(&stressed(run))
        };
        heard(1.0) - heard(0.0)
    });
    assert!((worn / bare - 0.35).abs() < 0.05, "{worn} for {bare}");
}

#[test]
fn the_mouth_is_as_open_at_silence_as_mouth_base_says() {
    let gap = |base: f32| {
        let mut run = Run::new();
        run.element().set_property("mouth-base", base);
        run.silence(2 * FPS).pop().unwrap().gap()
    };
    let gaps = [0.0, 0.25, 0.5, 1.0].map(gap);
    assert!(gaps[0] <= TOUCH && gaps.windows(2).all(|g| g[1] > g[0] + 0.01), "{gaps:?}");
}

#[test]
fn blinks_are_as_many_and_as_long_as_asked() {
    let mut run = Run::new();
    let element = run.element();
    element.set_property_from_str("blink", "auto");
    for (rate, duration) in [(12.0f32, 200u32), (30.0, 400)] {
        element.set_property("blink-rate", rate);
        element.set_property("blink-duration", duration);
        let closures: Vec<f32> = run.silence(60 * FPS).iter().map(Frame::closure).collect();
        let blinks: Vec<usize> = closures.split(|&c| c == 0.0).map(<[f32]>::len).filter(|&n| n > 0).collect();
        assert!((blinks.len() as f32 - rate).abs() <= 2.0, "{} at {rate} a minute", blinks.len());
        let mean = mean(blinks.iter().map(|&n| n as f32)) * 40.0;
        assert!((mean - duration as f32).abs() < 40.0, "{mean} ms for {duration}");
    }
}

#[test]
fn the_signal_blinks_at_once() {
    let mut run = Run::new();
    let before = run.silence(5).pop().unwrap();
    run.element().emit_by_name::<()>("blink", &[]);
    let frames = run.silence(20);
    assert!(frames[0].closure() > 0.0 && frames[0].eye() < before.eye());
    let shut = frames.iter().map(Frame::eye).fold(f32::MAX, f32::min);
    assert!(shut < 0.15 * before.eye(), "{shut} of {}", before.eye());
    assert!((frames[19].eye() - before.eye()).abs() < 0.1 * before.eye(), "and opens again");
    let length = frames.iter().filter(|f| f.closure() > 0.0).count();
    assert!((6..=8).contains(&length), "{length} frames for 280 ms, 15 % more or less");
}

#[test]
fn gaze_turns_the_irises_and_the_lids_follow_it_up_and_down() {
    let rest = Run::new().silence(12).pop().unwrap();
    let look = |yaw: f32, pitch: f32| {
        let mut run = Run::new();
        run.element().set_property("gaze-yaw", yaw);
        run.element().set_property("gaze-pitch", pitch);
        let frame = run.silence(12).pop().unwrap();
        assert_eq!(frame.face[..2], [yaw, pitch]);
        frame
    };
    let moved =
        |frame: &Frame, point: usize, axis: usize| frame.points[point][axis] - rest.points[point][axis];
    // 15 degrees of an eyeball of 12 mm are 3.1 mm; the eyes are 89 mm wide.
    let way = 3.1 / 89.0;
    for yaw in [-15.0, 15.0] {
        let frame = look(yaw, 0.0);
        for iris in [IRIS_LEFT[0], IRIS_RIGHT[0]] {
            let x = moved(&frame, iris, 0) * -yaw.signum();
            assert!((0.9 * way..1.4 * way).contains(&x), "{x} to the viewer's left for {yaw}");
            assert!(moved(&frame, iris, 1).abs() < 0.01 * way);
        }
        assert_eq!((frame.eye(), frame.gap()), (rest.eye(), rest.gap()), "nothing else moves");
    }
    for pitch in [-15.0, 15.0] {
        let frame = look(0.0, pitch);
        let y = moved(&frame, IRIS_LEFT[0], 1) * pitch.signum();
        assert!((0.9 * way..1.6 * way).contains(&y), "{y} down for {pitch}");
        for lid in [159, 145, 386, 374] {
            let lid = moved(&frame, lid, 1) * pitch.signum();
            assert!(lid > 0.1 * y && lid < y, "the lid goes {lid} of {y}");
        }
        assert!(frame.eye() > 0.3 * rest.eye());
    }
}

#[test]
fn eyes_look_away_now_and_then_and_come_back() {
    let mut run = Run::new();
    let element = run.element();
    element.set_property("look-away", true);
    element.set_property("look-away-angle", 20.0f32);
    element.set_property("look-away-interval", 3.0f32);
    let frames = run.silence(60 * FPS);
    let angles: Vec<f32> = frames.iter().map(|f| f.face[0].hypot(f.face[1])).collect();
    let looks = angles.windows(2).filter(|a| a[0] == 0.0 && a[1] > 0.0).count();
    assert!((11..=22).contains(&looks), "{looks} looks in a minute, every 3 s and the time away");
    let most = angles.iter().copied().fold(0.0, f32::max);
    assert!((15.0..=20.01).contains(&most), "{most}");
    let ahead = angles.iter().filter(|&&a| a == 0.0).count();
    assert!(ahead > angles.len() / 2, "{ahead} frames look ahead");
    assert!(angles.windows(2).all(|a| (a[1] - a[0]).abs() < 11.0), "no jumps");
}

#[test]
fn a_mix_is_its_weights_and_a_change_takes_the_transition() {
    let mut run = Run::new();
    let element = run.element();
    element.set_property("emotion-mix", "happy=0.6,surprise=0.3");
    assert_eq!(run.silence(1)[0].emotion, [0.0, 0.6, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0]);
    element.set_property("emotion-transition", 1000u32);
    element.set_property("emotion-mix", "sad=1");
    let sad: Vec<f32> = run.silence(30).iter().map(|f| f.emotion[2]).collect();
    let due = sad.iter().position(|&v| v > 1.0 - 1e-4).unwrap();
    assert_eq!(due, 24, "one second from none to full: {sad:?}");
    assert!(sad.windows(2).all(|v| v[1] - v[0] < 0.0401));
    element.set_property("emotion-transition", 0u32);
    element.set_property("emotion-mix", None::<&str>);
    element.set_property_from_str("emotion", "angry");
    assert_eq!(run.silence(1)[0].emotion, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0], "at once");
}

#[test]
fn a_mixed_face_lies_between_its_emotions() {
    let face = |mix: &str| {
        let mut run = Run::new();
        run.element().set_property("emotion-mix", mix);
        run.silence(5).pop().unwrap()
    };
    let (happy, surprise, mixed) = (face("happy=1"), face("surprise=1"), face("happy=0.5,surprise=0.5"));
    assert!(mixed.way(&happy) < surprise.way(&happy) && mixed.way(&surprise) < happy.way(&surprise));
    assert!(mixed.way(&happy) > 0.01 && mixed.way(&surprise) > 0.01);
}

#[test]
fn a_wrong_mix_is_one_warning_and_the_old_one_stays() {
    let mut run = Run::new();
    let element = run.element();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    element.set_property("emotion-mix", "happy=0.5");
    element.set_property("emotion-mix", "glad=0.5");
    let message = bus.pop_filtered(&[gst::MessageType::Warning]).expect("a warning");
    let gst::MessageView::Warning(warning) = message.view() else { unreachable!() };
    let text = warning.error().to_string();
    assert!(text.contains("emotion-mix") && text.contains("\"glad\"") && text.contains("contempt"), "{text}");
    assert!(bus.pop().is_none(), "one message");
    assert_eq!(element.property::<Option<String>>("emotion-mix").as_deref(), Some("happy=0.5"));
    assert_eq!(run.silence(1)[0].emotion[1], 0.5);
    element.set_bus(None::<&gst::Bus>);
}

#[test]
fn every_control_takes_effect_within_two_frames_and_never_jumps() {
    // As far as 25 frames a second let eyes and lids move; gains and emotions are slower.
    let changes: [(&str, &str, f32); 9] = [
        ("emotion", "surprise", 0.03),
        ("emotion-mix", "happy=1", 0.03),
        ("gaze-yaw", "20", 0.04),
        ("gaze-pitch", "20", 0.04),
        ("mouth-gain", "2", 0.06),
        ("expression-gain", "2", 0.03),
        ("brow-gain", "2", 0.03),
        ("mouth-base", "1", 0.06),
        ("emotion-intensity", "0", 0.03),
    ];
    for (name, value, most) in changes {
        // A face with something for every gain to scale.
        let prepare = |run: &mut Run| {
            let element = run.element();
            if name.starts_with("emotion") || name.ends_with("gain") {
                element.set_property_from_str("emotion", "fear");
            }
            if name == "mouth-gain" {
                element.set_property("mouth-gain", 0.5f32);
                element.set_property_from_str("emotion", "surprise");
            }
            run.silence(25).pop().unwrap()
        };
        let mut run = Run::new();
        let before = prepare(&mut run);
        let mut same = Run::new();
        prepare(&mut same);
        run.element().set_property_from_str(name, value);
        let (changed, unchanged) = (run.silence(40), same.silence(40));
        let step = changed.windows(2).map(|f| f[1].way(&f[0])).fold(changed[0].way(&before), f32::max);
        assert!(step < most, "{name}: {step} in a frame");
        // The mouth base waits until it is sure of silence, which it is here.
        assert!(changed[1].way(&unchanged[1]) > 1e-4, "{name}: nothing after two frames");
        assert!(changed[39].way(&unchanged[39]) > 0.005, "{name}: {}", changed[39].way(&unchanged[39]));
    }
}

#[test]
fn keyframes_reach_every_number() {
    let specs: Vec<glib::ParamSpec> = Run::new().element().list_properties().to_vec();
    let controllable = specs.iter().filter(|s| s.flags().contains(gst::PARAM_FLAG_CONTROLLABLE));
    assert_eq!(controllable.clone().count(), 13, "every number can be keyframed");
    for spec in controllable {
        let mut run = Run::new();
        let element = run.element();
        let source = gst_controller::InterpolationControlSource::new();
        source.set_mode(gst_controller::InterpolationMode::Linear);
        assert!(source.set(gst::ClockTime::ZERO, 0.0) && source.set(FRAME * 10, 1.0));
        let binding = gst_controller::DirectControlBinding::new(&element, spec.name(), &source);
        element.add_control_binding(&binding).unwrap();
        let number = || {
            let value = element.property_value(spec.name());
            value.transform::<f64>().unwrap().get::<f64>().unwrap()
        };
        let mut seen = Vec::new();
        for _ in 0..=10 {
            run.silence(1);
            seen.push(number());
        }
        let (least, most) = match spec.downcast_ref::<glib::ParamSpecFloat>() {
            Some(float) => (f64::from(float.minimum()), f64::from(float.maximum())),
            None => {
                let uint = spec.downcast_ref::<glib::ParamSpecUInt>().unwrap();
                (f64::from(uint.minimum()), f64::from(uint.maximum()))
            }
        };
        let close = |a: f64, b: f64| (a - b).abs() < 0.02 * (most - least);
        let middle = f64::midpoint(least, most);
        assert!(
            close(seen[0], least) && close(seen[5], middle) && close(seen[10], most),
            "{}: {seen:?}",
            spec.name()
        );
    }
}

#[test]
fn a_keyframed_gaze_arrives_as_it_was_drawn() {
    let mut run = Run::new();
    let element = run.element();
    let source = gst_controller::InterpolationControlSource::new();
    source.set_mode(gst_controller::InterpolationMode::Linear);
    assert!(source.set(gst::ClockTime::ZERO, -10.0) && source.set(FRAME * 10, 10.0));
    let binding = gst_controller::DirectControlBinding::new_absolute(&element, "gaze-yaw", &source);
    element.add_control_binding(&binding).unwrap();
    for (n, frame) in run.silence(11).iter().enumerate() {
        assert!((frame.face[0] - (-10.0 + 2.0 * n as f32)).abs() < 1e-3, "{:?}", frame.face);
    }
}

#[test]
fn a_seed_repeats_and_another_differs() {
    let frames = |seed: u32| {
        let element = SPEECH2LANDMARKS.element();
        element.set_property("seed", seed);
        element.set_property("look-away", true);
        let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_src_caps((SPEECH2LANDMARKS.input_caps)());
        Run { harness, frames: 0 }.silence(10 * FPS)
    };
    let (first, again, other) = (frames(3), frames(3), frames(4));
    assert_eq!(first, again);
    let blinks = |f: &[Frame]| f.iter().map(Frame::closure).collect::<Vec<_>>();
    let looks = |f: &[Frame]| f.iter().map(|f| f.face[0]).collect::<Vec<_>>();
    assert_ne!(blinks(&first), blinks(&other));
    assert_ne!(looks(&first), looks(&other));
}

#[test]
fn a_flush_makes_the_next_frame_a_first_one() {
    let controls = |run: &Run| {
        let element = run.element();
        element.set_property_from_str("blink", "auto");
        element.set_property("look-away", true);
        element.set_property("mouth-base", 0.5f32);
        element.set_property("mouth-gain", 1.5f32);
    };
    let mut fresh = Run::new();
    controls(&fresh);
    let expected = fresh.speech();
    let mut flushed = Run::new();
    controls(&flushed);
    flushed.speech();
    flushed.harness.push_event(gst::event::FlushStart::new());
    flushed.harness.push_event(gst::event::FlushStop::new(true));
    flushed.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    flushed.frames = 0;
    assert_eq!(flushed.speech(), expected);
}
