// SPDX-License-Identifier: MIT OR Apache-2.0
//! The launch lines that the documents show can be run as they stand.

use std::path::{Path, PathBuf};

use portrait_tests::mini::Mini;
use portrait_tests::{data, process, root, samples};

/// Sinks that need a screen or a loudspeaker, and what stands for them here.
const SINKS: [(&str, &str); 2] = [("autovideosink", "fakesink"), ("autoaudiosink", "fakesink")];

/// Sources that need a device: lines with them are not run.
const DEVICES: [&str; 3] = ["autoaudiosrc", "v4l2src", "autovideosrc"];

/// Launch lines between two marks, continuation lines joined.
fn lines_between(text: &str, open: &str, close: &str) -> Vec<String> {
    let blocks = text.split(open).skip(1).filter_map(|rest| rest.split(close).next());
    blocks
        .map(|block| {
            let plain = block.lines().map(|l| l.trim_start().trim_start_matches("* ").trim_end_matches('\\'));
            plain.collect::<Vec<_>>().join(" ")
        })
        .filter(|line| line.contains("gst-launch-1.0 "))
        .filter_map(|line| line.find("gst-launch-1.0 ").map(|at| line[at..].trim().to_owned()))
        .collect()
}

/// The files that the lines name, two seconds each at most, and a pack in place of LivePortrait's; gives back the digest that is to
/// be trusted.
fn make_files(dir: &Path) -> String {
    std::fs::copy(data("portrait-grace-hopper.jpg"), dir.join("photo.jpg")).unwrap();
    std::fs::copy(data("portrait-astronaut.png"), dir.join("photo.png")).unwrap();
    for voice in ["speech.wav", "second.wav"] {
        samples::write_speech(&dir.join(voice), 1.0);
    }
    let line = "filesrc location=photo.png ! pngdec ! videoconvert ! imagefreeze num-buffers=10 \
                ! video/x-raw,format=I420,framerate=25/1 ! x264enc speed-preset=ultrafast ! mp4mux \
                ! filesink location=video.mp4";
    process::run(
        process::command("gst-launch-1.0").arg("--quiet").args(line.split_whitespace()).current_dir(dir),
    );
    for name in ["driver.mp4", "driving.mp4"] {
        std::fs::copy(dir.join("video.mp4"), dir.join(name)).unwrap();
    }
    Mini::default().write(dir, "liveportrait").1
}

fn try_lines(origin: &Path, lines: &[String]) {
    let dir = tempfile::tempdir().unwrap();
    let digest = make_files(dir.path());
    for line in lines {
        if DEVICES.iter().any(|device| line.contains(device)) {
            continue;
        }
        let line = SINKS.iter().fold(line.clone(), |line, (from, to)| line.replace(from, to));
        // As a reader does: pasted into a shell.
        let mut shell = process::command("bash");
        shell.env("GST_PORTRAIT_TRUSTED_PACKS", &digest);
        let output = shell.args(["-c", &line]).current_dir(dir.path()).output().unwrap();
        assert!(
            output.status.success(),
            "{}: {line}\n{}",
            origin.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

fn elements() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(root().join("plugins/portrait/src/elements")).unwrap();
    folders.map(|f| f.unwrap().path().join("imp.rs")).filter(|p| p.is_file()).collect()
}

#[test]
fn launch_lines_of_the_documents_run() {
    let docs = std::fs::read_dir(root().join("docs")).unwrap().map(|file| file.unwrap().path());
    let documents = docs.filter(|path| path.extension().is_some_and(|e| e == "md"));
    let mut found = 0;
    for path in documents.chain([root().join("README.md")]) {
        let lines = lines_between(&std::fs::read_to_string(&path).unwrap(), "```sh\n", "```");
        found += lines.len();
        try_lines(&path, &lines);
    }
    assert!(found > 0, "the documents show no launch line");
}

#[test]
fn launch_lines_of_the_elements_run() {
    let elements = elements();
    assert!(elements.len() >= 6, "{elements:?}");
    for path in elements {
        let text = std::fs::read_to_string(&path).unwrap();
        let docs = text.split("*/").next().unwrap_or_default();
        let mut lines = lines_between(docs, "|[", "]|");
        lines.extend(lines_between(docs, "```", "```"));
        assert!(!lines.is_empty(), "{} shows no launch line", path.display());
        try_lines(&path, &lines);
    }
}
