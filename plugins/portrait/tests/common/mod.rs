// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests of the elements share: the plugin, and for each element inputs that it takes.
#![allow(dead_code, reason = "each test program uses its own part")]

pub mod film;
#[macro_use]
pub mod fixtures;
pub mod live;
#[path = "../../../../tests/src/mini.rs"]
pub mod mini;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Once};

use gst::prelude::*;
use gstportrait::pack::{DEFAULT_PACK, Pack};
use gstportrait::photo::{Portrait, context};
use gstportrait::stream::tensor::{FrameMeta, TensorInfo, TensorKind, buffer, meta};

pub use fixtures::*;

/// Duration of a frame at the pack's rate.
pub const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

/// Samples of audio in a frame.
pub const FRAME_SAMPLES: usize = 640;

pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        neural_pack();
        gst::init().unwrap();
        gstportrait::plugin_register_static().unwrap();
    });
}

pub fn pack() -> Arc<Pack> {
    Pack::open(DEFAULT_PACK).unwrap()
}

/// A photo that ships with the repository.
pub fn photo(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name)
}

pub fn portrait_path() -> String {
    photo("portrait-grace-hopper.jpg").to_str().unwrap().to_owned()
}

/// That photo, analysed; kept, so that the elements under test share it.
pub fn portrait() -> Arc<Portrait> {
    static PORTRAIT: LazyLock<Arc<Portrait>> =
        LazyLock::new(|| Portrait::analyse(Path::new(&portrait_path()), &pack(), tch::Device::Cpu).unwrap());
    PORTRAIT.clone()
}

/// The miniature of a neural pack, written and trusted.
pub fn neural_pack() -> &'static str {
    static PACK: LazyLock<String> = LazyLock::new(|| {
        /// Nothing that is static is dropped.
        extern "C" fn remove() {
            let _ = std::fs::remove_dir_all(folder());
        }
        fn folder() -> PathBuf {
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("neural-{}", std::process::id()))
        }
        let (dir, digest) = mini::Mini::default().write(&folder(), "mini");
        // SAFETY: all tests of a program wait here first ([`init`]), so no other thread reads or writes the environment now; the
        // function takes and gives nothing.
        unsafe {
            std::env::set_var("GST_PORTRAIT_TRUSTED_PACKS", digest);
            libc::atexit(remove);
        }
        dir.display().to_string()
    });
    &PACK
}

/// The photo, analysed with that pack.
pub fn neural_portrait() -> Arc<Portrait> {
    static PORTRAIT: LazyLock<Arc<Portrait>> = LazyLock::new(|| {
        let pack = Pack::open(neural_pack()).unwrap();
        Portrait::analyse(Path::new(&portrait_path()), &pack, tch::Device::Cpu).unwrap()
    });
    PORTRAIT.clone()
}

/// Caps of the pictures that [`video`] gives.
pub const VIDEO_CAPS: &str = "video/x-raw,format=RGB,width=320,height=240,framerate=25/1";

/// A frame of a video in which the photo's person moves sideways.
pub fn video(n: u64) -> gst::Buffer {
    static PHOTO: LazyLock<image::RgbImage> = LazyLock::new(|| {
        let photo = image::open(portrait_path()).unwrap().into_rgb8();
        image::imageops::thumbnail(&photo, 192, 225)
    });
    let mut frame = image::RgbImage::from_pixel(320, 240, image::Rgb([90, 110, 130]));
    image::imageops::replace(&mut frame, &*PHOTO, 50 + 2 * n as i64, 8);
    at(n, gst::Buffer::from_slice(frame.into_raw()))
}

/// Two people side by side.
pub const COUPLE_CAPS: &str = "video/x-raw,format=RGB,width=640,height=240,framerate=25/1";

/// The frame from which on the person at the right is gone.
pub const LEAVES: u64 = 18;

/// Two people, of whom the right one leaves.
pub fn couple(n: u64) -> gst::Buffer {
    static OTHER: LazyLock<image::RgbImage> = LazyLock::new(|| {
        let photo = image::open(photo("portrait-astronaut.png")).unwrap().into_rgb8();
        image::imageops::thumbnail(&photo, 210, 210)
    });
    let mut frame = image::RgbImage::from_pixel(640, 240, image::Rgb([90, 110, 130]));
    let left = image::RgbImage::from_raw(320, 240, video(n).map_readable().unwrap().to_vec()).unwrap();
    image::imageops::replace(&mut frame, &left, 0, 0);
    if n < LEAVES {
        image::imageops::replace(&mut frame, &*OTHER, 380 - n as i64, 20);
    }
    at(n, gst::Buffer::from_slice(frame.into_raw()))
}

