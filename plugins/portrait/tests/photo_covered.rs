// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faces whose mouth is covered, and drawings that are no faces.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{FACESYNTH, pack};
use gst::prelude::*;
use gstportrait::photo::{PhotoError, Portrait};
use gstportrait::stream::tensor::{FrameMeta, buffer, meta};
use image::{Rgb, RgbImage};
use tempfile::TempDir;

fn analyse(path: &Path) -> Result<Arc<Portrait>, PhotoError> {
    common::init();
    Portrait::analyse(path, &pack(), tch::Device::Cpu)
}

/// Places on a face, in pixels of the photo.
struct Face {
    mouth: [f32; 2],
    nose: [f32; 2],
    chin: [f32; 2],
    /// Distance of the outer eye corners.
    eyes: f32,
}

impl Face {
    fn of(portrait: &Portrait) -> Self {
        let crop = &portrait.crop;
        let at = |i: usize| {
            let [x, y, _] = portrait.landmarks[i];
            [crop.x + x * crop.side, crop.y + y * crop.side]
        };
        let (left, right) = (at(33), at(263));
        Self {
            mouth: [(at(13)[0] + at(14)[0]) / 2.0, (at(13)[1] + at(14)[1]) / 2.0],
            nose: at(4),
            chin: at(152),
            eyes: (left[0] - right[0]).hypot(left[1] - right[1]),
        }
    }

    /// Offset from the mouth in distances of the eyes.
    fn by_mouth(&self, x: u32, y: u32) -> [f32; 2] {
        [(x as f32 - self.mouth[0]) / self.eyes, (y as f32 - self.mouth[1]) / self.eyes]
    }
}

fn sample(name: &str) -> RgbImage {
    image::open(common::photo(name)).unwrap().into_rgb8()
}

const SAMPLES: [&str; 2] = ["portrait-grace-hopper.jpg", "portrait-astronaut.png"];

/// Colour of what covers the mouth at a place, if it does.
type Cover = fn(&Face, &RgbImage, u32, u32) -> Option<[u8; 3]>;

fn mask(face: &Face, x: u32, y: u32) -> bool {
    let [across, _] = face.by_mouth(x, y);
    let (top, low) = (face.nose[1] - 0.05 * face.eyes, face.chin[1] + 0.08 * face.eyes);
    let y = y as f32;
    let narrowing = ((y - face.mouth[1]) / (low - face.mouth[1])).max(0.0);
    y > top && y < low && across.abs() < 0.72 - 0.4 * narrowing
}

const COVERS: [(&str, Cover); 6] = [
    ("blue-mask", |face, _, x, y| mask(face, x, y).then_some([120, 175, 215])),
    ("black-mask", |face, _, x, y| mask(face, x, y).then_some([28, 28, 30])),
    ("white-mask", |face, _, x, y| {
        // With folds.
        let fold = (face.by_mouth(x, y)[1] * 8.0).rem_euclid(1.0) < 0.12;
        mask(face, x, y).then_some(if fold { [196, 200, 204] } else { [236, 238, 240] })
    }),
    ("scarf", |face, _, x, y| {
        let [across, down] = face.by_mouth(x, y);
        let stripe = ((down + 0.2 * across) * 6.0).rem_euclid(1.0) < 0.4;
        (y as f32 > face.nose[1]).then_some(if stripe { [150, 40, 50] } else { [60, 80, 60] })
    }),
    ("microphone", |face, _, x, y| {
        let [across, down] = face.by_mouth(x, y);
        let grid = (x / 4 + y / 4) % 2 == 0;
        let (ball, stick) = (across.hypot(down - 0.04) < 0.38, across.abs() < 0.14 && down > 0.0);
        (ball || stick).then_some(if grid { [62, 62, 66] } else { [30, 30, 33] })
    }),
    ("hand", |face, photo, x, y| {
        // Four fingers in the colour of the cheek.
        let [across, down] = face.by_mouth(x, y);
        let down = down - 0.25 * across;
        let cheek = face.mouth.map(|v| v as u32);
        let skin =
            photo.get_pixel(cheek[0] + (0.38 * face.eyes) as u32, cheek[1] - (0.35 * face.eyes) as u32).0;
        let finger = (down + 0.4).rem_euclid(0.2) / 0.2;
        let round = 1.05 - 0.5 * (2.0 * finger - 1.0).powi(4);
        (down.abs() < 0.4 && across.abs() < 0.75)
            .then_some(skin.map(|v| (f32::from(v) * round).min(255.0) as u8))
    }),
];

