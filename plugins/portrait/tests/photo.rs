// SPDX-License-Identifier: MIT OR Apache-2.0
//! Photos, good and bad: each gives a portrait or one clear error that names the file; never a panic.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gstportrait::face::landmark::{COUNT, indices};
use gstportrait::pack::{DEFAULT_PACK, Pack};
use gstportrait::photo::{PhotoError, Portrait};
use image::{DynamicImage, ImageFormat, RgbImage, imageops};
use tempfile::TempDir;

const HOPPER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/portrait-grace-hopper.jpg");
const ASTRONAUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/portrait-astronaut.png");
const CMYK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/portrait-cmyk.jpg");

fn analyse(path: impl AsRef<Path>) -> Result<Arc<Portrait>, PhotoError> {
    gst::init().unwrap();
    let pack = Pack::open(DEFAULT_PACK).unwrap();
    Portrait::analyse(path.as_ref(), &pack, tch::Device::Cpu)
}

/// The error, whose text must name the file.
#[track_caller]
fn refused(path: &Path) -> PhotoError {
    let error = analyse(path).expect_err("a portrait of a bad photo");
    let name = path.file_name().unwrap().to_string_lossy();
    assert!(error.to_string().contains(&*name), "{error}");
    error
}

fn hopper() -> RgbImage {
    image::open(HOPPER).unwrap().into_rgb8()
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

    fn save(&self, name: &str, image: &DynamicImage, format: ImageFormat) -> PathBuf {
        self.write(name, &encoded(image, format))
    }

    fn png(&self, name: &str, image: RgbImage) -> PathBuf {
        self.save(name, &image.into(), ImageFormat::Png)
    }
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// The sample with a face of about that height in the middle of an empty picture.
fn placed(face: u32, width: u32, height: u32) -> RgbImage {
    // The face of the sample is 202 pixels high.
    let small = imageops::thumbnail(&hopper(), 512 * face / 202, 600 * face / 202);
    let mut image = RgbImage::from_pixel(width, height, image::Rgb([90, 110, 130]));
    let middle = |outer: u32, inner: u32| (i64::from(outer) - i64::from(inner)) / 2;
    imageops::replace(&mut image, &small, middle(width, small.width()), middle(height, small.height()));
    image
}

fn mean(portrait: &Portrait, of: &[usize]) -> [f32; 2] {
    [0, 1].map(|c| of.iter().map(|&i| portrait.landmarks[i][c]).sum::<f32>() / of.len() as f32)
}

/// The face is upright, whole, and where a crop should show it.
#[track_caller]
fn assert_upright(portrait: &Portrait) {
    let [left, right, mouth] =
        [&indices::EYE_LEFT[..], &indices::EYE_RIGHT, &indices::LIPS_OUTER].map(|of| mean(portrait, of));
    let points = format!("{left:?} {right:?} {mouth:?}");
    assert!(left[0] + 0.1 < right[0] && left[1] + 0.1 < mouth[1] && right[1] + 0.1 < mouth[1], "{points}");
    for point in [left, right, mouth] {
        assert!(point.iter().all(|v| (0.2..0.8).contains(v)), "{points}");
    }
}

#[test]
fn the_samples_are_analysed_completely() {
    for path in [HOPPER, ASTRONAUT] {
        let portrait = analyse(path).unwrap();
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let side = pack.manifest().picture.resolution as usize;
        assert!(portrait.warnings.is_empty(), "{:?}", portrait.warnings);
        assert_upright(&portrait);
        assert_eq!((portrait.picture.width, portrait.picture.height), (side, side));
        assert_eq!(portrait.picture.rgb.len(), side * side * 3);
        assert_eq!(portrait.plate.rgb.len(), side * side * 3);
        assert_eq!(portrait.matte.len(), side * side);
        assert_eq!(portrait.landmarks.len(), COUNT);
        assert_eq!(portrait.source_latents.len(), pack.manifest().latents.count * 3);
        assert!(!portrait.mouth_code.is_empty() && !portrait.eye_code.is_empty());
        // The crop lies within both of these photos.
        let (crop, photo) = (portrait.crop, &portrait.photo);
        assert!(crop.x >= 0.0 && crop.y >= 0.0, "{crop:?}");
        assert!(crop.x + crop.side <= photo.width as f32 && crop.y + crop.side <= photo.height as f32);
        // Pose and neutral face give back the landmarks.
        let mut posed = vec![[0.0; 3]; COUNT];
        portrait.pose.apply(&portrait.neutral, &mut posed);
        for (a, b) in posed.iter().flatten().zip(portrait.landmarks.iter().flatten()) {
            assert!((a - b).abs() < 1e-5);
        }
        assert!(portrait.pose.yaw.abs() < 10.0 && portrait.pose.pitch.abs() < 15.0, "{:?}", portrait.pose);
        // The nose is person, the upper corners are not, and there the plate is the picture.
        let nose = portrait.landmarks[indices::NOSE_TIP].map(|v| (v * side as f32) as usize);
        assert_eq!(portrait.matte[nose[1] * side + nose[0]], 255);
        assert_eq!((portrait.matte[0], portrait.matte[side - 1]), (0, 0));
        assert_eq!(portrait.plate.rgb[..12], portrait.picture.rgb[..12]);
        let at = (nose[1] * side + nose[0]) * 3;
        assert_ne!(portrait.plate.rgb[at..at + 3], portrait.picture.rgb[at..at + 3]);
    }
}

#[test]
fn whoever_asks_for_the_same_photo_shares_it_and_a_changed_file_is_read_again() {
    let folder = Folder::new();
    let path = folder.write("me.jpg", &std::fs::read(HOPPER).unwrap());
    let first = analyse(&path).unwrap();
    let others: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3).map(|_| scope.spawn(|| analyse(&path).unwrap())).collect();
        workers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    assert!(others.iter().all(|other| Arc::ptr_eq(&first, other)));
    let weak = Arc::downgrade(&first);
    let before = first.crop;
    folder.write("me.jpg", &std::fs::read(ASTRONAUT).unwrap());
    assert_ne!(analyse(&path).unwrap().crop, before);
    drop((first, others));
    assert!(weak.upgrade().is_none(), "the cache keeps no photo alive");
}

