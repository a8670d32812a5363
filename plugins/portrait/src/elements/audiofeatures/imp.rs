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
 * Where nothing is live, ten seconds of a hole in the timestamps become frames; a longer one is a hole in the frames, with
 * one warning. Reverse playback is refused; other rates keep the pace of the stream.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 audiotestsrc num-buffers=100 ! audioconvert ! audioresample ! audiofeatures ! fakesink
 * ]|
 *
 * Since: 0.1
 */
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;

use super::engine::Engine;
use super::mixdown::MAX_CHANNELS;
use super::pulse::{Beat, Pulse};
use super::settings::{LookAhead, Settings, param_specs};
use super::state::{Counts, State};
use super::tags;
use crate::pack::SAMPLE_RATE;
use crate::stream::element::{lock, pad_templates};
use crate::stream::look_ahead;
use crate::stream::settings::pack_error_message;
use crate::stream::stats::Stats;
use crate::stream::tensor::{TensorKind, buffer};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "audiofeatures",
        gst::DebugColorFlags::empty(),
        Some("Audio features of video frames"),
    )
});

#[derive(Default)]
pub struct AudioFeatures {
    pub(super) settings: Mutex<Settings>,
    /// Locked while the network runs, before the state, and by nobody who answers a question.
    engine: Mutex<Option<Engine>>,
    pub(super) state: Mutex<Option<State>>,
    pub(super) pulse: Mutex<Option<Arc<Pulse>>>,
    /// The latency of what comes before may have changed.
    pub(super) ask_upstream: AtomicBool,
    stats: Stats,
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
            Some(state) => state.next(&mut engine_ref.window),
        };
        let Some(frame) = frame else { return Ok(None) };
        let run = engine_ref.run();
        let mut buffer = buffer::from_f32(&engine_ref.features);
        drop(engine);
        if let Err(error) = run {
            gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
            return Err(gst::FlowError::Error);
        }
        if let Some(out) = buffer.get_mut() {
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
        Ok(Some(buffer))
    }

    /// Pushes every frame that `next` gives. No lock of the element's own is held over a push.
    fn push_all(
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
        if let Err(error) = self.push_all(|| self.next_buffer()) {
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
                self.tell(placed, rate);
                Ok(())
            }
            Err(error) => {
                gst::element_imp_error!(self, gst::StreamError::Format, ("{error}"));
                Err(gst::FlowError::Error)
            }
        }
    }

    /// At the end of a stream that is not live: without a sample there is no picture, and what is behind writes a file
    /// that nothing plays.
    fn complain_of_nothing(&self) {
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

#[glib::object_subclass]
impl ObjectSubclass for AudioFeatures {
    const NAME: &'static str = "GstAudioFeatures";
    type Type = super::AudioFeatures;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for AudioFeatures {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(param_specs);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        match pspec.name() {
            "look-ahead" => settings.look_ahead = value.get().unwrap_or_default(),
            "processing-deadline" => {
                let deadline =
                    value.get().map_or(settings.processing_deadline, gst::ClockTime::from_nseconds);
                let old = std::mem::replace(&mut settings.processing_deadline, deadline);
                drop(settings);
                if old != deadline {
                    // Nobody listens before the element is in a pipeline.
                    let _ =
                        self.obj().post_message(gst::message::Latency::builder().src(&*self.obj()).build());
                    self.wake();
                }
            }
            name => {
                settings.model.set(name, value);
            }
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "look-ahead" => lock(&self.settings).look_ahead.to_value(),
            "processing-deadline" => lock(&self.settings).processing_deadline.nseconds().to_value(),
            "stats" => self.structure().to_value(),
            name => lock(&self.settings).model.get(name).unwrap_or_else(|| pspec.default_value().clone()),
        }
    }
}

impl GstObjectImpl for AudioFeatures {}

impl ElementImpl for AudioFeatures {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Audio features",
                "Filter/Analyzer/Audio",
                "Windows audio on the video clock and computes the features of each video frame",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let audio = gst_audio::AudioCapsBuilder::new_interleaved()
                .format(gst_audio::AUDIO_FORMAT_F32)
                .rate(SAMPLE_RATE as i32)
                .channels_range(1..=MAX_CHANNELS as i32)
                .build();
            pad_templates(audio, TensorKind::AudioFeatures.template_caps())
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        let pulse = lock(&self.pulse).clone();
        if transition == gst::StateChange::PlayingToPaused
            && let Some(pulse) = &pulse
        {
            pulse.set_playing(false);
        }
        let success = self.parent_change_state(transition)?;
        if transition == gst::StateChange::PausedToPlaying
            && let Some(pulse) = &pulse
        {
            self.ask_upstream();
            pulse.set_playing(true);
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
        self.stats.reset();
        *lock(&self.engine) = Some(engine);
        *lock(&self.state) = Some(state);
        let element = self.obj().downgrade();
        let beat = move || {
            // A panic is an element error, as in the threads that GStreamer starts.
            element.upgrade().map_or(Beat::End, |e| e.imp().catch_panic(|| Beat::End, Self::beat))
        };
        let pulse = Pulse::start(beat)
            .map_err(|e| gst::error_msg!(gst::CoreError::Thread, ("cannot start a thread: {e}")))?;
        *lock(&self.pulse) = Some(Arc::new(pulse));
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let pulse = lock(&self.pulse).take();
        // Waits for the thread, which takes the other locks.
        drop(pulse);
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
        Some(filter.map_or(other.clone(), |f| f.intersect_with_mode(&other, gst::CapsIntersectMode::First)))
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
        if look_ahead::answer(query, || lock(&self.settings).look_ahead == LookAhead::Low) {
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
                self.complain_of_nothing();
            }
            gst::EventView::SegmentDone(_) => self.drain(),
            gst::EventView::FlushStop(_) => {
                if let Some(state) = lock(&self.state).as_mut() {
                    state.reset(false);
                    state.segment = None;
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
        Ok(self.next_buffer()?.map_or(GenerateOutputSuccess::NoOutput, GenerateOutputSuccess::Buffer))
    }
}
