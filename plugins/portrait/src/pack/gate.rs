// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many networks run at once: one stream must not starve the others, nor many streams the machine.
//!
//! Each stream runs its networks on its own streaming thread. Before a pass it takes as many places as the pass has threads
//! from the [`Gate`] of the process and gives them back behind it. Where too few are left it waits its turn, in the order
//! of arrival, so that streams get on alike however many there are. A pass that finds them free takes one lock and no more.
//!
//! When the process exits the gate is shut: what libtorch needs is destroyed then, while streams may play on.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::pack::sync::lock;

/// Threads of passes for each core that the process may use. A thread that is admitted has yet to wake up, and encoders and
/// other programs interrupt one that has: with one place a core, eight streams on two busy cores made a sixth less pictures
/// than without a gate, with four about as many.
const PLACES_PER_CORE: usize = 4;

/// How long an exit waits for passes that run: longer than any takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often the exit's handler is put behind what libtorch has made by then.
const HANDLERS: u32 = 64;

static GATE: LazyLock<Gate> = LazyLock::new(Gate::of_machine);

/// Waits until the process has places for a pass of that many threads; they are taken until the guard is dropped. `None` when the
/// process exits.
pub fn enter(threads: usize) -> Option<Pass<'static>> {
    #[cfg(test)]
    seen::LAST.set(threads);
    GATE.enter(threads)
}

/// Shuts the gate when the process exits. What libtorch makes when it is first used is destroyed before what was told earlier, so this
/// is to be called whenever a network has run for the first time.
pub fn shut_at_exit() {
    static TOLD: AtomicU32 = AtomicU32::new(0);
    extern "C" fn shut() {
        // A panic must not cross into the C library.
        let _ = std::panic::catch_unwind(|| GATE.shut(PATIENCE));
    }
    if TOLD.fetch_add(1, Ordering::Relaxed) < HANDLERS {
        // SAFETY: the function is there as long as the process, as GStreamer unloads no plugin.
        unsafe { libc::atexit(shut) };
    }
}

/// What tests see of the passes of elements.
#[cfg(test)]
pub mod seen {
    use std::cell::Cell;

    thread_local! {
        /// Threads of this thread's last pass.
        pub static LAST: Cell<usize> = const { Cell::new(0) };
    }

    /// Whether a thread waits for places of the process.
    pub fn waits(thread: &std::thread::Thread) -> bool {
        super::lock(&super::GATE.queue).waiting.iter().any(|waiter| waiter.thread.id() == thread.id())
    }
}

/// A number of places, handed out in the order of arrival.
struct Gate {
    places: usize,
    queue: Mutex<Queue>,
}

struct Queue {
    free: usize,
    waiting: VecDeque<Arc<Waiter>>,
    shut: bool,
}

/// A thread that waits for places.
struct Waiter {
    thread: Thread,
    places: usize,
    answer: AtomicU8,
}

/// What a waiter is told.
const WAIT: u8 = 0;
const COME: u8 = 1;
const GO: u8 = 2;

impl Waiter {
    fn tell(&self, answer: u8) {
        self.answer.store(answer, Ordering::Release);
        self.thread.unpark();
    }
}

/// Places that are taken; dropping it gives them back, after an error or a panic as well.
#[must_use]
pub struct Pass<'g> {
    gate: &'g Gate,
    places: usize,
}

impl Gate {
    fn of_machine() -> Self {
        Self::new(PLACES_PER_CORE * std::thread::available_parallelism().map_or(1, usize::from))
    }

    fn new(places: usize) -> Self {
        Self { places, queue: Mutex::new(Queue { free: places, waiting: VecDeque::new(), shut: false }) }
    }

