//! `look-ahead=low`: the pack's second network for speech, and less audio to wait for. One test, because it names the pack
//! that it makes as trusted in the environment of the whole program.

mod common;

use std::path::Path;

use common::{AUDIO_FEATURES, FRAME, audio_caps, bus_error, init, pack};
use gst::prelude::*;
use gstportrait::pack::{Pack, PackError};
use gstportrait::tensor::buffer;

/// Look-ahead of the test's pack: 80 ms.
const LOOK_AHEAD_SAMPLES: usize = 1280;

/// The built-in pack with a second way for speech, whose model is in `low.pt`.
fn make_pack(dir: &Path) {
    let lite = pack().dir().to_owned();
    for entry in std::fs::read_dir(&lite).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.file_name().is_some_and(|name| name != "pack.toml") {
            std::os::unix::fs::symlink(&path, dir.join(path.file_name().unwrap())).unwrap();
        }
    }
    let manifest = std::fs::read_to_string(lite.join("pack.toml")).unwrap();
    let start = manifest.find("[stages.speech2landmarks]").unwrap();
    let stage: String =
        manifest[start..].lines().take_while(|l| !l.is_empty()).map(|l| format!("{l}\n")).collect();
    let stage = stage
        .replace("[stages.speech2landmarks]", "[stages.speech2landmarks-low]")
        .replace("speech2landmarks.pt", "low.pt");
    let table = format!(
        "[low-latency]\nlook-ahead-samples = {LOOK_AHEAD_SAMPLES}\nspeech2landmarks = \"speech2landmarks-low\"\n"
    );
    std::fs::write(dir.join("pack.toml"), format!("{manifest}\n{stage}\n{table}")).unwrap();
}

fn harness(pack: &str) -> gst_check::Harness {
    let (features, speech) = (AUDIO_FEATURES.element(), common::SPEECH2LANDMARKS.element());
    features.set_property_from_str("look-ahead", "low");
    for element in [&features, &speech] {
        element.set_property("model-pack", pack);
    }
    let bin = gst::Bin::new();
    bin.add_many([&features, &speech]).unwrap();
    features.link(&speech).unwrap();
    for (element, name) in [(&features, "sink"), (&speech, "src")] {
        bin.add_pad(&gst::GhostPad::with_target(&element.static_pad(name).unwrap()).unwrap()).unwrap();
    }
    gst_check::Harness::with_element(&bin, Some("sink"), Some("src"))
}

#[test]
fn a_pack_with_low_latency_models_waits_for_less_audio() {
    init();
    // Without such models: one error that names the pack and the remedy.
    let element = AUDIO_FEATURES.element();
    element.set_property_from_str("look-ahead", "low");
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    if pack().manifest().low_latency.is_none() {
        assert!(element.set_state(gst::State::Paused).is_err());
        let (text, debug) = bus_error(&bus).unwrap();
        let text = format!("{text} {debug}");
        assert!(text.contains(&pack().id()) && text.contains("look-ahead"), "{text}");
    }
    element.set_state(gst::State::Null).unwrap();

    let dir = tempfile::tempdir().unwrap();
    make_pack(dir.path());
    let name = dir.path().to_str().unwrap();
    let Err(PackError::Untrusted { digest, .. }) = Pack::open(name) else {
        panic!("a pack that nobody trusts")
    };
    // SAFETY: no other thread of this program reads or writes the environment now.
    unsafe { std::env::set_var("GST_PORTRAIT_TRUSTED_PACKS", digest) };

    // The second network is loaded, and no other: its file is not there yet.
    let mut broken = harness(name);
    let bus = gst::Bus::new();
    broken.element().unwrap().set_bus(Some(&bus));
    broken.set_src_caps(audio_caps(16_000, 1));
    let _ = broken.push(audio(0, 16_000));
    let (text, debug) = bus_error(&bus).unwrap();
    assert!(format!("{text} {debug}").contains("low.pt"), "{text} {debug}");
    drop(broken);

    std::fs::copy(pack().dir().join("speech2landmarks.pt"), dir.path().join("low.pt")).unwrap();
    let mut harness = harness(name);
    harness.set_live(true);
    let look_ahead = gst::ClockTime::from_mseconds(80);
    let deadline = gst::ClockTime::from_mseconds(20);
    assert_eq!(harness.query_latency(), Some(FRAME + look_ahead + deadline));
    harness.set_src_caps(audio_caps(16_000, 1));
    harness.push(audio(0, 16_000)).unwrap();
    harness.push_event(gst::event::Eos::new());
    assert_eq!(common::drain(&mut harness).len(), 25);
}

/// One buffer of the tone from a sample on.
fn audio(first: usize, count: usize) -> gst::Buffer {
    let mut part = buffer::from_f32(&common::tone(first, count));
    part.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
    part
}
