// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-facesynth
 *
 * Paints the photo in the state that the latent keypoints say: warps it, paints what warping cannot give, and puts it
 * over a still background. Every picture is marked as synthetic (metadata `PortraitSyntheticMeta`, a comment tag) and
 * carries what the stages before knew of the frame: landmarks, pose, latents, emotion.
 *
 * Format, size and frame rate are those that downstream asks for by caps. RGB (sRGB), RGBA and BGRA, or I420 and NV12
 * (BT.601 up to 576 rows, else BT.709, unless asked for the other) go to encoders and mixers without a converter.
 * Width and height are 64 to 3840 pixels each, even ones for I420 and NV12, in any shape: the square around the face
 * (512x512 unless asked) fits the shorter side, and what the longer one has more is the photo's own surroundings. Where the
 * photo ends, the picture is made tighter around the head, and what is still missing is the photo continued out of
 * focus. The whole photo has its own size up to 3840x2160 unless asked for another; it is never distorted or cut. Pixels
 * may be up to twice as wide or high as they are square. At another rate than that of the latents the motion is
 * interpolated, which adds half a frame of both rates to the latency. What cannot be had is one error that says what can.
 *
 * A second photo of the person (`portrait-open`), taken from the front with the mouth open as in speech, shows what the
 * first one hides: the inside of the mouth, teeth above all, is then drawn from it, in the light of the first.
 *
 * Where the photo shows several people, `face` chooses one of them; the others stay still.
 * Photos may be set while the element plays. They are analysed beside the stream, and the picture changes between two
 * frames, in step with the elements before this one: landmarks, pose and latents are those of the new person from the same
 * frame on, and the face goes on speaking. Until then the properties tell what was asked for. Photos that cannot be used are
 * a warning on the bus: both properties go back to those in use. The newest of several counts. With `framing=full` pictures
 * take the size of the new photo; where downstream does not take it, that is a warning, too. Frames for a photo that was set
 * while playing carry the metadata `PortraitPhotoMeta`. A second photo belongs to a person: set both, one after the other.
 *
 * With `background=transparent` the person is cut out: RGBA and BGRA with straight alpha, which is what compositor,
 * glvideomixer and PNG take, or premultiplied, which is what cairo and most GPU toolkits take.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 filesrc location=speech.wav ! decodebin ! audioconvert ! audioresample ! audiofeatures ! speech2landmarks ! landmarks2latents ! facesynth portrait=photo.jpg ! videoconvert ! autovideosink
 * ]|
 * |[
 * gst-launch-1.0 compositor name=mix ! videoconvert ! autovideosink   videotestsrc num-buffers=90 ! video/x-raw,width=1280,height=720 ! mix.   filesrc location=speech.wav ! decodebin ! talkinghead portrait=photo.jpg background=transparent ! video/x-raw,width=720,framerate=30/1 ! mix.
 * ]|
 *
 * Since: 0.1
 */
use std::sync::{Arc, LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_transform::{GenerateOutputSuccess, InputBuffer, PrepareOutputBufferSuccess};
use gst_base::subclass::prelude::*;

use super::formats::Sizes;
use super::newcomer::Newcomers;
use super::resample::{Resampler, Shot};
use super::settings::{Look, Settings, properties};
use super::state::State;
use super::utterance::Herald;
use super::{Background, formats, pool, refusal, source};
use crate::photo::{Photos, context};
use crate::stream::complaint::Complaints;
use crate::stream::element::{Description, filtered, lock, pad_templates, sync_controls_to, time_segment};
use crate::stream::refusal::Refusal;
use crate::stream::stats::Stats;
use crate::stream::tensor::{TensorKind, meta};
use crate::stream::turn::Turn;
use crate::stream::unfollowed::Unfollowed;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("facesynth", gst::DebugColorFlags::empty(), Some("Pictures from latents"))
});

#[derive(Default)]
pub struct FaceSynth {
    pub(super) settings: Mutex<Settings>,
    /// Held while a picture is drawn: queries and getters need nothing of it.
    pub(super) state: Mutex<Option<State>>,
    /// The analysed photos that are shown.
    pub(super) photos: Mutex<Option<Photos>>,
    pub(super) terms: Mutex<Option<Terms>>,
    /// Photos that are set while playing.
    pub(super) newcomers: Arc<Newcomers>,
    complaints: Complaints,
    unfollowed: Unfollowed,
    herald: Herald,
    stats: Stats,
    refusal: Refusal,
}

/// What caps and latency queries ask for.
pub(super) struct Terms {
    pub sizes: Sizes,
    latent_shape: Vec<usize>,
    pack: String,
    latency: gst::ClockTime,
}

