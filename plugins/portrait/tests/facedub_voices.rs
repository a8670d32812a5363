// SPDX-License-Identifier: MIT OR Apache-2.0
//! Several people in a video, each with a voice of its own: whose mouth says which.

mod common;

use common::bus_error;
use common::film::{Film, LEFT_AND_RIGHT, VOICE, busy, two};
use gst::prelude::*;
use gstportrait::stream::tensor::marks::Drawn;

#[test]
fn each_face_says_its_own_voice_and_the_video_is_tracked_once() {
    const TURN: u64 = 14;
    let film = Film::new(LEFT_AND_RIGHT, &two(""));
    film.state(gst::State::Playing);
    film.video(0..34);
    film.voice("first", 0..34, 0..TURN);
    film.voice("second", 0..34, TURN..34);
    film.end(&["video", "first", "second"]);
    let frames = film.seen.end();
    assert_eq!(frames.len(), 34);
    let turn = TURN as usize;
    // A voice is heard a little before it speaks, and its mouth is eased out.
    assert!(busy(&frames[3..turn], 0) > 8, "first the left one: {frames:?}");
    assert_eq!(busy(&frames[..turn - 5], 1), 0, "and not the right: {frames:?}");
    assert_eq!(busy(&frames[turn + 12..], 0), 0, "then not the left: {frames:?}");
    assert!(busy(&frames[turn + 3..33], 1) > 10, "but the right: {frames:?}");
    assert!(frames.iter().all(|frame| frame.main == Drawn::NoVoice && frame.found == [true; 2]));
    let trackers = film.children().into_iter().filter(|name| name.starts_with("facetracker")).count();
    assert_eq!(trackers, 1);
    let stats: gst::Structure = film.dub.property("stats");
    let of = |name: &str| stats.get::<gst::Structure>(name).unwrap();
    assert_eq!(of("facetracker").get::<u64>("frames"), Ok(34));
    for name in ["voice_0", "voice_1"] {
        let pad = film.dub.static_pad(name).unwrap().property::<gst::Structure>("stats");
        assert_eq!(pad.get::<u64>("voice"), of(name).get::<u64>("voice"));
        assert!(pad.get::<u64>("voice").unwrap() > 8, "{name}: {pad:?}");
    }
    assert_eq!(bus_error(&film.bus), None);
}

#[test]
fn the_pad_voice_and_a_further_one_speak_side_by_side() {
    let rest = format!("appsrc name=first {VOICE} ! dub.voice  appsrc name=second {VOICE} ! dub.voice_4");
    let film = Film::new("face=right voice_4::face=left voice_4::silence=shut", &rest);
    film.state(gst::State::Playing);
    film.video(0..24);
    film.voice("first", 0..24, 0..24);
    film.voice("second", 0..24, 0..0);
    film.end(&["video", "first", "second"]);
    let frames = film.seen.end();
    assert!(busy(&frames[3..22], 1) > 14 && busy(&frames[4..], 0) > 14, "{frames:?}");
    let speaks = frames.iter().filter(|frame| frame.main == Drawn::Voice).count();
    assert!(speaks > 14, "{frames:?}");
}

#[test]
fn a_face_is_that_of_one_voice_and_who_asks_for_the_same_gets_the_next() {
    let film = Film::new("", &two(""));
    film.state(gst::State::Playing);
    film.video(0..20);
    film.voice("first", 0..20, 0..20);
    film.voice("second", 0..20, 0..20);
    film.end(&["video", "first", "second"]);
    let frames = film.seen.end();
    assert!(busy(&frames[3..19], 0) > 12 && busy(&frames[3..19], 1) > 12, "both, once: {frames:?}");
}

/// Of two people the second voice is to be the fifth one's: an easy slip.
#[test]
fn a_further_voice_of_a_face_that_is_not_there_is_told_by_its_number() {
    let told = |properties: &str| -> Vec<String> {
        let film = Film::new(properties, &two(""));
        film.state(gst::State::Playing);
        film.video(0..8);
        film.voice("first", 0..8, 0..8);
        film.voice("second", 0..8, 0..8);
        film.end(&["video", "first", "second"]);
        film.seen.end();
        let warnings = film.bus.iter_filtered(&[gst::MessageType::Warning]);
        let text = |message: gst::Message| match message.view() {
            gst::MessageView::Warning(warning) => Some(warning.error().to_string()),
            _ => None,
        };
        warnings.filter_map(text).collect()
    };
    let said = told("voice_0::face=1 voice_1::face=5");
    assert!(said.len() == 1 && said[0].contains("finds no face 5 in the video, only 1 at"), "{said:?}");
    assert_eq!(told("voice_0::face=1 voice_1::face=2"), [""; 0]);
}

#[test]
fn a_voice_that_ends_first_gives_the_mouth_back_and_one_that_says_nothing_is_no_hindrance() {
    let film = Film::new(LEFT_AND_RIGHT, &two(""));
    film.state(gst::State::Playing);
    film.video(0..40);
    film.voice("first", 0..10, 0..10);
    film.end(&["first", "video"]);
    film.voice("second", 0..40, 0..40);
    film.end(&["second"]);
    let frames = film.seen.end();
    assert_eq!(frames.len(), 40);
    assert!(busy(&frames[2..9], 0) > 4, "{frames:?}");
    assert_eq!(busy(&frames[26..], 0), 0, "its own mouth again: {frames:?}");
    assert!(frames[30..].iter().all(|frame| frame.voices[0].unwrap().0 == Drawn::NoVoice), "{frames:?}");
    assert!(busy(&frames[3..38], 1) > 28, "the other goes on: {frames:?}");

    let film = Film::new(LEFT_AND_RIGHT, &two(""));
    let idle = film.dub.request_pad_simple("voice_%u").unwrap();
    assert_eq!(idle.name(), "voice_2");
    film.state(gst::State::Playing);
    film.voice("first", 0..1, 0..0);
    film.end(&["first"]);
    film.video(0..16);
    film.voice("second", 0..16, 0..16);
    film.end(&["second", "video"]);
    let frames = film.seen.end();
    assert_eq!((frames.len(), busy(&frames, 0)), (16, 0));
    assert!(busy(&frames, 1) > 10, "{frames:?}");
}

#[test]
fn the_video_may_end_before_the_voices() {
    let film = Film::new(LEFT_AND_RIGHT, &two(""));
    film.state(gst::State::Playing);
    film.video(0..10);
    film.end(&["video"]);
    film.voice("first", 0..200, 0..200);
    film.voice("second", 0..200, 0..200);
    film.end(&["first", "second"]);
    assert_eq!(film.seen.end().len(), 10);
}

#[test]
fn the_face_of_a_pad_may_change_while_the_film_plays() {
    let rest = format!("appsrc name=first {VOICE} ! dub.voice_0");
    let film = Film::new("voice_0::face=left", &rest);
    film.state(gst::State::Playing);
    film.voice("first", 0..100, 0..100);
    film.video(0..12);
    film.seen.frames(12);
    film.dub.static_pad("voice_0").unwrap().set_property("face", "right");
    film.video(12..30);
    film.end(&["video"]);
    let frames = film.seen.end();
    assert!(busy(&frames[3..12], 0) > 6 && busy(&frames[..12], 1) == 0, "{frames:?}");
    assert!(busy(&frames[12..], 0) == 0 && busy(&frames[14..], 1) > 12, "{frames:?}");
}
