// SPDX-License-Identifier: MIT OR Apache-2.0
//! The message `portrait-utterance`: an utterance begins to be shown, or has been shown to its end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use gst::prelude::*;

use crate::stream::element::{is_live, lock};
use crate::stream::turn::Turn;

/// Turns what the elements before tell into messages. Where the stream is live they come when the pictures are shown, by
/// the clock; else when the pictures go out, and their running times tell when they are shown.
#[derive(Debug, Default)]
pub struct Herald(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// The utterance that was begun and is not over.
    speaking: Option<u64>,
    /// The pipeline's latency, as the sinks settled it.
    latency: Option<gst::ClockTime>,
    waiting: Waiting,
    /// Of the messages that wait.
    alarms: Vec<gst::SingleShotClockId>,
}

/// Messages that wait for their time. A clock wakes those of one time in any order, and what is due at once may come behind what
/// still waits: they are posted in the order in which they were told.
#[derive(Debug, Default)]
struct Waiting {
    turns: VecDeque<(gst::ClockTime, Turn)>,
    /// Somebody posts, and will post what has come meanwhile.
    posting: bool,
}

impl Waiting {
    /// The next message that is due, unless somebody else posts already.
    fn begin(&mut self, now: gst::ClockTime) -> Option<Turn> {
        if self.posting {
            return None;
        }
        self.posting = self.turns.front().is_some_and(|(time, _)| *time <= now);
        if self.posting { self.turns.pop_front().map(|(_, turn)| turn) } else { None }
    }
}

impl Herald {
    /// The pipeline settled its latency.
    pub fn set_latency(&self, latency: gst::ClockTime) {
        lock(&self.0).latency = Some(latency);
    }

    /// Forgets everything; what waits is not posted.
    pub fn stop(&self) {
        let inner = std::mem::take(&mut *lock(&self.0));
        for id in inner.alarms {
            id.unschedule();
        }
    }

    /// An element before this one tells of a turn.
    pub fn tell(&self, element: &gst::Element, sink: &gst::Pad, turn: Turn) {
        let before = {
            let mut inner = lock(&self.0);
            let before = inner.speaking;
            inner.speaking = turn.started.then_some(turn.number);
            before
        };
        match before {
            // A flush between the elements has taken the other event away.
            Some(number) if turn.started => {
                self.post(element, sink, Turn { number, started: false, interrupted: true, ..turn });
            }
            None if !turn.started => return,
            _ => (),
        }
        self.post(element, sink, turn);
    }

    fn post(&self, element: &gst::Element, sink: &gst::Pad, turn: Turn) {
        let due = self.due(element, sink, turn);
        let time = due.as_ref().map_or(gst::ClockTime::ZERO, |(_, time)| *time);
        lock(&self.0).waiting.turns.push_back((time, turn));
        let Some((clock, time)) = due else { return post_due(&self.0, element, gst::ClockTime::ZERO) };
        let id = clock.new_single_shot_id(time);
        {
            let mut inner = lock(&self.0);
            // Those that were posted have gone from the clock.
            inner.alarms.retain(|id| id.time() > clock.time());
            inner.alarms.push(id.clone());
        }
        let (inner, weak) = (Arc::clone(&self.0), element.downgrade());
        let waits = id.wait_async(move |_, _, _| {
            if let Some(element) = weak.upgrade() {
                post_due(&inner, &element, time);
            }
        });
        if waits.is_err() {
            post_due(&self.0, element, time);
        }
    }

    /// When a message of a live stream is due; `None` for at once.
    fn due(
        &self,
        element: &gst::Element,
        sink: &gst::Pad,
        turn: Turn,
    ) -> Option<(gst::Clock, gst::ClockTime)> {
        let latency = lock(&self.0).latency?;
        if !is_live(sink) {
            return None;
        }
        let clock = element.clock()?;
        let time = element.base_time()? + turn.time + latency;
        (time > clock.time()).then_some((clock, time))
    }
}

/// Posts what is due, in its order. No lock while a message is on its way: its handlers may stop the element.
fn post_due(inner: &Mutex<Inner>, element: &gst::Element, now: gst::ClockTime) {
    loop {
        let Some(turn) = lock(inner).waiting.begin(now) else { return };
        let message = gst::message::Element::builder(turn.to_structure()).src(element).build();
        // An element outside of a pipeline has no bus: then nobody listens.
        let _ = element.post_message(message);
        lock(inner).waiting.posting = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: gst::ClockTime = gst::ClockTime::SECOND;

    fn turn(number: u64, started: bool) -> Turn {
        Turn { number, started, interrupted: false, time: gst::ClockTime::ZERO }
    }

    #[test]
    fn what_is_told_last_comes_last_whichever_alarm_wakes_first() {
        let mut waiting = Waiting::default();
        // The second ends and the third begins at one time; the fourth is late and due at once.
        for (time, number, started) in
            [(SECOND, 2, false), (SECOND, 3, true), (gst::ClockTime::ZERO, 3, false)]
        {
            waiting.turns.push_back((time, turn(number, started)));
        }
        assert!(waiting.begin(gst::ClockTime::ZERO).is_none(), "not before what was told first");
        let mut posted = Vec::new();
        while let Some(turn) = waiting.begin(SECOND) {
            assert!(waiting.begin(SECOND).is_none(), "one at a time");
            waiting.posting = false;
            posted.push((turn.number, turn.started));
        }
        assert_eq!(posted, [(2, false), (3, true), (3, false)]);
    }
}
