// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pack that brings a generator, from end to end: files and live voices, every framing and format, seeks, other caps, another
//! photo. The packs are a generator of a few lines ([`portrait_tests::mini`]) and what the converters make of small LivePortrait
//! and SadTalker networks of random numbers (`tests/data/packs`).

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use gst::prelude::*;
use image::{RgbImage, imageops};
use portrait_tests::mini::{self, Mini};
use portrait_tests::pipeline::{Frame, Pipeline};
use portrait_tests::{FRAME, SPEECH_CAPS, data, golden, microphone, photo, samples};

/// Frames of the sound that is spoken.
const FRAMES: usize = 30;

/// Where in the bundled sentence it begins, in samples.
const START: usize = 8000;

/// Packs of the published systems, as small as they get.
const SYSTEMS: [&str; 2] = ["liveportrait", "sadtalker"];

/// A generator that says itself where the person is: a disc.
const DISC: &str = "
    line = torch.div(torch.add(torch.mul(torch.arange(128), 2), -127), 128.)
    far = torch.add(torch.reshape(torch.mul(line, line), [1, 1, 1, 128]), torch.reshape(torch.mul(line, line), [1, 1, 128, 1]))
    alpha = torch.sigmoid(torch.mul(torch.sub(0.4, far), 60.))
    return (alpha, texture)
";

/// Written, and trusted before any test runs: the environment is the whole program's.
static PACKS: LazyLock<PathBuf> = LazyLock::new(|| {
    /// Nothing that is static is dropped.
    extern "C" fn remove() {
        let _ = std::fs::remove_dir_all(&*PACKS);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("neural-{}", std::process::id()));
    let outputs = "outputs = [{ name = \"picture\", shape = [1, 3, 128, 128] }]";
    let both = "outputs = [{ name = \"alpha\", shape = [1, 1, 128, 128] }, { name = \"picture\", shape = [1, 3, 128, 128] }]";
    let packs = [
        ("mini", Mini::default()),
        (
            "disc",
            Mini::default().with("id = \"mini\"", "id = \"disc\"").with(outputs, both).with_model(
                "render",
                "source_latents: Tensor, latents: Tensor, texture: Tensor, volume: Tensor",
                "Tuple[Tensor, Tensor]",
                DISC,
            ),
        ),
        (
            "turned",
            Mini::default()
                .with("id = \"mini\"", "id = \"turned\"")
                .with("[pose]", "[crop]\nscale = 1.6\nvy = -0.1\n\n[pose]"),
        ),
        ("coefficients", Mini::coefficients()),
        (
            "shared",
            Mini::default()
                .with("id = \"mini\"", "id = \"shared\"")
                .with("[stages.render]", "[stages.render]\nstreams = { cpu = 4 }"),
        ),
        // A generator that takes one frame, and says otherwise.
        (
            "alone",
            Mini::default()
                .with("id = \"mini\"", "id = \"alone\"")
                .with("[stages.render]", "[stages.render]\nstreams = { cpu = 4 }")
                .with_model(
                    "render",
                    "source_latents: Tensor, latents: Tensor, texture: Tensor, volume: Tensor",
                    "Tensor",
                    "    return torch.narrow(texture, 0, 0, 1)\n",
                ),
        ),
    ];
    let mut digests = packs.map(|(name, pack)| pack.write(&folder, name).1).to_vec();
    for system in SYSTEMS {
        let manifest = std::fs::read(data("packs").join(system).join("pack.toml")).unwrap();
        digests.push(mini::digest(&manifest));
    }
    // SAFETY: all tests of this program wait here first, so no other thread reads or writes the environment now; the function
    // takes and gives nothing.
    unsafe {
        std::env::set_var("GST_PORTRAIT_TRUSTED_PACKS", digests.join(":"));
        libc::atexit(remove);
    }
    folder
});

/// `talkinghead` with such a pack, as written into a launch line.
fn head(pack: &str, properties: &str) -> String {
    let packs = LazyLock::force(&PACKS);
    let folder = if SYSTEMS.contains(&pack) { data("packs") } else { packs.clone() };
    format!("talkinghead name=head model-pack={} {properties}", folder.join(pack).display())
}

