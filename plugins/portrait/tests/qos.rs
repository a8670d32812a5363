// SPDX-License-Identifier: MIT OR Apache-2.0
//! Late frames: skipped where that costs nothing but the picture, never where a network remembers.

mod common;

use common::{FACESYNTH, FRAME, Fixture, LANDMARKS2LATENTS, MOUTHDUB, SPEECH2LANDMARKS};
use gst::prelude::*;

const FRAMES: u64 = 10;

/// Pictures until now came so late.
const LATE: gst::ClockTimeDiff = 160_000_000;

/// Pushes frames; after the third the sink says that it was late. Returns how many came out, and what the bus heard.
fn run(fixture: Fixture) -> (usize, gst::Structure, Vec<gst::Message>) {
    let mut harness = fixture.harness();
    let element = harness.element().unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    for n in 0..FRAMES {
        harness.push((fixture.input)(n)).unwrap();
        if n == 2 {
            let event = gst::event::Qos::new(gst::QOSType::Underflow, 1.5, LATE, FRAME * 2);
            harness.push_upstream_event(event);
        }
    }
    let out = std::iter::from_fn(|| harness.try_pull()).count();
    let messages = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Qos])).collect();
    (out, element.property("stats"), messages)
}

#[test]
fn late_pictures_are_not_painted_and_that_is_told() {
    for fixture in [FACESYNTH, MOUTHDUB] {
        let name = fixture.factory;
        let (out, stats, messages) = run(fixture);
        let dropped = FRAMES as usize - out;
        assert!((3..FRAMES as usize - 3).contains(&dropped), "{name}: {dropped} dropped");
        assert_eq!(stats.get("frames"), Ok(out as u64), "{name}: a picture that is dropped costs nothing");
        assert_eq!(stats.get("dropped"), Ok(dropped as u64), "{name}");
        assert_eq!(messages.len(), dropped, "{name}");
        let last = messages.last().unwrap();
        let gst::MessageView::Qos(qos) = last.view() else { panic!("{last:?}") };
        let (_, lost) = qos.stats();
        assert_eq!(lost.value() as usize, dropped, "{name}");
    }
}

#[test]
fn networks_that_remember_see_every_frame() {
    for fixture in [SPEECH2LANDMARKS, LANDMARKS2LATENTS] {
        let (out, stats, messages) = run(fixture);
        assert_eq!(out as u64, FRAMES, "{}", fixture.factory);
        assert_eq!(stats.get("frames"), Ok(FRAMES));
        assert!(messages.is_empty());
    }
}
