// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element `face2latents` on its own, with a pack whose motion extractor moves the chin by the colours that it sees.

mod common;

use std::sync::Arc;

use common::{
    FACE2LATENTS, FRAME, VIDEO_CAPS, at, bus_error, init, neural_pack, neural_portrait, photo, video,
    warnings,
};
use gst::prelude::*;
use gst_check::Harness;
use gstportrait::pack::Pack;
use gstportrait::photo::handover::Handover;
use gstportrait::photo::{Portrait, context};
use gstportrait::stream::tensor::{FrameMeta, buffer, meta};

/// Numbers of the pack's latents, and the row of its keypoint at the chin.
const LATENTS: usize = 21 * 3;
const CHIN: usize = 10;

fn harness(properties: &[(&str, &str)]) -> (Harness, gst::Bus) {
    let element = FACE2LATENTS.element();
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    (FACE2LATENTS.harness_of(&element), bus)
}

fn latents(buffer: &gst::BufferRef) -> Vec<[f32; 3]> {
    let mut numbers = vec![0.0; LATENTS];
    buffer::read_f32(buffer, &mut numbers).unwrap();
    numbers.as_chunks::<3>().0.to_vec()
}

fn at_rest() -> Vec<[f32; 3]> {
    neural_portrait().source_latents.as_chunks::<3>().0.to_vec()
}

