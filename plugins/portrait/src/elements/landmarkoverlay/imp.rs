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
use crate::stream::element::{lock, pad_templates, sync_controls};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "landmarkoverlay",
        gst::DebugColorFlags::empty(),
        Some("Landmarks drawn on pictures"),
    )
});

/// Widest line and largest dot, pixels.
const MAX_WIDTH: u32 = 32;

#[derive(Clone, Copy)]
struct Settings {
    landmarks: bool,
    pose: bool,
    latents: bool,
    point_size: u32,
    line_width: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { landmarks: true, pose: true, latents: false, point_size: 2, line_width: 1 }
    }
}

#[derive(Default)]
pub struct LandmarkOverlay {
    settings: Mutex<Settings>,
}

#[glib::object_subclass]
impl ObjectSubclass for LandmarkOverlay {
    const NAME: &'static str = "GstLandmarkOverlay";
    type Type = super::LandmarkOverlay;
    type ParentType = gst_video::VideoFilter;
}

impl ObjectImpl for LandmarkOverlay {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let default = Settings::default();
            let switch = |name: &str, nick: &str, blurb: &str, default| {
                glib::ParamSpecBoolean::builder(name)
                    .nick(nick)
                    .blurb(blurb)
                    .default_value(default)
                    .mutable_playing()
                    .controllable()
                    .build()
            };
            let width = |name: &str, nick: &str, blurb: &str, default| {
                glib::ParamSpecUInt::builder(name)
                    .nick(nick)
                    .blurb(blurb)
                    .minimum(1)
                    .maximum(MAX_WIDTH)
                    .default_value(default)
                    .mutable_playing()
                    .controllable()
                    .build()
            };
            vec![
                switch("landmarks", "Landmarks", "Draw the 478 landmarks and outlines", default.landmarks),
                switch("pose", "Pose", "Draw the axes of the head", default.pose),
                switch("latents", "Latents", "Draw the latent keypoints", default.latents),
                width("point-size", "Point size", "Side of a point in pixels", default.point_size),
                width(
                    "line-width",
                    "Line width",
                    "Width of outlines in pixels; the axes of the head are three times as wide",
                    default.line_width,
                ),
            ]
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        let default = Settings::default();
        match pspec.name() {
            "landmarks" => settings.landmarks = value.get().unwrap_or(default.landmarks),
            "pose" => settings.pose = value.get().unwrap_or(default.pose),
            "latents" => settings.latents = value.get().unwrap_or(default.latents),
            "point-size" => settings.point_size = value.get().unwrap_or(default.point_size),
            "line-width" => settings.line_width = value.get().unwrap_or(default.line_width),
            name => gst::warning!(CAT, imp = self, "no property {name}"),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = lock(&self.settings);
        match pspec.name() {
            "landmarks" => settings.landmarks.to_value(),
            "pose" => settings.pose.to_value(),
            "latents" => settings.latents.to_value(),
            "point-size" => settings.point_size.to_value(),
            "line-width" => settings.line_width.to_value(),
            _ => pspec.default_value().clone(),
        }
    }
}

impl GstObjectImpl for LandmarkOverlay {}

impl ElementImpl for LandmarkOverlay {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Landmark overlay",
                "Filter/Effect/Video",
                "Draws landmarks, head pose and latents of animated portraits onto their pictures",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst_video::VideoCapsBuilder::new().format_list(FORMATS).build();
            pad_templates(caps.clone(), caps)
        });
        &TEMPLATES
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
