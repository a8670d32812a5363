// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scripts in `pipelines/` run as they stand, and so does the command-line program.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use portrait_tests::pipeline::{Pipeline, Recording};
use portrait_tests::{data, process, root, samples};

fn script(folder: &str) -> Command {
    process::command(root().join(format!("pipelines/{folder}/run.sh")))
}

fn speech(dir: &Path) -> String {
    let wav = dir.join("speech.wav");
    samples::write_speech(&wav, 1.0);
    wav.display().to_string()
}

#[track_caller]
fn assert_film(path: &Path) {
    let size = path.metadata().map_or(0, |m| m.len());
    assert!(size > 5_000, "{}: {size} bytes", path.display());
}

#[test]
fn file_to_mp4_writes_a_film() {
    let dir = tempfile::tempdir().unwrap();
    let film = dir.path().join("film with a space.mp4");
    process::run(
        script("file-to-mp4").env("SOURCE", speech(dir.path())).env("OUTPUT", &film).current_dir(dir.path()),
    );
    assert_film(&film);
}

/// A video of ten pictures, all of one face.
fn driving_video(path: &Path) {
    let line = format!(
        "filesrc location={} ! pngdec ! videoconvert ! imagefreeze num-buffers=10 \
         ! video/x-raw,format=I420,framerate=25/1 ! x264enc speed-preset=ultrafast ! mp4mux ! filesink location={}",
        data("portrait-astronaut.png").display(),
        path.display()
    );
    process::run(process::command("gst-launch-1.0").arg("--quiet").args(line.split_whitespace()));
}

#[test]
fn a_video_drives_the_photo() {
    let dir = tempfile::tempdir().unwrap();
    let (driver, film) = (dir.path().join("driver.mp4"), dir.path().join("film.mp4"));
    driving_video(&driver);
    process::run(
        script("video-drives-photo").env("SOURCE", &driver).env("OUTPUT", &film).current_dir(dir.path()),
    );
    assert_film(&film);
}

/// Running times of a film's pictures.
fn times_of_pictures(film: &Path) -> Vec<gst::ClockTime> {
    decoded(film).frames().iter().map(|frame| frame.pts.unwrap()).collect()
}

/// How the last picture's numbers mean colours.
fn colorimetry(film: &Path) -> String {
    decoded(film).caps().structure(0).unwrap().get("colorimetry").unwrap()
}

fn decoded(film: &Path) -> Recording {
    let pipeline = Pipeline::parse(&format!(
        "filesrc location={} ! decodebin ! video/x-raw ! appsink name=out",
        film.display()
    ));
    let recording = pipeline.record("out");
    pipeline.run().unwrap();
    recording
}

/// A film that is shorter than the voice goes to and fro until that is over: each picture has its own time.
#[test]
fn a_film_speaks_another_voice() {
    let dir = tempfile::tempdir().unwrap();
    let (driver, film) = (dir.path().join("driver.mp4"), dir.path().join("film.mp4"));
    driving_video(&driver);
    let voice = dir.path().join("voice.wav");
    // Seconds of the voice, and the pictures of as much: never less than the film's ten.
    for (seconds, pictures) in [(0.2, 10), (0.4, 10), (1.4, 35)] {
        samples::write_speech(&voice, seconds);
        process::run(
            script("dub")
                .env("FILM", &driver)
                .env("SOURCE", &voice)
                .env("OUTPUT", &film)
                .current_dir(dir.path()),
        );
        assert_film(&film);
        let times = times_of_pictures(&film);
        assert!(times.len().abs_diff(pictures) <= 1, "{seconds} s of a voice: {} pictures", times.len());
        for (n, time) in times.iter().enumerate() {
            assert!(time.nseconds().abs_diff(40_000_000 * n as u64) < 1_000_000, "{seconds} s: {times:?}");
        }
        // The pictures that come again have been JPEG pictures, whose numbers mean other colours.
        assert_eq!(colorimetry(&film), colorimetry(&driver), "{seconds} s");
    }
    assert!(tags(&film).contains("modified footage"));
}

