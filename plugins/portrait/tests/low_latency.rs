// SPDX-License-Identifier: MIT OR Apache-2.0
//! `look-ahead=low` and `minimal`: the pack's other networks for speech, and less audio to wait for. One test, because it names the pack
//! that it makes as trusted in the environment of the whole program.

mod common;

use std::path::Path;

use common::{AUDIO_FEATURES, FRAME, audio_caps, bus_error, init, pack};
use gst::prelude::*;
use gstportrait::pack::{LookAhead, Pack, PackError};
use gstportrait::stream::tensor::buffer;

/// The built-in pack with another manifest, trusted. The low-latency model is missing.
fn make_pack(dir: &Path, edit: impl Fn(String) -> String) {
    let lite = pack().dir().to_owned();
    for entry in std::fs::read_dir(&lite).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if path.is_file() && name != "pack.toml" && name != "speech2landmarks-low.pt" {
            std::fs::copy(&path, dir.join(name)).unwrap();
        }
    }
    let manifest = std::fs::read_to_string(lite.join("pack.toml")).unwrap();
    std::fs::write(dir.join("pack.toml"), edit(manifest)).unwrap();
    let Err(PackError::Untrusted { digest, .. }) = Pack::open(dir.to_str().unwrap()) else {
        return; // The manifest is the built-in one.
    };
    // SAFETY: no other thread of this program reads or writes the environment now.
    unsafe { std::env::set_var("GST_PORTRAIT_TRUSTED_PACKS", digest) };
}

fn bin(pack: &str, look_ahead: &str) -> gst::Bin {
    let (features, speech) = (AUDIO_FEATURES.element(), common::SPEECH2LANDMARKS.element());
    features.set_property_from_str("look-ahead", look_ahead);
    for element in [&features, &speech] {
        element.set_property("model-pack", pack);
    }
    let bin = gst::Bin::new();
    bin.add_many([&features, &speech]).unwrap();
    features.link(&speech).unwrap();
    for (element, name) in [(&features, "sink"), (&speech, "src")] {
        bin.add_pad(&gst::GhostPad::with_target(&element.static_pad(name).unwrap()).unwrap()).unwrap();
    }
    bin
}

/// What `audiofeatures` says that cannot wait for so little with that pack.
fn refused(pack: &Path, look_ahead: &str) -> String {
    let element = AUDIO_FEATURES.element();
    element.set_property("model-pack", pack.to_str().unwrap());
    element.set_property_from_str("look-ahead", look_ahead);
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert!(element.set_state(gst::State::Paused).is_err());
    let (text, debug) = bus_error(&bus).unwrap();
    element.set_state(gst::State::Null).unwrap();
    format!("{text} {debug}")
}

#[test]
fn a_pack_with_low_latency_models_waits_for_less_audio() {
    init();
    // Without such models: one error that names the pack and the remedy.
    let dir = tempfile::tempdir().unwrap();
    let table = |manifest: &str| {
        let at = manifest.find("[look-ahead]").unwrap();
        at..at + manifest[at..].find("\n\n").unwrap()
    };
    make_pack(dir.path(), |mut manifest| {
        manifest.replace_range(table(&manifest), "");
        manifest
    });
    let text = refused(dir.path(), "low");
    assert!(text.contains(&pack().id()) && text.contains("set `look-ahead` to quality,"), "{text}");

    let dir = tempfile::tempdir().unwrap();
    make_pack(dir.path(), |manifest| manifest);
    let name = dir.path().to_str().unwrap();

    // The second network is loaded, and no other: its file is not there yet.
    let broken = bin(name, "low");
    let bus = gst::Bus::new();
    broken.set_bus(Some(&bus));
    assert!(broken.set_state(gst::State::Paused).is_err(), "it is missed before anything plays");
    let (text, debug) = bus_error(&bus).unwrap();
    broken.set_state(gst::State::Null).unwrap();
    broken.set_bus(None::<&gst::Bus>);
    assert!(format!("{text} {debug}").contains("speech2landmarks-low.pt"), "{text} {debug}");
    drop(broken);

    let file = "speech2landmarks-low.pt";
    std::fs::copy(pack().dir().join(file), dir.path().join(file)).unwrap();
    // The first one is not missed.
    std::fs::remove_file(dir.path().join("speech2landmarks.pt")).unwrap();
    for (wanted, look_ahead) in [("low", 80), ("minimal", 20)] {
        let bin = bin(name, wanted);
        let mut harness = gst_check::Harness::with_element(&bin, Some("sink"), Some("src"));
        harness.set_live(true);
        let look_ahead = gst::ClockTime::from_mseconds(look_ahead);
        let deadline = gst::ClockTime::from_mseconds(20);
        assert_eq!(harness.query_latency(), Some(FRAME + look_ahead + deadline), "{wanted}");
        harness.set_src_caps(audio_caps(16_000, 1));
        harness.push(audio(0, 16_000)).unwrap();
        harness.push_event(gst::event::Eos::new());
        assert_eq!(common::drain(&mut harness).len(), 25, "{wanted}");
    }

    // An older pack has one further look-ahead, by another name, and whoever asks for the other is told so.
    let dir = tempfile::tempdir().unwrap();
    make_pack(dir.path(), |mut manifest| {
        let old = "[low-latency]\nlook-ahead-samples = 1280\nspeech2landmarks = \"speech2landmarks-low\"";
        manifest.replace_range(table(&manifest), old);
        manifest
    });
    let old = Pack::open(dir.path().to_str().unwrap()).unwrap();
    let samples = |wanted| old.manifest().look_ahead_samples(wanted);
    assert_eq!(
        [LookAhead::Quality, LookAhead::Low, LookAhead::Minimal].map(samples),
        [Some(2560), Some(1280), None]
    );
    assert_eq!(old.manifest().speech_stage(Some(1280)), "speech2landmarks-low");
    let text = refused(dir.path(), "minimal");
    assert!(text.contains("set `look-ahead` to quality or low"), "{text}");
}

/// One buffer of the tone from a sample on.
fn audio(first: usize, count: usize) -> gst::Buffer {
    let mut part = buffer::from_f32(&common::tone(first, count));
    part.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
    part
}
