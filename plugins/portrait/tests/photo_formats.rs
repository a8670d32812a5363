// SPDX-License-Identifier: MIT OR Apache-2.0
//! Photos as phones, cameras and programs write them: colours of their own, HEIC, and files that are no photos.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gstportrait::pack::{DEFAULT_PACK, Pack};
use gstportrait::photo::{PhotoError, Portrait};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, RgbImage};
use moxcms::{ColorProfile, Layout, TransformOptions};
use tempfile::TempDir;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/");

fn hopper() -> RgbImage {
    image::open(format!("{DATA}portrait-grace-hopper.jpg")).unwrap().into_rgb8()
}

/// The sample at 256x300, as the smaller files show it.
fn small() -> RgbImage {
    image::imageops::resize(&hopper(), 256, 300, image::imageops::FilterType::Lanczos3)
}

fn analyse(path: &Path) -> Result<Arc<Portrait>, PhotoError> {
    gst::init().unwrap();
    let pack = Pack::open(DEFAULT_PACK).unwrap();
    Portrait::analyse(path, &pack, tch::Device::Cpu)
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The portrait of a file of those bytes.
    #[track_caller]
    fn portrait(&self, name: &str, bytes: &[u8]) -> Arc<Portrait> {
        analyse(&self.write(name, bytes)).unwrap()
    }

    /// The text of the error on a file of those bytes.
    #[track_caller]
    fn refusal(&self, name: &str, bytes: &[u8]) -> String {
        let error = analyse(&self.write(name, bytes)).expect_err("a portrait of no photo").to_string();
        assert!(error.contains(name), "{error}");
        error
    }
}

/// Encodes pixels with a profile.
fn encoded(encoder: impl ImageEncoder, image: &DynamicImage, icc: Option<&[u8]>) {
    let mut encoder = encoder;
    if let Some(icc) = icc {
        encoder.set_icc_profile(icc.to_vec()).unwrap();
    }
    let kind = ExtendedColorType::from(image.color());
    encoder.write_image(image.as_bytes(), image.width(), image.height(), kind).unwrap();
}

fn png(image: &DynamicImage, icc: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    encoded(PngEncoder::new(&mut bytes), image, icc);
    bytes.into_inner()
}

fn jpeg(image: &DynamicImage, icc: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    encoded(JpegEncoder::new_with_quality(&mut bytes, 97), image, icc);
    bytes.into_inner()
}

fn webp(image: &DynamicImage, icc: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    encoded(WebPEncoder::new_lossless(&mut bytes), image, icc);
    bytes.into_inner()
}

/// The numbers that say in another profile what the picture says in sRGB.
fn said_in(profile: &ColorProfile, picture: &RgbImage) -> DynamicImage {
    let transform = ColorProfile::new_srgb()
        .create_transform_8bit(Layout::Rgb, profile, Layout::Rgb, TransformOptions::default())
        .unwrap();
    let mut out = vec![0; picture.as_raw().len()];
    transform.transform(picture.as_raw(), &mut out).unwrap();
    RgbImage::from_raw(picture.width(), picture.height(), out).unwrap().into()
}

