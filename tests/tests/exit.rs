// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program that ends while it plays: streams go on while what libtorch needs is destroyed.

use std::process::Command;

use gst::prelude::*;
use portrait_tests::photo;
use portrait_tests::pipeline::Pipeline;

/// Moments of exits: each finds other networks at work.
const EXITS: [u64; 5] = [0, 3, 7, 20, 45];

/// After how many milliseconds of pictures to exit.
const AFTER: &str = "PORTRAIT_TEST_EXIT_MS";

#[test]
#[ignore = "ends its process: the test below runs it in one of its own"]
fn plays_and_exits() {
    let line = format!("audiotestsrc ! talkinghead portrait={} ! appsink name=sink sync=false", photo());
    let pipeline = Pipeline::parse(&line);
    let sink: gst_app::AppSink = pipeline.element("sink").downcast().unwrap();
    pipeline.object().set_state(gst::State::Playing).unwrap();
    sink.pull_sample().unwrap();
    let ms = std::env::var(AFTER).unwrap().parse().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(ms));
    std::process::exit(0);
}

#[test]
fn a_program_that_ends_while_it_plays_does_not_crash() {
    for ms in EXITS {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["plays_and_exits", "--exact", "--ignored"]).env(AFTER, ms.to_string());
        let ended = child.output().unwrap();
        assert!(ended.status.success(), "{ms} ms: {}", ended.status);
    }
}
