// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the time of a frame goes: spans that cost one look at a flag while nobody profiles.
//!
//! `cargo xtask bench --profile` turns them on. A span holds what is called within it; those of other threads count for themselves.
//! What is measured is the time that a processor worked for the thread, which does not grow with what else the machine does.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::sync::lock;

static ON: AtomicBool = AtomicBool::new(false);

static PARTS: Mutex<BTreeMap<Cow<'static, str>, Part>> = Mutex::new(BTreeMap::new());

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// What was measured of a part.
#[derive(Clone, Copy, Debug, Default)]
pub struct Part {
    /// How often it ran.
    pub calls: u64,
    /// Processor time of its own thread within it.
    pub time: Duration,
    /// Allocations of Rust code within it, where the program's allocator calls [`count_allocation`].
    pub allocations: u64,
}

/// Measures until it is dropped.
pub struct Span {
    name: Cow<'static, str>,
    began: Duration,
    allocations: u64,
}

/// Time that a processor has worked for this thread.
fn worked() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is written where it may be; the clock is there on Linux. Where a call failed it would stay zero.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Begins to measure, from nothing.
pub fn start() {
    lock(&PARTS).clear();
    ON.store(true, Ordering::Relaxed);
}

/// Ends it: what was measured, by name.
pub fn stop() -> Vec<(String, Part)> {
    ON.store(false, Ordering::Relaxed);
    std::mem::take(&mut *lock(&PARTS)).into_iter().map(|(name, part)| (name.into_owned(), part)).collect()
}

/// For a program's allocator: this thread allocates.
pub fn count_allocation() {
    // A thread that ends has no counter any more.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

/// Allocations of this thread that were counted since it began.
pub fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// Measures a part; `None` while nobody profiles.
pub fn span(name: &'static str) -> Option<Span> {
    span_of(|| Cow::Borrowed(name))
}

/// The same of a part whose name is put together.
pub fn span_of(name: impl FnOnce() -> Cow<'static, str>) -> Option<Span> {
    if !ON.load(Ordering::Relaxed) {
        return None;
    }
    let name = name();
    Some(Span { name, allocations: allocations(), began: worked() })
}

impl Drop for Span {
    fn drop(&mut self) {
        let (time, allocations) = (worked().saturating_sub(self.began), allocations() - self.allocations);
        let mut parts = lock(&PARTS);
        let part = parts.entry(std::mem::take(&mut self.name)).or_default();
        part.calls += 1;
        part.time += time;
        part.allocations += allocations;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_measured_between_start_and_stop_only() {
        assert!(span("profile test").is_none());
        start();
        for _ in 0..3 {
            let _span = span("profile test");
            count_allocation();
        }
        let parts = stop();
        let (_, part) = parts.iter().find(|(name, _)| name == "profile test").unwrap();
        assert_eq!((part.calls, part.allocations), (3, 3));
        assert!(span("profile test").is_none());
    }
}