/// What a film says of itself.
fn tags(film: &Path) -> String {
    let location = format!("location={}", film.display());
    let line = ["-t", "filesrc", &location, "!", "decodebin", "!", "fakesink"];
    let found = process::run(process::command("gst-launch-1.0").args(line));
    String::from_utf8_lossy(&found.stdout).into_owned()
}

/// A list tells whose mouth says the voice when; of those who are not there none.
#[test]
fn the_speakers_of_a_film_follow_a_list_of_times() {
    let dir = tempfile::tempdir().unwrap();
    let [driver, film, list] = ["driver.mp4", "film.mp4", "speakers.txt"].map(|name| dir.path().join(name));
    driving_video(&driver);
    let voice = speech(dir.path());
    let dub = |lines: &str| {
        std::fs::write(&list, lines).unwrap();
        let mut command = script("dub");
        command.env("FILM", &driver).env("SOURCE", &voice).env("SPEAKERS", &list).env("OUTPUT", &film);
        command
    };
    for (lines, drawn) in [("0.4 0.9 1\n0 0.4 2 # nobody\n", true), ("0 0.5 2\n0.5 1 3\n", false)] {
        process::run(&mut dub(lines));
        assert_eq!(tags(&film).contains("modified footage"), drawn, "{lines}");
        assert!(times_of_pictures(&film).len().abs_diff(25) <= 1, "{lines}");
    }
    for lines in ["0.4 0.2 left", "0 1", "from 0 left", ""] {
        let output = dub(lines).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.starts_with("error: "), "{lines}: {said}");
        assert!(said.lines().count() == 1 && said.contains("speakers.txt"), "{lines}: {said}");
    }
}

#[test]
fn a_clip_goes_to_and_fro_under_a_live_voice() {
    let dir = tempfile::tempdir().unwrap();
    let (clip, film) = (dir.path().join("clip.mp4"), dir.path().join("film.mkv"));
    driving_video(&clip);
    process::run(
        script("video-avatar")
            .env("CLIP", &clip)
            .env("SOURCE", speech(dir.path()))
            .env("OUTPUT", &film)
            .env("SECONDS_LONG", "4")
            .current_dir(dir.path()),
    );
    assert_film(&film);
    let times = times_of_pictures(&film);
    // How many there are is the machine's matter.
    assert!(!times.is_empty(), "no pictures");
    for (n, time) in times.iter().enumerate() {
        assert!(time.nseconds().abs_diff(40_000_000 * n as u64) < 2_000_000, "{times:?}");
    }
    assert_eq!(colorimetry(&film), colorimetry(&clip));
}

#[test]
fn a_file_is_played_live() {
    let dir = tempfile::tempdir().unwrap();
    let film = dir.path().join("film.mp4");
    process::run(
        script("microphone-live")
            .env("SOURCE", speech(dir.path()))
            .env("OUTPUT", &film)
            .current_dir(dir.path()),
    );
    assert_film(&film);
}

/// Eight heads at once: the least that shows the grid.
#[test]
fn eight_emotions_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let (wav, film) = (dir.path().join("short.wav"), dir.path().join("film.mp4"));
    samples::write_speech(&wav, 0.4);
    process::run(script("emotions").env("SOURCE", wav).env("OUTPUT", &film).env("SIZE", "128"));
    assert_film(&film);
}

#[test]
fn the_head_of_a_video_on_the_voice_of_a_recording() {
    let dir = tempfile::tempdir().unwrap();
    let film = dir.path().join("film.mp4");
    process::run(script("pose-transfer").env("SOURCE", speech(dir.path())).env("OUTPUT", &film));
    assert_film(&film);
}

