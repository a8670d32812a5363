// SPDX-License-Identifier: MIT OR Apache-2.0
use std::sync::Arc;
/**
 * SECTION:element-audiofeatures
 *
 * Windows the audio on the video clock and runs the model pack's front end: one buffer of features for each video
 * frame. Frame `n` spans `[n, n + 1) / fps` of running time; its window reaches the pack's look-ahead beyond its end,
 * which is the element's latency besides the frame itself and `processing-deadline`, the time that all stages may take.
 *
 * Audio of several channels is heard as their mean, or as the loudest of them where the mean loses it (channels that
 * cancel, a voice on one of many).
 *
 * In a live pipeline a frame comes out for every frame of running time, whether there is audio or not: what is missing
 * half of `processing-deadline` after its time is silence. Timestamps of the output are running times there. Audio whose
 * timestamps are right is heard at its time, to the sample. What comes early, such as a sentence that a speech synthesizer
 * sends at once, waits for its time, up to ten minutes of it. What comes without timestamps is heard as soon as it can be,
 * and so is what comes after its time; it is counted (`late-samples`), and a warning says so once. What follows it is heard
 * close behind it, until a gap in the timestamps or pauses of the voice have made up for the delay. A flush that keeps the
 * running time (`reset-time` false) is an interruption: what was waiting is forgotten, the face goes on. Tags and other
 * serialized events come out between the frames of the audio that they came between.
 *
 * Frames of a recording, which is audio that can be sought, come out as many at a time as the pack's network takes at once
 * (`lite`: four, on processors that give each the features that it has alone), and those that are left before an event or
 * at the end; of other audio that is not live each comes out as soon as its own is there. Where nothing is live, ten seconds of a hole in the timestamps become frames; a longer one is a hole in the frames, with
 * one warning. Reverse playback is refused; other rates keep the pace of the stream.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 audiotestsrc num-buffers=100 ! audioconvert ! audioresample ! audiofeatures ! fakesink
 * ]|
 *
 * Since: 0.1
 */
use std::sync::atomic::Ordering;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;

use super::CAT;
use super::frames::AudioFeatures;
use super::mixdown::MAX_CHANNELS;
use super::settings::properties;
use super::state::{Counts, State};
use super::tags;
use super::task::{LiveTask, Next};
use crate::pack::SAMPLE_RATE;
use crate::stream::element::{Description, filtered, lock, pad_templates};
use crate::stream::look_ahead;
use crate::stream::settings::pack_error_message;
use crate::stream::tensor::TensorKind;
use crate::stream::turn;

impl AudioFeatures {
    fn gap(&self, gap: &gst::event::Gap) {
        let (pts, duration) = gap.get();
        let Some(duration) = duration else { return };
        match lock(&self.state).as_mut() {
            Some(state) if state.segment.is_some() => state.place_gap(pts, duration),
            _ => return,
        }
        if self.leave_to_thread() {
            return;
        }
        if let Err(error) = self.push_all(|| self.next_buffer(false)) {
            gst::debug!(CAT, imp = self, "frames of a gap were not taken: {error}");
        }
    }

