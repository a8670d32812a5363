// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an element counts and times, for its property `stats`.

use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;

use crate::pack::sync::lock;
use crate::stream::property::Property;

/// Pictures between two looks at the latency that is reported: it may change while the pipeline plays.
const LOOK_PERIOD: u64 = 50;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "portraitstats",
        gst::DebugColorFlags::empty(),
        Some("Time and lateness of each frame in the elements of gst-portrait"),
    )
});

/// The property `stats`.
pub fn property<S: 'static>() -> Property<S> {
    Property::read_only(|flags| {
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("What was counted and timed since the start: frames, dropped, average-ms and maximum-ms a frame, …")
            .flags(flags)
            .build()
    })
}

#[derive(Clone, Copy, Default)]
struct Numbers {
    frames: u64,
    dropped: u64,
    total: Duration,
    maximum: Duration,
    /// Latency that upstream reports, where it is live.
    latency: Option<gst::ClockTime>,
    overrun: bool,
    /// What its largest network computes in.
    precision: Option<&'static str>,
}

/// Counts and times of one element since its start.
#[derive(Default)]
pub struct Stats(Mutex<Numbers>);

/// Times one frame until it is dropped.
pub struct Timer<'a> {
    stats: &'a Stats,
    began: Instant,
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.stats.add(self.began.elapsed());
    }
}

impl Stats {
    /// Starts anew.
    pub fn reset(&self) {
        *lock(&self.0) = Numbers::default();
    }

    /// Starts anew, with a network that computes in that precision.
    pub fn begin(&self, precision: &'static str) {
        *lock(&self.0) = Numbers { precision: Some(precision), ..Numbers::default() };
    }

    /// Begins with a frame.
    pub fn time(&self) -> Timer<'_> {
        Timer { stats: self, began: Instant::now() }
    }

    /// Counts a frame that took so long.
    pub fn add(&self, took: Duration) {
        let mut numbers = lock(&self.0);
        numbers.frames += 1;
        numbers.total += took;
        numbers.maximum = numbers.maximum.max(took);
    }

    /// Counts a frame that `BaseTransform::submit_input_buffer` skipped because it was late, and returns what that said.
    pub fn count_skipped(
        &self,
        flow: Result<gst::FlowSuccess, gst::FlowError>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        // BaseTransform's word for a buffer that it left out.
        if flow == Ok(gst::FlowSuccess::CustomSuccess) {
            lock(&self.0).dropped += 1;
        }
        flow
    }

    /// The property's value.
    pub fn structure(&self) -> gst::Structure {
        let numbers = *lock(&self.0);
        let average = numbers.total.as_secs_f64() * 1e3 / numbers.frames.max(1) as f64;
        gst::Structure::builder("stats")
            .field("frames", numbers.frames)
            .field("dropped", numbers.dropped)
            .field("average-ms", average)
            .field("maximum-ms", numbers.maximum.as_secs_f64() * 1e3)
            .field_if_some("precision", numbers.precision)
            .build()
    }

    /// For the element that finishes pictures: posts a warning, once, when one is finished later than the latency that
    /// the elements before it report. `running` is the picture's running time.
    pub fn watch(&self, element: &gst::Element, sink: &gst::Pad, running: Option<gst::ClockTime>) {
        let (Some(running), Some(now)) = (running, element.current_running_time()) else { return };
        let numbers = *lock(&self.0);
        if numbers.frames.is_multiple_of(LOOK_PERIOD) {
            let mut query = gst::query::Latency::new();
            let known = sink.peer_query(&mut query).then(|| query.result());
            lock(&self.0).latency = known.and_then(|(live, min, _)| live.then_some(min));
        }
        let Some(latency) = lock(&self.0).latency else { return };
        let late = now.saturating_sub(running + latency);
        gst::trace!(CAT, obj = element, "picture of {running} finished at {now}, {late} late");
        if late.is_zero() || std::mem::replace(&mut lock(&self.0).overrun, true) {
            return;
        }
        gst::element_warning!(
            element,
            gst::CoreError::Clock,
            ("a picture was finished {late} later than the latency of {latency} allows: raise `processing-deadline`")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_and_timed() {
        gst::init().unwrap();
        let stats = Stats::default();
        for _ in 0..3 {
            let _timer = stats.time();
        }
        assert!(stats.count_skipped(Ok(gst::FlowSuccess::CustomSuccess)).is_ok());
        let s = stats.structure();
        assert_eq!((s.get("frames"), s.get("dropped")), (Ok(3u64), Ok(1u64)));
        assert!(s.get::<f64>("maximum-ms").unwrap() >= s.get::<f64>("average-ms").unwrap());
        stats.reset();
        assert_eq!(stats.structure().get("frames"), Ok(0u64));
        assert!(!stats.structure().has_field("precision"));
        stats.begin("bf16");
        assert_eq!(stats.structure().get("precision"), Ok("bf16"));
    }
}
