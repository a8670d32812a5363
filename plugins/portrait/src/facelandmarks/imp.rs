//! SECTION:element-facelandmarks
//! @title: facelandmarks
//! @short_description: tracks the face in a video
//!
//! Finds the largest face in a video, follows it, and sends its 478 landmarks (MediaPipe's face mesh with irises) as
//! `other/tensors`, one buffer a frame, with the frame's time stamps. The payload is the landmarks with the head pose
//! removed; the pose, the landmarks in the frame and a neutral emotion vector ride along as metadata:
//!
//! - `PortraitLandmarksMeta` `[478, 3]`: the payload again.
//! - `PortraitPoseMeta` `[7]`: yaw, pitch, roll in degrees, x, y, z, scale. The unit of length is the height of the frame, for
//!   x too, so that a pose does not depend on the aspect ratio.
//! - `PortraitPictureLandmarksMeta` `[478, 3]`: x from 0 to 1 over the frame's width, y over its height, z in the unit of x.
//! - `PortraitEmotionMeta` `[8]`: zeros; the element does not judge expressions.
//!
//! A frame without a face repeats the last face, and before the first one the pack's mean face in the middle of the frame, so
//! that what follows always has something to draw; such buffers carry the GAP flag. Input buffers that carry it are not
//! looked at.
//!
//! With QoS (property `qos`, on) frames that are late already are dropped before the networks run.
//!
//! ## Example launch line
//! ```text
//! gst-launch-1.0 videotestsrc num-buffers=10 ! video/x-raw,format=RGB,width=320,height=240 ! facelandmarks ! fakesink
//! ```
//! Since: portrait-0.1

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::prelude::*;

use super::tracker::{Tracked, Tracker};
use crate::face::RgbView;
use crate::landmark::COUNT;
use crate::pack::{EMOTIONS, POSE_LEN, PackError};
use crate::settings::{ModelSettings, pack_error_message};
use crate::tensor::{FrameMeta, TensorInfo, TensorKind, meta};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("facelandmarks", gst::DebugColorFlags::empty(), Some("Face landmarks of a video"))
});

/// Shape of the payload.
const SHAPE: [usize; 2] = [COUNT, 3];

/// Bytes of the payload.
const PAYLOAD_BYTES: usize = COUNT * 3 * size_of::<f32>();

/// What exists from start to stop.
struct State {
    tracker: Tracker,
    settings: ModelSettings,
    /// Geometry of the frames, from the caps.
    info: Option<gst_video::VideoInfo>,
    /// Whether the last frame showed a face, for the log.
    seen: bool,
}

#[derive(Default)]
pub struct FaceLandmarks {
    settings: Mutex<ModelSettings>,
    /// Held while the networks run: nothing that a property getter needs is in here.
    state: Mutex<Option<State>>,
    /// `id/version` of the open pack, for caps queries from any thread.
    pack: Mutex<Option<String>>,
}

