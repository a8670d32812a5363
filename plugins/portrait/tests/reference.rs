// SPDX-License-Identifier: MIT OR Apache-2.0
//! `reference` of `speech2landmarks`: a video or photos of a person tell how the mouth is held and how far it opens.

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::film::write_clip;
use common::{AUDIO_FEATURES, SPEECH2LANDMARKS, at, bus_error, drain, init, photo, video, warnings};
use gst::prelude::*;
use gstportrait::face::landmark::indices::{BROW_LEFT, IRIS_LEFT, LIPS_OUTER};
use gstportrait::stream::tensor::buffer;

type Face = Vec<[f32; 3]>;

/// Frames of three seconds of speech, then silence.
fn features() -> Vec<Vec<f32>> {
    let mut harness = AUDIO_FEATURES.harness();
    let mut samples = common::speech(0, 75 * common::FRAME_SAMPLES);
    samples.extend(vec![0.0; 50 * common::FRAME_SAMPLES]);
    harness.push(at(0, buffer::from_f32(&samples))).unwrap();
    harness.push_event(gst::event::Eos::new());
    let floats =
        |bytes: &[u8]| bytes.chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect();
    drain(&mut harness).iter().map(|bytes| floats(bytes)).collect()
}

/// An element that eats them; the pack's mean face speaks, at once and without blinks.
struct Run {
    harness: gst_check::Harness,
    frames: u64,
}

fn element(reference: Option<&Path>) -> gst::Element {
    let element = SPEECH2LANDMARKS.element();
    element.set_property_from_str("blink", "off");
    element.set_property("ease-in", 0u32);
    element.set_property("reference", reference.map(|path| path.to_str().unwrap()));
    element
}

impl Run {
    fn new(reference: Option<&Path>) -> Self {
        Self { harness: SPEECH2LANDMARKS.harness_of(&element(reference)), frames: 0 }
    }

    fn element(&self) -> gst::Element {
        self.harness.element().unwrap()
    }

    fn step(&mut self, features: &[f32]) -> Face {
        self.harness.push(at(self.frames, buffer::from_f32(features))).unwrap();
        self.frames += 1;
        let mut face = vec![[0.0; 3]; 478];
        buffer::read_f32(&self.harness.pull().unwrap(), face.as_flattened_mut()).unwrap();
        face
    }

    fn speech(&mut self) -> Vec<Face> {
        features().iter().map(|features| self.step(features)).collect()
    }
}

fn gap(face: &Face) -> f32 {
    face[14][1] - face[13][1]
}

fn way(a: &Face, b: &Face, points: &[usize]) -> f32 {
    let far = |&i: &usize| (0..3).map(|k| (a[i][k] - b[i][k]).abs()).fold(0.0, f32::max);
    points.iter().map(far).sum::<f32>() / points.len() as f32
}

/// So many frames of the demo's photo, which smiles with lips that are nearly shut.
fn clip(folder: &Path, frames: u64) -> std::path::PathBuf {
    let path = folder.join("clip.avi");
    write_clip(&path, (0..frames).map(video));
    path
}

fn album(folder: &Path, photos: usize) -> std::path::PathBuf {
    let path = folder.join("album");
    std::fs::create_dir(&path).unwrap();
    for i in 0..photos {
        std::fs::copy(photo("portrait-astronaut.png"), path.join(format!("{i}.png"))).unwrap();
    }
    path
}

#[test]
fn a_video_moves_the_mouth_and_leaves_lips_that_touch_and_the_rest_of_the_face() {
    init();
    let dir = tempfile::tempdir().unwrap();
    let path = clip(dir.path(), 50);
    let (plain, own) = (Run::new(None).speech(), Run::new(Some(&path)).speech());
    assert_eq!(plain.len(), own.len());
    for (n, (plain, own)) in plain.iter().zip(&own).enumerate() {
        assert!(way(plain, own, &LIPS_OUTER) > 3e-3, "frame {n}: {}", way(plain, own, &LIPS_OUTER));
        assert!(way(plain, own, &BROW_LEFT) + way(plain, own, &IRIS_LEFT) == 0.0, "brows and eyes stay");
        if gap(plain) < 0.004 {
            assert!(gap(own) < 0.0045, "frame {n}: {} opens to {}", gap(plain), gap(own));
        }
    }
    let again = Run::new(Some(&path)).speech();
    assert!(own == again, "the same reference gives the same frames");
    let shut = gap(&own[own.len() - 1]);
    assert!(shut < 0.0045, "shut in silence: {shut}");
}

