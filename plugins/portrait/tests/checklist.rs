// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules that every element keeps, each tested on every element.

#[macro_use]
mod common;

use std::time::Duration;

use common::{FIXTURES, FRAME, Fixture, Input, bus_error, drain, init, settle};
use gst::prelude::*;

/// Frames that a test pushes: enough for the look-ahead, few enough to be quick.
const FRAMES: u64 = 6;

/// Makes each rule a test of each element, so that a failure names both and tests run in parallel.
macro_rules! checks {
    ($($name:ident: $fixture:ident),+ $(,)?) => { $(mod $name { rules! { $fixture } })+ };
}

macro_rules! tests {
    ($fixture:ident: $($name:ident => $check:ident),+ $(,)?) => {
        $(#[test] fn $name() { super::$check(super::common::$fixture); })+
    };
}

/// The rules of an element: all of them, but for one that waits for frames without a thread in between (see `facedub.rs`).
macro_rules! rules {
    (FACEDUB) => {
        tests! { FACEDUB:
            has_rank_none_and_its_klass => registration,
            every_property_is_documented => property_documentation,
            garbage_in_properties_is_kept_until_start => garbage_properties,
            an_absent_pack_is_one_clear_error => absent_pack,
            an_absent_device_is_one_clear_error => absent_device,
            caps_queries_honour_the_filter => caps_query,
            twenty_lives => many_lives,
            libtorch_threads_stay_as_they_are => torch_threads,
            input_buffers_are_not_written => shared_input,
        }
    };
    ($fixture:ident) => {
        tests! { $fixture:
            has_rank_none_and_its_klass => registration,
            every_property_is_documented => property_documentation,
            garbage_in_properties_is_kept_until_start => garbage_properties,
            an_absent_pack_is_one_clear_error => absent_pack,
            an_absent_device_is_one_clear_error => absent_device,
            takes_its_caps_and_refuses_others => negotiation,
            caps_queries_honour_the_filter => caps_query,
            gives_a_frame_for_a_frame => frame_count,
            timestamps_are_those_of_the_frames => timestamps,
            a_segment_that_starts_later_keeps_timestamps => late_segment,
            same_input_same_output_after_restart => restart,
            same_input_same_output_after_flush => flush,
            twenty_lives => many_lives,
            a_new_stream_forgets_the_old_one => same_caps_again,
            a_segment_that_goes_back_in_time_forgets => segment_back,
            a_segment_that_goes_on_in_time_changes_nothing => segment_on,
            caps_may_change_in_the_middle => new_rate,
            downstream_flow_is_passed_on => downstream_eos,
            unknown_events_pass => custom_event,
            properties_answer_while_a_push_blocks => blocked_push,
            libtorch_threads_stay_as_they_are => torch_threads,
            inputs_of_wrong_size_are_an_error => wrong_size,
            input_buffers_are_not_written => shared_input,
        }
    };
}

fixtures!(checks);

fn registration(fixture: Fixture) {
    init();
    let factory = gst::ElementFactory::find(fixture.factory).unwrap();
    assert_eq!(factory.rank(), gst::Rank::NONE);
    assert_eq!(factory.metadata("klass"), Some(fixture.klass));
    for field in ["long-name", "description", "author"] {
        assert!(factory.metadata(field).is_some_and(|text| !text.is_empty()), "{field}");
    }
}

fn property_documentation(fixture: Fixture) {
    for spec in fixture.element().list_properties() {
        // Names, parents and QoS come from the base classes.
        if spec.owner_type() != fixture.element().type_() {
            continue;
        }
        assert!(spec.blurb().is_some_and(|b| b.len() > 10), "{}: blurb", spec.name());
        if !spec.flags().contains(gst::glib::ParamFlags::WRITABLE) {
            continue;
        }
        let mutability = gst::PARAM_FLAG_MUTABLE_READY | gst::PARAM_FLAG_MUTABLE_PLAYING;
        assert!(spec.flags().intersects(mutability), "{}: says not when it may change", spec.name());
    }
}

fn garbage_properties(fixture: Fixture) {
    let element = fixture.element();
    for spec in element.list_properties() {
        if spec.owner_type() == element.type_() && spec.value_type() == String::static_type() {
            for text in [None, Some(""), Some("/no/such/\u{1F600}"), Some("auto\n")] {
                element.set_property(spec.name(), text);
                let _: Option<String> = element.property(spec.name());
            }
        }
    }
}

/// Starts an element that must refuse; returns what the bus says.
fn refused(fixture: Fixture, property: &str, value: &str) -> String {
    let element = fixture.element();
    element.set_property(property, value);
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert_eq!(
        element.set_state(gst::State::Ready),
        Ok(gst::StateChangeSuccess::Success),
        "READY loads no model"
    );
    assert!(element.set_state(gst::State::Paused).is_err());
    element.set_state(gst::State::Null).unwrap();
    let (text, debug) = bus_error(&bus).expect("an element error");
    element.set_bus(None::<&gst::Bus>);
    format!("{text} {debug}")
}

fn absent_pack(fixture: Fixture) {
    if !fixture.has_model() {
        return;
    }
    let text = refused(fixture, "model-pack", "/nowhere/at-all");
    assert!(text.contains("/nowhere/at-all") && text.contains("model-pack"), "{text}");
}

fn absent_device(fixture: Fixture) {
    if !fixture.has_model() {
        return;
    }
    let text = refused(fixture, "device", "cuda:77");
    assert!(text.contains("cuda:77"), "{text}");
}

fn negotiation(fixture: Fixture) {
    let mut harness = fixture.harness();
    harness.push((fixture.input)(0)).unwrap();

    let wrong = fixture.wrong_caps.parse::<gst::Caps>().unwrap();
    assert!(wrong.is_fixed(), "{wrong}");
    let sink = harness.element().unwrap().static_pad(fixture.sink()).unwrap();
    assert!(!sink.query_caps(None).can_intersect(&wrong));
    // The pad keeps a refused sticky event and says so with the next buffer.
    harness.push_event(gst::event::Caps::new(&wrong));
    assert_eq!(harness.push((fixture.input)(1)), Err(gst::FlowError::NotNegotiated));
}

fn caps_query(fixture: Fixture) {
    let harness = fixture.harness();
    let element = harness.element().unwrap();
    for name in [fixture.sink(), "src"] {
        let pad = element.static_pad(name).unwrap();
        let all = pad.query_caps(None);
        assert!(!all.is_empty(), "{name}");
        assert_eq!(pad.query_caps(Some(&all)), all, "{name}");
        let stranger = gst::Caps::new_empty_simple("text/x-raw");
        assert!(pad.query_caps(Some(&stranger)).is_empty(), "{name}");
    }
}

fn frame_count(fixture: Fixture) {
    let mut harness = fixture.harness();
    assert_eq!(fixture.run(&mut harness, FRAMES).len() as u64, FRAMES);
}

fn timestamps(fixture: Fixture) {
    let mut harness = fixture.harness();
    for n in 0..FRAMES {
        harness.push((fixture.input)(n)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    for n in 0..FRAMES {
        let buffer = harness.pull().unwrap();
        assert_eq!((buffer.pts(), buffer.duration()), (Some(FRAME * n), Some(FRAME)), "frame {n}");
    }
}

fn late_segment(fixture: Fixture) {
    let mut harness = fixture.harness();
    let start = gst::ClockTime::from_seconds(10);
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(start);
    segment.set_time(start);
    harness.push_event(gst::event::Segment::new(&segment));
    for n in 0..FRAMES {
        let mut buffer = (fixture.input)(n);
        buffer.make_mut().set_pts(start + FRAME * n);
        harness.push(buffer).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    for n in 0..FRAMES {
        assert_eq!(harness.pull().unwrap().pts(), Some(start + FRAME * n), "frame {n}");
    }
}

fn restart(fixture: Fixture) {
    let element = fixture.element();
    let run = || {
        (fixture.prepare)(&element);
        let mut harness = gst_check::Harness::with_element(&element, Some(fixture.sink()), Some("src"));
        harness.set_src_caps((fixture.input_caps)());
        let out = fixture.run(&mut harness, FRAMES);
        drop(harness);
        element.set_state(gst::State::Null).unwrap();
        out
    };
    let first = run();
    assert_eq!(first.len() as u64, FRAMES);
    assert!(first == run(), "frames differ after a restart");
}

fn flush(fixture: Fixture) {
    let mut harness = fixture.harness();
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    let first = {
        for n in 0..FRAMES {
            harness.push((fixture.input)(n)).unwrap();
        }
        drain(&mut harness)
    };
    harness.push_event(gst::event::FlushStart::new());
    assert_eq!(harness.push((fixture.input)(0)), Err(gst::FlowError::Flushing));
    harness.push_event(gst::event::FlushStop::new(true));
    harness.push_event(gst::event::Segment::new(&segment));
    for n in 0..FRAMES {
        harness.push((fixture.input)(n)).unwrap();
    }
    assert_eq!(first.len() as u64, FRAMES - fixture.delay.min(FRAMES));
    assert!(first == drain(&mut harness), "frames differ after a flush");
}

fn many_lives(fixture: Fixture) {
    let element = fixture.element();
    for _ in 0..20 {
        (fixture.prepare)(&element);
        element.set_state(gst::State::Playing).unwrap();
        element.set_state(gst::State::Null).unwrap();
    }
}

fn same_caps_again(fixture: Fixture) {
    let mut harness = fixture.harness();
    let first = fixture.run(&mut harness, FRAMES);
    harness.push_event(gst::event::StreamStart::new("another"));
    harness.push_event(gst::event::Caps::new(&(fixture.input_caps)()));
    harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    assert!(first == fixture.run(&mut harness, FRAMES), "the second stream shows traces of the first");
}

fn segment_back(fixture: Fixture) {
    let mut harness = fixture.harness();
    let mut play = || {
        for n in 0..FRAMES {
            harness.push((fixture.input)(n)).unwrap();
        }
        harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        drain(&mut harness)
    };
    let first = play();
    assert_eq!(first.len() as u64, FRAMES);
    assert!(first == play(), "the second segment shows traces of the first");
}

fn segment_on(fixture: Fixture) {
    if fixture.input_kind == Input::Sound {
        return; // The sound of a segment ends with it, in silence.
    }
    let whole = fixture.run(&mut fixture.harness(), FRAMES);
    let mut harness = fixture.harness();
    for n in 0..FRAMES {
        // The same times, as a gapless source or a seek without a flush tells them.
        let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
        segment.set_start(FRAME * n);
        segment.set_base(FRAME * n);
        harness.push_event(gst::event::Segment::new(&segment));
        harness.push((fixture.input)(n)).unwrap();
    }
    assert!(
        drain(&mut harness) == whole,
        "the frames of segments that follow each other are not those of one"
    );
}

fn new_rate(fixture: Fixture) {
    if fixture.input_kind == Input::Sound {
        return; // Its one format is fixed by the pack.
    }
    let mut harness = fixture.harness();
    harness.push((fixture.input)(0)).unwrap();
    let mut caps = (fixture.input_caps)();
    caps.make_mut().set("framerate", gst::Fraction::new(30, 1));
    harness.push_event(gst::event::Caps::new(&caps));
    harness.push((fixture.input)(1)).unwrap();
    assert_eq!(drain(&mut harness).len(), 2);
    let out = harness.element().unwrap().static_pad("src").unwrap().current_caps().unwrap();
    assert_eq!(out.structure(0).unwrap().get("framerate"), Ok(gst::Fraction::new(30, 1)));
}

fn downstream_eos(fixture: Fixture) {
    let mut harness = fixture.harness();
    let src = harness.element().unwrap().static_pad("src").unwrap();
    src.add_probe(gst::PadProbeType::BUFFER, |_, info| {
        info.flow_res = Err(gst::FlowError::Eos);
        gst::PadProbeReturn::Handled
    });
    let bus = gst::Bus::new();
    harness.element().unwrap().set_bus(Some(&bus));
    let mut flows: Vec<_> = (0..=fixture.delay).map(|n| harness.push((fixture.input)(n))).collect();
    if fixture.factory == "talkinghead" {
        // It pushes on a thread of its own: who pushes into it hears of it soon.
        let further = (fixture.delay + 1..200).map(|n| harness.push((fixture.input)(n)));
        flows.extend(further.filter(Result::is_err).take(1));
    }
    assert_eq!(flows.last(), Some(&Err(gst::FlowError::Eos)));
    assert_eq!(bus_error(&bus), None, "the end of a stream is no error");
}

fn custom_event(fixture: Fixture) {
    let mut harness = fixture.harness();
    harness.push((fixture.input)(0)).unwrap();
    let event = gst::event::CustomDownstream::new(gst::Structure::new_empty("portrait-test"));
    harness.push_event(event);
    settle(&harness);
    let found = std::iter::from_fn(|| harness.try_pull_event())
        .any(|e| e.structure().is_some_and(|s| s.name() == "portrait-test"));
    assert!(found);
}

fn blocked_push(fixture: Fixture) {
    let mut harness = fixture.harness();
    let element = harness.element().unwrap();
    let (entered, wait) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    element.static_pad("src").unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let _ = entered.send(());
        let _ = released.lock().unwrap().recv_timeout(Duration::from_secs(20));
        gst::PadProbeReturn::Remove
    });
    // Making them may take long.
    let inputs: Vec<_> = (0..=fixture.delay).map(fixture.input).collect();
    let pusher = std::thread::spawn(move || {
        for input in inputs {
            harness.push(input).unwrap();
        }
        harness
    });
    wait.recv_timeout(Duration::from_secs(20)).expect("a buffer reaches the source pad");
    // Each of these would wait for ever if a lock were held over the push.
    if fixture.has_model() {
        let _: String = element.property("model-pack");
        element.set_property("device", "cpu");
    }
    element.static_pad(fixture.sink()).unwrap().query_caps(None);
    let mut latency = gst::query::Latency::new();
    element.static_pad("src").unwrap().query(&mut latency);
    release.send(()).unwrap();
    pusher.join().unwrap();
}

fn torch_threads(fixture: Fixture) {
    init();
    let before = tch::get_num_threads();
    let mut harness = fixture.harness();
    fixture.run(&mut harness, 2);
    assert_eq!(tch::get_num_threads(), before);
}

fn wrong_size(fixture: Fixture) {
    if fixture.input_kind == Input::Sound || !fixture.has_model() {
        return; // Audio comes in any size; the overlay's base class refuses a frame of another.
    }
    let mut harness = fixture.harness();
    let bus = gst::Bus::new();
    harness.element().unwrap().set_bus(Some(&bus));
    let buffer = common::at(0, gst::Buffer::with_size(12).unwrap());
    assert_eq!(harness.push(buffer), Err(gst::FlowError::Error));
    let (text, debug) = bus_error(&bus).unwrap();
    assert!(format!("{text} {debug}").contains("12 bytes"), "{text} {debug}");
    if fixture.input_kind == Input::Pictures {
        return;
    }
    // A NaN from upstream is an error as well, not a picture.
    let mut buffer = (fixture.input)(1);
    let size = buffer.size();
    let nan = gstportrait::stream::tensor::buffer::from_f32(&vec![f32::NAN; size / 4]);
    {
        let b = buffer.make_mut();
        b.remove_all_memory();
        b.append_memory(nan.peek_memory(0).to_owned());
    }
    assert_eq!(harness.push(buffer), Err(gst::FlowError::Error));
    let (text, _) = bus_error(&bus).unwrap();
    assert!(text.contains("number 0 is NaN") && !text.contains("use a pack"), "{text}");
}

fn shared_input(fixture: Fixture) {
    let mut harness = fixture.harness();
    let input = (fixture.input)(0);
    let before = input.map_readable().unwrap().to_vec();
    harness.push(input.clone()).unwrap();
    assert_eq!(input.map_readable().unwrap().as_slice(), before);
}

#[test]
fn fixtures_cover_what_the_plugin_registers() {
    init();
    let registry = gst::Registry::get();
    let mut names: Vec<String> =
        registry.features_by_plugin("portrait").into_iter().map(|f| f.name().to_string()).collect();
    names.sort();
    let mut covered: Vec<&str> = FIXTURES.iter().map(|f| f.factory).collect();
    covered.sort_unstable();
    assert_eq!(names, covered);
}
