// SPDX-License-Identifier: MIT OR Apache-2.0
//! A video drives the photo.

use gst::prelude::*;
use portrait_tests::pipeline::{Frame, Pipeline};
use portrait_tests::{FRAME, data, photo, samples};

const FRAMES: u64 = 12;

/// The other bundled photo, panned and turned a little from frame to frame, stands for a driving video.
fn driving_video(rest: &str) -> String {
    format!(
        "filesrc location={} ! pngdec ! videoconvert ! imagefreeze num-buffers={FRAMES} ! video/x-raw,framerate=25/1 \
         ! {rest}",
        data("portrait-astronaut.png").display()
    )
}

#[test]
fn every_frame_of_the_video_gives_a_picture_at_its_time() {
    let pipeline = Pipeline::parse(&driving_video(&format!(
        "facelandmarks ! landmarks2latents ! facesynth portrait={} ! appsink name=out",
        photo()
    )));
    let recording = pipeline.record("out");
    pipeline.run().unwrap();
    let frames = recording.frames();
    assert_eq!(frames.len() as u64, FRAMES);
    for (index, frame) in (0..).zip(&frames) {
        assert_eq!(frame.pts, Some(FRAME * index), "frame {index}");
        assert_eq!(frame.size, 512 * 512 * 3, "frame {index}");
    }
}

#[test]
fn a_video_without_a_face_drives_an_idle_portrait() {
    let pipeline = Pipeline::parse(&format!(
        "videotestsrc num-buffers=5 pattern=smpte ! video/x-raw,width=320,height=240,framerate=25/1 ! videoconvert \
         ! facelandmarks ! landmarks2latents ! facesynth portrait={} ! appsink name=out",
        photo()
    ));
    let recording = pipeline.record("out");
    pipeline.run().unwrap();
    assert_eq!(recording.frames().len(), 5);
}

/// A second of speech, with the head motion of a portrait that speaks the same.
fn transfer(wav: &std::path::Path, properties: &str) -> Pipeline {
    let source = format!("filesrc location={} ! wavparse ! queue", wav.display());
    Pipeline::parse(&format!(
        "{source} ! talkinghead name=head portrait={} {properties} ! appsink name=out sync=false max-buffers=1 \
         {source} ! talkinghead portrait={} seed=3 pose-gain=3 ! facelandmarks ! queue ! head.pose",
        photo(),
        data("portrait-astronaut.png").display()
    ))
}

/// Voice and video wait for each other: which of them is faster does not change the pictures.
#[test]
fn a_voice_and_the_head_of_a_video_give_the_same_pictures_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let wav = dir.path().join("speech.wav");
    samples::write_speech(&wav, 1.0);
    let run = |properties: &str| {
        let pipeline = transfer(&wav, properties);
        let recording = pipeline.record("out");
        pipeline.run().unwrap();
        recording.frames()
    };
    let first = run("");
    assert_eq!(first.len(), 25);
    assert_eq!(run(""), first);
    assert_ne!(run("pose-mode=generated"), first);
}

#[test]
fn a_seek_takes_the_video_along() {
    let dir = tempfile::tempdir().unwrap();
    let wav = dir.path().join("speech.wav");
    samples::write_speech(&wav, 1.0);
    let picture = |pipeline: &Pipeline, frame: u64| {
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        pipeline.object().seek_simple(flags, FRAME * frame).unwrap();
        pipeline.wait_for(gst::MessageType::AsyncDone).unwrap();
        let sink: gst_app::AppSink = pipeline.element("out").downcast().unwrap();
        Frame::of(sink.pull_preroll().unwrap().buffer().unwrap())
    };
    let fresh = |frame| {
        let pipeline = transfer(&wav, "");
        pipeline.go(gst::State::Paused).unwrap();
        picture(&pipeline, frame)
    };
    let expected = [fresh(3), fresh(14)];
    let pipeline = transfer(&wav, "");
    pipeline.go(gst::State::Paused).unwrap();
    for index in [0, 1, 0, 0, 1] {
        assert_eq!(picture(&pipeline, [3, 14][index]), expected[index]);
    }
}

/// What is drawn differs from what is not, and a picture of which nothing is known passes as it is.
#[test]
fn the_overlay_draws_where_something_is_known() {
    let run = |source: &str, overlay: &str| {
        let pipeline = Pipeline::parse(&format!("{source} {overlay} ! appsink name=out"));
        let recording = pipeline.record("out");
        pipeline.run().unwrap();
        recording.frames()
    };
    let face = format!("audiotestsrc num-buffers=5 ! talkinghead portrait={} framing=full", photo());
    let test = "videotestsrc num-buffers=2 ! video/x-raw,format=I420,width=64,height=64";
    assert_eq!(run(test, "! landmarkoverlay latents=true"), run(test, ""));
    let plain = run(&face, "");
    for drawn in ["landmarks=true pose=false", "landmarks=false", "landmarks=false pose=false latents=true"] {
        let frames = run(&face, &format!("! landmarkoverlay {drawn}"));
        assert!(frames.iter().zip(&plain).all(|(a, b)| a.hash != b.hash && a.pts == b.pts), "{drawn}");
    }
    assert_eq!(run(&face, "! landmarkoverlay landmarks=false pose=false"), plain);
}
