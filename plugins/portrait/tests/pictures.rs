// SPDX-License-Identifier: MIT OR Apache-2.0
//! `facesynth`: formats, backgrounds, sizes and frame rates of its pictures.

mod common;

use common::{FACESYNTH, FRAME, bus_error, portrait};
use gst::prelude::*;
use gst_video::prelude::*;
use gstportrait::stream::tensor::{FrameMeta, meta};

/// An element with properties set, in a harness whose downstream takes these caps.
fn harness(properties: &[(&str, &str)], downstream: &str) -> gst_check::Harness {
    let element = FACESYNTH.element();
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_sink_caps_str(downstream);
    harness.set_src_caps((FACESYNTH.input_caps)());
    harness
}

fn info(harness: &gst_check::Harness) -> gst_video::VideoInfo {
    let src = harness.element().unwrap().static_pad("src").unwrap();
    gst_video::VideoInfo::from_caps(&src.current_caps().unwrap()).unwrap()
}

/// One picture of latents `n`: what was negotiated, and the bytes of its planes without padding.
fn picture(properties: &[(&str, &str)], downstream: &str, n: u64) -> (gst_video::VideoInfo, Vec<Vec<u8>>) {
    let mut harness = harness(properties, downstream);
    harness.push((FACESYNTH.input)(n)).unwrap();
    let buffer = harness.pull().unwrap();
    let info = info(&harness);
    (info.clone(), planes(&buffer, &info))
}

fn planes(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> Vec<Vec<u8>> {
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info).unwrap();
    (0..frame.n_planes())
        .map(|p| {
            let halves = p > 0;
            let rows = if halves { info.height() / 2 } else { info.height() } as usize;
            let line = match info.format() {
                gst_video::VideoFormat::I420 if halves => info.width() as usize / 2,
                gst_video::VideoFormat::Nv12 => info.width() as usize,
                _ => info.width() as usize * info.comp_pstride(0) as usize,
            };
            let stride = frame.plane_stride()[p as usize] as usize;
            frame.plane_data(p).unwrap().chunks(stride).take(rows).flat_map(|r| r[..line].to_vec()).collect()
        })
        .collect()
}

/// Whoever does not ask for something else gets what there was before there was a choice.
#[test]
fn the_default_is_rgb_of_the_packs_size_and_rate() {
    let (info, _) = picture(&[], "ANY", 1);
    assert_eq!((info.format(), info.width(), info.height()), (gst_video::VideoFormat::Rgb, 512, 512));
    assert_eq!(info.fps(), gst::Fraction::new(25, 1));
    assert_eq!(info.colorimetry().to_string(), "sRGB");
}

/// Encoders get luma and chroma without a converter, with colours that players take for granted.
#[test]
fn encoders_get_their_format_with_its_colours_declared() {
    let (info, _) = picture(&[], "video/x-raw,format={Y444,I420,NV12}", 1);
    assert_eq!(info.format(), gst_video::VideoFormat::I420);
    assert_eq!(info.colorimetry().to_string(), "bt601");
    assert!(info.chroma_site().contains(gst_video::VideoChromaSite::H_COSITED));
    for (asked, colours) in [("height=720", "bt709"), ("colorimetry=bt709", "bt709"), ("height=480", "bt601")]
    {
        let (info, _) = picture(&[], &format!("video/x-raw,format=NV12,{asked}"), 1);
        assert_eq!(info.format(), gst_video::VideoFormat::Nv12);
        assert_eq!(info.colorimetry().to_string(), colours, "{asked}");
    }
}

