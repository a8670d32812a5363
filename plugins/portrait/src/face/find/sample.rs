// SPDX-License-Identifier: MIT OR Apache-2.0
//! Square, possibly turned cut-outs of a picture as network inputs.

use std::ops::Range;

use super::orientation::Orientation;
use crate::face::pixel;

/// Samples a side of one network pixel at most: 8 cover a 16-fold reduction without gaps, beyond which a face would
/// have vanished anyway.
const MAX_SUPERSAMPLING: usize = 8;

/// From so many samples a side, single pixels do: their mean is as smooth as that of interpolated ones.
const PLAIN_SAMPLES: usize = 3;

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
    let look = if times < PLAIN_SAMPLES { bilinear } else { nearest };
    let (red, rest) = out.split_at_mut(plane);
    let (green, blue) = rest.split_at_mut(plane);
    for row in 0..size {
        for column in 0..size {
            let mut sum = [0.0f32; 3];
            for i in 0..times {
                let v = row as f32 + (i as f32 + 0.5) / times as f32;
                for j in 0..times {
                    let u = column as f32 + (j as f32 + 0.5) / times as f32;
                    let x = x0 + u * across.0 + v * along.0 - 0.5;
                    let y = y0 + u * across.1 + v * along.1 - 0.5;
                    let value = look(view, x, y, outside);
                    for (s, v) in sum.iter_mut().zip(value) {
                        *s += v;
                    }
                }
            }
            let at = row * size + column;
            red[at] = range.start + gain * sum[0];
            green[at] = range.start + gain * sum[1];
            blue[at] = range.start + gain * sum[2];
        }
    }
}

impl RgbView<'_> {
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
