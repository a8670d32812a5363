// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stages of two packs, and packs that an element has no use for: the element that refuses says so, and what to set.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use gst::prelude::*;
use portrait_tests::mini::Mini;
use portrait_tests::pipeline::Pipeline;
use portrait_tests::{data, photo};

/// Written, and trusted before any test runs: the environment is the whole program's.
static PACKS: LazyLock<PathBuf> = LazyLock::new(|| {
    /// Nothing that is static is dropped.
    extern "C" fn remove() {
        let _ = std::fs::remove_dir_all(&*PACKS);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mixed-{}", std::process::id()));
    let packs = [("mini", Mini::default()), ("coefficients", Mini::coefficients())];
    let digests = packs.map(|(name, pack)| pack.write(&folder, name).1);
    // SAFETY: all tests of this program wait here first, so no other thread reads or writes the environment now; the function
    // takes and gives nothing.
    unsafe {
        std::env::set_var("GST_PORTRAIT_TRUSTED_PACKS", digests.join(":"));
        libc::atexit(remove);
    }
    folder
});

/// A launch line: `MINI` and `COEFFICIENTS` stand for the packs, `VIDEO` and `VOICE` for what is seen and heard, `SYNTH` for a
/// `facesynth` with a photo.
fn line(text: &str) -> String {
    let pack = |name: &str| format!("model-pack={}", PACKS.join(name).display());
    let video = format!(
        "filesrc location={} ! pngdec ! videoconvert ! imagefreeze num-buffers=10 ! video/x-raw,framerate=25/1",
        data("portrait-astronaut.png").display()
    );
    let voice = format!(
        "filesrc location={} ! wavparse ! audioconvert ! audioresample",
        data("speech-af_heart.wav").display()
    );
    text.replace("MINI", &pack("mini"))
        .replace("COEFFICIENTS", &pack("coefficients"))
        .replace("VIDEO", &video)
        .replace("VOICE", &voice)
        .replace("SYNTH", &format!("facesynth name=facesynth0 portrait={}", photo()))
}

/// The first error of a pipeline: whose it is, and what it says.
fn first_error(text: &str) -> (String, String) {
    let pipeline = Pipeline::parse(&line(text));
    let _ = pipeline.object().set_state(gst::State::Playing);
    let kinds = [gst::MessageType::Error, gst::MessageType::Eos];
    let message =
        pipeline.object().bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &kinds);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => {
            let source = error.src().map_or_else(String::new, |source| source.name().to_string());
            (source, error.error().message().to_owned())
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn stages_of_two_packs_are_an_error_of_the_one_that_refuses() {
    // The line, who refuses, whose property is to be set, and to what.
    let cases = [
        (
            "VOICE ! talkinghead name=head MINI portrait=PHOTO ! fakesink VIDEO ! facelandmarks name=face ! head.pose",
            ("landmarks2latents", "face", "mini"),
        ),
        (
            "VOICE ! talkinghead name=head portrait=PHOTO ! fakesink VIDEO ! facelandmarks name=face MINI ! queue ! head.pose",
            ("landmarks2latents", "face", "mini"),
        ),
        (
            "VIDEO ! facelandmarks name=face ! landmarks2latents name=l MINI ! SYNTH MINI ! fakesink",
            ("l", "face", "mini"),
        ),
        (
            "VOICE ! audiofeatures ! speech2landmarks name=s ! queue ! capsfilter ! landmarks2latents name=l MINI ! SYNTH MINI ! fakesink",
            ("l", "s", "mini"),
        ),
        (
            "VOICE ! audiofeatures name=a ! tee name=t ! queue ! speech2landmarks ! fakesink \
             t. ! queue ! speech2landmarks name=s MINI ! fakesink",
            ("s", "a", "mini"),
        ),
        ("VIDEO ! face2latents name=f MINI ! SYNTH ! fakesink", ("facesynth0", "facesynth0", "mini")),
        (
            "VOICE ! audiofeatures COEFFICIENTS ! speech2landmarks name=s COEFFICIENTS ! m.voice \
             VIDEO ! videoconvert ! facetracker ! mouthdub name=m ! fakesink",
            ("m", "s", "coefficients"),
        ),
    ];
    for (text, (refuses, whose, pack)) in cases {
        let (source, error) = first_error(&text.replace("PHOTO", &photo()));
        assert_eq!(source, refuses, "{text}: {error}");
        assert!(error.contains(" lite/") && error.contains(&format!(" {pack}/")), "{text}: {error}");
        assert!(error.contains(&format!("set model-pack of {whose} too")), "{text}: {error}");
    }
}

#[test]
fn a_pack_that_takes_no_face_on_the_main_pad_says_where_it_takes_one() {
    let (source, error) = first_error(
        "VIDEO ! facelandmarks COEFFICIENTS ! landmarks2latents name=l COEFFICIENTS ! SYNTH COEFFICIENTS ! fakesink",
    );
    assert_eq!(source, "l", "{error}");
    assert!(error.contains("takes no face") && error.contains("request pad `pose`"), "{error}");
}

#[test]
fn a_pack_that_draws_whole_faces_dubs_nobody_and_says_so() {
    for dub in [
        "VIDEO ! videoconvert ! facetracker ! mouthdub MINI ! fakesink",
        "VIDEO ! videoconvert ! facedub MINI ! fakesink",
    ] {
        let (source, error) = first_error(dub);
        assert!(source.starts_with("mouth"), "{source}: {error}");
        assert!(error.contains("mini/") && error.contains("renderer neural"), "{error}");
        assert!(error.contains("leave `model-pack` at lite"), "{error}");
    }
}
