// SPDX-License-Identifier: MIT OR Apache-2.0
//! Square, possibly turned cut-outs of a picture as network inputs.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::inside;
use super::orientation::Orientation;
use crate::face::pixel;

/// Samples a side of one network pixel at most: 8 cover a 16-fold reduction without gaps, beyond which a face would
/// have vanished anyway.
const MAX_SUPERSAMPLING: usize = 8;

/// From so many samples a side, single pixels do: their mean is as smooth as that of interpolated ones.
pub(super) const PLAIN_SAMPLES: usize = 3;

/// A packed RGB picture of 8 bits a channel, as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct RgbView<'a> {
    data: &'a [u8],
    /// Byte of the upper left pixel, bytes to the next one in its row and in its column.
    origin: isize,
    across: isize,
    along: isize,
    width: usize,
    height: usize,
}

impl<'a> RgbView<'a> {
    /// `stride` is the bytes from one row to the next. `None` where the data are too short or the picture is empty.
    pub fn new(data: &'a [u8], stride: usize, width: usize, height: usize) -> Option<Self> {
        let row = width.checked_mul(3)?;
        let needed = stride.checked_mul(height.checked_sub(1)?)?.checked_add(row)?;
        let along = isize::try_from(stride).ok()?;
        let fits = width > 0 && stride >= row && data.len() >= needed;
        fits.then_some(Self { data, origin: 0, across: 3, along, width, height })
    }

    /// The same picture turned, where this one is as it is stored.
    pub fn shown(&self, orientation: Orientation) -> Self {
        let (width, height) = orientation.size((self.width, self.height));
        // Pixel centres lie at .5.
        let byte = |u: f32, v: f32| {
            let [x, y] = orientation.to_stored([u + 0.5, v + 0.5], (self.width, self.height));
            self.origin + x as isize * self.across + y as isize * self.along
        };
        let origin = byte(0.0, 0.0);
        let (across, along) = (byte(1.0, 0.0) - origin, byte(0.0, 1.0) - origin);
        Self { data: self.data, origin, across, along, width, height }
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The smallest square around the whole picture.
    pub fn letterbox(&self) -> Roi {
        let (w, h) = (self.width as f32, self.height as f32);
        Roi { x: w / 2.0, y: h / 2.0, side: w.max(h), angle: 0.0 }
    }

    /// Grey level of a pixel, 0 to 255: the mean of its channels. Both numbers must lie within the picture.
    pub(crate) fn grey(&self, x: usize, y: usize) -> f32 {
        self.pixel(x, y).iter().sum::<f32>() / 3.0
    }

    fn pixel(&self, x: usize, y: usize) -> [f32; 3] {
        let at = (self.origin + x as isize * self.across + y as isize * self.along) as usize;
        [self.data[at], self.data[at + 1], self.data[at + 2]].map(f32::from)
    }
}

/// A square region of a picture, in pixels (pixel centres lie at .5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roi {
    /// Centre.
    pub x: f32,
    /// Centre.
    pub y: f32,
    /// Length of a side.
    pub side: f32,
    /// Radians that the square's x axis is turned from the picture's towards its y axis (down).
    pub angle: f32,
}

impl Roi {
    /// A point of the square (0 to 1 from its upper left corner) in the picture.
    pub fn to_picture(self, u: f32, v: f32) -> [f32; 2] {
        let (s, c) = self.angle.sin_cos();
        let (u, v) = (self.side * (u - 0.5), self.side * (v - 0.5));
        [self.x + u * c - v * s, self.y + u * s + v * c]
    }

    /// Whether sampling it makes sense: finite numbers and a side that is neither nothing nor absurd.
    pub fn is_sane(&self) -> bool {
        [self.x, self.y, self.side, self.angle].iter().all(|v| v.is_finite() && v.abs() < 1e6)
            && self.side > 1.0
    }
}

/// What lies outside of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Black.
    Black,
    /// The nearest pixel of the border.
    Edge,
}

