// SPDX-License-Identifier: MIT OR Apache-2.0
//! After a flushing seek comes the picture of that place, untouched by what was played before.

use std::collections::BTreeMap;

use gst::prelude::*;
use portrait_tests::pipeline::{Frame, Pipeline};
use portrait_tests::{FRAME, photo, samples};

const SEEKS: usize = 100;

/// Frames that are jumped to.
const PLACES: [u64; 5] = [3, 10, 17, 24, 31];

fn player(wav: &std::path::Path) -> Pipeline {
    let pipeline = Pipeline::parse(&format!(
        "filesrc location={} ! wavparse ! talkinghead portrait={} ! appsink name=out sync=false max-buffers=1",
        wav.display(),
        photo()
    ));
    pipeline.go(gst::State::Paused).unwrap();
    pipeline
}

fn picture_after_seek(pipeline: &Pipeline, frame: u64) -> Frame {
    let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
    pipeline.object().seek_simple(flags, FRAME * frame).unwrap();
    pipeline.wait_for(gst::MessageType::AsyncDone).unwrap();
    let sink: gst_app::AppSink = pipeline.element("out").downcast().unwrap();
    let sample = sink.pull_preroll().unwrap();
    Frame::of(sample.buffer().unwrap())
}

#[test]
fn a_hundred_seeks_give_the_pictures_of_fresh_pipelines() {
    let dir = tempfile::tempdir().unwrap();
    let wav = dir.path().join("speech.wav");
    samples::write_speech(&wav, 1.6);
    let expected: BTreeMap<u64, Frame> =
        PLACES.into_iter().map(|frame| (frame, picture_after_seek(&player(&wav), frame))).collect();
    for (frame, picture) in &expected {
        assert_eq!(picture.pts, Some(FRAME * *frame));
    }

    let pipeline = player(&wav);
    for index in 0..SEEKS {
        // Forwards and backwards, by steps of many sizes.
        let frame = PLACES[index * 7 % 13 % PLACES.len()];
        assert_eq!(picture_after_seek(&pipeline, frame), expected[&frame], "seek {index} to frame {frame}");
    }
}

/// A voice and a video, both looped by segment seeks without a flush: neither stops the other, and each round has all of
/// its pictures.
#[test]
fn segments_with_a_driving_video_loop() {
    const FRAMES: u64 = 10;
    let dir = tempfile::tempdir().unwrap();
    let wav = dir.path().join("speech.wav");
    samples::write_speech(&wav, 1.6);
    let source = format!("filesrc location={} ! wavparse ! queue", wav.display());
    let pipeline = Pipeline::parse(&format!(
        "{source} ! talkinghead name=head portrait={photo} ! appsink name=out \
         {source} ! talkinghead portrait={photo} seed=3 ! facelandmarks ! queue ! head.pose",
        photo = photo()
    ));
    let recording = pipeline.record("out");
    pipeline.go(gst::State::Paused).unwrap();
    let seek = |flags| {
        let (set, stop) = (gst::SeekType::Set, FRAME * FRAMES);
        pipeline.object().seek(1.0, flags, set, gst::ClockTime::ZERO, set, stop).unwrap();
    };
    seek(gst::SeekFlags::FLUSH | gst::SeekFlags::SEGMENT);
    pipeline.play();
    for round in 1..=3 {
        // Each source tells its own end of the segment, perhaps before the other has begun: pictures tell of both.
        let began = std::time::Instant::now();
        while (recording.frames().len() as u64) < round * FRAMES {
            assert_eq!(pipeline.error(), None);
            assert!(began.elapsed().as_secs() < 60, "{} pictures in round {round}", recording.frames().len());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        seek(if round < 3 { gst::SeekFlags::SEGMENT } else { gst::SeekFlags::empty() });
    }
    pipeline.wait_for(gst::MessageType::Eos).unwrap();
}

/// Reverse playback is refused, and the pipeline plays on.
#[test]
fn a_seek_backwards_is_refused_and_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let wav = dir.path().join("speech.wav");
    samples::write_speech(&wav, 1.0);
    let pipeline = Pipeline::parse(&format!(
        "filesrc location={} ! wavparse ! talkinghead portrait={} ! appsink name=out",
        wav.display(),
        photo()
    ));
    let recording = pipeline.record("out");
    pipeline.go(gst::State::Paused).unwrap();
    let (flush, set) = (gst::SeekFlags::FLUSH, gst::SeekType::Set);
    assert!(pipeline.object().seek(-1.0, flush, set, gst::ClockTime::ZERO, set, FRAME * 20).is_err());
    pipeline.run().unwrap();
    assert_eq!(recording.frames().len(), 25);
}
