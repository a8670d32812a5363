// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `audiofeatures` says about audio that did not come as it should: each thing once, because it goes on as it began.

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;

use super::CAT;
use super::framer::Placed;
use super::frames::AudioFeatures;
use crate::stream::element::lock;
use crate::stream::turn::Turn;

/// How much later than its timestamps audio may be heard before that is said. In milliseconds.
const WARN_MS: u64 = 200;

impl AudioFeatures {
    /// Says what became of audio that did not come as it should, each thing once.
    pub(super) fn warn_of(&self, placed: Placed, rate: u32) {
        let seconds = |samples: u64| samples as f64 / f64::from(rate);
        if placed != Placed::default() {
            gst::debug!(CAT, imp = self, "{placed:?}");
        }
        let (moved, full, hole, back) = {
            let mut guard = lock(&self.state);
            let Some(state) = guard.as_mut() else { return };
            let first = |said: &mut bool, now: bool| now && !std::mem::replace(said, *said || now);
            let warned = &mut state.warned;
            (
                first(&mut warned.moved, placed.moved * 1000 >= WARN_MS * u64::from(rate)),
                first(&mut warned.full, placed.is_full),
                first(&mut warned.hole, placed.hole.is_some()),
                first(&mut warned.back, placed.back.is_some()),
            )
        };
        if moved {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Decode,
                (
                    "audio came {:.2} s too late for its timestamps, because the pipeline was not yet running, the source \
                  stamps it by another clock, or it was held up: it is heard later than they say, and counted in \
                  `late-samples`. Stamp it with running times (appsrc: do-timestamp=true), let the source report its \
                  latency, or raise `processing-deadline` (said once)",
                    seconds(placed.moved)
                )
            );
        }
        if full {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Decode,
                ("ten minutes of live audio wait for their time: what comes beyond is not heard, and counted in \
                  `lost-samples`; send it when there is room for it (said once)")
            );
        }
        if let (true, Some(hole)) = (hole, placed.hole) {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Decode,
                (
                    "the timestamps of the audio jump ahead by {:.0} s: the picture stands still until then (said once)",
                    seconds(hole)
                )
            );
        }
        if let (true, Some(back)) = (back, placed.back) {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Decode,
                (
                    "the timestamps of the audio jump back by {:.1} s, to what has been spoken: what comes there is not spoken \
                  again, and counted in `lost-samples`. Stamp the audio with times that go on (said once)",
                    seconds(back)
                )
            );
        }
    }

    /// Says, once, that sound was left out because the pipeline stood still.
    pub(super) fn warn_of_lost(&self, behind: gst::ClockTime, samples: u64, rate: u32) {
        let warned =
            lock(&self.state).as_mut().is_none_or(|s| std::mem::replace(&mut s.warned.skipped, true));
        if !warned {
            gst::element_imp_warning!(
                self,
                gst::CoreError::Clock,
                (
                    "the pipeline was held up for {behind}: {:.2} s of audio are too late to be heard, and counted in \
                  `late-samples` and `lost-samples` (said once)",
                    samples as f64 / f64::from(rate)
                )
            );
        }
    }

    /// Tells the elements behind where the voice begins and is over. No lock is held.
    pub(super) fn push_turns(&self, turns: Vec<Turn>) {
        for turn in turns {
            gst::debug!(CAT, imp = self, "{turn:?}");
            self.obj().src_pad().push_event(turn.to_event());
        }
    }

    /// At the end of the stream.
    pub(super) fn end_utterance(&self) {
        let turns = lock(&self.state).as_mut().map_or_else(Vec::new, |state| state.utterances.finish());
        self.push_turns(turns);
    }
}
