// SPDX-License-Identifier: MIT OR Apache-2.0
//! `facesynth`: pictures of any size and shape, photos that end at the face, and what cannot be had.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{FACESYNTH, at, bus_error, init, pack, photo, portrait};
use gst::prelude::*;
use gst_video::prelude::*;
use gstportrait::photo::Portrait;
use gstportrait::stream::tensor::{FrameMeta, buffer, meta};
use image::{RgbImage, imageops};
use tempfile::TempDir;

/// A picture: what was negotiated, the bytes of its first plane without padding, and its landmarks in pixels.
struct Shown {
    info: gst_video::VideoInfo,
    plane: Vec<u8>,
    landmarks: Vec<[f32; 2]>,
}

fn harness(element: &gst::Element, downstream: &str) -> gst_check::Harness {
    let mut harness = gst_check::Harness::with_element(element, Some("sink"), Some("src"));
    harness.set_live(false);
    harness.set_sink_caps_str(downstream);
    harness.set_src_caps((FACESYNTH.input_caps)());
    harness
}

fn element(path: Option<&Path>, properties: &[(&str, &str)]) -> gst::Element {
    let element = FACESYNTH.element();
    if let Some(path) = path {
        element.set_property("portrait", path.to_str().unwrap());
    }
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    element
}

/// The latents at rest of a portrait, with its landmarks.
fn rest(portrait: &Portrait) -> gst::Buffer {
    let mut buffer = buffer::from_f32(&portrait.source_latents);
    let b = buffer.get_mut().unwrap();
    meta::attach(b, FrameMeta::Landmarks, &[478, 3], portrait.neutral.as_flattened());
    meta::attach(b, FrameMeta::Pose, &[7], &portrait.pose.to_array());
    at(0, buffer)
}

fn pull(harness: &mut gst_check::Harness) -> Shown {
    let buffer = harness.pull().unwrap();
    let caps = harness.element().unwrap().static_pad("src").unwrap().current_caps().unwrap();
    let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(&buffer, &info).unwrap();
    let line = info.width() as usize * info.comp_pstride(0) as usize;
    let rows = frame.plane_data(0).unwrap().chunks(frame.plane_stride()[0] as usize);
    let plane = rows.take(info.height() as usize).flat_map(|row| row[..line].to_vec()).collect();
    let landmarks = meta::read(&buffer, FrameMeta::PictureLandmarks).unwrap().data;
    let size = [info.width() as f32, info.height() as f32];
    let landmarks = landmarks.as_chunks::<3>().0.iter().map(|p| [p[0] * size[0], p[1] * size[1]]).collect();
    Shown { info, plane, landmarks }
}

fn show(portrait: &Portrait, properties: &[(&str, &str)], downstream: &str) -> Shown {
    let mut harness = harness(&element(Some(&portrait.path), properties), downstream);
    harness.push(rest(portrait)).unwrap_or_else(|e| panic!("{downstream}: {e}"));
    pull(&mut harness)
}

fn analyse(path: &Path) -> Arc<Portrait> {
    init();
    Portrait::analyse(path, &pack(), tch::Device::Cpu).unwrap_or_else(|e| panic!("{e}"))
}

/// A photo of the samples, cut to left, top, width and height.
fn cut(folder: &TempDir, name: &str, [x, y, width, height]: [u32; 4]) -> Arc<Portrait> {
    let image = image::open(photo(name)).unwrap().into_rgb8();
    let path = folder.path().join(format!("{x}-{y}-{width}-{height}-{name}.png"));
    imageops::crop_imm(&image, x, y, width, height).to_image().save(&path).unwrap();
    analyse(&path)
}

/// Mean change between neighbours of a row of RGB (`across`), or between a row and the next one.
fn change(shown: &Shown, y: usize, across: bool) -> f32 {
    let line = shown.info.width() as usize * 3;
    let row = |y: usize| &shown.plane[y * line..][..line];
    let (first, second) = if across { (&row(y)[..line - 3], &row(y)[3..]) } else { (row(y), row(y + 1)) };
    let sum: u32 = first.iter().zip(second).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    sum as f32 / first.len() as f32
}

