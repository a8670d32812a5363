// SPDX-License-Identifier: MIT OR Apache-2.0
//! Live streams of `audiofeatures`: cadence, timestamps, interruptions.

mod common;

use std::time::Duration;

use common::live::{CHUNK_TIME, IDLE_AFTER, Stage, as_from_a_file, chunk, ms, silence};
use common::{AUDIO_FEATURES, FRAME};
use gst::prelude::*;
use gstportrait::stream::tensor::buffer;

/// What has not happened after this never will.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_source_that_never_sends_anything_gives_an_idle_face() {
    let mut stage = Stage::silent(&AUDIO_FEATURES.element());
    stage.run_until(IDLE_AFTER - ms(1));
    assert!(stage.harness.try_pull().is_none(), "the first frame may still wait");
    stage.run_until(IDLE_AFTER + FRAME * 49);
    let frames = stage.frames();
    assert_eq!(frames.len(), 50);
    assert!(frames.iter().all(|frame| *frame == silence()));
    assert_eq!(stage.stat::<u64>("idle-frames"), 50);
}

#[test]
fn a_live_frame_comes_out_with_its_last_sample() {
    let mut stage = Stage::features();
    for n in 0..200 {
        stage.hear(n);
        // Frame f needs the samples up to f * 40 + 200 ms.
        let expected = (CHUNK_TIME * (n + 1)).mseconds().checked_sub(200).map_or(0, |t| t / 40 + 1);
        assert_eq!(stage.harness.buffers_received() as u64, expected, "after chunk {n}");
    }
    let frames = stage.frames();
    assert_eq!(frames, as_from_a_file(200, |_| true)[..frames.len()]);
    assert_eq!((stage.stat::<u64>("idle-frames"), stage.stat::<u64>("late-samples")), (0, 0));
}

#[test]
fn audio_that_stops_a_second_of_every_three_is_what_a_file_with_silence_is() {
    let mut stage = Stage::features();
    let heard = |n: u64| n % 150 < 100;
    for n in (0..900).filter(|&n| heard(n)) {
        stage.hear(n);
    }
    stage.run_until(CHUNK_TIME * 900);
    let frames = stage.frames();
    assert!(frames.len() >= 444, "{} frames in 18 s", frames.len());
    assert!(frames == as_from_a_file(900, heard)[..frames.len()], "moved or lost samples");
    assert_eq!(stage.stat::<u64>("late-samples"), 0);
}

/// Numbers that look random, 0 to 1.
fn noise(n: u64) -> f64 {
    (n as f64 * 12.9898).sin().abs() * 43758.5453 % 1.0
}

#[test]
fn audio_that_arrives_up_to_300_ms_late_keeps_the_cadence() {
    let run = |deadline: gst::ClockTime| {
        let element = AUDIO_FEATURES.element();
        element.set_property("processing-deadline", deadline.nseconds());
        let mut stage = Stage::new(&element, &(AUDIO_FEATURES.input_caps)());
        let mut arrival = gst::ClockTime::ZERO;
        for n in 0..500 {
            // Packets of a network: delayed, but in order.
            arrival = arrival.max(CHUNK_TIME * (n + 1) + ms((noise(n) * 300.0) as u64));
            stage.push_at(arrival, CHUNK_TIME * n, &chunk(n));
        }
        stage.run_until(CHUNK_TIME * 500 + ms(300));
        let late: u64 = stage.stat("late-samples");
        (stage.frames(), late)
    };
    let (frames, late) = run(ms(20));
    assert!(frames.len() >= 245 && late > 0, "{} frames, {late} samples late", frames.len());
    // With the patience for it nothing is lost.
    let (frames, late) = run(ms(600));
    assert_eq!(late, 0);
    assert!(frames == as_from_a_file(500, |_| true)[..frames.len()]);
}

#[test]
fn timestamps_that_jitter_by_300_ms_move_nothing() {
    let mut stage = Stage::features();
    for n in 0..1500 {
        let jitter = if n == 0 { 0 } else { (noise(n) * 600.0) as i64 - 300 };
        let pts = (CHUNK_TIME * n).mseconds() as i64 + jitter;
        stage.push_at(CHUNK_TIME * (n + 1), ms(pts.max(0) as u64), &chunk(n));
    }
    let frames = stage.frames();
    assert!(frames.len() >= 745, "{} frames in 30 s", frames.len());
    assert!(frames == as_from_a_file(1500, |_| true)[..frames.len()]);
}

