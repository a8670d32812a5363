// SPDX-License-Identifier: MIT OR Apache-2.0
//! Caps of the tensor streams: NNStreamer's static layout plus the tensor's identity and its pack.

use std::fmt;

/// Media type of every tensor stream.
pub const MEDIA_TYPE: &str = "other/tensors";

/// What a tensor stream carries: the payload of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorKind {
    /// `[W, F]`: window of audio features of one video frame.
    AudioFeatures,
    /// `[N, 3]`: normalised 3-D landmarks.
    Landmarks,
    /// `[K, 3]`: latent keypoints of the renderer.
    Latents,
}

impl TensorKind {
    /// The `tensor-id` field of the caps.
    pub fn id(self) -> &'static str {
        match self {
            Self::AudioFeatures => "portrait/audio-features",
            Self::Landmarks => "portrait/landmarks",
            Self::Latents => "portrait/latents",
        }
    }

    /// Caps for a pad template: any shape, any rate, any pack.
    pub fn template_caps(self) -> gst::Caps {
        self.builder().field("framerate", gst::FractionRange::new((0, 1), (i32::MAX, 1))).build()
    }

    fn builder(self) -> gst::caps::Builder<gst::caps::NoFeature> {
        gst::Caps::builder(MEDIA_TYPE)
            .field("format", "static")
            .field("num_tensors", 1i32)
            .field("types", "float32")
            .field("tensor-id", self.id())
    }
}

/// A negotiated tensor stream: one row-major little-endian float32 tensor a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Which stage wrote it.
    pub kind: TensorKind,
    /// Row-major shape, outermost first (`[478, 3]`).
    pub shape: Vec<usize>,
    /// Buffers a second.
    pub framerate: gst::Fraction,
    /// `id/version` of the pack whose stages understand the numbers.
    pub pack: String,
}

impl TensorInfo {
    /// The caps that describe this stream.
    pub fn to_caps(&self) -> gst::Caps {
        self.kind
            .builder()
            .field("dimensions", dimensions(&self.shape))
            .field("framerate", self.framerate)
            .field("pack", self.pack.as_str())
            .build()
    }

    /// Reads fixed caps; the error names the field that is missing or wrong.
    pub fn from_caps(kind: TensorKind, caps: &gst::CapsRef) -> Result<Self, CapsError> {
        let s = caps.structure(0).ok_or(CapsError("caps are empty"))?;
        if s.get::<&str>("tensor-id") != Ok(kind.id()) {
            return Err(CapsError("tensor-id is another stage's"));
        }
        let dims = s.get::<&str>("dimensions").map_err(|_| CapsError("dimensions is missing"))?;
        Ok(Self {
            kind,
            shape: parse_dimensions(dims).ok_or(CapsError("dimensions is not a list of sizes"))?,
            framerate: s.get("framerate").map_err(|_| CapsError("framerate is missing"))?,
            pack: s.get("pack").map_err(|_| CapsError("pack is missing"))?,
        })
    }

    /// Elements in one tensor.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether a tensor holds no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why caps are not those of a tensor stream.
#[derive(Debug, PartialEq, Eq)]
pub struct CapsError(&'static str);

impl fmt::Display for CapsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for CapsError {}

/// NNStreamer writes the innermost dimension first.
fn dimensions(shape: &[usize]) -> String {
    shape.iter().rev().map(ToString::to_string).collect::<Vec<_>>().join(":")
}

fn parse_dimensions(text: &str) -> Option<Vec<usize>> {
    let mut shape: Vec<usize> = text.split(':').map(|d| d.parse().ok()).collect::<Option<_>>()?;
    shape.reverse();
    shape.iter().all(|&d| d > 0).then_some(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> TensorInfo {
        TensorInfo {
            kind: TensorKind::Landmarks,
            shape: vec![478, 3],
            framerate: gst::Fraction::new(25, 1),
            pack: "lite/0.1.0".into(),
        }
    }

    #[test]
    fn caps_round_trip_and_put_the_innermost_dimension_first() {
        gst::init().unwrap();
        let caps = info().to_caps();
        assert_eq!(caps.structure(0).unwrap().get::<&str>("dimensions"), Ok("3:478"));
        assert_eq!(TensorInfo::from_caps(TensorKind::Landmarks, &caps), Ok(info()));
    }

    #[test]
    fn streams_of_two_packs_or_two_stages_do_not_intersect() {
        gst::init().unwrap();
        let other = TensorInfo { pack: "lite/0.2.0".into(), ..info() };
        assert!(!info().to_caps().can_intersect(&other.to_caps()));
        assert!(!info().to_caps().can_intersect(&TensorKind::Latents.template_caps()));
        assert!(info().to_caps().can_intersect(&TensorKind::Landmarks.template_caps()));
        assert!(TensorInfo::from_caps(TensorKind::Latents, &info().to_caps()).is_err());
    }

    #[test]
    fn dimensions_that_are_no_sizes_are_refused() {
        for text in ["", "3:", "0:3", "-1:3", "a"] {
            assert_eq!(parse_dimensions(text), None, "{text:?}");
        }
    }
}