fn covered(photo: &RgbImage, face: &Face, cover: Cover) -> RgbImage {
    RgbImage::from_fn(photo.width(), photo.height(), |x, y| {
        cover(face, photo, x, y).map_or(*photo.get_pixel(x, y), Rgb)
    })
}

#[test]
fn whatever_covers_a_mouth_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    for name in SAMPLES {
        let plain = analyse(&common::photo(name)).unwrap();
        assert!(!plain.covered && plain.warnings.is_empty(), "{name}: {:?}", plain.warnings);
        let (photo, face) = (sample(name), Face::of(&plain));
        for (what, cover) in COVERS {
            let path = folder.path().join(format!("{what}-{name}.png"));
            covered(&photo, &face, cover).save(&path).unwrap();
            // Where so much is hidden that there is no face any more, that is as well.
            let portrait = match analyse(&path) {
                Err(PhotoError::NoFace { .. }) if what != "blue-mask" => continue,
                other => other.unwrap(),
            };
            assert!(portrait.covered, "{what} on {name}");
            let said = |w: &&String| w.contains(what) && w.contains("mouth");
            assert_eq!(portrait.warnings.iter().filter(said).count(), 1, "{:?}", portrait.warnings);
        }
    }
}

/// RGB of a frame: landmarks of the photo moved by so much of the crop's side.
fn picture(path: &Path, portrait: &Portrait, moved: &[(&[usize], [f32; 2])]) -> Vec<u8> {
    let element = FACESYNTH.element();
    element.set_property("portrait", path.to_str().unwrap());
    let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_sink_caps_str("video/x-raw,format=RGB,width=512");
    harness.set_src_caps((FACESYNTH.input_caps)());
    let mut latents = portrait.source_latents.clone();
    let pack = pack();
    let points = &pack.manifest().latents.control_points;
    for (row, index) in points.iter().enumerate() {
        for (_, [dx, dy]) in moved.iter().filter(|(which, _)| which.is_empty() || which.contains(index)) {
            latents[row * 3] += dx;
            latents[row * 3 + 1] += dy;
        }
    }
    let mut input = buffer::from_f32(&latents);
    let b = input.get_mut().unwrap();
    meta::attach(b, FrameMeta::Landmarks, &[478, 3], portrait.neutral.as_flattened());
    meta::attach(b, FrameMeta::Pose, &[7], &portrait.pose.to_array());
    harness.push(common::at(0, input)).unwrap();
    harness.pull().unwrap().map_readable().unwrap().to_vec()
}

/// Mean difference of two pictures around a landmark, `reach` of the crop's side in all directions.
fn differ(a: &[u8], b: &[u8], [x, y, _]: [f32; 3], reach: f32) -> f64 {
    let span = |v: f32| ((v - reach) * 512.0) as usize..((v + reach) * 512.0) as usize;
    let pixels: Vec<usize> = span(y).flat_map(|y| span(x).map(move |x| (y * 512 + x) * 3)).collect();
    let sum: f64 = pixels.iter().map(|&i| f64::from(a[i + 1].abs_diff(b[i + 1]))).sum();
    sum / pixels.len() as f64
}

/// Lower lip, chin and jaw; upper lid and brow.
const JAW: [usize; 22] =
    [14, 87, 178, 317, 402, 17, 84, 181, 314, 405, 152, 148, 377, 176, 400, 18, 200, 199, 175, 83, 313, 149];
const LIDS: [usize; 14] = [159, 158, 157, 160, 161, 386, 385, 384, 387, 388, 173, 398, 246, 466];

