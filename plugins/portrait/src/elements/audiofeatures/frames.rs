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
use super::mixdown::MAX_CHANNELS;
use super::settings::Settings;
use super::state::{FrameSpan, Ready, State};
use super::task::LiveTask;
use crate::pack::Pack;
use crate::stream::element::{is_live, lock};
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
    /// The pack that the settings name, the device, and the look-ahead in samples; `None` where they name none that can be
    /// used.
    pub(crate) fn pack(&self) -> Option<(Arc<Pack>, tch::Device, usize)> {
        let settings = lock(&self.settings).clone();
        let (pack, device) = settings.model.open().ok()?;
        let look_ahead = settings.look_ahead_samples(&pack).ok()?;
        Some((pack, device, look_ahead))
    }

    /// The next frame with its timestamps, if its audio is there. Frames of a recording wait until there are as many as the
    /// network takes at once, unless `all` of them are asked for.
    pub(super) fn next_buffer(&self, all: bool) -> Result<Option<gst::Buffer>, gst::FlowError> {
        let mut ready = self.take_ready()?;
        if ready.is_none() {
            self.make_frames(all)?;
            ready = self.take_ready()?;
        }
        let Some(Ready { buffer, turns }) = ready else { return Ok(None) };
        self.begin_output();
        self.push_turns(turns);
        Ok(Some(buffer))
    }

    fn take_ready(&self) -> Result<Option<Ready>, gst::FlowError> {
        lock(&self.state).as_mut().map(|state| state.ready.pop_front()).ok_or(gst::FlowError::Flushing)
    }

    /// Runs the network over the next frames.
    fn make_frames(&self, all: bool) -> Result<(), gst::FlowError> {
        let began = Instant::now();
        let _threads = lock(&self.settings).model.limit_threads();
        let mut engine = lock(&self.engine);
        let engine = engine.as_mut().ok_or(gst::FlowError::Flushing)?;
        let frames = match lock(&self.state).as_mut() {
            None => return Err(gst::FlowError::Flushing),
            // Before the first segment there is nothing to time, and nothing to push.
            Some(state) if state.segment.is_none() && state.live.is_none() => return Ok(()),
            Some(state) => state.next_frames(engine.windows(), all),
        };
        let count = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        if count == 0 {
            return Ok(());
        }
        let features = match engine.run(frames.len()) {
            Ok(features) => features,
            Err(error) => {
                gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
                return Err(gst::FlowError::Error);
            }
        };
        let ready: Vec<Ready> = frames.into_iter().zip(features).map(|(span, f)| span.with(f)).collect();
        let took = began.elapsed() / count;
        if let Some(state) = lock(&self.state).as_mut() {
            state.ready.extend(ready);
        }
        (0..count).for_each(|_| self.stats.add(took));
        Ok(())
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

    /// Pushes the frames whose audio is there.
    pub(super) fn release(&self) {
        if let Err(error) = self.push_all(|| self.next_buffer(true)) {
            gst::debug!(CAT, imp = self, "frames were not taken: {error}");
        }
    }

    /// Pushes the frames that wait for look-ahead, with silence in its place, and starts anew.
    pub(super) fn drain(&self) {
        if let Some(state) = lock(&self.state).as_mut() {
            state.framer.finish();
        }
        self.release();
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
        let nothing = lock(&self.state).as_ref().is_some_and(|state| !state.heard && state.live.is_none());
        // A live source that ends at once was not asked yet what it is.
        if nothing && !is_live(self.obj().sink_pad()) {
            gst::element_imp_error!(
                self,
                gst::StreamError::WrongType,
                ("no audio came before the end of the stream: the recording is empty, or has more than {MAX_CHANNELS} channels (in a \
                     pipeline: or `audioconvert ! audioresample` is missing before this element, or an error before this one says why)")
            );
        }
    }

    /// Takes a segment of audio; one that cannot be spoken is an error.
    pub(super) fn take_segment(&self, segment: &gst::Segment) {
        // Without a lock: this asks other elements.
        let mut query = gst::query::Seeking::new(gst::Format::Time);
        let recorded = self.obj().sink_pad().peer_query(&mut query) && query.result().0;
        let taken = lock(&self.state).as_mut().is_none_or(|state| {
            state.recorded = recorded;
            state.set_segment(segment)
        });
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

impl FrameSpan {
    /// The frame's buffer of features.
    fn with(self, features: &[f32]) -> Ready {
        let mut buffer = buffer::from_f32(features);
        if let Some(out) = buffer.get_mut() {
            meta::attach(out, FrameMeta::Loudness, &[self.loudness.len()], &self.loudness);
            out.set_offset(self.number);
            out.set_offset_end(self.number + 1);
            out.set_pts(self.pts);
            out.set_duration(self.duration);
            if self.discont {
                out.set_flags(gst::BufferFlags::DISCONT);
            }
        }
        Ready { buffer, turns: self.turns }
    }
}
