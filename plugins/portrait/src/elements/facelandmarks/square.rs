// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames whose pixels are not square (`pixel-aspect-ratio`), as the networks have to see them: a face that is drawn out or
//! squeezed looks turned, and its mouth has another width.

use crate::face::find::RgbView;

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
    size: (usize, usize),
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
        self.size = size((width, height), ratio);
        if self.size == (width, height) {
            return Some(view);
        }
        let (columns, rows) = self.size;
        self.rgb.resize(columns * rows * 3, 0);
        for (y, out) in self.rgb.chunks_exact_mut(columns * 3).enumerate() {
            let out = out.as_chunks_mut::<3>().0;
            let (y, below) = place(y, rows, height);
            let line = |y: usize| data[y * stride..][..width * 3].as_chunks::<3>().0;
            if columns == width {
                let (line, next) = (line(y), line((y + 1).min(height - 1)));
                for ((out, a), b) in out.iter_mut().zip(line).zip(next) {
                    *out = mixed(*a, *b, below);
                }
            } else {
                let line = line(y);
                for (x, out) in out.iter_mut().enumerate() {
                    let (x, beside) = place(x, columns, width);
                    *out = mixed(line[x], line[(x + 1).min(width - 1)], beside);
                }
            }
        }
        RgbView::new(&self.rgb, columns * 3, columns, rows)
    }
}

/// Where a pixel of a line that is drawn out lies in the shorter one: the pixel before it, and how much of the next one.
fn place(at: usize, longer: usize, shorter: usize) -> (usize, u32) {
    let at = ((at as f32 + 0.5) * shorter as f32 / longer as f32 - 0.5).clamp(0.0, (shorter - 1) as f32);
    (at as usize, (at.fract() * (1 << BITS) as f32) as u32)
}

fn mixed(a: [u8; 3], b: [u8; 3], share: u32) -> [u8; 3] {
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
