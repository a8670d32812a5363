// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the time of a frame goes, part by part, and who allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write;

use gstportrait::pack::profile;
use portrait_tests::machine;

use super::stages;

/// Counts what Rust code allocates; libtorch has an allocator of its own.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all of it is the system's; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        profile::count_allocation();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        profile::count_allocation();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Plays the demo's pipeline once in one thread.
pub fn measure() -> String {
    profile::start();
    let stages = stages::measure();
    let parts = profile::stop();
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = writeln!(
        text,
        "| part | calls a frame | ms a frame (elements: on the clock, parts: of a processor) | Rust allocations a frame |"
    );
    let _ = writeln!(text, "| --- | ---: | ---: | ---: |");
    let frames = stages.frames as f64;
    for element in &stages.elements {
        let _ = writeln!(text, "| {} | 1 | {:.2} | |", element.name, element.ms);
    }
    for (name, part) in parts {
        let [calls, allocations] = [part.calls, part.allocations].map(|n| n as f64 / frames);
        let ms = part.time.as_secs_f64() * 1e3 / frames;
        let _ = writeln!(text, "| {name} | {calls:.1} | {ms:.2} | {allocations:.1} |");
    }
    let _ = writeln!(text, "| machine | {} | | load {} |", machine::describe(), machine::load());
    let _ = writeln!(
        text,
        "\nParts hold what they call. Networks of a start are counted too; eyes and the lower half are drawn beside the rest."
    );
    text
}
