// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many threads at once at every element: buffers, events, properties, states. Runs for minutes: `cargo xtask soak
//! --stress`.

mod common;

use std::time::Duration;

use common::{FIXTURES, Fixture, init, portrait_path};
use gst::glib;
use gst::glib::translate::*;
use gst::prelude::*;
use gst_check::ffi;

/// Seconds for each set of threads, unless the environment says otherwise.
const SECONDS: u64 = 60;

/// Sleep between two strokes of a thread, in microseconds.
const PAUSE: std::ffi::c_ulong = 500;

fn length() -> Duration {
    let seconds = std::env::var("PORTRAIT_STRESS_SECONDS").ok().and_then(|s| s.parse().ok());
    Duration::from_secs(seconds.unwrap_or(SECONDS))
}

/// The C harness: its stress threads have no binding.
struct Raw(*mut ffi::GstHarness);

impl Raw {
    fn new(element: &gst::Element) -> Self {
        // SAFETY: the element is valid, the names are those of its pads, and the harness keeps a reference.
        unsafe {
            let harness = ffi::gst_harness_new_with_element(
                element.to_glib_none().0,
                c"sink".as_ptr(),
                c"src".as_ptr(),
            );
            ffi::gst_harness_set_drop_buffers(harness, glib::ffi::GTRUE);
            Self(harness)
        }
    }

    fn push_buffers(&self, caps: &gst::Caps, buffer: &gst::Buffer) -> *mut ffi::GstHarnessThread {
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        // SAFETY: the harness lives; it copies caps and segment and takes its own reference of the buffer.
        unsafe {
            ffi::gst_harness_stress_push_buffer_start_full(
                self.0,
                caps.to_glib_none().0,
                segment.upcast_ref().to_glib_none().0,
                buffer.to_glib_none().0,
                PAUSE,
            )
        }
    }

    fn push_events(&self, event: &gst::Event, upstream: bool) -> *mut ffi::GstHarnessThread {
        // SAFETY: as above.
        unsafe {
            let start = if upstream {
                ffi::gst_harness_stress_push_upstream_event_start_full
            } else {
                ffi::gst_harness_stress_push_event_start_full
            };
            start(self.0, event.to_glib_none().0, PAUSE)
        }
    }

    fn set(&self, name: &std::ffi::CStr, value: &glib::Value) -> *mut ffi::GstHarnessThread {
        // SAFETY: as above; the value is copied, and outlives the call.
        unsafe {
            ffi::gst_harness_stress_property_start_full(self.0, name.as_ptr(), value.to_glib_none().0, PAUSE)
        }
    }

    fn change_states(&self) -> *mut ffi::GstHarnessThread {
        // SAFETY: as above.
        unsafe { ffi::gst_harness_stress_statechange_start_full(self.0, PAUSE) }
    }

    /// Lets the threads run; each must have done something.
    fn run(&self, threads: Vec<*mut ffi::GstHarnessThread>) {
        std::thread::sleep(length());
        for thread in threads {
            // SAFETY: each thread was started above and is stopped once.
            let strokes = unsafe { ffi::gst_harness_stress_thread_stop(thread) };
            assert!(strokes > 0, "a thread never came to work");
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: it was made in `new`, and no thread uses it any more.
        unsafe { ffi::gst_harness_teardown(self.0) }
    }
}

fn stress(element: &gst::Element, caps: &gst::Caps, buffer: &gst::Buffer, states: bool) {
    // A thread that sends late pictures back, one that asks for another latency.
    let qos = gst::event::Qos::new(gst::QOSType::Underflow, 1.5, 10_000_000, gst::ClockTime::SECOND);
    let latency = gst::event::Latency::new(gst::ClockTime::from_mseconds(200));
    let custom = gst::event::CustomDownstream::new(gst::Structure::new_empty("x-stress"));
    {
        let harness = Raw::new(element);
        let mut threads = vec![
            harness.push_buffers(caps, buffer),
            harness.push_events(&custom, false),
            harness.push_events(&gst::event::Reconfigure::new(), true),
            harness.push_events(&qos, true),
            harness.push_events(&latency, true),
            harness.set(c"device", &"cpu".to_value()),
        ];
        if element.find_property("processing-deadline").is_some() {
            threads.push(harness.set(c"processing-deadline", &30_000_000u64.to_value()));
        }
        harness.run(threads);
    }
    if states {
        let harness = Raw::new(element);
        harness.run(vec![
            harness.change_states(),
            harness.push_buffers(caps, buffer),
            harness.push_events(&qos, true),
            harness.set(c"device", &"cpu".to_value()),
        ]);
    }
    element.set_state(gst::State::Null).unwrap();
}

fn fixture(fixture: Fixture) {
    let element = fixture.element();
    // The photo that landmarks2latents was told of is forgotten in NULL: its states are stressed in the bin.
    let states = fixture.factory != "landmarks2latents";
    stress(&element, &(fixture.input_caps)(), &(fixture.input)(0), states);
}

#[test]
#[ignore = "runs for minutes: cargo xtask soak --stress"]
fn elements_stand_stress() {
    FIXTURES.iter().copied().for_each(fixture);
}

#[test]
#[ignore = "runs for minutes: cargo xtask soak --stress"]
fn the_bin_stands_stress() {
    init();
    let head = gst::ElementFactory::make("talkinghead").build().unwrap();
    head.set_property("portrait", portrait_path());
    stress(&head, &common::audio_caps(16_000, 1), &common::audio(0, 640), true);
}
