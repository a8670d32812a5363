// SPDX-License-Identifier: MIT OR Apache-2.0
//! What other elements do to the metadata of frames: places in the picture are right, or gone.

use gst::meta::CustomMeta;
use gst::prelude::*;
use gstportrait::stream::tensor::marks::TrackMark;
use gstportrait::stream::tensor::voices::VoiceMeta;
use gstportrait::stream::tensor::{FrameMeta, meta};
use portrait_tests::FRAME;
use portrait_tests::pipeline::Pipeline;

/// Metadata that tells places in the picture.
const PLACED: [&str; 4] =
    ["PortraitPictureLandmarksMeta", "PortraitPoseMeta", "PortraitLatentsMeta", "PortraitVoice7Meta"];

/// Metadata that tells none.
const OTHERS: [&str; 3] = ["PortraitEmotionMeta", "PortraitTrackMeta", "PortraitSyntheticMeta"];

const CAPS: &str = "video/x-raw,format=I420,width=64,height=48,framerate=25/1";

/// A frame of which everything is known.
fn frame(n: u64) -> gst::Buffer {
    meta::register();
    let mut buffer = gst::Buffer::from_mut_slice(vec![100u8; 64 * 48 * 3 / 2]);
    let b = buffer.get_mut().unwrap();
    b.set_pts(FRAME * n);
    b.set_duration(FRAME);
    meta::attach(b, FrameMeta::PictureLandmarks, &[1, 3], &[0.25, 0.5, 0.0]);
    meta::attach(b, FrameMeta::Pose, &[7], &[10.0, 0.0, 0.0, 0.25, 0.5, 0.0, 0.1]);
    meta::attach(b, FrameMeta::Latents, &[1, 3], &[0.25, 0.5, 0.0]);
    meta::attach(b, FrameMeta::Emotion, &[8], &[0.0; 8]);
    let mark = TrackMark { found: true, covered: false, turn: 1 };
    mark.attach(b);
    VoiceMeta::new(7).attach_face(b, mark, Some(&[[0.25, 0.5, 0.0]]));
    meta::mark_synthetic(b, "lite/0");
    buffer
}

/// How often frames have each metadata behind that row of elements: the same in all frames.
fn behind(row: &str) -> (Vec<usize>, Vec<usize>, gst::Buffer) {
    let pipeline = Pipeline::parse(&format!(
        "appsrc name=in format=time caps={CAPS} ! {row} ! appsink name=out sync=false"
    ));
    pipeline.play();
    let source: gst_app::AppSrc = pipeline.element("in").downcast().unwrap();
    for n in 0..6 {
        source.push_buffer(frame(n)).unwrap();
    }
    source.end_of_stream().unwrap();
    let sink: gst_app::AppSink = pipeline.element("out").downcast().unwrap();
    let frames: Vec<gst::Buffer> =
        std::iter::from_fn(|| sink.pull_sample().ok()).filter_map(|sample| sample.buffer_owned()).collect();
    assert!(frames.len() >= 6, "{row}: {:?}", pipeline.error());
    let count = |frame: &gst::Buffer, name: &str| {
        let custom = |m: &gst::MetaRef<'_, gst::Meta>| {
            m.try_as_custom_meta().is_some_and(|m| m.structure().name() == name)
        };
        frame.iter_meta::<gst::Meta>().filter(custom).count()
    };
    let counts = |frame: &gst::Buffer| {
        [&PLACED[..], &OTHERS[..]]
            .map(|names| names.iter().map(|name| count(frame, name)).collect::<Vec<_>>())
    };
    let [placed, others] = counts(&frames[0]);
    for frame in &frames {
        assert_eq!(counts(frame), [placed.clone(), others.clone()], "{row}");
    }
    (placed, others, frames[3].clone())
}

#[test]
fn what_only_scales_converts_or_passes_keeps_places_once() {
    for row in [
        "identity",
        "queue",
        "tee",
        "capsfilter caps=video/x-raw",
        "videoconvert ! video/x-raw,format=RGB",
        "videoscale ! video/x-raw,width=128,height=32",
        "videoconvertscale ! video/x-raw,format=RGBA,width=32,height=96",
        "videorate ! video/x-raw,framerate=50/1",
        "videobalance saturation=0",
        "jpegenc ! jpegdec",
    ] {
        let (placed, others, frame) = behind(row);
        assert_eq!((placed, others), (vec![1; 4], vec![1; 3]), "{row}");
        assert_eq!(meta::read(&frame, FrameMeta::PictureLandmarks).unwrap().data, [0.25, 0.5, 0.0], "{row}");
        assert_eq!(VoiceMeta::new(7).landmarks(&frame).unwrap(), [0.25, 0.5, 0.0], "{row}");
        assert!(VoiceMeta::new(7).mark(&frame).is_some_and(|mark| mark.found), "{row}");
        assert!(CustomMeta::from_buffer(&frame, PLACED[1]).is_ok());
    }
}

#[test]
fn what_mirrors_turns_crops_or_reshapes_leaves_places_behind_and_nothing_else() {
    for row in [
        "videoflip video-direction=horiz",
        "videoflip video-direction=90r",
        "videoflip video-direction=180",
        "videocrop left=8 top=4",
        "videobox left=8",
        "videobox left=-8 right=-8",
        // Borders, or a face that is twice as wide.
        "videoscale ! video/x-raw,width=128,height=32,pixel-aspect-ratio=1/1",
        "videoscale add-borders=false ! video/x-raw,width=128,height=32,pixel-aspect-ratio=1/1",
        // Between caps that are fixed it does not link.
        "videocrop ! aspectratiocrop aspect-ratio=1/1",
    ] {
        let (placed, others, _) = behind(row);
        assert_eq!((placed, others), (vec![0; 4], vec![1; 3]), "{row}");
    }
}
