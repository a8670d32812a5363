// SPDX-License-Identifier: MIT OR Apache-2.0
//! `facedub` that learns people from a file before the first frame.

mod common;

use common::film::write_clip;
use common::{FRAME_SAMPLES, VIDEO_CAPS, bus_error, init, speech, video};
use gst::prelude::*;
use gstportrait::stream::tensor::buffer;
use gstportrait::stream::tensor::{FrameMeta, meta};

const VOICE: &str =
    "format=time max-bytes=0 caps=audio/x-raw,format=F32LE,layout=interleaved,rate=16000,channels=1";

/// A person whose mouth is open in the first frames, and shut in the others: as they rest.
fn person(n: u64, open: bool) -> gst::Buffer {
    let frame = video(0);
    let mut pixels = frame.map_readable().unwrap().to_vec();
    if open {
        // The lower half of the mouth and the chin are pulled down, the inside is dark.
        let (mouth, drop) = mouth_of_film();
        let row = |y: usize| y * 320 * 3..(y + 1) * 320 * 3;
        for y in (mouth + drop..240).rev() {
            pixels.copy_within(row(y - drop), y * 320 * 3);
        }
        for y in mouth..mouth + drop {
            for x in 126..166 {
                pixels[(y * 320 + x) * 3..][..3].fill(30);
            }
        }
    }
    common::at(n, gst::Buffer::from_slice(pixels))
}

/// Row of the line between the lips, and rows by which the mouth opens.
fn mouth_of_film() -> (usize, usize) {
    static ROW: std::sync::LazyLock<usize> = std::sync::LazyLock::new(|| {
        let seen = look("", 1, |n| person(n, false));
        (seen[0].1[13][1] * 240.0) as usize
    });
    (*ROW, 12)
}

type Face = Vec<[f32; 3]>;

/// Plays frames with a voice that speaks; gives the landmarks of each as they were, and as drawn.
fn look(properties: &str, frames: u64, frame: impl Fn(u64) -> gst::Buffer) -> Vec<(Face, Face)> {
    init();
    let line = gst::parse::launch(&format!(
        "appsrc name=video format=time max-bytes=0 caps={VIDEO_CAPS} ! facedub name=dub {properties} ! fakesink name=sink \
         sync=false  appsrc name=voice {VOICE} ! dub.voice"
    ));
    let pipeline: gst::Pipeline = line.unwrap().downcast().unwrap();
    let watch = |pad: gst::Pad| {
        let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let into = std::sync::Arc::clone(&kept);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let face = meta::read(info.buffer().unwrap(), FrameMeta::PictureLandmarks).unwrap();
            into.lock().unwrap().push(face.data.as_chunks::<3>().0.to_vec());
            gst::PadProbeReturn::Ok
        });
        kept
    };
    let dub = pipeline.by_name("dub").unwrap().downcast::<gst::Bin>().unwrap();
    let was = watch(dub.by_name("facetracker").unwrap().static_pad("src").unwrap());
    let is = watch(pipeline.by_name("sink").unwrap().static_pad("sink").unwrap());
    pipeline.set_state(gst::State::Playing).unwrap();
    let push = |name: &str, buffer: gst::Buffer| {
        let source = pipeline.by_name(name).unwrap();
        let _ = source.emit_by_name::<gst::FlowReturn>("push-buffer", &[&buffer]);
    };
    for n in 0..frames {
        push("video", frame(n));
        push("voice", common::at(n, buffer::from_f32(&speech(n as usize * FRAME_SAMPLES, FRAME_SAMPLES))));
    }
    for name in ["video", "voice"] {
        let source = pipeline.by_name(name).unwrap();
        let _ = source.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
    }
    let bus = pipeline.bus().unwrap();
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &kinds).expect("the film ends");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    assert_eq!(bus.pop_filtered(&[gst::MessageType::Warning]).map(|m| format!("{m:?}")), None);
    pipeline.set_state(gst::State::Null).unwrap();
    let (was, is) = (was.lock().unwrap().clone(), is.lock().unwrap().clone());
    was.into_iter().zip(is).collect()
}

/// How far the lips are drawn from where they are drawn in the end, mean of the first frames, in parts of the picture.
fn astray(faces: &[(Face, Face)]) -> f32 {
    let last = &faces[faces.len() - 1].1;
    let lips = [61, 291, 0, 17, 13, 14];
    let far = |face: &Face| {
        lips.iter().map(|&i| (face[i][0] - last[i][0]).hypot(face[i][1] - last[i][1])).sum::<f32>() / 6.0
    };
    faces[3..10].iter().map(|(_, is)| far(is)).sum::<f32>() / 7.0
}

