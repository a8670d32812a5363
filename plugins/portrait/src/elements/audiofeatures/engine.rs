//! The pack's front end, apart from the stream: nobody who asks the element about the stream waits for a network.

use std::sync::Arc;

use crate::pack::{PackError, Stage};

/// The network that turns windows into features.
pub struct Engine {
    stage: Arc<Stage>,
    /// Samples of one window, reused.
    pub window: Vec<f32>,
    /// Numbers of one frame's features, reused.
    pub features: Vec<f32>,
}

impl Engine {
    /// An engine for windows of so many samples.
    pub fn new(stage: Arc<Stage>, window: usize, features: usize) -> Self {
        Self { stage, window: vec![0.0; window], features: vec![0.0; features] }
    }

    /// Computes the features of the window.
    pub fn run(&mut self) -> Result<(), PackError> {
        let [output] = self.stage.run_for(&[self.stage.input(0, &self.window)?])?;
        self.stage.read(&output, &mut self.features)
    }
}