/// Rows that differ across but not from the next one are the stripes of an edge that was drawn out.
fn striped(shown: &Shown) -> usize {
    let height = shown.info.height() as usize;
    (0..height - 1).filter(|&y| change(shown, y, true) > 1.0 && change(shown, y, false) < 0.1).count()
}

/// The same with rows for columns.
fn turned(shown: &Shown) -> Shown {
    let (width, height) = (shown.info.width(), shown.info.height());
    let image = RgbImage::from_raw(width, height, shown.plane.clone()).unwrap();
    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgb, height, width).build().unwrap();
    Shown { info, plane: imageops::rotate90(&image).into_raw(), landmarks: Vec::new() }
}

/// Every size is drawn in every format, and by default there is what there always was.
#[test]
fn any_width_and_height_can_be_had() {
    let (crop, full) = (&[][..], &[("framing", "full")][..]);
    let photo = &portrait().photo;
    let photo = (photo.width as u32, photo.height as u32);
    for (properties, asked, size) in [
        (crop, "", (512, 512)),
        (crop, "width=1280,height=720", (1280, 720)),
        (crop, "width=720,height=1280", (720, 1280)),
        (crop, "width=65,height=901,format=RGB", (65, 901)),
        (crop, "width=3840,height=64", (3840, 64)),
        (crop, "width=64,height=3840", (64, 3840)),
        (crop, "width=200", (200, 200)),
        (crop, "height=300", (300, 300)),
        (crop, "width={640,1280},height={480,720}", (640, 720)),
        (crop, "width=1280,height=[100,400]", (1280, 400)),
        (crop, "format=NV12,width=[1,333],height=[1,99]", (98, 98)),
        (crop, "width=720,height=576,pixel-aspect-ratio=64/45", (720, 576)),
        (crop, "height=576,pixel-aspect-ratio=64/45", (405, 576)),
        (crop, "pixel-aspect-ratio={64/45,1/1}", (512, 512)),
        (crop, "pixel-aspect-ratio=2/1", (256, 512)),
        (full, "", photo),
        (full, "width=256", (256, 300)),
        (full, "height=300", (256, 300)),
        (full, "width=500,height=500", (500, 500)),
        (full, "format=I420,height=[1,479]", (408, 478)),
        (full, "width=1920,height=1080", (1920, 1080)),
    ] {
        let comma = if asked.is_empty() { "" } else { "," };
        let shown = show(&portrait(), properties, &format!("video/x-raw{comma}{asked}"));
        assert_eq!((shown.info.width(), shown.info.height()), size, "{properties:?} {asked}");
        let (low, high) = (0.0, [size.0 as f32, size.1 as f32]);
        let inside = |p: &[f32; 2]| (0..2).all(|k| p[k] >= low && p[k] <= high[k]);
        assert!(shown.landmarks.iter().all(inside), "{properties:?} {asked}: the face is cut");
        assert!(shown.plane.iter().any(|v| *v != shown.plane[0]), "{asked}: a picture");
    }
    for format in ["RGB", "RGBA", "BGRA", "I420", "NV12"] {
        for size in ["width=426,height=240", "width=240,height=426"] {
            let shown = show(&portrait(), crop, &format!("video/x-raw,format={format},{size}"));
            assert_eq!(shown.info.format().to_str(), format);
        }
    }
}

