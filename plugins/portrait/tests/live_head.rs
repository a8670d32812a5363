// SPDX-License-Identifier: MIT OR Apache-2.0
//! Live streams of `talkinghead`: the pictures go on, whatever is changed.

mod common;

use common::live::{CHUNK_TIME, Stage};
use common::{FRAME, init, portrait_path, tone};
use gst::prelude::*;
use gstportrait::stream::tensor::{FrameMeta, meta};

/// Most degrees that a head turns by from one frame to the next, whatever is asked at once.
const MAX_TURN: f32 = 7.5;

fn head() -> gst::Element {
    init();
    let head = gst::ElementFactory::make("talkinghead").build().unwrap();
    head.set_property("portrait", portrait_path());
    head
}

fn pcm_caps(rate: i32, channels: i32) -> gst::Caps {
    common::audio_caps(rate, channels)
}

/// A source that changes what it sends: the pictures go on.
#[test]
fn changes_of_rate_and_channels_keep_the_cadence() {
    let mut stage = Stage::new(&head(), &pcm_caps(48_000, 2));
    let mut now = gst::ClockTime::ZERO;
    for (rate, channels) in [(48_000, 2), (16_000, 1), (44_100, 1), (8_000, 2)] {
        stage.harness.push_event(gst::event::Caps::new(&pcm_caps(rate, channels)));
        for _ in 0..50 {
            let samples: Vec<f32> = tone(0, (rate * channels) as usize / 50);
            stage.push_at(now + CHUNK_TIME, now, &samples);
            now += CHUNK_TIME;
        }
    }
    stage.run_until(now);
    let frames = stage.frames();
    // 4 s, less frame, look-ahead and patience.
    assert!((94..=96).contains(&frames.len()), "{} pictures in 4 s", frames.len());
}

/// Distance of the lips in units of the distance of the eyes.
fn aperture(picture: &gst::BufferRef) -> f32 {
    let landmarks = meta::read(picture, FrameMeta::Landmarks).unwrap().data;
    landmarks[14 * 3 + 1] - landmarks[13 * 3 + 1]
}

/// Barge-in: the listener speaks, the application flushes, and the mouth closes at once but does not snap.
#[test]
fn an_interrupted_face_closes_its_mouth_within_200_ms_without_a_jump() {
    let wav = std::fs::read(common::photo("speech-af_heart.wav")).unwrap();
    let speech: Vec<f32> =
        wav[44..].chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0).collect();
    let mut stage = Stage::new(&head(), &pcm_caps(16_000, 1));
    // The whole sentence at once, as a synthesizer sends it.
    stage.push_at(gst::ClockTime::ZERO, gst::ClockTime::ZERO, &speech);
    let mut apertures = Vec::new();
    let pull = |stage: &mut Stage, apertures: &mut Vec<f32>| {
        while let Some(picture) = stage.harness.try_pull() {
            apertures.push(aperture(&picture));
        }
    };
    // Interrupted while the mouth is open.
    let open = 0.06;
    let mut time = gst::ClockTime::SECOND;
    while apertures.last().is_none_or(|&a| a < open) {
        time += FRAME;
        assert!(time < gst::ClockTime::from_seconds(8), "the mouth never opens: {apertures:?}");
        stage.run_until(time);
        pull(&mut stage, &mut apertures);
    }
    let spoken = apertures.len();
    let fastest = apertures.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
    stage.harness.push_event(gst::event::FlushStart::new());
    stage.harness.push_event(gst::event::FlushStop::new(false));
    stage.run_until(time + FRAME * 25);
    pull(&mut stage, &mut apertures);
    let after = &apertures[spoken - 1..];
    assert!(after.len() > 20, "{} pictures in the second after the flush", after.len());
    // The picture that is shown, then five more: 200 ms.
    assert!(after[5] < open / 3.0, "not shut within 200 ms: {after:?}");
    assert!(after[5..].iter().all(|a| *a < open), "the mouth opens in silence: {after:?}");
    let jump = after.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
    assert!(jump <= fastest * 1.1, "a jump of {jump} where speech moves by {fastest} at most: {after:?}");
}

