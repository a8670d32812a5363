// SPDX-License-Identifier: MIT OR Apache-2.0
//! Live speech whose timestamps are missing, wrong or late: it is spoken, and what is not is told.

mod common;

use std::sync::{Arc, Mutex};

use common::live::{CHUNK, CHUNK_TIME, Stage, as_from_a_file, chunk, ms, silence};
use common::{AUDIO_FEATURES, FRAME, tone, warnings};
use gst::prelude::*;

/// Chunks in a sentence of 1.5 s.
const SENTENCE: u64 = 75;

/// Frames from the first to the last in which something is heard.
fn spoken(frames: &[Vec<u8>]) -> &[Vec<u8>] {
    let silence = silence();
    let first = frames.iter().position(|frame| *frame != silence).unwrap_or(0);
    let last = frames.iter().rposition(|frame| *frame != silence).map_or(first, |last| last + 1);
    &frames[first..last]
}

/// Chunk `n` of a sentence.
fn said(n: u64) -> Vec<f32> {
    chunk(100 + n)
}

/// A sentence as a file gives it that begins with silence, so that look-ahead sees it coming.
fn sentence() -> Vec<Vec<u8>> {
    let frames = as_from_a_file(300, |n| (100..100 + SENTENCE).contains(&n));
    spoken(&frames).to_vec()
}

/// Whether exactly a sentence is spoken; if not, where it differs.
fn is_sentence(frames: &[Vec<u8>]) -> Result<(), String> {
    let (spoken, sentence) = (spoken(frames), sentence());
    let differ: Vec<usize> =
        (0..spoken.len().min(sentence.len())).filter(|&n| spoken[n] != sentence[n]).collect();
    if differ.is_empty() && spoken.len() == sentence.len() {
        return Ok(());
    }
    Err(format!("{} frames of {}, different: {differ:?}", spoken.len(), sentence.len()))
}

fn lost(stage: &Stage) -> (bool, u64) {
    (stage.stat::<u64>("late-samples") > 0, stage.stat("lost-samples"))
}

/// What a live appsrc makes of buffers without timestamps: the first gets zero, however long the pipeline has been running.
#[test]
fn sentences_without_timestamps_are_spoken_whole_with_one_warning() {
    let mut stage = Stage::features();
    for n in 0..SENTENCE {
        stage.push(ms(1000), (n == 0).then_some(gst::ClockTime::ZERO), &said(n));
    }
    stage.run_until(ms(5000));
    let first = stage.frames();
    for n in 0..SENTENCE {
        stage.push(ms(5000), None, &said(n));
    }
    stage.run_until(ms(9000));
    let mut both = first.clone();
    while let Some(out) = stage.harness.try_pull() {
        both.push(out.map_readable().unwrap().to_vec());
    }
    assert_eq!(is_sentence(&first), Ok(()), "the first sentence");
    assert_eq!(is_sentence(&both[first.len()..]), Ok(()), "the second sentence");
    assert_eq!(lost(&stage), (true, 0));
    let warnings = warnings(&stage.bus);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("late") && warnings[0].contains("do-timestamp"), "{warnings:?}");
}

/// Without timestamps and at the pace of a microphone: no more than a chunk's wait before it, and no hole in it.
#[test]
fn paced_audio_without_timestamps_is_spoken_in_one_piece() {
    for (start, chunks) in [(1000, 1), (1013, 5)] {
        let mut stage = Stage::features();
        for n in (0..SENTENCE).step_by(chunks) {
            let samples: Vec<f32> = (n..n + chunks as u64).flat_map(said).collect();
            stage.push(ms(start) + CHUNK_TIME * (n + chunks as u64), None, &samples);
        }
        stage.run_until(ms(5000));
        let frames = stage.frames();
        assert_eq!(is_sentence(&frames), Ok(()), "chunks of {chunks}");
        assert_eq!(lost(&stage), (false, 0));
    }
}

