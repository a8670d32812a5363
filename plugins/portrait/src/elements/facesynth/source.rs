// SPDX-License-Identifier: MIT OR Apache-2.0
//! The analysed photo as the renderer takes it.

use tch::Device;

use super::Framing;
use super::formats::{LEAST, NARROWEST, Sizes};
use crate::pack::Pack;
use crate::photo::{Alpha, PhotoError, Portrait, View};
use crate::render::{self, RenderError, Source, Still, Transparency};
use crate::stream::settings::pack_error_message;

/// Longest and shortest side of the largest picture of a whole photo that is given unasked.
const LIMIT: [f32; 2] = [3840.0, 2160.0];

/// Borrows everything that a renderer is made of.
pub fn of(portrait: &Portrait) -> Source<'_> {
    Source {
        side: portrait.picture.width,
        picture: &portrait.picture.rgb,
        landmarks: &portrait.landmarks,
        matte: &portrait.matte,
        foreground: &portrait.picture.rgb,
        plate: &portrait.plate.rgb,
        mouth_code: &portrait.mouth_code,
        eye_code: &portrait.eye_code,
        parallax: &portrait.parallax,
        covered: portrait.covered,
        large_eyes: portrait.large_eyes,
    }
}

/// The same before another background than the photo's own.
pub fn cut_out(portrait: &Portrait) -> Source<'_> {
    Source { foreground: &portrait.foreground().rgb, ..of(portrait) }
}

/// Sizes of the pictures of a framing.
pub fn sizes(portrait: &Portrait, framing: Framing) -> Sizes {
    if framing == Framing::Crop {
        let side = portrait.picture.width as i32;
        return Sizes { best: [side; 2], least: [LEAST.min(side); 2] };
    }
    let photo = [portrait.photo.width, portrait.photo.height];
    let shrink = shrink(photo[0], photo[1]);
    let best = photo.map(|v| ((v as f32 * shrink).round() as i32).max(1));
    // The face has to have pixels, narrow ones too.
    let face = photo.map(|v| (render::LEAST * NARROWEST * v as f32 / portrait.crop.side).ceil() as i32);
    Sizes { best, least: [0, 1].map(|k| face[k].max(LEAST).min(best[k])) }
}

/// By how much a photo is larger than the largest picture that is given unasked: 1 where it is not.
fn shrink(width: usize, height: usize) -> f32 {
    let (width, height) = (width as f32, height as f32);
    (LIMIT[0] / width.max(height)).min(LIMIT[1] / width.min(height)).min(1.0)
}

/// What of the photo a picture of `width` x `height` pixels shows, which are `pixel` times as wide as they are high.
pub fn view(portrait: &Portrait, framing: Framing, [width, height]: [usize; 2], pixel: f32) -> View {
    let shape = pixel * width as f32 / height as f32;
    if framing == Framing::Crop {
        return portrait.view(shape);
    }
    let photo = [portrait.photo.width, portrait.photo.height];
    let best = sizes(portrait, framing).best;
    // Its own size, maybe rounded down for the sake of chroma.
    let own = |size: usize, best: i32| (0..=1).contains(&(best - size as i32));
    if pixel == 1.0 && own(width, best[0]) && own(height, best[1]) {
        let shrink = shrink(photo[0], photo[1]);
        return View { x: 0.0, y: 0.0, width: width as f32 / shrink, height: height as f32 / shrink };
    }
    View::whole(photo[0], photo[1], shape)
}

/// The picture at rest in the resolution of the output.
pub struct Rest {
    width: usize,
    height: usize,
    rgb: Pixels,
    origin: [f32; 2],
    scale: [f32; 2],
    photo: [f32; 4],
    matte: Option<Vec<u8>>,
    /// Whether the matte is the photo's own alpha.
    cut_out: bool,
    /// The photo's own alpha where it is a frame, and the colour behind it.
    frame: Option<Vec<u8>>,
    behind: [u8; 4],
}

/// RGB8 of the picture at rest.
enum Pixels {
    /// The portrait's picture.
    Crop,
    /// The portrait's photo.
    Photo,
    Own(Vec<u8>),
}

impl Rest {
    /// For an output of that size, one of [`sizes`], that shows `view`. `matte` says that the person is to be cut out of
    /// what is seen beside the crop, with this pack on this device; `behind` is seen around a photo that is transparent
    /// there.
    ///
    /// # Errors
    /// Where the pack's model fails.
    pub fn new(
        portrait: &Portrait,
        view: &View,
        [width, height]: [usize; 2],
        matte: Option<(&Pack, Device)>,
        behind: [u8; 4],
    ) -> Result<Self, PhotoError> {
        let (photo, crop, picture) = (&portrait.photo, View::from(portrait.crop), &portrait.picture);
        let whole = View { x: 0.0, y: 0.0, width: photo.width as f32, height: photo.height as f32 };
        let rgb = if *view == crop && (width, height) == (picture.width, picture.height) {
            Pixels::Crop
        } else if *view == whole && (width, height) == (photo.width, photo.height) {
            Pixels::Photo
        } else {
            Pixels::Own(portrait.show(view, width, height).rgb)
        };
        let mut rest = Self {
            width,
            height,
            rgb,
            origin: [0.0; 2],
            scale: [width as f32, height as f32],
            photo: [0.0, 0.0, width as f32, height as f32],
            matte: None,
            cut_out: matches!(portrait.alpha, Some(Alpha { cut_out: true, .. })),
            frame: None,
            behind,
        };
        let mask = portrait.alpha.as_ref().map(|alpha| portrait.alpha_part(alpha, view, width, height));
        if *view != crop {
            let scale = view.scale(width, height);
            rest.origin = [(crop.x - view.x) * scale[0], (crop.y - view.y) * scale[1]];
            rest.scale = scale.map(|scale| crop.width * scale);
            if view.reaches_beyond(photo) {
                rest.photo = view.photo(photo, width, height);
            }
            if !rest.cut_out {
                rest.matte = matte
                    .map(|(pack, device)| portrait.whole_matte(pack, device, view, width, height))
                    .transpose()?;
            }
        }
        if rest.cut_out {
            rest.matte = mask;
        } else {
            rest.frame = mask;
        }
        Ok(rest)
    }

    /// Exchanges the colour around a photo that is transparent there.
    pub fn put_behind(&mut self, behind: [u8; 4]) {
        self.behind = behind;
    }

    /// As the renderer takes it; `portrait` is that of [`Rest::new`].
    pub fn still<'a>(&'a self, portrait: &'a Portrait) -> Still<'a> {
        Still {
            width: self.width,
            height: self.height,
            rgb: match &self.rgb {
                Pixels::Crop => &portrait.picture.rgb,
                Pixels::Photo => &portrait.photo.rgb,
                Pixels::Own(rgb) => rgb,
            },
            origin: self.origin,
            scale: self.scale,
            photo: self.photo,
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
