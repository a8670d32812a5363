// SPDX-License-Identifier: MIT OR Apache-2.0
//! Edits landmarks in the stream: a pad probe behind `speech2landmarks` lifts the brows while the voice is loud.
//!
//! `edit-landmarks PHOTO RECORDING FILM.mp4`; see README.md.

// A command-line program speaks on its standard streams.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use anyhow::{Context, bail};
use gst::MessageView;
use gst::prelude::*;

/// Landmarks of MediaPipe's face mesh on both brows.
const BROWS: [usize; 20] =
    [46, 53, 52, 65, 55, 70, 63, 105, 66, 107, 276, 283, 282, 295, 285, 300, 293, 334, 296, 336];

/// How far the brows go up, in distances of the outer eye corners.
const LIFT: f32 = 0.12;

/// Mean of the audio features (log-mel) from which, and at which, the voice is loud.
const LOUD: (f32, f32) = (-7.0, -3.0);

const LAUNCH: &str = "filesrc name=source ! decodebin ! audioconvert ! audioresample \
    ! audiorate tolerance=3600000000000 ! tee name=t \
    t. ! queue ! talkinghead name=head ! videoconvert ! video/x-raw,format=I420 \
    ! queue ! x264enc speed-preset=veryfast ! queue ! mp4mux name=m ! filesink name=sink \
    t. ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! avenc_aac \
    ! identity drop-allocation=true ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! m.";

/// The audio features that ride on a buffer of landmarks.
fn features(buffer: &gst::BufferRef) -> Option<Vec<f32>> {
    let meta = gst::meta::CustomMeta::from_buffer(buffer, "PortraitAudioFeaturesMeta").ok()?;
    let payload = meta.structure().get::<gst::Buffer>("data").ok()?;
    let map = payload.map_readable().ok()?;
    Some(map.as_slice().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// Lifts the brows of a face. A landmark is three floats, x to the right, y down, z away from the camera.
fn lift_brows(buffer: &mut gst::BufferRef, smoothed: &mut f32) {
    let Some(features) = features(buffer) else { return };
    let mean = features.iter().sum::<f32>() / features.len().max(1) as f32;
    let loudness = ((mean - LOUD.0) / (LOUD.1 - LOUD.0)).clamp(0.0, 1.0);
    *smoothed += 0.2 * (loudness - *smoothed);
    let Ok(mut map) = buffer.map_writable() else { return };
    let (numbers, _) = map.as_mut_slice().as_chunks_mut::<4>();
    for index in BROWS {
        if let Some(y) = numbers.get_mut(3 * index + 1) {
            *y = (f32::from_le_bytes(*y) - LIFT * *smoothed).to_le_bytes();
        }
    }
}

/// Plays until the end of the recording, or until something goes wrong, and tells what.
fn play(pipeline: &gst::Pipeline, recording: &str) -> anyhow::Result<()> {
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    // Why it does not start is told on the bus.
    let patience = match pipeline.set_state(gst::State::Playing) {
        Ok(_) => gst::ClockTime::NONE,
        Err(_) => Some(gst::ClockTime::ZERO),
    };
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error, gst::MessageType::Warning];
    for message in bus.iter_timed_filtered(patience, &kinds) {
        let (error, debug, fatal) = match message.view() {
            MessageView::Eos(_) => return Ok(()),
            MessageView::Error(said) => (said.error(), said.debug().unwrap_or_default(), true),
            MessageView::Warning(said) => (said.error(), said.debug().unwrap_or_default(), false),
            _ => continue,
        };
        if error.matches(gst::ParseError::DelayedLink) || debug.contains("reason not-linked") {
            bail!("{recording} has no sound");
        }
        // Behind the place in the source stands what is to be told, such as a file's name.
        let detail = debug.split_once('\n').map(|(_, detail)| format!(" ({detail})")).unwrap_or_default();
        if fatal {
            bail!("{error}{detail}");
        }
        eprintln!("warning: {error}{detail}");
    }
    bail!("the pipeline does not start")
}

fn main() -> ExitCode {
    match run() {
        Ok(film) => println!("wrote {film}"),
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Writes the film, and returns its name.
fn run() -> anyhow::Result<String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [photo, recording, film] = arguments.as_slice() else {
        bail!("usage: edit-landmarks PHOTO RECORDING FILM.mp4");
    };
    gst::init()?;
    let pipeline = gst::parse::launch(LAUNCH)?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| anyhow::anyhow!("no pipeline"))?;
    let element = |name: &str| pipeline.by_name(name).with_context(|| format!("no element {name}"));
    element("source")?.set_property("location", recording);
    // Written beside its place, behind a link as well, and moved there when it is whole. What is no file, such as
    // /dev/null, cannot be replaced.
    let target = std::fs::canonicalize(film).unwrap_or_else(|_| film.into());
    let part = match target.file_name() {
        Some(name) if target.is_file() || !target.exists() => {
            target.with_file_name(format!(".{}.part", name.display()))
        }
        _ => target.clone(),
    };
    element("sink")?.set_property("location", part.to_str().context("the film's name is no text")?);
    let head = element("head")?;
    head.set_property("portrait", photo);

    // The stages of the bin have the names of their elements.
    let bin = head.downcast_ref::<gst::Bin>().context("talkinghead is no bin")?;
    let stage = bin.by_name("speech2landmarks").context("talkinghead has no speech2landmarks")?;
    let pad = stage.static_pad("src").context("speech2landmarks has no source pad")?;
    let smoothed = std::sync::Mutex::new(0.0f32);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut()
            && let Ok(mut smoothed) = smoothed.lock()
        {
            lift_brows(buffer.make_mut(), &mut smoothed);
        }
        gst::PadProbeReturn::Ok
    });

    let played = play(&pipeline, recording);
    pipeline.set_state(gst::State::Null)?;
    if let Err(error) = played {
        if part != target {
            // It may not have begun.
            let _ = std::fs::remove_file(&part);
        }
        bail!("{}", error.to_string().replace(&*part.to_string_lossy(), film));
    }
    if part != target {
        std::fs::rename(&part, &target).with_context(|| format!("cannot write {film}"))?;
    }
    Ok(film.clone())
}
