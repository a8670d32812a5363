// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pads `voice_%u` of `facedub`: they come and go, are asked for in any state, and have properties.

mod common;

use std::time::Duration;

use common::film::{Film, Frame, LEFT_AND_RIGHT, busy, pair, two};
use common::{COUPLE_CAPS, FRAME, bus_error, init};
use gst::prelude::*;
use gstportrait::stream::tensor::marks::Drawn;

#[test]
fn a_pad_comes_and_goes_while_the_film_plays() {
    let film = Film::new("silence-passthrough=40", "");
    let bare = film.children();
    film.state(gst::State::Playing);
    film.video(0..8);
    assert_eq!(busy(&film.seen.frames(8), 0), 0);
    let pad = film.add_voice("late", "voice_0", "left");
    film.voice("late", 0..80, 0..80);
    film.video(8..24);
    let frames = film.seen.frames(24);
    assert!(busy(&frames[10..24], 0) > 10, "it is heard from then on: {frames:?}");
    assert_eq!(busy(&frames, 1), 0);
    // Another beside it, then the first goes.
    film.add_voice("second", "voice_1", "right");
    film.voice("second", 0..80, 0..80);
    film.video(24..36);
    let frames = film.seen.frames(36);
    assert!(busy(&frames[26..36], 0) > 8 && busy(&frames[26..36], 1) > 8, "{frames:?}");
    film.dub.release_request_pad(&pad);
    assert!(film.dub.static_pad("voice_0").is_none());
    film.video(36..48);
    let frames = film.seen.frames(48);
    assert_eq!(busy(&frames[37..48], 0), 0, "{frames:?}");
    assert!(busy(&frames[37..48], 1) > 8, "the other goes on: {frames:?}");
    assert!(frames[38..].iter().all(|frame| frame.voices[0].is_none()), "{frames:?}");
    // The number is free again.
    film.add_voice("third", "voice_0", "left");
    film.voice("third", 0..80, 0..80);
    film.video(48..60);
    assert!(busy(&film.seen.frames(60)[50..60], 0) > 7);
    for name in ["voice_0", "voice_1"] {
        film.dub.release_request_pad(&film.dub.static_pad(name).unwrap());
    }
    film.video(60..64);
    film.end(&["video"]);
    let frames = film.seen.end();
    assert_eq!((frames.len(), busy(&frames[61..], 0), busy(&frames[61..], 1)), (64, 0, 0));
    assert_eq!(film.children(), bare, "nothing stays behind");
    assert_eq!(bus_error(&film.bus), None);
}

#[test]
fn a_frame_that_waits_for_a_voice_goes_on_when_its_pad_is_released() {
    let film = Film::new(LEFT_AND_RIGHT, &two(""));
    film.state(gst::State::Playing);
    film.video(0..12);
    film.voice("second", 0..12, 0..12);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(film.seen.wait(|_| true).len(), 0, "the first voice is waited for");
    film.dub.release_request_pad(&film.dub.static_pad("voice_0").unwrap());
    film.end(&["video", "second"]);
    let frames = film.seen.end();
    assert_eq!((frames.len(), busy(&frames, 0)), (12, 0));
    assert!(busy(&frames[2..], 1) > 5, "{frames:?}");
}

#[test]
fn a_pad_may_be_asked_for_in_any_state_and_is_taken_with_into_others() {
    let film = Film::new("", "");
    let early = film.dub.request_pad_simple("voice_0").unwrap();
    film.state(gst::State::Ready);
    let ready = film.dub.request_pad_simple("voice_%u").unwrap();
    assert_eq!([early.name(), ready.name()], ["voice_0", "voice_1"]);
    film.dub.release_request_pad(&early);
    film.state(gst::State::Paused);
    film.video(0..6);
    film.seen.frames(1);
    // The first frame is in the sink: the mouth comes among the next ones.
    film.dub.release_request_pad(&ready);
    film.add_voice("late", "voice_0", "right");
    film.voice("late", 0..30, 0..30);
    film.state(gst::State::Playing);
    film.video(6..30);
    film.end(&["video", "late"]);
    let frames = film.seen.end();
    assert_eq!((frames.len(), busy(&frames, 0)), (30, 0));
    assert!(busy(&frames[2..29], 1) > 20, "{frames:?}");
    assert_eq!(film.children().len(), 12, "{:?}", film.children());

    // Twice, and through NULL.
    film.state(gst::State::Null);
    film.seen.change(|seen| *seen = (Vec::new(), false));
    film.state(gst::State::Playing);
    film.video(0..12);
    film.voice("late", 0..12, 0..12);
    film.end(&["video", "late"]);
    assert!(busy(&film.seen.end()[2..], 1) > 6);
}

