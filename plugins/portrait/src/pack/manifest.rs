// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pack.toml`, typed and checked.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::draft::Draft;
use super::look_ahead::{LookAhead, Variants};
use super::{EMOTIONS, Pack, PackError};
use crate::face::landmark::COUNT;

/// The angle that [`HeadPoses::growth`] is about.
const GROWTH_DEG: f32 = 20.0;

/// What `pack.toml` says, with what it leaves to the pack that it extends.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Labels of the emotion vector.
    pub emotions: Vec<String>,
    /// Who the pack is.
    pub pack: Identity,
    /// Audio and video clocks.
    pub clock: Clock,
    /// Landmark schema.
    pub landmarks: Landmarks,
    /// What flows from the stage of speech to that of latents.
    pub between: Between,
    /// Latents.
    pub latents: Latents,
    /// Head poses.
    pub pose: HeadPoses,
    /// Picture and renderer.
    pub picture: Picture,
    /// The square of the photo that the pack's networks see, where it is not the plugin's own.
    pub crop: Option<CropRecipe>,
    /// Further ways through the pack, which wait for less audio.
    pub look_ahead: Variants,
    /// What the pack follows.
    pub capabilities: Capabilities,
    /// Where and how precisely it computes.
    pub compute: Compute,
    /// One entry a stage, by its role; a further stage of a role by its own name.
    pub stages: BTreeMap<String, StageEntry>,
    /// Whether the mean face is that of the pack which this one extends.
    pub(super) inherits_landmarks: bool,
    /// Numbers that the exporter wrote for tests.
    pub golden: Option<FileEntry>,
    /// The model card.
    pub card: Option<FileEntry>,
}

/// A file of the pack that elements do not read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// File beside the manifest.
    pub file: String,
    /// Its digest, hexadecimal.
    pub sha256: Option<String>,
}

/// `[pack]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Name of the pack.
    pub id: String,
    /// Version of its weights.
    pub version: String,
    /// SPDX expression.
    pub licence: String,
    /// Version of the manifest's format.
    pub format: u32,
    /// Name of the pack that fills in what this one leaves out.
    pub extends: Option<String>,
}

/// `[clock]`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Clock {
    /// Audio samples a second.
    pub sample_rate: u32,
    /// Frames a second, as `N/D`.
    pub frame_rate: String,
    /// Samples of audio that one frame's features see.
    pub window_samples: usize,
    /// How far that window reaches beyond the end of the frame, in samples.
    pub look_ahead_samples: usize,
}

/// `[landmarks]`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Landmarks {
    /// `mediapipe-478`
    pub schema: String,
    /// Points.
    pub count: usize,
    /// Safetensors file with the tensor `mean_face`.
    pub mean_face: String,
    /// Its digest.
    pub mean_face_sha256: String,
}

/// `[latents]`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Latents {
    /// Rows of the latent tensor.
    pub count: usize,
    /// Numbers of a row.
    #[serde(default = "three")]
    pub dims: usize,
    /// Landmark index of each control point: the first rows.
    #[serde(default)]
    pub control_points: Vec<usize>,
    /// Rows that carry the mouth code: the last rows.
    #[serde(default)]
    pub code_rows: usize,
}

impl Latents {
    /// `[K, D]`.
    pub fn shape(&self) -> [usize; 2] {
        [self.count, self.dims]
    }

    /// Numbers of a frame.
    pub fn numbers(&self) -> usize {
        self.count * self.dims
    }
}

fn three() -> usize {
    3
}

/// `[between]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Between {
    /// 478 normalised landmarks.
    #[default]
    Landmarks,
    /// Numbers of a 3-D morphable model.
    Coefficients {
        /// How many.
        count: usize,
    },
}

impl Between {
    /// Row-major shape of a frame.
    pub fn shape(self) -> Vec<usize> {
        match self {
            Self::Landmarks => vec![COUNT, 3],
            Self::Coefficients { count } => vec![count],
        }
    }

    /// Name of the tensor that the stage of speech gives.
    pub fn name(self) -> &'static str {
        match self {
            Self::Landmarks => "landmarks",
            Self::Coefficients { .. } => "coefficients",
        }
    }
}

/// `[crop]`: the square that a generator was trained on.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CropRecipe {
    /// Side over the larger extent of the face.
    pub scale: f32,
    /// Shift of its middle across the face, in sides.
    #[serde(default)]
    pub vx: f32,
    /// The same along the face, downwards.
    #[serde(default)]
    pub vy: f32,
    /// Whether it turns with the face.
    #[serde(default = "yes")]
    pub rotate: bool,
    /// Landmarks whose extent is measured; none are all.
    #[serde(default)]
    pub points: Vec<usize>,
}

fn yes() -> bool {
    true
}

