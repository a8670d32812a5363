// SPDX-License-Identifier: MIT OR Apache-2.0
//! Watches what moves in a pipeline, so that one that stands still can be ended, with a word on where it stands.
//!
//! A tracer of GStreamer's: it is told when a thread goes into an element with a buffer, an event or a query, and when it
//! comes out again.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

/// Who works less than this share of the time does not work but waits.
const IDLE_SHARE: u32 = 50;

glib::wrapper! {
    /// Sees all threads of the process from its creation on.
    pub struct Watch(ObjectSubclass<imp::Watch>) @extends gst::Tracer, gst::Object;
}

impl Watch {
    /// Starts to watch.
    pub fn new() -> Self {
        glib::Object::new()
    }

    /// The one that watches all films of a process: a tracer stays to its end.
    pub fn of_process() -> Self {
        static WATCH: OnceLock<Watch> = OnceLock::new();
        WATCH.get_or_init(Self::new).clone()
    }

    /// A number that changes as long as something moves.
    pub fn moves(&self) -> u64 {
        self.imp().moves()
    }

    /// Says which element of a pipeline that stands still is the cause.
    pub fn cause(&self, pipeline: &gst::Pipeline) -> String {
        let mut inside: Vec<gst::Element> = Vec::new();
        for pad in self.imp().deepest() {
            if let Some(element) = element_at(&pad)
                && element.has_as_ancestor(pipeline)
                && !inside.contains(&element)
            {
                inside.push(element);
            }
        }
        let names = |elements: &[gst::Element]| {
            elements.iter().map(|e| e.name().to_string()).collect::<Vec<_>>().join(" and ")
        };
        let (waiting, busy): (Vec<_>, Vec<_>) = inside.into_iter().partition(waits_for_others);
        if !busy.is_empty() {
            return format!("{} does not go on", names(&busy));
        }
        if waiting.iter().any(is_queue) {
            return format!("{} wait for each other", names(&waiting));
        }
        let sources: Vec<gst::Element> = pipeline.iterate_sources().into_iter().flatten().collect();
        format!("{} gives nothing more", names(&sources))
    }
}

/// The element that a thread went into by this pad: pushing leads to the peer, a chain function is in the pad's own.
fn element_at(pad: &gst::Pad) -> Option<gst::Element> {
    let pad = if pad.direction() == gst::PadDirection::Src { pad.peer()? } else { pad.clone() };
    pad.parent_element()
}

fn is_queue(element: &gst::Element) -> bool {
    element.factory().is_some_and(|f| ["queue", "queue2", "multiqueue"].contains(&f.name().as_str()))
}

/// Who takes in data until others have done something with it.
fn waits_for_others(element: &gst::Element) -> bool {
    is_queue(element) || element.metadata("klass").is_some_and(|klass| klass.contains("Muxer"))
}

/// Says when a pipeline is given up in which nothing moves.
pub struct Patience {
    limit: Duration,
    moves: u64,
    since: Instant,
    worked: Duration,
}

impl Patience {
    /// No limit where it is zero.
    pub fn new(limit: Duration) -> Self {
        Self { limit, moves: 0, since: Instant::now(), worked: processor_time() }
    }

    /// True when nothing has moved for too long. A busy machine may let it wait for longer: then the process works, if
    /// slowly; but it must not work for too long without a movement either.
    pub fn is_over(&mut self, moves: u64) -> bool {
        self.is_over_at(moves, Instant::now(), processor_time())
    }

    fn is_over_at(&mut self, moves: u64, now: Instant, worked: Duration) -> bool {
        if moves != self.moves {
            (self.moves, self.since, self.worked) = (moves, now, worked);
        }
        let (waited, worked) =
            (now.saturating_duration_since(self.since), worked.saturating_sub(self.worked));
        let idle = waited >= self.limit && worked < waited / IDLE_SHARE;
        !self.limit.is_zero() && (idle || worked >= self.limit)
    }
}

/// Time that the processors have worked for this process, in steps of 10 ms; nothing where the system does not tell.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in brackets, may hold spaces; the 14th and the 15th field are user and system time.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

mod imp {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::thread::ThreadId;

    use super::*;

    #[derive(Default)]
    pub struct Watch {
        /// The pads by which each thread went into elements, the deepest last.
        threads: Mutex<HashMap<ThreadId, Vec<gst::Pad>>>,
        moves: AtomicU64,
    }

    impl Watch {
        pub fn moves(&self) -> u64 {
            self.moves.load(Ordering::Relaxed)
        }

        /// Where each thread is that is inside of an element.
        pub fn deepest(&self) -> Vec<gst::Pad> {
            self.threads().values().filter_map(|pads| pads.last().cloned()).collect()
        }