/// All formats show the same picture.
#[test]
fn formats_differ_by_rounding_only() {
    let (_, rgb) = picture(&[], "video/x-raw,format=RGB", 3);
    let pixels = rgb[0].as_chunks::<3>().0;
    let (_, rgba) = picture(&[], "video/x-raw,format=RGBA", 3);
    let (_, bgra) = picture(&[], "video/x-raw,format=BGRA", 3);
    for ((p, a), b) in pixels.iter().zip(rgba[0].as_chunks::<4>().0).zip(bgra[0].as_chunks::<4>().0) {
        assert_eq!((*a, *b), ([p[0], p[1], p[2], 255], [p[2], p[1], p[0], 255]));
    }
    let (_, i420) = picture(&[], "video/x-raw,format=I420", 3);
    let (_, nv12) = picture(&[], "video/x-raw,format=NV12", 3);
    for (p, y) in pixels.iter().zip(&i420[0]) {
        let [r, g, b] = p.map(f32::from);
        let exact = 16.0 + 219.0 / 255.0 * (0.299 * r + 0.587 * g + 0.114 * b);
        assert!((exact - f32::from(*y)).abs() < 0.52, "{p:?}: {y}, exact {exact}");
    }
    assert!(i420[0] == nv12[0]);
    let pairs: Vec<u8> = i420[1].iter().zip(&i420[2]).flat_map(|(u, v)| [*u, *v]).collect();
    assert!(pairs == nv12[1]);
}

/// The person stands before anything: corners are empty, the face is solid, and what is solid is the photo again. A soft edge has
/// the person's own colours, which the photo shows nowhere.
#[test]
fn a_transparent_background_leaves_the_person() {
    let (_, keep) = picture(&[], "video/x-raw,format=RGBA", 2);
    let cut = |mode: &str| {
        let properties = [("background", "transparent"), ("alpha-mode", mode)];
        picture(&properties, "video/x-raw,format=RGBA", 2).1.swap_remove(0)
    };
    let (straight, multiplied) = (cut("straight"), cut("premultiplied"));
    let portrait = portrait();
    let nose = portrait.landmarks[4];
    let at = |x: f32, y: f32| (y * 512.0) as usize * 512 + (x * 512.0) as usize;
    let pixel = |of: &[u8], i: usize| of.as_chunks::<4>().0[i];
    assert_eq!(pixel(&straight, at(0.01, 0.01))[3], 0, "a corner");
    assert_eq!(pixel(&straight, at(nose[0], nose[1])), pixel(&keep[0], at(nose[0], nose[1])), "the nose");
    let (mut near, mut soft, mut solid) = (0, 0, 0);
    for i in 0..512 * 512 {
        let (s, p, k) = (pixel(&straight, i), pixel(&multiplied, i), pixel(&keep[0], i));
        assert_eq!(s[3], p[3]);
        let share = f32::from(s[3]) / 255.0;
        let mut off = 0.0_f32;
        for c in 0..3 {
            assert!((f32::from(s[c]) * share - f32::from(p[c])).abs() <= 1.5);
            off = off.max((f32::from(p[c]) - f32::from(k[c])).abs());
        }
        soft += usize::from(share > 0.0 && share < 1.0);
        solid += usize::from(share == 1.0);
        near += usize::from(share == 1.0 && off <= 2.0);
    }
    assert!(soft > 1000 && solid > 100_000, "the edge is soft, the person solid: {soft} {solid}");
    assert!(near * 1000 >= solid * 995, "{near} of {solid} pixels are those of the photo");
}

/// A colour behind the person, in formats with and without alpha.
#[test]
fn a_colour_is_put_behind_the_person_and_may_change_while_playing() {
    let mut harness =
        harness(&[("background", "color"), ("background-color", "0xff10c020")], "video/x-raw,format=RGB");
    let corner = |harness: &mut gst_check::Harness, n: u64| {
        harness.push((FACESYNTH.input)(n)).unwrap();
        let buffer = harness.pull().unwrap();
        let map = buffer.map_readable().unwrap();
        [map[0], map[1], map[2]]
    };
    assert_eq!(corner(&mut harness, 0), [0x10, 0xc0, 0x20]);
    harness.element().unwrap().set_property("background-color", 0xff00_00ff_u32);
    assert_eq!(corner(&mut harness, 1), [0, 0, 0xff]);
    harness.element().unwrap().set_property_from_str("background", "keep");
    assert_eq!(corner(&mut harness, 2), portrait().picture.rgb[..3]);
}

