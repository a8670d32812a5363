// SPDX-License-Identifier: MIT OR Apache-2.0
//! Driving videos that lie on their side, stand on their head or are mirrored, and those whose pixels are not square.

mod common;

use common::{FRAME, init, photo};
use gst::prelude::*;
use gst_check::Harness;
use gstportrait::face::landmark::Pose;
use gstportrait::face::landmark::indices::{CHIN, FOREHEAD, NOSE_TIP};
use gstportrait::stream::tensor::{FrameMeta, meta};
use image::{RgbImage, imageops};

/// A portrait, moved to the right by `x` pixels, in a frame of 320x240.
fn frame(x: i64) -> RgbImage {
    let open = image::open(photo("portrait-grace-hopper.jpg")).unwrap().into_rgb8();
    let mut image = RgbImage::from_pixel(320, 240, image::Rgb([90, 110, 130]));
    imageops::replace(&mut image, &imageops::thumbnail(&open, 192, 225), 60 + x, 8);
    image
}

/// As a camera stores it that was turned: to be shown, it is turned clockwise by `degrees`.
fn stored(shown: &RgbImage, degrees: u32) -> RgbImage {
    match degrees {
        90 => imageops::rotate270(shown),
        180 => imageops::rotate180(shown),
        270 => imageops::rotate90(shown),
        _ => shown.clone(),
    }
}

/// What comes out of the element for frames, and what it said.
struct Seen {
    poses: Vec<Pose>,
    /// Of the last frame, in pixels of the stored one.
    points: Vec<[f32; 2]>,
    found: Vec<bool>,
    infos: Vec<String>,
    /// Tags that go on.
    tags: Vec<gst::TagList>,
}

fn watch(frames: &[RgbImage], tag: Option<&str>) -> Seen {
    watch_as(false, "1/1", frames, tag)
}

fn watch_as(live: bool, ratio: &str, frames: &[RgbImage], tag: Option<&str>) -> Seen {
    init();
    let element = gst::ElementFactory::make("facelandmarks").build().unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_live(live);
    let (width, height) = frames[0].dimensions();
    harness.set_src_caps_str(&format!(
        "video/x-raw,format=RGB,width={width},height={height},framerate=25/1,pixel-aspect-ratio={ratio}"
    ));
    if let Some(tag) = tag {
        let mut tags = gst::TagList::new();
        let list = tags.make_mut();
        list.add::<gst::tags::ImageOrientation>(&tag, gst::TagMergeMode::Append);
        list.add::<gst::tags::Title>(&"driving", gst::TagMergeMode::Append);
        assert!(harness.push_event(gst::event::Tag::new(tags)));
    }
    let (mut poses, mut found, mut points) = (Vec::new(), Vec::new(), Vec::new());
    for (index, frame) in (0..).zip(frames) {
        // Rows of RGB start at a multiple of four bytes.
        let row = (width as usize * 3).next_multiple_of(4);
        let mut data = vec![0; row * height as usize];
        for (to, from) in data.chunks_mut(row).zip(frame.as_raw().chunks(width as usize * 3)) {
            to[..from.len()].copy_from_slice(from);
        }
        let mut buffer = gst::Buffer::from_slice(data);
        buffer.get_mut().unwrap().set_pts(FRAME * index);
        let out = harness.push_and_pull(buffer).unwrap();
        let pose = meta::read(&out, FrameMeta::Pose).unwrap().data;
        poses.push(Pose::from_array(pose.try_into().unwrap()));
        found.push(!out.flags().contains(gst::BufferFlags::GAP));
        let data = meta::read(&out, FrameMeta::PictureLandmarks).unwrap().data;
        points = data.chunks_exact(3).map(|p| [p[0] * width as f32, p[1] * height as f32]).collect();
    }
    let tags = std::iter::from_fn(|| harness.try_pull_event())
        .filter_map(|event| match event.view() {
            gst::EventView::Tag(tag) => Some(tag.tag_owned()),
            _ => None,
        })
        .collect();
    let infos = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Info]))
        .filter_map(|message| match message.view() {
            gst::MessageView::Info(info) => Some(info.error().message().to_owned()),
            _ => None,
        })
        .collect();
    Seen { poses, points, found, infos, tags }
}

