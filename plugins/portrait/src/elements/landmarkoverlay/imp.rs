// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * SECTION:element-landmarkoverlay
 *
 * Draws onto the pictures of `facesynth` or `talkinghead` what their metadata tells, for people who look rather than read:
 * landmarks (green dots, white outlines), the axes of the head (red to its side, green down, blue out of the face) and
 * latent keypoints (orange dots). Pictures without the metadata pass untouched. Coordinates of the metadata are relative
 * to the picture, so scaling before this element does no harm; cropping and flipping does.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=speech.wav ! decodebin ! talkinghead portrait=photo.jpg ! landmarkoverlay latents=true ! videoconvert ! autovideosink
 * ]|
 *
 * Since: 0.1
 */
use std::sync::{LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::subclass::prelude::*;

use super::canvas::{FORMATS, VideoCanvas};
use super::drawing::Knowledge;
use super::settings::{Settings, properties};
use crate::stream::element::{Description, lock, pad_templates, sync_controls};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "landmarkoverlay",
        gst::DebugColorFlags::empty(),
        Some("Landmarks drawn on pictures"),
    )
});

#[derive(Default)]
pub struct LandmarkOverlay {
    settings: Mutex<Settings>,
}

static DESCRIPTION: Description = Description::new(
    [
        "Landmark overlay",
        "Filter/Effect/Video",
        "Draws landmarks, head pose and latents of animated portraits onto their pictures",
    ],
    || {
        let caps = gst_video::VideoCapsBuilder::new().format_list(FORMATS).build();
        pad_templates(caps.clone(), caps)
    },
);

#[glib::object_subclass]
impl ObjectSubclass for LandmarkOverlay {
    const NAME: &'static str = "GstLandmarkOverlay";
    type Type = super::LandmarkOverlay;
    type ParentType = gst_video::VideoFilter;
}

impl ObjectImpl for LandmarkOverlay {
    fn properties() -> &'static [glib::ParamSpec] {
        properties().specs()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        // None of them is a text that is read.
        let _ = properties().set(&mut lock(&self.settings), pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        properties().get(&mut lock(&self.settings), pspec)
    }
}

impl GstObjectImpl for LandmarkOverlay {}

impl ElementImpl for LandmarkOverlay {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        Some(DESCRIPTION.metadata())
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        DESCRIPTION.pad_templates()
    }
}

impl BaseTransformImpl for LandmarkOverlay {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn before_transform(&self, inbuf: &gst::BufferRef) {
        sync_controls(*CAT, self.obj().upcast_ref(), inbuf);
    }
}

impl VideoFilterImpl for LandmarkOverlay {
    fn transform_frame_ip(
        &self,
        frame: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let settings = *lock(&self.settings);
        let Some(known) = Knowledge::read(frame.buffer()) else { return Ok(gst::FlowSuccess::Ok) };
        let mut canvas = VideoCanvas::new(frame);
        if settings.landmarks {
            known.draw_landmarks(&mut canvas, settings.point_size, settings.line_width);
        }
        if settings.latents {
            known.draw_latents(&mut canvas, settings.point_size + 1);
        }
        if settings.pose {
            known.draw_pose(&mut canvas, settings.line_width * 3);
        }
        Ok(gst::FlowSuccess::Ok)
    }
}
