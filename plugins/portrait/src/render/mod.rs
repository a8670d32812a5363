// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pictures from latents: what a renderer is given, what it draws into, and the renderers.
//!
//! [`mod@format`] and [`yuv`] are the layouts of pictures, [`paste`] says where the animated square lies in them, [`still`] what they
//! show at rest. A [`Renderer`] draws into them: [`warp`] for packs whose latents move control points of the photo, [`neural`] for
//! packs that bring a generator of the whole square. [`dub`] draws a mouth into the frames of a video.

pub(crate) mod dub;
mod format;
mod neural;
mod paste;
mod still;
mod store;
mod warp;
mod yuv;

use std::sync::Arc;
use std::time::Duration;

use tch::Device;

pub use format::{Format, Layout, PLANES, Planes};
pub use neural::Neural;
pub use paste::LEAST;
pub use warp::Warp;
pub(crate) use warp::{MAP_CHANNELS, Part};
pub use yuv::Matrix;

use crate::pack::{Pack, PackError, RendererKind};
use crate::photo::{LargeEyes, Portrait};

/// Draws one portrait. Frames are independent: the same latents always give the same bytes.
pub trait Renderer: Send {
    /// Sets what frames look like from now on; `source` is that of [`prepare`]. Takes about as long as a few frames.
    ///
    /// # Errors
    /// Where the picture at rest does not fit to the source or the format.
    fn set_output(&mut self, source: &Source<'_>, output: &Output<'_>) -> Result<(), RenderError>;

    /// Exchanges the background (colour for colour) and whether colours are multiplied by their alpha, and nothing else:
    /// `source` is that of [`prepare`], the rest of `output` that of the last [`Renderer::set_output`]. Where more than
    /// that changes, between a background that is kept and one that is replaced, all is set.
    ///
    /// # Errors
    /// As [`Renderer::set_output`].
    fn set_background(&mut self, source: &Source<'_>, output: &Output<'_>) -> Result<(), RenderError>;

    /// Draws a frame of that motion into planes of the output's format; `source` is that of [`prepare`].
    ///
    /// # Errors
    /// Where the latents do not have the pack's shape or are not finite, the output is too small, or a network fails.
    fn draw(
        &mut self,
        source: &Source<'_>,
        motion: Motion<'_>,
        out: &mut Planes<'_>,
    ) -> Result<(), RenderError>;

    /// How long the parts of the last frame took.
    fn timings(&self) -> Timings;

    /// What its largest network computes in.
    fn precision(&self) -> &'static str;
}

/// The pack's renderer for a portrait, whose `source` this is. Where the photo `open` of the person shows more of the mouth's
/// inside, [`Warp`] draws it from there; a generator has no use for it.
///
/// # Errors
/// Where the source's parts do not fit together, or the pack's stages not to it.
pub fn prepare(
    portrait: &Portrait,
    source: &Source<'_>,
    open: Option<&Source<'_>>,
    pack: &Arc<Pack>,
    device: Device,
) -> Result<Box<dyn Renderer>, RenderError> {
    Ok(match pack.manifest().picture.renderer {
        RendererKind::Warp => Box::new(Warp::new(source, open, pack, device)?),
        RendererKind::Neural => Box::new(Neural::new(portrait, source, pack, device)?),
    })
}

/// Why a frame cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The pack or one of its stages.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The pack cannot be drawn.
    #[error(
        "the pack's control-points lack landmark {0}, which the renderer needs; use a pack of this version"
    )]
    ControlPoint(usize),
    /// The photo's analysis is not usable.
    #[error("the portrait cannot be drawn: {0}; analyse the photo again")]
    Source(String),
    /// Latents of another shape, or not numbers.
    #[error("latents are not usable: {0}; they have to come from the same model pack")]
    Latents(String),
    /// A frame before [`Renderer::set_output`].
    #[error("a frame was asked for before its format was set")]
    NoOutput,
    /// The output buffer is too small.
    #[error("a {width} x {height} picture ({layout:?}) does not fit into the buffer")]
    Output {
        /// Pixels of a row.
        width: usize,
        /// Rows.
        height: usize,
        /// Order of the bytes.
        layout: Layout,
    },
}

/// What moves in a frame.
#[derive(Clone, Copy, Debug)]
pub struct Motion<'a> {
    /// Latents `[K, D]` of the pack.
    pub latents: &'a [f32],
    /// How far breath lifts shoulders and chest, picture units; only [`Warp`] moves a body.
    pub lift: f32,
}

/// A photo, analysed: what a renderer is made of.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Side of the square picture (the crop) in pixels.
    pub side: usize,
    /// The picture, RGB8.
    pub picture: &'a [u8],
    /// All 478 landmarks in picture units.
    pub landmarks: &'a [[f32; 3]],
    /// Matte of the picture, 255 = person.
    pub matte: &'a [u8],
    /// The person's own colours in the picture, RGB8, without those of the background that shines through; used before
    /// another background.
    pub foreground: &'a [u8],
    /// The picture's background without the person, RGB8.
    pub plate: &'a [u8],
    /// Appearance of the mouth, from the pack's `appearance`.
    pub mouth_code: &'a [f32],
    /// Appearance of both eyes.
    pub eye_code: &'a [f32],
    /// How what is behind the face moves when the head turns, from the pack's `parallax`; empty where it has none.
    pub parallax: &'a [f32],
    /// Whether something covers the mouth: then it goes with the head only, and is not painted.
    pub covered: bool,
    /// What the eyes are where they are larger than people's; in picture units.
    pub large_eyes: Option<LargeEyes>,
}

/// What the output shows while nothing moves: the crop or more or less of the photo, in the resolution of the output.
#[derive(Clone, Copy, Debug)]
pub struct Still<'a> {
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// RGB8.
    pub rgb: &'a [u8],
    /// Top left corner of the crop in pixels; may lie outside.
    pub origin: [f32; 2],
    /// Width and height of the crop in pixels, which are the same where pixels are square.
    pub scale: [f32; 2],
    /// Left, top, right and bottom of the photo in pixels: what is shown beyond is nobody.
    pub photo: [f32; 4],
    /// 255 = person: for a background that is replaced outside of the crop too.
    pub matte: Option<&'a [u8]>,
    /// What of it is transparent.
    pub transparency: Transparency<'a>,
}

/// What is transparent of a photo.
#[derive(Clone, Copy, Debug, Default)]
pub enum Transparency<'a> {
    /// Nothing.
    #[default]
    None,
    /// All but the person: [`Still::matte`] is the photo's own alpha, exactly.
    CutOut,
    /// What lies outside of a frame that does not move.
    Frame {
        /// 255 = inside of the frame, in the size of the picture at rest.
        mask: &'a [u8],
        /// What is seen outside: red, green, blue, alpha, not multiplied by the alpha.
        behind: [u8; 4],
    },
}

/// What a frame looks like.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// The picture at rest.
    pub still: Still<'a>,
    /// How it is stored: even width and height where [`Layout::halves`] says so.
    pub format: Format,
    /// What is behind the person.
    pub background: Background,
}

/// How long the parts of a frame took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// The motion of the head, and the networks.
    pub paint: Duration,
    /// Putting it into the picture.
    pub compose: Duration,
}

/// What is behind the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Background {
    /// The photo's own background.
    #[default]
    Keep,
    /// A colour: red, green, blue, alpha, not multiplied by the alpha. Layouts without alpha show it over black.
    Colour([u8; 4]),
}