#[test]
fn a_recorded_webcam_drives_the_head_of_a_speaking_photo() {
    let dir = tempfile::tempdir().unwrap();
    let (driver, film) = (dir.path().join("driver.mp4"), dir.path().join("film.mp4"));
    driving_video(&driver);
    for voice in [String::new(), speech(dir.path())] {
        process::run(
            script("webcam-drives-photo").env("SOURCE", &driver).env("VOICE", voice).env("OUTPUT", &film),
        );
        assert_film(&film);
        std::fs::remove_file(&film).unwrap();
    }
}

#[test]
fn landmarks_are_edited_in_rust() {
    let dir = tempfile::tempdir().unwrap();
    let film = dir.path().join("film.mp4");
    process::run(script("edit-landmarks-rust").env("SOURCE", speech(dir.path())).env("OUTPUT", &film));
    assert_film(&film);
}

/// The scripts in Python run as they stand, and what they change is seen in the film.
#[test]
fn landmarks_are_edited_and_properties_keyframed_in_python() {
    let dir = tempfile::tempdir().unwrap();
    let wav = speech(dir.path());
    for folder in ["edit-landmarks-python", "keyframes"] {
        let film = dir.path().join(format!("{folder}.mp4"));
        let mut run = process::command(root().join(format!("pipelines/{folder}/run.py")));
        let output = process::run(run.env("SOURCE", &wav).env("OUTPUT", &film));
        // An exception in a callback does not end the program.
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{folder}");
        assert_film(&film);
    }
}

fn animate() -> Command {
    // …/target/debug/deps/THIS -> …/target/debug/animate
    let exe = std::env::current_exe().unwrap();
    process::command(exe.parent().unwrap().join("../animate"))
}

/// A folder with two photos of somebody.
fn album(folder: &Path) -> PathBuf {
    let path = folder.join("album");
    std::fs::create_dir(&path).unwrap();
    for name in ["one.png", "two.png"] {
        std::fs::copy(data("portrait-astronaut.png"), path.join(name)).unwrap();
    }
    path
}

#[test]
fn animate_writes_a_film() {
    let dir = tempfile::tempdir().unwrap();
    let film = dir.path().join("film.mp4");
    let output = process::run(
        animate()
            .arg(data("portrait-grace-hopper.jpg"))
            .arg(speech(dir.path()))
            .arg("--portrait-open")
            .arg(data("portrait-astronaut.png"))
            .arg("--reference")
            .arg(album(dir.path()))
            .args(["--emotion", "happy", "--emotion-intensity", "0.5", "--framing", "full", "--output"])
            .arg(&film),
    );
    assert_film(&film);
    assert!(String::from_utf8_lossy(&output.stdout).contains("film.mp4"));
}

#[test]
fn animate_says_in_one_line_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("photo.png");
    std::fs::write(&text, "no picture").unwrap();
    let wav = speech(dir.path());
    let missing = dir.path().join("missing.wav");
    let portrait = data("portrait-grace-hopper.jpg");
    let [open, film, one] = ["open.jpg", "clip.mp4", "one"].map(|name| dir.path().join(name));
    std::fs::create_dir(&one).unwrap();
    std::fs::copy(&portrait, one.join("alone.jpg")).unwrap();
    for (photo, audio, more, named) in [
        (text.as_path(), wav.as_ref(), None, "photo.png"),
        (portrait.as_path(), missing.as_os_str(), None, "missing.wav"),
        (portrait.as_path(), wav.as_ref(), Some(("--portrait-open", &open)), "open.jpg"),
        (portrait.as_path(), wav.as_ref(), Some(("--reference", &film)), "clip.mp4"),
        (portrait.as_path(), wav.as_ref(), Some(("--reference", &one)), "holds 1 photos"),
    ] {
        let more = more.iter().flat_map(|(option, path)| [OsStr::new(*option), path.as_os_str()]);
        let output = animate().arg(photo).arg(audio).args(more).current_dir(dir.path()).output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        assert!(said.starts_with("error: ") && said.contains(named), "{said}");
    }
}