/// Whether two poses are the same but for what the networks see differently in turned pictures.
#[track_caller]
fn same(a: &Pose, b: &Pose) {
    let angles = [a.yaw - b.yaw, a.pitch - b.pitch, a.roll - b.roll];
    assert!(angles.iter().all(|v| v.abs() < 3.0), "{a:?}\n{b:?}");
    assert!((a.x - b.x).hypot(a.y - b.y) < 0.02 && (a.scale / b.scale - 1.0).abs() < 0.05, "{a:?}\n{b:?}");
}

#[test]
fn a_video_on_its_side_moves_the_head_as_the_upright_one_and_it_is_said_once() {
    let shown: Vec<RgbImage> = (0..6).map(|i| frame(5 * i)).collect();
    let upright = watch(&shown, None);
    assert_eq!(upright.infos, [""; 0]);
    for degrees in [90, 180, 270] {
        let turned: Vec<RgbImage> = shown.iter().map(|frame| stored(frame, degrees)).collect();
        let seen = watch(&turned, None);
        assert_eq!(seen.found, [true; 6], "{degrees}");
        for (pose, expected) in seen.poses.iter().zip(&upright.poses) {
            same(pose, expected);
        }
        assert!(
            seen.infos.len() == 1 && seen.infos[0].contains(&format!("{degrees} degrees")),
            "{:?}",
            seen.infos
        );
        // Landmarks lie on the face in the frame as it came: from the forehead to the chin.
        let [forehead, chin] = [FOREHEAD, CHIN].map(|i| seen.points[i]);
        let down = [chin[0] - forehead[0], chin[1] - forehead[1]];
        let expected = match degrees {
            90 => [1.0, 0.0],
            180 => [0.0, -1.0],
            _ => [-1.0, 0.0],
        };
        let along = down[0] * expected[0] + down[1] * expected[1];
        assert!(along > 0.9 * down[0].hypot(down[1]), "{degrees}: {down:?}");
    }
}

#[test]
fn a_tag_is_followed_without_a_word_and_goes_no_further() {
    let shown: Vec<RgbImage> = (0..3).map(|i| frame(5 * i)).collect();
    let upright = watch(&shown, None);
    for degrees in [90, 180, 270] {
        let turned: Vec<RgbImage> = shown.iter().map(|frame| stored(frame, degrees)).collect();
        let seen = watch(&turned, Some(&format!("rotate-{degrees}")));
        assert_eq!((seen.found.as_slice(), seen.infos.len()), ([true; 3].as_slice(), 0), "{degrees}");
        for (pose, expected) in seen.poses.iter().zip(&upright.poses) {
            same(pose, expected);
        }
        assert!(seen.tags.iter().all(|tags| tags.get::<gst::tags::ImageOrientation>().is_none()));
        assert!(seen.tags.iter().any(|tags| tags.get::<gst::tags::Title>().is_some()));
    }
    // One that is mirrored: what moves to its left moves to the right as it is shown.
    let mirrored: Vec<RgbImage> = shown.iter().map(imageops::flip_horizontal).collect();
    let seen = watch(&mirrored, Some("flip-rotate-0"));
    for (pose, expected) in seen.poses.iter().zip(&upright.poses) {
        same(pose, expected);
    }
    assert!((seen.points[NOSE_TIP][0] + upright.points[NOSE_TIP][0] - 320.0).abs() < 4.0);
}

