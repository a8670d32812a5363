// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same audio gives the same pictures, however it is cut into buffers.

use portrait_tests::pipeline::{Frame, Pipeline};
use portrait_tests::{FRAME, SAMPLE_RATE, SPEECH_CAPS, photo, samples};

/// A second and a bit more than half a frame.
const SAMPLES: usize = SAMPLE_RATE + 400;

fn frames(chain: &str, speech: &[f32], chunk: usize) -> Vec<Frame> {
    let pipeline = Pipeline::parse(&format!(
        "appsrc name=in format=time caps={SPEECH_CAPS} ! {chain} ! video/x-raw,format=RGB ! appsink name=out"
    ));
    let recording = pipeline.record("out");
    pipeline.play();
    pipeline.feed("in", speech, chunk);
    pipeline.wait_for(gst::MessageType::Eos).unwrap();
    recording.frames()
}

fn stages() -> String {
    format!("audiofeatures ! speech2landmarks ! landmarks2latents ! facesynth portrait={}", photo())
}

#[test]
fn buffers_of_any_size_give_the_same_pictures_bit_for_bit() {
    let speech = samples::speech(4000, SAMPLES);
    let whole = frames(&stages(), &speech, SAMPLES);
    // The last, begun frame is drawn too.
    assert_eq!(whole.len(), SAMPLES.div_ceil(640));
    for (index, frame) in (0u64..).zip(&whole) {
        assert_eq!(frame.pts, Some(FRAME * index), "frame {index}");
        assert_eq!(frame.duration, Some(FRAME), "frame {index}");
        assert_eq!(frame.size, 512 * 512 * 3, "frame {index}");
    }
    let distinct: std::collections::BTreeSet<u64> = whole.iter().map(|f| f.hash).collect();
    assert!(distinct.len() > whole.len() / 2, "the face hardly moves: {} pictures", distinct.len());

    for chunk in [160, 1000, 4096, 48_000] {
        assert_eq!(frames(&stages(), &speech, chunk), whole, "buffers of {chunk} samples");
    }
}

#[test]
fn the_bin_draws_what_its_stages_draw() {
    let speech = samples::speech(4000, SAMPLES);
    let bin = frames(&format!("talkinghead portrait={}", photo()), &speech, 1000);
    assert_eq!(bin, frames(&stages(), &speech, 1000));
}

/// They share models, the photo and the cores, of which there are fewer.
#[test]
fn streams_beside_each_other_draw_what_each_draws_alone() {
    let voice = |stream: usize| samples::speech(4000 * stream, SAMPLES);
    let chain = || format!("talkinghead portrait={}", photo());
    let count = 2 + std::thread::available_parallelism().map_or(1, usize::from);
    let together: Vec<Vec<Frame>> = std::thread::scope(|scope| {
        let streams: Vec<_> =
            (0..count).map(|stream| scope.spawn(move || frames(&chain(), &voice(stream), 1000))).collect();
        streams.into_iter().map(|stream| stream.join().unwrap()).collect()
    });
    for (stream, drawn) in [0, count - 1].map(|stream| (stream, &together[stream])) {
        assert_eq!(*drawn, frames(&chain(), &voice(stream), 1000), "stream {stream}");
    }
}

#[test]
fn queues_between_the_stages_change_nothing() {
    let speech = samples::speech(4000, SAMPLES / 2);
    let queued = stages().replace(" ! ", " ! queue ! ");
    assert_eq!(frames(&queued, &speech, 1000), frames(&stages(), &speech, 1000));
}

#[test]
fn another_seed_moves_the_head_differently_and_the_same_seed_does_not() {
    let speech = samples::speech(4000, SAMPLES);
    let with_seed =
        |seed: u32| frames(&format!("talkinghead portrait={} seed={seed}", photo()), &speech, 4096);
    assert_eq!(with_seed(7), with_seed(7));
    assert_ne!(with_seed(7), with_seed(8));
}