    /// Places a buffer of audio.
    fn place(&self, audio: gst::Buffer) -> Result<(), gst::FlowError> {
        if lock(&self.state).as_ref().is_some_and(|state| state.live.is_some() && !state.framer.is_live()) {
            // Frames begin with the clock, not with the first audio, whichever thread is first.
            self.plan();
        }
        let now = self.obj().current_running_time();
        let mut guard = lock(&self.state);
        let state = guard.as_mut().ok_or(gst::FlowError::Flushing)?;
        if let Some(failed) = state.live.as_ref().and_then(|live| live.failed) {
            return Err(failed);
        }
        state.heard |= audio.size() > 0;
        if state.refused {
            return Err(gst::FlowError::Error);
        }
        let Some(segment) = &state.segment else {
            drop(guard);
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                ("audio must come in a segment of time: set `format=time` on the appsrc, or put a parser behind the source")
            );
            return Err(gst::FlowError::Error);
        };
        let rate = state.framer.clock().rate;
        let moment = state.moment_bytes() as u32;
        let Some(audio) = gst_audio::audio_buffer_clip(audio, segment.upcast_ref(), rate, moment) else {
            return Ok(());
        };
        let now = now.filter(|_| state.live.is_some());
        let placed = state.place(&audio, now);
        drop(guard);
        match placed {
            Ok(placed) => {
                self.warn_of(placed, rate);
                Ok(())
            }
            Err(error) => {
                gst::element_imp_error!(self, gst::StreamError::Format, ("{error}"));
                Err(gst::FlowError::Error)
            }
        }
    }

    fn structure(&self) -> gst::Structure {
        let deadline = lock(&self.settings).processing_deadline;
        let mut structure = self.stats.structure();
        if let Some(state) = lock(&self.state).as_ref() {
            structure.set("latency", (state.latency() + deadline).nseconds());
            let Counts { late, lost, idle } = state.counts;
            structure.set("idle-frames", idle);
            structure.set("late-samples", late);
            structure.set("lost-samples", lost);
        }
        structure
    }
}

static DESCRIPTION: Description = Description::new(
    [
        "Audio features",
        "Filter/Analyzer/Audio",
        "Windows audio on the video clock and computes the features of each video frame",
    ],
    || {
        let audio = gst_audio::AudioCapsBuilder::new_interleaved()
            .format(gst_audio::AUDIO_FORMAT_F32)
            .rate(SAMPLE_RATE as i32)
            .channels_range(1..=MAX_CHANNELS as i32)
            .build();
        pad_templates(audio, TensorKind::AudioFeatures.template_caps())
    },
);

#[glib::object_subclass]
impl ObjectSubclass for AudioFeatures {
    const NAME: &'static str = "GstAudioFeatures";
    type Type = super::AudioFeatures;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for AudioFeatures {
    fn properties() -> &'static [glib::ParamSpec] {
        properties().specs()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        let old = settings.processing_deadline;
        // None of them is a text that is read.
        let _ = properties().set(&mut settings, pspec.name(), value);
        let changed = settings.processing_deadline != old;
        drop(settings);
        if changed {
            // Nobody listens before the element is in a pipeline.
            let _ = self.obj().post_message(gst::message::Latency::builder().src(&*self.obj()).build());
            self.wake();
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.structure().to_value(),
            _ => properties().get(&mut lock(&self.settings), pspec),
        }
    }
}

impl GstObjectImpl for AudioFeatures {}

impl ElementImpl for AudioFeatures {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        Some(DESCRIPTION.metadata())
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        DESCRIPTION.pad_templates()
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        let task = lock(&self.task).clone();
        if transition == gst::StateChange::PlayingToPaused
            && let Some(task) = &task
        {
            task.set_playing(false);
        }
        let success = self.parent_change_state(transition)?;
        if transition == gst::StateChange::PausedToPlaying
            && let Some(task) = &task
        {
            self.ask_upstream();
            task.set_playing(true);
        }
        Ok(success)
    }
}