impl Terms {
    /// Bytes of a buffer of latents.
    fn input_size(&self) -> usize {
        self.latent_shape.iter().product::<usize>() * size_of::<f32>()
    }
}

impl FaceSynth {
    /// Draws the picture of that timestamp with the state locked and the model's threads limited; a failure is posted.
    fn draw(
        &self,
        pts: Option<gst::ClockTime>,
        frame: impl FnOnce(&mut State, Look) -> Result<(), String>,
    ) -> Result<(), gst::FlowError> {
        sync_controls_to(*CAT, self.obj().upcast_ref(), pts);
        let settings = lock(&self.settings);
        let (_threads, look) = (settings.model.limit_threads(), settings.look);
        drop(settings);
        let timer = self.stats.time();
        let mut guard = lock(&self.state);
        let state = guard.as_mut().ok_or(gst::FlowError::Flushing)?;
        let (result, own) = (frame(state, look), state.latency());
        drop(guard);
        drop(timer);
        let running = time_segment(self.obj().upcast_ref()).to_running_time(pts);
        self.stats.watch(self.obj().upcast_ref(), self.obj().sink_pad(), running.map(|time| time + own));
        result.map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Failed, ("{error}"));
            gst::FlowError::Error
        })
    }

    /// Draws a frame between two buffers of latents into a new buffer.
    fn picture(&self, shot: &Shot) -> Result<gst::Buffer, gst::FlowError> {
        let nearest = shot.nearest();
        self.meet(nearest)?;
        let prepared = self.parent_prepare_output_buffer(InputBuffer::Readable(nearest))?;
        let PrepareOutputBufferSuccess::Buffer(mut outbuf) = prepared else {
            return Err(gst::FlowError::Error);
        };
        let out = outbuf.make_mut();
        out.set_pts(shot.pts);
        out.set_duration(shot.duration);
        // The base class marks the one frame after a gap.
        out.unset_flags(gst::BufferFlags::DISCONT);
        self.draw(Some(shot.pts), |state, look| state.render_between(shot, out, look))?;
        Ok(outbuf)
    }

    /// Gives out the frames in the rest of the newest latents.
    fn drain(&self) {
        loop {
            let shot = match lock(&self.state).as_mut().and_then(|s| s.resampler.as_mut()) {
                Some(resampler) => resampler.rest(),
                None => return,
            };
            let Some(shot) = shot else { return };
            let pushed = self.picture(&shot).and_then(|buffer| self.obj().src_pad().push(buffer));
            if let Err(flow) = pushed {
                gst::debug!(CAT, imp = self, "the last frames were not taken: {flow}");
                return;
            }
        }
    }

    /// Says what is wrong where downstream takes none of the pictures.
    fn explain_refusal(&self) {
        let transparent = lock(&self.settings).look.background == Background::Transparent;
        let taken = self.obj().src_pad().peer_query_caps(None);
        if transparent && !taken.is_empty() && !taken.can_intersect(&formats::alpha_caps()) {
            self.refuse_caps(
                "downstream takes neither RGBA nor BGRA, which background=transparent needs: put a videoconvert or a \
                 compositor behind this element, or set background to keep or color",
            );
            return;
        }
        let sizes = lock(&self.terms).as_ref().map(|terms| terms.sizes);
        let offered = sizes.map(|sizes| formats::at_any_rate(&formats::offer(sizes, transparent)));
        if let Some(text) = offered.and_then(|offered| refusal::reason(&taken, &offered)) {
            self.refuse_caps(&text);
        }
    }

    /// Posts why nothing was negotiated.
    fn refuse_caps(&self, text: &str) {
        self.refusal.post(&*self.obj(), gst::error_msg!(gst::CoreError::Negotiation, ("{text}")));
    }
}

static DESCRIPTION: Description = Description::new(
    ["Face synthesizer", "Inference/Converter/Video", "Paints an animated portrait from latent keypoints"],
    || pad_templates(TensorKind::Latents.template_caps(), formats::template_caps()),
);

