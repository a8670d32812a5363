// SPDX-License-Identifier: MIT OR Apache-2.0
//! A film in which a person speaks another voice: the photo, made to speak, is the film.
//!
//! Memory is a process's: what dubs has one of its own.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gst::prelude::*;
use portrait_tests::pipeline::Pipeline;
use portrait_tests::{FRAME, data, machine, photo};

use super::whole::Seen;

/// Stages of `facedub` whose time is told, each on the thread of its stream.
const STAGES: [&str; 3] = ["facetracker", "audiofeatures", "speech2landmarks"];

/// What it took.
pub struct Dub {
    /// Milliseconds a frame, of all stages.
    pub ms: f64,
    /// Times real time, with encoders.
    pub speed: f64,
    /// Most memory that the process had.
    pub peak_kib: u64,
}

/// Makes the film and lets a process of this program dub it.
pub fn measure() -> Result<Dub, String> {
    let dir = tempfile::tempdir().map_err(|e| format!("cannot make a folder: {e}"))?;
    let film = dir.path().join("film.mp4");
    Pipeline::parse(&format!(
        "filesrc location={} ! wavparse ! talkinghead portrait={} framing=full pose-mode=generated \
         ! video/x-raw,format=I420,width=1280,height=720 ! x264enc speed-preset=ultrafast ! mp4mux ! filesink location={}",
        data("speech-am_michael.wav").display(),
        photo(),
        film.display()
    ))
    .run()?;
    let program = std::env::current_exe().map_err(|e| format!("this program is not found: {e}"))?;
    let output = Command::new(program).arg("--dub").arg(&film).output();
    let output = output.map_err(|e| format!("cannot run this program: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    read(&text).ok_or_else(|| {
        format!("the film was not dubbed: {text}{}", String::from_utf8_lossy(&output.stderr).trim())
    })
}

/// Numbers that [`tell`] has written.
fn read(text: &str) -> Option<Dub> {
    let mut words = text.split_whitespace();
    let dub = Dub {
        ms: words.next()?.parse().ok()?,
        speed: words.next()?.parse().ok()?,
        peak_kib: words.next()?.parse().ok()?,
    };
    words.next().is_none().then_some(dub)
}

/// Dubs a film and writes the numbers for [`read`].
pub fn tell(film: &Path) -> Result<String, String> {
    let dir = tempfile::tempdir().map_err(|e| format!("cannot make a folder: {e}"))?;
    let voice = data("speech-af_heart.wav");
    let source = format!(
        "filesrc location={} ! decodebin ! videoconvert ! video/x-raw,format=I420 ! facedub name=dub silence=shut",
        film.display()
    );
    let (length, wall, _) = play(&format!(
        "{source} ! queue ! x264enc speed-preset=veryfast ! queue ! mp4mux name=m ! filesink location={}/dub.mp4 \
         filesrc location={} ! decodebin ! audioconvert ! audioresample ! tee name=t  t. ! queue ! dub.voice \
         t. ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! avenc_aac \
            ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! m.",
        dir.path().display(),
        voice.display(),
    ))?;
    let peak_kib = machine::status("VmHWM");
    // Alone, so that no encoder takes the cores.
    let (.., stats) = play(&format!(
        "{source} ! fakesink  filesrc location={} ! decodebin ! audioconvert ! audioresample ! dub.voice",
        voice.display()
    ))?;
    let took = |stats: &gst::Structure| stats.get::<f64>("average-ms").unwrap_or(f64::NAN);
    let stages = STAGES.iter().filter_map(|name| stats.get::<gst::Structure>(*name).ok());
    let ms = took(&stats) + stages.map(|stage| took(&stage)).sum::<f64>();
    Ok(format!("{ms} {} {peak_kib}", length.as_secs_f64() / wall.as_secs_f64()))
}

/// Plays to the end: how long the pictures are, how long it took from the first one, and what the element counted.
fn play(launch: &str) -> Result<(Duration, Duration, gst::Structure), String> {
    let pipeline = Pipeline::parse(launch);
    let dub = pipeline.element("dub");
    let seen = Seen::of(&dub);
    pipeline.run()?;
    let end = Instant::now();
    let (frames, first) = seen.tell().ok_or("no picture came out")?;
    Ok(((FRAME * frames).into(), end - first, dub.property("stats")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_what_an_error_says_is_not() {
        let dub = read("21.5 1.75 400000\n").unwrap();
        assert_eq!((dub.ms, dub.speed, dub.peak_kib), (21.5, 1.75, 400_000));
        assert!(read("error: no film").is_none() && read("1.0 2.0").is_none() && read("1 2 3 4").is_none());
    }
}
