// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command-line program `animate`: a whole film or none, and an end in any case.

use std::ffi::{CString, OsStr};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portrait_tests::{data, process, samples};

fn animate() -> Command {
    // …/target/debug/deps/THIS -> …/target/debug/animate
    let exe = std::env::current_exe().unwrap();
    process::command(exe.parent().unwrap().join("../animate"))
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Fails in one line, which is returned.
#[track_caller]
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("error: "), "{said}");
    said
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "no {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn kill(child: &Child, signal: i32) {
    // SAFETY: a plain system call; the child has not been waited for, so the number is still its own.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

fn fifo(path: &Path) {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a string that ends in zero.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

/// A failure names the recording, leaves nothing, and keeps the film that was there.
#[test]
fn after_an_error_the_old_film_is_there_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let films = dir.path().join("films");
    std::fs::create_dir(&films).unwrap();
    let film = films.join("film.mp4");
    std::fs::write(&film, "an older film").unwrap();
    let portrait = data("portrait-grace-hopper.jpg");
    let (empty, text) = (dir.path().join("empty.wav"), dir.path().join("text.mp3"));
    samples::write_speech(&empty, 0.0);
    std::fs::write(&text, "no sound ".repeat(1000)).unwrap();
    for (audio, expected) in [
        (empty.as_path(), "empty.wav: no audio came before the end of the stream"),
        (text.as_path(), "text.mp3: "),
        (portrait.as_path(), "there is no sound in it"),
    ] {
        let line = said(animate().arg(&portrait).arg(audio).arg("--output").arg(&film));
        assert!(line.contains(expected), "{line}");
        assert!(!line.contains("Internal data stream error"), "{line}");
        assert_eq!(names(&films), ["film.mp4"]);
        assert_eq!(std::fs::read(&film).unwrap(), b"an older film");
    }
}

/// A recording that stops to come: the pipeline stands still, and the element that gives nothing is named.
#[test]
fn a_pipeline_that_stands_still_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (wav, pipe, films) =
        (dir.path().join("speech.wav"), dir.path().join("pipe"), dir.path().join("films"));
    std::fs::create_dir(&films).unwrap();
    samples::write_speech(&wav, 1.0);
    fifo(&pipe);
    let bytes = std::fs::read(&wav).unwrap();
    let feed = pipe.clone();
    let writer = std::thread::spawn(move || {
        let mut pipe = std::fs::OpenOptions::new().write(true).open(feed).unwrap();
        pipe.write_all(&bytes[..20_000]).unwrap();
        // Open until the program has ended: the recording goes on, but nothing comes.
        pipe
    });
    let line = said(
        animate()
            .arg(data("portrait-grace-hopper.jpg"))
            .arg(&pipe)
            .args(["--patience", "3", "--output"])
            .arg(films.join("film.mp4")),
    );
    assert!(line.contains("nothing has moved for 3 s: filesrc"), "{line}");
    assert!(names(&films).is_empty(), "{:?}", names(&films));
    drop(writer.join().unwrap());
}

/// A recording that a pipe holds whole: who wrote it has gone before anything is read.
#[test]
fn a_short_recording_comes_through_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let (wav, pipe, film) =
        (dir.path().join("speech.wav"), dir.path().join("pipe"), dir.path().join("film.mp4"));
    samples::write_speech(&wav, 0.4);
    fifo(&pipe);
    let bytes = std::fs::read(&wav).unwrap();
    assert!(bytes.len() < 60_000, "more than a pipe holds");
    let feed = pipe.clone();
    let writer = std::thread::spawn(move || std::fs::write(feed, bytes).unwrap());
    let out = animate()
        .arg(data("portrait-grace-hopper.jpg"))
        .arg(&pipe)
        .arg("--output")
        .arg(&film)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    writer.join().unwrap();
    assert!(film.exists());
}

/// Who reads what the program says may stop to.
#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let (wav, table) = (dir.path().join("speech.wav"), dir.path().join("jobs.csv"));
    samples::write_speech(&wav, 0.2);
    let portrait = data("portrait-grace-hopper.jpg");
    let row = |i: usize| format!("{},{},film{i}.mp4\n", portrait.display(), wav.display());
    std::fs::write(&table, (0..2000).map(row).fold("photo,voice,output\n".to_owned(), |all, row| all + &row))
        .unwrap();
    let mut child = animate()
        .arg("--jobs")
        .arg(&table)
        .arg("--plan")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// Ctrl-C: no film, nothing half-done, and the shell sees by what the program ended.