#[glib::object_subclass]
impl ObjectSubclass for FaceSynth {
    const NAME: &'static str = "GstFaceSynth";
    type Type = super::FaceSynth;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for FaceSynth {
    fn constructed(&self) {
        self.parent_constructed();
        // Late frames are dropped before they cost a network run; BaseTransform posts the QoS messages.
        self.obj().set_qos(true);
    }

    fn properties() -> &'static [glib::ParamSpec] {
        properties().specs()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let background = |settings: &Settings| settings.look.background;
        let mut settings = lock(&self.settings);
        let before = background(&settings);
        let stored = properties().set(&mut settings, pspec.name(), value);
        let changed = background(&settings) != before;
        drop(settings);
        self.complaints.set(&*self.obj(), pspec.name(), stored.err().as_ref());
        self.unfollowed.check(&*self.obj(), pspec.name());
        if matches!(pspec.name(), "portrait" | "portrait-open") {
            self.ask_for_photos();
        }
        if changed {
            // What is transparent needs a format that can be.
            self.obj().reconfigure_src();
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.stats.structure().to_value(),
            _ => properties().get(&mut lock(&self.settings), pspec),
        }
    }
}

impl GstObjectImpl for FaceSynth {}

impl ElementImpl for FaceSynth {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        Some(DESCRIPTION.metadata())
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        DESCRIPTION.pad_templates()
    }
}

