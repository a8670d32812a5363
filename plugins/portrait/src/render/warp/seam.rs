// SPDX-License-Identifier: MIT OR Apache-2.0
//! The line at which the lids of a large eye meet, finer than the grid of its flow.
//!
//! Across that line the flow jumps from the one lid's skin to the other's. On the grid the jump is as wide as a cell and shows
//! the whole eye within: a narrow streak, which the painter covers in people's eyes. It knows no eyes of drawings and paints
//! rings and streaks over their lids, so that there the lids have to meet by themselves: each has its own flow, and each pixel
//! takes that of its side.

use multiversion::multiversion;

use super::math::bilinear;
use super::paint::{self, Run};
use super::patch::Frame;
use super::points::Point;

/// Columns of the line across the patch.
const COLUMNS: usize = 64;

/// Half the height of the change from one lid to the other, patch units: less than a pixel in all.
const SOFT: f32 = 0.005;

/// Half the height of a slit that counts as shut, patch units: a blink leaves so much, in which the whole eye would be squeezed to
/// a row of dashes.
const SLIT: f32 = 0.03;

/// The line of one frame.
#[derive(Clone, Debug)]
pub struct Seam {
    /// The displacement of the lower lid, as the frame's flow is that of the upper one.
    pub lower: Vec<[f32; 2]>,
    /// Whether the lids are moved in this frame.
    pub shown: bool,
    /// Middle between the lids at each column, and half of the way between them; patch units.
    line: [f32; COLUMNS],
    half: [f32; COLUMNS],
}

impl Seam {
    /// One for a flow of so many cells a side.
    pub fn new(side: usize) -> Self {
        let lower = vec![[0.0; 2]; side * side];
        Self { lower, shown: false, line: [0.0; COLUMNS], half: [0.0; COLUMNS] }
    }

    /// Takes the rims of the lids in patch units, both from corner to corner.
    pub fn pose(&mut self, rims: [impl Iterator<Item = Point>; 2]) {
        let [upper, lower] = rims;
        let mut middles = [[0.0; 3]; 16];
        let mut count = 0;
        for (place, (a, b)) in middles.iter_mut().zip(upper.zip(lower)) {
            *place = [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0, (b[1] - a[1]).max(0.0) / 2.0];
            count += 1;
        }
        let middles = &mut middles[..count];
        middles.sort_by(|a, b| a[0].total_cmp(&b[0]));
        for (k, (line, half)) in self.line.iter_mut().zip(&mut self.half).enumerate() {
            let x = (k as f32 + 0.5) / COLUMNS as f32 * 2.0 - 1.0;
            let right = middles.partition_point(|p| p[0] <= x).min(count.max(1) - 1);
            let (Some(a), Some(b)) = (middles.get(right.max(1) - 1), middles.get(right)) else { continue };
            let share = ((x - a[0]) / (b[0] - a[0]).max(1e-6)).clamp(0.0, 1.0);
            [*line, *half] = [1, 2].map(|i| a[i] + (b[i] - a[i]) * share);
        }
    }

    /// How much of a place belongs to the lower lid.
    #[inline(always)]
    fn below(&self, x: f32, y: f32) -> f32 {
        let column = ((x + 1.0) * 0.5 * COLUMNS as f32 - 0.5).clamp(0.0, (COLUMNS - 1) as f32);
        let (a, share) = (column as usize, column.fract());
        let b = (a + 1).min(COLUMNS - 1);
        let line = self.line[a] + (self.line[b] - self.line[a]) * share;
        let half = self.half[a] + (self.half[b] - self.half[a]) * share;
        let half = (half - SLIT).max(0.0) + SOFT;
        (0.5 + (y - line) / (2.0 * half)).clamp(0.0, 1.0)
    }
}

/// [`paint::flow`] of lids that meet at a line.
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
pub fn flow(
    frame: &Frame,
    seam: &Seam,
    run: Run,
    scale: [f32; 2],
    turned: f32,
    flow: [&mut [f32]; 2],
    seen: [&mut [f32]; 2],
) {
    let n = frame.half as f32 / 2.0;
    paint::flow_of(frame, run, scale, turned, flow, seen, |upper, [x, y]| {
        let lower = bilinear(&seam.lower, frame.half, (x + 1.0) * n - 0.5, (y + 1.0) * n - 0.5);
        let below = seam.below(x, y);
        [0, 1].map(|k| upper[k] + (lower[k] - upper[k]) * below)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_the_line_is_the_upper_lid_and_below_it_the_lower_one() {
        let mut seam = Seam::new(32);
        // A closed eye whose line sags, given from right to left.
        let rim = || [[0.5, 0.0], [0.0, 0.2], [-0.5, 0.0]].into_iter();
        seam.pose([rim(), rim()]);
        for (x, line) in [(0.0, 0.2), (0.25, 0.1), (-0.25, 0.1), (0.9, 0.0)] {
            assert_eq!(seam.below(x, line - 0.03), 0.0, "{x}");
            assert_eq!(seam.below(x, line + 0.03), 1.0, "{x}");
        }
        // Nearly shut, as in a blink: nothing of the eye is left between them.
        seam.pose([[[-0.5, 0.0], [0.5, 0.0]].into_iter(), [[-0.5, 0.05], [0.5, 0.05]].into_iter()]);
        assert!(seam.below(0.0, 0.02) < 0.01 && seam.below(0.0, 0.03) > 0.99);
        // An open one: the one becomes the other on the way from rim to rim.
        seam.pose([[[-0.5, 0.0], [0.5, 0.0]].into_iter(), [[-0.5, 0.4], [0.5, 0.4]].into_iter()]);
        assert!((seam.below(0.0, 0.2) - 0.5).abs() < 1e-5);
        assert!(seam.below(0.0, 0.1) < 0.3 && seam.below(0.0, 0.3) > 0.7);
        seam.pose([[].into_iter(), [].into_iter()]);
    }
}
