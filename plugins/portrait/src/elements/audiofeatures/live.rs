// SPDX-License-Identifier: MIT OR Apache-2.0
//! Live streams of `audiofeatures`: frames come by the clock, whether there is audio or not.
//!
//! All of them come from the element's own thread, so that audio is always taken at once: who waits here for a slow
//! encoder would hold up a `tee` in front, and with it the sound that the muxer behind that encoder waits for.

use std::sync::atomic::Ordering;

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;

use super::CAT;
use super::framer::Placed;
use super::frames::AudioFeatures;
use super::state::Live;
use super::task::Next;
use crate::stream::element::lock;
use crate::stream::turn;

/// A live stream that is so far behind its clock, because the machine slept or the stages behind were blocked, does not
/// make up for what it missed.
const MAX_BEHIND: gst::ClockTime = gst::ClockTime::from_seconds(2);

/// What a live stream does at a time of the clock.
pub enum Plan {
    /// The next frame comes out.
    Frame,
    /// It comes out at this time, or when its audio is there.
    Sleep(gst::Clock, gst::ClockTime),
    /// Nothing comes out until something changes.
    Idle,
}

impl AudioFeatures {
    /// Learns whether the audio is live, and how late it may be then. Never with a lock: this asks other elements.
    pub(super) fn ask_upstream(&self) {
        self.ask_upstream.store(false, Ordering::Relaxed);
        let mut query = gst::query::Latency::new();
        if self.obj().clock().is_none() || !self.obj().sink_pad().peer_query(&mut query) {
            return;
        }
        let (is_live, upstream, _) = query.result();
        let mut guard = lock(&self.state);
        let Some(state) = guard.as_mut().filter(|_| is_live) else { return };
        match &mut state.live {
            Some(live) => live.upstream = upstream,
            None => {
                gst::debug!(CAT, imp = self, "live, with a latency of {upstream} before this element");
                state.live = Some(Live::new(upstream));
            }
        }
    }

    /// The thread of a live stream looks at its clock again.
    pub(super) fn wake(&self) {
        let task = lock(&self.task).clone();
        if let Some(task) = task {
            task.wake();
        }
    }

    /// What a live stream does now; `None` where it is not live.
    pub(super) fn plan(&self) -> Option<Plan> {
        let mut skipped = None;
        let plan = self.look(&mut skipped);
        if let Some((behind, placed, rate)) = skipped {
            gst::warning!(CAT, imp = self, "{behind} behind the clock: frames are left out, {placed:?}");
            self.warn_of(placed, rate);
            if placed.lost > 0 {
                self.warn_of_lost(behind, placed.lost as u64, rate);
            }
        }
        plan
    }

    fn look(&self, skipped: &mut Option<(gst::ClockTime, Placed, u32)>) -> Option<Plan> {
        let patience = lock(&self.settings).patience();
        let (clock, base) = (self.obj().clock(), self.obj().base_time());
        let mut guard = lock(&self.state);
        let state = guard.as_mut()?;
        let live = state.live.as_ref()?;
        let (Some(clock), Some(base)) = (clock, base) else { return Some(Plan::Idle) };
        if live.eos || live.failed.is_some() {
            return Some(Plan::Idle);
        }
        let patience = live.upstream + patience;
        let now = clock.time().saturating_sub(base);
        let framer = &mut state.framer;
        let grid = framer.clock();
        // The first frame that may still wait for its audio.
        let first =
            grid.frame_of(grid.sample_at(now.saturating_sub(patience)).saturating_sub(framer.look_ahead()));
        if !framer.is_live() {
            framer.start_live(first);
        }
        let mut due = grid.duration_of(framer.due()?);
        if now > due + patience + MAX_BEHIND {
            let placed = framer.skip_to(first);
            *skipped = Some((now.saturating_sub(due), placed, grid.rate));
            state.counts.late += placed.late as u64;
            state.counts.lost += placed.lost as u64;
            state.discont = true;
            due = grid.duration_of(framer.due()?);
        }
        Some(if now < due {
            Plan::Sleep(clock, base + due)
        } else if framer.is_complete() {
            Plan::Frame
        } else if now >= due + patience {
            framer.fill();
            state.counts.idle += 1;
            Plan::Frame
        } else {
            Plan::Sleep(clock, base + due + patience)
        })
    }

    /// What the thread of a live stream does when it wakes up: it makes the frames whose time has come.
    pub(super) fn make_due_frames(&self) -> Next {
        #[cfg(test)]
        assert!(!self.panics.load(Ordering::Relaxed), "told to panic");
        if self.ask_upstream.load(Ordering::Relaxed) {
            self.ask_upstream();
        }
        loop {
            let pad = self.obj().src_pad().clone();
            let _stream = pad.stream_lock();
            match self.plan() {
                None | Some(Plan::Idle) => return Next::Change,
                Some(Plan::Sleep(clock, time)) => return Next::Time(clock, time),
                Some(Plan::Frame) => {
                    self.push_events(false);
                    let pushed = match self.next_buffer(false) {
                        Ok(Some(buffer)) => pad.push(buffer).map(|_| ()),
                        Ok(None) => return Next::Change,
                        Err(error) => Err(error),
                    };
                    if let Err(error) = pushed {
                        self.fail(error);
                    }
                }
            }
        }
    }

