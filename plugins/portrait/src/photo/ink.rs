// SPDX-License-Identifier: MIT OR Apache-2.0
//! CMYK JPEGs with a colour profile, as print shops make them.

use image::RgbImage;
use moxcms::{ColorProfile, DataColorSpace};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::colour;

/// The picture in sRGB, by the profile of its inks. `None` where that is not what the file is; the error says why the profile
/// cannot be used.
pub fn decode(jpeg: &[u8]) -> Option<Result<RgbImage, String>> {
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    decoder.decode_headers().ok()?;
    let stored = decoder.input_colorspace().filter(|c| matches!(c, ColorSpace::CMYK | ColorSpace::YCCK))?;
    let icc = decoder.icc_profile()?;
    let (width, height) = decoder.dimensions()?;
    decoder.set_options(options.jpeg_set_out_colorspace(stored));
    let mut pixels = decoder.decode().ok()?;
    if pixels.len() != width * height * 4 {
        return None;
    }
    for pixel in pixels.as_chunks_mut::<4>().0 {
        *pixel = if stored == ColorSpace::YCCK { from_ycck(*pixel) } else { pixel.map(|v| 255 - v) };
    }
    Some(colour::ink_to_srgb(&pixels, icc).and_then(|rgb| {
        RgbImage::from_raw(width as u32, height as u32, rgb).ok_or_else(|| "it has no pixels".to_owned())
    }))
}

/// Ink of an Adobe JPEG, which stores it inverted; in YCCK three of them once more by the rules of YCbCr.
fn from_ycck([y, cb, cr, k]: [u8; 4]) -> [u8; 4] {
    let [y, cb, cr] = [f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0];
    let rgb = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
    // A saturating cast.
    let [c, m, y] = rgb.map(|v| (v + 0.5) as u8);
    [c, m, y, 255 - k]
}

/// Whether a profile is one of inks.
pub fn is_ink(icc: &[u8]) -> bool {
    ColorProfile::new_from_slice(icc).is_ok_and(|p| p.color_space == DataColorSpace::Cmyk)
}
