// SPDX-License-Identifier: MIT OR Apache-2.0
//! The message `portrait-utterance`: an utterance begins to be shown, or has been shown to its end.

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
    /// Messages that wait for their time.
    waiting: Vec<gst::SingleShotClockId>,
}

impl Herald {
    /// The pipeline settled its latency.
    pub fn set_latency(&self, latency: gst::ClockTime) {
        lock(&self.0).latency = Some(latency);
    }

    /// Forgets everything; what waits is not posted.
    pub fn stop(&self) {
        let inner = std::mem::take(&mut *lock(&self.0));
        for id in inner.waiting {
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
        let Some((clock, time)) = self.due(element, sink, turn) else { return post(element, turn) };
        let id = clock.new_single_shot_id(time);
        {
            let mut inner = lock(&self.0);
            // Those that were posted have gone from the clock.
            inner.waiting.retain(|id| id.time() > clock.time());
            inner.waiting.push(id.clone());
        }
        let weak = element.downgrade();
        let waits = id.wait_async(move |_, _, _| {
            if let Some(element) = weak.upgrade() {
                post(&element, turn);
            }
        });
        if waits.is_err() {
            post(element, turn);
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

fn post(element: &gst::Element, turn: Turn) {
    let message = gst::message::Element::builder(turn.to_structure()).src(element).build();
    // An element outside of a pipeline has no bus: then nobody listens.
    let _ = element.post_message(message);
}
