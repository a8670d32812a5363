// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element's data, and how a frame of features is made and pushed.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;

use super::CAT;
use super::engine::Engine;
use super::settings::Settings;
use super::state::State;
use super::task::LiveTask;
use crate::stream::element::lock;
use crate::stream::stats::Stats;
use crate::stream::tensor::{FrameMeta, buffer, meta};

#[derive(Default)]
pub struct AudioFeatures {
    pub(super) settings: Mutex<Settings>,
    /// Locked while the network runs, before the state, and by nobody who answers a question.
    pub(super) engine: Mutex<Option<Engine>>,
    pub(super) state: Mutex<Option<State>>,
    pub(super) task: Mutex<Option<Arc<LiveTask>>>,
    /// The latency of what comes before may have changed.
    pub(super) ask_upstream: AtomicBool,
    pub(super) stats: Stats,
    /// The thread of live streams panics.
    #[cfg(test)]
    pub(super) panics: AtomicBool,
}

impl AudioFeatures {
    /// The next frame with its timestamps, if its audio is there.
    pub(super) fn next_buffer(&self) -> Result<Option<gst::Buffer>, gst::FlowError> {
        let began = Instant::now();
        let _threads = lock(&self.settings).model.limit_threads();
        let mut engine = lock(&self.engine);
        let engine_ref = engine.as_mut().ok_or(gst::FlowError::Flushing)?;
        let frame = match lock(&self.state).as_mut() {
            None => return Err(gst::FlowError::Flushing),
            // Before the first segment there is nothing to time, and nothing to push.
            Some(state) if state.segment.is_none() && state.live.is_none() => return Ok(None),
            Some(state) => {
                let beyond = state.framer.look_ahead() as usize;
                state.next(&mut engine_ref.window).inspect(|_| engine_ref.measure(beyond))
            }
        };
        let Some(frame) = frame else { return Ok(None) };
        let run = engine_ref.run();
        let mut buffer = buffer::from_f32(&engine_ref.features);
        let loudness = engine_ref.loudness;
        drop(engine);
        if let Err(error) = run {
            gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
            return Err(gst::FlowError::Error);
        }
        if let Some(out) = buffer.get_mut() {
            meta::attach(out, FrameMeta::Loudness, &[loudness.len()], &loudness);
            out.set_offset(frame.number);
            out.set_offset_end(frame.number + 1);
            out.set_pts(frame.pts);
            out.set_duration(frame.duration);
            if frame.discont {
                out.set_flags(gst::BufferFlags::DISCONT);
            }
        }
        self.stats.add(began.elapsed());
        self.begin_output();
        self.push_turns(frame.turns);
        Ok(Some(buffer))
    }

    /// Pushes every frame that `next` gives. No lock of the element's own is held over a push.
    pub(super) fn push_all(
        &self,
        next: impl Fn() -> Result<Option<gst::Buffer>, gst::FlowError>,
    ) -> Result<(), gst::FlowError> {
        while let Some(buffer) = next()? {
            gst::trace!(CAT, imp = self, "pushing {buffer:?}");
            self.obj().src_pad().push(buffer)?;
        }
        Ok(())
    }

    /// Pushes the frames that wait for look-ahead, with silence in its place, and starts anew.
    pub(super) fn drain(&self) {
        if let Some(state) = lock(&self.state).as_mut() {
            state.framer.finish();
        }
        if let Err(error) = self.push_all(|| self.next_buffer()) {
            gst::debug!(CAT, imp = self, "last frames were not taken: {error}");
        }
        if let Some(state) = lock(&self.state).as_mut() {
            state.reset(true);
        }
    }

    /// Sends what must come before the first frame of a live stream where no audio has brought it.
    pub(super) fn begin_output(&self) {
        let due = lock(&self.state).as_mut().and_then(|state| {
            let live = state.live.as_mut()?;
            std::mem::take(&mut live.segment_due).then(|| state.caps().clone())
        });
        let Some(caps) = due else { return };
        let pad = self.obj().src_pad().clone();
        if pad.sticky_event::<gst::event::StreamStart>(0).is_none() {
            let id = pad.create_stream_id(&*self.obj(), Some("features"));
            let group = gst::GroupId::next();
            pad.push_event(gst::event::StreamStart::builder(id.as_str()).group_id(group).build());
        }
        if !pad.has_current_caps() {
            pad.push_event(gst::event::Caps::new(&caps));
        }
        pad.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    }

    /// At the end of a stream that is not live: without a sample there is no picture, and what is behind writes a file
    /// that nothing plays.
    pub(super) fn complain_of_nothing(&self) {
        if lock(&self.state).as_ref().is_some_and(|state| !state.heard && state.live.is_none()) {
            gst::element_imp_error!(
                self,
                gst::StreamError::WrongType,
                ("no audio came before the end of the stream: the recording is empty")
            );
        }
    }

    /// Takes a segment of audio; one that cannot be spoken is an error.
    pub(super) fn take_segment(&self, segment: &gst::Segment) {
        let taken = lock(&self.state).as_mut().is_none_or(|state| state.set_segment(segment));
        if !taken {
            gst::element_imp_error!(
                self,
                gst::CoreError::Seek,
                (
                    "audio that is played backwards (rate {}) cannot be spoken: seek with a rate above 0",
                    segment.rate()
                )
            );
        }
    }
}