fn apart(a: &[[f32; 3]], b: &[[f32; 3]]) -> f32 {
    a.as_flattened().iter().zip(b.as_flattened()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn is_gap(buffer: &gst::BufferRef) -> bool {
    buffer.flags().contains(gst::BufferFlags::GAP)
}

/// A frame that shows nobody.
fn nobody(n: u64) -> gst::Buffer {
    at(n, gst::Buffer::from_slice(vec![70u8; 320 * 240 * 3]))
}

/// The face again, all of the picture so many levels darker.
fn darker(n: u64, levels: u8) -> gst::Buffer {
    let frame = video(0);
    let pixels = frame.map_readable().unwrap();
    at(n, gst::Buffer::from_slice(pixels.iter().map(|v| v.saturating_sub(levels)).collect::<Vec<u8>>()))
}

/// Pose, landmarks and latents of a frame.
type Motion = (Vec<f32>, Vec<f32>, Vec<[f32; 3]>);

/// What `facelandmarks ! landmarks2latents` makes of the video with the same pack.
fn by_landmarks(frames: u64) -> Vec<Motion> {
    init();
    let tracker = gst::ElementFactory::make("facelandmarks").build().unwrap();
    tracker.set_property("model-pack", neural_pack());
    let stage = gst::ElementFactory::make("landmarks2latents").build().unwrap();
    stage.set_property("model-pack", neural_pack());
    stage.set_context(&context::make(&neural_portrait().into()));
    let bin = gst::Bin::new();
    bin.add_many([&tracker, &stage]).unwrap();
    tracker.link(&stage).unwrap();
    for (element, name) in [(&tracker, "sink"), (&stage, "src")] {
        bin.add_pad(&gst::GhostPad::with_target(&element.static_pad(name).unwrap()).unwrap()).unwrap();
    }
    let mut harness = Harness::with_element(&bin, Some("sink"), Some("src"));
    harness.set_src_caps_str(VIDEO_CAPS);
    (0..frames)
        .map(|n| {
            let out = harness.push_and_pull(video(n)).unwrap();
            let tensor = |kind| meta::read(&out, kind).unwrap().data;
            (tensor(FrameMeta::Pose), tensor(FrameMeta::Landmarks), latents(&out))
        })
        .collect()
}

#[test]
fn the_photo_moves_as_the_face_does_and_what_the_pack_sees_comes_on_top() {
    let (mut harness, _) = harness(&[]);
    let expected = by_landmarks(6);
    for (n, (pose, landmarks, others)) in (0..).zip(&expected) {
        let out = harness.push_and_pull(video(n)).unwrap();
        assert_eq!((out.pts(), out.duration()), (Some(FRAME * n), Some(FRAME)));
        assert!(!is_gap(&out));
        assert_eq!(meta::read(&out, FrameMeta::Pose).unwrap().data, *pose, "frame {n}");
        assert_eq!(meta::read(&out, FrameMeta::Landmarks).unwrap().data, *landmarks, "frame {n}");
        assert!(meta::read(&out, FrameMeta::PictureLandmarks).is_none(), "of the video, not of the photo");
        let mut own = latents(&out);
        own[CHIN] = others[CHIN];
        assert_eq!(own, *others, "frame {n}");
    }
    let first = &expected[0].2;
    assert!(apart(first, &at_rest()) < 1e-4, "the first face leaves the photo as it is");
    assert!(apart(&expected[5].2, first) > 0.01, "the head moves");
}

/// The pack's stage sees the face, and remembers its first frame until another presentation begins.
#[test]
fn the_motion_extractor_sees_the_face_and_what_is_driven_is_told_to_it() {
    let chin = |drive: &str, flush: bool| {
        let (mut harness, _) = harness(&[("drive", drive)]);
        let rest = latents(&harness.push_and_pull(video(0)).unwrap());
        if flush {
            harness.push_event(gst::event::FlushStart::new());
            harness.push_event(gst::event::FlushStop::new(true));
            harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        }
        let dark = latents(&harness.push_and_pull(darker(1, 30)).unwrap());
        let further = latents(&harness.push_and_pull(darker(2, 60)).unwrap());
        [dark, further].map(|latents| latents[CHIN][2] - rest[CHIN][2])
    };
    // Pixels that are black already get no darker.
    let seen = |change: f32| (-0.13..-0.05).contains(&change);
    let [dark, further] = chin("mouth", false);
    assert!(seen(dark) && seen(further - dark), "{dark} {further}");
    let [dark, further] = chin("mouth", true);
    assert!(dark.abs() < 1e-4 && seen(further), "after a flush: {dark} {further}");
    let [dark, further] = chin("eyes+pose", false);
    // The head of the same face is found a little elsewhere.
    assert!(dark.abs() < 0.02 && further.abs() < 0.02, "the mouth is not driven: {dark} {further}");
}

#[test]
fn frames_without_a_face_hold_the_photo_and_then_the_last_face() {
    let (mut harness, bus) = harness(&[]);
    for n in 0..27 {
        let out = harness.push_and_pull(nobody(n)).unwrap();
        assert!(is_gap(&out) && apart(&latents(&out), &at_rest()) < 1e-4, "frame {n}");
    }
    let told = warnings(&bus);
    assert!(told.len() == 1 && told[0].contains("finds no face"), "{told:?}");
    // The colours of a frame without a face are not those that the next ones are held against.
    let first = harness.push_and_pull(darker(27, 0)).unwrap();
    assert!(!is_gap(&first) && apart(&latents(&first), &at_rest()) < 1e-4);
    let moved = latents(&harness.push_and_pull(darker(28, 50)).unwrap());
    assert!(apart(&moved, &at_rest()) > 0.1);
    let mut void = at(30, gst::Buffer::new());
    void.make_mut().set_flags(gst::BufferFlags::GAP);
    for lost in [nobody(29), void] {
        let out = harness.push_and_pull(lost).unwrap();
        assert!(is_gap(&out));
        assert!(apart(&latents(&out), &moved) < 1e-6, "the last face is held");
    }
    // As videorate repeats a picture.
    let mut repeated = darker(31, 90);
    repeated.make_mut().set_flags(gst::BufferFlags::GAP);
    let out = harness.push_and_pull(repeated).unwrap();
    assert!(!is_gap(&out) && apart(&latents(&out), &moved) > 0.1, "a picture like any");
    assert_eq!(warnings(&bus), [""; 0]);
}

/// Whose face it is makes a difference to what motion is relative to.
#[test]
fn another_face_begins_anew_and_is_marked() {
    let (mut harness, _) = harness(&[("face", "left")]);
    let two = |n: u64, levels: u8| {
        let [left, right] =
            [darker(n, levels), darker(n, 60)].map(|face| face.map_readable().unwrap().to_vec());
        let row = 320 * 3;
        let both = left.chunks_exact(row).zip(right.chunks_exact(row)).flat_map(|(l, r)| [l, r].concat());
        at(n, gst::Buffer::from_slice(both.collect::<Vec<u8>>()))
    };
    harness.set_src_caps_str("video/x-raw,format=RGB,width=640,height=240,framerate=25/1");
    let rest = latents(&harness.push_and_pull(two(0, 0)).unwrap());
    let dark = latents(&harness.push_and_pull(two(1, 50)).unwrap());
    assert!(dark[CHIN][2] - rest[CHIN][2] < -0.1);
    harness.element().unwrap().set_property("face", "right");
    let out = harness.push_and_pull(two(2, 50)).unwrap();
    assert!(out.flags().contains(gst::BufferFlags::MARKER), "another face begins");
    let other = latents(&out);
    assert!((other[CHIN][2] - rest[CHIN][2]).abs() < 0.02, "{:?}", other[CHIN]);
    let out = harness.push_and_pull(two(3, 50)).unwrap();
    assert!(!out.flags().contains(gst::BufferFlags::MARKER));
}

/// Nobody before this element needs the photo: it takes the new one with its next frame and marks its frames.
#[test]
fn a_photo_that_is_set_while_playing_is_driven_on() {
    let (mut harness, _) = harness(&[]);
    harness.push_and_pull(darker(0, 0)).unwrap();
    let pack = Pack::open(neural_pack()).unwrap();
    let other = Portrait::analyse(&photo("portrait-astronaut.png"), &pack, tch::Device::Cpu).unwrap();
    let handover = Handover::new(Arc::clone(&other).into());
    handover.announce(&harness.sinkpad().unwrap());
    assert!(handover.is_led());
    let out = harness.push_and_pull(darker(1, 0)).unwrap();
    assert!(handover.made(&out, None), "the frame is marked");
    let rest = other.source_latents.as_chunks::<3>().0;
    assert!(apart(&latents(&out), rest) < 0.05 && apart(rest, &at_rest()) > 0.1);
    // What it remembers of the video's first frame stays.
    let dark = latents(&harness.push_and_pull(darker(2, 50)).unwrap());
    assert!(dark[CHIN][2] - rest[CHIN][2] < -0.05);
}

#[test]
fn a_pack_without_a_motion_extractor_is_one_error_with_the_remedy() {
    let element = FACE2LATENTS.element();
    element.set_property("model-pack", "lite");
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    element.set_state(gst::State::Ready).unwrap();
    assert!(element.set_state(gst::State::Paused).is_err());
    element.set_state(gst::State::Null).unwrap();
    let (text, debug) = bus_error(&bus).expect("an element error");
    assert!(text.contains("lite/") && text.contains("facelandmarks ! landmarks2latents"), "{text} {debug}");
    assert_eq!(bus_error(&bus), None);
}

#[test]
fn without_a_photo_it_says_what_announces_one() {
    init();
    let element = gst::ElementFactory::make("face2latents").build().unwrap();
    element.set_property("model-pack", neural_pack());
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    element.set_state(gst::State::Ready).unwrap();
    assert!(element.set_state(gst::State::Paused).is_err());
    element.set_state(gst::State::Null).unwrap();
    let (text, _) = bus_error(&bus).expect("an element error");
    assert!(text.contains("no portrait is announced") && text.contains("facesynth"), "{text}");
}