/// Waits until what was pushed has come through, also where the element has threads of its own.
pub fn settle(harness: &gst_check::Harness) {
    let end = |pad: &gst::Pad| pad.sticky_event::<gst::event::Eos>(0).map(|eos| eos.seqnum());
    let (from, to) = (harness.srcpad().expect("a source pad"), harness.sinkpad().expect("a sink pad"));
    if end(&from).is_none() {
        // It keeps its place behind the data; that nobody answers it is no matter.
        let _ = from.peer_query(&mut gst::query::Drain::new());
        return;
    }
    // A queue takes no question behind the end, which comes through itself.
    for _ in 0..6000 {
        if end(&to) == end(&from) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the end does not come through");
}

pub fn drain(harness: &mut gst_check::Harness) -> Vec<Vec<u8>> {
    settle(harness);
    std::iter::from_fn(|| harness.try_pull()).map(|b| b.map_readable().unwrap().to_vec()).collect()
}

pub fn at(n: u64, mut buffer: gst::Buffer) -> gst::Buffer {
    let b = buffer.get_mut().unwrap();
    b.set_pts(FRAME * n);
    b.set_duration(FRAME);
    buffer
}

/// Samples of the bundled speech, which begins before `first` 0: a tone is no voice to the networks.
pub fn speech(first: usize, count: usize) -> Vec<f32> {
    // A WAV file with the plain header, and a quarter of a second before the first word.
    const SKIPPED: usize = 44 + 2 * 4000;
    let bytes = std::fs::read(photo("speech-af_heart.wav")).unwrap();
    let samples = bytes[SKIPPED..].as_chunks::<2>().0.iter();
    samples.skip(first).take(count).map(|b| f32::from(i16::from_le_bytes(*b)) / 32768.0).collect()
}

/// Samples of a voice-like tone: a buzz whose level follows syllables.
pub fn tone(first: usize, count: usize) -> Vec<f32> {
    (first..first + count)
        .map(|i| {
            let t = i as f32 / 16000.0;
            let level = (t * 4.0 * std::f32::consts::TAU).sin().max(0.0);
            0.3 * level * ((t * 140.0).fract() * 2.0 - 1.0)
        })
        .collect()
}

/// Buffer `n` of `samples` samples of the tone.
pub fn audio(n: u64, samples: usize) -> gst::Buffer {
    let first = n as usize * samples;
    let mut buffer = buffer::from_f32(&tone(first, samples));
    let b = buffer.get_mut().unwrap();
    let time = |s: usize| gst::ClockTime::from_nseconds(s as u64 * 1_000_000_000 / 16000);
    b.set_pts(time(first));
    b.set_duration(time(first + samples) - time(first));
    buffer
}

pub fn audio_caps(rate: i32, channels: i32) -> gst::Caps {
    gst::Caps::builder("audio/x-raw")
        .field("format", "F32LE")
        .field("layout", "interleaved")
        .field("rate", rate)
        .field("channels", channels)
        .build()
}

/// Caps of a stage's stream, as the built-in pack makes them.
pub fn tensor_caps(kind: TensorKind) -> gst::Caps {
    let pack = pack();
    let manifest = pack.manifest();
    let shape = match kind {
        TensorKind::AudioFeatures => manifest.feature_shape().unwrap(),
        TensorKind::Landmarks => vec![manifest.landmarks.count, 3],
        TensorKind::Latents => vec![manifest.latents.count, 3],
    };
    TensorInfo { kind, shape, framerate: gst::Fraction::new(25, 1), pack: pack.id() }.to_caps()
}

/// Log-mel-like numbers that change from frame to frame.
pub fn features(n: u64) -> Vec<f32> {
    let len: usize = pack().manifest().feature_shape().unwrap().iter().product();
    (0..len).map(|i| -6.0 + 3.0 * ((n as f32) * 0.9 + i as f32 * 0.05).sin()).collect()
}

/// The first error on a bus.
pub fn bus_error(bus: &gst::Bus) -> Option<(String, String)> {
    let message = bus.pop_filtered(&[gst::MessageType::Error])?;
    let gst::MessageView::Error(error) = message.view() else { return None };
    Some((error.error().to_string(), error.debug().map(|d| d.to_string()).unwrap_or_default()))
}

/// Texts of the warnings on a bus.
pub fn warnings(bus: &gst::Bus) -> Vec<String> {
    std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Warning]))
        .filter_map(|message| match message.view() {
            gst::MessageView::Warning(warning) => Some(warning.error().message().to_string()),
            _ => None,
        })
        .collect()
}
