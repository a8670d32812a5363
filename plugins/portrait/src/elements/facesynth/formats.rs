// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which pictures are offered downstream, and how one is chosen.

use gst_video::{VideoColorMatrix, VideoColorRange, VideoFormat, VideoInterlaceMode, VideoMultiviewMode};

use crate::face::pixel::{BT601, BT709};
use crate::render::{Format, Layout, Matrix};
use crate::stream::element::carry_rate;

/// Shortest and longest side of a picture in pixels; the shortest of a whole photo is longer where its face would be lost.
pub const LEAST: i32 = 64;
pub const MOST: i32 = 3840;
/// Formats of red, green and blue, and those of luma and chroma, best first.
const OPAQUE: [VideoFormat; 1] = [VideoFormat::Rgb];
const ALPHA: [VideoFormat; 2] = [VideoFormat::Rgba, VideoFormat::Bgra];
const CHROMA: [VideoFormat; 2] = [VideoFormat::I420, VideoFormat::Nv12];

/// Frames a second that motion can be interpolated to.
const RATES: ((i32, i32), (i32, i32)) = ((1, 1), (240, 1));

/// Widths of a pixel over its height, from half to twice; square ones unless downstream wants others.
const PIXELS: ((i32, i32), (i32, i32)) = ((1, 2), (2, 1));
/// By how much more the widest or highest pixels squeeze a picture than square ones.
pub const NARROWEST: f32 = 2.0;

/// Place of the chroma samples unless downstream wants another.
const CHROMA_SITE: &str = "mpeg2";

/// Most rows of standard definition.
const STANDARD_ROWS: i32 = 576;

/// Sizes that a framing has: width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// What is given unasked, and the shape unless both sides are asked for. Odd ones are rounded down where the format
    /// needs it.
    pub best: [i32; 2],
    /// The smallest.
    pub least: [i32; 2],
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
        for (side, least) in ["width", "height"].into_iter().zip(sizes.least) {
            s.set(side, gst::IntRange::with_step(least - least % step, MOST, step));
        }
        s.set("pixel-aspect-ratio", gst::FractionRange::new(PIXELS.0, PIXELS.1));
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

/// Those pictures at any rate.
pub fn at_any_rate(pictures: &gst::Caps) -> gst::Caps {
    let mut any = pictures.copy();
    for s in any.make_mut().iter_mut() {
        s.set("framerate", gst::FractionRange::new(RATES.0, RATES.1));
    }
    any
}

/// Those pictures at the rate of the latents, best, or at any other; `latents` are caps of latents.
pub fn at_rates(latents: &gst::Caps, pictures: &gst::Caps) -> gst::Caps {
    let mut all = carry_rate(latents, pictures, None);
    let known = |s: &gst::StructureRef| s.get::<gst::Fraction>("framerate").map_or(true, |r| r.numer() > 0);
    // Latents without a rate cannot be interpolated.
    if latents.iter().any(known) {
        all.merge(at_any_rate(pictures));
    }
    all
}