#[test]
fn an_interrupted_program_leaves_nothing() {
    use std::os::unix::process::ExitStatusExt;
    let dir = tempfile::tempdir().unwrap();
    let film = dir.path().join("film.mp4");
    let exe = std::env::current_exe().unwrap();
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // Not under `timeout`: it would be the one that the signal ends.
        let mut command = Command::new(exe.parent().unwrap().join("../animate"));
        command.env("GST_PLUGIN_PATH", process::plugin_dir());
        command.arg(data("portrait-grace-hopper.jpg")).arg(data("speech-am_michael.wav"));
        let mut child =
            command.arg("--output").arg(&film).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for("unfinished film", || names(dir.path()).iter().any(|name| name.starts_with(".animate-")));
        kill(&child, signal);
        assert_eq!(child.wait().unwrap().signal(), Some(signal));
        assert!(names(dir.path()).is_empty(), "{:?}", names(dir.path()));
    }
}

#[test]
fn an_output_that_cannot_be_a_film_is_named_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let wav = dir.path().join("speech.wav");
    samples::write_speech(&wav, 0.2);
    let missing = dir.path().join("missing/film.mp4");
    for (output, expected) in [
        (OsStr::new("/dev/null"), "is no file"),
        (dir.path().as_os_str(), "is a folder"),
        (missing.as_os_str(), "missing/film.mp4"),
    ] {
        let mut command = animate();
        let line = said(command.arg(data("portrait-grace-hopper.jpg")).arg(&wav).arg("--output").arg(output));
        assert!(line.contains(expected), "{line}");
    }
    assert!(Path::new("/dev/null").exists());
}

/// What tells how a person talks is a film: what is none is named at once, and ends no process.
#[test]
fn a_reference_that_is_no_film_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let wav = dir.path().join("speech.wav");
    samples::write_speech(&wav, 0.5);
    let gif = dir.path().join("me.gif");
    std::fs::write(&gif, b"GIF89a\x01\0\x01\0\0\0\0;").unwrap();
    let photo = data("portrait-astronaut.png");
    for (reference, expected) in [(photo.as_path(), "(it is a photo)"), (&gif, "it is a GIF, whose pictures")]
    {
        let mut command = animate();
        command.arg(data("portrait-grace-hopper.jpg")).arg(&wav).arg("--reference").arg(reference);
        let said = said(command.arg("--output").arg(dir.path().join("film.mp4")));
        assert!(said.contains(expected) && said.contains("set `reference` to a video"), "{said}");
    }
}

/// Recorders of three or seven channels do not say where these are.
/// A WAV file of half a second and so many channels, with some bytes behind its last chunk.
fn wave(channels: u16, behind: &[u8]) -> Vec<u8> {
    let samples: Vec<u8> = (0..8000_i16)
        .flat_map(|i| std::iter::repeat_n(i.wrapping_mul(1237) / 4, channels.into()))
        .flat_map(i16::to_le_bytes)
        .collect();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + (samples.len() + behind.len()) as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    file.extend(channels.to_le_bytes());
    file.extend(16_000_u32.to_le_bytes());
    file.extend((16_000 * u32::from(channels) * 2).to_le_bytes());
    file.extend((channels * 2).to_le_bytes());
    file.extend(b"\x10\0data");
    file.extend((samples.len() as u32).to_le_bytes());
    file.extend(samples);
    file.extend(behind);
    file
}

#[test]
fn a_recording_of_channels_without_places_or_with_a_byte_behind_it_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    for (channels, behind) in [(7, &b""[..]), (1, b"\0"), (1, b"LIST\x04\0\0\0INFO\0\0\0")] {
        let (wav, film) = (dir.path().join("voice.wav"), dir.path().join("film.mp4"));
        std::fs::write(&wav, wave(channels, behind)).unwrap();
        let output = animate()
            .arg(data("portrait-grace-hopper.jpg"))
            .arg(&wav)
            .arg("--output")
            .arg(&film)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{channels} channels, {behind:?}: {said}");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(printed.contains("0.52 s in") || printed.contains("0.50 s in"), "{printed}");
    }
}
