// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-facelandmarks
 *
 * Finds a face in a video, follows it, and sends its 478 landmarks (MediaPipe's face mesh with irises) as
 * `other/tensors`, one buffer a frame, with the frame's time stamps. The payload is the landmarks with the head pose
 * removed; the pose, the landmarks in the frame and a neutral emotion vector ride along as metadata:
 *
 * - `PortraitLandmarksMeta` `[478, 3]`: the payload again.
 * - `PortraitPoseMeta` `[7]`: yaw, pitch, roll in degrees, x, y, z, scale. The unit of length is the height of the upright
 *   frame, for x too, so that a pose does not depend on the aspect ratio.
 * - `PortraitPictureLandmarksMeta` `[478, 3]`: x from 0 to 1 over the frame's width, y over its height, z in the unit of x.
 * - `PortraitEmotionMeta` `[8]`: zeros; the element does not judge expressions.
 *
 * A frame without a face repeats the last face, and before the first one the pack's mean face in the middle of the frame, so
 * that what follows always has something to draw; such buffers carry the GAP flag. Input buffers that carry it are not
 * looked at. A video that shows no face in its first second is told once, as a warning.
 *
 * `face` says which one of several faces is followed. `left`, `right` and a point choose among those that are there when the
 * video begins, after a cut and when the property changes, which it may at any time; who was chosen is followed wherever the
 * face goes. Numbers count from the left where the first faces are seen, then as they come; a face keeps its number until it
 * was away for a second. The buffer with which another face begins than before carries the MARKER flag, so that what follows
 * does not take the change for a motion.
 *
 * A video that lies on its side or is mirrored is put upright as its tag `image-orientation` says, which goes no further.
 * Where a face lies on its side all the same, the video is turned by quarters until it does not.
 *
 * With QoS (property `qos`, on) frames that are late already are dropped before the networks run.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=10 ! video/x-raw,format=RGB,width=320,height=240 ! facelandmarks ! fakesink
 * ]|
 *
 * Since: 0.1
 */
use std::sync::Mutex;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;

use super::CAT;
use super::measure::Tracked;
use super::settings::{Settings, properties};
use super::tracker::Tracker;
use super::watch::{Sight, Watch, forwarded};
use crate::face::landmark::COUNT;
use crate::pack::{EMOTIONS, POSE_LEN};
use crate::stream::complaint::Complaints;
use crate::stream::element::{
    Description, carry_rate, is_live, lock, pad_templates, tensor_caps, time_segment,
};
use crate::stream::settings::{ModelSettings, pack_error_message};
use crate::stream::stats::Stats;
use crate::stream::tensor::{FrameMeta, TensorKind, buffer, meta};

/// Shape of the payload.
const SHAPE: [usize; 2] = [COUNT, 3];

/// Bytes of the payload.
const PAYLOAD_BYTES: usize = COUNT * 3 * size_of::<f32>();

/// What exists from start to stop.
struct State {
    watch: Watch,
    /// The properties as they were at the start.
    settings: ModelSettings,
}

#[derive(Default)]
pub struct FaceLandmarks {
    settings: Mutex<Settings>,
    complaints: Complaints,
    /// Held while the networks run: nothing that a property getter needs is in here.
    state: Mutex<Option<State>>,
    /// `id/version` of the open pack, for caps queries from any thread.
    pack: Mutex<Option<String>>,
    stats: Stats,
}

impl FaceLandmarks {
    /// The landmark streams that this element sends: of its own pack alone, once it is open.
    fn landmark_caps(&self) -> gst::Caps {
        let kind = TensorKind::Landmarks;
        lock(&self.pack)
            .as_deref()
            .map_or_else(|| kind.template_caps(), |pack| tensor_caps(kind, &SHAPE, pack))
    }
}

static DESCRIPTION: Description = Description::new(
    [
        "Face landmarks",
        "Filter/Analyzer/Video",
        "Tracks the face in a video: 478 landmarks and head pose of each frame",
    ],
    || {
        let video = gst_video::VideoCapsBuilder::new().format(gst_video::VideoFormat::Rgb).build();
        pad_templates(video, TensorKind::Landmarks.template_caps())
    },
);

#[glib::object_subclass]
impl ObjectSubclass for FaceLandmarks {
    const NAME: &'static str = "GstFaceLandmarks";
    type Type = super::FaceLandmarks;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for FaceLandmarks {
    fn properties() -> &'static [glib::ParamSpec] {
        properties().specs()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let stored = properties().set(&mut lock(&self.settings), pspec.name(), value);
        self.complaints.set(&*self.obj(), pspec.name(), stored.err().as_ref());
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.stats.structure().to_value(),
            _ => properties().get(&mut lock(&self.settings), pspec),
        }
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
        Some(DESCRIPTION.metadata())
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        DESCRIPTION.pad_templates()
    }
}