/// A sound card whose clock runs 1 % fast: frames stay with the pipeline's clock, the sound with its timestamps.
#[test]
fn timestamps_that_drift_are_followed() {
    let mut stage = Stage::features();
    for n in 0..3000u64 {
        let pts = CHUNK_TIME * n * 99 / 100;
        stage.push_at(pts + CHUNK_TIME, pts, &chunk(n));
    }
    let frames = stage.frames();
    assert!(frames.len() >= 1480, "{} frames in 59.4 s", frames.len());
    // 0.6 s too much in all; no more than a frame and a chunk of it waits.
    let waiting = stage.clock.time() - FRAME * (frames.len() as u64);
    assert!(waiting <= IDLE_AFTER + FRAME * 2, "{waiting} behind");
    assert_eq!(stage.stat::<u64>("idle-frames"), 0);
}

#[test]
fn timestamps_that_jump_keep_the_cadence_and_the_voice_comes_back() {
    let silence = silence();
    for jump in [-3500i64, -600, 900, 1400, 3_600_000] {
        let mut stage = Stage::features();
        for n in 0..330 {
            let offset = if n < 180 { 0 } else { jump };
            let pts = (CHUNK_TIME * n).mseconds() as i64 + offset;
            stage.push_at(CHUNK_TIME * (n + 1), ms(pts as u64), &chunk(n));
        }
        let frames = stage.frames();
        assert!(frames.len() >= 160, "{jump}: {} frames in 6.6 s", frames.len());
        let voiced = frames[130..].iter().filter(|frame| **frame != silence).count();
        assert!(voiced > 10, "{jump}: the voice is gone, {voiced} frames are left");
    }
}

#[test]
fn a_source_that_is_always_late_is_heard_in_the_end() {
    let mut stage = Stage::features();
    for n in 0..200 {
        stage.push_at(CHUNK_TIME * (n + 1) + ms(1500), CHUNK_TIME * n, &chunk(n));
    }
    let warning = stage.bus.pop_filtered(&[gst::MessageType::Warning]);
    assert!(warning.is_some(), "the user is told");
    let frames = stage.frames();
    let voiced = frames[frames.len() - 50..].iter().filter(|frame| **frame != silence()).count();
    assert!(voiced > 25, "only {voiced} of 50 frames are heard");
}

#[test]
fn a_sentence_sent_at_once_is_spoken_at_its_pace() {
    let mut stage = Stage::features();
    let begin = CHUNK_TIME * 50;
    // A synthesizer stamps what it sends with the time of sending.
    for n in 50..200 {
        stage.push_at(begin, begin, &chunk(n));
    }
    assert!(stage.harness.buffers_received() < 25, "frames come before their time");
    stage.run_until(CHUNK_TIME * 300);
    let frames = stage.frames();
    assert!(frames == as_from_a_file(300, |n| (50..200).contains(&n))[..frames.len()]);
    assert_eq!(stage.stat::<u64>("late-samples"), 0);
}

#[test]
fn a_flush_that_keeps_the_running_time_interrupts_the_voice_and_not_the_frames() {
    let mut stage = Stage::features();
    let element = stage.harness.element().unwrap();
    for n in 0..150 {
        // Three seconds at once: most of it waits.
        stage.push_at(gst::ClockTime::ZERO, CHUNK_TIME * n, &chunk(n));
    }
    stage.run_until(ms(1000));
    let before = stage.harness.buffers_received() as usize;
    stage.harness.push_event(gst::event::FlushStart::new());
    stage.harness.push_event(gst::event::FlushStop::new(false));
    stage.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    stage.run_until(ms(2000));
    // What comes next is heard again.
    for n in 100..200 {
        stage.hear(n);
    }
    let frames = stage.frames();
    let heard_again = (2000 - 200) / 40 - 1;
    assert!(frames[before - 10..before].iter().any(|frame| *frame != silence()));
    assert!(frames[before..heard_again].iter().all(|frame| *frame == silence()));
    assert!(frames[heard_again + 2..] == as_from_a_file(200, |n| n >= 100)[heard_again + 2..frames.len()]);
    assert_eq!(element.property::<gst::Structure>("stats").get("late-samples"), Ok(0u64));
}

