//! Many talking heads in one process: what they give together, and what each of them costs.

use std::fmt::Write;
use std::sync::mpsc;
use std::time::Instant;

use portrait_tests::pipeline::{Pipeline, Recording};
use portrait_tests::{data, machine, photo};

/// Streams that speak at the same time, as fast as they can, each in its own pipeline.
pub fn measure(count: usize) -> String {
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
    let began = Instant::now();
    std::thread::scope(|scope| {
        for (pipeline, recording) in &streams {
            let tell = tell.clone();
            scope.spawn(move || {
                pipeline.run().unwrap_or_else(|e| panic!("{e}"));
                let rate = recording.frames().len() as f64 / began.elapsed().as_secs_f64();
                tell.send((recording.frames().len(), rate)).expect("the receiver waits for all");
            });
        }
    });
    let wall = began.elapsed().as_secs_f64();
    drop(tell);
    let results: Vec<(usize, f64)> = done.iter().collect();
    let total: usize = results.iter().map(|(frames, _)| frames).sum();
    let rates = || results.iter().map(|(_, rate)| *rate);
    let mut text = String::new();
    let mut row = |what: &str, value: String| {
        // Writing into a string does not fail.
        let _ = writeln!(text, "| {what} | {value} |");
    };
    row("measured", "value".into());
    row("---", "---:".into());
    row("machine", machine::describe());
    row("streams", format!("{count}, {total} frames of 512x512"));
    row("frames a second, all together", format!("{:.1}", total as f64 / wall));
    row("slowest stream", format!("{:.1}", rates().fold(f64::MAX, f64::min)));
    row("fastest stream", format!("{:.1}", rates().fold(0.0, f64::max)));
    row("memory of the first stream, with models and photo", format!("{} MB", alone * 1024 / 1_000_000));
    if count > 1 {
        let each = (together as f64 - alone as f64) / (count - 1) as f64;
        row("memory of each further stream", format!("{:.1} MB", each * 1024.0 / 1e6));
    }
    text
}
