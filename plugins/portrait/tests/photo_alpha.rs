// SPDX-License-Identifier: MIT OR Apache-2.0
//! Photos that are transparent in parts: cut-outs and round pictures keep their alpha, and nothing else is seen there.

mod common;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use common::{FACESYNTH, pack};
use gst::prelude::*;
use gst_video::prelude::*;
use gstportrait::photo::{Portrait, View};
use gstportrait::stream::tensor::{FrameMeta, buffer, meta};
use image::{Rgba, RgbaImage};
use tempfile::TempDir;

const WIDTH: usize = 512;
const HEIGHT: usize = 600;

/// What is left under transparent pixels: it must never be seen.
const HIDDEN: [u8; 3] = [0, 255, 0];

/// Photos that live as long as the tests.
static PHOTOS: LazyLock<(TempDir, RgbaImage, RgbaImage)> = LazyLock::new(|| {
    common::init();
    let folder = tempfile::tempdir().unwrap();
    let photo = image::open(common::portrait_path()).unwrap().into_rgb8();
    let whole = View::whole(WIDTH, HEIGHT, WIDTH as f32 / HEIGHT as f32);
    let matte = common::portrait().whole_matte(&pack(), tch::Device::Cpu, &whole, WIDTH, HEIGHT).unwrap();
    let with = |alpha: &dyn Fn(usize, usize) -> u8| {
        RgbaImage::from_fn(WIDTH as u32, HEIGHT as u32, |x, y| {
            let a = alpha(x as usize, y as usize);
            let [r, g, b] = if a == 0 { HIDDEN } else { photo.get_pixel(x, y).0 };
            Rgba([r, g, b, a])
        })
    };
    let cut_out = with(&|x, y| matte[y * WIDTH + x]);
    let round = with(&|x, y| {
        let far = (x as f32 - 266.0).hypot(y as f32 - 250.0);
        ((172.0 - far) * 60.0).clamp(0.0, 255.0) as u8
    });
    cut_out.save(folder.path().join("cut-out.png")).unwrap();
    round.save(folder.path().join("round.png")).unwrap();
    (folder, cut_out, round)
});

fn path(name: &str) -> PathBuf {
    PHOTOS.0.path().join(name)
}

fn analyse(path: &Path) -> Arc<Portrait> {
    Portrait::analyse(path, &pack(), tch::Device::Cpu).unwrap()
}

/// The first plane of a picture of a photo whose head has moved by so much of the crop's side.
fn picture(name: &str, properties: &[(&str, &str)], caps: &str, sway: f32) -> Vec<u8> {
    let path = path(name);
    let portrait = analyse(&path);
    let element = FACESYNTH.element();
    element.set_property("portrait", path.to_str().unwrap());
    for (property, value) in properties {
        element.set_property_from_str(property, value);
    }
    let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_sink_caps_str(caps);
    harness.set_src_caps((FACESYNTH.input_caps)());
    let mut latents = portrait.source_latents.clone();
    let points = pack().manifest().latents.control_points.len();
    latents.iter_mut().step_by(3).take(points).for_each(|x| *x += sway);
    let mut input = buffer::from_f32(&latents);
    let b = input.get_mut().unwrap();
    meta::attach(b, FrameMeta::Landmarks, &[478, 3], portrait.neutral.as_flattened());
    meta::attach(b, FrameMeta::Pose, &[7], &portrait.pose.to_array());
    harness.push(common::at(0, input)).unwrap();
    let buffer = harness.pull().unwrap();
    let caps = harness.element().unwrap().static_pad("src").unwrap().current_caps().unwrap();
    let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(&buffer, &info).unwrap();
    let line = info.width() as usize * info.comp_pstride(0) as usize;
    let stride = frame.plane_stride()[0] as usize;
    let rows = frame.plane_data(0).unwrap().chunks(stride).take(info.height() as usize);
    rows.flat_map(|row| row[..line].to_vec()).collect()
}

fn full<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("framing", "full")], more].concat()
}

/// The face, which flow and painters change a little at rest, too.
fn painted(i: usize) -> bool {
    (150..390).contains(&(i % WIDTH)) && (90..390).contains(&(i / WIDTH))
}