/// The next picture; none at the end, or where none comes any more.
fn next(sink: &gst_app::AppSink) -> Option<gst::Sample> {
    sink.try_pull_sample(gst::ClockTime::from_seconds(60))
}

/// Pictures of a sentence in RGB.
fn pictures(pack: &str, properties: &str, caps: &str) -> Vec<RgbImage> {
    let pipeline = Pipeline::parse(&format!(
        "appsrc name=in format=time caps={SPEECH_CAPS} ! {} ! video/x-raw,{caps} ! videoconvert ! video/x-raw,format=RGB \
         ! appsink name=out sync=false",
        head(pack, properties)
    ));
    let sink: gst_app::AppSink = pipeline.element("out").downcast().unwrap();
    pipeline.play();
    pipeline.feed("in", &samples::speech(START, FRAMES * 640), 640);
    let all: Vec<RgbImage> =
        std::iter::from_fn(|| next(&sink)).map(|sample| golden::picture(&sample)).collect();
    assert_eq!(pipeline.error(), None, "{pack} {properties} {caps}");
    all
}

fn portrait(properties: &str) -> String {
    format!("portrait={} seed=3 {properties}", photo())
}

/// Mean difference of two pictures in grey levels, within a box.
fn apart(one: &RgbImage, other: &RgbImage, [left, top, right, bottom]: [u32; 4]) -> f64 {
    let mut sum = 0.0;
    for y in top..bottom {
        for x in left..right {
            let (a, b) = (one.get_pixel(x, y), other.get_pixel(x, y));
            sum += (0..3).map(|c| f64::from(a[c].abs_diff(b[c]))).sum::<f64>() / 3.0;
        }
    }
    sum / f64::from((right - left) * (bottom - top))
}

fn whole(picture: &RgbImage) -> [u32; 4] {
    [0, 0, picture.width(), picture.height()]
}

#[test]
fn golden_pictures_of_a_square_and_a_whole_photo() {
    let moments = |all: Vec<RgbImage>| [0, 12, 24].map(|i| all[i].clone());
    let turned = portrait("yaw=12 pitch=-5");
    golden::check("neural", &moments(pictures("mini", &turned, "width=256,height=256")));
    golden::check("neural-full", &moments(pictures("mini", &format!("{turned} framing=full"), "format=RGB")));
    for system in SYSTEMS {
        golden::check(system, &moments(pictures(system, &turned, "width=256,height=256")));
    }
}

#[test]
fn every_format_framing_and_rate_has_all_of_its_pictures() {
    for (properties, caps, size, count) in [
        ("", "format=RGB", (128, 128), FRAMES),
        ("", "format=I420,framerate=30000/1001", (128, 128), 36),
        ("", "format=NV12,width=320,height=180", (320, 180), FRAMES),
        ("background=transparent", "format=RGBA,width=96,height=200", (96, 200), FRAMES),
        ("background=transparent alpha-mode=premultiplied framing=full", "format=BGRA", (512, 600), FRAMES),
        ("background=color background-color=0xff00b140", "format=I420,framerate=50/1", (128, 128), 60),
        ("framing=full", "format=I420,width=640,height=360", (640, 360), FRAMES),
        ("", "format=RGB,width=2160,height=2160,framerate=5/1", (2160, 2160), 6),
    ] {
        let all = pictures("mini", &portrait(properties), caps);
        assert!(all.len().abs_diff(count) <= 1, "{properties} {caps}: {} pictures", all.len());
        assert_eq!(all[0].dimensions(), size, "{properties} {caps}");
        let last = all.last().unwrap();
        assert!(apart(&all[0], last, whole(last)) > 0.05, "{properties} {caps}: nothing moves");
    }
}