/// In a live video, and behind a cut, the turns are asked one after the other, so that no frame comes late.
#[test]
fn a_live_video_on_its_side_and_a_shot_that_lies_otherwise_than_the_one_before_are_seen_within_half_a_second()
{
    let mut shown = RgbImage::from_pixel(320, 320, image::Rgb([90, 110, 130]));
    imageops::replace(&mut shown, &frame(0), 0, 40);
    let upright = watch(std::slice::from_ref(&shown), None);
    for degrees in [90, 180, 270] {
        let first = watch_as(true, "1/1", &[stored(&shown, degrees)], None);
        assert_eq!(first.infos, [""; 0], "all turns were asked in the first frame");
        let live = watch_as(true, "1/1", &vec![stored(&shown, degrees); 12], None);
        same(live.poses.last().unwrap(), &upright.poses[0]);
        assert_eq!(live.infos.len(), 1, "{degrees}: {:?}", live.infos);
        let shots = [(0, 4), (degrees, 13)];
        let frames: Vec<RgbImage> =
            shots.iter().flat_map(|&(degrees, count)| vec![stored(&shown, degrees); count]).collect();
        let seen = watch(&frames, None);
        same(seen.poses.last().unwrap(), &upright.poses[0]);
        assert_eq!(seen.infos.len(), 1, "{degrees}: {:?}", seen.infos);
    }
}

/// A wrong tag, or a right one of frames that were turned already.
#[test]
fn a_face_that_lies_on_its_side_in_spite_of_the_tag_is_believed() {
    let upright = watch(&[frame(0), frame(5)], None);
    let seen = watch(&[frame(0), frame(5)], Some("rotate-90"));
    assert_eq!(seen.infos.len(), 1, "{:?}", seen.infos);
    same(&seen.poses[1], &upright.poses[1]);
}

/// A head that is tilted is no video that lies on its side.
#[test]
fn a_tilted_head_stays_tilted() {
    let open = image::open(photo("portrait-grace-hopper.jpg")).unwrap().into_rgb8();
    let small = imageops::thumbnail(&open, 192, 225);
    let (sin, cos) = 35f32.to_radians().sin_cos();
    let tilted = RgbImage::from_fn(320, 240, |x, y| {
        let (dx, dy) = (x as f32 - 160.0, y as f32 - 120.0);
        let (u, v) = (cos * dx + sin * dy + 100.0, cos * dy - sin * dx + 100.0);
        let inside = (0.0..192.0).contains(&u) && (0.0..225.0).contains(&v);
        if inside { *small.get_pixel(u as u32, v as u32) } else { image::Rgb([90, 110, 130]) }
    });
    let seen = watch(&[tilted], None);
    assert!(seen.infos.is_empty() && (25.0..45.0).contains(&seen.poses[0].roll), "{:?}", seen.poses);
}

/// A frame that is stored squeezed, as anamorphic video is, or drawn out, shows the same face; on its side as well.
#[test]
fn pixels_that_are_not_square_show_the_same_face() {
    let shown = frame(0);
    let square = watch(std::slice::from_ref(&shown), None);
    let far = |a: &[f32; 2], b: &[f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    for (width, height, ratio, degrees) in
        [(225, 240, "64/45", 0), (160, 240, "2/1", 0), (320, 160, "2/3", 0), (160, 240, "2/1", 180)]
    {
        let squeezed = imageops::resize(&shown, width, height, imageops::FilterType::Triangle);
        let tag = format!("rotate-{degrees}");
        let seen = watch_as(false, ratio, &[stored(&squeezed, degrees)], Some(&tag));
        assert!(seen.found[0], "{ratio}");
        let (pose, other) = (&square.poses[0], &seen.poses[0]);
        assert!(
            (pose.yaw - other.yaw).abs() < 2.0 && (pose.pitch - other.pitch).abs() < 2.0,
            "{ratio}: {other:?}"
        );
        if degrees == 0 {
            let scale = [320.0 / width as f32, 240.0 / height as f32];
            let off = square
                .points
                .iter()
                .zip(&seen.points)
                .map(|(a, b)| far(a, &[b[0] * scale[0], b[1] * scale[1]]));
            assert!(off.fold(0.0, f32::max) < 6.0, "{ratio}");
        }
    }
}