impl FaceLandmarks {
    fn settings(&self) -> MutexGuard<'_, ModelSettings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pack(&self) -> MutexGuard<'_, Option<String>> {
        self.pack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The landmark streams that this element sends, once it has a pack of that pack alone.
    fn landmark_caps(&self) -> gst::Caps {
        let mut caps = TensorKind::Landmarks.template_caps();
        if let Some(pack) = &*self.pack() {
            let any = TensorInfo {
                kind: TensorKind::Landmarks,
                shape: SHAPE.to_vec(),
                framerate: gst::Fraction::new(0, 1),
                pack: pack.clone(),
            };
            let mut own = any.to_caps();
            own.make_mut().set("framerate", gst::FractionRange::new((0, 1), (i32::MAX, 1)));
            caps = own;
        }
        caps
    }

    fn pack_failed(&self, error: &PackError) -> gst::FlowError {
        gst::error!(CAT, imp = self, "{error}");
        gst::element_imp_error!(self, gst::LibraryError::Failed, ("{error}"));
        gst::FlowError::Error
    }
}

/// The structures of `caps` as those of `target`, each with its own frame rates.
fn with_framerates(target: &gst::Caps, caps: &gst::CapsRef) -> gst::Caps {
    if caps.is_any() {
        return target.clone();
    }
    let mut result = gst::Caps::new_empty();
    for s in caps.iter() {
        let mut other = target.clone();
        if let Ok(framerate) = s.value("framerate") {
            other.make_mut().set_value("framerate", framerate.clone());
        }
        result.merge(other);
    }
    result
}

#[glib::object_subclass]
impl ObjectSubclass for FaceLandmarks {
    const NAME: &'static str = "GstFaceLandmarks";
    type Type = super::FaceLandmarks;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for FaceLandmarks {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(ModelSettings::param_specs);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if !self.settings().set(pspec.name(), value) {
            gst::warning!(CAT, imp = self, "no property {}", pspec.name());
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let value = self.settings().get(pspec.name());
        value.unwrap_or_else(|| pspec.default_value().clone())
    }

    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        element.set_qos(true);
        element.set_gap_aware(true);
    }
}

impl GstObjectImpl for FaceLandmarks {}

impl ElementImpl for FaceLandmarks {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Face landmarks",
                "Filter/Analyzer/Video",
                "Tracks the face in a video: 478 landmarks and head pose of each frame",
                "The gst-portrait authors",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let video = gst_video::VideoCapsBuilder::new().format(gst_video::VideoFormat::Rgb).build();
            let template = |name, direction, caps: &gst::Caps| {
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, caps)
            };
            [
                template("sink", gst::PadDirection::Sink, &video),
                template("src", gst::PadDirection::Src, &TensorKind::Landmarks.template_caps()),
            ]
            .into_iter()
            .filter_map(Result::ok)
            .collect()
        });
        &TEMPLATES
    }
}

