//! `pack.toml`, typed and checked.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::PackError;

/// The angle that [`HeadPoses::growth`] is about.
const GROWTH_DEG: f32 = 20.0;

/// What `pack.toml` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// Labels of the emotion vector.
    pub emotions: Vec<String>,
    /// Who the pack is.
    pub pack: Identity,
    /// Audio and video clocks.
    pub clock: Clock,
    /// Landmark schema.
    pub landmarks: Landmarks,
    /// Latent keypoints.
    pub latents: Latents,
    /// Head poses.
    #[serde(default)]
    pub pose: HeadPoses,
    /// Picture and renderer.
    pub picture: Picture,
    /// A second way through the pack that waits for less audio.
    pub low_latency: Option<LowLatency>,
    /// One entry a stage.
    pub stages: BTreeMap<String, StageEntry>,
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
    /// Landmark index of each control point: the first rows.
    pub control_points: Vec<usize>,
    /// Rows that carry the mouth code: the last rows.
    pub code_rows: usize,
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
#[serde(deny_unknown_fields)]
pub struct Picture {
    /// `warp-paint`
    pub renderer: String,
    /// Side of the square picture in pixels.
    pub resolution: u32,
}

/// `[low-latency]`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LowLatency {
    /// How far the window of a frame reaches beyond its end, in samples.
    pub look_ahead_samples: usize,
    /// The stage that makes landmarks of such features, in place of `speech2landmarks`.
    pub speech2landmarks: String,
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
    /// Tensors that go in.
    pub inputs: Vec<TensorEntry>,
    /// Tensors that come out.
    pub outputs: Vec<TensorEntry>,
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
    /// Reads and checks a manifest; `path` is for error messages.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, PackError> {
        let wrong = |reason: String| PackError::Manifest { path: path.to_owned(), reason };
        let text = std::str::from_utf8(bytes).map_err(|e| wrong(e.to_string()))?;
        let manifest: Self = toml::from_str(text).map_err(|e| wrong(with_line(text, &e)))?;
        manifest.check().map_err(wrong)?;
        Ok(manifest)
    }

    /// Frames a second.
    pub fn frame_rate(&self) -> Option<gst::Fraction> {
        let (n, d) = self.clock.frame_rate.split_once('/')?;
        let (n, d): (i32, i32) = (n.parse().ok()?, d.parse().ok()?);
        (n > 0 && d > 0).then(|| gst::Fraction::new(n, d))
    }

    /// The stage that makes landmarks of features with a look-ahead of so many samples.
    pub fn speech_stage(&self, look_ahead_samples: Option<usize>) -> &str {
        match &self.low_latency {
            Some(low) if look_ahead_samples == Some(low.look_ahead_samples) => &low.speech2landmarks,
            _ => "speech2landmarks",
        }
    }

    /// Shape of one frame's features.
    pub fn feature_shape(&self) -> Option<Vec<usize>> {
        let entry = self.stages.get("features")?.outputs.first()?;
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
