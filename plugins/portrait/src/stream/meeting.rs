// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the stream of an element's side pad meets that of its main pad, by running time.
//!
//! The side's thread pushes, the main pad's thread asks. Where nothing is live the one that is ahead waits for the other, so
//! that the same two streams give the same pictures. A live side never waits; how long the main pad waits for it is its
//! element's matter.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::element::lock;

/// How far the side may be ahead.
const AHEAD: gst::ClockTime = gst::ClockTime::SECOND;

/// What wakes nobody, such as unlinking, or the clock, is looked up this often while waiting.
const RECHECK: Duration = Duration::from_millis(10);

/// What comes to the side pad.
pub trait Timed {
    /// Running times from when to when it counts.
    fn span(&self) -> (gst::ClockTime, gst::ClockTime);
}

/// What is remembered of all that came, beside what is still to come.
pub trait Record<T>: Default {
    /// Something came.
    fn take(&mut self, _item: &Arc<T>) {}

    /// What came is forgotten.
    fn forget(&mut self) {}
}

/// Nothing.
impl<T> Record<T> for () {}

/// What a side pad has brought.
#[derive(Debug)]
pub struct Meeting<T, R = ()> {
    inner: Mutex<Side<T, R>>,
    wake: Condvar,
}

/// What is known of the side.
#[derive(Debug)]
pub struct Side<T, R = ()> {
    /// What may still be asked for, the first of it at the time that is asked for or before.
    pub items: VecDeque<Arc<T>>,
    /// What is remembered of the rest.
    pub record: R,
    /// Up to here nothing comes but what is in `items`.
    pub covered: gst::ClockTime,
    /// Nothing comes any more.
    pub ended: bool,
    /// How often it was flushed, or another stream began.
    pub flushes: u64,
    /// Whether a live source feeds either pad.
    pub live: bool,
    side_live: bool,
    /// Where the main stream is.
    asked: gst::ClockTime,
    side_flushing: bool,
    main_flushing: bool,
    main_ended: bool,
    /// The segment of the main stream is over: the side goes on without waiting for anybody, up to its own end.
    main_rests: bool,
}

impl<T, R: Default> Default for Side<T, R> {
    fn default() -> Self {
        Self {
            items: VecDeque::new(),
            record: R::default(),
            covered: gst::ClockTime::ZERO,
            ended: false,
            flushes: 0,
            live: false,
            side_live: false,
            asked: gst::ClockTime::ZERO,
            side_flushing: false,
            main_flushing: false,
            main_ended: false,
            main_rests: false,
        }
    }
}

impl<T, R: Default> Default for Meeting<T, R> {
    fn default() -> Self {
        Self { inner: Mutex::default(), wake: Condvar::new() }
    }
}

impl<T: Timed, R: Record<T>> Meeting<T, R> {
    /// Changes what is known, and wakes both threads.
    fn change<A>(&self, change: impl FnOnce(&mut Side<T, R>) -> A) -> A {
        let answer = change(&mut lock(&self.inner));
        self.wake.notify_all();
        answer
    }

    /// A new life of the element: forgets everything.
    pub fn start(&self, record: R) {
        *lock(&self.inner) = Side { record, ..Side::default() };
    }

    /// Whether a live source feeds the side pad, and whether one feeds either.
    pub fn set_live(&self, side: bool, any: bool) {
        self.change(|inner| (inner.side_live, inner.live) = (side, any));
    }

    /// Makes both threads return: the element stops.
    pub fn stop(&self) {
        self.change(|inner| (inner.side_flushing, inner.main_flushing) = (true, true));
    }

    /// The main pad's events.
    pub fn main_event(&self, event: &gst::EventRef) {
        match event.view() {
            gst::EventView::FlushStart(_) => self.flush_main(true),
            gst::EventView::FlushStop(_) => self.flush_main(false),
            gst::EventView::StreamStart(_) => self.end_main(false),
            // Nobody needs the side any more.
            gst::EventView::Eos(_) => self.end_main(true),
            // Another segment may follow: until then nobody needs it.
            gst::EventView::SegmentDone(_) => self.rest_main(),
            _ => (),
        }
    }

    /// The main pad begins or ends to flush.
    pub fn flush_main(&self, flushing: bool) {
        self.change(|inner| {
            inner.main_flushing = flushing;
            (inner.main_ended, inner.main_rests, inner.asked) = (false, false, gst::ClockTime::ZERO);
        });
    }