#[test]
fn names_are_checked_and_numbers_are_the_lowest_that_are_free() {
    init();
    let dub = gst::ElementFactory::make("facedub").build().unwrap();
    let names = || -> Vec<String> { dub.sink_pads().iter().map(|pad| pad.name().to_string()).collect() };
    dub.request_pad_simple("voice_1").unwrap();
    dub.request_pad_simple("voice_%u").unwrap();
    dub.request_pad_simple("voice_%u").unwrap();
    assert_eq!(names(), ["video", "voice", "voice_1", "voice_0", "voice_2"]);
    assert!(dub.request_pad_simple("voice_x").is_none() && dub.request_pad_simple("mouth").is_none());
    assert_eq!(names().len(), 5);
}

#[test]
fn what_is_a_voices_own_is_its_pads_and_the_rest_is_for_all() {
    let film = Film::new("silence=shut amplitude=1.5 voice_0::face=0.9,0.5 voice_0::amplitude=0.5", "");
    // gst_parse waits for the pad.
    let pad = film.dub.request_pad_simple("voice_0").unwrap();
    let proxy = film.dub.dynamic_cast_ref::<gst::ChildProxy>().unwrap();
    assert_eq!(pad.property::<String>("face"), "0.9,0.5");
    assert_eq!(pad.property::<f32>("amplitude"), 0.5);
    assert_eq!(film.dub.property::<f32>("amplitude"), 1.5, "the element's is that of the pad voice");
    let silence = |object: &gst::glib::Object| object.property_value("silence").serialize().unwrap();
    assert_eq!(silence(pad.upcast_ref()), "shut", "it begins with what the element is set to");
    film.dub.set_property_from_str("silence", "original");
    assert_eq!(silence(pad.upcast_ref()), "shut", "and keeps it");
    pad.set_property_from_str("emotion", "happy");
    assert_eq!(pad.property_value("emotion").serialize().unwrap(), "happy");
    assert_eq!(film.dub.property_value("emotion").serialize().unwrap(), "neutral");
    proxy.set_child_property("voice_0::silence-passthrough", 70u32.to_value());
    assert_eq!(proxy.child_property::<u32>("mouthdub-voice_0::silence-passthrough"), 70);
    assert!(proxy.child_by_name("facetracker").is_some() && proxy.child_by_name("voice_9").is_none());
    let children: Vec<_> = (0..proxy.children_count()).map(|i| proxy.child_by_index(i).unwrap()).collect();
    assert_eq!(children.last().unwrap(), pad.upcast_ref::<gst::glib::Object>());
    assert_eq!(proxy.child_by_index(children.len() as u32), None);
    // One for all.
    film.dub.set_property("processing-deadline", 50_000_000u64);
    film.dub.set_property_from_str("look-ahead", "low");
    for stage in ["audiofeatures", "audiofeatures-voice_0"] {
        let stage = proxy.child_by_name(stage).unwrap();
        assert_eq!(stage.property::<u64>("processing-deadline"), 50_000_000);
        assert_eq!(stage.property_value("look-ahead").serialize().unwrap(), "low");
    }
    assert!(pad.find_property("model-pack").is_none() && pad.find_property("look-ahead").is_none());
    let second = film.dub.request_pad_simple("voice_%u").unwrap();
    assert_eq!(second.property::<String>("face"), "largest");
    let of_second = proxy.child_by_name("audiofeatures-voice_1").unwrap();
    assert_eq!(of_second.property::<u64>("processing-deadline"), 50_000_000);
}

#[test]
fn a_face_that_is_none_is_one_warning_that_names_the_pad() {
    let film = Film::new("", "");
    let pad = film.dub.request_pad_simple("voice_3").unwrap();
    pad.set_property("face", "nobody");
    film.state(gst::State::Playing);
    let told = film.warnings();
    assert!(told.len() == 1 && told[0].starts_with("voice_3::face: \"nobody\""), "{told:?}");
    assert_eq!(pad.property::<String>("face"), "largest");
}

