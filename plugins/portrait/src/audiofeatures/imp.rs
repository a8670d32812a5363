/**
 * SECTION:element-audiofeatures
 *
 * Windows the audio on the video clock and runs the model pack's front end: one buffer of features for each video
 * frame. Frame `n` spans `[n, n + 1) / fps` of running time; its window reaches the pack's look-ahead beyond its end,
 * which is the element's latency besides the frame itself.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 audiotestsrc num-buffers=100 ! audioconvert ! audioresample ! audiofeatures ! fakesink
 * ]|
 *
 * Since: 0.1
 */
use std::sync::{Arc, LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;

use super::framer::{FrameClock, Framer};
use crate::element::{lock, pad_templates};
use crate::pack::{PackError, Stage};
use crate::settings::{ModelSettings, pack_error_message};
use crate::tensor::{TensorInfo, TensorKind, buffer};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "audiofeatures",
        gst::DebugColorFlags::empty(),
        Some("Audio features of video frames"),
    )
});

/// Bytes of one mono float sample.
const SAMPLE_BYTES: usize = 4;

/// What lives from start to stop.
struct State {
    stage: Arc<Stage>,
    info: TensorInfo,
    framer: Framer,
    /// Samples of one window, reused.
    window: Vec<f32>,
    /// Numbers of one frame's features, reused.
    features: Vec<f32>,
    /// The next buffer comes first after a flush, a gap or the start.
    discont: bool,
}

#[derive(Default)]
pub struct AudioFeatures {
    settings: Mutex<ModelSettings>,
    state: Mutex<Option<State>>,
}

impl State {
    fn new(settings: &ModelSettings) -> Result<Self, PackError> {
        let (pack, device) = settings.open()?;
        let _threads = settings.limit_threads();
        let stage = pack.stage("features", device)?;
        let manifest = pack.manifest();
        let missing = || PackError::NoStage { pack: pack.id(), stage: "features".into() };
        let shape = manifest.feature_shape().ok_or_else(missing)?;
        let fps = manifest.frame_rate().ok_or_else(missing)?;
        let clock = FrameClock { rate: manifest.clock.sample_rate, fps };
        let info = TensorInfo { kind: TensorKind::AudioFeatures, shape, framerate: fps, pack: pack.id() };
        Ok(Self {
            stage,
            framer: Framer::new(clock, manifest.clock.window_samples, manifest.clock.look_ahead_samples),
            window: vec![0.0; manifest.clock.window_samples],
            features: vec![0.0; info.len()],
            info,
            discont: true,
        })
    }

    /// Places a buffer of audio on the grid.
    fn place(
        &mut self,
        audio: &gst::BufferRef,
        grid: Option<gst::ClockTime>,
    ) -> Result<(), buffer::SizeError> {
        let mut samples = vec![0.0; audio.size() / SAMPLE_BYTES];
        // A gap buffer is silence, whatever its bytes.
        if !audio.flags().contains(gst::BufferFlags::GAP) {
            buffer::read_f32(audio, &mut samples)?;
            samples.iter_mut().for_each(|s| *s = audible(*s));
        }
        let discont = audio.flags().contains(gst::BufferFlags::DISCONT);
        let position = grid.map(|t| self.framer.clock().sample_at(t));
        self.framer.place(position, discont, &samples);
        Ok(())
    }

    /// Features of the next frame whose window is complete.
    fn next(&mut self) -> Result<Option<(u64, gst::Buffer)>, PackError> {
        let Some(frame) = self.framer.next(&mut self.window) else { return Ok(None) };
        let output = self.stage.run(&[self.stage.input(0, &self.window)?])?;
        self.stage.read(&output[0], &mut self.features)?;
        let mut out = buffer::from_f32(&self.features);
        if let Some(out) = out.get_mut() {
            out.set_offset(frame);
            out.set_offset_end(frame + 1);
            if std::mem::take(&mut self.discont) {
                out.set_flags(gst::BufferFlags::DISCONT);
            }
        }
        Ok(Some((frame, out)))
    }

    fn reset(&mut self) {
        self.framer.reset();
        self.discont = true;
    }

    fn latency(&self) -> gst::ClockTime {
        let clock = self.framer.clock();
        clock.frame_time(1) + clock.duration_of(self.framer.look_ahead())
    }
}

/// A sample as a loudspeaker would play it. Broken sources send NaN and numbers that overflow in a spectrum; a stream must
/// not end for them.
fn audible(sample: f32) -> f32 {
    if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) }
}

/// Time since the start of the presentation: running time at normal speed. Other speeds keep the stream's own pace,
/// because the sound that arrives does.
fn grid_time(segment: &gst::FormattedSegment<gst::ClockTime>, pts: gst::ClockTime) -> Option<gst::ClockTime> {
    let start = segment.start()?;
    Some(pts.checked_sub(start)? + segment.base().unwrap_or_default())
}

/// The stream's timestamp at a grid time.
fn stream_position(segment: &gst::FormattedSegment<gst::ClockTime>, grid: gst::ClockTime) -> gst::ClockTime {
    let start = segment.start().unwrap_or_default();
    (grid + start).checked_sub(segment.base().unwrap_or_default()).unwrap_or(start)
}

impl AudioFeatures {
    fn segment(&self) -> Option<gst::FormattedSegment<gst::ClockTime>> {
        self.obj().segment().downcast::<gst::ClockTime>().ok()
    }

