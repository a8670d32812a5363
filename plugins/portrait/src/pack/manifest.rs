//! `pack.toml`, typed and checked.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::{EMOTIONS, PackError};

/// The manifest format that this plugin reads.
const FORMAT: u32 = 1;

/// The angle that [`HeadPoses::growth`] is about.
const GROWTH_DEG: f32 = 20.0;

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
    /// Head poses.
    #[serde(default)]
    pub pose: HeadPoses,
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

/// `[pose]`, which a pack may leave out
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
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
    /// Half of the size, for a large stage. Its module is not frozen, and every parameter and buffer is a number to
    /// widen: none is an index.
    Float16,
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
        let features = self.feature_shape().is_some_and(|shape| shape.len() == 2 && !shape.contains(&0));
        expect(features, "[stages.features] outputs do not begin with a window of features, shape [W, F]")?;
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
        expect(
            self.pose.limits.iter().all(|limit| (0.0..=90.0).contains(limit)),
            "[pose] limits are not three angles within 0 to 90",
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
        expect(
            self.pose.gains.iter().all(|gain| (0.5..=2.0).contains(gain)),
            "[pose] gains are not three factors within 0.5 to 2",
        )?;
        expect(
            self.pose.growth.iter().all(|growth| (0.0..=1.0).contains(growth)),
            "[pose] growth is not three shares within 0 to 1",
        )?;
        expect(
            // More would turn back what is asked to turn far.
            self.pose.skew.iter().all(|skew| (-0.1..=0.1).contains(skew)),
            "[pose] skew is not three shares within -0.1 to 0.1",
        )?;
        for (name, entry) in &self.stages {
            expect(is_plain(&entry.file), &format!("[stages.{name}] file is not a plain file name"))?;
        }
        expect(is_plain(&self.landmarks.mean_face), "[landmarks] mean-face is not a plain file name")
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

/// Whether a name stays in the pack's folder.
fn is_plain(file: &str) -> bool {
    !file.is_empty() && !file.starts_with('.') && !file.contains(['/', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT_IN: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/packs/lite/pack.toml"));

    /// Every line of the built-in manifest that is spoilt here is named in the error, and nothing panics later for it.
    #[test]
    fn a_manifest_that_cannot_work_is_refused_with_the_reason() {
        let path = Path::new("pack.toml");
        Manifest::parse(path, BUILT_IN.as_bytes()).unwrap();
        for (from, to, named) in [
            ("format = 1", "format = 2", "format"),
            ("frame-rate = \"25/1\"", "frame-rate = \"25/0\"", "frame-rate"),
            ("sample-rate = 16000", "sample-rate = 0", "[clock]"),
            ("count = 478", "count = 68", "[landmarks] count"),
            ("count = 206", "count = 207", "[latents] count"),
            ("control-points = [61,", "control-points = [478,", "control-points"),
            ("\"neutral\", \"happy\"", "\"happy\", \"neutral\"", "emotions"),
            ("resolution = 512", "resolution = 16", "resolution"),
            ("file = \"pose.pt\"", "file = \"../pose.pt\"", "[stages.pose]"),
            ("file = \"pose.pt\"", "file = \"\"", "[stages.pose]"),
            ("\"mean_face.safetensors\"", "\"..\"", "mean-face"),
            ("[stages.features]", "[stages.other]", "[stages.features]"),
            ("shape = [4, 128] }]", "shape = [4, 0] }]", "[stages.features]"),
            ("weights = \"float16\"", "weights = \"float8\"", "float8"),
            ("version = ", "edition = ", "version"),
        ] {
            assert!(BUILT_IN.contains(from), "{from}");
            let error = Manifest::parse(path, BUILT_IN.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(error.to_string().contains(named), "{from} -> {to}: {error}");
        }
        assert!(Manifest::parse(path, &[0xff]).is_err());
    }
}