/// The landmarks on a picture are where a face is found in it, whatever its size, shape and pixels.
#[test]
fn landmarks_lie_on_the_face_in_every_shape() {
    let folder = tempfile::tempdir().unwrap();
    for (n, (properties, size)) in [
        (&[][..], "width=512,height=512"),
        (&[], "width=960,height=540"),
        (&[], "width=540,height=960"),
        (&[], "width=600,height=576,pixel-aspect-ratio=4/3"),
        (&[("framing", "full")], "width=512,height=600"),
        (&[("framing", "full")], "width=800,height=800"),
        (&[("framing", "full")], "width=720,height=1280"),
    ]
    .into_iter()
    .enumerate()
    {
        let shown = show(&portrait(), properties, &format!("video/x-raw,format=RGB,{size}"));
        let path = folder.path().join(format!("{n}.png"));
        let (width, height) = (shown.info.width(), shown.info.height());
        image::save_buffer(&path, &shown.plane, width, height, image::ColorType::Rgb8).unwrap();
        let found = analyse(&path);
        let face = (shown.landmarks[10][1] - shown.landmarks[152][1]).abs();
        let place =
            |p: &[f32; 3]| [found.crop.x + p[0] * found.crop.side, found.crop.y + p[1] * found.crop.side];
        let way = found.landmarks.iter().map(place).zip(&shown.landmarks);
        let off = way.map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1])).sum::<f32>() / (478.0 * face);
        assert!(off < 0.02, "{properties:?} {size}: {off} of the face's height beside it");
    }
}

/// Photos that end at the face are shown as they are framed: nothing is made up, least of all from their last row.
#[test]
fn a_photo_that_ends_at_the_face_has_no_stripes() {
    let folder = tempfile::tempdir().unwrap();
    let face = &portrait();
    let place = |i: usize, k: usize| {
        ([face.crop.x, face.crop.y][k] + face.landmarks[i][k] * face.crop.side).max(0.0) as u32
    };
    let (forehead, chin, lip, left, right) =
        (place(10, 1), place(152, 1), place(17, 1), place(234, 0), place(454, 0));
    let (width, height) = (face.photo.width as u32, face.photo.height as u32);
    let (brow, middle) = (place(105, 1), (left + right) / 2);
    for (what, area) in [
        ("below the lip", [0, 0, width, (lip + chin) / 2]),
        ("at the chin", [0, 0, width, chin]),
        ("at the brows", [0, brow, width, height - brow]),
        ("in the cheek", [left + (middle - left) / 4, 0, width - left - (middle - left) / 4, height]),
        ("in the other cheek", [0, 0, right - (right - middle) / 4, height]),
        ("all around, wide", [left - 20, forehead, right - left + 40, chin - forehead]),
        ("in the corner", [0, 0, right - 5, (lip + chin) / 2]),
    ] {
        let portrait = cut(&folder, "portrait-grace-hopper.jpg", area);
        for size in ["", ",width=640,height=360", ",width=360,height=640"] {
            let shown = show(&portrait, &[], &format!("video/x-raw,format=RGB{size}"));
            assert_eq!(striped(&shown) + striped(&turned(&shown)), 0, "{what}{size}");
            // What the photo has of the lips is seen.
            let seen = |p: [f32; 2]| p[0] >= -1.0 && p[1] >= -1.0 && p[0] <= shown.info.width() as f32 + 1.0;
            assert!([0, 13, 14, 61, 291].iter().all(|&i| seen(shown.landmarks[i])), "{what}{size}");
        }
        if what == "below the lip" {
            // The square ends where the photo ends.
            let shown = show(&portrait, &[], "video/x-raw,format=RGB");
            let last = &shown.plane[511 * 512 * 3..];
            let scale = portrait.photo.height.min(portrait.photo.width) as f32 / 512.0;
            let row = &portrait.photo.rgb[(portrait.photo.height - 1) * portrait.photo.width * 3..];
            let mean = |row: &[u8]| row.iter().map(|&v| f32::from(v)).sum::<f32>() / row.len() as f32;
            assert!(scale > 0.4 && (mean(last) - mean(row)).abs() < 25.0, "{} {}", mean(last), mean(row));
        }
    }
}

