// SPDX-License-Identifier: MIT OR Apache-2.0
//! Videos and photos of two people: who is followed, who is animated.

mod common;

use common::{FRAME, init, pack, photo};
use gst::prelude::*;
use gst_check::Harness;
use gstportrait::face::find::FaceChoice;
use gstportrait::face::landmark::indices::NOSE_TIP;
use gstportrait::photo::{PhotoError, Portrait};
use gstportrait::stream::tensor::{FrameMeta, meta};
use image::{RgbImage, imageops};

const WIDTH: u32 = 480;
const HEIGHT: u32 = 270;
const CAPS: &str = "video/x-raw,format=RGB,width=480,height=270,framerate=25/1";

/// Where a person's nose is in her picture, in pixels.
const NOSE: i64 = 55;

/// Her picture, 110 pixels wide.
fn person(name: &str, [x, y, side]: [u32; 3]) -> RgbImage {
    let whole = image::open(photo(name)).unwrap().into_rgb8();
    imageops::thumbnail(&imageops::crop_imm(&whole, x, y, side, side).to_image(), 110, 110)
}

struct People {
    hopper: RgbImage,
    astronaut: RgbImage,
}

impl People {
    fn new() -> Self {
        // The nose is in the middle of either.
        Self {
            hopper: person("portrait-grace-hopper.jpg", [124, 90, 290]),
            astronaut: person("portrait-astronaut.png", [104, 0, 240]),
        }
    }

    /// A frame with their noses there, if at all: who comes later stands before the other.
    fn frame(&self, hopper: Option<i64>, astronaut: Option<i64>, grey: u8) -> RgbImage {
        let mut frame = RgbImage::from_pixel(WIDTH, HEIGHT, image::Rgb([grey, grey, grey]));
        for (nose, picture) in [(hopper, &self.hopper), (astronaut, &self.astronaut)] {
            if let Some(nose) = nose {
                imageops::replace(&mut frame, picture, nose - NOSE, 70);
            }
        }
        frame
    }
}

/// The element, frame by frame.
struct Video {
    harness: Harness,
    bus: gst::Bus,
    frames: u64,
}

impl Video {
    fn new(face: Option<&str>) -> Self {
        Self::with_caps(face, CAPS)
    }

    fn with_caps(face: Option<&str>, caps: &str) -> Self {
        init();
        let element = gst::ElementFactory::make("facelandmarks").build().unwrap();
        if let Some(face) = face {
            element.set_property("face", face);
        }
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_src_caps_str(caps);
        Self { harness, bus, frames: 0 }
    }

    fn set(&self, face: &str) {
        self.harness.element().unwrap().set_property("face", face);
    }

    /// What comes out for a frame.
    fn push(&mut self, frame: &RgbImage) -> gst::Buffer {
        let mut buffer = gst::Buffer::from_slice(frame.as_raw().clone());
        let b = buffer.get_mut().unwrap();
        b.set_pts(FRAME * self.frames);
        b.set_duration(FRAME);
        self.frames += 1;
        self.harness.push_and_pull(buffer).unwrap()
    }

    /// Where the nose of the followed face is, in pixels; `None` where it is not seen.
    fn nose(&mut self, frame: &RgbImage) -> Option<i64> {
        let out = self.push(frame);
        let x = meta::read(&out, FrameMeta::PictureLandmarks).unwrap().data[NOSE_TIP * 3];
        (!out.flags().contains(gst::BufferFlags::GAP)).then_some((x * WIDTH as f32) as i64)
    }

    fn warnings(&self) -> Vec<String> {
        common::warnings(&self.bus)
    }
}

#[track_caller]
fn near(found: Option<i64>, expected: i64) {
    assert!(found.is_some_and(|x| (x - expected).abs() < 20), "{found:?} instead of {expected}");
}

#[test]
fn each_choice_follows_its_face() {
    let people = People::new();
    let frame = people.frame(Some(340), Some(120), 100);
    for (face, nose) in
        [("left", 120), ("right", 340), ("1", 120), ("2", 340), ("0.1,0.5", 120), ("0.8,0.2", 340)]
    {
        let mut video = Video::new(Some(face));
        for _ in 0..3 {
            near(video.nose(&frame), nose);
        }
        assert_eq!(video.warnings(), [""; 0], "{face}");
    }
}

#[test]
fn a_change_while_playing_takes_effect_with_the_next_frame_which_is_marked() {
    let people = People::new();
    let frame = people.frame(Some(340), Some(120), 100);
    let mut video = Video::new(Some("left"));
    let marked = |buffer: &gst::Buffer| buffer.flags().contains(gst::BufferFlags::MARKER);
    for (face, nose, other) in [
        ("left", 120, false),
        ("right", 340, true),
        ("2", 340, false),
        ("1", 120, true),
        ("0.7,0.5", 340, true),
        ("left", 120, true),
    ] {
        video.set(face);
        let out = video.push(&frame);
        let x = meta::read(&out, FrameMeta::PictureLandmarks).unwrap().data[NOSE_TIP * 3];
        near(Some((x * WIDTH as f32) as i64), nose);
        assert_eq!(marked(&out), other, "{face}");
        assert!(!marked(&video.push(&frame)), "{face}");
    }
}