    /// The next frame with its timestamps, if its audio is there.
    fn next_buffer(&self) -> Result<Option<gst::Buffer>, gst::FlowError> {
        // Before the first segment there is nothing to time, and nothing to push.
        let Some(segment) = self.segment() else { return Ok(None) };
        let _threads = lock(&self.settings).limit_threads();
        let mut guard = lock(&self.state);
        let state = guard.as_mut().ok_or(gst::FlowError::Flushing)?;
        let next = state.next();
        let clock = state.framer.clock();
        drop(guard);
        let (frame, mut out) = match next {
            Ok(Some(next)) => next,
            Ok(None) => return Ok(None),
            Err(error) => {
                gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
                return Err(gst::FlowError::Error);
            }
        };
        let begin = stream_position(&segment, clock.frame_time(frame));
        let end = stream_position(&segment, clock.frame_time(frame + 1));
        if let Some(out) = out.get_mut() {
            out.set_pts(begin);
            out.set_duration(end.saturating_sub(begin));
        }
        Ok(Some(out))
    }

    /// Pushes every frame whose audio is there. No lock is held over a push.
    fn push_ready(&self) -> Result<(), gst::FlowError> {
        while let Some(buffer) = self.next_buffer()? {
            gst::trace!(CAT, imp = self, "pushing {buffer:?}");
            self.obj().src_pad().push(buffer)?;
        }
        Ok(())
    }

    /// Pushes the frames that wait for look-ahead, with silence in its place, and starts anew.
    fn drain(&self) -> Result<(), gst::FlowError> {
        if let Some(state) = lock(&self.state).as_mut() {
            state.framer.finish();
        }
        let result = self.push_ready();
        if let Some(state) = lock(&self.state).as_mut() {
            state.reset();
        }
        result
    }

    fn gap(&self, gap: &gst::event::Gap) {
        let (pts, duration) = gap.get();
        let (Some(duration), Some(segment)) = (duration, self.segment()) else { return };
        if let Some(state) = lock(&self.state).as_mut() {
            let clock = state.framer.clock();
            let position = grid_time(&segment, pts).map(|t| clock.sample_at(t));
            state.framer.place_silence(position, clock.sample_at(duration));
        }
        if let Err(error) = self.push_ready() {
            gst::debug!(CAT, imp = self, "frames of a gap were not taken: {error}");
        }
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
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(ModelSettings::param_specs);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        lock(&self.settings).set(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        lock(&self.settings).get(pspec.name()).unwrap_or_else(|| pspec.default_value().clone())
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
                .rate(16000)
                .channels(1)
                .build();
            pad_templates(audio, TensorKind::AudioFeatures.template_caps())
        });
        &TEMPLATES
    }
}

impl BaseTransformImpl for AudioFeatures {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let state = State::new(&settings).map_err(|e| pack_error_message(&e))?;
        *lock(&self.state) = Some(state);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
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
                .map_or_else(|| TensorKind::AudioFeatures.template_caps(), |s| s.info.to_caps())
        };
        Some(filter.map_or(other.clone(), |f| f.intersect_with_mode(&other, gst::CapsIntersectMode::First)))
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if !BaseTransformImplExt::parent_query(self, direction, query) {
            return false;
        }
        if let gst::QueryViewMut::Latency(q) = query.view_mut() {
            let Some(own) = lock(&self.state).as_ref().map(State::latency) else { return true };
            let (live, min, max) = q.result();
            q.set(live, min + own, max.map(|max| max + own));
        }
        true
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::Gap(gap) => {
                self.gap(gap);
                return true;
            }
            gst::EventView::Eos(_) | gst::EventView::Segment(_) | gst::EventView::SegmentDone(_) => {
                if let Err(error) = self.drain() {
                    gst::debug!(CAT, imp = self, "last frames were not taken: {error}");
                }
            }
            gst::EventView::FlushStop(_) => {
                if let Some(state) = lock(&self.state).as_mut() {
                    state.reset();
                }
            }
            _ => (),
        }
        self.parent_sink_event(event)
    }

    fn generate_output(
        &self,
    ) -> Result<gst_base::subclass::base_transform::GenerateOutputSuccess, gst::FlowError> {
        use gst_base::subclass::base_transform::GenerateOutputSuccess;
        if let Some(audio) = self.take_queued_buffer() {
            let segment = self.segment().ok_or_else(|| {
                gst::element_imp_error!(
                    self,
                    gst::StreamError::Format,
                    ["audio must come in a time segment"]
                );
                gst::FlowError::Error
            })?;
            let rate =
                lock(&self.state).as_ref().map(|s| s.framer.clock().rate).ok_or(gst::FlowError::Flushing)?;
            let Some(audio) =
                gst_audio::audio_buffer_clip(audio, segment.upcast_ref(), rate, SAMPLE_BYTES as u32)
            else {
                return Ok(GenerateOutputSuccess::NoOutput);
            };
            let grid = audio.pts().and_then(|pts| grid_time(&segment, pts));
            let placed = lock(&self.state).as_mut().map(|state| state.place(&audio, grid));
            if let Some(Err(error)) = placed {
                gst::element_imp_error!(self, gst::StreamError::Format, ("{error}"));
                return Err(gst::FlowError::Error);
            }
        }
        Ok(self.next_buffer()?.map_or(GenerateOutputSuccess::NoOutput, GenerateOutputSuccess::Buffer))
    }
}