/// What a widened picture shows of the photo is the photo, at its place and in its proportions.
#[test]
fn the_picture_around_the_face_is_the_photos_own() {
    let folder = tempfile::tempdir().unwrap();
    // A small face in the middle of a large gradient.
    let hopper = image::open(photo("portrait-grace-hopper.jpg")).unwrap().into_rgb8();
    let mut wide = RgbImage::from_fn(1600, 900, |x, y| image::Rgb([(x / 8) as u8, (y / 4) as u8, 99]));
    imageops::replace(&mut wide, &imageops::thumbnail(&hopper, 256, 300), 700, 350);
    let path = folder.path().join("wide.png");
    wide.save(&path).unwrap();
    let portrait = analyse(&path);
    // Where only the gradient is.
    let corners = [[0, 0], [1, 0], [0, 1], [1, 1]];
    for (width, height, seen) in [(1280, 720, &corners[..]), (404, 720, &corners[..2])] {
        let size = format!("width={width},height={height}");
        let shown = show(&portrait, &[], &format!("video/x-raw,format=RGB,{size}"));
        let scale = width.min(height) as f32 / portrait.crop.side;
        // Landmark 4, the nose, tells where the photo lies.
        let nose = [0, 1]
            .map(|k| [portrait.crop.x, portrait.crop.y][k] + portrait.landmarks[4][k] * portrait.crop.side);
        for [x, y] in seen {
            let (x, y) = (3 + x * (width - 7), 3 + y * (height - 7));
            let at = [x as f32 + 0.5, y as f32 + 0.5];
            let from = [0, 1].map(|k| nose[k] + (at[k] - shown.landmarks[4][k]) / scale);
            let wanted = wide.get_pixel(from[0] as u32, from[1] as u32).0;
            let found = &shown.plane[(y * width + x) * 3..][..3];
            assert!(
                found.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 3),
                "{size}: {found:?} {wanted:?}"
            );
        }
    }
}

/// A person who is cut out of a tall picture: nobody is beyond the photo, and the face is solid.
#[test]
fn nobody_is_beyond_the_photo_where_the_person_is_cut_out() {
    let folder = tempfile::tempdir().unwrap();
    // The shoulders end with the photo.
    let portrait = cut(&folder, "portrait-grace-hopper.jpg", [60, 100, 400, 420]);
    for size in ["width=360,height=640", "width=640,height=360"] {
        let shown =
            show(&portrait, &[("background", "transparent")], &format!("video/x-raw,format=RGBA,{size}"));
        let kept = show(&portrait, &[], &format!("video/x-raw,format=RGBA,{size}"));
        let (width, height) = (shown.info.width() as usize, shown.info.height() as usize);
        let alpha = |x: usize, y: usize| shown.plane[(y * width + x) * 4 + 3];
        let nose = shown.landmarks[4].map(|v| v as usize);
        assert_eq!(alpha(nose[0], nose[1]), 255, "{size}");
        let at = (nose[1] * width + nose[0]) * 4;
        assert_eq!(shown.plane[at..at + 4], kept.plane[at..at + 4], "{size}");
        assert_eq!((alpha(2, 2), alpha(width - 3, 2)), (0, 0), "{size}");
        let solid = shown.plane.as_chunks::<4>().0.iter().filter(|p| p[3] == 255).count();
        assert!(solid * 10 > width * height, "{size}: a person");
        // Where the photo begins and ends, by the places of forehead and chin.
        let place = |i: usize, k: usize| {
            [portrait.crop.x, portrait.crop.y][k] + portrait.landmarks[i][k] * portrait.crop.side
        };
        let scale = (shown.landmarks[152][1] - shown.landmarks[10][1]) / (place(152, 1) - place(10, 1));
        let shown_at = |photo: f32, k: usize| shown.landmarks[4][k] + (photo - place(4, k)) * scale;
        let low = [0, 1].map(|k| shown_at(0.0, k).ceil() as isize - 1);
        let high = [portrait.photo.width, portrait.photo.height];
        let high = [0, 1].map(|k| shown_at(high[k] as f32, k).floor() as isize + 1);
        let beyond = |x: isize, y: isize| x < low[0] || y < low[1] || x > high[0] || y > high[1];
        let (mut outside, mut seen) = (0, 0);
        for y in 0..height {
            for x in 0..width {
                if beyond(x as isize, y as isize) {
                    outside += 1;
                    seen += usize::from(alpha(x, y) > 0);
                }
            }
        }
        assert!(outside * 10 > width * height, "{size}: {outside} pixels beyond the photo");
        assert_eq!(seen, 0, "{size}: somebody beyond the photo");
        if width < height {
            // The photo's lower border cuts through the shoulders.
            let last = (high[1] - 4) as usize;
            let cut = (0..width).filter(|&x| alpha(x, last) > 200).count();
            assert!(last < height - 8 && cut > width / 4, "{size}: {cut} pixels of the person at the border");
        }
    }
}

