// SPDX-License-Identifier: MIT OR Apache-2.0
//! Threads that help the streaming threads within a frame: a picture on a few cores is there in little more than half the time.
//!
//! All streams of the process share them, one a core beside the streaming thread itself, so that many streams do not get more
//! threads than there are cores for.

use std::sync::LazyLock;

use crate::pack::ThreadLimit;

/// None where there is one core, or no thread could be started.
static WORKERS: LazyLock<Option<rayon::ThreadPool>> = LazyLock::new(|| {
    let others = std::thread::available_parallelism().map_or(1, usize::from) - 1;
    let name = |i| format!("portrait:worker{i}");
    let pool = || rayon::ThreadPoolBuilder::new().num_threads(others).thread_name(name).build();
    if others == 0 { None } else { pool().ok() }
});

/// Runs `help` on a worker beside `own` on this thread; returns when both are done. Model runs of `help` take as many
/// threads as this one's would.
pub fn beside(help: impl FnOnce() + Send, own: impl FnOnce()) {
    let Some(pool) = &*WORKERS else {
        own();
        return help();
    };
    let threads = u32::try_from(tch::get_num_threads()).unwrap_or(1);
    pool.in_place_scope(|scope| {
        scope.spawn(|_| {
            let _limit = ThreadLimit::new(threads);
            help();
        });
        own();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_done_on_return_with_the_callers_number_of_threads() {
        let _limit = ThreadLimit::new(3);
        for _ in 0..100 {
            let (mut helped, mut own) = (0, 0);
            beside(|| helped = tch::get_num_threads(), || own = tch::get_num_threads());
            assert_eq!((helped, own), (3, 3));
        }
    }

    /// There the bindings of GStreamer make an element error of it.
    #[test]
    fn a_panic_of_a_worker_is_one_of_the_streaming_thread() {
        let panicked = std::panic::catch_unwind(|| beside(|| panic!("told to panic"), || ()));
        assert!(panicked.is_err());
        beside(|| (), || ());
    }
}
