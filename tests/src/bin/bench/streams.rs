// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many talking heads in one process: what they give together, and what each of them costs.

use std::fmt::Write;
use std::sync::mpsc;
use std::time::Instant;

use portrait_tests::pipeline::{Pipeline, Recording};
use portrait_tests::{FRAME, data, machine, photo};

/// A stream that takes longer than this for itself hangs.
const LONGEST: gst::ClockTime = gst::ClockTime::from_seconds(120);

/// Streams that speak at the same time, as fast as they can, each in its own pipeline.
pub fn measure(count: usize) -> String {
    let load = machine::load();
    let launch = format!(
        "filesrc location={} ! wavparse ! talkinghead portrait={} ! appsink name=out",
        data("speech-af_heart.wav").display(),
        photo()
    );
    // A stream whose first picture is there has all its memory.
    let start = || -> (Pipeline, Recording) {
        let pipeline = Pipeline::parse(&launch);
        let recording = pipeline.record("out");
        pipeline.go(gst::State::Paused).unwrap_or_else(|e| panic!("{e}"));
        (pipeline, recording)
    };
    let first = start();
    let alone = machine::status("VmRSS");
    let mut streams = vec![first];
    streams.extend((1..count).map(|_| start()));
    let together = machine::status("VmRSS");

    let (tell, done) = mpsc::channel();
    let (began, worked) = (Instant::now(), machine::processor_time());
    let limit = LONGEST * count as u64;
    // As long as all of them run: afterwards the last ones have the machine for themselves.
    let mut rates = Vec::new();
    std::thread::scope(|scope| {
        for (pipeline, _) in &streams {
            let tell = tell.clone();
            scope.spawn(move || {
                pipeline.run_within(limit).unwrap_or_else(|e| panic!("{e}"));
                // Only the first one is waited for.
                let _ = tell.send(());
            });
        }
        drop(tell);
        if done.recv().is_ok() {
            let seconds = began.elapsed().as_secs_f64();
            rates.extend(streams.iter().map(|(_, recording)| recording.frames().len() as f64 / seconds));
        }
    });
    let (wall, worked) = (began.elapsed().as_secs_f64(), machine::processor_time() - worked);
    let total: usize = streams.iter().map(|(_, recording)| recording.frames().len()).sum();
    let slowest = rates.iter().copied().fold(f64::MAX, f64::min);
    let fastest = rates.iter().copied().fold(0.0, f64::max);
    let mut text = String::new();
    let mut row = |what: &str, value: String| {
        // Writing into a string does not fail.
        let _ = writeln!(text, "| {what} | {value} |");
    };
    row("measured", "value".into());
    row("---", "---:".into());
    row("machine", machine::describe());
    row("streams", format!("{count}, {total} frames of 512x512"));
    let pace = total as f64 / wall;
    let real_time = FRAME.nseconds() as f64 / 1e9;
    row("all together", format!("{pace:.1} frames a second, {:.2} x real time", pace * real_time));
    row("slowest and fastest stream", format!("{slowest:.1} and {fastest:.1} frames a second"));
    row("slowest / fastest", format!("{:.2}", slowest / fastest));
    row("processor time", format!("{:.1} ms a frame", worked.as_secs_f64() * 1e3 / total as f64));
    row("load before", load);
    row("memory of the first stream, with models and photo", format!("{} MB", alone * 1024 / 1_000_000));
    if count > 1 {
        let each = (together as f64 - alone as f64) / (count - 1) as f64;
        row("memory of each further stream", format!("{:.1} MB", each * 1024.0 / 1e6));
    }
    text
}
