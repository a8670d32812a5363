// SPDX-License-Identifier: MIT OR Apache-2.0
//! `audiofeatures`: the video clock, latency, gaps.

mod common;

use common::{AUDIO_FEATURES, FRAME, FRAME_SAMPLES, audio, drain, pack, tone};
use gst::prelude::*;
use gstportrait::stream::tensor::buffer;

fn look_ahead() -> gst::ClockTime {
    let clock = pack().manifest().clock.clone();
    gst::ClockTime::from_nseconds(
        clock.look_ahead_samples as u64 * 1_000_000_000 / u64::from(clock.sample_rate),
    )
}

/// Latency is the frame itself, the look-ahead and the processing deadline, exactly, on top of what comes from upstream.
#[test]
fn latency_is_exact() {
    let mut harness = AUDIO_FEATURES.harness();
    harness.set_live(true);
    let default = gst::ClockTime::from_mseconds(20);
    assert_eq!(harness.query_latency(), Some(FRAME + look_ahead() + default));
    let upstream = gst::ClockTime::from_mseconds(17);
    harness.set_upstream_latency(upstream);
    let bus = gst::Bus::new();
    let element = harness.element().unwrap();
    element.set_bus(Some(&bus));
    element.set_property("processing-deadline", 33_000_000u64);
    let deadline = gst::ClockTime::from_mseconds(33);
    assert_eq!(harness.query_latency(), Some(upstream + FRAME + look_ahead() + deadline));
    assert!(bus.pop_filtered(&[gst::MessageType::Latency]).is_some(), "the change is told");
    element.set_property("processing-deadline", 33_000_000u64);
    assert!(bus.pop_filtered(&[gst::MessageType::Latency]).is_none(), "nothing changed");
}

/// A frame comes out as soon as its window is complete, not a sample later.
#[test]
fn a_frame_comes_out_with_the_last_sample_of_its_window() {
    let mut harness = AUDIO_FEATURES.harness();
    let due = FRAME_SAMPLES + pack().manifest().clock.look_ahead_samples;
    harness.push(audio(0, due - 1)).unwrap();
    assert!(harness.try_pull().is_none());
    let mut last = buffer::from_f32(&tone(due - 1, 1));
    last.get_mut().unwrap().set_pts(gst::ClockTime::from_nseconds((due as u64 - 1) * 62_500));
    harness.push(last).unwrap();
    assert!(harness.try_pull().is_some());
}