/// On air every slider is moved while the picture is shown: no frame is lost over it, and the head does not jump.
#[test]
fn every_control_may_change_in_a_live_stream() {
    let element = head();
    let mut stage = Stage::new(&element, &pcm_caps(16_000, 1));
    let mut heard = 0;
    let mut hear = |stage: &mut Stage, chunks: u64| {
        (0..chunks).for_each(|_| {
            stage.hear(heard);
            heard += 1;
        });
        heard
    };
    hear(&mut stage, 50);
    let controls: Vec<_> = element
        .list_properties()
        .iter()
        .filter(|p| p.flags().contains(gst::PARAM_FLAG_CONTROLLABLE))
        .map(|p| p.name())
        .collect();
    assert!(controls.len() > 15, "{controls:?}");
    for name in controls {
        let pspec = element.find_property(name).unwrap();
        let before = element.property_value(name);
        if let Some(range) = pspec.downcast_ref::<gst::glib::ParamSpecFloat>() {
            element.set_property(name, range.maximum());
        } else if let Some(range) = pspec.downcast_ref::<gst::glib::ParamSpecDouble>() {
            element.set_property(name, range.maximum());
        } else {
            continue;
        }
        hear(&mut stage, 6);
        element.set_property_from_value(name, &before);
        hear(&mut stage, 4);
    }
    for (name, value) in [
        ("emotion", "happy"),
        ("emotion-mix", "sad=0.5,fear=0.5"),
        ("blink", "off"),
        ("look-away", "true"),
        ("pose-mode", "still"),
        ("pose-mode", "generated"),
    ] {
        element.set_property_from_str(name, value);
        hear(&mut stage, 10);
    }
    let chunks = hear(&mut stage, 10);
    common::settle(&stage.harness);
    let (mut seen, mut last) = (0, None::<Vec<f32>>);
    while let Some(picture) = stage.harness.try_pull() {
        assert_eq!(picture.pts(), Some(FRAME * seen), "the cadence");
        let pose = meta::read(&picture, FrameMeta::Pose).expect("every picture has its pose").data;
        if let Some(last) = &last {
            let turn = (0..3).map(|i| (pose[i] - last[i]).abs()).fold(0.0, f32::max);
            assert!(turn < MAX_TURN, "picture {seen}: the head turns by {turn} degrees at once");
        }
        (seen, last) = (seen + 1, Some(pose));
    }
    assert_eq!(seen, (chunks * 20 - 200) / 40 + 1, "as many pictures as without a change");
    assert_eq!(stage.stat::<u64>("dropped"), 0);
}

/// Reported latency of the whole chain, and numbers of every stage.
#[test]
fn the_bin_sums_up_its_stages() {
    let element = head();
    element.set_property("processing-deadline", 30_000_000u64);
    let mut stage = Stage::new(&element, &pcm_caps(16_000, 1));
    for n in 0..50 {
        stage.hear(n);
    }
    common::settle(&stage.harness);
    assert_eq!(stage.stat::<u64>("latency"), 230_000_000);
    let stats: gst::Structure = element.property("stats");
    assert_eq!(stats.get::<u64>("frames").unwrap(), 21);
    assert_eq!(stats.get::<u64>("dropped").unwrap(), 0);
    let mut sum = 0.0;
    for name in ["audiofeatures", "speech2landmarks", "landmarks2latents", "facesynth"] {
        let of: gst::Structure = stats.get(name).unwrap();
        assert_eq!(of.get::<u64>("frames").unwrap(), 21, "{name}");
        sum += of.get::<f64>("average-ms").unwrap();
    }
    assert!((stats.get::<f64>("average-ms").unwrap() - sum).abs() < 1e-9 && sum > 0.0);
}