#[test]
fn a_photo_without_a_face_is_refused() {
    let folder = Folder::new();
    let noise = RgbImage::from_fn(640, 480, |x, y| {
        image::Rgb([(x * 7 + y * 13) as u8, (x * y) as u8, (y * 3) as u8])
    });
    let error = refused(&folder.png("noise.png", noise));
    assert!(matches!(error, PhotoError::NoFace { .. }), "{error}");
    let flat = RgbImage::from_pixel(100, 3000, image::Rgb([30, 30, 30]));
    assert!(matches!(refused(&folder.png("flat.png", flat)), PhotoError::NoFace { .. }));
}

#[test]
fn of_several_faces_the_largest_is_taken_with_a_warning() {
    let folder = Folder::new();
    let astronaut = image::open(ASTRONAUT).unwrap().into_rgb8();
    let mut both = RgbImage::new(1024, 600);
    imageops::replace(&mut both, &astronaut, 0, 0);
    imageops::replace(&mut both, &hopper(), 512, 0);
    let portrait = analyse(folder.png("both.png", both)).unwrap();
    let warned = portrait.warnings.iter().any(|w| w.contains("2 faces") && w.contains("both.png"));
    assert!(warned, "{:?}", portrait.warnings);
    // The larger face is the one on the right.
    assert!(portrait.crop.x > 500.0, "{:?}", portrait.crop);
    assert_upright(&portrait);
}

#[test]
fn a_small_face_in_a_large_photo_is_found_and_one_of_less_than_64_pixels_is_refused_with_its_size() {
    let folder = Folder::new();
    let error = refused(&folder.png("far.png", placed(45, 180, 200)));
    let text = error.to_string();
    let PhotoError::FaceTooSmall { found, needed: 64, .. } = error else { panic!("{text}") };
    assert!((38..=52).contains(&found), "{found}");
    assert!(text.contains(&found.to_string()), "{text}");
    let portrait = analyse(folder.png("large.png", placed(80, 2600, 1900))).unwrap();
    assert_upright(&portrait);
    assert!((portrait.crop.side - 160.0).abs() < 20.0, "{:?}", portrait.crop);
}

#[test]
fn a_face_cut_by_the_border_is_animated_with_a_warning_or_refused() {
    let folder = Folder::new();
    let cut = |name: &str, x: u32, y: u32, w: u32, h: u32| {
        folder.png(name, imageops::crop_imm(&hopper(), x, y, w, h).to_image())
    };
    // The forehead is missing.
    let portrait = analyse(cut("top.png", 0, 190, 512, 410)).unwrap();
    assert!(portrait.warnings.iter().any(|w| w.contains("cut by the border")), "{:?}", portrait.warnings);
    assert!(portrait.crop.y < 0.0);
    // The mouth is missing, or half of the face.
    for path in [cut("bottom.png", 0, 0, 512, 262), cut("left.png", 262, 0, 250, 600)] {
        let error = refused(&path);
        assert!(matches!(error, PhotoError::FaceCut { .. } | PhotoError::NoFace { .. }), "{error}");
    }
}

