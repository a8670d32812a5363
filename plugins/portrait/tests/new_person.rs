// SPDX-License-Identifier: MIT OR Apache-2.0
//! `portrait` and `portrait-open` of a `facesynth` that plays, behind latents of somebody who does not know of it.

mod common;

use std::time::{Duration, Instant};

use common::{FACESYNTH, FRAME, at, init, pack, photo, portrait, portrait_path};
use gst::prelude::*;
use gst_check::Harness;
use gstportrait::face::landmark::neutral::open_mouth;
use gstportrait::stream::tensor::buffer;

/// What has not happened after this never will.
const PATIENCE: Duration = Duration::from_secs(120);

/// Pictures after the change that are looked at.
const AFTER: usize = 5;

fn path(name: &str) -> String {
    photo(name).to_str().unwrap().to_owned()
}

fn astronaut() -> String {
    path("portrait-astronaut.png")
}

/// An element that plays, with its bus and the pictures that were pulled from it.
struct Playing {
    harness: Harness,
    bus: gst::Bus,
    pushed: u64,
    input: fn(u64) -> gst::Buffer,
}

impl Playing {
    fn new(properties: &[(&str, &str)]) -> Self {
        Self::taken_as(properties, "ANY")
    }

    /// Before a downstream that takes these caps.
    fn taken_as(properties: &[(&str, &str)], downstream: &str) -> Self {
        let element = FACESYNTH.element();
        for (name, value) in properties {
            element.set_property_from_str(name, value);
        }
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_live(false);
        harness.set_sink_caps_str(downstream);
        harness.set_src_caps((FACESYNTH.input_caps)());
        Self { harness, bus, pushed: 0, input: FACESYNTH.input }
    }

    fn element(&self) -> gst::Element {
        self.harness.element().unwrap()
    }

    fn get(&self, name: &str) -> Option<String> {
        self.element().property(name)
    }

    /// The next picture: exactly one, with its timestamp.
    fn next(&mut self) -> Vec<u8> {
        let n = self.pushed;
        self.pushed += 1;
        self.harness.push((self.input)(n)).unwrap();
        let picture = self.harness.try_pull().expect("a picture for each latents");
        assert_eq!((picture.pts(), picture.duration()), (Some(FRAME * n), Some(FRAME)));
        assert!(self.harness.try_pull().is_none());
        let map = picture.map_readable().unwrap();
        map.to_vec()
    }

    /// The text of the next warning.
    fn warning(&self) -> String {
        let patience = gst::ClockTime::from_mseconds(PATIENCE.as_millis() as u64);
        let message = self.bus.timed_pop_filtered(patience, &[gst::MessageType::Warning]).expect("a warning");
        let gst::MessageView::Warning(warning) = message.view() else { unreachable!() };
        warning.error().to_string()
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        let element = self.element();
        element.set_state(gst::State::Null).unwrap();
        element.set_bus(None::<&gst::Bus>);
    }
}

