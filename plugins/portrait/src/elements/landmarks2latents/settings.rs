// SPDX-License-Identifier: MIT OR Apache-2.0
//! The properties of `landmarks2latents`: what they are called, what they allow, where they are kept.

use std::sync::LazyLock;

use gst::glib;

use crate::stream::property::{Place, Property, Table, choice, choices, number, switch, whole};
use crate::stream::settings::{ModelSettings, seed};
use crate::stream::stats;

/// Largest `yaw`, `pitch` and `roll`, degrees. What the photo can show is less: see [`super::head`].
const MAX_ANGLE: f32 = 90.0;

/// Largest `x` and `y`, in head sizes (distances of the outer eye corners).
const MAX_SHIFT: f32 = 0.6;

/// Range of `scale`.
const SCALES: (f32, f32) = (0.8, 1.25);

/// Largest `pose-gain`.
const MAX_GAIN: f32 = 3.0;

/// Largest `breath`.
const MAX_BREATH: f32 = 3.0;

/// Largest number that `pose-style` takes; a pack has fewer.
const MAX_STYLE: u32 = 63;

/// Longest `pose-smoothing`, milliseconds.
const MAX_SMOOTHING: u32 = 5000;

/// What eyes take back of the head's turns in clips of people who talk.
const EYE_CONTACT: f32 = 0.75;

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
    /// Share.
    pub eye_contact: f32,
    /// Factor.
    pub breath: f32,
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
            eye_contact: EYE_CONTACT,
            breath: 1.0,
        }
    }
}

/// The element's properties.
pub fn properties() -> &'static Table<Settings> {
    static PROPERTIES: LazyLock<Table<Settings>> = LazyLock::new(|| {
        let model = ModelSettings::properties(|s: &mut Settings| &mut s.model);
        let all = [seed(|s: &mut Settings| &mut s.seed), stats::property()];
        Table::new(model.chain(all).chain(offsets()).chain(motion()).chain(transfer()).chain(driving()))
    });
    &PROPERTIES
}

/// The rows of an element whose settings hold these and that knows no voice: what is added to the pose, how that of a face in a
/// video is transferred, what of the face drives.
pub fn of_video<S: 'static>(place: Place<S, Settings>) -> impl Iterator<Item = Property<S>> {
    offsets().into_iter().chain(transfer()).chain(driving()).map(move |row| row.within(place))
}

/// What is added to the pose in every mode.
fn offsets() -> [Property<Settings>; 6] {
    let angles = (-MAX_ANGLE, MAX_ANGLE);
    let shifts = (-MAX_SHIFT, MAX_SHIFT);
    [
        number(
            [
                "yaw",
                "Yaw",
                "Degrees by which the head turns towards the left of the picture, added to the pose of any mode; clamped, \
                 with a warning, to what the photo can show",
            ],
            angles,
            |s| &mut s.controls.yaw,
        ),
        number(["pitch", "Pitch", "Degrees by which the head nods down, as yaw"], angles, |s| {
            &mut s.controls.pitch
        }),
        number(
            ["roll", "Roll", "Degrees by which the head leans clockwise in the picture, as yaw"],
            angles,
            |s| &mut s.controls.roll,
        ),
        number(
            [
                "x",
                "X",
                "How far the head moves to the right in any mode, in head sizes (distances of the outer eye corners); where the photo \
                 goes on around the animated square, as far as there is room in that",
            ],
            shifts,
            |s| &mut s.controls.x,
        ),
        number(["y", "Y", "How far the head moves down in any mode, as x"], shifts, |s| &mut s.controls.y),
        number(["scale", "Scale", "Factor on the size of the head in any mode"], SCALES, |s| {
            &mut s.controls.scale
        }),
    ]
}

/// Where the pose comes from.
fn motion() -> [Property<Settings>; 5] {
    [
        choice(
            [
                "pose-mode",
                "Pose mode",
                "Where the head pose comes from; a change eases in within about half a second",
            ],
            |s| &mut s.controls.mode,
        ),
        whole(
            [
                "pose-style",
                "Pose style",
                "Style of generated head motion: 0 = default, N = the N-th of the pack's styles",
            ],
            (0, MAX_STYLE),
            |s: &mut Settings| &mut s.controls.style,
        )
        .controllable(),
        switch(
            [
                "pose-loop",
                "Pose loop",
                "At the end of the video on the pad pose: play its motion again (up to ten minutes of it) instead of \
                 holding its last pose",
            ],
            |s: &mut Settings| &mut s.pose_loop,
        )
        .in_ready(),
        number(
            [
                "eye-contact",
                "Eye contact",
                "Share of the head's turns that the eyes take back, so that they stay with the viewer: 0 = they go with the head",
            ],
            (0.0, 1.0),
            |s| &mut s.controls.eye_contact,
        ),
        number(
            [
                "breath",
                "Breath",
                "How far breath lifts shoulders and chest where the pose is generated, in the pauses of speech and calmly at rest \
                 (0 = not at all, 2 = twice as far)",
            ],
            (0.0, MAX_BREATH),
            |s| &mut s.controls.breath,
        ),
    ]
}

/// How a pose is transferred.
fn transfer() -> [Property<Settings>; 3] {
    [
        number(
            [
                "pose-gain",
                "Pose gain",
                "Factor on generated and transferred head motion, around the photo's pose",
            ],
            (0.0, MAX_GAIN),
            |s| &mut s.controls.gain,
        ),
        whole(
            [
                "pose-smoothing",
                "Pose smoothing",
                "Time constant in milliseconds of a low-pass on a transferred pose (0 = none)",
            ],
            (0, MAX_SMOOTHING),
            |s: &mut Settings| &mut s.controls.smoothing,
        )
        .controllable(),
        switch(
            [
                "pose-relative",
                "Pose relative",
                "Transfer how the head turns from the video's first face on; else the angles that it has",
            ],
            |s| &mut s.controls.relative,
        ),
    ]
}

/// What a video drives.
fn driving() -> [Property<Settings>; 2] {
    [
        choices(
            [
                "drive",
                "Drive",
                "What the face in a video drives; the rest stays the speech's, or the photo's at rest",
            ],
            |s| &mut s.controls.drive,
        ),
        switch(
            [
                "drive-relative",
                "Drive relative",
                "Driven regions move as the face does from the video's first face on; else they take its shape",
            ],
            |s| &mut s.controls.drive_relative,
        ),
    ]
}
