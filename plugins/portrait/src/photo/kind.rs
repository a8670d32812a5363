// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a file is that is not one of the pictures read here, and what makes a photo of it.

use std::path::Path;

/// Kinds of files that are told apart by how they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// HEIF with HEVC: what phones write.
    Heic,
    /// HEIF with AV1.
    Avif,
    /// Another one.
    Other {
        /// What it is, after "is".
        name: &'static str,
        /// What converts it; `FILE` stands for its name.
        remedy: &'static str,
    },
}

const MAGICK: &str = "convert it, for example with ImageMagick: convert FILE photo.png";
/// Of what may hold several pictures, the first.
const MAGICK_FIRST: &str = "convert it, for example with ImageMagick: convert FILE'[0]' photo.png";
const STILL: &str = "take a still from it, for example with: ffmpeg -i FILE -frames:v 1 photo.png; a video itself speaks by `facedub`, or `animate --video FILE`";
const DEVELOP: &str = "develop it to a JPEG, with the camera's program or with: darktable-cli FILE photo.jpg";
const NO_PHOTO: &str = "set it to the path of a photo";

/// Bytes from which on, name, remedy.
const BEGINNINGS: [(usize, &[u8], &str, &str); 41] = [
    (0, b"GIF8", "a GIF", MAGICK_FIRST),
    (8, b"CR\x02", "a camera's raw file (Canon CR2)", DEVELOP),
    (0, b"IIRO", "a camera's raw file (Olympus ORF)", DEVELOP),
    (0, b"IIRS", "a camera's raw file (Olympus ORF)", DEVELOP),
    (0, b"IIU\0", "a camera's raw file (Panasonic RW2)", DEVELOP),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw file (Fujifilm RAF)", DEVELOP),
    (4, b"ftypcrx ", "a camera's raw file (Canon CR3)", DEVELOP),
    (0, b"\xff\x0a", "a JPEG XL", "convert it, for example with: djxl FILE photo.png"),
    (4, b"JXL \r\n\x87\n", "a JPEG XL", "convert it, for example with: djxl FILE photo.png"),
    (
        4,
        b"jP  \r\n\x87\n",
        "a JPEG 2000",
        "convert it, for example with: opj_decompress -i FILE -o photo.png",
    ),
    (
        0,
        b"\xff\x4f\xff\x51",
        "a JPEG 2000",
        "convert it, for example with: opj_decompress -i FILE -o photo.png",
    ),
    (
        0,
        b"%PDF",
        "a PDF",
        "take its picture out, for example with: pdftoppm -singlefile -png -r 200 FILE photo",
    ),
    (0, b"%!PS", "a PostScript file", MAGICK),
    (0, b"8BPS", "a Photoshop file (PSD)", MAGICK),
    (0, b"gimp xcf", "a GIMP file (XCF)", "export it from GIMP as PNG"),
    (0, b"\0\0\x01\0", "an icon (ICO)", MAGICK),
    (0, b"v/1\x01", "an OpenEXR picture", MAGICK),
    (0, b"#?RADIANCE", "a Radiance HDR picture", MAGICK),
    (0, b"qoif", "a QOI picture", MAGICK),
    (0, b"DDS ", "a DDS texture", MAGICK),
    (0, b"P3\n", "a PPM picture", MAGICK),
    (0, b"P5\n", "a PGM picture", MAGICK),
    (0, b"P6\n", "a PPM picture", MAGICK),
    (0, b"farbfeld", "a farbfeld picture", MAGICK),
    (0, b"\x1a\x45\xdf\xa3", "a video (Matroska or WebM)", STILL),
    (8, b"AVI ", "a video (AVI)", STILL),
    (0, b"FLV\x01", "a video (FLV)", STILL),
    (0, b"\0\0\x01\xba", "a video (MPEG)", STILL),
    (0, b"\0\0\x01\xb3", "a video (MPEG)", STILL),
    (0, b"\0\0\0\x01\x40\x01", "a video (HEVC)", STILL),
    (0, b"\0\0\0\x01\x67", "a video (H.264)", STILL),
    (0, b"\x30\x26\xb2\x75", "a video (WMV)", STILL),
    (8, b"WAVE", "a sound (WAV)", NO_PHOTO),
    (0, b"ID3", "a sound (MP3)", NO_PHOTO),
    (0, b"\xff\xfb", "a sound (MP3)", NO_PHOTO),
    (0, b"OggS", "a sound or video (Ogg)", NO_PHOTO),
    (0, b"fLaC", "a sound (FLAC)", NO_PHOTO),
    (0, b"PK\x03\x04", "a ZIP archive", "unpack it"),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (0, b"\x7fELF", "a program", NO_PHOTO),
];