/// A JPEG with an EXIF block that holds nothing but the orientation.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08".to_vec();
    exif.extend([0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]);
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend((exif.len() as u16 + 2).to_be_bytes());
    bytes.extend(exif);
    bytes.extend(&jpeg[2..]);
    bytes
}

#[test]
fn exif_orientations_are_undone() {
    let folder = Folder::new();
    let upright = DynamicImage::from(hopper());
    let stored = [
        (1, upright.clone()),
        (2, upright.fliph()),
        (3, upright.rotate180()),
        (4, upright.flipv()),
        (5, upright.rotate90().fliph()),
        (6, upright.rotate270()),
        (7, upright.rotate270().fliph()),
        (8, upright.rotate90()),
    ];
    let expected = analyse(HOPPER).unwrap();
    for (orientation, image) in stored {
        let jpeg = encoded(&image, ImageFormat::Jpeg);
        let path = folder.write(&format!("{orientation}.jpg"), &with_orientation(&jpeg, orientation));
        let portrait = analyse(&path).unwrap();
        assert_eq!((portrait.photo.width, portrait.photo.height), (512, 600), "{orientation}");
        assert_upright(&portrait);
        assert!((portrait.pose.roll - expected.pose.roll).abs() < 1.5, "{orientation}: {:?}", portrait.pose);
        assert!((portrait.crop.x - expected.crop.x).abs() < 6.0, "{orientation}: {:?}", portrait.crop);
    }
    // Nonsense in the block is no reason to refuse the picture.
    let path = folder.write("99.jpg", &with_orientation(&std::fs::read(HOPPER).unwrap(), 99));
    assert_upright(&analyse(&path).unwrap());
}

#[test]
fn every_kind_of_pixel_gives_the_same_face() {
    let folder = Folder::new();
    let rgb = DynamicImage::from(hopper());
    let expected = analyse(HOPPER).unwrap();
    let kinds = [
        ("grey.png", DynamicImage::from(rgb.to_luma8()), ImageFormat::Png),
        ("grey.jpg", DynamicImage::from(rgb.to_luma8()), ImageFormat::Jpeg),
        ("grey16.png", DynamicImage::from(rgb.to_luma16()), ImageFormat::Png),
        ("grey-alpha.png", DynamicImage::from(rgb.to_luma_alpha8()), ImageFormat::Png),
        ("rgb16.png", DynamicImage::from(rgb.to_rgb16()), ImageFormat::Png),
        ("rgba16.png", DynamicImage::from(rgb.to_rgba16()), ImageFormat::Png),
        ("rgba.png", DynamicImage::from(rgb.to_rgba8()), ImageFormat::Png),
        ("lossless.webp", rgb.clone(), ImageFormat::WebP),
        // The content counts, not the name.
        ("jpeg.png", rgb.clone(), ImageFormat::Jpeg),
        ("no-extension", rgb.clone(), ImageFormat::Png),
    ];
    for (name, image, format) in kinds {
        let portrait = analyse(folder.save(name, &image, format)).unwrap();
        assert!((portrait.crop.x - expected.crop.x).abs() < 8.0, "{name}: {:?}", portrait.crop);
        assert!((portrait.crop.side - expected.crop.side).abs() < 16.0, "{name}: {:?}", portrait.crop);
        assert_upright(&portrait);
    }
}

#[test]
fn a_cmyk_jpeg_has_the_colours_of_the_picture() {
    let portrait = analyse(CMYK).unwrap();
    assert_upright(&portrait);
    let photo = imageops::thumbnail(&hopper(), 256, 300).into_raw();
    let sum: f64 = photo.iter().zip(&portrait.photo.rgb).map(|(&a, &b)| f64::from(a.abs_diff(b))).sum();
    let mean = sum / photo.len() as f64;
    assert!(mean < 12.0, "mean difference {mean}");
}

#[test]
fn an_alpha_channel_is_the_matte() {
    let folder = Folder::new();
    let mut image = DynamicImage::from(hopper()).to_rgba8();
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        let (dx, dy) = (f64::from(x) - 266.0, f64::from(y) - 250.0);
        if dx.hypot(dy) > 170.0 {
            // What a cut-out leaves behind is often green or black: it must not show.
            *pixel = image::Rgba([0, 255, 0, 0]);
        }
    }
    let portrait = analyse(folder.save("cut-out.png", &image.into(), ImageFormat::Png)).unwrap();
    let side = portrait.picture.width;
    assert_eq!((portrait.matte[0], portrait.matte[side * side / 2 + side / 2]), (0, 255));
    for pixel in [&portrait.picture.rgb[..3], &portrait.plate.rgb[..3]] {
        assert!(pixel[1] < pixel[0].max(pixel[2]) + 40, "{pixel:?}");
    }
    assert!(portrait.alpha.as_ref().unwrap().mask[0] == 0);
}

