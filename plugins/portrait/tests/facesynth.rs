// SPDX-License-Identifier: MIT OR Apache-2.0
//! `facesynth`: pictures, strides, metadata, late frames.

mod common;

use common::{FACESYNTH, FRAME, at, bus_error, init, pack, photo, portrait};
use gst::prelude::*;
use gst_video::prelude::*;
use gstportrait::face::landmark::indices::LIPS_OUTER;
use gstportrait::face::landmark::neutral::open_mouth;
use gstportrait::stream::tensor::{FrameMeta, buffer, meta};

/// A picture carries what the stages knew, and that it is synthetic.
#[test]
fn pictures_carry_the_metadata_of_their_frame() {
    let mut harness = FACESYNTH.harness();
    let input = (FACESYNTH.input)(3);
    harness.push(input.clone()).unwrap();
    let picture = harness.pull().unwrap();
    for kind in [FrameMeta::Landmarks, FrameMeta::Pose, FrameMeta::Emotion] {
        assert_eq!(meta::read(&picture, kind), meta::read(&input, kind), "{kind:?}");
    }
    let latents = meta::read(&picture, FrameMeta::Latents).unwrap();
    assert_eq!(latents.data.len() * 4, input.size());
    let landmarks = meta::read(&picture, FrameMeta::PictureLandmarks).unwrap();
    for (found, tracked) in landmarks.data.as_chunks::<3>().0.iter().zip(&portrait().landmarks) {
        assert!((found[0] - tracked[0]).abs() < 1e-3 && (found[1] - tracked[1]).abs() < 1e-3);
    }
    assert!(gst::meta::CustomMeta::from_buffer(&picture, meta::SYNTHETIC_META).is_ok());
}

/// The stream says that it is synthetic, so that muxers write it into files.
#[test]
fn a_tag_says_synthetic() {
    let mut harness = FACESYNTH.harness();
    harness.push((FACESYNTH.input)(0)).unwrap();
    let comment = std::iter::from_fn(|| harness.try_pull_event()).find_map(|event| match event.view() {
        gst::EventView::Tag(tag) => tag.tag().get::<gst::tags::Comment>().map(|c| c.get().to_owned()),
        _ => None,
    });
    assert!(comment.unwrap().contains("synthetic"));
}

/// Rows may be longer than the picture is wide: padding stays as it was.
#[test]
fn strides_of_downstream_buffers_are_kept() {
    init();
    let run = |align: u32| {
        let element = FACESYNTH.element();
        if align > 0 {
            let src = element.static_pad("src").unwrap();
            src.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM | gst::PadProbeType::PUSH, move |_, info| {
                let Some(query) = info.query_mut() else { return gst::PadProbeReturn::Ok };
                let gst::QueryViewMut::Allocation(q) = query.view_mut() else {
                    return gst::PadProbeReturn::Ok;
                };
                let caps = q.get().0.unwrap().to_owned();
                let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
                let pool = gst_video::VideoBufferPool::new();
                let mut config = pool.config();
                config.set_params(Some(&caps), info.size() as u32, 0, 0);
                config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META.as_str());
                config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_ALIGNMENT.as_str());
                config.set_video_alignment(&gst_video::VideoAlignment::new(0, 0, 0, align, &[0; 4]));
                pool.set_config(config).unwrap();
                q.add_allocation_pool(Some(&pool), info.size() as u32, 0, 0);
                q.add_allocation_meta::<gst_video::VideoMeta>(None);
                gst::PadProbeReturn::Handled
            });
        }
        let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_src_caps((FACESYNTH.input_caps)());
        harness.push((FACESYNTH.input)(2)).unwrap();
        let picture = harness.pull().unwrap();
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgb, 512, 512).build().unwrap();
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(&picture, &info).unwrap();
        let stride = frame.plane_stride()[0] as usize;
        let rows: Vec<u8> = frame
            .plane_data(0)
            .unwrap()
            .chunks(stride)
            .take(512)
            .flat_map(|row| row[..512 * 3].to_vec())
            .collect();
        (stride, rows)
    };
    let (plain_stride, plain) = run(0);
    let (wide_stride, wide) = run(100);
    assert_eq!(plain_stride, 512 * 3);
    assert!(wide_stride > plain_stride, "the pool's padding took effect");
    assert!(plain == wide);
}

/// Frames that are too late are dropped before the networks run, and reported.
#[test]
fn late_frames_are_dropped_and_reported() {
    let mut harness = FACESYNTH.harness();
    let element = harness.element().unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    harness.push((FACESYNTH.input)(0)).unwrap();
    let late = gst::event::Qos::new(gst::QOSType::Underflow, 2.0, FRAME.nseconds() as i64 * 5, FRAME);
    harness.push_upstream_event(late);
    harness.push((FACESYNTH.input)(1)).unwrap();
    harness.push((FACESYNTH.input)(20)).unwrap();
    let times: Vec<_> = std::iter::from_fn(|| harness.try_pull()).map(|b| b.pts()).collect();
    assert_eq!(times, [Some(gst::ClockTime::ZERO), Some(FRAME * 20)]);
    assert!(bus.pop_filtered(&[gst::MessageType::Qos]).is_some());
    element.set_bus(None::<&gst::Bus>);
}

