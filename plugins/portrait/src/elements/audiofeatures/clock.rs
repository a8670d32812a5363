// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clocks of samples and frames, exact over hours.

use crate::stream::grid::FrameGrid;

/// Sample and frame clocks of a pack. Frame `n` spans `[n, n + 1) / fps` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameClock {
    /// Samples a second.
    pub rate: u32,
    /// Frames a second.
    pub fps: gst::Fraction,
}

impl FrameClock {
    /// First sample after frame `n`. Exact: nothing adds up over hours.
    pub fn frame_end(self, n: u64) -> u64 {
        let (num, den) = (self.fps.numer() as u128, self.fps.denom() as u128);
        ((u128::from(n) + 1) * u128::from(self.rate) * den / num) as u64
    }

    /// The frame that holds a sample.
    pub fn frame_of(self, sample: u64) -> u64 {
        let (num, den) = (self.fps.numer() as u128, self.fps.denom() as u128);
        let mut n = (u128::from(sample) * num / (u128::from(self.rate) * den)) as u64;
        // frame_end rounds down, so the quotient may be one short.
        while self.frame_end(n) <= sample {
            n += 1;
        }
        n
    }

    /// Start of frame `n`.
    pub fn frame_time(self, n: u64) -> gst::ClockTime {
        FrameGrid { rate: self.fps }.time(n)
    }

    /// Sample at a time, to the nearest.
    pub fn sample_at(self, time: gst::ClockTime) -> u64 {
        let second = u128::from(gst::ClockTime::SECOND.nseconds());
        ((u128::from(time.nseconds()) * u128::from(self.rate) + second / 2) / second) as u64
    }

    /// Length of a number of samples.
    pub fn duration_of(self, samples: u64) -> gst::ClockTime {
        let second = u128::from(gst::ClockTime::SECOND.nseconds());
        gst::ClockTime::from_nseconds((u128::from(samples) * second / u128::from(self.rate)) as u64)
    }
}
