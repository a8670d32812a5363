// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask soak`: a pipeline that plays for long, or is started, stopped or sought often, leaves nothing behind.

// A command-line program speaks on its standard streams.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use portrait_tests::live::Live;
use portrait_tests::microphone::{self, CHUNK};
use portrait_tests::pipeline::Pipeline;
use portrait_tests::{FRAME, SAMPLE_RATE, data, machine, photo, samples};

/// What resident memory may grow by in an hour of a pipeline that plays.
const MAX_KIB_AN_HOUR: f64 = 1024.0;

/// What it may grow by after the first tenth of the cycles or seeks: an allocator's noise, not a leak.
const MAX_GROWTH_KIB: i64 = 4096;

/// Caches and allocators settle at first.
const SETTLING: Duration = Duration::from_secs(300);

/// Length of a shot.
const CUT: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// Between two looks at memory.
const LOOK: Duration = Duration::from_secs(5);

/// A picture that has not come after this never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the process holds.
#[derive(Clone, Copy)]
struct Held {
    kib: i64,
    threads: u64,
    handles: usize,
}

impl Held {
    fn now() -> Self {
        Self {
            kib: machine::status("VmRSS") as i64,
            threads: machine::status("Threads"),
            handles: machine::handles(),
        }
    }

    fn print(self, what: &str) {
        println!("{what}: {} KiB resident, {} threads, {} open files", self.kib, self.threads, self.handles);
    }

    /// Says what is more than before; GLib's thread pool keeps a thread or two waiting.
    fn holds_as_much_as(self, before: Self) -> bool {
        self.threads <= before.threads + 2 && self.handles <= before.handles
    }
}

/// The element that plays, in a launch line with a voice: called `head`, its pictures go on to `sink`.
#[derive(Clone, Copy)]
enum What {
    Head,
    Dub,
}

impl What {
    /// What x264enc is told.
    fn preset(self) -> &'static str {
        match self {
            Self::Head => "ultrafast",
            Self::Dub => "veryfast",
        }
    }

    /// The video, which only what dubs has, is a camera's: see [`Camera`].
    fn launch(self, voice: &str, sink: &str) -> String {
        match self {
            Self::Head => format!("{voice} ! talkinghead name=head portrait={} ! {sink}", photo()),
            Self::Dub => format!(
                "appsrc name=camera is-live=true format=time min-latency={} caps={VIDEO} ! queue ! head.video \
                 {voice} ! head.voice  facedub name=head silence=shut ! {sink}",
                FRAME.nseconds()
            ),
        }
    }

    /// The camera of a pipeline that has one.
    fn camera(self) -> Option<Camera> {
        matches!(self, Self::Dub).then(Camera::new)
    }
}

/// What the camera films.
const VIDEO: &str = "video/x-raw,format=I420,width=1280,height=720,framerate=25/1";

/// Pictures of each shot, played again and again.
const SHOT: u64 = 25;

/// A live camera: shots of two people, drawn beforehand, since drawing them would take half of what two cores have.
struct Camera(Vec<Vec<gst::Buffer>>);

impl Camera {
    fn new() -> Self {
        Self(["portrait-astronaut.png", "portrait-grace-hopper.jpg"].map(Self::shot).into())
    }

    fn shot(photo: &str) -> Vec<gst::Buffer> {
        let pipeline = Pipeline::parse(&format!(
            "videotestsrc num-buffers={SHOT} pattern=ball ! video/x-raw,width=1280,height=720 \
             ! gdkpixbufoverlay location={} offset-x=280 overlay-width=720 overlay-height=720 \
             ! videoconvert ! {VIDEO} ! appsink name=out sync=false",
            data(photo).display()
        ));
        let sink = pipeline.element("out").downcast::<gst_app::AppSink>().expect("an appsink");
        pipeline.play();
        std::iter::from_fn(|| sink.pull_sample().ok()?.buffer_owned()).collect()
    }