/// Mean difference to a picture, in levels.
fn off(portrait: &Portrait, picture: &RgbImage) -> f64 {
    assert_eq!(
        (portrait.photo.width, portrait.photo.height),
        (picture.width() as usize, picture.height() as usize)
    );
    let sum: f64 =
        portrait.photo.rgb.iter().zip(picture.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    sum / portrait.photo.rgb.len() as f64
}

#[test]
fn colours_are_those_that_the_profile_says_in_every_format() {
    let folder = Folder::new();
    let picture = hopper();
    for (name, profile) in [
        ("p3", ColorProfile::new_display_p3()),
        ("adobe", ColorProfile::new_adobe_rgb()),
        ("prophoto", ColorProfile::new_pro_photo_rgb()),
    ] {
        let icc = profile.encode().unwrap();
        let said = said_in(&profile, &picture);
        let untagged = folder.portrait(&format!("{name}-untagged.png"), &png(&said, None));
        assert!(off(&untagged, &picture) > 2.0, "{name}: a test of nothing: {}", off(&untagged, &picture));
        let deep = DynamicImage::from(said.to_rgb16());
        for (file, bytes) in [
            ("a.png", png(&said, Some(&icc))),
            ("deep.png", png(&deep, Some(&icc))),
            ("alpha.png", png(&said.to_rgba8().into(), Some(&icc))),
            ("a.webp", webp(&said, Some(&icc))),
            ("a.jpg", jpeg(&said, Some(&icc))),
        ] {
            // Each costs an analysis.
            if name != "p3" && !matches!(file, "a.png" | "a.jpg") {
                continue;
            }
            let portrait = folder.portrait(&format!("{name}-{file}"), &bytes);
            // ProPhoto's steps of 8 bits are coarse; JPEG has losses.
            let limit = if file.ends_with("jpg") { 2.5 } else { 1.0 };
            assert!(off(&portrait, &picture) < limit, "{name} {file}: {}", off(&portrait, &picture));
            assert!(portrait.warnings.is_empty(), "{name} {file}: {:?}", portrait.warnings);
        }
    }
}

/// A profile in several APP2 segments, out of order, as the specification allows.
#[test]
fn a_profile_in_several_segments_is_put_together() {
    let folder = Folder::new();
    let profile = ColorProfile::new_adobe_rgb();
    let (icc, picture) = (profile.encode().unwrap(), hopper());
    let plain = jpeg(&said_in(&profile, &picture), None);
    let mut bytes = plain[..2].to_vec();
    let parts: Vec<&[u8]> = icc.chunks(icc.len() / 2).collect();
    for (i, part) in parts.iter().enumerate().rev() {
        bytes.extend([0xff, 0xe2]);
        bytes.extend((part.len() as u16 + 16).to_be_bytes());
        bytes.extend(b"ICC_PROFILE\0");
        bytes.extend([i as u8 + 1, parts.len() as u8]);
        bytes.extend(*part);
    }
    bytes.extend(&plain[2..]);
    let portrait = folder.portrait("segments.jpg", &bytes);
    assert!(parts.len() > 1 && off(&portrait, &picture) < 2.5, "{}", off(&portrait, &picture));
}

#[test]
fn srgb_profiles_change_nothing() {
    let folder = Folder::new();
    let picture = DynamicImage::from(hopper());
    let icc = ColorProfile::new_srgb().encode().unwrap();
    let portrait = folder.portrait("srgb.png", &png(&picture, Some(&icc)));
    assert!(portrait.photo.rgb == picture.as_bytes(), "{}", off(&portrait, &hopper()));
    // The curve as a table, as the most common profile of all has it.
    let mut table = ColorProfile::new_srgb();
    table.cicp = None;
    let curve = (0..1024).map(|i| {
        let v = f64::from(i) / 1023.0;
        let linear = if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) };
        (linear * 65535.0).round() as u16
    });
    let curve = moxcms::ToneReprCurve::Lut(curve.collect());
    (table.red_trc, table.green_trc, table.blue_trc) =
        (Some(curve.clone()), Some(curve.clone()), Some(curve));
    let portrait = folder.portrait("table.png", &png(&picture, Some(&table.encode().unwrap())));
    assert!(portrait.photo.rgb == picture.as_bytes(), "{}", off(&portrait, &hopper()));
}

#[test]
fn a_grey_photo_follows_its_profile() {
    let folder = Folder::new();
    let grey = DynamicImage::from(DynamicImage::from(hopper()).to_luma8());
    let icc = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
    let portrait = folder.portrait("linear.png", &png(&grey, Some(&icc)));
    for (shown, stored) in portrait.photo.rgb.chunks_exact(3).zip(grey.as_bytes()) {
        let linear = f64::from(*stored) / 255.0;
        let srgb =
            if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
        assert!((f64::from(shown[0]) - 255.0 * srgb).abs() < 3.0, "{stored}: {shown:?}");
        assert!(shown[0] == shown[1] && shown[1] == shown[2]);
    }
}

