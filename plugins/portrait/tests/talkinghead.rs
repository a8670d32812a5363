// SPDX-License-Identifier: MIT OR Apache-2.0
//! `talkinghead`: the bin shows its stages' properties and errors.

mod common;

use common::{bus_error, init, portrait_path};
use gst::prelude::*;

fn element() -> gst::Element {
    init();
    gst::ElementFactory::make("talkinghead").build().unwrap()
}

/// Every property of a stage is the bin's, once, and reaches each stage that has it.
#[test]
fn properties_are_those_of_the_stages() {
    let head = element();
    let bin = head.downcast_ref::<gst::Bin>().unwrap();
    head.set_property("model-pack", "somewhere");
    head.set_property("seed", 11u32);
    head.set_property_from_str("emotion", "sad");
    head.set_property("emotion-intensity", 0.25f32);
    head.set_property_from_str("framing", "full");
    let child = |name: &str| bin.by_name(name).unwrap();
    for name in ["audiofeatures", "speech2landmarks", "landmarks2latents", "facesynth"] {
        assert_eq!(child(name).property::<String>("model-pack"), "somewhere", "{name}");
    }
    for name in ["speech2landmarks", "landmarks2latents"] {
        assert_eq!(child(name).property::<u32>("seed"), 11, "{name}");
    }
    assert_eq!(child("speech2landmarks").property::<f32>("emotion-intensity"), 0.25);
    assert_eq!(head.property::<f32>("emotion-intensity"), 0.25);
    assert_eq!(head.property::<u32>("seed"), 11);
}

/// The action signal of the stage that blinks is the bin's too.
#[test]
fn the_signal_blink_reaches_its_stage() {
    let head = element();
    let bin = head.downcast_ref::<gst::Bin>().unwrap();
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = asked.clone();
    bin.by_name("speech2landmarks").unwrap().connect("blink", false, move |_| {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        None
    });
    head.emit_by_name::<()>("blink", &[]);
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);
}

/// A `tee` that asks its branches about the allocation of sound must be refused by this one: then it does not ask the
/// others, where the question would wait behind sound that waits for this one's pictures.
#[test]
fn questions_about_the_allocation_of_sound_are_refused() {
    let head = element();
    let caps = gst::Caps::builder("audio/x-raw").field("rate", 16000).build();
    let sink = head.static_pad("sink").unwrap();
    assert!(!sink.query(&mut gst::query::Allocation::new(Some(&caps), true)));
    assert!(sink.query(&mut gst::query::Caps::new(None)), "other questions are answered");
}

/// Without a photo the bin refuses to start, and says which property is missing.
#[test]
fn a_missing_photo_is_one_clear_error() {
    let head = element();
    let pipeline = gst::Pipeline::new();
    pipeline.add(&head).unwrap();
    assert!(pipeline.set_state(gst::State::Paused).is_err());
    let bus = pipeline.bus().unwrap();
    let (text, debug) = bus_error(&bus).unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(format!("{text} {debug}").contains("`portrait`"), "{text} {debug}");
    assert_eq!(bus_error(&bus), None, "one error, not several");
}

/// Any audio is taken: the bin converts rate, channels and format.
#[test]
fn takes_any_audio_and_gives_pictures() {
    let head = element();
    head.set_property("portrait", portrait_path());
    let mut harness = gst_check::Harness::with_element(&head, Some("sink"), Some("src"));
    harness.set_src_caps_str("audio/x-raw,format=S16LE,layout=interleaved,rate=44100,channels=2");
    let mut buffer = gst::Buffer::with_size(44100 * 4).unwrap();
    buffer.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
    buffer.get_mut().unwrap().set_duration(gst::ClockTime::SECOND);
    harness.push(buffer).unwrap();
    harness.push_event(gst::event::Eos::new());
    assert_eq!(common::drain(&mut harness).len(), 25);
}
