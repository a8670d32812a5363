// SPDX-License-Identifier: MIT OR Apache-2.0
//! System packages: installed by apt on Debian and Ubuntu, named elsewhere.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::shell;

/// What is needed, by its Debian name, and what for.
const PACKAGES: [(&str, &str); 15] = [
    ("g++", "compiles the bindings of libtorch"),
    ("pkg-config", "finds GStreamer's libraries"),
    ("libgstreamer1.0-dev", "GStreamer's core"),
    ("libgstreamer-plugins-base1.0-dev", "audio and video libraries"),
    ("gstreamer1.0-tools", "gst-launch-1.0 and gst-inspect-1.0"),
    ("gstreamer1.0-plugins-base", "decodebin, audioconvert, videoconvert"),
    ("gstreamer1.0-plugins-good", "wavparse, mp4mux"),
    ("gstreamer1.0-plugins-bad", "h264parse, voaacenc"),
    ("gstreamer1.0-plugins-ugly", "x264enc"),
    ("gstreamer1.0-libav", "avenc_aac, avdec_h264"),
    ("libheif1", "photos in HEIC and AVIF"),
    ("python3-gi", "the test that reads metadata from Python"),
    ("gir1.2-gst-plugins-base-1.0", "the same"),
    ("python3-numpy", "the Python package"),
    ("meson", "the test of the installed plugin"),
];

/// What the tests of the live scenarios need on top: the programs at the other end, 600 MB where nothing is there yet.
const ON_AIR: [(&str, &str); 14] = [
    ("obs-studio", "shows the live head"),
    ("obs-plugins", "OBS's media source"),
    ("xvfb", "a display for OBS"),
    ("libgl1-mesa-dri", "OpenGL for OBS"),
    ("dbus", "a session for OBS and PipeWire"),
    ("python3-websocket", "drives OBS"),
    ("chromium", "shows the live head"),
    ("chromium-driver", "drives Chromium"),
    ("gstreamer1.0-nice", "webrtcbin's connections"),
    ("gir1.2-gst-plugins-bad-1.0", "webrtcbin from Python"),
    ("pipewire", "the camera of PipeWire"),
    ("wireplumber", "the same"),
    ("gstreamer1.0-pipewire", "the same"),
    ("gstreamer1.0-x", "textoverlay, for names"),
];

/// The programs among them, whose absence lets tests be skipped.
const ON_AIR_PROGRAMS: [&str; 7] =
    ["obs", "Xvfb", "dbus-run-session", "chromium", "chromedriver", "pipewire", "wireplumber"];

/// Downloads libtorch; any Python with pip does as well.
const PIP: (&str, &str) = ("python3-pip", "downloads libtorch");

/// What a machine without apt must show instead.
const PKG_CONFIG_MODULES: [&str; 4] =
    ["gstreamer-1.0 >= 1.22", "gstreamer-app-1.0", "gstreamer-check-1.0", "gstreamer-video-1.0"];
const PROGRAMS: [&str; 4] = ["c++", "pkg-config", "gst-launch-1.0", "gst-inspect-1.0"];
const ELEMENTS: [&str; 4] = ["decodebin", "x264enc", "avenc_aac", "mp4mux"];

/// Installs what is missing, after saying so; with `on_air` also the programs of the live scenarios' tests.
pub fn install_missing(on_air: bool) -> Result<()> {
    if shell::on_path("apt-get") && shell::on_path("dpkg-query") {
        install_by_apt(on_air)
    } else {
        check_by_hand()
    }
}

/// Programs of the live scenarios' tests that are not there.
pub fn missing_on_air() -> Vec<&'static str> {
    ON_AIR_PROGRAMS.into_iter().filter(|program| !shell::on_path(program)).collect()
}

fn install_by_apt(on_air: bool) -> Result<()> {
    let more = if on_air { &ON_AIR[..] } else { &[] };
    let mut missing: Vec<(&str, &str)> =
        PACKAGES.iter().chain(more).filter(|(name, _)| !is_installed(name)).copied().collect();
    if crate::wheels::python_with_pip().is_none() && !crate::libtorch::is_there() {
        missing.push(PIP);
    }
    if missing.is_empty() {
        return Ok(());
    }
    println!("These system packages are missing and will be installed by apt-get:");
    for (name, what_for) in &missing {
        println!("  {name:34} {what_for}");
    }
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    if !is_root() && !shell::on_path("sudo") {
        bail!("neither root nor sudo: have somebody run `apt-get install {}`", names.join(" "));
    }
    // A fresh image has no package lists at all, an old one has stale ones.
    shell::run(apt_get().arg("update"))?;
    shell::run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(&names))
}

fn is_installed(package: &str) -> bool {
    let output = Command::new("dpkg-query").args(["--show", "--showformat=${Status}", package]).output();
    output.is_ok_and(|o| o.stdout == b"install ok installed")
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0")
}

fn apt_get() -> Command {
    let mut command = if is_root() { Command::new("apt-get") } else { Command::new("sudo") };
    if !is_root() {
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    }
    command.env("DEBIAN_FRONTEND", "noninteractive");
    // Somebody else may be installing: a fresh machine's own updates, say.
    command.args(["-o", "DPkg::Lock::Timeout=300"]);
    command
}

fn check_by_hand() -> Result<()> {
    let mut missing: Vec<String> =
        PROGRAMS.iter().filter(|p| !shell::on_path(p)).map(|p| format!("the program {p}")).collect();
    for module in PKG_CONFIG_MODULES {
        if !shell::succeeds(Command::new("pkg-config").args(["--exists", module])) {
            missing.push(format!("the library {module} with its headers"));
        }
    }
    for element in ELEMENTS {
        if !shell::succeeds(Command::new("gst-inspect-1.0").args(["--exists", element])) {
            missing.push(format!("GStreamer's element {element}"));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let debian: Vec<&str> = PACKAGES.iter().map(|(name, _)| *name).collect();
    bail!(
        "this system{} has no apt-get, so install these by its own means: {}. On Debian they come from: {}",
        if Path::new("/etc/os-release").exists() { "" } else { " (no Linux?)" },
        missing.join(", "),
        debian.join(" ")
    )
}
