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
    /// Samples of one window, reused.
    pub window: Vec<f32>,
    /// Numbers of one frame's features, reused.
    pub features: Vec<f32>,
    /// Level of the frame, and the highest in its look-ahead, in dB below full scale.
    pub loudness: [f32; 2],
}

impl Engine {
    /// An engine for windows of so many samples.
    pub fn new(stage: Arc<Stage>, window: usize, features: usize) -> Self {
        Self { stage, window: vec![0.0; window], features: vec![0.0; features], loudness: [SILENCE_DB; 2] }
    }

    /// What the network computes in.
    pub fn precision(&self) -> &'static str {
        self.stage.precision()
    }

    /// Takes the level of the window, which reaches `beyond` samples beyond its frame.
    pub fn measure(&mut self, beyond: usize) {
        let end = self.window.len().saturating_sub(beyond);
        let (heard, ahead) = self.window.split_at(end);
        let own = level(&heard[heard.len().saturating_sub(LEVEL_SAMPLES)..]);
        let next = ahead.chunks(LEVEL_SAMPLES).map(level).fold(SILENCE_DB, f32::max);
        self.loudness = [own, next];
    }

    /// Computes the features of the window.
    pub fn run(&mut self) -> Result<(), PackError> {
        let [output] = self.stage.run_for(&[self.stage.input(0, &self.window)?])?;
        self.stage.read(&output, &mut self.features)
    }
}

/// RMS of samples in dB below full scale.
fn level(samples: &[f32]) -> f32 {
    let sum: f32 = samples.iter().map(|s| s * s).sum();
    let level = 10.0 * (sum / samples.len().max(1) as f32).log10();
    if level.is_finite() { level.max(SILENCE_DB) } else { SILENCE_DB }
}