#[test]
fn faces_that_cross_keep_their_numbers() {
    let people = People::new();
    for (first, second) in [("1", "2"), ("left", "right")] {
        let mut video = Video::new(Some(first));
        // She who begins on the left passes behind the other.
        let at = |i: i64| people.frame(Some(90 + 8 * i), Some(390 - 8 * i), 100);
        near(video.nose(&at(0)), 90);
        for i in 1..38 {
            if let Some(nose) = video.nose(&at(i)) {
                near(Some(nose), 90 + 8 * i);
            }
        }
        near(video.nose(&at(38)), 90 + 8 * 38);
        assert_eq!(video.warnings(), [""; 0]);
        if second == "2" {
            video.set(second);
            near(video.nose(&at(38)), 390 - 8 * 38);
        }
    }
}

#[test]
fn who_comes_back_within_a_second_is_followed_again_and_nobody_else_meanwhile() {
    let people = People::new();
    let (both, one) = (people.frame(Some(120), Some(340), 100), people.frame(None, Some(340), 100));
    let mut video = Video::new(Some("1"));
    for _ in 0..3 {
        near(video.nose(&both), 120);
    }
    for i in 0..20 {
        assert_eq!(video.nose(&one), None, "frame {i}");
    }
    near(video.nose(&both), 120);
    // Left is who is left after a second.
    video.set("left");
    near(video.nose(&both), 120);
    let left: Vec<_> = (0..40).map(|_| video.nose(&one)).collect();
    assert!(left[..20].iter().all(Option::is_none), "{left:?}");
    near(left[39], 340);
    near(video.nose(&both).filter(|&x| x < 200), 120);
    assert_eq!(video.warnings(), [""; 0]);
}

#[test]
fn after_a_cut_left_is_left() {
    let people = People::new();
    let mut video = Video::new(Some("left"));
    let before = people.frame(Some(250), Some(380), 100);
    for _ in 0..5 {
        near(video.nose(&before), 250);
    }
    // The face on the right is where that on the left was.
    let after = people.frame(Some(110), Some(250), 160);
    for _ in 0..5 {
        near(video.nose(&after), 110);
    }
}

#[test]
fn a_number_that_is_not_there_is_one_warning_that_says_who_is() {
    let people = People::new();
    let frame = people.frame(Some(340), Some(120), 100);
    let mut video = Video::new(Some("3"));
    for _ in 0..25 {
        assert_eq!(video.nose(&frame), None);
    }
    assert_eq!(video.warnings(), [""; 0]);
    for _ in 0..30 {
        video.nose(&frame);
    }
    let warnings = video.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for part in ["facelandmarks", "no face 3", "1 at 0.25,", "2 at 0.6", "`face`"] {
        assert!(warnings[0].contains(part), "{warnings:?}");
    }
    video.set("2");
    near(video.nose(&frame), 340);
}

#[test]
fn a_text_that_chooses_nothing_is_one_warning_and_the_old_one_stays() {
    let people = People::new();
    let frame = people.frame(Some(340), Some(120), 100);
    let mut video = Video::new(Some("right"));
    near(video.nose(&frame), 340);
    for wrong in ["middle", "0", "1.2,0.5"] {
        video.set(wrong);
        let warnings = video.warnings();
        assert!(warnings.len() == 1 && warnings[0].starts_with("face: "), "{warnings:?}");
    }
    near(video.nose(&frame), 340);
    assert_eq!(video.harness.element().unwrap().property::<String>("face"), "right");
}

#[test]
fn a_video_without_a_face_is_one_warning_and_a_moment_without_is_none() {
    let people = People::new();
    let (empty, one) = (people.frame(None, None, 100), people.frame(Some(200), None, 100));
    for face in ["largest", "left", "2"] {
        let mut video = Video::new(Some(face));
        for _ in 0..25 {
            video.push(&empty);
        }
        assert_eq!(video.warnings(), [""; 0], "{face}: a second is not over");
        for _ in 0..60 {
            video.push(&empty);
        }
        let warnings = video.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("finds no face"), "{face}: {warnings:?}");
        assert!(warnings[0].contains("facelandmarks"), "{warnings:?}");
    }
    let mut video = Video::new(None);
    for i in 0..80 {
        video.push(if i % 40 == 20 { &one } else { &empty });
    }
    assert_eq!(video.warnings(), [""; 0]);
    // A short video is told at its end.
    let mut video = Video::new(None);
    video.push(&empty);
    assert!(video.harness.push_event(gst::event::Eos::new()));
    assert_eq!(video.warnings().len(), 1);
}