/// Samples a region to `size` x `size` planar RGB, values mapped from 0..255 to `range`.
///
/// Bilinear; where the picture is reduced, the mean of several samples a pixel. `out` holds `3 * size * size` numbers.
pub fn sample(
    view: &RgbView<'_>,
    roi: Roi,
    size: usize,
    outside: Outside,
    range: Range<f32>,
    out: &mut [f32],
) {
    let plane = size * size;
    if out.len() != 3 * plane || !roi.is_sane() {
        out.fill(range.start);
        return;
    }
    let step = roi.side / size as f32;
    let times = ((step / 2.0).ceil() as usize).clamp(1, MAX_SUPERSAMPLING);
    let (sin, cos) = roi.angle.sin_cos();
    let (across, along) = ((step * cos, step * sin), (-step * sin, step * cos));
    let [x0, y0] = roi.to_picture(0.0, 0.0);
    let gain = (range.end - range.start) / 255.0 / (times * times) as f32;
    let places = Places { x0, y0, across, along, times };
    let (red, rest) = out.split_at_mut(plane);
    let (green, blue) = rest.split_at_mut(plane);
    let look = if times < PLAIN_SAMPLES { bilinear } else { nearest };
    let mut sums = vec![[0.0; 4]; size];
    for row in 0..size {
        if cfg!(target_arch = "x86_64") && view.holds(&places, row, size) {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: every x86-64 processor has SSE2.
            unsafe {
                inside::add(view, &places, row, &mut sums);
            }
        } else {
            add(&places, row, &mut sums, |x, y| {
                let [r, g, b] = look(view, x, y, outside);
                [r, g, b, 0.0]
            });
        }
        let at = row * size..(row + 1) * size;
        for (line, channel) in
            [&mut red[at.clone()], &mut green[at.clone()], &mut blue[at]].into_iter().zip(0..)
        {
            for (out, sum) in line.iter_mut().zip(&sums) {
                *out = range.start + gain * sum[channel];
            }
        }
    }
}

/// Where the pixels of a square lie in a picture: its upper left corner, the steps to the next column and to the next row, and
/// the samples a side of each pixel.
pub(super) struct Places {
    x0: f32,
    y0: f32,
    across: (f32, f32),
    along: (f32, f32),
    pub(super) times: usize,
}

impl Places {
    /// A place in the picture, whose pixel centres lie on whole numbers.
    #[inline(always)]
    pub(super) fn at(&self, u: f32, v: f32) -> [f32; 2] {
        let (across, along) = (self.across, self.along);
        [self.x0 + u * across.0 + v * along.0 - 0.5, self.y0 + u * across.1 + v * along.1 - 0.5]
    }

    /// Where the samples of a pixel lie in it, along a side.
    #[inline(always)]
    pub(super) fn within(&self) -> [f32; MAX_SUPERSAMPLING] {
        std::array::from_fn(|i| (i as f32 + 0.5) / self.times as f32)
    }
}

/// Adds up the samples of each pixel of a row; `look` gives red, green, blue and a fourth number, which makes four of them.
#[inline(always)]
fn add(places: &Places, row: usize, sums: &mut [[f32; 4]], look: impl Fn(f32, f32) -> [f32; 4]) {
    let times = places.times;
    let within = places.within();
    for (column, out) in sums.iter_mut().enumerate() {
        let mut sum = [0.0f32; 4];
        for v in &within[..times] {
            for u in &within[..times] {
                let [x, y] = places.at(column as f32 + u, row as f32 + v);
                let value = look(x, y);
                for (s, v) in sum.iter_mut().zip(value) {
                    *s += v;
                }
            }
        }
        *out = sum;
    }
}

impl RgbView<'_> {
    /// Whether all of a row's samples and their neighbours lie within the picture, and a byte behind each pixel too.
    fn holds(&self, places: &Places, row: usize, size: usize) -> bool {
        // Of a line the ends lie farthest out; the last row's pixels may have no byte behind them.
        let ends = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)];
        ends.iter().all(|(u, v)| {
            let [x, y] = places.at(u * size as f32, row as f32 + v);
            let within = |at: f32, length: usize| at >= 1.0 && at <= length as f32 - 3.0;
            within(x, self.width) && within(y, self.height)
        })
    }

    /// Bytes from a pixel to one so many columns and rows away.
    #[inline(always)]
    pub(super) fn byte_step(&self, x: isize, y: isize) -> isize {
        x.wrapping_mul(self.across).wrapping_add(y.wrapping_mul(self.along))
    }

    /// First byte of a pixel.
    #[inline(always)]
    pub(super) fn byte(&self, x: i32, y: i32) -> isize {
        self.origin.wrapping_add(self.byte_step(x as isize, y as isize))
    }

    /// Four bytes from there on.
    #[inline(always)]
    pub(super) fn four(&self, at: isize) -> Option<[u8; 4]> {
        self.data.get(at as usize..)?.first_chunk().copied()
    }

    fn misses(&self, x: f32, y: f32) -> bool {
        x < -0.5 || y < -0.5 || x > self.width as f32 - 0.5 || y > self.height as f32 - 0.5
    }
}

