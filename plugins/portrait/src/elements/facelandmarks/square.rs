// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames whose pixels are not square (`pixel-aspect-ratio`), as the networks have to see them: a face that is drawn out or
//! squeezed looks turned, and its mouth has another width.

use crate::face::find::RgbView;
use crate::face::pixel::{Tap, tap};

/// Ratios that are heeded: beyond them the frame would have no end.
const RATIOS: std::ops::RangeInclusive<f32> = 0.1..=10.0;

/// By how much a pixel may be wider than high without being anything but square.
const SQUARE: f32 = 0.01;

/// Fixed point of the mixture of two pixels.
const BITS: u32 = 8;

/// A frame of square pixels, reused.
#[derive(Debug, Default)]
pub struct Square {
    rgb: Vec<u8>,
    /// Where the pixels of the side that is drawn out lie.
    taps: Vec<Tap>,
}

/// Width of a pixel in heights of it.
pub fn ratio(info: &gst_video::VideoInfo) -> f32 {
    let par = info.par();
    (par.numer() as f32 / par.denom() as f32).clamp(*RATIOS.start(), *RATIOS.end())
}

/// Size that a frame gets: what is shorter of a pixel is drawn out, so that nothing is lost.
pub fn size((width, height): (usize, usize), ratio: f32) -> (usize, usize) {
    let longer = |length: usize, by: f32| ((length as f32 * by).round() as usize).max(1);
    match ratio {
        _ if (ratio - 1.0).abs() <= SQUARE => (width, height),
        _ if ratio > 1.0 => (longer(width, ratio), height),
        _ => (width, longer(height, 1.0 / ratio)),
    }
}

impl Square {
    /// The packed RGB frame with square pixels: itself, where it has them. `None` where it is none.
    pub fn of<'a>(
        &'a mut self,
        data: &'a [u8],
        stride: usize,
        (width, height): (usize, usize),
        ratio: f32,
    ) -> Option<RgbView<'a>> {
        let view = RgbView::new(data, stride, width, height)?;
        let (columns, rows) = size((width, height), ratio);
        if (columns, rows) == (width, height) {
            return Some(view);
        }
        let (longer, shorter) = if columns == width { (rows, height) } else { (columns, width) };
        let place = |at: usize| (at as f32 + 0.5) * shorter as f32 / longer as f32 - 0.5;
        self.taps.clear();
        self.taps.extend((0..longer).map(|at| tap(place(at), shorter)));
        self.rgb.resize(columns * rows * 3, 0);
        let line = |y: usize| data[y * stride..][..width * 3].as_chunks::<3>().0;
        for (y, out) in self.rgb.chunks_exact_mut(columns * 3).enumerate() {
            let out = out.as_chunks_mut::<3>().0;
            if columns == width {
                let Tap { a, b, t } = self.taps[y];
                for ((out, upper), lower) in out.iter_mut().zip(line(a)).zip(line(b)) {
                    *out = mixed(*upper, *lower, t);
                }
            } else {
                let line = line(y);
                for (out, &Tap { a, b, t }) in out.iter_mut().zip(&self.taps) {
                    *out = mixed(line[a], line[b], t);
                }
            }
        }
        RgbView::new(&self.rgb, columns * 3, columns, rows)
    }
}

fn mixed(a: [u8; 3], b: [u8; 3], t: f32) -> [u8; 3] {
    let share = (t * (1 << BITS) as f32) as u32;
    std::array::from_fn(|c| {
        ((u32::from(a[c]) * ((1 << BITS) - share) + u32::from(b[c]) * share) >> BITS) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grey that grows by 10 a pixel across and by 20 a row.
    fn slope(width: usize, height: usize) -> Vec<u8> {
        (0..width * height).flat_map(|i| [(10 * (i % width) + 20 * (i / width)) as u8; 3]).collect()
    }

    #[test]
    fn what_is_shorter_of_a_pixel_is_drawn_out() {
        let data = slope(6, 4);
        for (ratio, expected) in [(2.0, (12, 4)), (0.5, (6, 8)), (1.0, (6, 4)), (64.0 / 45.0, (9, 4))] {
            let mut square = Square::default();
            let view = square.of(&data, 18, (6, 4), ratio).unwrap();
            assert_eq!((view.width(), view.height()), expected, "{ratio}");
            let (columns, rows) = expected;
            for (x, y) in [(columns / 2, rows / 2), (0, 0), (columns - 1, rows - 1)] {
                let at = |at: usize, longer: usize, shorter: usize| {
                    ((at as f32 + 0.5) * shorter as f32 / longer as f32 - 0.5)
                        .clamp(0.0, shorter as f32 - 1.0)
                };
                let grey = 10.0 * at(x, columns, 6) + 20.0 * at(y, rows, 4);
                assert!((view.grey(x, y) - grey).abs() < 1.1, "{ratio}: {x} {y}");
            }
        }
        assert!(Square::default().of(&data, 18, (6, 5), 2.0).is_none());
    }
}
