// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a picture of another pack takes, beside the convolutions of a full-size generator: for packs whose pictures take
//! seconds on a CPU.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use portrait_tests::pipeline::{Pipeline, Recording};
use portrait_tests::{machine, photo, samples};

use crate::yardstick;

/// A pack that takes longer for its few pictures hangs.
const LONGEST: gst::ClockTime = gst::ClockTime::from_seconds(1800);

/// The stages of `talkinghead`, in the order of the data.
const STAGES: [&str; 4] = ["audiofeatures", "speech2landmarks", "landmarks2latents", "facesynth"];

/// One run of `talkinghead`.
struct Played {
    pictures: usize,
    /// From PLAYING to the first picture: networks are read, the photo is looked at, one picture is drawn.
    first: Duration,
    /// Milliseconds a frame of each stage.
    ms: [f64; STAGES.len()],
    precision: String,
}

/// A table of a pack: so many pictures are drawn by one thread, and by as many as there are cores.
///
/// # Errors
/// Where the pack cannot be opened or a pipeline fails.
pub fn measure(pack: &Path, pictures: u64) -> Result<String, String> {
    let dir = tempfile::tempdir().map_err(|e| format!("cannot make a folder: {e}"))?;
    let wav = dir.path().join("speech.wav");
    samples::write_speech(&wav, pictures as f64 * 0.04);
    let load = machine::load();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let play = |threads: usize| {
        eprintln!("measuring {pictures} pictures, num-threads={threads}");
        play(&wav, pack, threads)
    };
    // First, because peak memory is the process's.
    let alone = play(1)?;
    let peak = machine::status("VmHWM");
    let together = play(cores)?;
    eprintln!("measuring {} GMAC of convolutions", yardstick::GMAC);
    let pass = yardstick::measure();

    let mut text = String::new();
    let mut row = |what: &str, value: String| {
        // Writing into a string does not fail.
        let _ = writeln!(text, "| {what} | {value} |");
    };
    row("measured", "value".into());
    row("---", "---:".into());
    row("machine", machine::describe());
    row("load before", load);
    row("pictures of 512x512, as often", alone.pictures.to_string());
    row("facesynth computes in", alone.precision);
    row("first picture after PLAYING, 1 thread", format!("{:.1} s", alone.first.as_secs_f64()));
    row("peak resident memory, one stream", format!("{} MB", peak * 1024 / 1_000_000));
    for (stage, ms) in STAGES.iter().zip(alone.ms).take(3) {
        row(&format!("{stage}, 1 thread"), format!("{ms:.1} ms a frame"));
    }
    for (threads, ms) in [(1, alone.ms[3]), (cores, together.ms[3])] {
        row(&format!("facesynth, {threads} threads"), format!("{ms:.0} ms a picture"));
    }
    row(
        &format!("{} GMAC of convolutions, {} threads", yardstick::GMAC, pass.threads),
        format!("{:.0} ms ({:.0} GMAC/s)", pass.ms, yardstick::GMAC as f64 / pass.ms * 1e3),
    );
    row(&format!("facesynth, {cores} threads / that pass"), format!("{:.2}", together.ms[3] / pass.ms));
    Ok(text)
}

/// Plays a voice through `talkinghead` with that pack, as square pictures of 512.
fn play(wav: &Path, pack: &Path, threads: usize) -> Result<Played, String> {
    let pipeline = Pipeline::parse(&format!(
        "filesrc location={} ! wavparse ! talkinghead name=head model-pack={}/ portrait={} num-threads={threads} \
         ! video/x-raw,format=I420,width=512,height=512 ! appsink name=out",
        wav.display(),
        pack.display(),
        photo()
    ));
    let recording: Recording = pipeline.record("out");
    let seen = crate::whole::Seen::of(&pipeline.element("head"));
    let start = Instant::now();
    pipeline.run_within(LONGEST)?;
    let (_, first) = seen.tell().ok_or("no picture was drawn")?;
    let stats: gst::Structure = gst::prelude::ObjectExt::property(&pipeline.element("head"), "stats");
    let of = |stage: &str| stats.get::<gst::Structure>(stage).ok();
    let ms = STAGES.map(|stage| of(stage).and_then(|s| s.get("average-ms").ok()).unwrap_or(f64::NAN));
    let precision = of("facesynth").and_then(|s| s.get("precision").ok()).unwrap_or_default();
    Ok(Played { pictures: recording.frames().len(), first: first - start, ms, precision })
}
