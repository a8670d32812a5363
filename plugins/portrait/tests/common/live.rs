// SPDX-License-Identifier: MIT OR Apache-2.0
//! Live streams on a clock that the test moves, so that they are exact on any machine.

use std::sync::LazyLock;

use gst::prelude::*;
use gst_check::Harness;
use gstportrait::stream::tensor::buffer;

use super::{AUDIO_FEATURES, FRAME, drain, tone};

/// Samples in one buffer of the source.
pub const CHUNK: usize = 320;

pub const CHUNK_TIME: gst::ClockTime = gst::ClockTime::from_mseconds(20);

/// Frame, look-ahead, and half of the processing deadline: when a frame comes out that has no audio, after its time.
pub const IDLE_AFTER: gst::ClockTime = gst::ClockTime::from_mseconds(40 + 160 + 10);

pub fn ms(ms: u64) -> gst::ClockTime {
    gst::ClockTime::from_mseconds(ms)
}

/// An element between a live source and a sink, on a clock that the test moves.
pub struct Stage {
    pub harness: Harness,
    pub clock: gst_check::TestClock,
    pub bus: gst::Bus,
}

impl Stage {
    pub fn new(element: &gst::Element, caps: &gst::Caps) -> Self {
        let mut stage = Self::silent(element);
        stage.harness.set_src_caps(caps.clone());
        stage
    }

    pub fn features() -> Self {
        Self::new(&AUDIO_FEATURES.element(), &(AUDIO_FEATURES.input_caps)())
    }

    /// A source that has sent nothing yet, not even what it is going to send.
    pub fn silent(element: &gst::Element) -> Self {
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
        harness.use_testclock();
        let clock = harness.testclock().unwrap();
        harness.set_live(true);
        element.set_state(gst::State::Paused).unwrap();
        element.set_state(gst::State::Playing).unwrap();
        Self { harness, clock, bus }
    }

    /// Time passes, and with it everything that waits for the clock.
    pub fn run_until(&mut self, time: gst::ClockTime) {
        loop {
            let next = self.clock.wait_for_next_pending_id().time();
            if next > time {
                break;
            }
            if next > self.clock.time() {
                self.clock.set_time(next);
            }
            self.clock.process_next_clock_id();
        }
        if time > self.clock.time() {
            self.clock.set_time(time);
        }
    }

    /// Samples of the tone arrive at `arrival` with the timestamp `pts`.
    pub fn push_at(&mut self, arrival: gst::ClockTime, pts: gst::ClockTime, samples: &[f32]) {
        self.push(arrival, Some(pts), samples);
    }

    /// The same, perhaps without a timestamp.
    pub fn push(&mut self, arrival: gst::ClockTime, pts: Option<gst::ClockTime>, samples: &[f32]) {
        self.run_until(arrival);
        let mut part = buffer::from_f32(samples);
        part.get_mut().unwrap().set_pts(pts);
        self.harness.push(part).unwrap();
        // Whoever waits for the clock again has made the frames that this audio completes.
        self.clock.wait_for_next_pending_id();
    }

    /// Chunk `n` of a microphone: it arrives when its last sample was heard.
    pub fn hear(&mut self, n: u64) {
        self.push_at(CHUNK_TIME * (n + 1), CHUNK_TIME * n, &chunk(n));
    }

    pub fn stat<T: for<'a> gst::glib::value::FromValue<'a> + Send + 'static>(&self, name: &str) -> T {
        let stats: gst::Structure = self.harness.element().unwrap().property("stats");
        stats.get(name).unwrap()
    }

    /// Timestamps and payloads of what came out, checked: one frame every 40 ms from 0 on, and no error.
    pub fn frames(&mut self) -> Vec<Vec<u8>> {
        // What else was said waits for the test.
        let said: Vec<gst::Message> = std::iter::from_fn(|| self.bus.pop()).collect();
        for message in said {
            assert_ne!(message.type_(), gst::MessageType::Error, "{message:?}");
            self.bus.post(message).unwrap();
        }
        let mut payloads = Vec::new();
        while let Some(out) = self.harness.try_pull() {
            assert_eq!(out.pts(), Some(FRAME * payloads.len() as u64), "the cadence");
            payloads.push(out.map_readable().unwrap().to_vec());
        }
        payloads
    }
}

pub fn chunk(n: u64) -> Vec<f32> {
    tone(n as usize * CHUNK, CHUNK)
}

/// Features of chunks that a file holds, with silence where `heard` says no.
pub fn as_from_a_file(chunks: u64, heard: impl Fn(u64) -> bool) -> Vec<Vec<u8>> {
    let mut harness = AUDIO_FEATURES.harness();
    for n in 0..chunks {
        let samples = if heard(n) { chunk(n) } else { vec![0.0; CHUNK] };
        let mut part = buffer::from_f32(&samples);
        part.get_mut().unwrap().set_pts(CHUNK_TIME * n);
        harness.push(part).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    drain(&mut harness)
}

/// Features of silence.
pub fn silence() -> Vec<u8> {
    static SILENCE: LazyLock<Vec<u8>> = LazyLock::new(|| as_from_a_file(2, |_| false).remove(0));
    SILENCE.clone()
}