#[test]
fn files_that_are_no_pictures_are_refused_by_what_they_hold() {
    let folder = Folder::new();
    let error = refused(&folder.write("text.png", b"this is no picture"));
    assert!(
        matches!(error, PhotoError::NotAPicture { .. }) && error.to_string().contains("holds text"),
        "{error}"
    );
    assert!(matches!(refused(&folder.write("empty.jpg", b"")), PhotoError::NotAPicture { .. }));
    assert!(matches!(refused(&folder.write("bytes.png", &[0xfe; 5000])), PhotoError::NotAPicture { .. }));
    let error = refused(&folder.write("moving.png", b"GIF89a\x01\0\x01\0\0\0\0;"));
    assert!(matches!(error, PhotoError::NotAPicture { .. }) && error.to_string().contains("GIF"), "{error}");
    assert!(matches!(refused(&folder.0.path().join("absent.png")), PhotoError::NotFound { .. }));
    assert!(matches!(refused(folder.0.path()), PhotoError::Read { .. }));
    assert!(matches!(refused(Path::new("/dev/zero")), PhotoError::Read { .. }));
}

#[test]
fn one_pixel_is_refused() {
    let folder = Folder::new();
    for (width, height) in [(1, 1), (1, 600), (63, 63)] {
        let error = refused(&folder.png("tiny.png", RgbImage::new(width, height)));
        assert!(matches!(error, PhotoError::TooSmall { .. }), "{error}");
        assert!(error.to_string().contains(&format!("{width}x{height}")), "{error}");
    }
}

#[test]
fn truncated_files_are_refused_wherever_they_end() {
    let folder = Folder::new();
    let lossless = encoded(&DynamicImage::from(placed(100, 200, 240)), ImageFormat::WebP);
    for (name, bytes) in [
        ("short.jpg", std::fs::read(HOPPER).unwrap()),
        ("short.png", std::fs::read(ASTRONAUT).unwrap()),
        ("short.webp", lossless),
    ] {
        for part in [1, 5, 30, 100, 300, 600, 900, 990] {
            let length = bytes.len() * part / 1000;
            let error = refused(&folder.write(name, &bytes[..length]));
            // A few bytes can hold too little to tell the format.
            let unknown = length < 16 && matches!(error, PhotoError::NotAPicture { .. });
            assert!(unknown || matches!(error, PhotoError::Truncated { .. }), "{name} at {part}: {error}");
        }
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

#[test]
fn headers_that_promise_too_much_are_refused_at_once() {
    let folder = Folder::new();
    let png = |width: u32, height: u32| {
        let mut header = b"IHDR".to_vec();
        header.extend(width.to_be_bytes());
        header.extend(height.to_be_bytes());
        header.extend([8, 2, 0, 0, 0]);
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
        bytes.extend(&header);
        bytes.extend(crc32(&header).to_be_bytes());
        bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
        bytes
    };
    for (width, height) in [(30_000, 30_000), (16_000, 16_000), (20_000, 10), (i32::MAX as u32, 1)] {
        let error = refused(&folder.write("bomb.png", &png(width, height)));
        assert!(matches!(error, PhotoError::TooLarge { .. }), "{error}");
        assert!(error.to_string().contains(&format!("{width}x{height}")), "{error}");
    }
    let error = refused(&folder.write("hollow.png", &png(300, 300)));
    assert!(matches!(error, PhotoError::Truncated { .. } | PhotoError::Damaged { .. }), "{error}");
    // The same in a JPEG: the size stands in its SOF segment.
    let mut jpeg = std::fs::read(HOPPER).unwrap();
    let sof = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[sof + 5..sof + 9].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]);
    let error = refused(&folder.write("bomb.jpg", &jpeg));
    assert!(matches!(error, PhotoError::TooLarge { .. }), "{error}");
}

#[test]
fn damaged_files_never_panic() {
    let folder = Folder::new();
    let small = DynamicImage::from(placed(100, 200, 240));
    let originals = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP].map(|f| encoded(&small, f));
    let mut random = 1u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    for round in 0..45 {
        let mut bytes = originals[round % 3].clone();
        for _ in 0..=next(6) {
            // Headers are the interesting part.
            let range = if next(2) == 0 { bytes.len() } else { bytes.len().min(400) };
            bytes[next(range)] = next(256) as u8;
        }
        let path = folder.write(&format!("damaged-{round}"), &bytes);
        if let Err(error) = analyse(&path) {
            assert!(error.to_string().contains("damaged-"), "{error}");
        }
    }
}