/// Plays until pictures are those of an element that was started with what `set` sets, to the bit, having been those of
/// one that was never touched; returns how many came before.
fn change(
    mut playing: Playing,
    mut before: Playing,
    mut after: Playing,
    set: impl FnOnce(&gst::Element),
) -> usize {
    for input in [&mut before, &mut after] {
        input.input = playing.input;
    }
    let began = Instant::now();
    let mut set = Some(set);
    let (mut old, mut new) = (0, 0);
    while new < AFTER {
        assert!(began.elapsed() < PATIENCE, "nothing changed");
        let (picture, [of_old, of_new]) = (playing.next(), [&mut before, &mut after].map(Playing::next));
        assert!(of_old != of_new, "nothing to be seen");
        if picture == of_new {
            new += 1;
        } else {
            assert!(picture == of_old, "picture {old} is of nobody");
            assert_eq!(new, 0, "back to the old person");
            old += 1;
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(set) = (old >= 2).then(|| set.take()).flatten() {
            set(&playing.element());
        }
    }
    old
}

#[test]
fn another_photo_is_shown_between_two_pictures() {
    let hopper = portrait_path();
    let new = Playing::new(&[("portrait", &astronaut())]);
    let before = change(Playing::new(&[("portrait", &hopper)]), Playing::new(&[]), new, |element| {
        let began = Instant::now();
        element.set_property("portrait", astronaut());
        assert!(began.elapsed() < Duration::from_millis(250), "the setter waited");
        assert_eq!(element.property::<Option<String>>("portrait"), Some(astronaut()));
    });
    assert!(before >= 2);
}

#[test]
fn the_newest_of_several_photos_counts() {
    let cmyk = path("portrait-cmyk.jpg");
    let new = Playing::new(&[("portrait", &cmyk)]);
    change(Playing::new(&[]), Playing::new(&[]), new, |element| {
        for photo in [astronaut(), portrait_path(), astronaut(), path("portrait-cmyk.jpg")] {
            element.set_property("portrait", photo);
        }
    });
}

#[test]
fn a_photo_that_cannot_be_used_is_a_warning_and_the_old_one_stays() {
    let (mut playing, mut untouched) = (Playing::new(&[]), Playing::new(&[]));
    assert!(playing.next() == untouched.next());
    for (property, wrong, words) in [
        (
            "portrait",
            Some("/nowhere/photo.jpg"),
            "there is no file \"/nowhere/photo.jpg\": set `portrait` to",
        ),
        ("portrait", Some(&*path("speech-af_heart.wav")), "not a PNG, JPEG or WebP"),
        (
            "portrait-open",
            Some("/nowhere/open.jpg"),
            "there is no file \"/nowhere/open.jpg\": set `portrait-open` to",
        ),
        ("portrait", None, "no photo"),
    ] {
        playing.element().set_property(property, wrong);
        let text = playing.warning();
        assert!(text.contains(words) && text.ends_with("the photo in use stays"), "{text}");
        assert_eq!(playing.get("portrait"), Some(portrait_path()));
        assert_eq!(playing.get("portrait-open"), None);
        for _ in 0..3 {
            assert!(playing.next() == untouched.next(), "{words}");
        }
    }
}

/// Latents of a mouth that is open.
fn open_mouthed(n: u64) -> gst::Buffer {
    let portrait = portrait();
    let mut face = portrait.neutral.clone();
    open_mouth(&mut face, 0.12);
    let mut posed = face.clone();
    portrait.pose.apply(&face, &mut posed);
    let mut latents = portrait.source_latents.clone();
    let pack = pack();
    let control = &pack.manifest().latents.control_points;
    for (row, &index) in latents.as_chunks_mut::<3>().0.iter_mut().zip(control) {
        *row = posed[index];
    }
    at(n, buffer::from_f32(&latents))
}

#[test]
fn the_second_photo_comes_and_goes() {
    let (plain, open) = (|| Playing::new(&[]), || Playing::new(&[("portrait-open", &astronaut())]));
    let speaking = |mut playing: Playing| {
        playing.input = open_mouthed;
        playing
    };
    change(speaking(plain()), plain(), open(), |element| element.set_property("portrait-open", astronaut()));
    change(speaking(open()), open(), plain(), |element| {
        element.set_property("portrait-open", None::<String>)
    });
}

/// A file that was written anew is read anew; one that was not changes nothing.
#[test]
fn the_same_file_is_read_again_where_it_changed() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("photo");
    std::fs::copy(photo("portrait-grace-hopper.jpg"), &file).unwrap();
    let file = file.to_str().unwrap();
    let new = Playing::new(&[("portrait", &astronaut())]);
    let playing = || Playing::new(&[("portrait", file)]);
    change(playing(), playing(), new, |element| {
        element.set_property("portrait", file);
        std::fs::copy(photo("portrait-astronaut.png"), file).unwrap();
        element.set_property("portrait", file);
    });
}