/// `do-timestamp=true` and a synthesizer that is held up after its first words: their time is kept, and nothing is lost.
#[test]
fn a_burst_behind_a_gap_that_still_waits_is_spoken_whole() {
    for chunks in [1, 10, 25] {
        let mut stage = Stage::features();
        stage.push(ms(0), Some(ms(0)), &chunk(0));
        for n in (30..130).step_by(chunks) {
            let samples: Vec<f32> = (n..n + chunks as u64).flat_map(chunk).collect();
            stage.push(ms(0), Some(ms(600) + CHUNK_TIME * (n - 30) / 10), &samples);
        }
        stage.run_until(ms(4000));
        let frames = stage.frames();
        let file = as_from_a_file(200, |n| n == 0 || (30..130).contains(&n));
        assert!(frames == file[..frames.len()], "buffers of {chunks} chunks");
        assert_eq!(lost(&stage), (false, 0));
    }
}

/// Each buffer of a burst marked as a discontinuity: what waits is not written over.
#[test]
fn discontinuities_in_a_burst_lose_nothing() {
    let mut stage = Stage::features();
    for n in 0..SENTENCE {
        let mut part = gstportrait::stream::tensor::buffer::from_f32(&said(n));
        let b = part.get_mut().unwrap();
        b.set_pts(ms(400 + n));
        b.set_flags(gst::BufferFlags::DISCONT);
        stage.harness.push(part).unwrap();
        stage.clock.wait_for_next_pending_id();
    }
    stage.run_until(ms(3000));
    let frames = stage.frames();
    assert_eq!(is_sentence(&frames), Ok(()));
}

/// A clock that counts what was sent, and stands still while nothing is: each sentence comes later than the one before.
#[test]
fn timestamps_that_fall_behind_are_made_up_for() {
    let mut stage = Stage::features();
    for (sentence, start) in [(0, 500), (1, 4000), (2, 9000)] {
        for n in 0..SENTENCE {
            stage.push(ms(start), Some(CHUNK_TIME * (sentence * SENTENCE + n)), &said(n));
        }
    }
    stage.run_until(ms(12_000));
    let frames = stage.frames();
    for part in [0..95, 95..220, 220..frames.len()] {
        assert_eq!(is_sentence(&frames[part.clone()]), Ok(()), "{part:?}");
    }
    assert_eq!(lost(&stage), (true, 0));
    assert_eq!(warnings(&stage.bus).len(), 1, "said once");
}

/// A sentence of right timestamps is spoken at its time, to the sample, though the one before it was late.
#[test]
fn a_gap_brings_right_timestamps_back() {
    let mut stage = Stage::features();
    for n in 0..SENTENCE {
        stage.push(ms(1000), Some(CHUNK_TIME * n), &chunk(n));
    }
    for n in 250..250 + SENTENCE {
        stage.push(CHUNK_TIME * 250, Some(CHUNK_TIME * n), &chunk(n));
    }
    stage.run_until(ms(9000));
    let frames = stage.frames();
    let file = as_from_a_file(450, |n| (250..250 + SENTENCE).contains(&n));
    assert!(frames[120..] == file[120..frames.len()]);
}

/// A microphone that is held up: nothing of the voice is lost, and its pauses bring lips and sound together again.
#[test]
fn pauses_make_up_for_what_was_late() {
    let mut stage = Stage::features();
    let heard = |n: u64| if (200..250).contains(&n) { vec![0.0; CHUNK] } else { chunk(n) };
    for n in 0..400 {
        // 300 ms of it come at once.
        let arrival = if (50..65).contains(&n) { CHUNK_TIME * 66 } else { CHUNK_TIME * (n + 1) };
        stage.push(arrival, Some(CHUNK_TIME * n), &heard(n));
    }
    let frames = stage.frames();
    let file = as_from_a_file(400, |n| !(200..250).contains(&n));
    assert!(frames[..20] == file[..20]);
    assert!(frames[35] != file[35], "spoken later than it was said");
    assert!(frames[126..] == file[126..frames.len()], "and in time behind the pause");
    assert_eq!(lost(&stage), (true, 0));
}

