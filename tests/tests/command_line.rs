// SPDX-License-Identifier: MIT OR Apache-2.0
//! gst-launch-1.0 as users run it: nothing leaks, nothing is printed, errors are one clear message.

use std::path::Path;

use portrait_tests::{photo, process, samples};

fn launch(wav: &Path) -> std::process::Command {
    let mut command = process::command("gst-launch-1.0");
    command.args(["--quiet", "filesrc", &format!("location={}", wav.display()), "!", "wavparse", "!"]);
    command
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn speech(dir: &Path) -> std::path::PathBuf {
    let wav = dir.join("speech.wav");
    samples::write_speech(&wav, 0.5);
    wav
}

#[test]
fn no_object_outlives_the_pipeline() {
    let dir = tempfile::tempdir().unwrap();
    for chain in
        ["talkinghead", "audioconvert ! audiofeatures ! speech2landmarks ! landmarks2latents ! facesynth"]
    {
        let mut command = launch(&speech(dir.path()));
        command
            .args(words(chain))
            .arg(format!("portrait={}", photo()))
            .args(words("! videoconvert ! fakesink"));
        command.envs([("GST_TRACERS", "leaks"), ("GST_DEBUG", "GST_TRACER:7"), ("GST_DEBUG_NO_COLOR", "1")]);
        let log = String::from_utf8_lossy(&process::run(&mut command).stderr).into_owned();
        assert!(log.contains("GST_TRACER"), "the tracer did not run");
        let alive: Vec<&str> = log.lines().filter(|l| l.contains(":: object-alive,")).collect();
        assert!(alive.is_empty(), "{chain}:\n{}", alive.join("\n"));
    }
}

#[test]
fn nothing_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = launch(&speech(dir.path()));
    command.args(["talkinghead", &format!("portrait={}", photo()), "!", "fakesink"]);
    let output = process::run(command.env("GST_DEBUG", "0"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn no_critical_and_no_warning_of_glib() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = launch(&speech(dir.path()));
    command.args(["talkinghead", &format!("portrait={}", photo()), "!", "videoconvert", "!", "fakesink"]);
    process::run(command.env("G_DEBUG", "fatal-warnings"));
}

#[test]
fn a_photo_that_is_not_there_is_one_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = launch(&speech(dir.path()));
    let output =
        command.args(["talkinghead", "portrait=/no/such/photo.jpg", "!", "fakesink"]).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("/no/such/photo.jpg"), "{text}");
    assert_eq!(text.matches("ERROR: from element").count(), 1, "{text}");
    assert!(!text.contains("panicked"), "{text}");
}

/// Two people in one photo: a film of the chosen one, or one line that says who can be chosen.
#[test]
fn animate_takes_the_face_that_is_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let (wav, film, both) = (speech(dir.path()), dir.path().join("film.mp4"), dir.path().join("both.png"));
    // Pictures of 512 pixels side by side.
    let [left, right] = [portrait_tests::data("portrait-astronaut.png").display().to_string(), photo()];
    let source = |path: &str, decoder: &str| {
        format!(
            "filesrc location={path} ! {decoder} ! videoconvert ! videoscale add-borders=true \
                 ! video/x-raw,format=RGB,width=512,height=512 ! mix."
        )
    };
    let mut make = process::command("gst-launch-1.0");
    make.args([
        "--quiet",
        "compositor",
        "name=mix",
        "sink_1::xpos=512",
        "!",
        "videoconvert",
        "!",
        "pngenc",
        "!",
        "filesink",
    ]);
    make.arg(format!("location={}", both.display()));
    make.args(words(&source(&left, "pngdec"))).args(words(&source(&right, "jpegdec")));
    process::run(&mut make);

    // …/target/debug/deps/THIS -> …/target/debug/animate
    let exe = std::env::current_exe().unwrap();
    let animate = |face: &str| {
        let mut command = process::command(exe.parent().unwrap().join("../animate"));
        command.args([&both, &wav]).arg("--output").arg(&film).args(["--face", face]).output().unwrap()
    };
    let output = animate("2");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(film.metadata().unwrap().len() > 1000);
    for (face, named) in [("3", "there is no face 3"), ("middle", "--face middle"), ("0", "--face 0")] {
        let output = animate(face);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.trim_end().lines().count() == 1, "{said}");
        assert!(said.starts_with("error: ") && said.contains(named), "{said}");
    }
}

/// The muxer behind it would write a file that nothing plays.
#[test]
fn a_recording_without_a_sample_is_one_error() {
    let dir = tempfile::tempdir().unwrap();
    let wav = dir.path().join("empty.wav");
    samples::write_speech(&wav, 0.0);
    let mut command = launch(&wav);
    command.args(["talkinghead", &format!("portrait={}", photo())]);
    let output = command.args(words("! x264enc ! mp4mux ! fakesink")).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("the recording is empty"), "{text}");
    assert_eq!(text.matches("ERROR: from element").count(), 1, "{text}");
}
