// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whoever asks an element something does not wait for its network.

mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::{AUDIO_FEATURES, Fixture, LANDMARKS2LATENTS, SPEECH2LANDMARKS};
use gst::prelude::*;
use gstportrait::pack::gate;

/// What has not happened after this never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// One test, because it stops all networks of the program.
#[test]
fn questions_are_answered_while_a_network_runs() {
    for fixture in [AUDIO_FEATURES, SPEECH2LANDMARKS, LANDMARKS2LATENTS] {
        ask(fixture);
    }
}

fn ask(fixture: Fixture) {
    let mut harness = fixture.harness();
    let element = harness.element().unwrap();
    // As a network that takes its time: all places are taken.
    let all = gate::enter(usize::MAX);
    let (pushes, is_pushing) = mpsc::channel();
    element.static_pad("sink").unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let _ = pushes.send(());
        gst::PadProbeReturn::Ok
    });
    let pusher = std::thread::spawn(move || {
        for n in 0..=fixture.delay {
            harness.push((fixture.input)(n)).unwrap();
        }
        harness
    });
    (0..=fixture.delay).for_each(|_| is_pushing.recv_timeout(PATIENCE).unwrap());
    // The buffer that has passed the probe is on its way into the network; the questions come before and while it waits.
    let (answers, is_answered) = mpsc::channel();
    let asking = std::thread::spawn(move || {
        for _ in 0..50 {
            let _: gst::Structure = element.property("stats");
            for property in element.list_properties() {
                let _ = element.property_value(property.name());
            }
            for pad in element.pads() {
                pad.query_caps(None);
                pad.query(&mut gst::query::Latency::new());
                pad.query(&mut gst::query::AcceptCaps::new(&(fixture.input_caps)()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = answers.send(());
    });
    let answered = is_answered.recv_timeout(PATIENCE);
    let waits = !pusher.is_finished();
    drop(all);
    asking.join().unwrap();
    let harness = pusher.join().unwrap();
    assert!(waits, "{}: the network was to be stopped", fixture.factory);
    answered.unwrap_or_else(|_| panic!("{}: a question waits for the network", fixture.factory));
    assert!(harness.buffers_received() > 0);
}