/// Whatever is sent too early waits, but not for ever: memory is bounded, and that is told once.
#[test]
fn ten_minutes_wait_for_their_time_and_no_more() {
    let mut stage = Stage::features();
    let minute = vec![0.1; 16_000 * 60];
    for n in 0..12 {
        stage.push(ms(0), Some(ms(60_000) * n), &minute);
    }
    assert_eq!(stage.stat::<u64>("lost-samples"), 2 * 16_000 * 60);
    let warnings = warnings(&stage.bus);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("ten minutes") && warnings[0].contains("lost-samples"), "{warnings:?}");
}

/// The stages behind are blocked, as by models that load: what would have been left out is spoken after it.
#[test]
fn a_sentence_is_spoken_after_the_pipeline_was_held_up() {
    let mut stage = Stage::features();
    for n in 0..SENTENCE {
        stage.push(ms(0), Some(ms(400) + CHUNK_TIME * n), &said(n));
    }
    stage.clock.set_time(ms(3000));
    stage.clock.process_next_clock_id();
    stage.run_until(ms(7000));
    let frames: Vec<Vec<u8>> = std::iter::from_fn(|| stage.harness.try_pull())
        .map(|frame| frame.map_readable().unwrap().to_vec())
        .collect();
    assert!(frames.len() < 120, "{}: some were left out", frames.len());
    assert_eq!(is_sentence(&frames), Ok(()));
    assert_eq!(lost(&stage), (true, 0));
    assert_eq!(warnings(&stage.bus).len(), 1);
}

/// Too long for that: it is said how much was never heard.
#[test]
fn what_is_left_out_is_told() {
    let mut stage = Stage::features();
    for n in 0..SENTENCE {
        stage.push(ms(0), Some(CHUNK_TIME * n), &chunk(n));
    }
    stage.clock.set_time(ms(60_000));
    stage.clock.process_next_clock_id();
    stage.run_until(ms(61_000));
    assert_eq!(lost(&stage), (true, 16_000 * 3 / 2));
    let warnings = warnings(&stage.bus);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("held up") && warnings[0].contains("lost-samples"), "{warnings:?}");
}

/// What comes out of the source pad, in order: timestamps of frames, names of events.
fn log(stage: &Stage) -> Arc<Mutex<Vec<String>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let src = stage.harness.element().unwrap().static_pad("src").unwrap();
    src.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let text = match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => buffer.pts().unwrap().mseconds().to_string(),
            Some(gst::PadProbeData::Event(event)) => match event.structure() {
                Some(s) if event.type_() == gst::EventType::CustomDownstream => s.name().to_string(),
                _ => format!("{:?}", event.type_()),
            },
            _ => String::new(),
        };
        log.lock().unwrap().push(text);
        gst::PadProbeReturn::Ok
    });
    seen
}

fn custom(name: &str) -> gst::Event {
    gst::event::CustomDownstream::new(gst::Structure::new_empty(name))
}

fn place(log: &[String], what: &str) -> usize {
    log.iter().position(|entry| entry == what).unwrap_or_else(|| panic!("no {what} in {log:?}"))
}

/// An event between two sentences that were sent at once comes out between them, as through a queue.
#[test]
fn events_keep_their_place_between_the_frames() {
    let mut stage = Stage::features();
    let seen = log(&stage);
    for n in 0..50 {
        stage.push(ms(0), Some(CHUNK_TIME * n), &chunk(n));
    }
    stage.harness.push_event(custom("first-is-over"));
    for n in 50..100 {
        stage.push(ms(0), Some(CHUNK_TIME * n), &chunk(n));
    }
    let mut tags = gst::TagList::new();
    tags.get_mut().unwrap().add::<gst::tags::Title>(&"second", gst::TagMergeMode::Append);
    stage.harness.push_event(gst::event::Tag::new(tags));
    stage.run_until(ms(4000));
    let seen = seen.lock().unwrap().clone();
    assert_eq!(place(&seen, "first-is-over") + 1, place(&seen, "1000"), "{seen:?}");
    assert_eq!(place(&seen, "Tag") + 1, place(&seen, "2000"), "{seen:?}");
    assert!(place(&seen, "Segment") < place(&seen, "0"));
}