#[test]
fn photos_of_a_folder_tell_as_much_as_there_are() {
    init();
    let dir = tempfile::tempdir().unwrap();
    let two = album(dir.path(), 2);
    let plain = Run::new(None).speech();
    let moved = |folder: &Path| way(&plain[60], &Run::new(Some(folder)).speech()[60], &LIPS_OUTER);
    let few = moved(&two);
    for i in 2..8 {
        std::fs::copy(two.join("0.png"), two.join(format!("{i}.png"))).unwrap();
    }
    let many = moved(&two);
    assert!(few > 2e-3 && many > few * 1.15, "{few} {many}");
}

#[test]
fn a_reference_that_tells_nothing_is_one_error_that_names_it() {
    init();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("text.mp4"), "no video").unwrap();
    write_clip(
        &path("empty.avi"),
        (0..50).map(|n| at(n, gst::Buffer::from_slice(vec![90u8; 320 * 240 * 3]))),
    );
    write_clip(&path("short.avi"), (0..8).map(video));
    let one = album(dir.path(), 1);
    for (name, why) in [
        ("missing.mp4", "cannot read"),
        ("text.mp4", "cannot look at"),
        ("empty.avi", "no face"),
        ("short.avi", "too short"),
        (one.file_name().unwrap().to_str().unwrap(), "holds 1 photos"),
    ] {
        let element = element(Some(&path(name)));
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        assert!(element.set_state(gst::State::Paused).is_err(), "{name}");
        element.set_state(gst::State::Null).unwrap();
        let (text, _) = bus_error(&bus).unwrap();
        assert!(text.contains(name) && text.contains(why) && text.contains("set `reference` to"), "{text}");
        assert!(bus_error(&bus).is_none(), "{name}: once");
        element.set_bus(None::<&gst::Bus>);
    }
}

/// In silence a recurrent state settles for a while.
fn same(a: &Face, b: &Face) -> bool {
    way(a, b, &LIPS_OUTER) < 1e-4
}

/// Pushes silence until a frame shows what is awaited.
fn until(run: &mut Run, seen: impl Fn(&Face) -> bool) -> Vec<Face> {
    let (silence, begin) = (vec![0.0; features()[0].len()], Instant::now());
    let mut faces = vec![run.step(&silence)];
    while !seen(&faces[faces.len() - 1]) {
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not come");
        std::thread::sleep(Duration::from_millis(5));
        faces.push(run.step(&silence));
    }
    faces
}

#[test]
fn while_playing_another_reference_comes_without_a_jump_and_a_wrong_one_stays_away() {
    init();
    let dir = tempfile::tempdir().unwrap();
    let path = clip(dir.path(), 50);
    let silence = vec![0.0; features()[0].len()];
    let (mut plain, mut own) = (Run::new(None), Run::new(Some(&path)));
    let [rest, there] = [&mut plain, &mut own].map(|run| (0..60).map(|_| run.step(&silence)).last().unwrap());
    let whole = way(&rest, &there, &LIPS_OUTER);
    plain.element().set_property("reference", path.to_str());
    assert_eq!(plain.element().property::<Option<String>>("reference").as_deref(), path.to_str());
    let came = until(&mut plain, |face| same(face, &there));
    let most = came.windows(2).map(|pair| way(&pair[0], &pair[1], &LIPS_OUTER)).fold(0.0, f32::max);
    assert!(most < whole / 5.0, "{most} of {whole} in a frame");

    let bus = gst::Bus::new();
    plain.element().set_bus(Some(&bus));
    plain.element().set_property("reference", "/nowhere/clip.mp4");
    let begin = Instant::now();
    let mut told = Vec::new();
    while told.is_empty() && begin.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
        told = warnings(&bus);
    }
    assert!(
        told.len() == 1 && told[0].contains("/nowhere/clip.mp4") && told[0].contains("stays"),
        "{told:?}"
    );
    assert_eq!(plain.element().property::<Option<String>>("reference").as_deref(), path.to_str());
    assert!(same(&plain.step(&silence), &there));
    plain.element().set_bus(None::<&gst::Bus>);

    plain.element().set_property("reference", None::<String>);
    until(&mut plain, |face| same(face, &rest));
}
