// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread that keeps a live stream going where its audio does not: it sleeps on the pipeline's clock from frame to
//! frame.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use gst::prelude::*;

use crate::stream::element::lock;

/// What the thread waits for next.
pub enum Next {
    /// This time of the clock.
    Time(gst::Clock, gst::ClockTime),
    /// A change.
    Change,
    /// Nothing: there is nobody to work for.
    End,
}

#[derive(Default)]
struct Control {
    playing: bool,
    stopped: bool,
    /// Something changed since its next step was planned.
    changed: bool,
    sleeping: Option<gst::SingleShotClockId>,
}

#[derive(Default)]
struct Shared {
    control: Mutex<Control>,
    condition: Condvar,
}

/// A running thread; it ends when this is dropped.
pub struct LiveTask {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl LiveTask {
    /// Starts the thread, which calls `next` while it plays.
    pub fn start(next: impl Fn() -> Next + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let own = shared.clone();
        let thread = std::thread::Builder::new()
            .name("audiofeatures".into())
            .spawn(move || while own.wait_to_play() && own.turn(&next) {})?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Lets the thread work or rest.
    pub fn set_playing(&self, playing: bool) {
        self.shared.change(|control| control.playing = playing);
    }

    /// What the last step planned may be wrong now.
    pub fn wake(&self) {
        self.shared.change(|_| ());
    }
}

impl Drop for LiveTask {
    fn drop(&mut self) {
        self.shared.change(|control| control.stopped = true);
        // The last reference to the element may be the thread's own: then it is about to end.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic in it was reported by its hook.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Control)) {
        let mut control = lock(&self.control);
        change(&mut control);
        control.changed = true;
        if let Some(id) = &control.sleeping {
            id.unschedule();
        }
        self.condition.notify_all();
    }

    /// Waits until there is work; false at the end.
    fn wait_to_play(&self) -> bool {
        let mut control = lock(&self.control);
        while !control.playing && !control.stopped {
            control = self.condition.wait(control).unwrap_or_else(PoisonError::into_inner);
        }
        control.changed = false;
        !control.stopped
    }

    /// One step and the sleep after it; false at the end.
    fn turn(&self, next: &impl Fn() -> Next) -> bool {
        match next() {
            Next::End => return false,
            Next::Change => {
                let mut control = lock(&self.control);
                while !control.changed {
                    control = self.condition.wait(control).unwrap_or_else(PoisonError::into_inner);
                }
            }
            Next::Time(clock, time) => {
                let id = clock.new_single_shot_id(time);
                {
                    let mut control = lock(&self.control);
                    if control.changed {
                        return true;
                    }
                    control.sleeping = Some(id.clone());
                }
                // Early or late: the next step looks at the clock itself.
                let _ = id.wait();
                lock(&self.control).sleeping = None;
            }
        }
        true
    }
}
