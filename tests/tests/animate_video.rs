// SPDX-License-Identifier: MIT OR Apache-2.0
//! `animate --video`: films as people have them, whose person speaks another voice.

use std::path::{Path, PathBuf};
use std::process::Command;

use portrait_tests::pipeline::Pipeline;
use portrait_tests::{data, process, samples};

/// Size of the person's pictures, shown upright.
const SIZE: (i32, i32) = (240, 320);

/// Half a second of a person.
const PICTURES: u32 = 12;

fn animate(video: &Path, voice: &Path, output: &Path) -> Command {
    let exe = std::env::current_exe().unwrap();
    let mut command = process::command(exe.parent().unwrap().join("../animate"));
    command.arg("--video").arg(video).arg(voice).arg("--output").arg(output);
    command
}

struct Work {
    dir: tempfile::TempDir,
    voice: PathBuf,
}

impl Work {
    fn new() -> Self {
        portrait_tests::init();
        let dir = tempfile::tempdir().unwrap();
        let voice = dir.path().join("voice.wav");
        samples::write_speech(&voice, 0.5);
        Self { dir, voice }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A film of a person, turned as `videoflip` has it; a transport stream by its name.
    fn film(&self, name: &str, turn: &str) -> PathBuf {
        let file = self.path(name);
        let muxer = if name.ends_with(".ts") { "mpegtsmux" } else { "mp4mux" };
        let pipeline = Pipeline::parse(&format!(
            "filesrc location={} ! decodebin ! imagefreeze num-buffers={PICTURES} ! videoconvert ! videoscale \
             ! video/x-raw,format=I420,width={},height={},framerate=25/1,pixel-aspect-ratio=1/1 \
             ! videoflip video-direction={turn} ! x264enc ! {muxer} ! filesink location={}",
            data("portrait-grace-hopper.jpg").display(),
            SIZE.0,
            SIZE.1,
            file.display()
        ));
        pipeline.run().unwrap();
        file
    }

    /// What a video becomes: its size, and how many pictures it has.
    fn dubbed(&self, video: &Path) -> ((i32, i32), usize) {
        let film = self.path("film.mp4");
        let output = animate(video, &self.voice, &film).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let pipeline = Pipeline::parse(&format!(
            "filesrc location={} ! qtdemux ! avdec_h264 ! appsink name=out",
            film.display()
        ));
        let recording = pipeline.record("out");
        pipeline.run().unwrap();
        let caps = recording.caps();
        let size = |name: &str| caps.structure(0).unwrap().get::<i32>(name).unwrap();
        ((size("width"), size("height")), recording.frames().len())
    }
}

/// A telephone held upright: pictures lie on their side, and the file says how they are shown.
#[test]
fn a_film_that_is_shown_turned_comes_out_upright() {
    let work = Work::new();
    let lying = work.film("lying.mp4", "90l");
    // The track's matrix of 3x3 numbers, 16.16 and 2.30: shown turned by a quarter, clockwise.
    let matrix = |numbers: [i32; 9]| numbers.map(i32::to_be_bytes).concat();
    let one = 1 << 16;
    let (plain, turned) = (
        matrix([one, 0, 0, 0, one, 0, 0, 0, 1 << 30]),
        matrix([0, one, 0, -one, 0, 0, SIZE.0 << 16, 0, 1 << 30]),
    );
    let mut bytes = std::fs::read(&lying).unwrap();
    let track = bytes.windows(4).position(|word| word == b"tkhd").unwrap();
    let at = track + bytes[track..].windows(plain.len()).position(|word| word == plain).unwrap();
    bytes[at..at + turned.len()].copy_from_slice(&turned);
    std::fs::write(&lying, bytes).unwrap();
    assert_eq!(work.dubbed(&lying), (SIZE, PICTURES as usize));
}

/// The picture stands still then, which nobody would expect; all of the voice is there, also what queues cannot hold.
#[test]
fn a_voice_that_goes_on_behind_the_video_is_told_and_not_cut() {
    let work = Work::new();
    let video = work.film("clip.mp4", "identity");
    for (seconds, is_told) in [(0.5, false), (9.0, true)] {
        samples::write_speech(&work.voice, seconds);
        let film = work.path("film.mp4");
        let output = animate(&video, &work.voice, &film).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let warning = format!("clip.mp4 ends after 0.5 s, and the voice after {seconds:.1} s");
        assert_eq!(said.contains(&warning), is_told, "{said}");
        let pipeline = Pipeline::parse(&format!(
            "filesrc location={} ! qtdemux ! avdec_aac ! audioconvert ! audio/x-raw,format=S16LE ! appsink name=out",
            film.display()
        ));
        let recording = pipeline.record("out");
        pipeline.run().unwrap();
        let heard: u64 = recording.frames().iter().map(|frame| frame.duration.unwrap().useconds()).sum();
        assert!((heard as f64 / 1e6 - seconds).abs() < 0.2, "{heard} us of {seconds} s are in the film");
    }
}

/// The clock of a transport stream does not begin at nought.
#[test]
fn the_length_that_is_printed_is_the_films_whatever_the_videos_clock_says() {
    let work = Work::new();
    for name in ["clip.mp4", "clip.ts"] {
        let output =
            animate(&work.film(name, "identity"), &work.voice, &work.path("film.mp4")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let length = said.split(": ").nth(1).and_then(|rest| rest.split(" s in").next());
        let seconds: f64 =
            length.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name}: {said}"));
        assert!((seconds - 0.5).abs() < 0.07, "{name}: {said}");
    }
}

/// Elements that decode do not say of which file they speak: here there are two.
#[test]
fn what_is_no_video_is_named_itself_and_not_the_voice() {
    let work = Work::new();
    let write = |name: &str, bytes: &[u8]| {
        let file = work.path(name);
        std::fs::write(&file, bytes).unwrap();
        file
    };
    let photo = std::fs::read(data("portrait-grace-hopper.jpg")).unwrap();
    let whole = std::fs::read(work.film("whole.mp4", "identity")).unwrap();
    for (file, expected) in [
        (write("photo.mp4", &photo), "photo.mp4 is a photo: without --video it speaks"),
        (write("moves.mp4", b"GIF89a\x10\x00\x10\x00"), "moves.mp4 is a GIF"),
        (write("empty.mp4", b""), "empty.mp4: "),
        (write("text.mp4", "no video ".repeat(1000).as_bytes()), "text.mp4: "),
        (write("half.mp4", &whole[..whole.len() / 2]), "half.mp4: "),
        (write("sound.mp4", &std::fs::read(&work.voice).unwrap()), "sound.mp4: there are no pictures in it"),
    ] {
        let output = animate(&file, &work.voice, &work.path("film.mp4")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.starts_with("error: ") && said.contains(expected), "{said}");
        assert!(!said.contains("voice.wav"), "{said}");
    }
}

/// A film in which nobody is found comes out as it is, and the user is told.
#[test]
fn a_video_without_the_face_is_one_warning() {
    let work = Work::new();
    let nobody = work.path("nobody.mp4");
    let pipeline = Pipeline::parse(&format!(
        "videotestsrc num-buffers={PICTURES} ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 ! x264enc ! mp4mux \
         ! filesink location={}",
        nobody.display()
    ));
    pipeline.run().unwrap();
    let somebody = work.film("somebody.mp4", "identity");
    for (video, face, warned) in [
        (&nobody, "largest", Some("finds no face in the video: its pictures stay as they are")),
        (&somebody, "5", Some("finds no face 5 in the video, only 1 at")),
        (&somebody, "largest", None),
    ] {
        let mut command = animate(video, &work.voice, &work.path("film.mp4"));
        let output = command.args(["--face", face]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert_eq!(said.matches("warning: ").count(), usize::from(warned.is_some()), "{said}");
        assert!(warned.is_none_or(|words| said.contains(words)), "{said}");
    }
}
