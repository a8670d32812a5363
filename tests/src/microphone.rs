// SPDX-License-Identifier: MIT OR Apache-2.0
//! A live voice without a sound card: samples come in at the pace of the pipeline's clock.

use crate::SAMPLE_RATE;
use crate::live::Live;

/// Samples in one buffer: 10 ms, as sound cards give them.
pub const CHUNK: usize = SAMPLE_RATE / 100;

/// Duration of one buffer, and the latency of this microphone.
pub const CHUNK_TIME: gst::ClockTime = gst::ClockTime::from_mseconds(10);

/// An appsrc as a microphone, as written into a launch line.
pub fn launch() -> String {
    format!(
        "appsrc name=microphone is-live=true format=time min-latency={} caps={}",
        CHUNK_TIME.nseconds(),
        crate::SPEECH_CAPS
    )
}

/// Feeds the appsrc of [`launch`] until it is dropped: chunk `n`, of 10 ms, holds what `voice(n)` gives.
pub fn start(
    pipeline: &gst::Pipeline,
    mut voice: impl FnMut(u64) -> Option<Vec<f32>> + Send + 'static,
) -> Live {
    Live::start(pipeline, "microphone", CHUNK_TIME, move |n| {
        let bytes: Vec<u8> = voice(n)?.iter().flat_map(|v| v.to_le_bytes()).collect();
        Some(gst::Buffer::from_mut_slice(bytes))
    })
}