/// The pixel nearest to (x, y), where pixel centres lie on whole numbers.
fn nearest(view: &RgbView<'_>, x: f32, y: f32, outside: Outside) -> [f32; 3] {
    if outside == Outside::Black && view.misses(x, y) {
        return [0.0; 3];
    }
    // Casts of floats saturate: what lies left or above is 0.
    view.pixel(((x + 0.5) as usize).min(view.width - 1), ((y + 0.5) as usize).min(view.height - 1))
}

/// The picture at (x, y), between the pixels, whose centres lie on whole numbers.
fn bilinear(view: &RgbView<'_>, x: f32, y: f32, outside: Outside) -> [f32; 3] {
    if outside == Outside::Black && view.misses(x, y) {
        return [0.0; 3];
    }
    pixel::bilinear([view.width, view.height], [x, y], |x, y| view.pixel(x, y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_of_too_few_bytes_is_refused() {
        assert!(RgbView::new(&[0; 12], 6, 2, 2).is_some());
        assert!(RgbView::new(&[0; 11], 6, 2, 2).is_none());
        assert!(RgbView::new(&[0; 12], 5, 2, 2).is_none());
        assert!(RgbView::new(&[], 0, 0, 0).is_none());
        assert!(RgbView::new(&[0; 4], usize::MAX, 1, 3).is_none());
    }

    #[test]
    fn the_whole_picture_at_its_own_size_is_the_picture() {
        // A padded row: the padding must never be seen.
        let (w, h, stride) = (4, 4, 14);
        let mut data = vec![255u8; stride * h];
        for y in 0..h {
            for x in 0..w * 3 {
                data[y * stride + x] = (y * 12 + x) as u8;
            }
        }
        let view = RgbView::new(&data, stride, w, h).unwrap();
        let mut out = vec![0.0; 48];
        sample(&view, view.letterbox(), 4, Outside::Black, 0.0..255.0, &mut out);
        for y in 0..h {
            for x in 0..w {
                for c in 0..3 {
                    assert!((out[c * 16 + y * 4 + x] - (y * 12 + x * 3 + c) as f32).abs() < 1e-3);
                }
            }
        }
    }

    #[test]
    fn a_picture_is_sampled_as_it_is_shown() {
        // Three by two pixels in padded rows: 1 2 3 over 4 5 6.
        let mut data = vec![255u8; 2 * 11];
        for i in 0..6 {
            data[i / 3 * 11 + i % 3 * 3..][..3].fill(i as u8 + 1);
        }
        let view = RgbView::new(&data, 11, 3, 2).unwrap();
        for (word, rows) in [
            ("rotate-0", vec![[1, 2, 3].as_slice(), &[4, 5, 6]]),
            ("rotate-90", vec![&[4, 1], &[5, 2], &[6, 3]]),
            ("rotate-180", vec![&[6, 5, 4], &[3, 2, 1]]),
            ("rotate-270", vec![&[3, 6], &[2, 5], &[1, 4]]),
            ("flip-rotate-0", vec![&[3, 2, 1], &[6, 5, 4]]),
            ("flip-rotate-90", vec![&[6, 3], &[5, 2], &[4, 1]]),
            ("flip-rotate-180", vec![&[4, 5, 6], &[1, 2, 3]]),
            ("flip-rotate-270", vec![&[1, 4], &[2, 5], &[3, 6]]),
        ] {
            let shown = view.shown(Orientation::from_tag(word).unwrap());
            assert_eq!((shown.width(), shown.height()), (rows[0].len(), rows.len()), "{word}");
            for (y, row) in rows.iter().enumerate() {
                for (x, &value) in row.iter().enumerate() {
                    assert_eq!(shown.pixel(x, y), [f32::from(value as u8); 3], "{word} at {x}, {y}");
                }
            }
        }
        let pixel = RgbView::new(&data, 3, 1, 1).unwrap();
        assert_eq!(pixel.shown(Orientation::turn(1)).pixel(0, 0), [1.0; 3]);
    }

    #[test]
    fn what_lies_within_the_picture_is_read_faster_and_to_the_same_bit() {
        const SIZE: usize = 16;
        let (w, h) = (120, 90);
        let data: Vec<u8> = (0..w * h * 3).map(|i| (i * 7919 % 251) as u8).collect();
        let stored = RgbView::new(&data, w * 3, w, h).unwrap();
        for (word, side, angle) in [
            ("rotate-0", 20.0, 0.0),
            ("rotate-90", 40.0, 0.4),
            ("flip-rotate-0", 50.0, -2.0),
            ("rotate-180", 55.0, 1.0),
        ] {
            let view = stored.shown(Orientation::from_tag(word).unwrap());
            let roi = Roi { x: view.width() as f32 / 2.0, y: view.height() as f32 / 2.0 + 0.3, side, angle };
            let mut out = vec![0.0; 3 * SIZE * SIZE];
            sample(&view, roi, SIZE, Outside::Edge, -1.0..1.0, &mut out);
            // As at the border: each pixel by itself.
            let step = side / SIZE as f32;
            let times = ((step / 2.0).ceil() as usize).clamp(1, MAX_SUPERSAMPLING);
            let [x0, y0] = roi.to_picture(0.0, 0.0);
            let (sin, cos) = angle.sin_cos();
            let (across, along) = ((step * cos, step * sin), (-step * sin, step * cos));
            let places = Places { x0, y0, across, along, times };
            let look = if times < PLAIN_SAMPLES { bilinear } else { nearest };
            let gain = 2.0 / 255.0 / (times * times) as f32;
            let mut sums = [[0.0; 4]; SIZE];
            for row in 0..SIZE {
                assert!(view.holds(&places, row, SIZE), "{word}: row {row}");
                add(&places, row, &mut sums, |x, y| {
                    let [r, g, b] = look(&view, x, y, Outside::Edge);
                    [r, g, b, 0.0]
                });
                for (i, value) in sums
                    .iter()
                    .enumerate()
                    .flat_map(|(i, sum)| (0..3).map(move |c| (c * SIZE * SIZE + row * SIZE + i, sum[c])))
                {
                    assert_eq!(out[i], -1.0 + gain * value, "{word} of side {side}");
                }
            }
            assert!(out.iter().any(|v| v.abs() > 0.1), "{word}");
        }
    }

    #[test]
    fn a_quarter_turn_turns_and_a_reduction_averages() {
        let data: Vec<u8> = [0u8, 100, 200, 40].iter().flat_map(|&v| [v; 3]).collect();
        let view = RgbView::new(&data, 6, 2, 2).unwrap();
        let mut out = vec![0.0; 12];
        let turned = Roi { angle: std::f32::consts::FRAC_PI_2, ..view.letterbox() };
        sample(&view, turned, 2, Outside::Edge, 0.0..255.0, &mut out);
        // The square's x axis runs down the picture: its first row is the right column.
        for (found, expected) in out.iter().zip([100.0, 40.0, 0.0, 200.0]) {
            assert!((found - expected).abs() < 1e-3, "{out:?}");
        }
        let flat = vec![50u8; 64 * 64 * 3];
        let view = RgbView::new(&flat, 64 * 3, 64, 64).unwrap();
        sample(&view, view.letterbox(), 2, Outside::Black, -1.0..1.0, &mut out);
        assert!(out.iter().all(|v| (v - (50.0 / 127.5 - 1.0)).abs() < 1e-5), "{out:?}");
    }

    #[test]
    fn regions_outside_or_absurd_give_a_picture_all_the_same() {
        let data = [9u8; 12];
        let view = RgbView::new(&data, 6, 2, 2).unwrap();
        let mut out = vec![7.0; 12];
        for side in [0.0, f32::NAN, f32::INFINITY, -3.0] {
            sample(&view, Roi { side, ..view.letterbox() }, 2, Outside::Edge, 0.0..1.0, &mut out);
            assert_eq!(out, [0.0; 12]);
        }
        let far = Roi { x: -500.0, y: 900.0, side: 4.0, angle: 1.0 };
        sample(&view, far, 2, Outside::Black, 0.0..1.0, &mut out);
        assert_eq!(out, [0.0; 12]);
        sample(&view, far, 2, Outside::Edge, 0.0..255.0, &mut out);
        assert!(out.iter().all(|v| (v - 9.0).abs() < 1e-4));
    }
}
