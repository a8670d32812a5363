// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pictures from end to end, held against golden ones: three photos, four moments of a sentence with head, eyes and mouth
//! moving, as a square and as the whole photo, and the cut-out.
//!
//! `UPDATE_GOLDEN=1 cargo test -p portrait-tests --test picture_goldens` writes them anew: look at them before they are kept.

use gst::prelude::*;
use image::{RgbImage, imageops};
use portrait_tests::pipeline::Pipeline;
use portrait_tests::{SPEECH_CAPS, data, golden, samples};

/// Frames of the sentence: the photo itself, on the way in, an open mouth, the head turned.
const MOMENTS: [usize; 4] = [0, 6, 19, 34];

/// Where in the bundled sentence the sound begins, and its length, in samples.
const SOUND: (usize, usize) = (8000, 36 * 640);

/// Head and eyes turn, so that hair, ears, neck and irises move too; breath has a picture of its own, and brows rise elsewhere.
const CONTROLS: &str = "yaw=12 pitch=-5 gaze-yaw=18 gaze-pitch=6 emotion=happy emotion-intensity=0.5 seed=3 breath=0 brow-accents=0";

/// The third photo: a grey one, wider than high, whose head is cut by the border.
fn grey(folder: &tempfile::TempDir) -> String {
    let photo = image::open(data("portrait-astronaut.png")).expect("the photo is read").into_luma8();
    let tight = imageops::crop_imm(&photo, 60, 20, 340, 260).to_image();
    let path = folder.path().join("grey.png");
    tight.save(&path).expect("a temporary file can be written");
    path.display().to_string()
}

/// Draws the moments of a launch line's `talkinghead`.
fn draw(properties: &str) -> Vec<RgbImage> {
    let pipeline = Pipeline::parse(&format!(
        "appsrc name=in format=time caps={SPEECH_CAPS} ! talkinghead {CONTROLS} {properties} \
         ! video/x-raw,format=RGB,framerate=25/1 ! appsink name=out sync=false"
    ));
    let sink: gst_app::AppSink = pipeline.element("out").downcast().expect("an appsink");
    pipeline.play();
    pipeline.feed("in", &samples::speech(SOUND.0, SOUND.1), SOUND.1);
    let mut pictures = Vec::new();
    for index in 0.. {
        let Ok(sample) = sink.pull_sample() else { break };
        if !MOMENTS.contains(&index) {
            continue;
        }
        pictures.push(golden::picture(&sample));
    }
    assert_eq!(pictures.len(), MOMENTS.len(), "{properties}: {:?}", pipeline.error());
    pictures
}

/// Compares with the golden pictures of that name, or writes them.
fn check(name: &str, properties: &str) {
    golden::check(name, &draw(properties));
}

fn photo(name: &str) -> String {
    format!("portrait={}", data(name).display())
}

#[test]
fn a_square_of_a_photo_in_colour() {
    check("hopper", &photo("portrait-grace-hopper.jpg"));
}

#[test]
fn a_whole_photo_in_colour() {
    check("hopper-full", &format!("{} framing=full", photo("portrait-grace-hopper.jpg")));
}

#[test]
fn a_square_of_a_laughing_photo() {
    check("astronaut", &photo("portrait-astronaut.png"));
}

/// Collar and shoulders are lifted, as far as they go.
#[test]
fn a_square_of_somebody_who_breathes() {
    check("breath", &format!("{} breath=3", photo("portrait-astronaut.png")));
}

#[test]
fn a_whole_laughing_photo() {
    check("astronaut-full", &format!("{} framing=full", photo("portrait-astronaut.png")));
}

#[test]
fn a_square_of_a_tight_grey_photo() {
    let folder = tempfile::tempdir().unwrap();
    check("grey", &format!("portrait={}", grey(&folder)));
}

#[test]
fn a_whole_tight_grey_photo() {
    let folder = tempfile::tempdir().unwrap();
    check("grey-full", &format!("portrait={} framing=full", grey(&folder)));
}

/// What is the person's and what is not: the matte, its edge, and what is behind a head that turns.
#[test]
fn a_person_before_a_colour() {
    let green = "background=color background-color=0xff00b140";
    check("hopper-cut-out", &format!("{} {green}", photo("portrait-grace-hopper.jpg")));
}