/// The error of an element whose downstream takes these caps.
fn refusal(properties: &[(&str, &str)], downstream: &str) -> String {
    let element = element(None, properties);
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = harness(&element, downstream);
    assert!(harness.push((FACESYNTH.input)(0)).is_err(), "{downstream}");
    assert!(harness.push((FACESYNTH.input)(1)).is_err(), "{downstream}");
    let (text, _) = bus_error(&bus).unwrap_or_else(|| panic!("{downstream}: no error"));
    assert!(bus_error(&bus).is_none(), "{downstream}: more than one error");
    element.set_bus(None::<&gst::Bus>);
    text
}

/// What cannot be had is one error that names it and says what can.
#[test]
fn what_cannot_be_had_is_one_error_that_says_what_can() {
    for (asked, named) in [
        ("video/x-raw,width=63", "width=63"),
        ("video/x-raw,width=3841", "width=3841"),
        ("video/x-raw,height=[1,63]", "height=[ 1, 63 ]"),
        ("video/x-raw,format=I420,width=513", "width=513 in I420"),
        ("video/x-raw,format=NV12,width=512,height=511", "height=511 in NV12"),
        ("video/x-raw,format=GRAY8", "format=GRAY8"),
        ("video/x-raw,format={P010_10LE,YV12}", "YV12"),
        ("video/x-raw,framerate=0/1", "framerate=0/1"),
        ("video/x-raw,framerate=1000/1", "framerate=1000/1"),
        ("video/x-raw,framerate=1000/1,width=63", "framerate=1000/1, width=63"),
        ("video/x-raw,pixel-aspect-ratio=3/1", "pixel-aspect-ratio=3/1"),
        ("video/x-raw(memory:GLMemory)", "memory:GLMemory"),
        ("EMPTY", "contradict"),
    ] {
        let text = refusal(&[], asked);
        assert!(text.contains(named), "{asked}: {text}");
        let all = ["64 to 3840", "1/1 to 240/1", "1/2 to 2/1", "RGB", "I420"];
        assert!(asked == "EMPTY" || all.iter().all(|had| text.contains(had)), "{asked}: {text}");
    }
    for (asked, named) in [
        ("interlace-mode=interleaved", "progressive"),
        ("interlace-mode={mixed,fields}", "progressive"),
        ("multiview-mode=side-by-side", "mono"),
    ] {
        let text = refusal(&[], &format!("video/x-raw,{asked}"));
        let field = asked.split('=').next().unwrap();
        assert!(text.contains(field) && text.contains(named), "{asked}: {text}");
    }
    let text = refusal(&[], "video/x-raw,format=I420,colorimetry=bt2020");
    assert!(text.contains("bt2020") && text.contains("bt709") && text.contains("videoconvert"), "{text}");
    let text = refusal(&[("background", "transparent")], "video/x-raw,format=RGBA,width=63");
    assert!(text.contains("width=63") && !text.contains("I420"), "{text}");
}

