// SPDX-License-Identifier: MIT OR Apache-2.0
//! The demo's pipeline writes a film whose sound and picture fit.

use portrait_tests::pipeline::{Pipeline, Recording};
use portrait_tests::{FRAME, photo, samples};

const SECONDS: f64 = 2.0;

/// End of the last frame that was recorded.
fn end(recording: &Recording) -> gst::ClockTime {
    let last = recording.frames().into_iter().max_by_key(|f| f.pts).expect("frames were recorded");
    last.pts.unwrap() + last.duration.unwrap()
}

#[test]
fn sound_and_picture_have_the_same_length() {
    let dir = tempfile::tempdir().unwrap();
    let (wav, mp4) = (dir.path().join("speech.wav"), dir.path().join("demo.mp4"));
    samples::write_speech(&wav, SECONDS);

    Pipeline::parse(&format!(
        "filesrc location={} ! decodebin ! audioconvert ! audioresample \
         ! audiorate tolerance=3600000000000 ! tee name=t \
         t. ! queue ! talkinghead portrait={} ! videoconvert ! video/x-raw,format=I420 \
            ! queue ! x264enc speed-preset=veryfast ! queue ! mp4mux name=m ! filesink location={} \
         t. ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! avenc_aac \
            ! identity drop-allocation=true ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! m.",
        wav.display(),
        photo(),
        mp4.display()
    ))
    .run()
    .unwrap();

    let reader = Pipeline::parse(&format!(
        "filesrc location={} ! qtdemux name=d d.video_0 ! queue ! h264parse ! appsink name=v \
         d.audio_0 ! queue ! aacparse ! appsink name=a",
        mp4.display()
    ));
    let (video, audio) = (reader.record("v"), reader.record("a"));
    reader.run().unwrap();

    let (video_caps, audio_caps) = (video.caps(), audio.caps());
    let (v, a) = (video_caps.structure(0).unwrap(), audio_caps.structure(0).unwrap());
    assert_eq!(v.name(), "video/x-h264");
    assert_eq!((v.get::<i32>("width").unwrap(), v.get::<i32>("height").unwrap()), (512, 512));
    assert_eq!(v.get::<gst::Fraction>("framerate").unwrap(), gst::Fraction::new(25, 1));
    assert_eq!((a.name().as_str(), a.get::<i32>("mpegversion").unwrap()), ("audio/mpeg", 4));

    assert_eq!(video.frames().len(), (SECONDS * 25.0) as usize);
    let (v, a) = (end(&video), end(&audio));
    let apart = if v > a { v - a } else { a - v };
    assert!(apart <= FRAME, "picture {v}, sound {a}");
}

/// A frame for every 40 ms that a sample lies in, whatever the recording's length and rate.
#[test]
fn every_sample_has_its_picture_and_no_picture_is_without_one() {
    for (rate, lengths) in [
        (8_000, [1, 319, 320, 321, 6_560]),
        (44_100, [1, 1_764, 1_765, 36_162, 36_163]),
        (48_000, [2, 1_919, 1_921, 38_398, 39_360]),
        (96_000, [1, 3_840, 3_841, 79_679, 79_681]),
    ] {
        for length in lengths {
            let pipeline = Pipeline::parse(&format!(
                "audiotestsrc num-buffers=1 samplesperbuffer={length} ! audio/x-raw,rate={rate},channels=2 \
                 ! audioconvert ! audioresample ! audiofeatures ! appsink name=out"
            ));
            let recording = pipeline.record("out");
            pipeline.run().unwrap();
            assert_eq!(recording.frames().len(), (length * 25_usize).div_ceil(rate), "{length} at {rate} Hz");
        }
    }
}

/// Sound whose rate changes in mid-file: when it does, the tee asks its branches about memory, and a queue answers when it
/// is empty. As users have it: the sound waits, raw, in an unlimited queue for the pictures that the muxer waits for.
#[test]
fn sound_whose_format_changes_does_not_lock_up_a_fork_with_the_queue_before_the_encoder() {
    let dir = tempfile::tempdir().unwrap();
    let mp4 = dir.path().join("film.mp4");
    let part = |rate: u32| {
        let size = rate / 10;
        format!(
            "audiotestsrc num-buffers=12 samplesperbuffer={size} ! audio/x-raw,rate={rate},channels=1 ! c."
        )
    };
    let pipeline = Pipeline::parse(&format!(
        "concat name=c ! audioconvert ! audioresample ! tee name=t \
         t. ! queue ! talkinghead name=head portrait={} ! video/x-raw,width=64 \
            ! queue ! x264enc speed-preset=veryfast ! queue ! mp4mux name=m ! filesink location={} \
         t. ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! audioconvert ! audioresample \
            ! audio/x-raw,rate=48000 ! avenc_aac ! m. \
         {} {}",
        photo(),
        mp4.display(),
        part(16_000),
        part(44_100),
    ));
    pipeline.run_within(gst::ClockTime::from_seconds(60)).unwrap();
    let reader = Pipeline::parse(&format!(
        "filesrc location={} ! qtdemux ! h264parse ! appsink name=v",
        mp4.display()
    ));
    let video = reader.record("v");
    reader.run().unwrap();
    assert_eq!(video.frames().len(), 60);
}

#[test]
fn the_whole_photo_is_drawn_at_its_own_size() {
    let dir = tempfile::tempdir().unwrap();
    let wav = dir.path().join("speech.wav");
    samples::write_speech(&wav, 0.4);
    let pipeline = Pipeline::parse(&format!(
        "filesrc location={} ! wavparse ! talkinghead framing=full portrait={} ! appsink name=out",
        wav.display(),
        photo()
    ));
    let recording = pipeline.record("out");
    pipeline.run().unwrap();
    let caps = recording.caps();
    let s = caps.structure(0).unwrap();
    assert_eq!((s.get::<i32>("width").unwrap(), s.get::<i32>("height").unwrap()), (512, 600));
    assert_eq!(recording.frames().len(), 10);
}