/// The frames of a recording come as many at a time as the network takes, and before an event those whose windows are complete; the features are
/// those of other audio to the bit.
#[test]
fn frames_of_a_recording_are_made_together() {
    let frames = |n: usize| n * FRAME_SAMPLES + pack().manifest().clock.look_ahead_samples;
    let mut plain = AUDIO_FEATURES.harness();
    plain.push(audio(0, frames(9))).unwrap();
    let expected = drain(&mut plain);
    assert_eq!(expected.len(), 9);
    let mut harness = AUDIO_FEATURES.harness();
    // As a file answers.
    harness.srcpad().unwrap().add_probe(gst::PadProbeType::QUERY_UPSTREAM, |_, info| {
        if let Some(gst::QueryViewMut::Seeking(query)) = info.query_mut().map(gst::QueryRef::view_mut) {
            query.set(true, gst::ClockTime::ZERO, gst::ClockTime::from_seconds(1));
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
    harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    let (mut found, mut first) = (Vec::new(), 0);
    // Four, or one where this processor gives a frame other numbers among others.
    let group = pack().stage("features", tch::Device::Cpu).unwrap().group();
    for due in [frames(4) - 1, frames(4), frames(8) - 1, frames(8), frames(9)] {
        let mut part = buffer::from_f32(&tone(first, due - first));
        part.get_mut().unwrap().set_pts(gst::ClockTime::from_nseconds(first as u64 * 62_500));
        harness.push(part).unwrap();
        let new = drain(&mut harness);
        found.extend(new);
        let complete = (due - pack().manifest().clock.look_ahead_samples) / FRAME_SAMPLES;
        assert_eq!(found.len(), complete / group * group, "after {due} samples");
        first = due;
    }
    harness.push_event(gst::event::CustomDownstream::new(gst::Structure::new_empty("word")));
    found.extend(drain(&mut harness));
    assert!(found == expected);
}

/// However the samples are cut into buffers, the features are the same bits.
#[test]
fn streaming_equals_whole_file() {
    let total = 40 * FRAME_SAMPLES + 123;
    let run = |size: usize| {
        let mut harness = AUDIO_FEATURES.harness();
        let mut first = 0;
        while first < total {
            let count = size.min(total - first);
            let mut part = buffer::from_f32(&tone(first, count));
            part.get_mut().unwrap().set_pts(gst::ClockTime::from_nseconds(first as u64 * 62_500));
            harness.push(part).unwrap();
            first += count;
        }
        harness.push_event(gst::event::Eos::new());
        drain(&mut harness)
    };
    let whole = run(total);
    assert_eq!(whole.len(), 41, "the frame that the audio ends in comes out too");
    for size in [160, 1000, 4096, 48000] {
        assert!(run(size) == whole, "buffers of {size} samples");
    }
}

/// A recording without a sample has no picture, and a muxer makes a file of it that nothing plays: that is an error. A
/// stream of silence alone, and one that was heard and then sought to its end, is none.
#[test]
fn an_end_without_any_audio_is_one_error() {
    let run = |feed: &dyn Fn(&mut gst_check::Harness)| {
        let mut harness = AUDIO_FEATURES.harness();
        let bus = gst::Bus::new();
        harness.element().unwrap().set_bus(Some(&bus));
        feed(&mut harness);
        harness.push_event(gst::event::Eos::new());
        let errors = bus.iter().filter_map(|message| match message.view() {
            gst::MessageView::Error(error) => Some(error.error().message().to_string()),
            _ => None,
        });
        errors.collect::<Vec<String>>()
    };
    let errors = run(&|_| ());
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains("the recording is empty"), "{errors:?}");
    assert!(
        run(&|harness| {
            harness.push(audio(0, 1)).unwrap();
        })
        .is_empty()
    );
    assert!(
        run(&|harness| {
            harness.push_event(gst::event::Gap::builder(gst::ClockTime::ZERO).duration(FRAME).build());
        })
        .is_empty()
    );
    assert!(
        run(&|harness| {
            harness.push(audio(0, FRAME_SAMPLES)).unwrap();
            harness.push_event(gst::event::FlushStart::new());
            harness.push_event(gst::event::FlushStop::new(true));
            harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        })
        .is_empty()
    );
}

/// A hole in the audio is silence on the same clock: no frame is missing or moved.
#[test]
fn a_hole_in_the_audio_keeps_the_cadence() {
    let mut harness = AUDIO_FEATURES.harness();
    for n in (0..5).chain(30..40) {
        harness.push(audio(n, FRAME_SAMPLES)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    for n in 0..40 {
        assert_eq!(harness.pull().unwrap().pts(), Some(FRAME * n));
    }
    assert!(harness.try_pull().is_none());
}

/// GAP events feed silence, so that sparse audio never stalls the picture.
#[test]
fn gap_events_give_frames() {
    let mut harness = AUDIO_FEATURES.harness();
    harness.push(audio(0, FRAME_SAMPLES)).unwrap();
    harness.push_event(gst::event::Gap::builder(FRAME).duration(FRAME * 10).build());
    assert_eq!(drain(&mut harness).len() as u64, 11 - AUDIO_FEATURES.delay + 1 - 1);
    harness.push_event(gst::event::Eos::new());
    assert_eq!(drain(&mut harness).len() as u64, AUDIO_FEATURES.delay);
}

/// Audio that overlaps what was there is not heard twice.
#[test]
fn repeated_audio_is_dropped() {
    let mut harness = AUDIO_FEATURES.harness();
    for n in [0, 1, 1, 2, 2, 3] {
        harness.push(audio(n, FRAME_SAMPLES)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    assert_eq!(drain(&mut harness).len(), 4);
}

/// A buffer flagged GAP is silence whatever its bytes.
#[test]
fn gap_buffers_are_silent() {
    let run = |flags: gst::BufferFlags, loud: bool| {
        let mut harness = AUDIO_FEATURES.harness();
        let samples = if loud { tone(0, 10 * FRAME_SAMPLES) } else { vec![0.0; 10 * FRAME_SAMPLES] };
        let mut all = buffer::from_f32(&samples);
        let b = all.get_mut().unwrap();
        b.set_pts(gst::ClockTime::ZERO);
        b.set_flags(flags);
        harness.push(all).unwrap();
        harness.push_event(gst::event::Eos::new());
        drain(&mut harness)
    };
    assert!(run(gst::BufferFlags::GAP, true) == run(gst::BufferFlags::empty(), false));
    assert!(run(gst::BufferFlags::empty(), true) != run(gst::BufferFlags::empty(), false));
}

/// Samples outside of the segment are not heard.
#[test]
fn audio_is_clipped_to_the_segment() {
    let mut harness = AUDIO_FEATURES.harness();
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(FRAME * 5);
    segment.set_stop(FRAME * 10);
    harness.push_event(gst::event::Segment::new(&segment));
    for n in 0..20 {
        // Behind the segment's end the element may say so.
        let _ = harness.push(audio(n, FRAME_SAMPLES));
    }
    harness.push_event(gst::event::Eos::new());
    let times: Vec<_> = std::iter::from_fn(|| harness.try_pull()).map(|b| b.pts()).collect();
    assert_eq!(times, (5..10).map(|n| Some(FRAME * n)).collect::<Vec<_>>());
}

/// A source that sends NaN, infinities or absurd levels (audiotestsrc's ticks do) is heard clipped, and the stream goes on.
#[test]
fn broken_samples_do_not_end_the_stream() {
    let mut harness = AUDIO_FEATURES.harness();
    for (n, sample) in [0.1, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 6e31, -6e31].into_iter().enumerate()
    {
        let mut part = buffer::from_f32(&vec![sample; FRAME_SAMPLES]);
        part.get_mut().unwrap().set_pts(FRAME * n as u64);
        harness.push(part).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    assert_eq!(drain(&mut harness).len(), 6);
}

/// The longest time that a source may hold its audio back grows by the same as the shortest.
#[test]
fn the_greatest_latency_is_exact_too() {
    common::init();
    let pipeline = gst::parse::launch(
        "appsrc is-live=true format=time min-latency=17000000 max-latency=50000000 \
         caps=audio/x-raw,format=F32LE,layout=interleaved,rate=16000,channels=1 ! audiofeatures name=a ! fakesink",
    )
    .unwrap();
    pipeline.set_state(gst::State::Paused).unwrap();
    let src = pipeline.downcast_ref::<gst::Bin>().unwrap().by_name("a").unwrap().static_pad("src").unwrap();
    let mut query = gst::query::Latency::new();
    assert!(src.query(&mut query));
    pipeline.set_state(gst::State::Null).unwrap();
    let ms = gst::ClockTime::from_mseconds;
    let own = FRAME + look_ahead() + ms(20);
    assert_eq!(query.result(), (true, ms(17) + own, Some(ms(50) + own)));
}

/// Frames of twenty buffers in a segment: timestamps and payloads.
fn in_segment(
    edit: impl Fn(&mut gst::FormattedSegment<gst::ClockTime>),
) -> Vec<(Option<gst::ClockTime>, Vec<u8>)> {
    let mut harness = AUDIO_FEATURES.harness();
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    edit(&mut segment);
    harness.push_event(gst::event::Segment::new(&segment));
    for n in 0..20 {
        harness.push(audio(n, FRAME_SAMPLES)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    std::iter::from_fn(|| harness.try_pull()).map(|b| (b.pts(), b.map_readable().unwrap().to_vec())).collect()
}

/// A pad offset below zero hides the first part of a stream: what is left is on the grid from there on.
#[test]
fn the_offset_of_a_segment_is_where_it_begins() {
    let hidden = FRAME * 5 + FRAME / 2;
    let offset = in_segment(|segment| segment.set_offset(hidden));
    let start = in_segment(|segment| segment.set_start(hidden));
    assert_eq!(offset.len(), 15);
    assert!(offset == start);
    assert_eq!(offset[0].0, Some(hidden));
}

/// The sound of a stream that is played faster keeps the stream's pace: a frame for every 40 ms of it.
#[test]
fn other_rates_keep_the_pace_of_the_stream() {
    let usual = in_segment(|_| ());
    assert_eq!(usual.len(), 20);
    assert!(in_segment(|segment| segment.set_rate(2.0)) == usual);
    assert!(in_segment(|segment| segment.set_rate(0.5)) == usual);
}

/// Backwards: a seek is refused before it does any harm, and a segment is one error that says why.
#[test]
fn backwards_is_refused_with_one_clear_error() {
    let mut harness = AUDIO_FEATURES.harness();
    let bus = gst::Bus::new();
    harness.element().unwrap().set_bus(Some(&bus));
    let seek = |rate: f64| {
        gst::event::Seek::new(
            rate,
            gst::SeekFlags::FLUSH,
            gst::SeekType::Set,
            gst::ClockTime::ZERO,
            gst::SeekType::Set,
            FRAME * 10,
        )
    };
    harness.push(audio(0, FRAME_SAMPLES)).unwrap();
    let src = harness.element().unwrap().static_pad("src").unwrap();
    assert!(!src.send_event(seek(-1.0)));
    assert!(harness.try_pull_upstream_event().is_none_or(|e| e.type_() != gst::EventType::Seek));
    let warnings = common::warnings(&bus);
    assert!(warnings.len() == 1 && warnings[0].contains("backwards"), "{warnings:?}");
    src.send_event(seek(1.0));
    let passed = std::iter::from_fn(|| harness.try_pull_upstream_event());
    assert_eq!(passed.filter(|e| e.type_() == gst::EventType::Seek).count(), 1, "forwards goes on upstream");

    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_rate(-1.0);
    segment.set_stop(FRAME * 10);
    harness.push_event(gst::event::Segment::new(&segment));
    assert_eq!(harness.push(audio(1, FRAME_SAMPLES)), Err(gst::FlowError::Error));
    let (text, _) = common::bus_error(&bus).unwrap();
    assert!(text.contains("backwards") && text.contains("-1"), "{text}");
    assert_eq!(common::bus_error(&bus), None, "one error");
}

/// A source that plays backwards from the start ends when it is refused: that it was not heard is no second fault.
#[test]
fn a_stream_that_was_refused_is_not_called_empty() {
    let mut harness = AUDIO_FEATURES.harness();
    let bus = gst::Bus::new();
    harness.element().unwrap().set_bus(Some(&bus));
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_rate(-1.0);
    segment.set_stop(FRAME * 10);
    harness.push_event(gst::event::Segment::new(&segment));
    assert_eq!(harness.push(audio(0, FRAME_SAMPLES)), Err(gst::FlowError::Error));
    harness.push_event(gst::event::Eos::new());
    let (text, _) = common::bus_error(&bus).unwrap();
    assert!(text.contains("backwards"), "{text}");
    assert_eq!(common::bus_error(&bus), None, "one error");
}

/// A live source that ends before anything came of it is no empty recording.
#[test]
fn a_live_source_that_ends_at_once_is_not_called_empty() {
    for (live, said) in [(true, 0), (false, 1)] {
        let mut harness = AUDIO_FEATURES.harness();
        harness.set_live(live);
        let bus = gst::Bus::new();
        harness.element().unwrap().set_bus(Some(&bus));
        harness.push_event(gst::event::Eos::new());
        let errors: Vec<_> = std::iter::from_fn(|| common::bus_error(&bus)).collect();
        assert_eq!(errors.len(), said, "{errors:?}");
        assert!(errors.iter().all(|(text, _)| text.contains("audioconvert ! audioresample")), "{errors:?}");
    }
}

/// A clock that jumps by an hour does not make an hour of idle frames.
#[test]
fn a_long_hole_is_left_out_with_one_warning() {
    let mut harness = AUDIO_FEATURES.harness();
    let bus = gst::Bus::new();
    harness.element().unwrap().set_bus(Some(&bus));
    let hour = 3600 * 25;
    for n in (0..25).chain(hour..hour + 25).chain(2 * hour..2 * hour + 25) {
        harness.push(audio(n, FRAME_SAMPLES)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    let frames: Vec<_> = std::iter::from_fn(|| harness.try_pull()).collect();
    // Ten seconds of each hole, less the look-ahead, are frames.
    let expected = (0..271).chain(hour..hour + 271).chain(2 * hour..2 * hour + 25);
    assert_eq!(
        frames.iter().map(|b| b.pts()).collect::<Vec<_>>(),
        expected.map(|n| Some(FRAME * n)).collect::<Vec<_>>()
    );
    let discont = |i: usize| frames[i].flags().contains(gst::BufferFlags::DISCONT);
    assert_eq!([discont(0), discont(1), discont(271), discont(272)], [true, false, true, false]);
    assert!(bus.pop_filtered(&[gst::MessageType::Warning]).is_some());
    assert!(bus.pop_filtered(&[gst::MessageType::Warning]).is_none(), "said once");
}

/// Bytes have no time: the error says what to set.
#[test]
fn audio_in_bytes_is_an_error_that_names_format_time() {
    let mut harness = AUDIO_FEATURES.harness();
    let bus = gst::Bus::new();
    harness.element().unwrap().set_bus(Some(&bus));
    harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::format::Bytes>::new()));
    assert_eq!(harness.push(audio(0, FRAME_SAMPLES)), Err(gst::FlowError::Error));
    let (text, _) = common::bus_error(&bus).unwrap();
    assert!(text.contains("format=time"), "{text}");
}

/// Any number of channels is taken; equal ones are as one.
#[test]
fn equal_channels_are_heard_as_one() {
    let run = |channels: usize| {
        let mut harness = AUDIO_FEATURES.harness();
        let mut caps = common::audio_caps(16_000, channels as i32);
        caps.make_mut().set("channel-mask", gst::Bitmask::new(0));
        harness.set_src_caps(if channels > 2 { caps } else { common::audio_caps(16_000, channels as i32) });
        for n in 0..10 {
            let samples: Vec<f32> = tone(n * FRAME_SAMPLES, FRAME_SAMPLES)
                .into_iter()
                .flat_map(|s| std::iter::repeat_n(s, channels))
                .collect();
            let mut part = buffer::from_f32(&samples);
            part.get_mut().unwrap().set_pts(FRAME * n as u64);
            harness.push(part).unwrap();
        }
        harness.push_event(gst::event::Eos::new());
        drain(&mut harness)
    };
    let mono = run(1);
    assert_eq!(mono.len(), 10);
    for channels in [2, 4, 8] {
        assert!(run(channels) == mono, "{channels} channels");
    }
}
