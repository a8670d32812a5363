//! The properties of `landmarks2latents`: what they are called, what they allow, where they are kept.

use gst::glib;
use gst::prelude::*;

use crate::stream::settings::{ModelSettings, number_param_spec as number, seed_param_spec, store};
use crate::stream::stats;

/// Largest `yaw`, `pitch` and `roll`, degrees. What the photo can show is less: see [`super::head`].
const MAX_ANGLE: f32 = 90.0;

/// Largest `x` and `y`, in head sizes (distances of the outer eye corners).
const MAX_SHIFT: f32 = 0.6;

/// Range of `scale`.
const SCALES: (f32, f32) = (0.8, 1.25);

/// Largest `pose-gain`.
const MAX_GAIN: f32 = 3.0;

/// Largest number that `pose-style` takes; a pack has fewer.
const MAX_STYLE: u32 = 63;

/// Longest `pose-smoothing`, milliseconds.
const MAX_SMOOTHING: u32 = 5000;

/// Where the head pose comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPortraitPoseMode")]
pub enum PoseMode {
    /// Transferred where a video drives the pose, else generated.
    #[default]
    #[enum_value(name = "Transferred where a video drives the pose, else generated", nick = "auto")]
    Auto = 0,
    /// The pack's generator moves the head with the speech.
    #[enum_value(name = "Generated from the speech", nick = "generated")]
    Generated = 1,
    /// The photo's own pose.
    #[enum_value(name = "The photo's own pose", nick = "still")]
    Still = 2,
    /// The pose of the face in a video.
    #[enum_value(name = "Transferred from a video", nick = "transferred")]
    Transferred = 3,
    /// Straight into the camera, from where `yaw`, `pitch` and `roll` are absolute angles.
    #[enum_value(name = "Straight ahead: yaw, pitch and roll are absolute", nick = "free")]
    Free = 4,
}

/// What a video drives.
#[glib::flags(name = "GstPortraitDrive")]
pub enum Drive {
    #[flags_value(name = "All of a face on the main pad, the pose of one on the pad pose", nick = "auto")]
    AUTO = 1,
    #[flags_value(name = "Head pose", nick = "pose")]
    POSE = 2,
    #[flags_value(name = "Lips, jaw and chin", nick = "mouth")]
    MOUTH = 4,
    #[flags_value(name = "Lids and irises", nick = "eyes")]
    EYES = 8,
    #[flags_value(name = "The rest of the face: brows, cheeks, nose, forehead", nick = "expression")]
    EXPRESSION = 16,
    #[flags_value(name = "Everything", nick = "all")]
    ALL = 30,
}

/// Values of the properties.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub model: ModelSettings,
    pub seed: u32,
    pub pose_loop: bool,
    pub controls: Controls,
}

/// Values of those that may change with every frame.
#[derive(Clone, Copy, Debug)]
pub struct Controls {
    pub mode: PoseMode,
    /// Degrees.
    pub yaw: f32,
    pub pitch: f32,
    pub roll: f32,
    /// Head sizes.
    pub x: f32,
    pub y: f32,
    /// Factor.
    pub scale: f32,
    pub gain: f32,
    pub style: u32,
    /// Milliseconds.
    pub smoothing: u32,
    pub relative: bool,
    pub drive: Drive,
    pub drive_relative: bool,
}

impl Default for Controls {
    fn default() -> Self {
        Self {
            mode: PoseMode::Auto,
            yaw: 0.0,
            pitch: 0.0,
            roll: 0.0,
            x: 0.0,
            y: 0.0,
            scale: 1.0,
            gain: 1.0,
            style: 0,
            smoothing: 0,
            relative: true,
            drive: Drive::AUTO,
            drive_relative: true,
        }
    }
}

impl Settings {
    /// Stores a property.
    pub fn set(&mut self, name: &str, value: &glib::Value) {
        let (controls, default) = (&mut self.controls, Controls::default());
        match name {
            "seed" => self.seed = value.get().unwrap_or_default(),
            "pose-loop" => self.pose_loop = value.get().unwrap_or_default(),
            "pose-mode" => controls.mode = value.get().unwrap_or_default(),
            "yaw" => store(&mut controls.yaw, value),
            "pitch" => store(&mut controls.pitch, value),
            "roll" => store(&mut controls.roll, value),
            "x" => store(&mut controls.x, value),
            "y" => store(&mut controls.y, value),
            "scale" => store(&mut controls.scale, value),
            "pose-gain" => store(&mut controls.gain, value),
            "pose-style" => controls.style = value.get().unwrap_or_default(),
            "pose-smoothing" => controls.smoothing = value.get().unwrap_or_default(),
            "pose-relative" => controls.relative = value.get().unwrap_or(default.relative),
            "drive" => controls.drive = value.get().unwrap_or(default.drive),
            "drive-relative" => controls.drive_relative = value.get().unwrap_or(default.drive_relative),
            name => {
                self.model.set(name, value);
            }
        }
    }