#[test]
fn new_streams_and_segments_of_a_live_source_do_not_reset_the_output() {
    let mut stage = Stage::features();
    let src = stage.harness.element().unwrap().static_pad("src").unwrap();
    (0..100).for_each(|n| stage.hear(n));
    let id = src.sticky_event::<gst::event::StreamStart>(0).unwrap().stream_id().to_string();
    stage.harness.push_event(gst::event::StreamStart::new("another"));
    stage.harness.push_event(gst::event::Caps::new(&(AUDIO_FEATURES.input_caps)()));
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    // Another source's timestamps: 77 s are the running time of now.
    segment.set_start(ms(77_000));
    segment.set_base(CHUNK_TIME * 100);
    stage.harness.push_event(gst::event::Segment::new(&segment));
    for n in 100..200 {
        stage.push_at(CHUNK_TIME * (n + 1), ms(77_000) + CHUNK_TIME * (n - 100), &chunk(n));
    }
    let frames = stage.frames();
    assert!(frames == as_from_a_file(200, |_| true)[..frames.len()]);
    assert_eq!(src.sticky_event::<gst::event::StreamStart>(0).unwrap().stream_id().to_string(), id);
}

/// After the machine slept, the stream goes on where the clock is.
#[test]
fn frames_that_were_slept_through_are_left_out() {
    let mut stage = Stage::features();
    (0..100).for_each(|n| stage.hear(n));
    let before = stage.frames().len();
    stage.clock.set_time(gst::ClockTime::from_seconds(3600));
    stage.clock.process_next_clock_id();
    stage.run_until(gst::ClockTime::from_seconds(3602));
    let times: Vec<_> = std::iter::from_fn(|| stage.harness.try_pull()).filter_map(|b| b.pts()).collect();
    assert!(before >= 45 && (48..=55).contains(&times.len()), "{before}, {}", times.len());
    assert!(times[0] > gst::ClockTime::from_seconds(3599));
    assert!(times.is_sorted_by(|a, b| *a + FRAME == *b));
}

#[test]
fn the_end_of_a_live_stream_brings_out_what_waits() {
    let mut stage = Stage::features();
    (0..100).for_each(|n| stage.hear(n));
    stage.harness.push_event(gst::event::Eos::new());
    let frames = stage.frames();
    assert!(frames == as_from_a_file(100, |_| true), "{} frames", frames.len());
    let events = std::iter::from_fn(|| stage.harness.try_pull_event());
    assert_eq!(events.filter(|e| e.type_() == gst::EventType::Eos).count(), 1);
}

/// A muxer behind a slow encoder waits for the sound that a `tee` in front gives to both: who lets the `tee` wait for the
/// muxer stops everything for good.
#[test]
fn audio_is_taken_while_a_frame_is_not() {
    let mut stage = Stage::features();
    for n in 0..20 {
        stage.hear(n);
    }
    let src = stage.harness.element().unwrap().static_pad("src").unwrap();
    let (blocked, is_blocked) = std::sync::mpsc::channel();
    let probe = src
        .add_probe(gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER, move |_, _| {
            let _ = blocked.send(());
            gst::PadProbeReturn::Ok
        })
        .unwrap();
    let (taken, is_taken) = std::sync::mpsc::channel();
    let sink = stage.harness.element().unwrap().static_pad("sink").unwrap();
    stage.clock.set_time(CHUNK_TIME * 70);
    let audio = std::thread::spawn(move || {
        for n in 20..70 {
            let mut part = buffer::from_f32(&chunk(n));
            part.get_mut().unwrap().set_pts(CHUNK_TIME * n);
            sink.chain(part).unwrap();
        }
        let _ = taken.send(());
    });
    is_blocked.recv_timeout(PATIENCE).expect("a frame is due");
    let in_time = is_taken.recv_timeout(PATIENCE);
    src.remove_probe(probe);
    audio.join().unwrap();
    in_time.expect("audio waits for a frame that nobody takes");
    stage.run_until(CHUNK_TIME * 70);
    let frames = stage.frames();
    assert_eq!(frames, as_from_a_file(70, |_| true)[..frames.len()]);
    assert_eq!(frames.len(), (70 * 20 - 200) / 40 + 1);
}
