// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests across elements share; the tests themselves live in `tests/`.

pub mod describe;
pub mod golden;
pub mod live;
pub mod machine;
pub mod microphone;
pub mod mini;
pub mod pipeline;
pub mod process;
pub mod reference;
pub mod samples;

use std::path::{Path, PathBuf};
use std::sync::Once;

/// Caps of the audio that the pack takes as it is.
pub const SPEECH_CAPS: &str = "audio/x-raw,format=F32LE,rate=16000,channels=1,layout=interleaved";

/// Samples a second of [`SPEECH_CAPS`].
pub const SAMPLE_RATE: usize = 16_000;

/// Duration of a video frame at 25 frames a second.
pub const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

/// Starts GStreamer and registers the plugin from this very program, not from a shared object.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().expect("GStreamer starts");
        gstportrait::plugin_register_static().expect("the plugin registers");
    });
}

/// The root of the checkout.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// A bundled sample.
pub fn data(name: &str) -> PathBuf {
    root().join("tests/data").join(name)
}

/// The bundled photo that most tests animate, as written into a launch line.
pub fn photo() -> String {
    data("portrait-grace-hopper.jpg").display().to_string()
}