        fn threads(&self) -> MutexGuard<'_, HashMap<ThreadId, Vec<gst::Pad>>> {
            self.threads.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn enter(&self, pad: &gst::Pad) {
            self.moves.fetch_add(1, Ordering::Relaxed);
            self.threads().entry(std::thread::current().id()).or_default().push(pad.clone());
        }

        fn leave(&self) {
            let own = std::thread::current().id();
            // A thread that ends leaves an empty list.
            let mut threads = self.threads();
            let left = threads.get_mut(&own).and_then(Vec::pop);
            // What was the last reference ends without the lock.
            drop(threads);
            drop(left);
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Watch {
        const NAME: &'static str = "GstAnimateWatch";
        type Type = super::Watch;
        type ParentType = gst::Tracer;
    }

    impl ObjectImpl for Watch {
        fn constructed(&self) {
            self.parent_constructed();
            for hook in [
                TracerHook::PadChainPre,
                TracerHook::PadChainPost,
                TracerHook::PadChainListPre,
                TracerHook::PadChainListPost,
                TracerHook::PadPushEventPre,
                TracerHook::PadPushEventPost,
                TracerHook::PadPullRangePre,
                TracerHook::PadPullRangePost,
                TracerHook::PadQueryPre,
                TracerHook::PadQueryPost,
            ] {
                self.register_hook(hook);
            }
        }
    }

    impl GstObjectImpl for Watch {}

    impl TracerImpl for Watch {
        fn pad_chain_pre(&self, _ts: u64, pad: &gst::Pad, _buffer: &gst::Buffer) {
            self.enter(pad);
        }

        fn pad_chain_post(
            &self,
            _ts: u64,
            _pad: &gst::Pad,
            _result: Result<gst::FlowSuccess, gst::FlowError>,
        ) {
            self.leave();
        }

        fn pad_chain_list_pre(&self, _ts: u64, pad: &gst::Pad, _list: &gst::BufferList) {
            self.enter(pad);
        }

        fn pad_chain_list_post(
            &self,
            _ts: u64,
            _pad: &gst::Pad,
            _result: Result<gst::FlowSuccess, gst::FlowError>,
        ) {
            self.leave();
        }

        fn pad_push_event_pre(&self, _ts: u64, pad: &gst::Pad, _event: &gst::Event) {
            self.enter(pad);
        }

        fn pad_push_event_post(&self, _ts: u64, _pad: &gst::Pad, _success: bool) {
            self.leave();
        }

        fn pad_pull_range_pre(&self, _ts: u64, pad: &gst::Pad, _offset: u64, _size: u32) {
            self.enter(pad);
        }

        fn pad_pull_range_post(
            &self,
            _ts: u64,
            _pad: &gst::Pad,
            _result: Result<&gst::Buffer, gst::FlowError>,
        ) {
            self.leave();
        }

        // Other queries are answered at once, and this program's own are no movement.
        fn pad_query_pre(&self, _ts: u64, pad: &gst::Pad, query: &gst::QueryRef) {
            if query.type_().is_serialized() {
                self.enter(pad);
            }
        }

        fn pad_query_post(&self, _ts: u64, _pad: &gst::Pad, query: &gst::QueryRef, _success: bool) {
            if query.type_().is_serialized() {
                self.leave();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_when_nothing_moves() {
        let second = Duration::from_secs;
        let mut patience = Patience::new(second(20));
        let (start, work) = (patience.since, patience.worked);
        let mut over =
            |moves, waited, worked| patience.is_over_at(moves, start + second(waited), work + worked);
        assert!(!over(1, 19, second(1)));
        assert!(!over(2, 25, second(1)), "it has moved");
        assert!(!over(2, 44, second(1)));
        assert!(over(2, 45, second(1)), "it waits");
        assert!(!over(2, 60, second(3)), "it works, on a busy machine");
        assert!(over(2, 60, second(21)), "it works and gets nowhere");
        assert!(!over(3, 60, second(21)));
        let mut endless = Patience::new(Duration::ZERO);
        assert!(!endless.is_over_at(0, endless.since + second(1000), second(0)));
    }

    #[test]
    fn work_is_counted() {
        let begin = processor_time();
        let start = Instant::now();
        while processor_time() == begin {
            assert!(start.elapsed() < Duration::from_secs(60));
        }
    }

    /// Threads inside of elements are known: a pipeline that sleeps in one names it.
    #[test]
    fn the_element_that_does_not_go_on_is_named() {
        gst::init().unwrap();
        let watch = Watch::new();
        let line = "fakesrc num-buffers=1 ! identity name=sleeper sleep-time=600000000 ! queue ! fakesink";
        let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let start = Instant::now();
        while watch.cause(&pipeline) != "sleeper does not go on" {
            assert!(start.elapsed() < Duration::from_secs(60), "{}", watch.cause(&pipeline));
            std::thread::sleep(Duration::from_millis(10));
        }
        // Its thread sleeps on to the end of the process: the pipeline cannot be stopped.
        std::mem::forget(pipeline);
    }
}
