// SPDX-License-Identifier: MIT OR Apache-2.0
//! `portrait` set while playing, with all elements of a pipeline: they take the new person over at the same frame.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{FRAME, init, pack, photo, portrait, portrait_path};
use gst::prelude::*;
use gstportrait::photo::Portrait;
use gstportrait::photo::handover::marked;
use gstportrait::stream::tensor::meta::PHOTO_META;
use gstportrait::stream::tensor::{FrameMeta, meta};

/// What has not happened after this never will.
const PATIENCE: Duration = Duration::from_secs(120);

fn astronaut() -> Arc<Portrait> {
    Portrait::analyse(&photo("portrait-astronaut.png"), &pack(), tch::Device::Cpu).unwrap()
}

/// A pipeline whose pictures are pulled one by one.
struct Film {
    pipeline: gst::Pipeline,
    pictures: gst::Element,
    people: [Arc<Portrait>; 2],
    frames: u64,
    /// Timestamp of the first one: a live source that takes long to start begins later.
    first: Option<gst::ClockTime>,
}

/// Whom the parts of a frame show: 0 and 1 are the people of the film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    picture: usize,
    landmarks: usize,
    pose: usize,
    number: Option<u64>,
}

impl Film {
    fn new(description: &str) -> Self {
        init();
        let sink = "appsink name=pictures sync=false max-buffers=2";
        let pipeline =
            gst::parse::launch(&format!("{description} ! video/x-raw,format=RGB ! {sink}")).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        pipeline.by_name("face").unwrap().set_property("portrait", portrait_path());
        let pictures = pipeline.by_name("pictures").unwrap();
        let people = [portrait(), astronaut()];
        pipeline.set_state(gst::State::Playing).unwrap();
        Self { pipeline, pictures, people, frames: 0, first: None }
    }

    fn set(&self, path: &Path) {
        let face = self.pipeline.by_name("face").unwrap();
        face.set_property("portrait", path.to_str().unwrap());
    }

    /// The next frame, whose timestamp is the one after the last.
    fn next(&mut self) -> Shown {
        let timeout = gst::ClockTime::from_mseconds(PATIENCE.as_millis() as u64);
        let sample: Option<gst::Sample> =
            self.pictures.emit_by_name("try-pull-sample", &[&timeout.nseconds()]);
        let sample = sample.unwrap_or_else(|| panic!("no picture: {:?}", self.error()));
        let buffer = sample.buffer().unwrap();
        let first = *self.first.get_or_insert(buffer.pts().unwrap());
        assert_eq!(buffer.pts(), Some(first + FRAME * self.frames), "a picture is missing");
        self.frames += 1;
        let map = buffer.map_readable().unwrap();
        // Backgrounds do not move.
        let picture = self.which(|p| map[..48] == p.picture.rgb[..48]);
        let pose = meta::read(buffer, FrameMeta::Pose).unwrap().data;
        let landmarks = meta::read(buffer, FrameMeta::Landmarks).unwrap().data;
        // Noses and brows differ more between people than they move.
        let away = |p: &Portrait| -> f32 {
            let still = [1, 4, 6, 10, 168, 195, 197, 152, 234, 454];
            still
                .iter()
                .flat_map(|&i| (0..3).map(move |k| (i, k)))
                .map(|(i, k)| (landmarks[i * 3 + k] - p.neutral[i][k]).abs())
                .sum()
        };
        let [a, b] = self.people.each_ref().map(|p| away(p));
        Shown {
            picture,
            landmarks: usize::from(b < a),
            // `pose-mode` is still.
            pose: self.which(|p| p.pose.to_array()[..] == pose[..]),
            number: marked(buffer),
        }
    }

    fn which(&self, is: impl Fn(&Portrait) -> bool) -> usize {
        self.people.iter().position(|p| is(p)).expect("neither of the two people")
    }

    fn error(&self) -> Option<(String, String)> {
        common::bus_error(&self.pipeline.bus().unwrap())
    }

