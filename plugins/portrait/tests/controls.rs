// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties that follow a `GstController`: every one of every element does.

mod common;

use common::{FACESYNTH, FIXTURES, FRAME, Fixture, TALKINGHEAD, init};
use gst::glib;
use gst::prelude::*;
use gst_controller::prelude::*;

/// Frames until each element has begun with the first one, look-ahead included.
const FRAMES: u64 = 6;

/// A curve that stands still at that share of a property's range.
fn hold(element: &gst::Element, name: &str, share: f64) {
    let source = gst_controller::InterpolationControlSource::new();
    source.set_mode(gst_controller::InterpolationMode::Linear);
    assert!(source.set(gst::ClockTime::ZERO, share));
    let binding = gst_controller::DirectControlBinding::new(element, name, &source);
    element.add_control_binding(&binding).unwrap();
}

/// The value of a property as a share of its range.
fn share(element: &gst::Element, spec: &glib::ParamSpec) -> f64 {
    let name = spec.name();
    if let Some(spec) = spec.downcast_ref::<glib::ParamSpecFloat>() {
        let (low, high) = (f64::from(spec.minimum()), f64::from(spec.maximum()));
        (f64::from(element.property::<f32>(name)) - low) / (high - low)
    } else if let Some(spec) = spec.downcast_ref::<glib::ParamSpecUInt>() {
        let (low, high) = (f64::from(spec.minimum()), f64::from(spec.maximum()));
        (f64::from(element.property::<u32>(name)) - low) / (high - low)
    } else if spec.is::<glib::ParamSpecBoolean>() {
        f64::from(u8::from(element.property::<bool>(name)))
    } else {
        panic!("{name}: a controllable property of a type that this test does not know");
    }
}

