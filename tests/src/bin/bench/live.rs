// SPDX-License-Identifier: MIT OR Apache-2.0
//! Latency of a live pipeline: from a sample at the microphone to the picture, raw and encoded.

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gst::prelude::*;
use portrait_tests::microphone::{self, CHUNK};
use portrait_tests::pipeline::Pipeline;
use portrait_tests::{FRAME, SAMPLE_RATE, machine, photo, samples};

/// The voice sets in at this running time.
const ONSET: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// Pictures of the first seconds are not counted: models warm up.
const WARM_UP: gst::ClockTime = gst::ClockTime::from_seconds(2);

/// Seconds from which on only the last two of the pipelines are measured, as they go on air.
const LONG: u64 = 120;

/// How far the lips open, in eye distances, before the mouth counts as moving.
const OPEN: f32 = 0.02;

/// A picture that arrived: its time, when, and how far the lips are open (encoded ones do not say).
#[derive(Clone, Copy)]
struct Arrival {
    pts: gst::ClockTime,
    at: gst::ClockTime,
    aperture: Option<f32>,
}

/// What goes on air.
const ENCODER: &str = "queue ! x264enc tune=zerolatency speed-preset=ultrafast";

pub fn measure(seconds: u64) -> String {
    let mut text = String::new();
    let ends = [
        ("picture", "quality", "video/x-raw"),
        ("picture, look-ahead=low", "low", "video/x-raw"),
        ("picture of x264enc, look-ahead=low", "low", ENCODER),
        ("picture of x264enc, look-ahead=minimal", "minimal", ENCODER),
    ];
    // Writing into a string does not fail.
    let _ = writeln!(text, "| measured live | value |\n| --- | ---: |");
    let _ = writeln!(text, "| machine | {} |", machine::describe());
    let _ = writeln!(text, "| load before | {} |", machine::load());
    // What goes on air, for long, or all of them.
    let chosen = if seconds > LONG { &ends[2..] } else { &ends[..] };
    for &(name, look_ahead, end) in chosen {
        eprintln!("measuring {seconds} s of the {name}");
        let _ = write!(text, "{}", one(name, look_ahead, end, gst::ClockTime::from_seconds(seconds)));
    }
    text
}

fn one(name: &str, look_ahead: &str, end: &str, length: gst::ClockTime) -> String {
    let pipeline = Pipeline::parse(&format!(
        "{} ! queue ! talkinghead name=head look-ahead={look_ahead} portrait={} ! {end} ! appsink name=out sync=false",
        microphone::launch(),
        photo()
    ));
    let arrivals = Arc::<Mutex<Vec<Arrival>>>::default();
    let seen = arrivals.clone();
    let sink: gst_app::AppSink = pipeline.element("out").downcast().expect("an appsink");
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let segment = sample.segment().and_then(|s| s.downcast_ref::<gst::ClockTime>().cloned());
                let pts = sample.buffer().and_then(|b| segment?.to_running_time(b.pts()));
                if let (Some(pts), Some(at), Ok(mut seen)) = (pts, sink.current_running_time(), seen.lock()) {
                    seen.push(Arrival { pts, at, aperture: sample.buffer().and_then(aperture) });
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    pipeline.play();
    let speech = samples::speech(0, SAMPLE_RATE * 9);
    let first = ONSET.nseconds() / microphone::CHUNK_TIME.nseconds();
    let loud = speech.iter().position(|s| s.abs() > 0.02).unwrap_or(0);
    let voice = move |n: u64| {
        let start =
            n.checked_sub(first).map(|n| n as usize * CHUNK + loud).filter(|s| s + CHUNK <= speech.len());
        Some(match start {
            Some(at) => speech[at..at + CHUNK].to_vec(),
            None => vec![0.0; CHUNK],
        })
    };
    let microphone = microphone::start(pipeline.object(), voice);
    std::thread::sleep(Duration::from(length));
    // Asked where the pictures come out: a sink that does not wait for the clock reports none.
    let mut query = gst::query::Latency::new();
    let pad = pipeline.element("out").static_pad("sink").expect("a sink has a sink pad");
    let reported = if pad.peer_query(&mut query) { query.result().1 } else { gst::ClockTime::ZERO };
    let stats: gst::Structure = pipeline.element("head").property("stats");
    drop(microphone);
    drop(pipeline);
    let arrivals = arrivals.lock().map(|seen| seen.clone()).unwrap_or_default();
    rows(name, &arrivals, reported, &stats)
}

/// Distance of the middles of the lips.
fn aperture(picture: &gst::BufferRef) -> Option<f32> {
    use gstportrait::stream::tensor::{FrameMeta, meta};
    let landmarks = meta::read(picture, FrameMeta::Landmarks)?.data;
    Some(landmarks.get(14 * 3 + 1)? - landmarks.get(13 * 3 + 1)?)
}

fn rows(name: &str, all: &[Arrival], reported: gst::ClockTime, stats: &gst::Structure) -> String {
    let ms = |time: gst::ClockTime| time.nseconds() as f64 / 1e6;
    let steady: Vec<&Arrival> = all.iter().filter(|a| a.pts >= WARM_UP).collect();
    let mut latencies: Vec<f64> = steady.iter().map(|a| ms(a.at.saturating_sub(a.pts))).collect();
    latencies.sort_by(f64::total_cmp);
    let at =
        |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    let worst = latencies.last().copied().unwrap_or(f64::NAN);
    let gaps = steady.windows(2).map(|w| ms(w[1].at.saturating_sub(w[0].at)));
    let missing = steady.windows(2).filter(|w| w[1].pts.saturating_sub(w[0].pts) > FRAME + FRAME / 2).count();
    let mut text = String::new();
    let mut row = |what: &str, value: String| {
        let _ = writeln!(text, "| {name}: {what} | {value} |");
    };
    row("latency reported", format!("{:.0} ms", ms(reported)));
    row(
        "latency measured, median / 99 % / most",
        format!("{:.0} / {:.0} / {worst:.0} ms", at(0.5), at(0.99)),
    );
    row("longest gap between two", format!("{:.0} ms", gaps.fold(0.0, f64::max)));
    row("count, dropped, left out", {
        let dropped: u64 = stats.get("dropped").unwrap_or_default();
        format!("{}, {dropped}, {missing}", all.len())
    });
    let took = |field: &str| stats.get::<f64>(field).unwrap_or(f64::NAN);
    row("all stages, average / most", format!("{:.1} / {:.1} ms", took("average-ms"), took("maximum-ms")));
    if let Some(open) = all.iter().find(|a| a.pts + FRAME > ONSET && a.aperture.is_some_and(|a| a > OPEN)) {
        row(
            "from the onset of the voice to a mouth that moves",
            format!("{:.0} ms", ms(open.at.saturating_sub(ONSET))),
        );
    }
    text
}