#[test]
fn published_systems_have_all_pictures_in_every_framing_format_and_rate() {
    for system in SYSTEMS {
        for (properties, caps, size, count) in [
            ("", "format=I420,width=160,height=160", (160, 160), FRAMES),
            ("framing=full", "format=I420,width=320,height=180,framerate=30000/1001", (320, 180), 36),
            ("framing=full", "format=RGBA", (512, 600), FRAMES),
        ] {
            let all = pictures(system, &portrait(properties), caps);
            assert!(all.len().abs_diff(count) <= 1, "{system} {properties} {caps}: {} pictures", all.len());
            assert_eq!(all[0].dimensions(), size, "{system} {properties} {caps}");
            assert_ne!(all.first(), all.last(), "{system} {properties} {caps}: nothing moves");
        }
    }
}

/// The generator draws all colours darker than they are: nothing of that is seen, at the seam least of all.
#[test]
fn a_drawn_square_is_pasted_into_the_photo_without_a_seam() {
    let rest = "pose-mode=still framing=full blink-rate=0";
    let drawn = &pictures("mini", &portrait(rest), "format=RGB")[0];
    let original = image::open(data("portrait-grace-hopper.jpg")).unwrap().into_rgb8();
    assert_eq!(drawn.dimensions(), original.dimensions());
    let (width, height) = original.dimensions();
    let far = [[0, 0, width, 6], [0, height - 6, width, height]];
    for place in far {
        assert_eq!(apart(drawn, &original, place), 0.0, "{place:?} is the photo's own");
    }
    // The square is a quarter as sharp as the photo: what is compared is soft.
    let soft = |picture: &RgbImage| imageops::resize(picture, 32, 37, imageops::FilterType::Triangle);
    let (drawn, original) = (soft(drawn), soft(&original));
    let mut worst: i32 = 0;
    for (a, b) in drawn.pixels().zip(original.pixels()) {
        let tint = (0..3).map(|c| i32::from(a[c]) - i32::from(b[c])).sum::<i32>() / 3;
        worst = worst.max(tint.abs());
    }
    assert!(worst <= 8, "{worst} grey levels between what is drawn and the photo");
}

/// Scaled once: a picture as large as the generator's is the generator's.
#[test]
fn a_larger_picture_is_the_same_picture() {
    let properties = portrait("yaw=10");
    let own = pictures("mini", &properties, "format=RGB");
    let large = pictures("mini", &properties, "format=RGB,width=512,height=512");
    for at in [0, 15, 29] {
        let small = imageops::resize(&large[at], 128, 128, imageops::FilterType::Triangle);
        let difference = apart(&small, &own[at], whole(&small));
        assert!(difference < 4.0, "{at}: {difference}");
    }
}

/// Whose matte is it: the generator's where it says one.
#[test]
fn a_cut_out_person_has_the_generators_matte_where_there_is_one() {
    let green = "background=color background-color=0xff00ff00";
    let inside = |pack: &str| {
        let all = pictures(pack, &portrait(green), "format=RGB");
        let picture = all.last().unwrap().clone();
        move |x: u32, y: u32| picture.get_pixel(x, y).0 != [0, 255, 0]
    };
    let disc = inside("disc");
    assert!(disc(64, 64) && disc(64, 30) && !disc(5, 64) && !disc(64, 123) && !disc(120, 120));
    let mini = inside("mini");
    // Shoulders are somebody, corners above are not.
    assert!(mini(64, 64) && mini(64, 120) && !mini(3, 3) && !mini(124, 3));
}

/// The square of a pack that has its own turns with the face, and what is drawn turns back.
#[test]
fn a_square_that_turns_with_the_face_lies_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let upright = image::open(data("portrait-grace-hopper.jpg")).unwrap().into_rgb8();
    let leaning = image::open(data("portrait-grace-hopper.jpg")).unwrap().rotate90().into_rgb8();
    let path = folder.path().join("leaning.png");
    leaning.save(&path).unwrap();
    let rest = "pose-mode=still framing=full blink-rate=0";
    for (photo, original) in [(photo(), upright), (path.display().to_string(), leaning)] {
        let drawn = &pictures("turned", &format!("portrait={photo} {rest}"), "format=RGB")[0];
        let (width, height) = original.dimensions();
        let soft = |picture: &RgbImage| {
            imageops::resize(picture, width / 8, height / 8, imageops::FilterType::Triangle)
        };
        let (drawn, original) = (soft(drawn), soft(&original));
        let difference = apart(&drawn, &original, whole(&drawn));
        assert!(difference < 3.0, "{photo}: {difference}");
    }
}

