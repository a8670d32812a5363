// SPDX-License-Identifier: MIT OR Apache-2.0
//! The demo's pipeline, from PLAYING to the end of its file.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use portrait_tests::pipeline::Pipeline;
use portrait_tests::{FRAME, data, machine, photo};

/// What the run showed.
pub struct Whole {
    /// Length of the film.
    pub length: Duration,
    /// Pictures in it.
    pub frames: u64,
    /// From PLAYING to the end of the stream.
    pub wall: Duration,
    /// From the first picture to the end of the stream.
    pub steady: Duration,
    /// From PLAYING to the first picture.
    pub first_picture: Duration,
    /// Most memory that the process ever had.
    pub peak_kib: u64,
}

/// Pictures that come out of an element, counted from the first one on.
pub struct Seen(Arc<Mutex<(u64, Option<Instant>)>>);

impl Seen {
    /// Watches the element's src pad.
    pub fn of(element: &gst::Element) -> Self {
        let seen = Arc::new(Mutex::new((0, None)));
        let counted = seen.clone();
        let pad = element.static_pad("src").expect("what is measured has a src pad");
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            if let Ok(mut seen) = counted.lock() {
                seen.0 += 1;
                seen.1.get_or_insert_with(Instant::now);
            }
            gst::PadProbeReturn::Ok
        });
        Self(seen)
    }

    /// How many there were, and when the first one came.
    pub fn tell(&self) -> Option<(u64, Instant)> {
        let (frames, first) = *self.0.lock().expect("no probe panics");
        first.map(|first| (frames, first))
    }
}

/// Everything that can be switched on for a speaking photo.
pub const EVERY_CONTROL: &str = "emotion-mix=happy=0.6,surprise=0.3 blink-rate=25 gaze-yaw=5 gaze-pitch=-4 look-away=true \
                                 mouth-gain=1.2 expression-gain=1.2 brow-gain=1.3 mouth-base=0.1 pose-mode=generated \
                                 pose-style=2 pose-gain=1.3 yaw=8 pitch=3 roll=-4 x=0.05 y=0.02 scale=0.95 \
                                 background=color";

/// Runs it with properties of `talkinghead`.
pub fn measure(properties: &str) -> Whole {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let pipeline = Pipeline::parse(&format!(
        "filesrc location={} ! decodebin ! audioconvert ! audioresample \
         ! audiorate tolerance=3600000000000 ! tee name=t \
         t. ! queue ! talkinghead name=head portrait={} {properties} ! videoconvert ! video/x-raw,format=I420 \
            ! queue ! x264enc speed-preset=veryfast ! queue ! mp4mux name=m ! filesink location={}/bench.mp4 \
         t. ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! avenc_aac \
            ! identity drop-allocation=true ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! m.",
        data("speech-af_heart.wav").display(),
        photo(),
        dir.path().display()
    ));
    let seen = Seen::of(&pipeline.element("head"));
    let start = Instant::now();
    pipeline.run().unwrap_or_else(|e| panic!("{e}"));
    let end = Instant::now();
    let (frames, first) = seen.tell().expect("at least one picture was drawn");
    Whole {
        length: (FRAME * frames).into(),
        frames,
        wall: end - start,
        steady: end - first,
        first_picture: first - start,
        peak_kib: machine::status("VmHWM"),
    }
}