/// `[capabilities]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Capabilities {
    /// Properties that the pack follows, where not all.
    pub controls: Option<Vec<String>>,
}

/// `[compute]`
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Compute {
    /// Where `device=auto` runs.
    pub prefer: Preference,
    /// Precision on the CPU.
    pub cpu: Precision,
    /// Precision on a CUDA device.
    pub cuda: Precision,
}

/// A kind of device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preference {
    /// The CPU.
    #[default]
    Cpu,
    /// The first CUDA device, else the CPU.
    Cuda,
}

/// What a stage computes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    #[default]
    Fp32,
    /// Half precision.
    Fp16,
    /// Half the bits with single precision's range.
    Bf16,
}

/// `[pose]`, which a pack may leave out
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct HeadPoses {
    /// Names of the styles of generated motion besides the default: the N-th is the vector with 1 at place N of the
    /// pose stage's input `style`.
    pub styles: Vec<String>,
    /// Largest turns of the landmarks away from the photo's pose that look right: yaw, pitch, roll in degrees.
    pub limits: [f32; 3],
    /// How far the landmarks turn for the head to look turned by a degree: yaw, pitch, roll. A warped photo keeps the light
    /// and the shape of the nose of its one view, so it looks turned less than its landmarks are.
    pub gains: [f32; 3],
    /// By how much more they turn, as a share, where the head is to look turned by 20 degrees; it grows with the square of
    /// the angle.
    pub growth: [f32; 3],
    /// The same, where it differs with the direction: by how much more at 20 degrees, and less at -20.
    pub skew: [f32; 3],
}

impl HeadPoses {
    /// How far landmarks turn for a head to look turned by `angle` degrees: yaw is axis 0, pitch 1, roll 2.
    pub fn landmark_turn(&self, axis: usize, angle: f32) -> f32 {
        let far = angle / GROWTH_DEG;
        self.gains[axis] * angle * (1.0 + self.skew[axis] * far + self.growth[axis] * far * far)
    }
}

impl Default for HeadPoses {
    fn default() -> Self {
        Self {
            styles: Vec::new(),
            limits: [28.0, 27.0, 20.0],
            gains: [1.09, 1.55, 1.0],
            growth: [0.24, 0.0, 0.0],
            skew: [0.0, 0.1, 0.0],
        }
    }
}

/// `[picture]`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Picture {
    /// Who draws.
    pub renderer: RendererKind,
    /// Side of the square picture in pixels.
    pub resolution: u32,
    /// Width of the edge over which a drawn square passes into the photo, in sides.
    #[serde(default = "feather")]
    pub feather: f32,
}

fn feather() -> f32 {
    0.1
}

/// A renderer of the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RendererKind {
    /// Warps the photo and paints mouth and eyes.
    #[serde(alias = "warp-paint")]
    Warp,
    /// The pack's generator draws the whole square.
    Neural,
}

/// One `[stages.NAME]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageEntry {
    /// TorchScript file beside the manifest.
    pub file: String,
    /// How the file stores its weights; what runs is float32.
    #[serde(default)]
    pub weights: Weights,
    /// Its digest, hexadecimal.
    pub sha256: String,
    /// What it is for, where its name does not say so.
    pub role: Option<String>,
    /// What it computes in, whatever `[compute]` says.
    pub precision: Option<Precision>,
    /// What its convolutions and linear layers compute in where the CPU is quicker at it and all else would be float32.
    pub fast: Option<Fast>,
    /// What goes into its convolutions, in the order of the code, where they may compute in whole numbers of eight bits.
    #[serde(default)]
    pub int8: Vec<ConvolutionEntry>,
    /// Frames that it takes at once, along a first dimension of its tensors; `shape` tells those of one. Only where the
    /// role has no state: features.
    #[serde(default = "one")]
    pub group: usize,
    /// Frames of several streams that it takes at once, along the first dimension of its tensors: the generator alone.
    #[serde(default)]
    pub streams: Streams,
    /// Tensors that go in: as the file orders them; once checked, as the stage's role does.
    pub inputs: Vec<TensorEntry>,
    /// Tensors that come out, in the same way.
    pub outputs: Vec<TensorEntry>,
    /// For each argument of the file its place in `inputs`, where they were brought into order.
    #[serde(skip)]
    pub(super) arguments: Vec<usize>,
    /// For each of `outputs` its place in what the file gives.
    #[serde(skip)]
    pub(super) results: Vec<usize>,
    /// Whether it is a stage of the pack which this one extends.
    #[serde(skip)]
    pub(super) inherited: bool,
}

fn one() -> usize {
    1
}

/// Most frames of different streams in one pass, by device.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Streams {
    /// On the CPU, whose cores draw as many frames side by side.
    pub cpu: usize,
    /// On a CUDA device.
    pub cuda: usize,
}

