// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading a photo file: by content, upright, within limits.
//!
//! PNG, JPEG and WebP, and HEIC and AVIF where the system has libheif. Colours are converted to sRGB by what the file says of
//! them, 16-bit pictures are reduced to 8 bits, grey ones become RGB. Alpha is kept.

use std::io::{Cursor, ErrorKind};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::colour::{self, Colours};
use super::error::PhotoError;
use super::heif::{self, HeifError};
use super::kind::{Kind, kind};
use super::limits::{MAX_BYTES, MAX_FILE_BYTES, MAX_SIDE};
use super::picture::Picture;
use super::{alpha, ink};

/// A decoded photo, upright.
#[derive(Debug)]
pub struct Photo {
    /// The colours, sRGB. Those of transparent parts go on from what is beside them.
    pub picture: Picture,
    /// One byte a pixel, 255 = opaque, where parts of the photo are transparent.
    pub alpha: Option<Vec<u8>>,
    /// Why its colours are not what the file says they are.
    pub warning: Option<String>,
}

/// Reads and decodes a photo.
pub fn read(path: &Path) -> Result<Photo, PhotoError> {
    let bytes = read_bytes(path)?;
    let format = match image::guess_format(&bytes) {
        Ok(f @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) => f,
        _ => return read_other(path, &bytes),
    };
    let complete = match format {
        // The decoder fills what is missing with grey and says nothing.
        ImageFormat::Jpeg => jpeg_is_complete(&bytes),
        // The decoder says "corrupt" to all that is missing.
        ImageFormat::WebP => webp_is_complete(&bytes),
        _ => true,
    };
    if !complete {
        return Err(PhotoError::Truncated { path: path.to_owned() });
    }
    let (image, colours, orientation) = decode(path, &bytes, format)?;
    drop(bytes);
    Ok(to_photo(path, image, colours, orientation))
}

/// What is none of the formats that are always read: by libheif, or an error that says what it is.
fn read_other(path: &Path, bytes: &[u8]) -> Result<Photo, PhotoError> {
    let not_a_picture = |found: &str, remedy: &str| PhotoError::NotAPicture {
        path: path.to_owned(),
        found: found.to_owned(),
        remedy: remedy.replace("FILE", &format!("{path:?}")),
    };
    let convert = "convert it to one of these";
    let phone = match kind(bytes, path) {
        Some(Kind::Other { name, remedy }) => return Err(not_a_picture(&format!("it is {name}"), remedy)),
        Some(Kind::Heic) => "HEIC",
        Some(Kind::Avif) => "AVIF",
        None if bytes.is_empty() => {
            return Err(not_a_picture("the file is empty", "copy or download it again"));
        }
        None if std::str::from_utf8(bytes).is_ok() => return Err(not_a_picture("it holds text", convert)),
        None => return Err(not_a_picture("unknown content", convert)),
    };
    // The name of the codec that libheif has to have for it.
    let codec = if phone == "HEIC" { "libde265" } else { "dav1d" };
    let path_buf = path.to_owned();
    match heif::decode(bytes) {
        Ok((image, colours)) => Ok(to_photo(path, image, colours, Orientation::NoTransforms)),
        Err(HeifError::NoLibrary) => Err(not_a_picture(
            &format!("it is {phone}"),
            "install libheif (Debian and Ubuntu: apt install libheif1), with which it is read as it is, or convert it: \
             heif-convert FILE photo.png (from libheif-examples)",
        )),
        Err(HeifError::NoCodec) => Err(not_a_picture(
            &format!("it is {phone}, which the libheif here comes without a decoder for"),
            &format!(
                "install libheif-plugin-{codec}, or convert it elsewhere, for example with ImageMagick: convert FILE photo.png"
            ),
        )),
        Err(HeifError::Truncated) => Err(PhotoError::Truncated { path: path_buf }),
        Err(HeifError::TooLarge(size)) => Err(too_large(path, size)),
        Err(HeifError::Damaged(reason)) => Err(PhotoError::Damaged { path: path_buf, reason }),
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, PhotoError> {
    let fail = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => PhotoError::NotFound { path: path.to_owned(), property: "portrait" },
        _ => PhotoError::Read { path: path.to_owned(), source },
    };
    let metadata = std::fs::metadata(path).map_err(fail)?;
    // Reading a pipe or a device could last for ever.
    if !metadata.is_file() {
        return Err(fail(std::io::Error::new(ErrorKind::InvalidInput, "it is no regular file")));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(too_large(path, format!("a file of {} MiB", metadata.len() >> 20)));
    }
    std::fs::read(path).map_err(fail)
}

fn decode(
    path: &Path,
    bytes: &[u8],
    format: ImageFormat,
) -> Result<(DynamicImage, Colours, Orientation), PhotoError> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    // The sides are checked below, where the error can name them.
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|e| image_error(path, e, &header_size(bytes)))?;
    let (width, height) = decoder.dimensions();
    let size = format!("{width}x{height} pixels");
    if width > MAX_SIDE || height > MAX_SIDE || decoder.total_bytes() > MAX_BYTES {
        return Err(too_large(path, size));
    }
    // A broken EXIF block is no reason to refuse the picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    // Neither is a broken colour profile.
    let icc = decoder.icc_profile().ok().flatten();
    let colours = match (format, icc) {
        (ImageFormat::Png, icc) => Colours::of_png(bytes, icc),
        (ImageFormat::Jpeg, Some(icc)) if ink::is_ink(&icc) => match ink::decode(bytes) {
            Some(Ok(image)) => return Ok((image.into(), Colours::Srgb, orientation)),
            Some(Err(reason)) => Colours::Unusable(reason),
            None => Colours::Icc(icc),
        },
        (_, icc) => icc.map_or(Colours::Srgb, Colours::Icc),
    };
    let image = DynamicImage::from_decoder(decoder).map_err(|e| image_error(path, e, &size))?;
    Ok((image, colours, orientation))
}