impl BaseTransformImpl for FaceLandmarks {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = self.settings().clone();
        meta::register();
        let started = settings.open().and_then(|(pack, device)| {
            let tracker = Tracker::new(&pack, device)?;
            gst::info!(CAT, imp = self, "tracking with pack {} on {device:?}", pack.id());
            Ok((tracker, pack.id()))
        });
        let (tracker, id) = started.map_err(|error| {
            gst::error!(CAT, imp = self, "{error}");
            pack_error_message(&error)
        })?;
        *self.pack() = Some(id);
        *self.state() = Some(State { tracker, settings, info: None, seen: false });
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *self.pack() = None;
        *self.state() = None;
        Ok(())
    }

    fn transform_caps(
        &self,
        direction: gst::PadDirection,
        caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> Option<gst::Caps> {
        let ours = self.landmark_caps();
        let other = if direction == gst::PadDirection::Sink {
            with_framerates(&ours, caps)
        } else {
            let video = self.obj().sink_pads().first().map(gst::Pad::pad_template_caps)?;
            with_framerates(&video, &caps.intersect(&ours))
        };
        let other = match filter {
            Some(filter) => filter.intersect_with_mode(&other, gst::CapsIntersectMode::First),
            None => other,
        };
        gst::trace!(CAT, imp = self, "{direction:?} {caps} becomes {other}");
        Some(other)
    }

    fn set_caps(&self, incaps: &gst::Caps, outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = gst_video::VideoInfo::from_caps(incaps)
            .map_err(|_| gst::loggable_error!(CAT, "not video caps: {incaps}"))?;
        let out = TensorInfo::from_caps(TensorKind::Landmarks, outcaps)
            .map_err(|e| gst::loggable_error!(CAT, "{e}: {outcaps}"))?;
        if out.shape != SHAPE {
            return Err(gst::loggable_error!(CAT, "landmarks of another shape: {outcaps}"));
        }
        let mut state = self.state();
        let state = state.as_mut().ok_or_else(|| gst::loggable_error!(CAT, "not started"))?;
        // Where the face was is in pixels of the old size.
        state.tracker.reset();
        state.info = Some(info);
        Ok(())
    }

    fn transform_size(
        &self,
        direction: gst::PadDirection,
        _caps: &gst::Caps,
        _size: usize,
        othercaps: &gst::Caps,
    ) -> Option<usize> {
        match direction {
            gst::PadDirection::Sink => Some(PAYLOAD_BYTES),
            _ => self.unit_size(othercaps),
        }
    }

    fn unit_size(&self, caps: &gst::Caps) -> Option<usize> {
        match gst_video::VideoInfo::from_caps(caps) {
            Ok(info) => Some(info.size()),
            Err(_) => Some(PAYLOAD_BYTES),
        }
    }

    fn propose_allocation(
        &self,
        decide_query: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        self.parent_propose_allocation(decide_query, query)?;
        query.add_allocation_meta::<gst_video::VideoMeta>(None);
        Ok(())
    }

    fn transform_meta<'a>(
        &self,
        outbuf: &mut gst::BufferRef,
        meta: gst::MetaRef<'a, gst::Meta>,
        inbuf: &'a gst::BufferRef,
    ) -> bool {
        // A video that we animated carries what was known of its frames: this face's landmarks take their place.
        let ours = meta
            .try_as_custom_meta()
            .is_some_and(|m| FrameMeta::ALL.iter().any(|kind| m.structure().name() == kind.name()));
        !ours && self.parent_transform_meta(outbuf, meta, inbuf)
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if matches!(event.type_(), gst::EventType::FlushStop | gst::EventType::StreamStart)
            && let Some(state) = &mut *self.state()
        {
            state.tracker.reset();
        }
        self.parent_sink_event(event)
    }

    fn transform(
        &self,
        inbuf: &gst::Buffer,
        outbuf: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut guard = self.state();
        let Some(state) = guard.as_mut() else { return Err(gst::FlowError::Flushing) };
        let Some(info) = state.info.clone() else { return Err(gst::FlowError::NotNegotiated) };
        let _threads = state.settings.limit_threads();
        let (width, height) = (info.width() as usize, info.height() as usize);
        let tracked = if inbuf.flags().contains(gst::BufferFlags::GAP) {
            Ok(state.tracker.hold(width, height))
        } else {
            let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(inbuf, &info).ok();
            let view = frame.as_ref().and_then(|frame| {
                let stride = usize::try_from(*frame.plane_stride().first()?).ok()?;
                RgbView::new(frame.plane_data(0).ok()?, stride, width, height)
            });
            let Some(view) = view else {
                drop(guard);
                gst::element_imp_error!(
                    self,
                    gst::StreamError::Format,
                    ("a buffer of {} bytes is no frame of {width}x{height} pixels", inbuf.size())
                );
                return Err(gst::FlowError::Error);
            };
            state.tracker.track(&view)
        };
        let written = match tracked {
            Ok(tracked) => {
                if tracked.found != state.seen {
                    state.seen = tracked.found;
                    gst::info!(
                        CAT,
                        imp = self,
                        "{} the face at {:?}",
                        if tracked.found { "found" } else { "lost" },
                        inbuf.pts()
                    );
                }
                write(tracked, outbuf)
            }
            Err(error) => {
                drop(guard);
                return Err(self.pack_failed(&error));
            }
        };
        drop(guard);
        written.map(|()| gst::FlowSuccess::Ok).map_err(|error| {
            gst::element_imp_error!(self, gst::ResourceError::Write, ("{error}"));
            gst::FlowError::Error
        })
    }
}

/// Fills an output buffer: payload, metadata, GAP flag.
fn write(tracked: &Tracked, outbuf: &mut gst::BufferRef) -> Result<(), glib::BoolError> {
    let landmarks = tracked.landmarks.as_flattened();
    outbuf.set_size(PAYLOAD_BYTES);
    {
        let mut map = outbuf.map_writable()?;
        for (bytes, value) in map.as_mut_slice().chunks_exact_mut(size_of::<f32>()).zip(landmarks) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
    }
    meta::attach(outbuf, FrameMeta::Emotion, &[EMOTIONS.len()], &[0.0; EMOTIONS.len()]);
    meta::attach(outbuf, FrameMeta::Landmarks, &SHAPE, landmarks);
    meta::attach(outbuf, FrameMeta::Pose, &[POSE_LEN], &tracked.pose.to_array());
    meta::attach(outbuf, FrameMeta::PictureLandmarks, &SHAPE, tracked.picture.as_flattened());
    if tracked.found {
        outbuf.unset_flags(gst::BufferFlags::GAP);
    } else {
        outbuf.set_flags(gst::BufferFlags::GAP);
    }
    Ok(())
}
