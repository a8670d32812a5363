// SPDX-License-Identifier: MIT OR Apache-2.0
//! The plugin's file of the packages: with libtorch it has the elements, without it they say what is missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use portrait_tests::describe::ELEMENTS;
use portrait_tests::process;

/// Where cargo leaves libraries.
fn built(name: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let deps = exe.parent().unwrap();
    let newest = [deps.join(name), deps.join("..").join(name)]
        .into_iter()
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .max();
    newest.unwrap_or_else(|| panic!("cargo built no {name}")).1.canonicalize().unwrap()
}

/// A folder laid out as packages are, without the elements' library.
fn prefix() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["lib/gstreamer-1.0", "lib/gst-portrait/libtorch"] {
        std::fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    std::fs::copy(built("libgstportraitloader.so"), dir.path().join("lib/gstreamer-1.0/libgstportrait.so"))
        .unwrap();
    dir
}

fn command(dir: &Path, program: &str) -> Command {
    let mut command = process::command(program);
    command.env("GST_PLUGIN_PATH", dir.join("lib/gstreamer-1.0")).env("GST_REGISTRY", dir.join("registry"));
    command
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn without_their_library_elements_are_listed_and_with_it_they_are_found_again() {
    let dir = prefix();
    for name in ELEMENTS {
        let text = said(command(dir.path(), "gst-inspect-1.0").arg(name));
        assert!(text.contains("NOT USABLE HERE: libgstportrait-core.so is missing"), "{name}: {text}");
        assert!(text.contains("Pad Templates"), "{name}: {text}");
    }
    let line = "audiotestsrc num-buffers=1 ! talkinghead portrait=a.jpg emotion=happy gaze-yaw=5 blink=off ! fakesink";
    let text = said(command(dir.path(), "gst-launch-1.0").args(line.split_whitespace()));
    assert_eq!(text.matches("ERROR: from element").count(), 1, "{text}");
    assert!(text.contains("talkinghead cannot work: libgstportrait-core.so is missing: unpack"), "{text}");

    // The same registry notices that it came.
    std::os::unix::fs::symlink(
        built("libgstportrait.so"),
        dir.path().join("lib/gst-portrait/libgstportrait-core.so"),
    )
    .unwrap();
    let text = said(command(dir.path(), "gst-inspect-1.0").arg("talkinghead"));
    assert!(text.contains("GstTalkingHead\n") && !text.contains("NOT USABLE"), "{text}");
}

#[test]
fn a_library_that_cannot_be_loaded_says_why() {
    let dir = prefix();
    std::fs::write(dir.path().join("lib/gst-portrait/libgstportrait-core.so"), "no library").unwrap();
    let text = said(command(dir.path(), "gst-inspect-1.0").arg("facesynth"));
    assert!(text.contains("cannot be loaded (") && text.contains("file too short"), "{text}");
}
