// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a video drives of a voice's face that is no landmarks: the head's pose, and the lids.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use gst::prelude::*;
use gstportrait::face::edit::lids;
use gstportrait::pack::{DEFAULT_PACK, Pack};
use gstportrait::stream::tensor::{FrameMeta, TensorInfo, TensorKind, buffer, meta};
use portrait_tests::mini::Mini;
use portrait_tests::pipeline::Pipeline;
use portrait_tests::{FRAME, SPEECH_CAPS, photo, samples};

const FRAMES: usize = 20;

/// Written, and trusted before any test runs: the environment is the whole program's.
static PACK: LazyLock<PathBuf> = LazyLock::new(|| {
    /// Nothing that is static is dropped.
    extern "C" fn remove() {
        let _ = std::fs::remove_dir_all(folder());
    }
    fn folder() -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("coefficients-{}", std::process::id()))
    }
    let (path, digest) = Mini::coefficients().write(&folder(), "coefficients");
    // SAFETY: all tests of this program wait here first, so no other thread reads or writes the environment now; the function
    // takes and gives nothing.
    unsafe {
        std::env::set_var("GST_PORTRAIT_TRUSTED_PACKS", digest);
        libc::atexit(remove);
    }
    path
});

/// How far the video's lids are closed in a frame: one blink.
fn blink(frame: usize) -> f32 {
    if (6..12).contains(&frame) { 1.0 } else { 0.0 }
}

/// A frame of `facelandmarks`: a face that turns by `yaw` degrees a frame, its lids as closed as asked.
fn face(frame: usize, closure: f32, yaw: f32) -> gst::Buffer {
    let mut points = Pack::open(DEFAULT_PACK).unwrap().mean_face().to_vec();
    lids::close(&mut points, closure);
    let mut buffer = buffer::from_f32(points.as_flattened());
    let b = buffer.get_mut().unwrap();
    meta::attach(b, FrameMeta::Pose, &[7], &[yaw * frame as f32, 0.0, 0.0, 0.5, 0.5, 0.0, 0.2]);
    b.set_pts(FRAME * frame as u64);
    b.set_duration(FRAME);
    buffer
}

/// Latents of a voice with that `drive`, and the warnings; beside a video whose face turns, where there is one.
fn latents(properties: &str, video: Option<f32>) -> (Vec<Vec<f32>>, Vec<String>) {
    let pack = PACK.display().to_string();
    let caps = TensorInfo {
        kind: TensorKind::Landmarks,
        shape: vec![478, 3],
        framerate: gst::Fraction::new(25, 1),
        pack: {
            portrait_tests::init();
            Pack::open(&pack).unwrap().id()
        },
    };
    let side = video.map(|_| format!("appsrc name=video format=time caps=\"{}\" ! l.pose", caps.to_caps()));
    let pipeline = Pipeline::parse(&format!(
        "appsrc name=in format=time caps={SPEECH_CAPS} ! audiofeatures model-pack={pack} ! speech2landmarks model-pack={pack} blink=off \
         ! landmarks2latents name=l model-pack={pack} pose-mode=still {properties} ! facesynth name=f model-pack={pack} portrait={} \
         ! appsink name=out sync=false {}",
        photo(),
        side.unwrap_or_default()
    ));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let pad = pipeline.element("f").static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer() {
            let bytes = buffer.map_readable().unwrap();
            let numbers = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            kept.lock().unwrap().push(numbers);
        }
        gst::PadProbeReturn::Ok
    });
    let recording = pipeline.record("out");
    pipeline.play();
    if let Some(yaw) = video {
        let source: gst_app::AppSrc = pipeline.element("video").downcast().unwrap();
        for frame in 0..FRAMES {
            source.push_buffer(face(frame, blink(frame), yaw)).unwrap();
        }
        source.end_of_stream().unwrap();
    }
    pipeline.feed("in", &samples::speech(8000, FRAMES * 640), 640);
    let bus = pipeline.object().bus().unwrap();
    let mut warnings = Vec::new();
    while let Some(message) = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(100),
        &[gst::MessageType::Warning, gst::MessageType::Eos, gst::MessageType::Error],
    ) {
        match message.view() {
            gst::MessageView::Warning(warning) => warnings.push(warning.error().message().to_owned()),
            gst::MessageView::Error(error) => panic!("{} {:?}", error.error(), error.debug()),
            _ => break,
        }
    }
    assert_eq!(recording.frames().len(), FRAMES);
    let seen = seen.lock().unwrap().clone();
    (seen, warnings)
}

#[test]
fn the_lids_of_a_video_close_those_of_another_face_model() {
    let (alone, _) = latents("", None);
    let (driven, warnings) = latents("drive=eyes", Some(0.0));
    for (frame, (one, other)) in alone.iter().zip(&driven).enumerate() {
        let due = 0.2 * blink(frame);
        for (a, b) in one.iter().zip(other) {
            assert!((b - a - due).abs() < 1e-4, "frame {frame}: {} where {due} was due", b - a);
        }
    }
    assert_eq!(warnings, [""; 0]);
    let (untouched, _) = latents("drive=pose", Some(0.0));
    assert_eq!(untouched, alone, "nobody asked for the eyes");
}

#[test]
fn the_pose_of_a_video_turns_the_head_and_what_cannot_be_driven_is_told_once() {
    let (alone, _) = latents("", None);
    let (driven, warnings) = latents("pose-mode=auto drive=pose+mouth", Some(1.0));
    let turns: Vec<f32> = driven.iter().zip(&alone).map(|(one, other)| (one[0] - other[0]) / 0.002).collect();
    assert!(turns[0].abs() < 0.1 && (turns[FRAMES - 1] - 19.0).abs() < 1.5, "{turns:?}");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("`drive`"), "{warnings:?}");
}
