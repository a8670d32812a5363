// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starting and stopping again and again costs nothing that stays.

use std::sync::{Mutex, PoisonError};

use gst::prelude::*;
use portrait_tests::photo;
use portrait_tests::pipeline::Pipeline;

const CYCLES: usize = 200;

/// Caches and allocators settle in the first cycles.
const SETTLED: usize = 60;

/// The least of so many cycles counts: what is not freed stays in all of them.
const MEASURED: usize = 10;

/// What resident memory may grow by from then on: an allocator's noise, not a leak of 140 cycles. Where it grows more (once in
/// ten runs by 4.1 MiB), as many cycles again tell: a leak goes on.
const MAX_GROWTH_KIB: i64 = 4 << 10;
const TRIES: usize = 2;

/// Both tests measure the process that they share under `cargo test`.
static ALONE: Mutex<()> = Mutex::new(());

fn status(field: &str) -> i64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|l| l.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// One heap for all threads: glibc gives a new one a heap of its own now and then, at any cycle, and keeps there the
/// 10 MiB that a painter's tensors took.
fn share_heap() {
    // SAFETY: mallopt may be called at any time; it is before the first pipeline has threads.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Resident memory in KiB without what is free. A thread that is about to end holds some too: see [`MEASURED`].
fn resident() -> i64 {
    // SAFETY: malloc_trim may be called at any time, from any thread.
    unsafe { libc::malloc_trim(0) };
    status("VmRSS")
}

/// Memory in KiB that was asked for and not freed: unlike resident memory it does not swing by what an allocator keeps of
/// a model that is gone.
fn allocated() -> i64 {
    // SAFETY: mallinfo2 may be called at any time, from any thread.
    let heap = unsafe { libc::mallinfo2() };
    i64::try_from((heap.uordblks + heap.hblkhd) >> 10).unwrap()
}

fn handles() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn launch(sink: &str) -> String {
    format!("audiotestsrc ! talkinghead portrait={} ! {sink}", photo())
}

#[test]
fn two_hundred_cycles_leave_memory_handles_and_threads_as_they_were() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    share_heap();
    // A second pipeline keeps models and photo loaded: the cycles then measure the elements, in seconds instead of
    // minutes. Loading and unloading has a test of its own below.
    let keeper = Pipeline::parse(&launch("fakesink"));
    keeper.go(gst::State::Paused).unwrap();

    let pipeline = Pipeline::parse(&launch("fakesink name=out sync=false"));
    let (sender, pictures) = std::sync::mpsc::channel();
    let pad = pipeline.element("out").static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        // The test may be over.
        let _ = sender.send(());
        gst::PadProbeReturn::Ok
    });
    let cycle = || {
        pipeline.go(gst::State::Playing).unwrap();
        pictures.recv_timeout(std::time::Duration::from_secs(30)).expect("a picture comes");
        pipeline.go(gst::State::Null).unwrap();
        while pictures.try_recv().is_ok() {}
    };
    // Memory after so many cycles: the least of the last ones.
    let memory_after = |cycles: usize| -> i64 {
        (0..cycles - MEASURED).for_each(|_| cycle());
        let measured = |_| {
            cycle();
            resident()
        };
        (0..MEASURED).map(measured).min().unwrap()
    };
    let mut memory = memory_after(SETTLED);
    let (handles_then, threads) = (handles(), status("Threads"));
    let mut growth = i64::MAX;
    for _ in 0..TRIES {
        let now = memory_after(CYCLES - SETTLED);
        growth = now - memory;
        if growth < MAX_GROWTH_KIB {
            break;
        }
        memory = now;
    }
    assert!(growth < MAX_GROWTH_KIB, "resident memory grew by {growth} KiB in {} cycles", CYCLES - SETTLED);
    assert_eq!(handles(), handles_then, "open files");
    // GLib's thread pool keeps a thread or two waiting.
    assert!(status("Threads") <= threads + 2, "{} threads, {threads} before", status("Threads"));
}

#[test]
fn models_and_photo_are_loaded_and_freed_in_every_cycle() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let pipeline = Pipeline::parse(&launch("fakesink"));
    let least_of_cycles = || {
        let cycle = |_| {
            pipeline.go(gst::State::Paused).unwrap();
            pipeline.go(gst::State::Null).unwrap();
            allocated()
        };
        (0..MEASURED).map(cycle).min().unwrap()
    };
    least_of_cycles();
    let settled = least_of_cycles();
    let growth = least_of_cycles() - settled;
    // One copy of the models in these cycles would be more, and so would a photo in each.
    assert!(growth < MAX_GROWTH_KIB, "allocated memory grew by {growth} KiB in {MEASURED} cycles");
}