/// Chooses one of the pictures that downstream takes.
pub fn fixate(caps: gst::Caps, sizes: Sizes, rate: gst::Fraction) -> gst::Caps {
    let possible = |s: &gst::StructureRef| {
        let mut s = s.to_owned();
        sized(&mut s, sizes).then_some(s)
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
    keep_drawable(&mut s);
    for (field, value) in [("interlace-mode", "progressive"), ("multiview-mode", "mono")] {
        if s.has_field(field) {
            s.fixate_field_str(field, value);
        }
    }
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

/// Leaves of several colours that downstream takes those that can be drawn.
fn keep_drawable(s: &mut gst::Structure) {
    let drawable = |name: &&str| {
        name.parse::<gst_video::VideoColorimetry>().is_ok_and(|colours| shares(colours.matrix()).is_some())
    };
    if let Ok(list) = s.get::<gst::List>("colorimetry") {
        let kept: Vec<&str> = list.iter().filter_map(|v| v.get().ok()).filter(drawable).collect();
        if !kept.is_empty() {
            s.set("colorimetry", gst::List::new(kept));
        }
    }
}

/// Chooses width and height: the best where they can be had, else the best's shape where that can be had, else what is
/// nearest to it. `false` where a size is missing.
fn sized(s: &mut gst::Structure, sizes: Sizes) -> bool {
    if s.has_field("pixel-aspect-ratio") {
        s.fixate_field_nearest_fraction("pixel-aspect-ratio", gst::Fraction::new(1, 1));
    }
    let pixel = s.get::<gst::Fraction>("pixel-aspect-ratio").map_or(1.0, ratio);
    let best = sizes.best.map(f64::from);
    // Per axis: its field, its best length, and that length over the other's.
    let shape = best[0] / best[1] / pixel;
    let axes = [("width", best[1] * shape, shape), ("height", best[1], 1.0 / shape)];
    let asked = axes.map(|(field, ..)| s.get::<i32>(field).is_ok());
    let attempt = |first: usize| {
        let mut tried = s.clone();
        let [(field, wanted, _), (other, _, share)] = [axes[first], axes[1 - first]];
        let side = nearest(&mut tried, field, wanted)?;
        // What is as good as the best has the best's other side, not one rounded twice.
        let own = (f64::from(side) - wanted).abs() <= 1.0;
        let wanted = if own { axes[1 - first].1 } else { f64::from(side) * share };
        let found = nearest(&mut tried, other, wanted)?;
        Some((tried, (f64::from(found) - wanted).abs()))
    };
    let order = if asked == [false, true] { [1, 0] } else { [0, 1] };
    let found = match (attempt(order[0]), asked) {
        (Some((found, off)), [false, false]) if off > 1.0 => {
            attempt(order[1]).filter(|(_, other)| *other < off).map_or(found, |(found, _)| found)
        }
        (Some((found, _)), _) => found,
        (None, _) => return false,
    };
    *s = found;
    true
}

/// Fixates a length to what is nearest to the wanted one.
fn nearest(s: &mut gst::Structure, field: &str, wanted: f64) -> Option<i32> {
    let whole = s.clone();
    s.fixate_field_nearest_int(field, (wanted.round() as i32).max(1));
    let found = s.get::<i32>(field).ok()?;
    // GStreamer forgets the steps of a range here.
    let can_be = |side: &i32| {
        let own = gst::Structure::builder(whole.name().as_str()).field(field, *side).build();
        whole.can_intersect(&own)
    };
    let side = [found, found - 1, found + 1].into_iter().find(can_be)?;
    s.set(field, side);
    Some(side)
}

/// A fraction as a number.
pub fn ratio(fraction: gst::Fraction) -> f64 {
    f64::from(fraction.numer()) / f64::from(fraction.denom())
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
    let fields = info.interlace_mode();
    if fields != VideoInterlaceMode::Progressive {
        let text = "fields cannot be drawn: ask for progressive, or put an interlace behind this element";
        return Err(format!("interlace-mode={}: {text}", fields.to_str()));
    }
    if ![VideoMultiviewMode::None, VideoMultiviewMode::Mono].contains(&info.multiview_mode()) {
        let text = "one view is drawn: ask for mono, or take multiview-mode out of the caps";
        return Err(format!(
            "multiview-mode={}: {text}",
            info.multiview_mode().to_caps_string().unwrap_or_default()
        ));
    }
    let colours = info.colorimetry();
    let (red, blue) = shares(colours.matrix()).ok_or_else(|| {
        format!(
            "colorimetry={colours} cannot be drawn: ask for bt601, bt709 or sRGB, or put a videoconvert behind this element"
        )
    })?;
    let full = colours.range() == VideoColorRange::Range0_255;
    let cosited = info.chroma_site().contains(gst_video::VideoChromaSite::H_COSITED);
    Ok(Format { layout, straight, matrix: Matrix::new(red, blue, full, cosited) })
}

/// Shares of red and blue in the luma.
fn shares(matrix: VideoColorMatrix) -> Option<(f64, f64)> {
    let [red, _, blue] = match matrix {
        VideoColorMatrix::Bt601 => BT601,
        VideoColorMatrix::Bt709 | VideoColorMatrix::Rgb | VideoColorMatrix::Unknown => BT709,
        _ => return None,
    };
    Some((red, blue))
}