/// DNGVersion and Make among a TIFF's fields.
const TIFF_DNG: u16 = 0xc612;

/// What those bytes are; `None` where nothing is known that begins so.
pub fn kind(bytes: &[u8], path: &Path) -> Option<Kind> {
    let begins = |at: usize, with: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(with));
    if begins(4, b"ftyp")
        && let Some(kind) = of_brands(bytes)
    {
        return Some(kind);
    }
    let other = |name, remedy| Some(Kind::Other { name, remedy });
    if let Some(&(.., name, remedy)) = BEGINNINGS.iter().find(|(at, with, ..)| begins(*at, with)) {
        return other(name, remedy);
    }
    if begins(0, b"BM") && begins(6, &[0; 4]) {
        return other("a BMP", MAGICK);
    }
    if begins(0, b"II*\0") || begins(0, b"MM\0*") {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
        // Cameras' raw files are TIFFs by their bytes.
        return if tiff_has(bytes, TIFF_DNG) {
            other("a camera's raw file (DNG)", DEVELOP)
        } else if matches!(
            &*extension,
            "nef" | "nrw" | "arw" | "sr2" | "srw" | "pef" | "3fr" | "raw" | "kdc" | "dcr"
        ) {
            other("a camera's raw file", DEVELOP)
        } else {
            other("a TIFF", MAGICK)
        };
    }
    let text = std::str::from_utf8(bytes).ok()?.trim_start_matches('\u{feff}').trim_start();
    let head: String = text.chars().take(1000).collect::<String>().to_lowercase();
    if head.contains("<svg") {
        return other(
            "an SVG drawing",
            "draw it to pixels, for example with: rsvg-convert FILE -o photo.png",
        );
    }
    if head.starts_with("<!doctype html") || head.starts_with("<html") {
        return other("a web page", "download the picture itself");
    }
    if head.starts_with("version https://git-lfs") {
        return other("the stand-in of a file that git keeps elsewhere", "run: git lfs pull");
    }
    None
}

/// Whether a file that begins so is a photo or another still picture, whether or not it can be read here.
pub fn looks_like_photo(head: &[u8], path: &Path) -> bool {
    // Films of nothing but JPEGs begin as one.
    let film =
        path.extension().is_some_and(|e| e.eq_ignore_ascii_case("mjpeg") || e.eq_ignore_ascii_case("mjpg"));
    let picture = image::guess_format(head).is_ok_and(|format| format != image::ImageFormat::Gif);
    !film && (picture || matches!(kind(head, path), Some(Kind::Heic | Kind::Avif)))
}

/// By the brands of an ISO base media file: the major one first, then those that it is compatible with.
fn of_brands(bytes: &[u8]) -> Option<Kind> {
    let length = u32::from_be_bytes(*bytes.first_chunk::<4>()?) as usize;
    let brands = bytes.get(8..length.min(bytes.len()).max(12))?;
    let (brands, _) = brands.as_chunks::<4>();
    // The second four bytes are the minor version.
    let brands = brands.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, b)| b);
    let mut video = false;
    for brand in brands {
        match brand {
            b"avif" | b"avis" => return Some(Kind::Avif),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => {
                return Some(Kind::Heic);
            }
            b"crx " => return None,
            // Both may hold anything; other brands say more.
            b"mif1" | b"msf1" => (),
            _ => video = true,
        }
    }
    Some(if video { Kind::Other { name: "a video (MP4 or QuickTime)", remedy: STILL } } else { Kind::Heic })
}