/// Who asks for transparency where none can be shown is told so.
#[test]
fn transparency_without_alpha_is_one_clear_error() {
    let element = FACESYNTH.element();
    element.set_property_from_str("background", "transparent");
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_sink_caps_str("video/x-raw,format=I420");
    harness.set_src_caps((FACESYNTH.input_caps)());
    assert!(harness.push((FACESYNTH.input)(0)).is_err());
    let (text, debug) = bus_error(&bus).unwrap();
    assert!(format!("{text} {debug}").contains("background=transparent"), "{text} {debug}");
    element.set_bus(None::<&gst::Bus>);
}

/// Squares of any size, drawn from the photo's own pixels.
#[test]
fn squares_have_the_size_that_downstream_takes() {
    for (downstream, side) in [
        ("video/x-raw,width=720", 720),
        ("video/x-raw,height=64", 64),
        ("video/x-raw,width=[600,2000],height=[640,2000]", 640),
        ("video/x-raw,width=[1,4096],height=[1,4096]", 512),
        ("video/x-raw,format=I420,width=[1,301],height=[1,301]", 300),
    ] {
        let (info, planes) = picture(&[], downstream, 1);
        assert_eq!((info.width(), info.height()), (side, side), "{downstream}");
        assert!(planes[0].iter().any(|&v| v != planes[0][0]), "{downstream}: a face, not a colour");
    }
}

/// The whole photo in luma and chroma has even sides.
#[test]
fn the_whole_photo_is_rounded_to_even_sides_for_chroma() {
    let photo = &portrait().photo;
    let (info, _) = picture(&[("framing", "full")], "video/x-raw,format=I420", 1);
    assert_eq!((info.width() as usize, info.height() as usize), (photo.width & !1, photo.height & !1));
    let properties = [("framing", "full"), ("background", "transparent")];
    let (info, planes) = picture(&properties, "video/x-raw,format=RGBA", 1);
    assert_eq!((info.width() as usize, info.height() as usize), (photo.width, photo.height));
    let alpha = planes[0].as_chunks::<4>().0;
    assert_eq!(alpha[0][3], 0, "the corner of the photo is background");
    assert!(alpha.iter().filter(|p| p[3] == 255).count() * 10 > alpha.len(), "the person is there");
}

/// Formats may change in the middle of a stream.
#[test]
fn formats_change_while_playing() {
    let mut harness = harness(&[], "video/x-raw,format=RGB");
    harness.push((FACESYNTH.input)(0)).unwrap();
    assert_eq!(harness.pull().unwrap().size(), 512 * 512 * 3);
    harness.set_sink_caps_str("video/x-raw,format=I420,width=256,framerate=50/1");
    harness.push_upstream_event(gst::event::Reconfigure::new());
    for n in 1..4 {
        harness.push((FACESYNTH.input)(n)).unwrap();
    }
    let picture = harness.pull().unwrap();
    assert_eq!(picture.size(), 256 * 256 * 3 / 2);
    assert_eq!(info(&harness).fps(), gst::Fraction::new(50, 1));
}