    fn enter(&self, threads: usize) -> Option<Pass<'_>> {
        // A pass of more threads than there are places runs alone.
        let places = threads.clamp(1, self.places);
        let mut queue = lock(&self.queue);
        if queue.shut {
            return None;
        }
        // Nobody overtakes: many narrow passes would keep a wide one out for ever.
        if queue.waiting.is_empty() && queue.free >= places {
            queue.free -= places;
        } else {
            let waiter =
                Arc::new(Waiter { thread: std::thread::current(), places, answer: AtomicU8::new(WAIT) });
            queue.waiting.push_back(waiter.clone());
            drop(queue);
            // Others may unpark this thread as well.
            while waiter.answer.load(Ordering::Acquire) == WAIT {
                std::thread::park();
            }
            if waiter.answer.load(Ordering::Acquire) == GO {
                return None;
            }
        }
        Some(Pass { gate: self, places })
    }

    /// Lets nobody in any more and waits until all who are in have left, so long at most.
    fn shut(&self, patience: Duration) {
        let mut queue = lock(&self.queue);
        queue.shut = true;
        for waiter in queue.waiting.drain(..) {
            waiter.tell(GO);
        }
        drop(queue);
        let began = Instant::now();
        while lock(&self.queue).free < self.places && began.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Queue {
    /// Gives free places to those who wait, until the first one has too few.
    fn admit(&mut self) {
        while let Some(first) = self.waiting.front()
            && first.places <= self.free
        {
            self.free -= first.places;
            first.tell(COME);
            self.waiting.pop_front();
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.gate.queue);
        queue.free += self.places;
        queue.admit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize};

    fn wait_until(what: impl Fn() -> bool) {
        while !what() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn waiting(gate: &Gate) -> usize {
        lock(&gate.queue).waiting.len()
    }

    #[test]
    fn no_more_threads_run_than_there_are_places() {
        const PLACES: usize = 3;
        let gate = Gate::new(PLACES);
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (gate, running, most) = (&gate, &running, &most);
                scope.spawn(move || {
                    let threads = 1 + thread % 2;
                    for _ in 0..200 {
                        let _pass = gate.enter(threads);
                        let now = running.fetch_add(threads, Ordering::SeqCst) + threads;
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        running.fetch_sub(threads, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((1..=PLACES).contains(&most.into_inner()));
        assert_eq!(waiting(&gate), 0);
        assert_eq!(lock(&gate.queue).free, PLACES, "all of it came back");
    }

    #[test]
    fn those_who_wait_are_served_in_the_order_in_which_they_came() {
        let gate = Gate::new(1);
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let first = gate.enter(1);
            for number in 0..6 {
                let (gate, order) = (&gate, &order);
                scope.spawn(move || {
                    let _pass = gate.enter(1);
                    lock(order).push(number);
                });
                wait_until(|| waiting(gate) == number + 1);
            }
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4, 5]);
    }

    /// A stream that comes back at once must not pass those who wait already, or it would get all of the machine.
    #[test]
    fn who_comes_back_queues_up_behind_the_others() {
        let gate = Gate::new(1);
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let first = gate.enter(1);
            scope.spawn(|| {
                let _pass = gate.enter(1);
                lock(&order).push("other");
            });
            wait_until(|| waiting(&gate) == 1);
            drop(first);
            let _again = gate.enter(1);
            lock(&order).push("again");
        });
        assert_eq!(order.into_inner().unwrap(), ["other", "again"]);
    }

    #[test]
    fn narrow_passes_do_not_keep_a_wide_one_out() {
        let gate = Gate::new(2);
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let narrow = gate.enter(1);
            for (number, threads) in [(0, 9), (1, 1)] {
                let (gate, order) = (&gate, &order);
                scope.spawn(move || {
                    let _pass = gate.enter(threads);
                    lock(order).push(threads);
                });
                wait_until(|| waiting(gate) == number + 1);
            }
            drop(narrow);
        });
        assert_eq!(order.into_inner().unwrap(), [9, 1], "more threads than places: alone, but in turn");
    }

    /// Or many streams would starve the machine.
    #[test]
    fn the_process_runs_four_threads_a_core_and_the_next_one_waits() {
        let gate = Gate::of_machine();
        let places = 4 * std::thread::available_parallelism().unwrap().get();
        let mut held: Vec<Pass<'_>> = (0..places).filter_map(|_| gate.enter(1)).collect();
        assert_eq!(waiting(&gate), 0);
        std::thread::scope(|scope| {
            let next = scope.spawn(|| drop(gate.enter(1)));
            wait_until(|| waiting(&gate) == 1 || next.is_finished());
            assert_eq!(waiting(&gate), 1);
            held.pop();
        });
    }

    /// An exit destroys what they use.
    #[test]
    fn who_is_in_leaves_before_it_is_shut_and_nobody_comes_after() {
        let gate = Gate::new(1);
        let left = AtomicBool::new(false);
        let pass = gate.enter(1).unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| gate.enter(1).is_none());
            wait_until(|| waiting(&gate) == 1);
            let exit = scope.spawn(|| {
                gate.shut(Duration::from_secs(60));
                left.load(Ordering::SeqCst)
            });
            assert!(waiter.join().unwrap(), "sent away");
            assert!(gate.enter(1).is_none());
            left.store(true, Ordering::SeqCst);
            drop(pass);
            assert!(exit.join().unwrap());
        });
        let gate = Gate::new(1);
        let _stuck = gate.enter(1);
        gate.shut(Duration::from_millis(5));
    }

    #[test]
    fn a_panic_gives_the_places_back() {
        let gate = Gate::new(2);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _pass = gate.enter(2);
            panic!("a pass fails");
        }));
        assert!(panicked.is_err());
        assert_eq!(lock(&gate.queue).free, 2);
    }
}
