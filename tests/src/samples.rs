// SPDX-License-Identifier: MIT OR Apache-2.0
//! Short speech cut out of the bundled recordings.

use std::path::Path;

use crate::SAMPLE_RATE;

/// Offset of the samples in the bundled WAV files: they have the plain 44-byte header.
const WAV_HEADER: usize = 44;

/// `count` samples of the bundled speech from `start` on, in -1 to 1.
pub fn speech(start: usize, count: usize) -> Vec<f32> {
    let bytes = std::fs::read(crate::data("speech-af_heart.wav")).expect("the bundled speech is there");
    assert_eq!(&bytes[36..40], b"data", "a WAV file of another layout");
    let samples: Vec<f32> = bytes[WAV_HEADER..]
        .chunks_exact(2)
        .skip(start)
        .take(count)
        .map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0)
        .collect();
    assert_eq!(samples.len(), count, "the bundled speech is shorter");
    samples
}

/// The first `seconds` of the bundled speech as a 16-bit mono WAV file.
pub fn write_speech(path: &Path, seconds: f64) {
    let samples = speech(0, (seconds * SAMPLE_RATE as f64) as usize);
    let size = (samples.len() * 2) as u32;
    let rate = SAMPLE_RATE as u32;
    let mut bytes = Vec::with_capacity(WAV_HEADER + samples.len() * 2);
    bytes.extend(b"RIFF");
    bytes.extend((36 + size).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16u32.to_le_bytes());
    // PCM, one channel
    bytes.extend([1, 0, 1, 0]);
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * 2).to_le_bytes());
    bytes.extend([2, 0, 16, 0]);
    bytes.extend(b"data");
    bytes.extend(size.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|s| ((s * 32768.0) as i16).to_le_bytes()));
    std::fs::write(path, bytes).expect("a temporary file can be written");
}
