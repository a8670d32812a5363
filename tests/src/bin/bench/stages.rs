// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time of each element: a tracer adds up what the chain function of its pads takes, less what it calls downstream.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use portrait_tests::pipeline::Pipeline;
use portrait_tests::{data, photo};

/// Elements whose time is told, in the order of the data; all run in one thread, one after the other.
const ELEMENTS: [&str; 6] =
    ["audiofeatures", "speech2landmarks", "landmarks2latents", "facesynth", "videoconvert", "x264enc"];

/// Time of one element.
pub struct Element {
    pub name: &'static str,
    /// Milliseconds a frame.
    pub ms: f64,
    /// Share of the time of all elements here.
    pub percent: f64,
}

/// Time of all elements.
pub struct Stages {
    pub frames: usize,
    pub elements: Vec<Element>,
}

/// Measures pictures of 512x512 and their encoder.
pub fn measure() -> Stages {
    let behind = "videoconvert name=videoconvert ! video/x-raw,format=I420 ! x264enc name=x264enc speed-preset=veryfast";
    let (count, times) = play("", behind);
    let ms = |name: &str| times.get(name).copied().unwrap_or(0.0);
    let all: f64 = ELEMENTS.iter().map(|name| ms(name)).sum();
    let share = |name| Element { name, ms: ms(name), percent: ms(name) / all.max(f64::EPSILON) * 100.0 };
    Stages { frames: count, elements: ELEMENTS.into_iter().map(share).collect() }
}

/// Milliseconds that `facesynth` takes for a picture, with those properties and caps of its output.
pub fn picture(properties: &str, caps: &str) -> f64 {
    let (_, times) = play(properties, &format!("video/x-raw,{caps}"));
    times.get("facesynth").copied().unwrap_or(f64::NAN)
}

/// Plays with properties of `facesynth` and what comes behind it: pictures, and milliseconds a picture of each element.
fn play(properties: &str, behind: &str) -> (usize, HashMap<String, f64>) {
    let tracer: Tracer = glib::Object::new();
    let launch = format!(
        "filesrc location={} ! wavparse ! audioconvert ! audioresample ! audiofeatures name=audiofeatures \
         ! speech2landmarks name=speech2landmarks ! landmarks2latents name=landmarks2latents \
         ! facesynth name=facesynth portrait={} {properties} ! {behind} ! appsink name=out",
        data("speech-af_heart.wav").display(),
        photo()
    );
    let pipeline = Pipeline::parse(&launch);
    let recording = pipeline.record("out");
    pipeline.run().unwrap_or_else(|e| panic!("{e}"));
    let count = recording.frames().len().max(1);
    let times = tracer.imp().times.lock().expect("no hook panics");
    let ms = |(name, time): (&String, &Duration)| (name.clone(), time.as_secs_f64() * 1e3 / count as f64);
    (count, times.iter().map(ms).collect())
}

glib::wrapper! {
    /// Measures chain functions.
    pub struct Tracer(ObjectSubclass<imp::Tracer>) @extends gst::Tracer, gst::Object;
}

mod imp {
    use super::*;

    /// A chain function that has not returned: when it began, and how much of it was spent downstream.
    struct Call {
        began: Instant,
        downstream: Duration,
    }

    thread_local! {
        static CALLS: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
    }

    #[derive(Default)]
    pub struct Tracer {
        pub times: Mutex<HashMap<String, Duration>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Tracer {
        const NAME: &'static str = "PortraitBenchTracer";
        type Type = super::Tracer;
        type ParentType = gst::Tracer;
    }

    impl ObjectImpl for Tracer {
        fn constructed(&self) {
            self.parent_constructed();
            self.register_hook(TracerHook::PadChainPre);
            self.register_hook(TracerHook::PadChainPost);
        }
    }

    impl GstObjectImpl for Tracer {}

    impl TracerImpl for Tracer {
        fn pad_chain_pre(&self, _: u64, _: &gst::Pad, _: &gst::Buffer) {
            CALLS.with_borrow_mut(|calls| {
                calls.push(Call { began: Instant::now(), downstream: Duration::ZERO })
            });
        }

        fn pad_chain_post(&self, _: u64, pad: &gst::Pad, _: Result<gst::FlowSuccess, gst::FlowError>) {
            CALLS.with_borrow_mut(|calls| {
                let Some(call) = calls.pop() else { return };
                let took = call.began.elapsed();
                if let Some(caller) = calls.last_mut() {
                    caller.downstream += took;
                }
                if let (Some(element), Ok(mut times)) = (pad.parent_element(), self.times.lock()) {
                    *times.entry(element.name().to_string()).or_default() +=
                        took.saturating_sub(call.downstream);
                }
            });
        }
    }
}
