// SPDX-License-Identifier: MIT OR Apache-2.0
//! One portrait for all elements of a pipeline, handed on by GstContext.

use std::path::Path;
use std::sync::Arc;

use gst::prelude::*;
use gstportrait::pack::{DEFAULT_PACK, Pack};
use gstportrait::photo::{Photos, Portrait, context};

const HOPPER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/portrait-grace-hopper.jpg");

fn portrait() -> Arc<Portrait> {
    gst::init().unwrap();
    let pack = Pack::open(DEFAULT_PACK).unwrap();
    Portrait::analyse(Path::new(HOPPER), &pack, tch::Device::Cpu).unwrap()
}

/// Two linked elements in a pipeline.
fn pipeline() -> (gst::Pipeline, gst::Element, gst::Element) {
    let pipeline = gst::Pipeline::new();
    let [first, second] = [(); 2].map(|()| gst::ElementFactory::make("identity").build().unwrap());
    pipeline.add_many([&first, &second]).unwrap();
    first.link(&second).unwrap();
    (pipeline, first, second)
}

#[test]
fn a_context_carries_the_portrait_and_other_contexts_do_not() {
    let portrait = portrait();
    let made = context::make(&portrait.clone().into());
    assert!(Arc::ptr_eq(&context::read(&made).unwrap().portrait, &portrait));
    assert_eq!(made.structure().get::<&str>("location"), Ok(HOPPER));
    assert!(context::read(&made).unwrap().open.is_none());
    let both = context::make(&Photos { portrait: portrait.clone(), open: Some(portrait.clone()) });
    assert!(Arc::ptr_eq(&context::read(&both).unwrap().open.unwrap(), &portrait));
    assert!(context::read(&gst::Context::new("some.other.context", true)).is_none());
    assert!(context::read(&gst::Context::new(context::CONTEXT_TYPE, true)).is_none());
}

#[test]
fn neighbours_are_asked_downstream_and_upstream() {
    let portrait = portrait();
    let (_pipeline, first, second) = pipeline();
    assert!(context::from_neighbours(&first).is_none());
    for (asking, answering, pad) in [(&first, &second, "sink"), (&second, &first, "src")] {
        let answer = Photos::from(Arc::clone(&portrait));
        let pad = answering.static_pad(pad).unwrap();
        let probe = pad.add_probe(gst::PadProbeType::QUERY_BOTH | gst::PadProbeType::PUSH, move |_, info| {
            let answered = info.query_mut().is_some_and(|query| context::answer(query, Some(&answer)));
            if answered { gst::PadProbeReturn::Handled } else { gst::PadProbeReturn::Ok }
        });
        assert!(Arc::ptr_eq(&context::from_neighbours(asking).unwrap().portrait, &portrait));
        pad.remove_probe(probe.unwrap());
        assert!(context::from_neighbours(asking).is_none());
    }
}

/// A persistent context outlives NULL, as GStreamer promises to the application that set it.
#[test]
fn a_context_that_was_given_once_serves_every_start() {
    let portrait = portrait();
    gstportrait::plugin_register_static().unwrap();
    let element = gst::ElementFactory::make("landmarks2latents").build().unwrap();
    element.set_context(&context::make(&portrait.clone().into()));
    for life in 0..2 {
        assert!(element.set_state(gst::State::Paused).is_ok(), "life {life}");
        element.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn only_queries_for_the_portrait_are_answered() {
    let portrait = portrait();
    let mut other = gst::query::Context::new("some.other.context");
    assert!(!context::answer(&mut other, Some(&portrait.clone().into())));
    let mut mine = gst::query::Context::new(context::CONTEXT_TYPE);
    assert!(!context::answer(&mut mine, None));
    assert!(context::answer(&mut mine, Some(&portrait.clone().into())));
    assert!(!context::answer(&mut gst::query::Latency::new(), Some(&portrait.clone().into())));
}

#[test]
fn the_application_is_asked_and_what_was_announced_reaches_who_comes_later() {
    let portrait = portrait();
    let (pipeline, first, second) = pipeline();
    // The application answers.
    let bus = pipeline.bus().unwrap();
    let answer = context::make(&portrait.clone().into());
    bus.set_sync_handler(move |_, message| {
        if let gst::MessageView::NeedContext(need) = message.view()
            && need.context_type() == context::CONTEXT_TYPE
            && let Some(element) = message.src().and_then(|s| s.downcast_ref::<gst::Element>())
        {
            element.set_context(&answer);
        }
        gst::BusSyncReply::Drop
    });
    assert!(first.context(context::CONTEXT_TYPE).is_none());
    context::ask(&first);
    let given = first.context(context::CONTEXT_TYPE).unwrap();
    assert!(Arc::ptr_eq(&context::read(&given).unwrap().portrait, &portrait));
    // The pipeline remembers what an element announces, and answers itself.
    bus.unset_sync_handler();
    context::announce(&first, &portrait.clone().into());
    context::ask(&second);
    let given = second.context(context::CONTEXT_TYPE).unwrap();
    assert!(Arc::ptr_eq(&context::read(&given).unwrap().portrait, &portrait));
    // Nobody to ask is no trouble.
    context::ask(&gst::ElementFactory::make("identity").build().unwrap());
}