    /// Pushes the events that come before the next frame, or all of them at the `end`.
    fn push_events(&self, end: bool) {
        let mut due = Vec::new();
        if let Some(state) = lock(&self.state).as_mut()
            && let Some(live) = &mut state.live
        {
            let next = state.framer.next_frame();
            while live.events.front().is_some_and(|(frame, _)| end || next.is_some_and(|next| *frame <= next))
            {
                due.extend(live.events.pop_front().map(|(_, event)| event));
            }
        }
        if !due.is_empty() {
            self.begin_output();
        }
        for event in due {
            if turn::completes(&event)
                && let Some(state) = lock(&self.state).as_mut()
            {
                // Its place has come.
                state.utterances.complete(0);
            }
            self.parent_sink_event(event);
        }
    }

    /// Brings out what waits, with silence in place of what comes later, and starts anew. With the pad's stream lock: after
    /// the frame that the thread is about to push.
    fn drain_live(&self) {
        self.drain();
        self.push_events(true);
    }

    /// Lets the thread of a live stream make a frame that is complete; `false` where the stream is not live.
    pub(super) fn leave_to_thread(&self) -> bool {
        match self.plan() {
            None => return false,
            Some(Plan::Frame) => self.wake(),
            Some(_) => (),
        }
        true
    }

    /// Ends the frames of a live stream; the audio's own thread hears of it when it comes by.
    fn fail(&self, error: gst::FlowError) {
        if let Some(live) = lock(&self.state).as_mut().and_then(|s| s.live.as_mut()) {
            live.failed = Some(error);
        }
        if !matches!(error, gst::FlowError::Flushing | gst::FlowError::Eos) {
            gst::element_imp_error!(
                self,
                gst::StreamError::Failed,
                ("Internal data stream error."),
                ["an idle frame was not taken: {error}"]
            );
        }
    }

    /// Events of audio that is live; `None` for those that take the usual way.
    pub(super) fn live_event(&self, event: &gst::Event) -> Option<bool> {
        let pad = self.obj().src_pad().clone();
        let mut guard = lock(&self.state);
        let state = guard.as_mut()?;
        let live = state.live.as_mut()?;
        match event.view() {
            // The output is one stream, whatever sources take turns before it: the face goes on.
            gst::EventView::StreamStart(_) => {
                let ended = std::mem::take(&mut live.eos);
                drop(guard);
                (!ended && pad.sticky_event::<gst::event::StreamStart>(0).is_some()).then_some(true)
            }
            gst::EventView::Segment(segment) => {
                drop(guard);
                self.take_segment(segment.segment());
                self.ask_upstream.store(true, Ordering::Relaxed);
                self.wake();
                Some(true)
            }
            gst::EventView::Eos(_) => {
                drop(guard);
                // After the frame that the thread is about to push.
                let _stream = pad.stream_lock();
                self.drain_live();
                self.end_utterance();
                if let Some(live) = lock(&self.state).as_mut().and_then(|s| s.live.as_mut()) {
                    live.eos = true;
                }
                Some(self.parent_sink_event(event.clone()))
            }
            gst::EventView::SegmentDone(_) => {
                drop(guard);
                let _stream = pad.stream_lock();
                self.drain_live();
                Some(self.parent_sink_event(event.clone()))
            }
            gst::EventView::FlushStop(flush) => {
                drop(guard);
                // No frame from before the flush comes after it.
                let _stream = pad.stream_lock();
                let mut guard = lock(&self.state);
                let state = guard.as_mut()?;
                let live = state.live.as_mut()?;
                (live.segment_due, live.eos, live.failed) = (true, false, None);
                // As in a queue: what is to be remembered stays, what happened is forgotten.
                let kept: Vec<_> = live.events.drain(..).filter(|(_, event)| event.is_sticky()).collect();
                state.segment = None;
                state.utterances.interrupt();
                state.reset(!flush.resets_time());
                drop(guard);
                let taken = self.parent_sink_event(event.clone());
                if let Some(live) = lock(&self.state).as_mut().and_then(|s| s.live.as_mut()) {
                    live.events.extend(kept.into_iter().map(|(_, event)| (0, event)));
                }
                self.wake();
                Some(taken)
            }
            // Settled by the element or its base class.
            gst::EventView::Caps(_) | gst::EventView::Gap(_) => None,
            // The others keep their place between the frames.
            _ if event.is_serialized() => {
                let completes = turn::completes(event);
                let before = if completes { state.framer.frame_after() } else { state.framer.frame_behind() };
                live.events.push_back((before, event.clone()));
                Some(true)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_thread_is_an_error_on_the_bus() {
        gst::init().unwrap();
        let element: super::super::AudioFeatures = gst::glib::Object::new();
        element.imp().panics.store(true, Ordering::Relaxed);
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        // It plays from here on, and its source is live.
        let _harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Error]);
        let message = message.expect("a message");
        let gst::MessageView::Error(error) = message.view() else { panic!("{message:?}") };
        assert!(error.error().to_string().contains("anick"), "{error:?}");
        element.set_bus(None::<&gst::Bus>);
    }
}