#[test]
fn a_profile_that_cannot_be_used_costs_a_warning_and_no_photo() {
    let folder = Folder::new();
    let picture = DynamicImage::from(hopper());
    let good = ColorProfile::new_display_p3().encode().unwrap();
    let grey = ColorProfile::new_gray_with_gamma(2.2).encode().unwrap();
    for (name, icc) in [("noise", vec![7; 300]), ("short", good[..140].to_vec()), ("grey", grey)] {
        let portrait = folder.portrait(&format!("{name}.png"), &png(&picture, Some(&icc)));
        assert!(portrait.photo.rgb == picture.as_bytes(), "{name}");
        let warned = portrait.warnings.iter().filter(|w| w.contains(name) && w.contains("profile")).count();
        assert_eq!(warned, 1, "{:?}", portrait.warnings);
    }
}

/// Neither bytes of a profile nor its length are ever a panic or a refusal.
#[test]
fn damaged_profiles_never_panic() {
    let folder = Folder::new();
    let picture = DynamicImage::from(small());
    let icc = ColorProfile::new_display_p3().encode().unwrap();
    let mut random = 7u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    for round in 0..12 {
        let mut icc = icc[..icc.len() - next(3) * next(60)].to_vec();
        for _ in 0..=next(5) {
            let at = next(icc.len());
            icc[at] = next(256) as u8;
        }
        let path = folder.write(&format!("{round}.png"), &png(&picture, Some(&icc)));
        if let Err(error) = analyse(&path) {
            // Colours may have become such that there is no face.
            assert!(matches!(error, PhotoError::NoFace { .. }), "{error}");
        }
    }
}

/// A PNG with chunks before its pixels.
fn with_chunks(png: &[u8], chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
    };
    // After the signature and IHDR.
    let mut bytes = png[..33].to_vec();
    for (name, data) in chunks {
        bytes.extend((data.len() as u32).to_be_bytes());
        let content = [&name[..], data].concat();
        bytes.extend(&content);
        bytes.extend(crc(&content).to_be_bytes());
    }
    bytes.extend(&png[33..]);
    bytes
}

#[test]
fn the_colour_chunks_of_a_png_are_followed_in_their_order() {
    let folder = Folder::new();
    let picture = hopper();
    let numbers = |values: &[u32]| values.iter().flat_map(|v| v.to_be_bytes()).collect::<Vec<u8>>();
    let adobe = numbers(&[31_270, 32_900, 64_000, 33_000, 21_000, 71_000, 15_000, 6_000]);
    let p3 = png(&said_in(&ColorProfile::new_display_p3(), &picture), None);
    let rgb = png(&said_in(&ColorProfile::new_adobe_rgb(), &picture), None);
    let plain = png(&picture.clone().into(), None);
    let icc_p3 = ColorProfile::new_display_p3().encode().unwrap();
    let tagged = png(&said_in(&ColorProfile::new_display_p3(), &picture), Some(&icc_p3));
    let gamma = |value: u32| (b"gAMA", numbers(&[value]));
    for (name, bytes, exact) in [
        ("cicp.png", with_chunks(&p3, &[(b"cICP", vec![12, 13, 0, 1])]), false),
        ("chrm.png", with_chunks(&rgb, &[gamma(45_470), (b"cHRM", adobe.clone())]), false),
        // A profile counts more than numbers, code points more than that.
        ("icc-first.png", with_chunks(&tagged, &[gamma(100_000)]), false),
        ("cicp-first.png", with_chunks(&plain, &[(b"cICP", vec![1, 13, 0, 1]), gamma(100_000)]), true),
        ("srgb-first.png", with_chunks(&plain, &[(b"sRGB", vec![0]), gamma(100_000)]), true),
        ("usual.png", with_chunks(&plain, &[gamma(45_455)]), true),
    ] {
        let portrait = folder.portrait(name, &bytes);
        let off = off(&portrait, &picture);
        // The curve of Adobe RGB is not quite that of sRGB.
        assert!(if exact { off == 0.0 } else { off < 2.5 }, "{name}: {off}");
    }
    let linear = folder.portrait("linear.png", &with_chunks(&plain, &[gamma(100_000)]));
    assert!(off(&linear, &picture) > 20.0, "{}", off(&linear, &picture));
    for (name, data) in
        [("cut.png", vec![12]), ("odd.png", vec![200, 200, 0, 1]), ("hdr.png", vec![9, 16, 0, 1])]
    {
        let portrait = folder.portrait(name, &with_chunks(&plain, &[(b"cICP", data)]));
        assert_eq!(off(&portrait, &picture), 0.0, "{name}");
    }
}

