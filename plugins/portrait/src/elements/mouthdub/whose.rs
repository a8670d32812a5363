// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whose mouth is drawn: which metadata of the frames tell of that face.

use crate::face::landmark::COUNT;
use crate::stream::tensor::marks::{Drawn, TrackMark, attach_drawn};
use crate::stream::tensor::voices::VoiceMeta;
use crate::stream::tensor::{FrameMeta, meta};

/// See the module.
#[derive(Clone, Debug, Default)]
pub enum Whose {
    /// The face that the tracker was told to follow by its property.
    #[default]
    First,
    /// One that it follows for a further voice.
    Voice(VoiceMeta),
}

impl Whose {
    /// What the tracker said of the frame.
    pub fn mark(&self, buffer: &gst::BufferRef) -> Option<TrackMark> {
        match self {
            Self::First => TrackMark::read(buffer),
            Self::Voice(meta) => meta.mark(buffer),
        }
    }

    /// The face's landmarks, in parts of the picture.
    pub fn landmarks(&self, buffer: &gst::BufferRef) -> Option<Vec<f32>> {
        match self {
            Self::First => Some(meta::read(buffer, FrameMeta::PictureLandmarks)?.data),
            Self::Voice(meta) => meta.landmarks(buffer),
        }
    }

    /// Says what became of the mouth.
    pub fn attach_drawn(&self, buffer: &mut gst::BufferRef, drawn: Drawn, amount: f64) {
        match self {
            Self::First => attach_drawn(buffer, drawn, amount),
            Self::Voice(meta) => meta.attach_drawn(buffer, drawn, amount),
        }
    }

    /// Says how the face is drawn: landmarks in parts of the picture, and normalised ones.
    pub fn attach_landmarks(
        &self,
        buffer: &mut gst::BufferRef,
        picture: &[[f32; 3]],
        normalised: &[[f32; 3]],
    ) {
        match self {
            Self::First => {
                meta::attach(buffer, FrameMeta::PictureLandmarks, &[COUNT, 3], picture.as_flattened());
                meta::attach(buffer, FrameMeta::Landmarks, &[COUNT, 3], normalised.as_flattened());
            }
            Self::Voice(meta) => meta.attach_landmarks(buffer, picture),
        }
    }
}