    /// Plays until the other person was there for some frames; both are always whole.
    fn change(&mut self, from: usize, path: &Path) {
        let began = Instant::now();
        let mut after = 0;
        for n in 0.. {
            assert!(began.elapsed() < PATIENCE, "nothing changed");
            let Shown { picture, landmarks, pose, .. } = self.next();
            assert!(
                picture == landmarks && picture == pose,
                "frame {n} shows {picture}, landmarks are of {landmarks}, the pose is of {pose}"
            );
            after += usize::from(picture != from);
            assert!(after == 0 || picture != from, "back");
            if n == 3 {
                self.set(path);
            }
            if after == 10 {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Film {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

const VOICE: &str =
    "audiotestsrc wave=ticks samplesperbuffer=640 ! audio/x-raw,format=F32LE,rate=16000,channels=1";

#[test]
fn queues_between_the_stages_keep_frames_and_photo_together() {
    let queue = "queue max-size-buffers=7";
    let mut film = Film::new(&format!(
        "{VOICE} ! audiofeatures ! {queue} ! speech2landmarks blink=off ! {queue} ! landmarks2latents pose-mode=still ! {queue} ! facesynth name=face"
    ));
    film.change(0, &photo("portrait-astronaut.png"));
    let first = film.next().number.expect("a mark");
    film.change(1, &photo("portrait-grace-hopper.jpg"));
    assert!(film.next().number.unwrap() > first);
    assert_eq!(film.error(), None);
}

#[test]
fn a_talkinghead_takes_another_photo() {
    let mut film = Film::new(&format!("{VOICE} ! talkinghead name=face blink=off pose-mode=still"));
    film.change(0, &photo("portrait-astronaut.png"));
    let face = film.pipeline.by_name("face").unwrap();
    assert_eq!(face.property::<String>("portrait"), photo("portrait-astronaut.png").to_str().unwrap());
    // Elements that come later are told of the new one.
    let context = film.pipeline.context("gst.portrait.photo");
    let location = || context.as_ref().and_then(|c| c.structure().get::<String>("location").ok());
    assert!(location().is_some());
    assert_eq!(film.error(), None);
}

/// On a simulated clock: what a slow machine leaves out is no matter of the photo.
#[test]
fn a_live_stream_keeps_its_grid() {
    const CHUNK: usize = 320;
    let chunk = gst::ClockTime::from_mseconds(20);
    init();
    let element = gst::ElementFactory::make("talkinghead").build().unwrap();
    element.set_property("portrait", portrait_path());
    element.set_property_from_str("blink", "off");
    let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_sink_caps_str("video/x-raw,format=RGB");
    harness.use_testclock();
    let clock = harness.testclock().unwrap();
    harness.set_live(true);
    element.set_state(gst::State::Paused).unwrap();
    element.set_state(gst::State::Playing).unwrap();
    harness.set_src_caps(common::audio_caps(16000, 1));
    let people = [portrait(), astronaut()];
    let began = Instant::now();
    let (mut shown, mut after) = (Vec::new(), 0);
    for n in 0.. {
        assert!(began.elapsed() < PATIENCE, "nothing changed");
        // A microphone: samples arrive when the last of them was heard.
        let arrival = chunk * (n + 1);
        while clock.wait_for_next_pending_id().time() <= arrival {
            clock.set_time(clock.wait_for_next_pending_id().time().max(clock.time()));
            clock.process_next_clock_id();
        }
        clock.set_time(arrival.max(clock.time()));
        harness.push(common::audio(n, CHUNK)).unwrap();
        clock.wait_for_next_pending_id();
        while let Some(picture) = harness.try_pull() {
            assert_eq!(picture.pts(), Some(FRAME * shown.len() as u64), "a picture is missing");
            let map = picture.map_readable().unwrap();
            let who = people.iter().position(|p| map[..48] == p.picture.rgb[..48]);
            shown.push(who.expect("neither of the two people"));
            after += shown.last().copied().unwrap_or(0);
        }
        if n == 30 {
            element.set_property("portrait", photo("portrait-astronaut.png").to_str().unwrap());
        }
        if after == 10 {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(shown.is_sorted() && shown.len() > 20);
    let stats: gst::Structure = element.property("stats");
    let count = |name| stats.get::<u64>(name).unwrap();
    assert_eq!([count("idle-frames"), count("late-samples"), count("dropped")], [0; 3]);
    drop(harness);
    element.set_state(gst::State::Null).unwrap();
}

/// Where something on the way makes new buffers without the marks, running times tell.
#[test]
fn a_stage_that_loses_the_marks_does_no_harm() {
    let mut film = Film::new(&format!(
        "{VOICE} ! audiofeatures ! speech2landmarks blink=off ! queue ! landmarks2latents pose-mode=still name=latents ! queue max-size-buffers=5 ! facesynth name=face"
    ));
    let latents = film.pipeline.by_name("latents").unwrap();
    for pad in ["sink", "src"] {
        latents.static_pad(pad).unwrap().add_probe(gst::PadProbeType::BUFFER, |_, info| {
            if let Some(buffer) = info.buffer_mut()
                && let Some(meta) = gst::meta::CustomMeta::from_mut_buffer(buffer.make_mut(), PHOTO_META).ok()
            {
                meta.remove().unwrap();
            }
            gst::PadProbeReturn::Ok
        });
    }
    film.change(0, &photo("portrait-astronaut.png"));
}