/// Every frame of a rate is there, exactly on its time, and shows motion between that of its neighbours.
#[test]
fn motion_is_interpolated_to_any_rate() {
    for (rate, numer, denom, frames) in
        [("24/1", 24, 1, 12), ("30000/1001", 30000, 1001, 15), ("50/1", 50, 1, 25), ("60/1", 60, 1, 30)]
    {
        let mut harness = harness(&[], &format!("video/x-raw,format=RGB,width=64,framerate={rate}"));
        for n in 0..12 {
            harness.push((FACESYNTH.input)(n)).unwrap();
        }
        harness.push((FACESYNTH.input)(12)).unwrap();
        harness.push_event(gst::event::Eos::new());
        let out: Vec<gst::Buffer> = std::iter::from_fn(|| harness.try_pull()).collect();
        // Thirteen latents are 520 ms.
        let due = (520 * numer as usize).div_ceil(1000 * denom as usize);
        assert_eq!(out.len(), due, "{rate}");
        assert!(due >= frames, "{rate}");
        let time = |k: u64| gst::ClockTime::from_nseconds(k * denom * 1_000_000_000 / numer);
        let mut last = f32::MIN;
        for (k, buffer) in out.iter().enumerate() {
            let k = k as u64;
            assert_eq!(buffer.pts(), Some(time(k)), "{rate} {k}");
            assert_eq!(buffer.duration(), Some(time(k + 1) - time(k)), "{rate} {k}");
            let latents = meta::read(buffer, FrameMeta::Latents).unwrap().data;
            // The head of the fixture sways to one side in the first five frames.
            if k * denom * 25 < 5 * numer {
                assert!(latents[0] >= last, "{rate} {k}: goes back");
                last = latents[0];
            }
            for kind in
                [FrameMeta::Pose, FrameMeta::Landmarks, FrameMeta::Emotion, FrameMeta::PictureLandmarks]
            {
                assert!(meta::read(buffer, kind).is_some(), "{rate} {k}: {kind:?}");
            }
        }
    }
}

/// A flush forgets, and the same latents give the same frames again.
#[test]
fn a_flush_begins_a_new_grid() {
    let mut harness = harness(&[], "video/x-raw,format=RGB,width=64,framerate=60/1");
    let run = |harness: &mut gst_check::Harness, first: u64| -> Vec<(gst::ClockTime, Vec<u8>)> {
        for n in 0..4 {
            let mut buffer = (FACESYNTH.input)(n);
            buffer.make_mut().set_pts(FRAME * (first + n));
            harness.push(buffer).unwrap();
        }
        std::iter::from_fn(|| harness.try_pull())
            .map(|b| (b.pts().unwrap() - FRAME * first, b.map_readable().unwrap().to_vec()))
            .collect()
    };
    let before = run(&mut harness, 0);
    harness.push_event(gst::event::FlushStart::new());
    harness.push_event(gst::event::FlushStop::new(true));
    harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    assert!(before.len() > 7);
    assert!(before == run(&mut harness, 250), "frames after a seek");
}

/// Frames that wait for the latents after them come later, and the pipeline is told.
#[test]
fn another_rate_adds_its_latency() {
    let latency = |downstream: &str| -> Option<gst::ClockTime> {
        let mut harness = harness(&[], downstream);
        harness.push((FACESYNTH.input)(0)).unwrap();
        harness.query_latency()
    };
    assert_eq!(latency("video/x-raw,framerate=25/1"), Some(gst::ClockTime::ZERO));
    assert_eq!(latency("video/x-raw,framerate=50/1"), Some(gst::ClockTime::from_mseconds(30)));
}

/// Latents that are late cost no frame, and those after them are interpolated as if nothing had been.
#[test]
fn late_frames_of_another_rate_are_skipped() {
    let mut harness = harness(&[], "video/x-raw,width=64,framerate=50/1");
    harness.push((FACESYNTH.input)(0)).unwrap();
    let late = gst::event::Qos::new(gst::QOSType::Underflow, 2.0, FRAME.nseconds() as i64 * 2, FRAME);
    harness.push_upstream_event(late);
    for n in 1..12 {
        harness.push((FACESYNTH.input)(n)).unwrap();
    }
    let times: Vec<u64> =
        std::iter::from_fn(|| harness.try_pull()).map(|b| b.pts().unwrap().mseconds() / 20).collect();
    assert_eq!(times[0], 0);
    assert!(times[1] > 2, "{times:?}: late ones were skipped");
    let last: Vec<u64> = times[1..].to_vec();
    assert!(last.windows(2).all(|w| w[1] == w[0] + 1), "{times:?}");
    assert_eq!(times.last(), Some(&22));
}