/// What a paused pipeline shows after a seek to that frame.
fn after_seek(pipeline: &Pipeline, frame: u64) -> Frame {
    let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
    pipeline.object().seek_simple(flags, FRAME * frame).unwrap();
    pipeline.wait_for(gst::MessageType::AsyncDone).unwrap();
    let sink: gst_app::AppSink = pipeline.element("out").downcast().unwrap();
    Frame::of(sink.pull_preroll().unwrap().buffer().unwrap())
}

/// What the pipelines below show at first.
const SQUARE: &str = "video/x-raw,format=RGB,width=96,height=96";

#[test]
fn seeks_flushes_and_other_caps_give_the_pictures_of_fresh_pipelines() {
    let dir = tempfile::tempdir().unwrap();
    let wav = dir.path().join("speech.wav");
    samples::write_speech(&wav, 1.6);
    let player = |pack: &str| {
        let pipeline = Pipeline::parse(&format!(
            "filesrc location={} ! wavparse ! {} ! capsfilter name=caps caps={SQUARE} ! appsink name=out sync=false max-buffers=1",
            wav.display(),
            head(pack, &portrait(""))
        ));
        pipeline.go(gst::State::Paused).unwrap();
        pipeline
    };
    for pack in ["mini"].into_iter().chain(SYSTEMS) {
        let fresh = [3, 24, 10].map(|frame| (frame, after_seek(&player(pack), frame)));
        let pipeline = player(pack);
        for (frame, expected) in fresh.iter().chain(fresh.iter().rev()) {
            assert_eq!(after_seek(&pipeline, *frame), *expected, "{pack}: frame {frame}");
            assert_eq!(expected.size, 96 * 96 * 3);
        }
        let ask = |caps: &str| {
            let caps: gst::Caps = caps.parse().unwrap();
            pipeline.element("caps").set_property("caps", caps);
        };
        ask("video/x-raw,format=I420,width=192,height=96");
        assert_eq!(after_seek(&pipeline, 10).size, 192 * 96 * 3 / 2);
        ask(SQUARE);
        assert_eq!(after_seek(&pipeline, 24), fresh[1].1, "{pack}: as before the other caps");
    }
}