    /// Reads a property; `None` where there is none of that name.
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        let controls = &self.controls;
        Some(match name {
            "seed" => self.seed.to_value(),
            "pose-loop" => self.pose_loop.to_value(),
            "pose-mode" => controls.mode.to_value(),
            "yaw" => controls.yaw.to_value(),
            "pitch" => controls.pitch.to_value(),
            "roll" => controls.roll.to_value(),
            "x" => controls.x.to_value(),
            "y" => controls.y.to_value(),
            "scale" => controls.scale.to_value(),
            "pose-gain" => controls.gain.to_value(),
            "pose-style" => controls.style.to_value(),
            "pose-smoothing" => controls.smoothing.to_value(),
            "pose-relative" => controls.relative.to_value(),
            "drive" => controls.drive.to_value(),
            "drive-relative" => controls.drive_relative.to_value(),
            name => return self.model.get(name),
        })
    }
}

/// A new set of the properties: one class each, the element's and that of the bin that proxies them.
pub(crate) fn param_specs() -> Vec<glib::ParamSpec> {
    let mut specs = ModelSettings::param_specs();
    specs.extend([seed_param_spec(), stats::param_spec()]);
    specs.extend(offsets());
    specs.extend(motion());
    specs.extend(driving());
    specs
}

fn switch(name: &str, nick: &str, blurb: &str, default: bool) -> glib::ParamSpec {
    glib::ParamSpecBoolean::builder(name)
        .nick(nick)
        .blurb(blurb)
        .default_value(default)
        .mutable_playing()
        .build()
}

/// What is added to the pose in every mode.
fn offsets() -> Vec<glib::ParamSpec> {
    let angles = (-MAX_ANGLE, MAX_ANGLE);
    let shifts = (-MAX_SHIFT, MAX_SHIFT);
    vec![
        number(
            "yaw",
            "Yaw",
            "Degrees by which the head turns towards the left of the picture, added to the pose of any mode; clamped, with a warning, to what the photo can show",
            angles,
            0.0,
        ),
        number("pitch", "Pitch", "Degrees by which the head nods down, as yaw", angles, 0.0),
        number(
            "roll",
            "Roll",
            "Degrees by which the head leans clockwise in the picture, as yaw",
            angles,
            0.0,
        ),
        number(
            "x",
            "X",
            "How far the head moves to the right in any mode, in head sizes (distances of the outer eye corners)",
            shifts,
            0.0,
        ),
        number("y", "Y", "How far the head moves down in any mode, in head sizes", shifts, 0.0),
        number("scale", "Scale", "Factor on the size of the head in any mode", SCALES, 1.0),
    ]
}

/// Where the pose comes from.
fn motion() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecEnum::builder_with_default("pose-mode", PoseMode::default())
            .nick("Pose mode")
            .blurb("Where the head pose comes from; a change eases in within about half a second")
            .mutable_playing()
            .build(),
        number(
            "pose-gain",
            "Pose gain",
            "Factor on generated and transferred head motion, around the photo's pose",
            (0.0, MAX_GAIN),
            1.0,
        ),
        glib::ParamSpecUInt::builder("pose-style")
            .nick("Pose style")
            .blurb("Style of generated head motion: 0 = default, N = the N-th of the pack's styles")
            .maximum(MAX_STYLE)
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecBoolean::builder("pose-loop")
            .nick("Pose loop")
            .blurb("At the end of the video on the pad pose: play its motion again (up to ten minutes of it) instead of holding its last pose")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("pose-smoothing")
            .nick("Pose smoothing")
            .blurb("Time constant in milliseconds of a low-pass on a transferred pose (0 = none)")
            .maximum(MAX_SMOOTHING)
            .mutable_playing()
            .controllable()
            .build(),
        switch(
            "pose-relative",
            "Pose relative",
            "Transfer how the head turns from the video's first face on; else the angles that it has",
            true,
        ),
    ]
}

/// What a video drives.
fn driving() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecFlags::builder::<Drive>("drive")
            .nick("Drive")
            .blurb("What the face in a video drives; the rest stays the speech's, or the photo's at rest")
            .default_value(Drive::AUTO)
            .mutable_playing()
            .build(),
        switch(
            "drive-relative",
            "Drive relative",
            "Driven regions move as the face does from the video's first face on; else they take its shape",
            true,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_keeps_what_it_is_given_and_starts_at_its_default() {
        gst::init().unwrap();
        let mut settings = Settings::default();
        for spec in param_specs().iter().filter(|spec| spec.flags().contains(glib::ParamFlags::WRITABLE)) {
            let name = spec.name();
            let value = settings.get(name).unwrap_or_else(|| panic!("{name}"));
            let text = |value: &glib::Value| value.serialize().ok();
            assert_eq!(text(&value), text(spec.default_value()), "{name}");
        }
        settings.set("yaw", &12.5f32.to_value());
        settings.set("pose-mode", &PoseMode::Free.to_value());
        settings.set("drive", &(Drive::POSE | Drive::MOUTH).to_value());
        assert_eq!(settings.get("yaw").unwrap().get::<f32>().unwrap(), 12.5);
        assert_eq!(settings.get("pose-mode").unwrap().get::<PoseMode>().unwrap(), PoseMode::Free);
        assert_eq!(settings.controls.drive, Drive::POSE | Drive::MOUTH);
        assert!(settings.get("nonsense").is_none());
        // No range keeps this out: a NaN angle would end the stream.
        settings.set("yaw", &f32::NAN.to_value());
        assert_eq!(settings.controls.yaw, 12.5);
    }
}