/// Two people side by side, each in a half of a photo of 1024 by 600 pixels: she on the right has the larger face.
fn both(folder: &tempfile::TempDir) -> std::path::PathBuf {
    let mut both = RgbImage::from_pixel(1024, 600, image::Rgb([90, 90, 90]));
    let open = |name: &str| image::open(photo(name)).unwrap().into_rgb8();
    imageops::replace(&mut both, &open("portrait-astronaut.png"), 0, 0);
    imageops::replace(&mut both, &open("portrait-grace-hopper.jpg"), 512, 0);
    let path = folder.path().join("both.png");
    both.save(&path).unwrap();
    path
}

#[test]
fn any_face_of_a_photo_can_be_chosen() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let path = both(&folder);
    let chosen = |text: &str| {
        let choice: FaceChoice = text.parse().unwrap();
        Portrait::analyse_face(&path, choice, &pack(), tch::Device::Cpu)
    };
    let middle = |text: &str| {
        let portrait = chosen(text).unwrap();
        portrait.crop.x + portrait.crop.side * portrait.landmarks[NOSE_TIP][0]
    };
    for (text, left) in [
        ("largest", false),
        ("left", true),
        ("right", false),
        ("1", true),
        ("2", false),
        ("0.1,0.9", true),
        ("0.6,0.2", false),
    ] {
        assert_eq!(middle(text) < 512.0, left, "{text}");
    }
    assert!(chosen("left").unwrap().warnings.is_empty());
    let warnings = &chosen("largest").unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("`face`"), "{warnings:?}");
    let error = chosen("3").unwrap_err();
    assert!(matches!(error, PhotoError::NoSuchFace { faces: 2, .. }), "{error}");
    for part in ["both.png", "face 3", "1 at 0.2", "2 at 0.7", "`face`"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn a_portrait_is_shared_by_those_who_chose_the_same_face() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let path = both(&folder);
    let chosen = |choice| Portrait::analyse_face(&path, choice, &pack(), tch::Device::Cpu).unwrap();
    let (left, again, right) =
        (chosen(FaceChoice::Left), chosen(FaceChoice::Left), chosen(FaceChoice::Right));
    assert!(std::sync::Arc::ptr_eq(&left, &again));
    assert!(left.crop != right.crop);
}

/// The property of `facesynth`, through the bin.
#[test]
fn talkinghead_animates_the_face_that_is_chosen() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let path = both(&folder);
    let picture = |face: &str| {
        let head = gst::ElementFactory::make("talkinghead").build().unwrap();
        head.set_property("portrait", path.to_str().unwrap());
        head.set_property("face", face);
        let mut harness = Harness::with_element(&head, Some("sink"), Some("src"));
        harness.set_src_caps_str("audio/x-raw,format=F32LE,layout=interleaved,rate=16000,channels=1");
        harness.push(common::audio(0, 16_000)).unwrap();
        harness.push_event(gst::event::Eos::new());
        common::drain(&mut harness).remove(0)
    };
    let portrait = |choice| Portrait::analyse_face(&path, choice, &pack(), tch::Device::Cpu).unwrap();
    let way = |a: &[u8], b: &[u8]| -> u64 { a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum() };
    let [left, right] = [FaceChoice::Left, FaceChoice::Right].map(|c| portrait(c).picture.rgb.clone());
    for (face, own, other) in [("left", &left, &right), ("2", &right, &left), ("0.1,0.1", &left, &right)] {
        let picture = picture(face);
        assert!(10 * way(&picture, own) < way(&picture, other), "{face}");
    }
}

#[test]
fn a_face_that_is_not_in_the_photo_is_one_error_and_a_bad_text_one_warning_at_the_start() {
    init();
    let folder = tempfile::tempdir().unwrap();
    for (face, error, warning) in
        [("3", Some("there is no face 3"), None), ("leftmost", None, Some("\"leftmost\""))]
    {
        let pipeline = gst::Pipeline::new();
        let head = gst::ElementFactory::make("talkinghead").build().unwrap();
        head.set_property("face", face);
        pipeline.add(&head).unwrap();
        head.set_property("portrait", both(&folder).to_str().unwrap());
        assert_eq!(pipeline.set_state(gst::State::Paused).is_err(), error.is_some());
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        for message in pipeline.bus().unwrap().iter() {
            match message.view() {
                gst::MessageView::Error(m) => errors.push(format!("{} {:?}", m.error(), m.debug())),
                gst::MessageView::Warning(m) => warnings.push(m.error().message().to_owned()),
                _ => (),
            }
        }
        pipeline.set_state(gst::State::Null).unwrap();
        assert!(errors.len() == usize::from(error.is_some()), "{errors:?}");
        assert!(error.is_none_or(|text| errors[0].contains(text)), "{errors:?}");
        let bad: Vec<_> = warnings.iter().filter(|text| text.starts_with("face: ")).collect();
        assert!(bad.len() == usize::from(warning.is_some()), "{warnings:?}");
        assert!(warning.is_none_or(|text| bad[0].contains(text)), "{warnings:?}");
    }
}
