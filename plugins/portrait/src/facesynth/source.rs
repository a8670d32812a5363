//! The analysed photo as the renderer takes it.

use crate::photo::Portrait;
use crate::render::{self, Photo, RenderError, Source};
use crate::settings::pack_error_message;

/// Borrows everything that a renderer is made of.
pub fn of(portrait: &Portrait) -> Source<'_> {
    Source {
        side: portrait.picture.width,
        picture: &portrait.picture.rgb,
        landmarks: &portrait.landmarks,
        matte: &portrait.matte,
        plate: &portrait.plate.rgb,
        mouth_code: &portrait.mouth_code,
        eye_code: &portrait.eye_code,
        photo: Some(Photo {
            width: portrait.photo.width,
            height: portrait.photo.height,
            rgb: &portrait.photo.rgb,
            crop_origin: [portrait.crop.x, portrait.crop.y],
            crop_side: portrait.crop.side,
        }),
    }
}

impl From<super::Framing> for render::Framing {
    fn from(framing: super::Framing) -> Self {
        match framing {
            super::Framing::Crop => Self::Crop,
            super::Framing::Full => Self::Full,
        }
    }
}

/// The error with which an element refuses to start.
pub fn render_error_message(error: &RenderError) -> gst::ErrorMessage {
    match error {
        RenderError::Pack(error) => pack_error_message(error),
        error => gst::error_msg!(gst::LibraryError::Failed, ("{error}")),
    }
}
