// SPDX-License-Identifier: MIT OR Apache-2.0
//! Live sources without a device: an appsrc is fed at the pace of the pipeline's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use gst::prelude::*;

/// Feeds an appsrc until it is dropped.
pub struct Live {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    /// Buffer `n` is what `next(n)` gives, for the running time from `n` periods on, and comes when that has passed; where it
    /// gives nothing, nothing comes. The pipeline must be PLAYING.
    pub fn start(
        pipeline: &gst::Pipeline,
        name: &str,
        period: gst::ClockTime,
        mut next: impl FnMut(u64) -> Option<gst::Buffer> + Send + 'static,
    ) -> Self {
        let source = pipeline.by_name(name).and_then(|e| e.downcast::<gst_app::AppSrc>().ok());
        let source = source.unwrap_or_else(|| panic!("the pipeline has no appsrc {name}"));
        let (clock, base) = (pipeline.clock(), pipeline.base_time());
        let (clock, base) = (clock.expect("PLAYING has a clock"), base.expect("PLAYING has a base time"));
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let first = clock.time().saturating_sub(base).nseconds() / period.nseconds();
            for n in first.. {
                let pts = period * n;
                // An early return only makes the buffer early.
                let _ = clock.new_single_shot_id(base + pts + period).wait();
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Some(mut buffer) = next(n) else { continue };
                let header = buffer.make_mut();
                header.set_pts(pts);
                header.set_duration(period);
                if source.push_buffer(buffer).is_err() {
                    return;
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic was printed already.
            let _ = thread.join();
        }
    }
}