impl BaseTransformImpl for FaceLandmarks {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).model.clone();
        self.complaints.post(&*self.obj());
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
        self.stats.reset();
        *lock(&self.pack) = Some(id);
        *lock(&self.state) = Some(State { watch: Watch::new(tracker), settings });
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.pack) = None;
        *lock(&self.state) = None;
        Ok(())
    }

    fn transform_caps(
        &self,
        direction: gst::PadDirection,
        caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> Option<gst::Caps> {
        let base = if direction == gst::PadDirection::Sink {
            self.landmark_caps()
        } else {
            self.obj().sink_pads().first().map(gst::Pad::pad_template_caps)?
        };
        Some(carry_rate(caps, &base, filter))
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let live = is_live(self.obj().sink_pad());
        let mut state = lock(&self.state);
        let state = state.as_mut().ok_or_else(|| gst::loggable_error!(CAT, "not started"))?;
        state.watch.set_caps(incaps, live).map(drop)
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
        !meta::is_of_frame(&meta) && self.parent_transform_meta(outbuf, meta, inbuf)
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if Watch::is_concerned(&event) {
            let heard = lock(&self.state).as_mut().map(|state| state.watch.hear(&event));
            let choice = lock(&self.settings).face.choice;
            heard.unwrap_or_default().report.post(&*self.obj(), choice);
        }
        forwarded(event).is_none_or(|event| self.parent_sink_event(event))
    }

    fn submit_input_buffer(
        &self,
        is_discont: bool,
        inbuf: gst::Buffer,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.stats.count_skipped(self.parent_submit_input_buffer(is_discont, inbuf))
    }

    fn transform(
        &self,
        inbuf: &gst::Buffer,
        outbuf: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let _timer = self.stats.time();
        let segment = time_segment(self.obj().upcast_ref());
        let choice = lock(&self.settings).face.choice;
        let mut guard = lock(&self.state);
        let Some(state) = guard.as_mut() else { return Err(gst::FlowError::Flushing) };
        let _threads = state.settings.limit_threads();
        let write = |sight: Sight<'_>| write(sight.tracked, outbuf);
        let looked = state.watch.look(&*self.obj(), inbuf, &segment, choice, write);
        drop(guard);
        let (written, report) = looked.map_err(|blind| blind.post(&*self.obj()))?;
        report.post(&*self.obj(), choice);
        written.map(|()| gst::FlowSuccess::Ok).map_err(|error| {
            gst::element_imp_error!(self, gst::ResourceError::Write, ("{error}"));
            gst::FlowError::Error
        })
    }
}

/// Fills an output buffer: payload, metadata, flags.
fn write(tracked: &Tracked, outbuf: &mut gst::BufferRef) -> Result<(), buffer::SizeError> {
    let landmarks = tracked.landmarks.as_flattened();
    buffer::write_f32(outbuf, landmarks)?;
    meta::attach(outbuf, FrameMeta::Emotion, &[EMOTIONS.len()], &[0.0; EMOTIONS.len()]);
    meta::attach(outbuf, FrameMeta::Landmarks, &SHAPE, landmarks);
    meta::attach(outbuf, FrameMeta::Pose, &[POSE_LEN], &tracked.pose.to_array());
    meta::attach(outbuf, FrameMeta::PictureLandmarks, &SHAPE, tracked.picture.as_flattened());
    tracked.flag(outbuf);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::seen::LAST;

    /// The networks of a frame take the threads that were asked for, and the caller's own number is as it was.
    #[test]
    fn a_frame_takes_the_threads_that_the_property_says() {
        gst::init().unwrap();
        let element: super::super::FaceLandmarks = glib::Object::new();
        element.set_property("num-threads", 3u32);
        let mut h = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        h.set_src_caps_str("video/x-raw,format=RGB,width=64,height=64,framerate=25/1");
        let before = tch::get_num_threads();
        let mut frame = gst::Buffer::from_slice(vec![70u8; 64 * 64 * 3]);
        frame.make_mut().set_pts(gst::ClockTime::ZERO);
        h.push(frame).unwrap();
        assert_eq!(LAST.get(), 3);
        assert_eq!(tch::get_num_threads(), before);
    }
}
