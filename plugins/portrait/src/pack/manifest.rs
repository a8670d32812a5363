//! `pack.toml`, typed and checked.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::{EMOTIONS, PackError};

/// The manifest format that this plugin reads.
const FORMAT: u32 = 1;

/// What `pack.toml` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// Picture and renderer.
    pub picture: Picture,
    /// A second way through the pack that waits for less audio.
    pub low_latency: Option<LowLatency>,
    /// One entry a stage.
    pub stages: BTreeMap<String, StageEntry>,
}

/// `[pack]`
#[derive(Clone, Debug, Deserialize)]
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
#[serde(rename_all = "kebab-case")]
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
#[serde(rename_all = "kebab-case")]
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
#[serde(rename_all = "kebab-case")]
pub struct Latents {
    /// Rows of the latent tensor.
    pub count: usize,
    /// Landmark index of each control point: the first rows.
    pub control_points: Vec<usize>,
    /// Rows that carry the mouth code: the last rows.
    pub code_rows: usize,
}

/// `[picture]`
#[derive(Clone, Debug, Deserialize)]
pub struct Picture {
    /// `warp-paint`
    pub renderer: String,
    /// Side of the square picture in pixels.
    pub resolution: u32,
}

/// `[low-latency]`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LowLatency {
    /// How far the window of a frame reaches beyond its end, in samples.
    pub look_ahead_samples: usize,
    /// The stage that makes landmarks of such features, in place of `speech2landmarks`.
    pub speech2landmarks: String,
}

/// One `[stages.NAME]`
#[derive(Clone, Debug, Deserialize)]
pub struct StageEntry {
    /// TorchScript file beside the manifest.
    pub file: String,
    /// Its digest, hexadecimal.
    pub sha256: String,
    /// Tensors that go in.
    pub inputs: Vec<TensorEntry>,
    /// Tensors that come out.
    pub outputs: Vec<TensorEntry>,
}

/// Name and shape of a stage's tensor.
#[derive(Clone, Debug, Deserialize)]
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
        let manifest: Self = toml::from_str(text).map_err(|e| wrong(e.message().to_owned()))?;
        manifest.check().map_err(wrong)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        let expect = |ok: bool, text: &str| if ok { Ok(()) } else { Err(text.to_owned()) };
        expect(self.pack.format == FORMAT, "[pack] format is not 1: a newer plugin may read it")?;
        expect(self.landmarks.schema == "mediapipe-478", "[landmarks] schema is not mediapipe-478")?;
        expect(self.landmarks.count == 478, "[landmarks] count is not 478")?;
        expect(self.picture.renderer == "warp-paint", "[picture] renderer is not warp-paint")?;
        expect(
            (64..=2048).contains(&self.picture.resolution),
            "[picture] resolution is not within 64 to 2048",
        )?;
        expect(self.clock.sample_rate > 0 && self.clock.window_samples > 0, "[clock] has a zero")?;
        expect(self.frame_rate().is_some(), "[clock] frame-rate is not N/D")?;
        expect(
            self.latents.count == self.latents.control_points.len() + self.latents.code_rows,
            "[latents] count is not control-points plus code-rows",
        )?;
        expect(
            self.latents.control_points.iter().all(|&i| i < self.landmarks.count),
            "[latents] control-points names a landmark that is not there",
        )?;
        expect(
            self.emotions.iter().eq(EMOTIONS.iter()),
            "emotions are not the eight of this version, in order",
        )?;
        if let Some(low) = &self.low_latency {
            expect(
                self.stages.contains_key(&low.speech2landmarks),
                "[low-latency] speech2landmarks names no stage",
            )?;
            expect(
                low.look_ahead_samples < self.clock.look_ahead_samples,
                "[low-latency] look-ahead-samples is not below that of [clock]",
            )?;
        }
        for (name, entry) in &self.stages {
            let plain = !entry.file.contains(['/', '\\']) && !entry.file.starts_with('.');
            expect(plain, &format!("[stages.{name}] file is not a plain file name"))?;
        }
        let plain = !self.landmarks.mean_face.contains(['/', '\\']);
        expect(plain, "[landmarks] mean-face is not a plain file name")
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