impl BaseTransformImpl for AudioFeatures {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let (state, engine) = State::new(&settings).map_err(|e| pack_error_message(&e))?;
        self.stats.begin(engine.precision());
        *lock(&self.engine) = Some(engine);
        *lock(&self.state) = Some(state);
        let element = self.obj().downgrade();
        let next = move || {
            // A panic is an element error, as in the threads that GStreamer starts.
            element.upgrade().map_or(Next::End, |e| e.imp().catch_panic(|| Next::End, Self::make_due_frames))
        };
        let task = LiveTask::start(next)
            .map_err(|e| gst::error_msg!(gst::CoreError::Thread, ("cannot start a thread: {e}")))?;
        *lock(&self.task) = Some(Arc::new(task));
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let task = lock(&self.task).take();
        // Waits for the thread, which takes the other locks.
        drop(task);
        *lock(&self.engine) = None;
        *lock(&self.state) = None;
        Ok(())
    }

    fn transform_caps(
        &self,
        direction: gst::PadDirection,
        _caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> Option<gst::Caps> {
        let other = if direction == gst::PadDirection::Src {
            self.obj().sink_pad().pad_template_caps()
        } else {
            lock(&self.state)
                .as_ref()
                .map_or_else(|| TensorKind::AudioFeatures.template_caps(), |s| s.caps().clone())
        };
        Some(filtered(other, filter))
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let channels = incaps.structure(0).and_then(|s| s.get::<i32>("channels").ok());
        let channels = channels.and_then(|channels| usize::try_from(channels).ok()).filter(|&n| n > 0);
        let channels = channels.ok_or_else(|| gst::loggable_error!(CAT, "no channels in {incaps}"))?;
        if let Some(state) = lock(&self.state).as_mut() {
            state.set_channels(channels);
        }
        Ok(())
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if look_ahead::answer(query, || lock(&self.settings).look_ahead) {
            return true;
        }
        if !BaseTransformImplExt::parent_query(self, direction, query) {
            return false;
        }
        if let gst::QueryViewMut::Latency(q) = query.view_mut() {
            let deadline = lock(&self.settings).processing_deadline;
            let Some(own) = lock(&self.state).as_ref().map(|s| s.latency() + deadline) else { return true };
            let (live, min, max) = q.result();
            q.set(live, min + own, max.map(|max| max + own));
        }
        true
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if let Some(taken) = self.live_event(&event) {
            return taken;
        }
        if event.is_serialized() && !matches!(event.type_(), gst::EventType::Gap | gst::EventType::FlushStop)
        {
            // It keeps its place behind the frames of the audio before it.
            self.release();
        }
        match event.view() {
            gst::EventView::Gap(gap) => {
                self.gap(gap);
                return true;
            }
            gst::EventView::Segment(segment) => {
                self.drain();
                self.take_segment(segment.segment());
                self.ask_upstream.store(true, Ordering::Relaxed);
                let taken = self.parent_sink_event(event);
                self.wake();
                return taken;
            }
            gst::EventView::Tag(tag) => {
                // A list of none is no event.
                let Some(tags) = tags::of_pictures(tag.tag()) else { return true };
                let event = gst::event::Tag::builder(tags).seqnum(event.seqnum()).build();
                return self.parent_sink_event(event);
            }
            gst::EventView::Eos(_) => {
                self.drain();
                self.end_utterance();
                self.complain_of_nothing();
            }
            gst::EventView::SegmentDone(_) => self.drain(),
            gst::EventView::FlushStop(_) => {
                if let Some(state) = lock(&self.state).as_mut() {
                    state.utterances.interrupt();
                    state.reset(false);
                    state.segment = None;
                }
            }
            _ if turn::completes(&event) => {
                if let Some(state) = lock(&self.state).as_mut() {
                    state.utterances.complete(state.framer.frame_after());
                }
            }
            _ => (),
        }
        self.parent_sink_event(event)
    }

    fn src_event(&self, event: gst::Event) -> bool {
        if let gst::EventView::Seek(seek) = event.view()
            && seek.get().0 < 0.0
        {
            gst::element_imp_warning!(
                self,
                gst::CoreError::Seek,
                (
                    "a seek to play backwards (rate {}) is refused: speech cannot be spoken backwards",
                    seek.get().0
                )
            );
            return false;
        }
        if let gst::EventView::Latency(_) = event.view() {
            self.ask_upstream.store(true, Ordering::Relaxed);
            self.wake();
        }
        self.parent_src_event(event)
    }

    fn generate_output(
        &self,
    ) -> Result<gst_base::subclass::base_transform::GenerateOutputSuccess, gst::FlowError> {
        use gst_base::subclass::base_transform::GenerateOutputSuccess;
        if let Some(audio) = self.take_queued_buffer() {
            self.place(audio)?;
        }
        if self.leave_to_thread() {
            return Ok(GenerateOutputSuccess::NoOutput);
        }
        Ok(self.next_buffer(false)?.map_or(GenerateOutputSuccess::NoOutput, GenerateOutputSuccess::Buffer))
    }
}