#[test]
fn the_latency_is_that_of_the_longest_way_and_a_new_voice_says_so() {
    let film = Film::of(
        "videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=64,framerate=25/1 ! facedub name=dub \
         ! fakesink name=sink sync=true  audiotestsrc is-live=true samplesperbuffer=160 \
         ! audio/x-raw,rate=16000,channels=1 ! dub.voice  audiotestsrc is-live=true samplesperbuffer=160 \
         ! audio/x-raw,rate=16000,channels=1 ! identity name=slow ! queue min-threshold-time=0 name=q ! dub.voice_0",
    );
    film.state(gst::State::Playing);
    film.pipeline.state(gst::ClockTime::from_seconds(60)).0.unwrap();
    let ask = || {
        let mut query = gst::query::Latency::new();
        assert!(film.dub.static_pad("src").unwrap().query(&mut query));
        query.result()
    };
    // Frame, look-ahead, deadline; and what the source says of itself.
    let own = gst::ClockTime::from_mseconds(40 + 160 + 20);
    let (live, min, _) = ask();
    assert!(live && min > own, "{min}");
    // A voice that comes with more latency is waited for longer, and the pipeline hears of it.
    while film.bus.pop_filtered(&[gst::MessageType::Latency]).is_some() {}
    let late = gst::parse::bin_from_description(
        "audiotestsrc is-live=true samplesperbuffer=8000 ! audio/x-raw,rate=16000,channels=1 ! identity",
        true,
    );
    let late = late.unwrap();
    film.pipeline.add(&late).unwrap();
    let pad = film.dub.request_pad_simple("voice_1").unwrap();
    late.static_pad("src").unwrap().link(&pad).unwrap();
    late.sync_state_with_parent().unwrap();
    let told = film.bus.timed_pop_filtered(gst::ClockTime::from_seconds(20), &[gst::MessageType::Latency]);
    assert!(told.is_some());
    // Before its caps the source says of itself what its own buffers would last.
    let expected = own + gst::ClockTime::from_mseconds(500);
    let mut longer = min;
    for _ in 0..200 {
        longer = ask().1;
        if longer == expected {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(longer, expected);
    film.seen.change(|seen| seen.0.clear());
    film.dub.release_request_pad(&pad);
    film.seen.wait(|_| true);
    for _ in 0..200 {
        longer = ask().1;
        if longer == min {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(longer, min);
}

#[test]
fn a_seek_takes_all_voices_with_it() {
    init();
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("film.rgb");
    let frames: Vec<u8> = (0..40).flat_map(|n| pair(n).map_readable().unwrap().to_vec()).collect();
    std::fs::write(&raw, frames).unwrap();
    let voice = common::photo("speech-am_michael.wav");
    let film = Film::of(&format!(
        "filesrc blocksize=460800 location={} ! rawvideoparse format=rgb width=640 height=240 framerate=25/1 \
         ! facedub name=dub voice_0::face=left voice_1::face=right ! fakesink name=sink sync=false \
         filesrc location={voice} ! wavparse ! dub.voice_0  filesrc location={voice} ! wavparse ! dub.voice_1",
        raw.display(),
        voice = voice.display(),
    ));
    film.state(gst::State::Paused);
    film.pipeline.state(gst::ClockTime::from_seconds(60)).0.unwrap();
    let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
    film.pipeline.seek_simple(flags, FRAME * 10).unwrap();
    film.pipeline.state(gst::ClockTime::from_seconds(60)).0.unwrap();
    film.seen.change(|seen| seen.0.clear());
    film.state(gst::State::Playing);
    let frames = film.seen.end();
    assert!(frames.len().abs_diff(30) <= 2, "{frames:?}");
    assert!(frames.windows(2).all(|pair| pair[0].time < pair[1].time), "{frames:?}");
    for voice in [0, 1] {
        let heard = |frame: &&Frame| {
            frame.voices[voice].is_some_and(|(drawn, _)| matches!(drawn, Drawn::Voice | Drawn::Silence))
        };
        assert!(frames.iter().filter(heard).count() + 3 >= frames.len(), "{voice}: {frames:?}");
    }
    assert_eq!(bus_error(&film.bus), None);
}

#[test]
fn voices_whose_decoders_show_them_late_are_heard_from_the_first_frame_on() {
    init();
    let voice = common::photo("speech-am_michael.wav");
    let slow = |pad: &str| {
        format!(
            "filesrc blocksize=65536 location={} ! identity sleep-time=300000 ! decodebin ! dub.{pad} ",
            voice.display()
        )
    };
    let film = Film::new("voice_0::face=left voice_1::face=right", &(slow("voice_0") + &slow("voice_1")));
    film.state(gst::State::Playing);
    film.video(0..20);
    film.end(&["video"]);
    let frames = film.seen.end();
    assert_eq!(frames.len(), 20);
    for frame in &frames {
        let heard = |voice: usize| {
            frame.voices[voice].is_some_and(|(drawn, _)| matches!(drawn, Drawn::Voice | Drawn::Silence))
        };
        assert!(heard(0) && heard(1), "{frames:?}");
    }
}

#[test]
fn a_decoder_behind_the_element_is_not_waited_for() {
    init();
    let line = format!(
        "appsrc name=video format=time max-bytes=0 caps={COUPLE_CAPS} ! facedub ! videoconvert ! jpegenc ! decodebin \
         ! fakesink sync=false"
    );
    let pipeline: gst::Pipeline = gst::parse::launch(&line).unwrap().downcast().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let source = pipeline.by_name("video").unwrap();
    for n in 0..4 {
        let _ = source.emit_by_name::<gst::FlowReturn>("push-buffer", &[&pair(n)]);
    }
    let _ = source.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(30), &kinds);
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(end.expect("it goes on").type_(), gst::MessageType::Eos);
}
