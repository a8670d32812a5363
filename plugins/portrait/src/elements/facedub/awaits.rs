// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first frame of a film waits for voices whose decoders are about to show them: their pads are asked for then, and a
//! frame that was tracked before would know nothing of their faces. It waits for what is learned of people, too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::CAT;
use super::analysis::Done;
use super::imp::FaceDub;
use crate::elements::mouthdub::is_link_to_come;
use crate::stream::element::{is_live, lock};

/// A decoder that shows nothing for so long may never show anything.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether decoders have shown their pads is looked up this often.
const RECHECK: Duration = Duration::from_millis(10);

/// Whether the first frame is still to come, and wakes it when the element stops.
#[derive(Debug, Default)]
pub struct Awaits {
    due: Mutex<bool>,
    ended: Condvar,
}

impl Awaits {
    /// The element starts.
    pub fn begin(&self) {
        *lock(&self.due) = true;
    }

    /// Nothing is waited for any more.
    pub fn end(&self) {
        *lock(&self.due) = false;
        self.ended.notify_all();
    }

    /// Waits while `more` says so, as long as the first frame is to come.
    fn wait(&self, more: impl Fn() -> bool) {
        while *lock(&self.due) && more() {
            let due = lock(&self.due);
            if *due {
                drop(self.ended.wait_timeout(due, RECHECK).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }
}

impl FaceDub {
    /// Lets the first frame that comes to that pad wait, for voices and for what is learned of people.
    pub(super) fn wait_for_voices(&self, pad: &gst::Pad) {
        let dub = self.obj().downgrade();
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_FLUSH;
        pad.add_probe(kinds, move |pad, info| {
            if let Some(dub) = dub.upgrade() {
                if info.event().is_some() {
                    dub.imp().awaits.end();
                } else {
                    dub.imp().await_all(pad);
                }
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn await_all(&self, pad: &gst::Pad) {
        if !*lock(&self.awaits.due) {
            return;
        }
        let (begin, live) = (Instant::now(), is_live(pad));
        if !live {
            self.awaits.wait(|| begin.elapsed() < PATIENCE && is_link_to_come(pad));
        }
        let file = lock(&self.analyse).clone();
        if let (Some(file), Some(caps)) = (file, pad.current_caps()) {
            let done = Arc::new(AtomicBool::new(false));
            self.analyse(file, &caps, Done(Arc::clone(&done)));
            // Live frames do not wait.
            if !live {
                self.awaits.wait(|| !done.load(Ordering::Relaxed));
            }
        }
        gst::debug!(CAT, imp = self, "the first frame, after {:?}", begin.elapsed());
        self.awaits.end();
    }
}
