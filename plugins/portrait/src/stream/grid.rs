// SPDX-License-Identifier: MIT OR Apache-2.0
//! When the frames of a rate begin, exact over hours.

use gst::prelude::*;

/// The frames of a rate from zero on; frame `n` begins at `n / rate` seconds, rounded down to a nanosecond as GStreamer's video
/// elements do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameGrid {
    /// Frames a second; positive.
    pub rate: gst::Fraction,
}

impl FrameGrid {
    /// Frames and seconds of the rate.
    pub fn parts(self) -> (u64, u64) {
        (self.rate.numer() as u64, self.rate.denom() as u64)
    }

    /// When a frame begins.
    pub fn time(self, frame: u64) -> gst::ClockTime {
        let (frames, seconds) = self.parts();
        let time = gst::ClockTime::SECOND.nseconds().mul_div_floor(frame * seconds, frames);
        gst::ClockTime::from_nseconds(time.unwrap_or(u64::MAX / 2))
    }

    /// The frame that begins nearest to a time.
    pub fn nearest(self, time: gst::ClockTime) -> u64 {
        let (frames, seconds) = self.parts();
        time.nseconds().mul_div_round(frames, seconds * gst::ClockTime::SECOND.nseconds()).unwrap_or(0)
    }

    /// How long a frame lasts, to the nearest nanosecond.
    pub fn span(self) -> gst::ClockTime {
        let (frames, seconds) = self.parts();
        let span = gst::ClockTime::SECOND.nseconds().mul_div_round(seconds, frames);
        gst::ClockTime::from_nseconds(span.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_adds_up_over_a_day() {
        for (numer, denom) in [(25, 1), (30, 1), (24000, 1001), (60000, 1001), (240, 1)] {
            let grid = FrameGrid { rate: gst::Fraction::new(numer, denom) };
            let day = 86_400 * numer as u64 / denom as u64;
            for frame in [0, 1, 2, 3, 1000, day, day + 1] {
                let exact = u128::from(frame) * denom as u128 * 1_000_000_000 / numer as u128;
                assert_eq!(u128::from(grid.time(frame).nseconds()), exact, "{numer}/{denom} {frame}");
                assert_eq!(grid.nearest(grid.time(frame)), frame);
            }
            assert!(grid.span().nseconds().abs_diff(grid.time(1).nseconds()) <= 1);
        }
    }
}
