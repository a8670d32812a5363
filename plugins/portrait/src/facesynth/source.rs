//! The analysed photo as the renderer takes it.

use tch::Device;

use super::Framing;
use super::formats::Sizes;
use crate::pack::Pack;
use crate::photo::{Alpha, PhotoError, Portrait};
use crate::render::{RenderError, Source, Still, Transparency};
use crate::settings::pack_error_message;

/// Longest and shortest side of the largest picture.
const LIMIT: [f32; 2] = [3840.0, 2160.0];

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
        covered: portrait.covered,
    }
}

/// Sizes of the pictures of a framing.
pub fn sizes(portrait: &Portrait, framing: Framing) -> Sizes {
    if framing == Framing::Crop {
        return Sizes::Square(portrait.picture.width as i32);
    }
    let (width, height) = (portrait.photo.width, portrait.photo.height);
    let shrink = shrink(width, height);
    let scaled = |v: usize| ((v as f32 * shrink).round() as i32).max(1);
    Sizes::Fixed(scaled(width), scaled(height))
}

/// By how much a photo is larger than the largest picture: 1 where it is not.
fn shrink(width: usize, height: usize) -> f32 {
    let (width, height) = (width as f32, height as f32);
    (LIMIT[0] / width.max(height)).min(LIMIT[1] / width.min(height)).min(1.0)
}

/// The picture at rest in the resolution of the output.
pub struct Rest {
    width: usize,
    height: usize,
    framing: Framing,
    /// RGB8, where it is not one that the portrait has.
    rgb: Option<Vec<u8>>,
    origin: [f32; 2],
    scale: f32,
    matte: Option<Vec<u8>>,
    /// Whether the matte is the photo's own alpha.
    cut_out: bool,
    /// The photo's own alpha where it is a frame, and the colour behind it.
    frame: Option<Vec<u8>>,
    behind: [u8; 4],
}

impl Rest {
    /// For an output of that size, which is one of [`sizes`]; odd sizes may have been rounded down. `matte` says that the
    /// person is to be cut out of the whole photo, with this pack on this device; `behind` is seen around a photo that is
    /// transparent there.
    ///
    /// # Errors
    /// Where the pack's model fails.
    pub fn new(
        portrait: &Portrait,
        framing: Framing,
        (width, height): (usize, usize),
        matte: Option<(&Pack, Device)>,
        behind: [u8; 4],
    ) -> Result<Self, PhotoError> {
        let (photo, crop) = (&portrait.photo, &portrait.crop);
        let cut_out = matches!(portrait.alpha, Some(Alpha { cut_out: true, .. }));
        if framing == Framing::Crop {
            let rgb = (width != portrait.picture.width).then(|| crop.cut(photo, width).rgb);
            let mask = |alpha: &Alpha| crop.cut_mask(&alpha.mask, photo.width, photo.height, width);
            let mask = portrait.alpha.as_ref().map(mask);
            let (matte, frame) = if cut_out { (mask, None) } else { (None, mask) };
            let (origin, scale) = ([0.0; 2], width as f32);
            return Ok(Self { width, height, framing, rgb, origin, scale, matte, cut_out, frame, behind });
        }
        let shrink = shrink(photo.width, photo.height);
        let own = (width, height) == (photo.width, photo.height);
        let rgb = (!own).then(|| photo.part(shrink, width, height).rgb);
        let origin = [crop.x * shrink, crop.y * shrink];
        let matte = matte
            .map(|(pack, device)| portrait.whole_matte(pack, device, shrink, width, height))
            .transpose()?;
        let mask = |alpha: &Alpha| portrait.alpha_part(alpha, shrink, width, height);
        let frame = portrait.alpha.as_ref().filter(|alpha| !alpha.cut_out).map(mask);
        let scale = crop.side * shrink;
        Ok(Self { width, height, framing, rgb, origin, scale, matte, cut_out, frame, behind })
    }

    /// Exchanges the colour around a photo that is transparent there.
    pub fn put_behind(&mut self, behind: [u8; 4]) {
        self.behind = behind;
    }

    /// As the renderer takes it; `portrait` is that of [`Rest::new`].
    pub fn still<'a>(&'a self, portrait: &'a Portrait) -> Still<'a> {
        let own = if self.framing == Framing::Crop { &portrait.picture } else { &portrait.photo };
        Still {
            width: self.width,
            height: self.height,
            rgb: self.rgb.as_deref().unwrap_or(&own.rgb),
            origin: self.origin,
            scale: self.scale,
            matte: self.matte.as_deref(),
            transparency: match &self.frame {
                Some(mask) => Transparency::Frame { mask, behind: self.behind },
                None if self.cut_out => Transparency::CutOut,
                None => Transparency::None,
            },
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
