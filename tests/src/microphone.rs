// SPDX-License-Identifier: MIT OR Apache-2.0
//! A live voice without a sound card: samples come in at the pace of the pipeline's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use gst::prelude::*;

use crate::SAMPLE_RATE;

/// Samples in one buffer: 10 ms, as sound cards give them.
pub const CHUNK: usize = SAMPLE_RATE / 100;

/// Duration of one buffer, and the latency of this microphone.
pub const CHUNK_TIME: gst::ClockTime = gst::ClockTime::from_mseconds(10);

/// An appsrc as a microphone, as written into a launch line.
pub fn launch() -> String {
    format!(
        "appsrc name=microphone is-live=true format=time min-latency={} caps={}",
        CHUNK_TIME.nseconds(),
        crate::SPEECH_CAPS
    )
}

/// Feeds the appsrc of [`launch`] until it is dropped.
pub struct Microphone {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Microphone {
    /// Chunk `n` holds what `voice(n)` gives, for the running time from `n` * 10 ms on, and comes when that has passed;
    /// where it gives nothing, nothing comes.
    pub fn start(
        pipeline: &gst::Pipeline,
        mut voice: impl FnMut(u64) -> Option<Vec<f32>> + Send + 'static,
    ) -> Self {
        let source = pipeline.by_name("microphone").and_then(|e| e.downcast::<gst_app::AppSrc>().ok());
        let source = source.expect("the pipeline has a microphone");
        let (clock, base) = (pipeline.clock(), pipeline.base_time());
        let (clock, base) = (clock.expect("PLAYING has a clock"), base.expect("PLAYING has a base time"));
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let first = clock.time().saturating_sub(base).nseconds() / CHUNK_TIME.nseconds();
            for n in first.. {
                let pts = CHUNK_TIME * n;
                // An early return only makes the chunk early.
                let _ = clock.new_single_shot_id(base + pts + CHUNK_TIME).wait();
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Some(samples) = voice(n) else { continue };
                let bytes: Vec<u8> = samples.iter().flat_map(|v| v.to_le_bytes()).collect();
                let mut buffer = gst::Buffer::from_mut_slice(bytes);
                if let Some(header) = buffer.get_mut() {
                    header.set_pts(pts);
                    header.set_duration(CHUNK_TIME);
                }
                if source.push_buffer(buffer).is_err() {
                    return;
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic was printed already.
            let _ = thread.join();
        }
    }
}