#[test]
fn a_covered_mouth_is_left_as_it_is_and_the_rest_goes_on() {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let (name, photo) = (SAMPLES[0], sample(SAMPLES[0]));
    let plain_path = common::photo(name);
    let plain = analyse(&plain_path).unwrap();
    let path = folder.path().join("mask.png");
    covered(&photo, &Face::of(&plain), COVERS[0].1).save(&path).unwrap();
    let portrait = analyse(&path).unwrap();
    let (mouth, eye) = (portrait.landmarks[14], portrait.landmarks[159]);
    let speaks: &[(&[usize], [f32; 2])] = &[(&JAW, [0.0, 0.04])];
    let rest = picture(&path, &portrait, &[]);
    assert!(differ(&rest, &portrait.picture.rgb, mouth, 0.08) < 0.5, "at rest it is the photo");
    let spoken = picture(&path, &portrait, speaks);
    assert!(differ(&rest, &spoken, mouth, 0.08) < 0.5, "{}", differ(&rest, &spoken, mouth, 0.08));
    // The same on a face whose mouth is seen moves it.
    let (seen, spoken) = (picture(&plain_path, &plain, &[]), picture(&plain_path, &plain, speaks));
    assert!(differ(&seen, &spoken, plain.landmarks[14], 0.08) > 4.0, "a test of nothing");
    let blinks = picture(&path, &portrait, &[(&LIDS, [0.0, 0.012])]);
    assert!(differ(&rest, &blinks, eye, 0.03) > 3.0, "{}", differ(&rest, &blinks, eye, 0.03));
    // The cover moves with the head: its lower edge is another one then.
    let sways = picture(&path, &portrait, &[(&[], [0.03, 0.0]), (&JAW, [0.0, 0.04])]);
    let shifted = picture(&path, &portrait, &[(&[], [0.03, 0.0])]);
    assert!(differ(&rest, &sways, portrait.landmarks[152], 0.08) > 2.0);
    assert!(differ(&shifted, &sways, mouth, 0.08) < 0.5);
}

/// What drawings of faces are made of.
#[derive(Clone, Copy)]
struct Drawing {
    paper: [u8; 3],
    skin: [u8; 3],
    /// Radius and place of the eyes, as shares of the head's radius.
    eye: f32,
    apart: f32,
    /// White around them.
    white: bool,
    mouth: [u8; 3],
}

fn draw(d: &Drawing) -> RgbImage {
    const SIDE: u32 = 512;
    // Twice as fine, then reduced: edges are soft, as programs draw them.
    let large = RgbImage::from_fn(2 * SIDE, 2 * SIDE, |x, y| {
        let (u, v) = ((x as f32 - 512.0) / 380.0, (y as f32 - 512.0) / 380.0);
        let far = u.hypot(v);
        let eye = (u.abs() - d.apart).hypot(v + 0.27);
        let smile = u.hypot(v - 0.05);
        Rgb(if far > 1.0 {
            d.paper
        } else if far > 0.99 || eye < d.eye {
            [0, 0, 0]
        } else if d.white && eye < 2.0 * d.eye {
            [255, 255, 255]
        } else if v > 0.3 && (0.5..0.57).contains(&smile) || ((0.3..0.35).contains(&v) && u.abs() < 0.48) {
            d.mouth
        } else {
            d.skin
        })
    });
    image::imageops::resize(&large, SIDE, SIDE, image::imageops::FilterType::Triangle)
}

#[test]
fn drawings_of_faces_are_no_faces() {
    let folder = tempfile::tempdir().unwrap();
    let plain = Drawing {
        paper: [255; 3],
        skin: [210, 180, 140],
        eye: 0.1,
        apart: 0.33,
        white: false,
        mouth: [255, 0, 0],
    };
    let drawings = [
        plain,
        Drawing { skin: [255, 220, 60], mouth: [0; 3], ..plain },
        Drawing { skin: [255; 3], mouth: [0; 3], eye: 0.07, ..plain },
        Drawing { white: true, apart: 0.38, ..plain },
        Drawing { white: true, paper: [60, 90, 140], skin: [255, 220, 180], ..plain },
        Drawing { paper: [30, 40, 60], skin: [140, 90, 60], apart: 0.3, ..plain },
    ];
    for (i, drawing) in drawings.iter().enumerate() {
        let path = folder.path().join(format!("{i}.png"));
        draw(drawing).save(&path).unwrap();
        let error = analyse(&path).expect_err(&format!("drawing {i}"));
        assert!(matches!(error, PhotoError::NoFace { .. }), "{i}: {error}");
    }
}
