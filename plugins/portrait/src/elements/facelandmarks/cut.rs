// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cuts in a video: where the next frame shows something else.

use crate::face::find::RgbView;

/// Points of the grid that is compared.
const COLUMNS: usize = 64;
const ROWS: usize = 36;

/// Mean difference of the grid's grey levels (0 to 255) that is a cut in any video.
const SURE: f32 = 40.0;

/// The same that is one where it exceeds what was usual by so many times.
const LIKELY: f32 = 10.0;
const UNUSUAL: f32 = 5.0;

/// Share of the newest frame in what is usual.
const SHARE: f32 = 0.2;

/// Compares each frame with the one before.
#[derive(Debug, Default)]
pub struct Cuts {
    last: Vec<f32>,
    next: Vec<f32>,
    /// Mean difference between two frames of late.
    usual: f32,
}

impl Cuts {
    /// Forgets the last frame.
    pub fn reset(&mut self) {
        self.last.clear();
        self.usual = 0.0;
    }

    /// Whether this frame does not go on where the last one ended. The first one is none.
    pub fn is_cut(&mut self, view: &RgbView<'_>) -> bool {
        self.next.clear();
        for row in 0..ROWS {
            for column in 0..COLUMNS {
                let at = |i: usize, count: usize, length: usize| (2 * i + 1) * length / (2 * count);
                self.next.push(view.grey(at(column, COLUMNS, view.width()), at(row, ROWS, view.height())));
            }
        }
        let sum: f32 = self.last.iter().zip(&self.next).map(|(a, b)| (a - b).abs()).sum();
        let (first, way) = (self.last.is_empty(), sum / (COLUMNS * ROWS) as f32);
        std::mem::swap(&mut self.last, &mut self.next);
        let cut = !first && (way > SURE || way > LIKELY && way > UNUSUAL * self.usual);
        // What a cut changes is not usual.
        if !cut {
            self.usual += SHARE * (way - self.usual);
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (160, 90);

    /// Stripes, moved; brighter by `light`.
    fn frame(shift: usize, light: u8) -> Vec<u8> {
        let stripe = |x: usize| if ((x + shift) / 20).is_multiple_of(2) { 60 } else { 110 };
        (0..SIZE.0 * SIZE.1).flat_map(|i| [stripe(i % SIZE.0) + light; 3]).collect()
    }

    fn cuts(frames: &[Vec<u8>]) -> Vec<usize> {
        let mut cuts = Cuts::default();
        let mut is_cut =
            |data: &Vec<u8>| cuts.is_cut(&RgbView::new(data, SIZE.0 * 3, SIZE.0, SIZE.1).unwrap());
        let all: Vec<bool> = frames.iter().map(&mut is_cut).collect();
        (0..frames.len()).filter(|&i| all[i]).collect()
    }

    #[test]
    fn a_picture_that_moves_or_fades_is_no_cut_and_another_one_is() {
        let still = vec![frame(0, 0); 5];
        assert!(cuts(&still).is_empty());
        let moving: Vec<_> = (0..12).map(|i| frame(2 * i, 0)).collect();
        assert!(cuts(&moving).is_empty());
        let fading: Vec<_> = (0..12).map(|i| frame(0, 6 * i as u8)).collect();
        assert!(cuts(&fading).is_empty());
        let other = [still.clone(), vec![frame(10, 0); 5]].concat();
        assert_eq!(cuts(&other), [5]);
        let moving_on = [moving, vec![frame(0, 90), frame(2, 90), frame(4, 90)]].concat();
        assert_eq!(cuts(&moving_on), [12]);
    }
}