fn plays_live(pack: &str) {
    let pipeline = Pipeline::parse(&format!(
        "{} ! {} ! video/x-raw,format=I420,framerate=25/1 ! appsink name=out sync=false",
        microphone::launch(),
        head(pack, &portrait(""))
    ));
    let recording = pipeline.record("out");
    pipeline.play();
    pipeline.wait_for(gst::MessageType::StreamStart).unwrap();
    let voice = microphone::start(pipeline.object(), |n| {
        let at = (n as usize % 100) * microphone::CHUNK;
        Some(samples::speech(START + at, microphone::CHUNK))
    });
    let until = |what: &dyn Fn() -> bool| {
        let began = std::time::Instant::now();
        while !what() {
            assert_eq!(pipeline.error(), None);
            assert!(began.elapsed().as_secs() < 100, "{} pictures", recording.frames().len());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    until(&|| recording.frames().len() >= 20);
    let path = data("portrait-astronaut.png").display().to_string();
    pipeline.element("head").set_property("portrait", path);
    let before = recording.frames().len();
    // It is analysed beside the stream.
    until(&|| recording.frames().len() >= before + 20);
    drop(voice);
    let frames = recording.frames();
    assert!(frames.windows(2).all(|pair| pair[0].pts < pair[1].pts && pair[1].size == pair[0].size));
}

#[test]
fn a_live_voice_is_drawn_frame_by_frame_and_another_photo_while_it_plays() {
    ["mini"].into_iter().chain(SYSTEMS).for_each(plays_live);
}

/// Nobody edits or poses what is no landmark, and none are told.
#[test]
fn a_pack_of_another_face_model_speaks() {
    let properties = portrait("yaw=12");
    let all = pictures("coefficients", &properties, "format=RGB");
    assert_eq!(all.len(), FRAMES);
    assert!(apart(&all[0], &all[20], whole(&all[0])) > 0.3);
    let pipeline = Pipeline::parse(&format!(
        "appsrc name=in format=time caps={SPEECH_CAPS} ! {} ! appsink name=out sync=false",
        head("coefficients", &properties)
    ));
    let sink: gst_app::AppSink = pipeline.element("out").downcast().unwrap();
    pipeline.play();
    pipeline.feed("in", &samples::speech(START, 6400), 640);
    let sample = next(&sink).unwrap();
    let buffer = sample.buffer().unwrap();
    let has = |name| gst::meta::CustomMeta::from_buffer(buffer, name).is_ok();
    assert!(has("PortraitPoseMeta") && has("PortraitLatentsMeta") && has("PortraitFaceMeta"));
    assert!(!has("PortraitLandmarksMeta") && !has("PortraitPictureLandmarksMeta"));
}

/// One warning a control, by its name; none for what is followed, nor for what nobody asked for.
#[test]
fn controls_that_the_pack_cannot_follow_are_told_once() {
    let pipeline = Pipeline::parse(&format!(
        "appsrc name=in format=time caps={SPEECH_CAPS} ! {} ! appsink name=out sync=false",
        head("mini", &portrait("gaze-yaw=9 yaw=4 emotion=happy"))
    ));
    let sink: gst_app::AppSink = pipeline.element("out").downcast().unwrap();
    pipeline.play();
    pipeline.feed("in", &samples::speech(START, 6400), 640);
    while next(&sink).is_some() {}
    let head = pipeline.element("head");
    for _ in 0..3 {
        head.set_property("gaze-yaw", 5f32);
        head.set_property("brow-gain", 0.5f32);
        head.set_property("mouth-gain", 0.5f32);
    }
    let bus = pipeline.object().bus().unwrap();
    let warnings: Vec<String> = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Warning]))
        .filter_map(|message| match message.view() {
            gst::MessageView::Warning(warning) => Some(warning.error().message().to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    for (warning, name) in warnings.iter().zip(["`gaze-yaw`", "`brow-gain`"]) {
        assert!(warning.contains(name) && warning.contains("mini/1"), "{warning}");
    }
}

/// The other bundled photo stands for a video of a face; then `rest`.
fn video(frames: usize, rest: &str) -> String {
    format!(
        "filesrc location={} ! pngdec ! videoconvert ! imagefreeze num-buffers={frames} ! video/x-raw,framerate=25/1 \
         ! videoscale ! video/x-raw,width=256,height=256 ! videoconvert ! {rest}",
        data("portrait-astronaut.png").display()
    )
}

/// `face2latents` and what draws, with that pack.
fn driven(pack: &str, properties: &str) -> String {
    let pack = PACKS.join(pack).display().to_string();
    format!("face2latents model-pack={pack} {properties} ! facesynth model-pack={pack} portrait={}", photo())
}

fn played(launch: &str) -> Vec<Frame> {
    let pipeline = Pipeline::parse(&format!("{launch} ! appsink name=out sync=false"));
    let recording = pipeline.record("out");
    pipeline.run().unwrap();
    recording.frames()
}

#[test]
fn the_face_of_a_video_drives_the_photo_through_the_packs_motion_extractor() {
    let all = played(&video(8, &driven("mini", "")));
    assert_eq!(all.len(), 8);
    for (n, frame) in (0u64..).zip(&all) {
        assert_eq!((frame.pts, frame.duration), (Some(FRAME * n), Some(FRAME)), "frame {n}");
        assert_eq!(frame.size, 128 * 128 * 3);
    }
    let turned = played(&video(8, &driven("mini", "yaw=20 drive=eyes")));
    assert!(turned.iter().zip(&all).all(|(a, b)| a.hash != b.hash), "the offsets of the pose are added");
    let nobody = format!(
        "videotestsrc num-buffers=3 pattern=smpte ! video/x-raw,width=320,height=240,framerate=25/1 ! videoconvert ! {}",
        driven("mini", "")
    );
    assert_eq!(played(&nobody).len(), 3, "a video of nobody");
}

/// A seek begins with a first face of its own, as a fresh pipeline does.
#[test]
fn a_seek_in_a_video_that_drives_gives_the_pictures_of_a_fresh_pipeline() {
    let player = || {
        let pipeline = Pipeline::parse(&format!(
            "{} ! appsink name=out sync=false max-buffers=1",
            video(40, &driven("mini", ""))
        ));
        pipeline.go(gst::State::Paused).unwrap();
        pipeline
    };
    let fresh = [20, 5].map(|frame| (frame, after_seek(&player(), frame)));
    let pipeline = player();
    for (frame, expected) in fresh.iter().chain(&fresh[..1]) {
        assert_eq!(after_seek(&pipeline, *frame), *expected, "frame {frame}");
        assert_eq!(expected.pts, Some(FRAME * *frame));
    }
}

/// They share networks, photo and cores.
#[test]
fn streams_of_a_neural_pack_beside_each_other_draw_what_each_draws_alone() {
    let voice = |stream: usize| {
        let pipeline = Pipeline::parse(&format!(
            "appsrc name=in format=time caps={SPEECH_CAPS} ! {} ! appsink name=out sync=false",
            head("mini", &portrait(""))
        ));
        let recording = pipeline.record("out");
        pipeline.play();
        pipeline.feed("in", &samples::speech(START + 4000 * stream, 9600), 1000);
        pipeline.wait_for(gst::MessageType::Eos).unwrap();
        recording.frames()
    };
    let face = |yaw: i32| played(&video(12, &driven("mini", &format!("yaw={yaw}"))));
    let all = |together: bool| {
        let run = |stream: usize| if stream < 2 { voice(stream) } else { face(8) };
        if !together {
            return [0, 1, 2].map(run);
        }
        std::thread::scope(|scope| {
            [0, 1, 2].map(|stream| scope.spawn(move || run(stream))).map(|stream| stream.join().unwrap())
        })
    };
    let (together, alone) = (all(true), all(false));
    for (stream, (drawn, expected)) in together.iter().zip(&alone).enumerate() {
        assert!(expected.len() >= 12, "stream {stream}");
        assert_eq!(drawn, expected, "stream {stream}");
    }
    assert_ne!(alone[0], alone[1]);
}

/// Streams of a process whose generator takes several frames at once: each is what it is alone.
#[test]
fn heads_that_share_the_passes_of_a_generator_each_show_their_own_person() {
    let heads = [portrait("yaw=8"), portrait("yaw=-8"), portrait("pitch=5 mouth-gain=0.5")];
    let alone = heads.each_ref().map(|head| pictures("mini", head, "width=128,height=128"));
    let together = std::thread::scope(|scope| {
        heads
            .each_ref()
            .map(|head| scope.spawn(move || pictures("shared", head, "width=128,height=128")))
            .map(|thread| thread.join().unwrap())
    });
    for (one, other) in alone.iter().zip(&together) {
        assert_eq!(one.len(), other.len());
        for (a, b) in one.iter().zip(other) {
            assert!(apart(a, b, whole(a)) < 0.01, "{}", apart(a, b, whole(a)));
        }
    }
    let different = apart(&alone[0][9], &alone[1][9], whole(&alone[0][9]));
    assert!(different > 1.0, "the three show different pictures: {different}");
}

#[test]
fn a_generator_that_takes_no_two_frames_at_once_is_refused() {
    let pipeline = Pipeline::parse(&format!(
        "appsrc name=in format=time caps={SPEECH_CAPS} ! {} ! fakesink name=out",
        head("alone", &portrait(""))
    ));
    let error = pipeline.go(gst::State::Paused).unwrap_err();
    assert!(
        error.contains("does not draw the frames of two streams at once: leave `streams` out"),
        "{error}"
    );
}