/// Of several colours that downstream takes one that can be drawn is chosen.
#[test]
fn colours_that_can_be_drawn_are_chosen_among_others() {
    for (asked, chosen) in [("{bt2020,bt709}", "bt709"), ("{bt2020,bt601,bt709}", "bt601")] {
        let shown = show(&portrait(), &[], &format!("video/x-raw,format=I420,colorimetry={asked}"));
        assert_eq!(shown.info.colorimetry().to_string(), chosen, "{asked}");
    }
}

/// Sizes may change in the middle of a stream; one that cannot be had is an error then, too.
#[test]
fn sizes_change_while_playing() {
    let element = element(None, &[]);
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = harness(&element, "video/x-raw,format=RGB");
    let ask = |harness: &mut gst_check::Harness, caps: &str, n: u64| {
        harness.set_sink_caps_str(caps);
        harness.push_upstream_event(gst::event::Reconfigure::new());
        harness.push((FACESYNTH.input)(n))
    };
    for (n, caps, size) in [
        (0, "video/x-raw,format=RGB", (512, 512)),
        (1, "video/x-raw,format=RGB,width=1280,height=720", (1280, 720)),
        (2, "video/x-raw,format=I420,width=360,height=640", (360, 640)),
    ] {
        ask(&mut harness, caps, n).unwrap();
        let shown = pull(&mut harness);
        assert_eq!((shown.info.width(), shown.info.height()), size);
        let middle = shown.landmarks[4];
        assert!(middle[0] > 0.2 * size.0 as f32 && middle[0] < 0.8 * size.0 as f32, "{middle:?}");
    }
    for (n, size) in [(3, 63), (4, 5000)] {
        assert!(ask(&mut harness, &format!("video/x-raw,width={size}"), n).is_err());
        let (text, _) = bus_error(&bus).unwrap();
        assert!(text.contains(&format!("width={size}")) && bus_error(&bus).is_none(), "{text}");
        ask(&mut harness, "video/x-raw,format=RGB,width=128", 10 * n).unwrap();
        assert_eq!(pull(&mut harness).info.width(), 128, "it goes on when it can");
    }
    element.set_bus(None::<&gst::Bus>);
}

mod stubborn {
    use gst::glib;
    use gst::subclass::prelude::*;

    /// A pool that takes no configuration.
    #[derive(Default)]
    pub struct Pool;

    #[glib::object_subclass]
    impl ObjectSubclass for Pool {
        const NAME: &'static str = "TestStubbornPool";
        type Type = super::StubbornPool;
        type ParentType = gst::BufferPool;
    }

    impl ObjectImpl for Pool {}
    impl GstObjectImpl for Pool {}
    impl BufferPoolImpl for Pool {
        fn set_config(&self, _config: &mut gst::BufferPoolConfigRef) -> bool {
            false
        }
    }
}

gst::glib::wrapper! {
    pub struct StubbornPool(ObjectSubclass<stubborn::Pool>) @extends gst::BufferPool, gst::Object;
}

/// Where downstream's pool refuses to be configured, pictures come from another one.
#[test]
fn a_pool_that_refuses_costs_no_picture() {
    let element = element(None, &[]);
    let src = element.static_pad("src").unwrap();
    let kind = gst::PadProbeType::QUERY_DOWNSTREAM | gst::PadProbeType::PUSH;
    src.add_probe(kind, |_, info| {
        let Some(query) = info.query_mut() else { return gst::PadProbeReturn::Ok };
        let gst::QueryViewMut::Allocation(q) = query.view_mut() else { return gst::PadProbeReturn::Ok };
        let pool: StubbornPool = gst::glib::Object::new();
        q.add_allocation_pool(Some(&pool), 512 * 512 * 3, 0, 0);
        gst::PadProbeReturn::Handled
    });
    let mut harness = harness(&element, "video/x-raw,format=RGB");
    harness.push((FACESYNTH.input)(0)).unwrap();
    let picture = harness.pull().unwrap();
    assert_eq!(picture.size(), 512 * 512 * 3);
}