impl Default for Streams {
    fn default() -> Self {
        Self { cpu: 1, cuda: 1 }
    }
}

/// Precision of the weights in a stage's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// As they are used.
    #[default]
    Float32,
    /// Half of the size, for a large stage: numbers of half precision are widened as the stage is loaded.
    Float16,
}

/// A precision that a stage was found to bear, for the sake of speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fast {
    /// Half the bits with single precision's range.
    Bf16,
}

/// What goes into a convolution.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvolutionEntry {
    /// Smallest and largest number, as far as they count; none where the convolution stays as it is.
    pub range: Option<[f32; 2]>,
    /// Shape: batch, channels, height, width.
    pub shape: [i64; 4],
}

/// Name and shape of a stage's tensor.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorEntry {
    /// Name, for error messages.
    pub name: String,
    /// Shape with T = 1 and the batch that the plugin uses.
    pub shape: Vec<i64>,
}

impl Manifest {
    /// Whether the speech network says landmarks, which can be made a person's own.
    pub fn says_landmarks(&self) -> bool {
        self.between == Between::Landmarks
    }

    /// Reads and checks a manifest; `path` is for error messages, `base` opens the pack that it extends.
    pub fn parse(
        path: &Path,
        bytes: &[u8],
        base: impl FnOnce(&str) -> Result<Arc<Pack>, PackError>,
    ) -> Result<(Self, Option<Arc<Pack>>), PackError> {
        let wrong = |reason: String| PackError::Manifest { path: path.to_owned(), reason };
        let text = std::str::from_utf8(bytes).map_err(|e| wrong(e.to_string()))?;
        let draft: Draft = toml::from_str(text).map_err(|e| wrong(with_line(text, &e)))?;
        draft.check_format().map_err(wrong)?;
        let base = draft.extends().map(base).transpose()?;
        let mut manifest = draft.over(base.as_deref().map(Pack::manifest)).map_err(wrong)?;
        manifest.check().map_err(wrong)?;
        Ok((manifest, base))
    }

    /// Frames a second.
    pub fn frame_rate(&self) -> Option<gst::Fraction> {
        let (n, d) = self.clock.frame_rate.split_once('/')?;
        let (n, d): (i32, i32) = (n.parse().ok()?, d.parse().ok()?);
        (n > 0 && d > 0).then(|| gst::Fraction::new(n, d))
    }

    /// The pack's own vector of emotions, out of all that the plugin knows ([`super::EMOTIONS`]): the first
    /// `self.emotions.len()` numbers.
    pub fn own_emotions(&self, all: &[f32; EMOTIONS.len()]) -> [f32; EMOTIONS.len()] {
        let mut own = [0.0; EMOTIONS.len()];
        for (own, name) in own.iter_mut().zip(&self.emotions) {
            *own = EMOTIONS.iter().position(|known| known == name).map_or(0.0, |at| all[at]);
        }
        own
    }

    /// Intensities of all emotions without those that the pack does not know.
    pub fn known_emotions(&self, mut all: [f32; EMOTIONS.len()]) -> [f32; EMOTIONS.len()] {
        for (intensity, name) in all.iter_mut().zip(EMOTIONS) {
            if !self.emotions.iter().any(|own| own == name) {
                *intensity = 0.0;
            }
        }
        all
    }

    /// How far the windows of that look-ahead reach beyond their frames, in samples; `None` where the pack has no models
    /// for it.
    pub fn look_ahead_samples(&self, wanted: LookAhead) -> Option<usize> {
        match wanted {
            LookAhead::Quality => Some(self.clock.look_ahead_samples),
            other => self.look_ahead.of(other).map(|variant| variant.samples),
        }
    }

    /// The stage that makes landmarks of features with a look-ahead of so many samples.
    pub fn speech_stage(&self, look_ahead_samples: Option<usize>) -> &str {
        let own = self.look_ahead.iter().find(|(_, variant)| look_ahead_samples == Some(variant.samples));
        own.map_or("speech2landmarks", |(_, variant)| &variant.speech2landmarks)
    }

    /// Shape of one frame's features.
    pub fn feature_shape(&self) -> Option<Vec<usize>> {
        let outputs = &self.stages.get("features")?.outputs;
        let entry = outputs.iter().find(|tensor| tensor.name == "features").or(outputs.first())?;
        entry.shape.iter().map(|&d| usize::try_from(d).ok()).collect()
    }
}

/// What TOML's reader says, with the line that it is about: it does not name the key.
fn with_line(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().replace('\n', " ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return message };
    let number = before.matches('\n').count();
    let line = text.lines().nth(number).unwrap_or_default();
    let short: String = line.chars().take(80).collect();
    format!("line {} ({short}): {message}", number + 1)
}