/// Full framing shows the whole photo at its own size.
#[test]
fn full_framing_has_the_size_of_the_photo() {
    let element = FACESYNTH.element();
    element.set_property_from_str("framing", "full");
    let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_src_caps((FACESYNTH.input_caps)());
    harness.push((FACESYNTH.input)(0)).unwrap();
    let picture = harness.pull().unwrap();
    let caps = element.static_pad("src").unwrap().current_caps().unwrap();
    let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
    let photo = &portrait().photo;
    assert_eq!((info.width() as usize, info.height() as usize), (photo.width, photo.height));
    assert_eq!(picture.size(), info.size());
}

/// A picture of the photo with its mouth open by `gap`, with that second photo, and the corners of a box around the lips.
fn mouth(second: Option<&str>, gap: f32) -> (Vec<u8>, [[usize; 2]; 2]) {
    let portrait = portrait();
    let mut face = portrait.neutral.clone();
    open_mouth(&mut face, gap);
    let mut posed = face.clone();
    portrait.pose.apply(&face, &mut posed);
    let mut latents = portrait.source_latents.clone();
    for (row, &index) in
        latents.as_chunks_mut::<3>().0.iter_mut().zip(&pack().manifest().latents.control_points)
    {
        *row = posed[index];
    }
    let element = FACESYNTH.element();
    element.set_property("portrait-open", second.map(|name| photo(name).to_str().unwrap().to_owned()));
    let mut harness = FACESYNTH.harness_of(&element);
    harness.push(at(0, buffer::from_f32(&latents))).unwrap();
    let picture = harness.pull().unwrap().map_readable().unwrap().to_vec();
    let side = portrait.picture.width as f32;
    let lips = || LIPS_OUTER.iter().map(|&i| [posed[i][0] * side, posed[i][1] * side]);
    let [low, high] =
        [f32::min, f32::max].map(|of| lips().reduce(|a, b| [of(a[0], b[0]), of(a[1], b[1])]).unwrap());
    (picture, [low.map(|v| v as usize), high.map(|v| v as usize + 1)])
}

/// The second photo shows somebody else here, who smiles with her teeth: they are seen, and no pixel beside them changes.
#[test]
fn a_second_photo_shows_the_inside_of_an_open_mouth_and_nothing_else() {
    let teeth = Some("portrait-astronaut.png");
    let ((one, [low, high]), (two, _)) = (mouth(None, 0.12), mouth(teeth, 0.12));
    let side = portrait().picture.width;
    let way = |i: usize| (0..3).map(|c| one[i * 3 + c].abs_diff(two[i * 3 + c])).max().unwrap();
    let inside =
        |i: usize| (low[0]..high[0]).contains(&(i % side)) && (low[1]..high[1]).contains(&(i / side));
    let (lips, around): (Vec<usize>, Vec<usize>) = (0..side * side).partition(|&i| inside(i));
    assert!(around.into_iter().all(|i| way(i) == 0));
    assert!(lips.into_iter().filter(|&i| way(i) > 24).count() > 100, "the teeth are seen");
    assert!(mouth(None, 0.0).0 == mouth(teeth, 0.0).0, "lips that are shut hide them");
}

#[test]
fn a_second_photo_that_shows_no_more_changes_no_picture() {
    let same = Some("portrait-grace-hopper.jpg");
    assert!(mouth(None, 0.12).0 == mouth(same, 0.12).0);
}

#[test]
fn a_second_photo_that_is_not_there_is_an_error_that_names_it() {
    let element = FACESYNTH.element();
    element.set_property("portrait-open", "nowhere/open.jpg");
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert!(element.set_state(gst::State::Paused).is_err());
    element.set_state(gst::State::Null).unwrap();
    let (text, _) = bus_error(&bus).unwrap();
    assert!(text.contains("nowhere/open.jpg"), "{text}");
}

/// A picture that is finished later than the latency allows is told, once: the user has to raise `processing-deadline`.
#[test]
fn pictures_that_take_too_long_are_told_once() {
    let element = FACESYNTH.element();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    harness.use_testclock();
    harness.set_live(true);
    harness.set_sink_caps_str("video/x-raw,format=RGB,width=64,height=64,framerate=25/1");
    harness.set_src_caps((FACESYNTH.input_caps)());
    let clock = harness.testclock().unwrap();
    for n in 0..110 {
        clock.set_time(FRAME * n + gst::ClockTime::SECOND);
        harness.push((FACESYNTH.input)(n)).unwrap();
        drop(harness.try_pull());
    }
    let warnings = common::warnings(&bus);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("processing-deadline"), "{warnings:?}");
    element.set_bus(None::<&gst::Bus>);
}

/// Where pictures have another rate some wait for the next latents: a gap, and the end of a segment, bring them out first.
#[test]
fn a_gap_and_the_end_of_a_segment_bring_out_the_pictures_that_wait() {
    init();
    for event in
        [gst::event::Gap::builder(FRAME * 3).duration(FRAME).build(), gst::event::SegmentDone::new(FRAME * 3)]
    {
        let element = FACESYNTH.element();
        let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_sink_caps_str("video/x-raw,format=RGB,width=64,height=64,framerate=50/1");
        harness.set_src_caps((FACESYNTH.input_caps)());
        for n in 0..3 {
            harness.push((FACESYNTH.input)(n)).unwrap();
        }
        let before = harness.buffers_received();
        harness.push_event(event.clone());
        assert!(before < 6, "{before}");
        assert_eq!(harness.buffers_received(), 6, "{event:?}");
    }
}