    /// The main stream is over, or another one begins.
    pub fn end_main(&self, ended: bool) {
        self.change(|inner| (inner.main_ended, inner.main_rests) = (ended, false));
    }

    /// The segment of the main stream is over.
    pub fn rest_main(&self) {
        self.change(|inner| inner.main_rests = true);
    }

    /// A segment of the side begins; the main pad that asked for it waits for it, and it for the main pad.
    pub fn begin_segment(&self) {
        self.change(|inner| (inner.ended, inner.main_rests) = (false, false));
    }

    /// The side is asked for another segment: the main pad waits for that. Returns whether it was over.
    pub fn expect_segment(&self) -> bool {
        std::mem::take(&mut lock(&self.inner).ended)
    }

    /// The side begins or ends to flush; what it had sent is forgotten.
    pub fn flush_side(&self, flushing: bool) {
        self.change(|inner| {
            inner.forget();
            inner.flushes += u64::from(flushing);
            inner.side_flushing = flushing;
        });
    }

    /// Another stream begins on the side: as if it had flushed.
    pub fn forget(&self) {
        self.change(|inner| {
            inner.forget();
            inner.flushes += 1;
        });
    }

    /// The side is over, or another stream begins after it.
    pub fn end_side(&self, ended: bool) {
        self.change(|inner| inner.ended = ended);
    }

    /// Nothing new comes before that running time: the side has a gap.
    pub fn cover(&self, until: gst::ClockTime) {
        self.change(|inner| inner.covered = inner.covered.max(until));
    }

    /// Takes what came; returns when the main stream has nearly come to it.
    ///
    /// # Errors
    /// Flushing, or the end of the main stream.
    pub fn push(&self, item: T) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut inner = lock(&self.inner);
        inner.flow()?;
        let (start, end) = item.span();
        inner.covered = inner.covered.max(end);
        let item = Arc::new(item);
        inner.record.take(&item);
        inner.items.push_back(item);
        self.wake.notify_all();
        while !inner.side_live && !inner.main_rests && start > inner.asked + AHEAD {
            inner = self.wait(inner);
            inner.flow()?;
        }
        // The main stream may stand still while a live side goes on.
        if inner.side_live || inner.main_rests {
            let oldest = start.saturating_sub(AHEAD * 4);
            inner.items.retain(|item| item.span().0 >= oldest);
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// What the side says at a running time. Waits until that is `known`, or `is_vain`, which is told whether anything is live,
    /// says that nothing is to be waited for. `None` while the main pad flushes.
    pub fn at<A>(
        &self,
        time: gst::ClockTime,
        known: impl Fn(&Side<T, R>) -> bool,
        is_vain: impl Fn(bool) -> bool,
        answer: impl FnOnce(&Side<T, R>) -> Option<A>,
    ) -> Option<A> {
        let mut inner = lock(&self.inner);
        inner.asked = time;
        self.wake.notify_all();
        loop {
            if inner.main_flushing {
                return None;
            }
            inner.come_to(time);
            if known(&inner) {
                return answer(&inner);
            }
            let live = inner.live;
            // Others' locks are not waited for with this one held.
            drop(inner);
            let vain = is_vain(live);
            inner = lock(&self.inner);
            inner.come_to(time);
            // It may have come meanwhile.
            if vain && !inner.main_flushing {
                return answer(&inner);
            }
            if !inner.main_flushing && !known(&inner) {
                inner = self.wait(inner);
            }
        }
    }

    /// How many things wait to be asked for.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        lock(&self.inner).items.len()
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, Side<T, R>>) -> MutexGuard<'a, Side<T, R>> {
        self.wake.wait_timeout(guard, RECHECK).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl<T: Timed, R: Record<T>> Side<T, R> {
    /// Forgets what the pad has sent.
    fn forget(&mut self) {
        self.items.clear();
        self.record.forget();
        self.covered = gst::ClockTime::ZERO;
        self.ended = false;
    }

    /// Lets go what is before the time that is asked for.
    fn come_to(&mut self, time: gst::ClockTime) {
        while self.items.get(1).is_some_and(|next| next.span().0 <= time) {
            self.items.pop_front();
        }
    }

    /// What the side's thread is to do.
    fn flow(&self) -> Result<(), gst::FlowError> {
        if self.side_flushing {
            Err(gst::FlowError::Flushing)
        } else if self.main_ended {
            Err(gst::FlowError::Eos)
        } else {
            Ok(())
        }
    }
}