#[test]
fn a_photo_at_rest_keeps_its_alpha_and_its_colours() {
    for (name, photo) in [("cut-out.png", &PHOTOS.1), ("round.png", &PHOTOS.2)] {
        let shown = picture(name, &full(&[]), "video/x-raw,format=RGBA", 0.0);
        for (i, (shown, stored)) in shown.as_chunks::<4>().0.iter().zip(photo.pixels()).enumerate() {
            assert!(shown[3].abs_diff(stored[3]) <= 1, "{name} {i}: {shown:?} {stored:?}");
            // What little is left of a colour is rounded coarsely.
            let off = (0..3).map(|c| shown[c].abs_diff(stored[c])).max().unwrap();
            assert!(stored[3] < 32 || painted(i) || off <= 3, "{name} {i}: {shown:?} {stored:?}");
        }
    }
}

#[test]
fn where_there_is_no_alpha_the_colour_behind_is_seen() {
    for (name, photo) in [("cut-out.png", &PHOTOS.1), ("round.png", &PHOTOS.2)] {
        for (properties, behind) in
            [(full(&[]), [0.0; 3]), (full(&[("background-color", "0xff4060c0")]), [64.0, 96.0, 192.0])]
        {
            let shown = picture(name, &properties, "video/x-raw,format=RGB", 0.0);
            for (i, (shown, stored)) in shown.as_chunks::<3>().0.iter().zip(photo.pixels()).enumerate() {
                let share = f32::from(stored[3]) / 255.0;
                for c in 0..3 {
                    let due = f32::from(stored[c]) * share + behind[c] * (1.0 - share);
                    // Where nearly nothing is left of a colour, it is that of its neighbours.
                    let limit = if stored[3] < 32 { 8.0 } else { 2.5 };
                    let off = (f32::from(shown[c]) - due).abs();
                    assert!(painted(i) || off <= limit, "{name} {i}: {shown:?} {stored:?}");
                }
            }
        }
        let luma =
            picture(name, &full(&[("background-color", "0xff4060c0")]), "video/x-raw,format=I420", 0.0);
        // 16 + 219 / 255 * (.2126 * 64 + .7152 * 96 + .0722 * 192)
        assert!(luma[0].abs_diff(99) <= 2, "{}", luma[0]);
    }
}

#[test]
fn a_cut_out_moves_as_a_whole_and_leaves_nothing_behind() {
    for framing in ["crop", "full"] {
        let shown = |sway| picture("cut-out.png", &[("framing", framing)], "video/x-raw,format=RGBA", sway);
        let (rest, moved) = (shown(0.0), shown(0.04));
        let covered = |of: &[u8]| of.as_chunks::<4>().0.iter().map(|p| f64::from(p[3])).sum::<f64>();
        assert!((covered(&rest) / covered(&moved) - 1.0).abs() < 0.05, "{framing}");
        let changed = rest.as_chunks::<4>().0.iter().zip(moved.as_chunks::<4>().0);
        assert!(changed.filter(|(a, b)| a[3].abs_diff(b[3]) > 100).count() > 500, "{framing}: it moves");
        for p in moved.as_chunks::<4>().0.iter().filter(|p| p[3] > 32) {
            // No green that was hidden.
            assert!(i32::from(p[1]) - i32::from(p[0].max(p[2])) < 40, "{framing}: {p:?}");
        }
    }
}

#[test]
fn the_frame_of_a_round_picture_stays_where_it_is() {
    let alpha = |bytes: Vec<u8>| bytes.as_chunks::<4>().0.iter().map(|p| p[3]).collect::<Vec<u8>>();
    let shown = |sway| picture("round.png", &full(&[]), "video/x-raw,format=RGBA", sway);
    let (rest, moved) = (shown(0.0), shown(0.03));
    let differing = rest.iter().zip(&moved).filter(|(a, b)| a.abs_diff(**b) > 30).count();
    assert!(differing > 1000, "the head moves: {differing}");
    assert!(alpha(rest) == alpha(moved.clone()));
    for (p, stored) in moved.as_chunks::<4>().0.iter().zip(PHOTOS.2.pixels()) {
        let green = i32::from(p[1]) - i32::from(p[0].max(p[2])) > 60;
        assert!(stored[3] < 32 || !green, "{p:?}");
    }
}

/// The person of a round picture is cut out of it like that of any other.
#[test]
fn a_round_picture_can_be_cut_out() {
    let properties = full(&[("background", "transparent")]);
    let shown = picture("round.png", &properties, "video/x-raw,format=RGBA", 0.0);
    let pixel = |x: usize, y: usize| shown.as_chunks::<4>().0[y * WIDTH + x];
    // Beside the head but inside of the circle, outside of the circle, the face.
    assert_eq!((pixel(410, 250)[3], pixel(10, 10)[3], pixel(266, 250)[3]), (0, 0, 255));
}
