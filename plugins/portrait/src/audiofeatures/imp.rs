/**
 * SECTION:element-audiofeatures
 *
 * Windows the audio on the video clock and runs the model pack's front end: one buffer of features for each video
 * frame. Frame `n` spans `[n, n + 1) / fps` of running time; its window reaches the pack's look-ahead beyond its end,
 * which is the element's latency besides the frame itself and `processing-deadline`, the time that all stages may take.
 *
 * In a live pipeline a frame comes out for every frame of running time, whether there is audio or not: what is missing
 * half of `processing-deadline` after its time is silence, and what comes later still is dropped and counted in `stats`.
 * Timestamps of the output are running times there. Audio that comes early, such as a sentence that a speech synthesizer
 * sends at once, waits for its time. A flush that keeps the running time (`reset-time` false) is an interruption: what was
 * waiting is forgotten, the face goes on.
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

use super::pulse::{Beat, Pulse};
use super::settings::{Settings, param_specs};
use super::state::{SAMPLE_BYTES, State};
use super::tags;
use crate::element::{lock, pad_templates};
use crate::pack::SAMPLE_RATE;
use crate::settings::pack_error_message;
use crate::stats::Stats;
use crate::tensor::TensorKind;

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
    pub(super) state: Mutex<Option<State>>,
    pub(super) pulse: Mutex<Option<Arc<Pulse>>>,
    /// The latency of what comes before may have changed.
    pub(super) ask_upstream: AtomicBool,
    stats: Stats,
}

impl AudioFeatures {
    /// The next frame with its timestamps, if its audio is there.
    pub(super) fn next_buffer(&self) -> Result<Option<gst::Buffer>, gst::FlowError> {
        let began = Instant::now();
        let _threads = lock(&self.settings).model.limit_threads();
        let mut guard = lock(&self.state);
        let state = guard.as_mut().ok_or(gst::FlowError::Flushing)?;
        // Before the first segment there is nothing to time, and nothing to push.
        if state.segment.is_none() && state.live.is_none() {
            return Ok(None);
        }
        let next = state.next();
        drop(guard);
        match next {
            Ok(None) => Ok(None),
            Ok(Some(buffer)) => {
                self.stats.add(began.elapsed());
                self.begin_output();
                Ok(Some(buffer))
            }
            Err(error) => {
                gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
                Err(gst::FlowError::Error)
            }
        }
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
        let mut guard = lock(&self.state);
        let state = guard.as_mut().ok_or(gst::FlowError::Flushing)?;
        if let Some(failed) = state.live.as_ref().and_then(|live| live.failed) {
            return Err(failed);
        }
        state.heard |= audio.size() > 0;
        let Some(segment) = &state.segment else {
            drop(guard);
            gst::element_imp_error!(self, gst::StreamError::Format, ["audio must come in a time segment"]);
            return Err(gst::FlowError::Error);
        };
        let rate = state.framer.clock().rate;
        let Some(audio) =
            gst_audio::audio_buffer_clip(audio, segment.upcast_ref(), rate, SAMPLE_BYTES as u32)
        else {
            return Ok(());
        };
        let placed = state.place(&audio);
        drop(guard);
        match placed {
            Ok(placed) => {
                if placed.late > 0 {
                    gst::debug!(CAT, imp = self, "{} samples come too late", placed.late);
                }
                if placed.retimed {
                    gst::element_imp_warning!(
                        self,
                        gst::StreamError::Decode,
                        ("a second of audio came too late: from now on it is heard when it comes, whatever its \
                             timestamps say; raise `processing-deadline`, or let the source report its latency")
                    );
                }
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

    fn structure(&self) -> gst::Structure {
        let deadline = lock(&self.settings).processing_deadline;
        let mut structure = self.stats.structure();
        if let Some(state) = lock(&self.state).as_ref() {
            structure.set("latency", (state.latency() + deadline).nseconds());
            structure.set("idle-frames", state.idle);
            structure.set("late-samples", state.late);
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
                .channels(1)
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
        let state = State::new(&settings).map_err(|e| pack_error_message(&e))?;
        self.stats.reset();
        *lock(&self.state) = Some(state);
        let element = self.obj().downgrade();
        let pulse = Pulse::start(move || element.upgrade().map_or(Beat::End, |element| element.imp().beat()))
            .map_err(|e| gst::error_msg!(gst::CoreError::Thread, ("cannot start a thread: {e}")))?;
        *lock(&self.pulse) = Some(Arc::new(pulse));
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let pulse = lock(&self.pulse).take();
        // Waits for the thread, which takes the other locks.
        drop(pulse);
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

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
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
                if let Some(state) = lock(&self.state).as_mut() {
                    state.segment = segment.segment().clone().downcast().ok();
                }
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
