// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pack's front end, apart from the stream: nobody who asks the element about the stream waits for a network.

use std::sync::Arc;

use crate::pack::{PackError, SAMPLE_RATE, Stage};

/// Samples over which a level is taken: about a frame.
const LEVEL_SAMPLES: usize = SAMPLE_RATE as usize / 25;

/// Level of silence in dB below full scale: that of the last bit of 24.
const SILENCE_DB: f32 = -140.0;

/// The network that turns windows into features.
pub struct Engine {
    stage: Arc<Stage>,
    /// Samples of a window, numbers of a frame's features.
    window: usize,
    numbers: usize,
    /// As many windows as the network takes at once, and their features, reused.
    windows: Vec<f32>,
    features: Vec<f32>,
}

impl Engine {
    /// An engine for windows of so many samples.
    pub fn new(stage: Arc<Stage>, window: usize, numbers: usize) -> Self {
        let frames = stage.group();
        let (windows, features) = (vec![0.0; frames * window], vec![0.0; frames * numbers]);
        Self { stage, window, numbers, windows, features }
    }

    /// What the network computes in.
    pub fn precision(&self) -> &'static str {
        self.stage.precision()
    }

    /// The windows to be filled.
    pub fn windows(&mut self) -> std::slice::ChunksExactMut<'_, f32> {
        self.windows.chunks_exact_mut(self.window)
    }

    /// Computes the features of the first windows, so many; a frame's numbers each.
    pub fn run(&mut self, frames: usize) -> Result<std::slice::ChunksExact<'_, f32>, PackError> {
        let input = self.stage.input_frames(0, &self.windows[..frames * self.window])?;
        let [output] = self.stage.run_for(&[input])?;
        let features = &mut self.features[..frames * self.numbers];
        self.stage.read(&output, features)?;
        Ok(features.chunks_exact(self.numbers))
    }
}

/// Level of a frame, and the highest in its look-ahead, in dB below full scale; the window reaches `beyond` samples beyond
/// the frame.
pub fn loudness(window: &[f32], beyond: usize) -> [f32; 2] {
    let (heard, ahead) = window.split_at(window.len().saturating_sub(beyond));
    let own = level(&heard[heard.len().saturating_sub(LEVEL_SAMPLES)..]);
    let next = ahead.chunks(LEVEL_SAMPLES).map(level).fold(SILENCE_DB, f32::max);
    [own, next]
}

/// RMS of samples in dB below full scale.
fn level(samples: &[f32]) -> f32 {
    let sum: f32 = samples.iter().map(|s| s * s).sum();
    let level = 10.0 * (sum / samples.len().max(1) as f32).log10();
    if level.is_finite() { level.max(SILENCE_DB) } else { SILENCE_DB }
}