/// A profile of inks by which every colour is grey: lut8 with two steps of each ink.
fn grey_inks() -> Vec<u8> {
    let mut lut = b"mft1\0\0\0\0\x04\x03\x02\0".to_vec();
    for i in 0..9 {
        lut.extend((if i % 4 == 0 { 65536i32 } else { 0 }).to_be_bytes());
    }
    let ramp: Vec<u8> = (0..=255).collect();
    (0..4).for_each(|_| lut.extend(&ramp));
    for corner in 0..16u32 {
        let ink = |bit: u32| f64::from(corner >> bit & 1);
        let light = (1.0 - ink(0)) * (1.0 - (ink(1) + ink(2) + ink(3)) / 3.0);
        lut.extend([(255.0 * light).round() as u8, 128, 128]);
    }
    (0..3).for_each(|_| lut.extend(&ramp));
    lut.resize(lut.len().next_multiple_of(4), 0);
    let mut icc = vec![0; 128];
    icc[8..12].copy_from_slice(&[2, 0x40, 0, 0]);
    icc[12..16].copy_from_slice(b"prtr");
    icc[16..20].copy_from_slice(b"CMYK");
    icc[20..24].copy_from_slice(b"Lab ");
    icc[36..40].copy_from_slice(b"acsp");
    // White of D50.
    icc[68..80].copy_from_slice(&[0, 0, 0xf6, 0xd6, 0, 1, 0, 0, 0, 0, 0xd3, 0x2d]);
    icc.extend(1u32.to_be_bytes());
    icc.extend(b"A2B0");
    icc.extend(144u32.to_be_bytes());
    icc.extend((lut.len() as u32).to_be_bytes());
    icc.extend(lut);
    let length = icc.len() as u32;
    icc[..4].copy_from_slice(&length.to_be_bytes());
    icc
}

#[test]
fn a_cmyk_jpeg_follows_the_profile_of_its_inks() {
    let folder = Folder::new();
    let plain = std::fs::read(format!("{DATA}portrait-cmyk.jpg")).unwrap();
    let icc = grey_inks();
    let mut bytes = plain[..2].to_vec();
    bytes.extend([0xff, 0xe2]);
    bytes.extend((icc.len() as u16 + 16).to_be_bytes());
    bytes.extend(b"ICC_PROFILE\0\x01\x01");
    bytes.extend(&icc);
    bytes.extend(&plain[2..]);
    let portrait = folder.portrait("inks.jpg", &bytes);
    assert!(portrait.warnings.is_empty(), "{:?}", portrait.warnings);
    let pixels = portrait.photo.rgb.as_chunks::<3>().0;
    let spread = |p: &[u8; 3]| p.iter().max().unwrap() - p.iter().min().unwrap();
    assert!(pixels.iter().all(|p| spread(p) <= 6), "{:?}", pixels.iter().map(spread).max());
    // Light is light and dark is dark.
    let light = DynamicImage::from(small()).to_luma8();
    let (mut bright, mut dark) = ((0.0, 0.0), (0.0, 0.0));
    for (p, l) in pixels.iter().zip(light.as_raw()) {
        match l {
            200.. => bright = (bright.0 + f64::from(p[1]), bright.1 + 1.0),
            ..50 => dark = (dark.0 + f64::from(p[1]), dark.1 + 1.0),
            _ => (),
        }
    }
    assert!(bright.0 / bright.1 > 180.0 && dark.0 / dark.1 < 90.0, "{bright:?} {dark:?}");
}

/// Whether the system has the library; the plugin looks for it in the same way.
fn has_libheif() -> bool {
    // SAFETY: a C string; the library is left open.
    !unsafe { libc::dlopen(c"libheif.so.1".as_ptr(), libc::RTLD_NOW) }.is_null()
}

