// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with a photo.

use std::path::PathBuf;

use crate::pack::PackError;

/// Why a photo cannot be animated; the text names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// No such file.
    #[error("there is no file {path:?}: set `{property}` to the path of a PNG, JPEG or WebP photo")]
    NotFound {
        /// The file.
        path: PathBuf,
        /// The property that names it.
        property: &'static str,
    },
    /// The file cannot be read.
    #[error("cannot read {path:?} ({source}): check that it is a file and that you may read it")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The content is none of the known formats, whatever the name says.
    #[error("{path:?} is not a PNG, JPEG or WebP picture ({found}): {remedy}")]
    NotAPicture {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        found: String,
        /// What makes a photo of it.
        remedy: String,
    },
    /// The file ends early.
    #[error("{path:?} is truncated: the file ends before the picture does; copy or download it again")]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// The decoder gave up.
    #[error(
        "{path:?} is damaged or of an unusual kind ({reason}): open it in an image editor and save it as PNG"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },
    /// More pixels or bytes than are decoded.
    #[error("{path:?} is too large ({found}; the limit is {limit}): scale it down, 2000 pixels are plenty")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: String,
        /// What is allowed.
        limit: String,
    },
    /// Too few pixels for any face.
    #[error(
        "{path:?} is only {width}x{height} pixels: use a photo in which the face is at least {needed} pixels high"
    )]
    TooSmall {
        /// The file.
        path: PathBuf,
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
        /// Height of a usable face.
        needed: usize,
    },
    /// Nobody there.
    #[error(
        "no face was found in {path:?}: use a photo of one person who looks towards the camera, upright, well lit and not far away"
    )]
    NoFace {
        /// The file.
        path: PathBuf,
    },
    /// Somebody, but too far away.
    #[error(
        "the face in {path:?} is only {found} pixels high from forehead to chin: it must be at least {needed}; use a closer or larger photo"
    )]
    FaceTooSmall {
        /// The file.
        path: PathBuf,
        /// Height of the face.
        found: usize,
        /// Height of a usable face.
        needed: usize,
    },
    /// Fewer faces than the number that was chosen.
    #[error(
        "there is no face {asked} in {path:?}: {faces} can be animated, from the left {places} (x,y of the photo); set `face` to \
         one of these numbers, largest, left, right or x,y"
    )]
    NoSuchFace {
        /// The file.
        path: PathBuf,
        /// What was chosen.
        asked: String,
        /// How many there are.
        faces: usize,
        /// Their numbers and where they are.
        places: String,
    },
    /// Most of the face is not in the photo.
    #[error(
        "the face in {path:?} is cut off: {outside} % of it lie outside of the photo; use a photo with the whole face"
    )]
    FaceCut {
        /// The file.
        path: PathBuf,
        /// Share of the landmarks beyond the border, in per cent.
        outside: usize,
    },
    /// The models failed.
    #[error("cannot analyse {path:?}: {source}")]
    Pack {
        /// The file.
        path: PathBuf,
        /// What the pack said.
        source: PackError,
    },
}

impl PhotoError {
    /// The same as an element error.
    pub fn to_message(&self) -> gst::ErrorMessage {
        use gst::{ResourceError, StreamError, error_msg};
        match self {
            Self::NotFound { .. } => error_msg!(ResourceError::NotFound, ("{self}")),
            Self::Read { .. } | Self::Truncated { .. } => error_msg!(ResourceError::OpenRead, ("{self}")),
            Self::NotAPicture { .. } => error_msg!(StreamError::WrongType, ("{self}")),
            Self::Damaged { .. } => error_msg!(StreamError::Decode, ("{self}")),
            Self::Pack { .. } => error_msg!(gst::LibraryError::Failed, ("{self}")),
            _ => error_msg!(ResourceError::Settings, ("{self}")),
        }
    }
}