/// Stops with a photo half analysed do not wait for ever, and leave nothing behind.
#[test]
fn an_element_stops_with_an_analysis_under_way() {
    for n in 0..6u64 {
        let mut playing = Playing::new(&[]);
        playing.next();
        let element = playing.element();
        element.set_property("portrait", if n % 2 == 0 { astronaut() } else { path("portrait-cmyk.jpg") });
        std::thread::sleep(Duration::from_millis(40 * n));
        let began = Instant::now();
        element.set_state(gst::State::Ready).unwrap();
        assert!(began.elapsed() < PATIENCE / 4);
        let weak = element.downgrade();
        drop(element);
        drop(playing);
        assert!(weak.upgrade().is_none(), "somebody still has the element");
    }
}

/// What was asked for at the end of one life is shown in the next.
#[test]
fn a_photo_that_came_too_late_is_that_of_the_next_start() {
    let mut playing = Playing::new(&[]);
    playing.next();
    let element = playing.element();
    element.set_property("portrait", astronaut());
    element.set_state(gst::State::Ready).unwrap();
    assert_eq!(playing.get("portrait"), Some(astronaut()));
    drop(playing);
    let mut harness = FACESYNTH.harness_of(&element);
    element.set_state(gst::State::Playing).unwrap();
    harness.push((FACESYNTH.input)(0)).unwrap();
    let picture = harness.pull().unwrap().map_readable().unwrap().to_vec();
    assert!(picture == Playing::new(&[("portrait", &astronaut())]).next());
}

/// The whole photo has a size of its own, which downstream is told between two pictures.
#[test]
fn the_picture_takes_the_size_of_the_new_photo() {
    let full = || Playing::new(&[("framing", "full")]);
    let new = Playing::new(&[("framing", "full"), ("portrait", &astronaut())]);
    change(full(), full(), new, |element| element.set_property("portrait", astronaut()));
}

#[test]
fn the_new_photo_is_shown_in_the_size_that_downstream_wants() {
    let full = |photo: &str| {
        let properties = [("framing", "full"), ("portrait", photo)];
        Playing::taken_as(&properties, "video/x-raw,width=512,height=600")
    };
    let (hopper, new) = (portrait_path(), full(&astronaut()));
    change(full(&hopper), full(&hopper), new, |element| element.set_property("portrait", astronaut()));
}

/// Where pictures are interpolated, each is of one person, and their timestamps go on.
#[test]
fn another_photo_leaves_the_grid_of_another_rate() {
    let at_50 = |properties: &[(&str, &str)]| Playing::taken_as(properties, "video/x-raw,framerate=50/1");
    let photo = astronaut();
    let mut streams = [at_50(&[]), at_50(&[]), at_50(&[("portrait", &photo)])];
    let began = Instant::now();
    let mut out: [Vec<(Option<gst::ClockTime>, Vec<u8>)>; 3] = Default::default();
    let mut after = 0;
    for n in 0.. {
        assert!(began.elapsed() < PATIENCE, "nothing changed");
        for (stream, out) in streams.iter_mut().zip(&mut out) {
            stream.harness.push((FACESYNTH.input)(n)).unwrap();
            while let Some(picture) = stream.harness.try_pull() {
                out.push((picture.pts(), picture.map_readable().unwrap().to_vec()));
            }
        }
        if n == 2 {
            streams[0].element().set_property("portrait", &photo);
        }
        after += usize::from(out[0].last() == out[2].last() && n > 0);
        if after == AFTER {
            break;
        }
        // Only the last ones are compared while it waits.
        std::thread::sleep(Duration::from_millis(5));
    }
    let [played, old, new] = &out;
    for (k, (pts, _)) in played.iter().enumerate() {
        assert_eq!(*pts, Some(FRAME * k as u64 / 2));
    }
    let first = (0..played.len()).find(|&k| played[k] == new[k]).unwrap();
    assert!(played[..first] == old[..first] && played[first..] == new[first..]);
}