/// Elements follow their curves with each frame, all of them at once.
fn follows(fixture: Fixture) -> usize {
    init();
    let element = fixture.element();
    let specs: Vec<_> = element
        .list_properties()
        .into_iter()
        .filter(|s| s.owner_type() == element.type_() && s.flags().contains(gst::PARAM_FLAG_CONTROLLABLE))
        .collect();
    let mut wanted = Vec::new();
    for spec in &specs {
        let switch = spec.is::<glib::ParamSpecBoolean>();
        let choices = if switch { [0.0, 1.0] } else { [0.25, 0.625] };
        let before = share(&element, spec);
        let chosen =
            choices.into_iter().max_by(|a, b| (a - before).abs().total_cmp(&(b - before).abs())).unwrap();
        hold(&element, spec.name(), chosen);
        wanted.push(chosen);
    }
    let mut harness = fixture.harness_of(&element);
    if element.static_pad("voice").is_some() {
        let mut voice = gst_check::Harness::with_element(&element, Some("voice"), None);
        voice.set_src_caps((TALKINGHEAD.input_caps)());
        for n in 0..FRAMES * 4 {
            voice.push((TALKINGHEAD.input)(n)).unwrap();
        }
        voice.push_event(gst::event::Eos::new());
    }
    for n in 0..FRAMES {
        harness.push((fixture.input)(n)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    // A bin may have threads of its own.
    while harness.pull_until_eos().unwrap().is_some() {}
    for (spec, wanted) in specs.iter().zip(wanted) {
        let found = share(&element, spec);
        // Whole numbers are the nearest ones.
        assert!((found - wanted).abs() < 0.04, "{} does not follow: {found}, not {wanted}", spec.name());
        assert!(spec.flags().contains(gst::PARAM_FLAG_MUTABLE_PLAYING), "{}", spec.name());
    }
    element.set_state(gst::State::Null).unwrap();
    specs.len()
}

#[test]
fn every_controllable_property_of_every_element_follows_its_curve() {
    let all = FIXTURES.iter().copied();
    let mut names: Vec<_> = all.clone().map(|f| f.factory).collect();
    let counts: Vec<_> = all.map(|fixture| (fixture.factory, follows(fixture))).collect();
    for (name, some) in
        [("facesynth", true), ("talkinghead", true), ("facedub", true), ("audiofeatures", false)]
    {
        assert!(counts.iter().any(|(n, count)| *n == name && (*count > 0) == some), "{counts:?}");
    }
    init();
    names.sort_unstable();
    let registered = gst::Registry::get().features_by_plugin("portrait");
    let mut registered: Vec<_> = registered.into_iter().map(|f| f.name().to_string()).collect();
    registered.sort();
    assert_eq!(registered, names, "an element that nobody looks at");
}

/// A `facesynth` whose background is a colour, in a harness that wants these caps.
fn coloured(framing: &str, caps: &str, colour: u32) -> gst_check::Harness {
    let element = FACESYNTH.element();
    element.set_property_from_str("framing", framing);
    element.set_property_from_str("background", "color");
    element.set_property("background-color", colour);
    let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_live(false);
    harness.set_sink_caps_str(caps);
    harness.set_src_caps((FACESYNTH.input_caps)());
    harness
}

fn picture(harness: &mut gst_check::Harness, n: u64) -> Vec<u8> {
    harness.push((FACESYNTH.input)(n)).unwrap();
    harness.pull().unwrap().map_readable().unwrap().to_vec()
}

/// From green to blue, frame by frame, in the crop and in the whole photo; and what is exchanged is the background alone:
/// each picture is, to the bit, the one of an element that always had the colour.
#[test]
fn keyframes_of_the_background_are_seen_in_each_picture() {
    const GREEN: u32 = 0xff00_ff00;
    const BLUE: u32 = 0xff00_00ff;
    const LAST: u64 = 5;
    for (framing, format) in [("crop", "RGBA"), ("full", "RGBA"), ("crop", "I420"), ("full", "NV12")] {
        let caps = format!("video/x-raw,format={format}");
        let mut harness = coloured(framing, &caps, 0xffff_0000);
        let element = harness.element().unwrap();
        let source = gst_controller::InterpolationControlSource::new();
        source.set_mode(gst_controller::InterpolationMode::Linear);
        source.set(gst::ClockTime::ZERO, f64::from(GREEN));
        source.set(FRAME * LAST, f64::from(BLUE));
        let binding =
            gst_controller::DirectControlBinding::new_absolute(&element, "background-color", &source);
        element.add_control_binding(&binding).unwrap();
        let mut seen = Vec::new();
        for n in 0..=LAST {
            let found = picture(&mut harness, n);
            let colour: u32 = element.property("background-color");
            seen.push(colour);
            if format == "RGBA" {
                let [a, r, g, b] = colour.to_be_bytes();
                assert_eq!(found[..4], [r, g, b, a], "{framing}, frame {n}");
            }
            assert!(
                found == picture(&mut coloured(framing, &caps, colour), n),
                "{framing} {format}, frame {n}"
            );
        }
        assert_eq!((seen[0], seen[LAST as usize]), (GREEN, BLUE));
        assert!(seen.is_sorted_by(|a, b| a > b), "{seen:x?}");
    }
}

/// The same between the latents, where pictures have times of their own.
#[test]
fn interpolated_pictures_follow_keyframes_at_their_own_times() {
    let mut harness = coloured("crop", "video/x-raw,format=RGBA,framerate=50/1", 0);
    let element = harness.element().unwrap();
    let source = gst_controller::InterpolationControlSource::new();
    source.set_mode(gst_controller::InterpolationMode::Linear);
    source.set(gst::ClockTime::ZERO, f64::from(0xff00_0000_u32));
    source.set(FRAME * 100, f64::from(0xff00_00c8_u32));
    let binding = gst_controller::DirectControlBinding::new_absolute(&element, "background-color", &source);
    element.add_control_binding(&binding).unwrap();
    for n in 0..4 {
        harness.push((FACESYNTH.input)(n)).unwrap();
    }
    let blues: Vec<u8> =
        std::iter::from_fn(|| harness.try_pull()).map(|b| b.map_readable().unwrap()[2]).collect();
    let wanted: Vec<u8> = (0..blues.len() as u8).collect();
    assert!(blues.len() > 5 && blues == wanted, "{blues:?}");
}

/// Every other change of what is behind the person takes effect with the next picture, there and back.
#[test]
fn backgrounds_change_while_playing() {
    for framing in ["crop", "full"] {
        let caps = "video/x-raw,format=RGBA";
        let mut harness = coloured(framing, caps, 0x8000_b140);
        let element = harness.element().unwrap();
        let fresh = |background: &str, alpha: &str, n| {
            let mut harness = coloured(framing, caps, 0x8000_b140);
            let element = harness.element().unwrap();
            element.set_property_from_str("background", background);
            element.set_property_from_str("alpha-mode", alpha);
            picture(&mut harness, n)
        };
        let changes = [
            ("color", "straight"),
            ("color", "premultiplied"),
            ("transparent", "premultiplied"),
            ("keep", "premultiplied"),
            ("keep", "straight"),
            ("transparent", "straight"),
            ("color", "straight"),
        ];
        for (n, (background, alpha)) in (0..).zip(changes) {
            element.set_property_from_str("background", background);
            element.set_property_from_str("alpha-mode", alpha);
            assert!(
                picture(&mut harness, n) == fresh(background, alpha, n),
                "{framing}: {background} {alpha}"
            );
        }
    }
}