/// Whether the first directory of a TIFF has a field.
fn tiff_has(bytes: &[u8], field: u16) -> bool {
    let little = bytes.starts_with(b"II");
    let short = |at: usize| {
        let two = *bytes.get(at..)?.first_chunk::<2>()?;
        Some(if little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    };
    let long = |at: usize| {
        let four = *bytes.get(at..)?.first_chunk::<4>()?;
        Some(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) } as usize)
    };
    let Some((directory, count)) = long(4).and_then(|at| Some((at, short(at)?))) else { return false };
    (0..usize::from(count)).any(|i| short(directory + 2 + 12 * i) == Some(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn name(bytes: &[u8], path: &str) -> &'static str {
        match kind(bytes, Path::new(path)) {
            Some(Kind::Other { name, .. }) => name,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn iso_files_are_told_apart_by_their_brands() {
        let ftyp = |brands: &[&[u8; 4]]| {
            let mut bytes = (8 + 4 * brands.len() as u32 + 4).to_be_bytes().to_vec();
            bytes.extend(b"ftyp");
            bytes.extend(brands[0]);
            bytes.extend([0; 4]);
            brands[1..].iter().for_each(|b| bytes.extend(*b));
            bytes.extend(b"mdat....");
            bytes
        };
        let of = |brands: &[&[u8; 4]]| kind(&ftyp(brands), Path::new("x"));
        assert_eq!(of(&[b"heic", b"mif1", b"heic"]), Some(Kind::Heic));
        assert_eq!(of(&[b"mif1", b"mif1", b"heic"]), Some(Kind::Heic));
        assert_eq!(of(&[b"avif", b"mif1", b"miaf"]), Some(Kind::Avif));
        assert_eq!(of(&[b"mif1", b"miaf", b"avif"]), Some(Kind::Avif));
        assert!(name(&ftyp(&[b"isom", b"iso2", b"mp41"]), "x").contains("video"));
        assert!(name(&ftyp(&[b"qt  "]), "x").contains("video"));
        assert!(name(&ftyp(&[b"crx ", b"isom"]), "x").contains("CR3"));
        // Nonsense in the length is no panic.
        for length in [0u32, 9, 13, u32::MAX] {
            let mut bytes = ftyp(&[b"heic"]);
            bytes[..4].copy_from_slice(&length.to_be_bytes());
            assert_eq!(kind(&bytes, Path::new("x")), Some(Kind::Heic), "{length}");
        }
    }

    #[test]
    fn photos_are_told_from_films() {
        let is = |head: &[u8], path: &str| looks_like_photo(head, Path::new(path));
        let jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0";
        assert!(is(jpeg, "me.jpg") && is(jpeg, "me") && !is(jpeg, "clip.MJPEG"));
        assert!(is(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "x.mp4"));
        assert!(is(b"RIFF\x24\0\0\0WEBPVP8 ", "x") && !is(b"RIFF\x24\0\0\0AVI LIST", "x"));
        assert!(is(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "x"));
        for film in [
            &b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41"[..],
            b"\x1a\x45\xdf\xa3\x9f",
            b"GIF89a",
            b"",
            b"plain",
        ] {
            assert!(!is(film, "x"), "{film:?}");
        }
    }

    #[test]
    fn raw_files_are_no_mere_tiffs() {
        let tiff = |field: u16| {
            let mut bytes = b"II*\0\x08\0\0\0\x01\0".to_vec();
            bytes.extend(field.to_le_bytes());
            bytes.extend([0; 14]);
            bytes
        };
        assert_eq!(name(&tiff(0x100), "scan.tif"), "a TIFF");
        assert!(name(&tiff(TIFF_DNG), "scan.tif").contains("DNG"));
        assert!(name(&tiff(0x100), "DSC_0001.NEF").contains("raw"));
        assert_eq!(name(b"MM\0*\xff\xff\xff\xff", "x"), "a TIFF");
    }

    #[test]
    fn what_is_nothing_known_stays_so() {
        for bytes in [&b""[..], b"\xfe\xfe\xfe\xfe\xfe", b"plain words", b"II", b"\0\0\0\x08ftyp"] {
            let found = kind(bytes, Path::new("x"));
            assert!(found.is_none() || bytes.ends_with(b"ftyp"), "{bytes:?}: {found:?}");
        }
    }
}