    /// Another shot begins every few seconds.
    fn start(&self, pipeline: &gst::Pipeline) -> Live {
        let (shots, length) = (self.0.clone(), CUT.nseconds() / FRAME.nseconds());
        Live::start(pipeline, "camera", FRAME, move |n| {
            let shot = &shots[(n / length) as usize % shots.len()];
            Some(shot[(n % SHOT) as usize].clone())
        })
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let count = words.get(1).and_then(|n| n.parse::<u64>().ok());
    portrait_tests::init();
    println!("{}, load {}", machine::describe(), machine::load());
    let what = if words.get(2) == Some(&"dub") { What::Dub } else { What::Head };
    let clean = match (words.first(), count) {
        (Some(&"minutes"), Some(minutes)) => play(what, Duration::from_secs(minutes * 60)),
        (Some(&"cycles"), Some(count)) => cycles(what, count),
        (Some(&"seeks"), Some(count)) => seeks(what, count),
        _ => {
            eprintln!("usage: soak minutes|cycles|seeks COUNT [dub]");
            return ExitCode::from(2);
        }
    };
    println!("{}", if clean { "clean" } else { "NOT clean" });
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A live voice with pauses and gaps, to an encoder; what is dubbed is cut every few seconds.
fn play(what: What, length: Duration) -> bool {
    let pipeline = Pipeline::parse(&what.launch(
        &format!("{} ! queue", microphone::launch()),
        &format!("videoconvert ! queue ! x264enc tune=zerolatency speed-preset={} ! fakesink name=out sync=true qos=true", what.preset()),
    ));
    let camera = what.camera();
    pipeline.play();
    let _film = camera.map(|camera| camera.start(pipeline.object()));
    let speech = samples::speech(0, SAMPLE_RATE * 9);
    let chunks = speech.len() / CHUNK;
    let microphone = microphone::start(pipeline.object(), move |n| {
        let at = n as usize % (2 * chunks) * CHUNK;
        // Speech, then a pause whose second half the source sends nothing in.
        match n as usize % (2 * chunks) {
            k if k < chunks => Some(speech[at..at + CHUNK].to_vec()),
            k if k < chunks * 3 / 2 => Some(vec![0.0; CHUNK]),
            _ => None,
        }
    });
    let start = Instant::now();
    let settling = SETTLING.min(length / 2);
    let mut settled: Option<Held> = None;
    let mut looks: Vec<(f64, f64)> = Vec::new();
    while start.elapsed() < length {
        std::thread::sleep(LOOK.min(length.saturating_sub(start.elapsed())));
        if let Some(error) = pipeline.error() {
            println!("after {:.0} s: {error}", start.elapsed().as_secs_f64());
            return false;
        }
        if start.elapsed() < settling {
            continue;
        }
        let held = Held::now();
        if settled.is_none() {
            held.print(&format!("settled after {:.0} s", start.elapsed().as_secs_f64()));
            settled = Some(held);
        }
        looks.push((start.elapsed().as_secs_f64() / 3600.0, held.kib as f64));
    }
    let (held, slope) = (Held::now(), slope(&looks));
    held.print("at the end");
    println!("memory grows by {slope:.0} KiB an hour ({} looks)", looks.len());
    let stats: gst::Structure = pipeline.element("head").property("stats");
    println!("{stats}");
    drop(microphone);
    let pictures: u64 = stats.get("frames").unwrap_or_default();
    let expected = start.elapsed().as_millis() as u64 / FRAME.mseconds();
    let steady = pictures + stats.get::<u64>("dropped").unwrap_or_default() + 50 > expected;
    println!("{pictures} pictures painted of {expected}");
    steady && slope < MAX_KIB_AN_HOUR && settled.is_some_and(|before| held.holds_as_much_as(before))
}

/// Slope of the straight line that fits points best.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let above: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let below: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    if below > 0.0 { above / below } else { 0.0 }
}

/// Starts and stops; each life must show a picture.
fn cycles(what: What, count: u64) -> bool {
    let launch = |sink: &str| what.launch("audiotestsrc is-live=true", sink);
    // A second pipeline keeps models and photo loaded: the cycles then measure the elements.
    let keeper = Pipeline::parse(&launch("fakesink"));
    keeper.go(gst::State::Paused).unwrap_or_else(|e| panic!("{e}"));
    let pipeline = Pipeline::parse(&launch("fakesink name=out sync=false"));
    let (pictures, camera) = (pictures(&pipeline), what.camera());
    repeat(count, || {
        pipeline.play();
        let _film = camera.as_ref().map(|camera| camera.start(pipeline.object()));
        let shown = pictures.recv_timeout(PATIENCE).is_ok();
        let stopped = pipeline.go(gst::State::Null).is_ok();
        while pictures.try_recv().is_ok() {}
        shown && stopped
    })
}

/// Flushing seeks; after each a picture must come.
fn seeks(what: What, count: u64) -> bool {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let (wav, film) = (dir.path().join("speech.wav"), dir.path().join("film.mp4"));
    samples::write_speech(&wav, 8.0);
    let head = |sink: &str| {
        let voice = format!("filesrc location={} ! wavparse", wav.display());
        What::Head.launch(&voice, sink)
    };
    let pipeline = Pipeline::parse(&match what {
        What::Head => head("fakesink name=out sync=true"),
        What::Dub => {
            let sink = format!("x264enc key-int-max=25 ! mp4mux ! filesink location={}", film.display());
            Pipeline::parse(&head(&sink)).run().unwrap_or_else(|e| panic!("{e}"));
            format!(
                "filesrc location={} ! qtdemux ! avdec_h264 ! facedub name=head ! fakesink name=out sync=true \
                 filesrc location={} ! wavparse ! head.voice",
                film.display(),
                wav.display()
            )
        }
    });
    let pictures = pictures(&pipeline);
    // Nothing can be sought before the first picture is there.
    pipeline.go(gst::State::Playing).unwrap_or_else(|e| panic!("{e}"));
    let mut index = 0;
    repeat(count, || {
        index += 1;
        let place = FRAME * (index * 37 % 150);
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        while pictures.try_recv().is_ok() {}
        // Messages that nobody takes from the bus would look like a leak.
        if let Some(error) = pipeline.error() {
            println!("{error}");
            return false;
        }
        pipeline.object().seek_simple(flags, place).is_ok() && pictures.recv_timeout(PATIENCE).is_ok()
    })
}

/// Tells of every picture that comes to the sink.
fn pictures(pipeline: &Pipeline) -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    let pad = pipeline.element("out").static_pad("sink").expect("a sink has a sink pad");
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        // Nobody may listen any more.
        let _ = sender.send(());
        gst::PadProbeReturn::Ok
    });
    receiver
}

fn repeat(count: u64, mut once: impl FnMut() -> bool) -> bool {
    let mut settled: Option<Held> = None;
    let tenth = (count / 10).max(1);
    for index in 1..=count {
        if !once() {
            println!("no picture in round {index}");
            return false;
        }
        if index % tenth == 0 {
            let held = Held::now();
            held.print(&format!("after {index}"));
            settled = settled.or(Some(held));
        }
    }
    let held = Held::now();
    settled.is_none_or(|before| held.holds_as_much_as(before) && held.kib - before.kib < MAX_GROWTH_KIB)
}