#[test]
fn a_person_whose_clip_begins_with_an_open_mouth_is_known_from_the_first_frame_on() {
    let dir = tempfile::tempdir().unwrap();
    let clip = dir.path().join("clip.avi");
    let film = |n| person(n, n < 10);
    write_clip(&clip, (0..80).map(film));
    // Shut in silence: what is drawn is the person at rest.
    let properties = "amplitude=0";
    let without = look(properties, 40, film);
    let with = look(&format!("{properties} analyse={}", clip.display()), 40, film);
    assert_eq!(with.len(), 40);
    let (without, with) = (astray(&without), astray(&with));
    assert!(with < 0.6 * without, "{with} with, {without} without");
}

fn start(properties: &str) -> (gst::Pipeline, Result<gst::StateChangeSuccess, gst::StateChangeError>) {
    init();
    let line = gst::parse::launch(&format!(
        "appsrc name=video format=time caps={VIDEO_CAPS} ! facedub name=dub {properties} ! fakesink sync=false"
    ));
    let pipeline: gst::Pipeline = line.unwrap().downcast().unwrap();
    let started = pipeline.set_state(gst::State::Playing);
    (pipeline, started)
}

fn first_error(pipeline: &gst::Pipeline) -> String {
    let bus = pipeline.bus().unwrap();
    for _ in 0..600 {
        if let Some((text, _)) = bus_error(&bus) {
            return text;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("no error");
}

#[test]
fn a_file_that_cannot_be_used_is_one_error_that_names_it_and_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let (missing, text) = (dir.path().join("missing.mp4"), dir.path().join("words.mp4"));
    std::fs::write(&text, "these are words, and no film, ".repeat(200)).unwrap();
    let sound = common::photo("speech-am_michael.wav");
    for (file, at_start) in [(missing.as_path(), true), (dir.path(), true), (&text, false), (&sound, false)] {
        let (pipeline, started) = start(&format!("analyse={}", file.display()));
        assert_eq!(started.is_err(), at_start, "{}", file.display());
        if !at_start {
            let source = pipeline.by_name("video").unwrap();
            let _ = source.emit_by_name::<gst::FlowReturn>("push-buffer", &[&video(0)]);
        }
        let error = first_error(&pipeline);
        assert!(
            error.starts_with("analyse: cannot") && error.contains(&*file.display().to_string()),
            "{error}"
        );
        assert!(error.contains("leave the property unset"), "{error}");
        pipeline.set_state(gst::State::Null).unwrap();
        assert_eq!(bus_error(&pipeline.bus().unwrap()), None, "once");
    }
}

#[test]
fn a_file_without_a_face_is_one_warning_and_the_film_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let clip = dir.path().join("clip.avi");
    let nobody = |n| common::at(n, gst::Buffer::from_slice(vec![70u8; 320 * 240 * 3]));
    write_clip(&clip, (0..10).map(nobody));
    let (pipeline, started) = start(&format!("analyse={}", clip.display()));
    started.unwrap();
    let source = pipeline.by_name("video").unwrap();
    for n in 0..4 {
        let _ = source.emit_by_name::<gst::FlowReturn>("push-buffer", &[&video(n)]);
    }
    let _ = source.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
    let bus = pipeline.bus().unwrap();
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error, gst::MessageType::Warning];
    let pop = || bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &kinds).unwrap();
    let first = pop();
    let gst::MessageView::Warning(warning) = first.view() else { panic!("{first:?}") };
    assert!(warning.error().message().contains("shows no face"), "{warning:?}");
    assert_eq!(pop().type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_film_that_is_stopped_or_flushed_meanwhile_does_not_wait_for_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let clip = dir.path().join("clip.avi");
    write_clip(&clip, (0..400).map(|n| person(n, false)));
    for flush in [false, true] {
        let (pipeline, started) = start(&format!("analyse={}", clip.display()));
        started.unwrap();
        let source = pipeline.by_name("video").unwrap();
        let _ = source.emit_by_name::<gst::FlowReturn>("push-buffer", &[&video(0)]);
        std::thread::sleep(std::time::Duration::from_millis(150));
        if flush {
            let pad = pipeline.by_name("dub").unwrap().static_pad("video").unwrap();
            pad.send_event(gst::event::FlushStart::new());
            pad.send_event(gst::event::FlushStop::new(true));
        }
        // It comes back: the test ends.
        pipeline.set_state(gst::State::Null).unwrap();
    }
    let (pipeline, started) = start("analyse=\"\"");
    started.unwrap();
    assert_eq!(pipeline.by_name("dub").unwrap().property::<Option<String>>("analyse"), None);
    pipeline.set_state(gst::State::Null).unwrap();
}