/// A flush forgets what happened and keeps what is to be remembered, as a queue does.
#[test]
fn a_flush_forgets_events_that_wait_but_not_tags() {
    let mut stage = Stage::features();
    for n in 0..100 {
        stage.push(ms(0), Some(CHUNK_TIME * n), &chunk(n));
    }
    let seen = log(&stage);
    stage.harness.push_event(custom("over"));
    let mut tags = gst::TagList::new();
    tags.get_mut().unwrap().add::<gst::tags::Title>(&"kept", gst::TagMergeMode::Append);
    stage.harness.push_event(gst::event::Tag::new(tags));
    stage.harness.push_event(gst::event::FlushStart::new());
    stage.harness.push_event(gst::event::FlushStop::new(false));
    stage.run_until(ms(4000));
    let seen = seen.lock().unwrap().clone();
    assert!(!seen.contains(&"over".to_owned()), "{seen:?}");
    assert!(place(&seen, "Tag") > place(&seen, "Segment"), "{seen:?}");
}

/// The end of a segment brings out what waits, and the events with it, before it goes on itself.
#[test]
fn the_end_of_a_segment_comes_behind_its_frames() {
    common::init();
    for end in [gst::event::SegmentDone::new(CHUNK_TIME * 50), gst::event::Eos::new()] {
        let mut stage = Stage::features();
        let seen = log(&stage);
        for n in 0..50 {
            stage.push(ms(0), Some(CHUNK_TIME * n), &chunk(n));
        }
        stage.harness.push_event(custom("over"));
        let name = format!("{:?}", end.type_());
        stage.harness.push_event(end);
        let mut seen = seen.lock().unwrap().clone();
        // The voice is over, too.
        seen.retain(|what| what != "portrait-utterance");
        assert_eq!(seen[seen.len() - 3..], ["960".to_owned(), "over".to_owned(), name]);
        assert_eq!(stage.frames().len(), 25);
    }
}

/// Upstream says that it became slower: frames wait for it from then on, and what comes so late is in time.
#[test]
fn a_latency_that_grows_is_waited_for() {
    let mut stage = Stage::features();
    (0..50).for_each(|n| stage.hear(n));
    stage.harness.set_upstream_latency(ms(300));
    stage.harness.push_upstream_event(gst::event::Latency::new(ms(520)));
    // Asked again before the next frame: one that is late by all of it.
    for n in 50..200 {
        stage.push(CHUNK_TIME * (n + 1) + ms(290), Some(CHUNK_TIME * n), &chunk(n));
    }
    let frames = stage.frames();
    assert!(frames == as_from_a_file(200, |_| true)[..frames.len()]);
    assert_eq!((stage.stat::<u64>("idle-frames"), lost(&stage)), (0, (false, 0)));
    assert!(FRAME * (frames.len() as u64) > ms(3700));
}

/// Stereo whose channels cancel each other is heard as either of them.
#[test]
fn channels_that_cancel_are_heard() {
    let mut harness = AUDIO_FEATURES.harness();
    harness.set_src_caps(common::audio_caps(16_000, 2));
    let samples: Vec<f32> = tone(0, CHUNK * 100).into_iter().flat_map(|s| [s, -s]).collect();
    let mut all = gstportrait::stream::tensor::buffer::from_f32(&samples);
    all.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
    harness.push(all).unwrap();
    harness.push_event(gst::event::Eos::new());
    let frames = common::drain(&mut harness);
    let mono = as_from_a_file(100, |_| true);
    assert_eq!(frames.len(), mono.len());
    let silent = silence();
    assert!(frames.iter().zip(&mono).all(|(stereo, mono)| *mono == silent || *stereo != silent));
    // The channel is chosen with the first syllables.
    assert!(frames[12..] == mono[12..]);
}