fn to_photo(path: &Path, image: DynamicImage, colours: Colours, orientation: Orientation) -> Photo {
    let (mut image, reason) = colour::to_srgb(image, colours);
    image.apply_orientation(orientation);
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (picture, alpha) = if image.color().has_alpha() {
        alpha::split(&image.into_rgba8(), width, height)
    } else {
        (Picture { width, height, rgb: image.into_rgb8().into_raw() }, None)
    };
    let warning = reason.map(|reason| format!("the colours of {path:?} may look wrong: {reason}"));
    Photo { picture, alpha, warning }
}

fn too_large(path: &Path, found: String) -> PhotoError {
    let limit = format!(
        "{MAX_SIDE} pixels a side, {} MiB decoded, files of {} MiB",
        MAX_BYTES >> 20,
        MAX_FILE_BYTES >> 20
    );
    PhotoError::TooLarge { path: path.to_owned(), found, limit }
}

fn image_error(path: &Path, error: ImageError, size: &str) -> PhotoError {
    let path_buf = path.to_owned();
    let text = error.to_string();
    match error {
        ImageError::Limits(_) => too_large(path, size.to_owned()),
        ImageError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => {
            PhotoError::Truncated { path: path_buf }
        }
        // Some decoders wrap the end of the file into their own error.
        _ if text.to_lowercase().contains("unexpected end of file") || text.contains("Exhausted") => {
            PhotoError::Truncated { path: path_buf }
        }
        _ => PhotoError::Damaged { path: path_buf, reason: text },
    }
}

/// What the header of a PNG says of its size, for the error where the decoder refuses to go on: `WxH pixels`.
fn header_size(bytes: &[u8]) -> String {
    let number = |at: usize| {
        let bytes = bytes.get(at..at + 4).and_then(|b| b.first_chunk::<4>());
        bytes.map(|&b| u32::from_be_bytes(b))
    };
    match (bytes.get(12..16), number(16), number(20)) {
        (Some(b"IHDR"), Some(width), Some(height)) => format!("{width}x{height} pixels"),
        _ => "its size is not known".to_owned(),
    }
}

/// Whether the file is as long as its RIFF header says.
fn webp_is_complete(bytes: &[u8]) -> bool {
    let length = bytes.get(4..8).and_then(|b| b.first_chunk::<4>()).map(|&b| u32::from_le_bytes(b));
    length.is_some_and(|length| bytes.len() as u64 >= u64::from(length) + 8)
}

/// Whether an end-of-image marker follows the start of the scan. Thumbnails carry their own, but within segments before it.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    const SOS: u8 = 0xda;
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4).and_then(|b| b.first_chunk::<4>()) {
        if marker == 0xff {
            // Fill bytes may stand before a marker.
            at += 1;
            continue;
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
        if marker == SOS {
            return bytes.get(at..).is_some_and(|scan| scan.windows(2).any(|w| w == [0xff, 0xd9]));
        }
    }
    // The headers are cut or damaged: that much the decoder notices, unless they just end.
    at < bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_thumbnail_is_not_the_end_of_the_picture() {
        let jpeg = |tail: &[u8]| {
            // APP1 with an EOI inside, then SOS with a header of 2 bytes, then the scan.
            let mut bytes = vec![0xff, 0xd8, 0xff, 0xe1, 0, 6, 1, 2, 0xff, 0xd9, 0xff, 0xff, 0xda, 0, 2];
            bytes.extend(tail);
            bytes
        };
        assert!(jpeg_is_complete(&jpeg(&[5, 6, 0xff, 0xd9])));
        assert!(jpeg_is_complete(&jpeg(&[5, 6, 0xff, 0xd9, 0, 0, 0])));
        assert!(!jpeg_is_complete(&jpeg(&[5, 6, 7])));
        assert!(!jpeg_is_complete(&jpeg(&[])));
        assert!(!jpeg_is_complete(&[0xff, 0xd8]));
        assert!(!jpeg_is_complete(&[0xff, 0xd8, 0xff, 0xe1, 0x70, 0]));
    }
}