impl BaseTransformImpl for FaceSynth {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        self.complaints.post(&*self.obj());
        let _threads = settings.model.limit_threads();
        // Held until the state has it: else it would be read a second time.
        let _pack = settings.model.open();
        let photos = self.read_photos(&settings).map_err(|fault| fault.to_message())?;
        *lock(&self.photos) = Some(photos.clone());
        context::announce(&*self.obj(), &photos);
        let state = State::new(&settings, photos).map_err(|e| source::render_error_message(&e))?;
        gst::debug!(CAT, imp = self, "pictures of {:?}", state.sizes());
        self.unfollowed.start(&*self.obj(), &state.pack);
        self.stats.begin(state.precision());
        *lock(&self.terms) = Some(Terms {
            sizes: state.sizes(),
            latent_shape: state.latent_shape.clone(),
            pack: state.id.clone(),
            latency: state.latency(),
        });
        self.refusal.forget();
        *lock(&self.state) = Some(state);
        self.newcomers.start(settings.paths());
        if lock(&self.settings).paths() != settings.paths() {
            // They were set meanwhile.
            self.ask_for_photos();
        }
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        self.newcomers.stop();
        self.unfollowed.stop();
        self.herald.stop();
        *lock(&self.terms) = None;
        *lock(&self.state) = None;
        *lock(&self.photos) = None;
        Ok(())
    }

    fn transform_caps(
        &self,
        direction: gst::PadDirection,
        caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> Option<gst::Caps> {
        let transparent = lock(&self.settings).look.background == Background::Transparent;
        let terms = lock(&self.terms);
        let all = match (direction, terms.as_ref()) {
            // Any rate of the pictures can be made of any rate of the latents.
            (gst::PadDirection::Src, _) => TensorKind::Latents.template_caps(),
            (_, Some(t)) => formats::at_rates(caps, &formats::offer(t.sizes, transparent)),
            (_, None) => formats::template_caps(),
        };
        Some(filtered(all, filter))
    }

    fn fixate_caps(&self, direction: gst::PadDirection, caps: &gst::Caps, othercaps: gst::Caps) -> gst::Caps {
        let sizes = lock(&self.terms).as_ref().map(|t| t.sizes);
        let rate = caps.structure(0).and_then(|s| s.get("framerate").ok());
        match (direction, sizes, rate) {
            (gst::PadDirection::Sink, Some(sizes), Some(rate)) => formats::fixate(othercaps, sizes, rate),
            _ => self.parent_fixate_caps(direction, caps, othercaps),
        }
    }

    fn set_caps(&self, incaps: &gst::Caps, outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let own = lock(&self.terms).as_ref().map(|t| (t.latent_shape.clone(), t.pack.clone()));
        let (shape, pack) = own.ok_or_else(|| gst::loggable_error!(CAT, "not started"))?;
        let takes = (TensorKind::Latents, &shape[..]);
        let checked = self.refusal.check(self.obj().sink_pad(), takes, &pack, incaps);
        checked.map_err(|e| gst::loggable_error!(CAT, "{e}"))?;
        let look = lock(&self.settings).look;
        let mut guard = lock(&self.state);
        let state = guard.as_mut().ok_or_else(|| gst::loggable_error!(CAT, "not started"))?;
        let negotiated = state.negotiate(incaps, outcaps, look);
        let latency = state.latency();
        drop(guard);
        if let Err(error) = negotiated {
            self.refuse_caps(&error);
            return Err(gst::loggable_error!(CAT, "{error}"));
        }
        self.refusal.forget();
        let changed = lock(&self.terms)
            .as_mut()
            .is_some_and(|terms| std::mem::replace(&mut terms.latency, latency) != latency);
        gst::debug!(CAT, imp = self, "pictures are {outcaps}");
        if changed {
            // An element outside of a pipeline has no bus: then nobody asks.
            let _ = self.obj().post_message(gst::message::Latency::builder().src(&*self.obj()).build());
        }
        Ok(())
    }

    fn transform_size(
        &self,
        direction: gst::PadDirection,
        _caps: &gst::Caps,
        _size: usize,
        othercaps: &gst::Caps,
    ) -> Option<usize> {
        if direction == gst::PadDirection::Sink {
            return gst_video::VideoInfo::from_caps(othercaps).ok().map(|info| info.size());
        }
        lock(&self.terms).as_ref().map(Terms::input_size)
    }

    fn transform_meta<'a>(
        &self,
        outbuf: &mut gst::BufferRef,
        meta: gst::MetaRef<'a, gst::Meta>,
        inbuf: &'a gst::BufferRef,
    ) -> bool {
        // Places that the stages before know are those in this picture.
        meta::is_of_frame(&meta) || self.parent_transform_meta(outbuf, meta, inbuf)
    }

    fn decide_allocation(&self, query: &mut gst::query::Allocation) -> Result<(), gst::LoggableError> {
        pool::decide(*CAT, query)?;
        self.parent_decide_allocation(query)
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        let photos = lock(&self.photos).clone();
        if context::answer(query, photos.as_ref()) {
            return true;
        }
        let answered = BaseTransformImplExt::parent_query(self, direction, query);
        if let (gst::PadDirection::Src, true, gst::QueryViewMut::Latency(latency)) =
            (direction, answered, query.view_mut())
        {
            let more = lock(&self.terms).as_ref().map_or(gst::ClockTime::ZERO, |t| t.latency);
            let (live, min, max) = latency.result();
            latency.set(live, min + more, max.map(|max| max + more));
        }
        answered
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        let is = |kind| event.type_() == kind;
        let (first, caps) = (is(gst::EventType::Segment), is(gst::EventType::Caps));
        let ends = matches!(
            event.type_(),
            gst::EventType::Eos
                | gst::EventType::SegmentDone
                | gst::EventType::Segment
                | gst::EventType::StreamStart
                | gst::EventType::Caps
                | gst::EventType::Gap
        );
        if ends {
            self.drain();
        }
        if let Some(turn) = Turn::read(&event) {
            self.herald.tell(self.obj().upcast_ref(), self.obj().sink_pad(), turn);
        }
        if (is(gst::EventType::FlushStop) || ends && !is(gst::EventType::Gap))
            && let Some(resampler) = lock(&self.state).as_mut().and_then(|s| s.resampler.as_mut())
        {
            resampler.reset();
        }
        let handled = self.parent_sink_event(event);
        if caps && !handled {
            self.explain_refusal();
        }
        if first {
            self.obj().src_pad().push_event(gst::event::Tag::new(meta::synthetic_tags()));
        }
        handled
    }

    fn src_event(&self, event: gst::Event) -> bool {
        if let gst::EventView::Latency(latency) = event.view() {
            self.herald.set_latency(latency.latency());
        }
        self.parent_src_event(event)
    }

    fn submit_input_buffer(
        &self,
        is_discont: bool,
        inbuf: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let latents = inbuf.clone();
        let flow = self.stats.count_skipped(self.parent_submit_input_buffer(is_discont, inbuf));
        if flow == Err(gst::FlowError::NotNegotiated) {
            self.explain_refusal();
        }
        if let Some(resampler) = lock(&self.state).as_mut().and_then(|s| s.resampler.as_mut())
            && flow.is_ok()
        {
            resampler.push(latents);
            if flow != Ok(gst::FlowSuccess::Ok) {
                // Too late: the frames that these latents complete are skipped, not those after them.
                while resampler.shot().is_some() {}
            }
        }
        flow
    }

    fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
        let shot = lock(&self.state).as_mut().and_then(|s| s.resampler.as_mut()).map(Resampler::shot);
        let Some(shot) = shot else {
            if let Some(latents) = self.queued_buffer() {
                self.meet(&latents)?;
            }
            return self.parent_generate_output();
        };
        // The resampler has it.
        drop(self.take_queued_buffer());
        shot.map_or(Ok(GenerateOutputSuccess::NoOutput), |shot| {
            self.picture(&shot).map(GenerateOutputSuccess::Buffer)
        })
    }

    fn transform(
        &self,
        inbuf: &gst::Buffer,
        outbuf: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.draw(inbuf.pts(), |state, look| state.render(inbuf, outbuf, look)).map(|()| gst::FlowSuccess::Ok)
    }
}