#[test]
fn photos_of_phones_are_read_by_libheif_or_named() {
    let folder = Folder::new();
    for (name, word) in [("portrait-p3.heic", "HEIC"), ("portrait-round.avif", "AVIF")] {
        let path = PathBuf::from(format!("{DATA}{name}"));
        if !has_libheif() {
            let error = analyse(&path).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("heif-convert"), "{error}");
            continue;
        }
        let portrait = match analyse(&path) {
            Ok(portrait) => portrait,
            // Some systems ship its codecs apart.
            Err(error) if error.to_string().contains("libheif-plugin-") => continue,
            Err(error) => panic!("{error}"),
        };
        // Upright, and in the colours of the sample: as they are they would be off by 6 and more.
        assert!(portrait.pose.roll.abs() < 10.0, "{name}: {:?}", portrait.pose);
        let picture = small();
        let inside = |i: usize| ((i % 256) as f32 - 133.0).hypot((i / 256) as f32 - 125.0) < 105.0;
        let pairs = portrait.photo.rgb.chunks_exact(3).zip(picture.as_raw().chunks_exact(3));
        let pairs: Vec<_> = pairs.enumerate().filter(|(i, _)| inside(*i)).map(|(_, pair)| pair).collect();
        let mean = |c: usize| {
            let sum: f64 = pairs.iter().map(|(a, b)| f64::from(a[c]) - f64::from(b[c])).sum();
            sum / pairs.len() as f64
        };
        assert!((0..3).all(|c| mean(c).abs() < 2.0), "{name}: {:?}", [0, 1, 2].map(mean));
        assert_eq!(portrait.alpha.is_some(), name.ends_with("avif"), "{name}");
        assert!(portrait.warnings.is_empty(), "{name}: {:?}", portrait.warnings);
        // Wherever it ends, it is no panic and one error.
        let bytes = std::fs::read(&path).unwrap();
        for part in [3, 30, 300, 700, 990] {
            folder.refusal(&format!("{part}-{name}"), &bytes[..bytes.len() * part / 1000]);
        }
    }
}

/// The line can be pasted, wherever the file lies.
#[test]
fn files_of_other_kinds_are_named_with_what_converts_them() {
    let folder = Folder::new();
    for (name, bytes, words) in [
        ("a.gif", &b"GIF89a\x01\0\x01\0\0\0\0;"[..], ["GIF", "/a.gif\"'[0]' photo.png"]),
        ("a.tif", b"II*\0\x08\0\0\0\0\0\0\0", ["TIFF", "/a.tif\" photo.png"]),
        ("a.bmp", b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0", ["BMP", "/a.bmp\" photo.png"]),
        ("a.jxl", b"\xff\x0a\xfa\x7f\x01", ["JPEG XL", "djxl"]),
        ("b.jxl", b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\0", ["JPEG XL", "djxl"]),
        ("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\0", ["JPEG 2000", "opj_decompress"]),
        ("a.svg", b"<?xml version=\"1.0\"?>\n<svg xmlns=\"x\"/>", ["SVG", "rsvg-convert"]),
        ("a.pdf", b"%PDF-1.7\n", ["PDF", "pdftoppm"]),
        ("a.psd", b"8BPS\0\x01\0\0\0\0", ["Photoshop", "convert"]),
        ("a.cr2", b"II*\0\x10\0\0\0CR\x02\0\0\0\0\0", ["CR2", "darktable-cli"]),
        ("a.nef", b"MM\0*\0\0\0\x08\0\0\0\0", ["raw file", "darktable-cli"]),
        ("a.cr3", b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", ["CR3", "darktable-cli"]),
        ("a.mp4", b"\0\0\0\x18ftypisom\0\0\x02\0isommp41", ["video", "/a.mp4\" -frames"]),
        ("a.mov", b"\0\0\0\x14ftypqt  \0\0\x02\0qt  ", ["video", "ffmpeg"]),
        ("a.webm", b"\x1a\x45\xdf\xa3\x01\0\0\0", ["video", "ffmpeg"]),
        ("a.265", b"\0\0\0\x01\x40\x01\x0c\x01", ["HEVC", "ffmpeg"]),
        ("a.wav", b"RIFF\x24\0\0\0WAVEfmt ", ["sound", "photo"]),
        ("a.html", b"\n<!DOCTYPE html><html>", ["web page", "download"]),
        ("a.zip", b"PK\x03\x04\x14\0\0\0", ["ZIP", "unpack"]),
    ] {
        let error = folder.refusal(name, bytes);
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}
