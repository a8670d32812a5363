//! Which pictures are offered downstream, and how one is chosen.

use gst_video::{VideoColorMatrix, VideoColorRange, VideoFormat};

use crate::element::carry_rate;
use crate::render::{Format, Layout, Matrix};

/// Sides of the square picture in pixels.
const SIDES: (i32, i32) = (64, 2160);
/// Formats of red, green and blue, and those of luma and chroma, best first.
const OPAQUE: [VideoFormat; 1] = [VideoFormat::Rgb];
const ALPHA: [VideoFormat; 2] = [VideoFormat::Rgba, VideoFormat::Bgra];
const CHROMA: [VideoFormat; 2] = [VideoFormat::I420, VideoFormat::Nv12];

/// Frames a second that motion can be interpolated to.
const RATES: ((i32, i32), (i32, i32)) = ((1, 1), (240, 1));

/// Place of the chroma samples unless downstream wants another.
const CHROMA_SITE: &str = "mpeg2";

/// Most rows of standard definition.
const STANDARD_ROWS: i32 = 576;

/// Sizes that a framing has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// Squares; best is the one of that side.
    Square(i32),
    /// Width and height; odd ones are rounded down where the format needs it.
    Fixed(i32, i32),
}

/// Caps of every picture that the element can give.
pub fn template_caps() -> gst::Caps {
    let formats = OPAQUE.into_iter().chain(CHROMA).chain(ALPHA);
    gst_video::VideoCapsBuilder::new().format_list(formats).build()
}

/// Caps of every picture with alpha.
pub fn alpha_caps() -> gst::Caps {
    gst_video::VideoCapsBuilder::new().format_list(ALPHA).build()
}

/// Caps of the pictures that a framing gives, without a frame rate.
pub fn offer(sizes: Sizes, transparent: bool) -> gst::Caps {
    let list =
        |formats: &mut dyn Iterator<Item = VideoFormat>| gst::List::new(formats.map(VideoFormat::to_str));
    let entry = |formats: gst::List, step: i32| {
        let mut s = gst::Structure::builder("video/x-raw").field("format", formats).build();
        match sizes {
            Sizes::Square(_) => {
                for side in ["width", "height"] {
                    s.set(side, gst::IntRange::with_step(SIDES.0, SIDES.1, step));
                }
            }
            Sizes::Fixed(width, height) => {
                s.set("width", width - width % step);
                s.set("height", height - height % step);
            }
        }
        s.set("pixel-aspect-ratio", gst::Fraction::new(1, 1));
        s
    };
    if transparent {
        return [entry(list(&mut ALPHA.into_iter()), 1)].into_iter().collect();
    }
    let packed = entry(list(&mut OPAQUE.into_iter()), 1);
    let halved = entry(list(&mut CHROMA.into_iter()), 2);
    let alpha = entry(list(&mut ALPHA.into_iter()), 1);
    [packed, halved, alpha].into_iter().collect()
}

/// Those pictures at the rate of the latents, best, or at any other; `latents` are caps of latents.
pub fn at_rates(latents: &gst::Caps, pictures: &gst::Caps) -> gst::Caps {
    let mut any = pictures.copy();
    for s in any.make_mut().iter_mut() {
        s.set("framerate", gst::FractionRange::new(RATES.0, RATES.1));
    }
    let mut all = carry_rate(latents, pictures, None);
    let known = |s: &gst::StructureRef| s.get::<gst::Fraction>("framerate").map_or(true, |r| r.numer() > 0);
    // Latents without a rate cannot be interpolated.
    if latents.iter().any(known) {
        all.merge(any);
    }
    all
}

/// Chooses one of the pictures that downstream takes.
pub fn fixate(caps: gst::Caps, sizes: Sizes, rate: gst::Fraction) -> gst::Caps {
    let possible = |s: &gst::StructureRef| {
        let mut s = s.to_owned();
        square(&mut s, sizes).then_some(s)
    };
    let at_rate = |s: &gst::StructureRef| {
        let own = gst::Structure::builder(s.name().as_str()).field("framerate", rate).build();
        s.can_intersect(&own)
    };
    let chosen = caps
        .iter()
        .filter(|s| at_rate(s))
        .find_map(possible)
        .or_else(|| caps.iter().find_map(possible))
        .or_else(|| caps.structure(0).map(ToOwned::to_owned));
    let Some(mut s) = chosen else { return caps };
    s.fixate_field_nearest_fraction("framerate", rate);
    s.fixate_field("format");
    let chroma = s.get::<&str>("format").is_ok_and(|f| CHROMA.iter().any(|c| c.to_str() == f));
    let rows = s.get::<i32>("height").unwrap_or_default();
    let mut prefer = |field: &str, value: &str| {
        if s.has_field(field) {
            s.fixate_field_str(field, value);
        } else {
            s.set(field, value);
        }
    };
    prefer("colorimetry", colorimetry(chroma, rows));
    if chroma {
        prefer("chroma-site", CHROMA_SITE);
    }
    s.fixate();
    [s].into_iter().collect()
}

/// Colours unless downstream wants others: what GStreamer, and players that ignore what a file says, assume of pictures of
/// that height.
fn colorimetry(chroma: bool, rows: i32) -> &'static str {
    match (chroma, rows) {
        (false, _) => "sRGB",
        (true, ..=STANDARD_ROWS) => "bt601",
        (true, _) => "bt709",
    }
}

/// Makes width and height the same, as near to the best as can be; `false` where that is not possible.
fn square(s: &mut gst::Structure, sizes: Sizes) -> bool {
    let Sizes::Square(best) = sizes else { return true };
    for [first, second] in [["width", "height"], ["height", "width"]] {
        let mut tried = s.clone();
        tried.fixate_field_nearest_int(first, best);
        let Ok(side) = tried.get::<i32>(first) else { continue };
        let own = gst::Structure::builder(s.name().as_str()).field(second, side).build();
        if s.can_intersect(&own) {
            tried.set(second, side);
            *s = tried;
            return true;
        }
    }
    false
}

/// The renderer's format for negotiated caps; the error says what it cannot do.
pub fn format(info: &gst_video::VideoInfo, straight: bool) -> Result<Format, String> {
    let layout = match info.format() {
        VideoFormat::Rgb => Layout::Rgb,
        VideoFormat::Rgba => Layout::Rgba,
        VideoFormat::Bgra => Layout::Bgra,
        VideoFormat::I420 => Layout::I420,
        VideoFormat::Nv12 => Layout::Nv12,
        other => {
            return Err(format!(
                "pictures in {other:?} cannot be drawn; put a videoconvert behind this element"
            ));
        }
    };
    let colours = info.colorimetry();
    let (red, blue) = match colours.matrix() {
        VideoColorMatrix::Bt601 => (0.299, 0.114),
        VideoColorMatrix::Bt709 | VideoColorMatrix::Rgb | VideoColorMatrix::Unknown => (0.2126, 0.0722),
        other => {
            let text = "colours cannot be drawn; put a videoconvert behind this element";
            return Err(format!("{other:?} {text}"));
        }
    };
    let full = colours.range() == VideoColorRange::Range0_255;
    let cosited = info.chroma_site().contains(gst_video::VideoChromaSite::H_COSITED);
    Ok(Format { layout, straight, matrix: Matrix::new(red, blue, full, cosited) })
}
