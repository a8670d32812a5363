// SPDX-License-Identifier: MIT OR Apache-2.0
//! A frame as the tracker sees it: RGB, and no larger than its networks need.

use crate::face::find::RgbView;

/// Longest side of what the tracker sees, in pixels: a face of a tenth of it fills the mesh's input.
const LONGEST: usize = 1280;

/// Fixed point of the conversion.
const BITS: i32 = 12;

/// The reduced frame, reused.
#[derive(Debug, Default)]
pub struct Reduced {
    rgb: Vec<u8>,
    width: usize,
    height: usize,
}

/// Where the luma of a frame, or its packed colours, come from.
#[derive(Clone, Copy)]
pub struct Samples<'a> {
    /// From the first sample of the component.
    pub data: &'a [u8],
    /// From row to row.
    pub stride: usize,
    /// From sample to sample.
    pub step: usize,
}

impl<'a> Samples<'a> {
    /// A row; what is missing of it is dark.
    fn row(&self, y: usize) -> &'a [u8] {
        self.data.get(y * self.stride..).unwrap_or_default()
    }
}

/// A sample of a row.
#[inline(always)]
fn at(row: &[u8], place: usize) -> i32 {
    row.get(place).map_or(0, |v| i32::from(*v))
}

/// The colours of a frame.
#[derive(Clone, Copy)]
pub enum Colours<'a> {
    /// Red, green, blue.
    Rgb([Samples<'a>; 3]),
    /// Luma; blue and red difference at half the size.
    Yuv([Samples<'a>; 3]),
}

impl Reduced {
    /// Takes a frame.
    pub fn take(&mut self, colours: Colours<'_>, width: usize, height: usize) {
        let by = width.max(height).div_ceil(LONGEST).max(1);
        (self.width, self.height) = ((width / by).max(1), (height / by).max(1));
        self.rgb.resize(self.width * self.height * 3, 0);
        // Two samples each way where the frame is reduced: single ones would flicker.
        let taps = if by == 1 { [0, 0] } else { [by / 4, by - 1 - by / 4] };
        for (y, out) in self.rgb.chunks_exact_mut(self.width * 3).enumerate() {
            let pixels = out.as_chunks_mut::<3>().0;
            match &colours {
                Colours::Rgb(rgb) => {
                    for (c, s) in rgb.iter().enumerate() {
                        let rows = taps.map(|tap| s.row(y * by + tap));
                        for (x, pixel) in pixels.iter_mut().enumerate() {
                            pixel[c] = mean(rows, taps.map(|tap| (x * by + tap) * s.step)) as u8;
                        }
                    }
                }
                Colours::Yuv([luma, blue, red]) => {
                    let rows = taps.map(|tap| luma.row(y * by + tap));
                    let chroma = (y * by + by / 2) / 2;
                    let (blues, reds) = (blue.row(chroma), red.row(chroma));
                    for (x, pixel) in pixels.iter_mut().enumerate() {
                        let bright = if by == 1 {
                            at(rows[0], x * luma.step)
                        } else {
                            mean(rows, taps.map(|tap| (x * by + tap) * luma.step))
                        };
                        let place = (x * by + by / 2) / 2;
                        *pixel = to_rgb(bright, at(blues, place * blue.step), at(reds, place * red.step));
                    }
                }
            }
        }
    }

    /// What was taken; `None` before the first frame.
    pub fn view(&self) -> Option<RgbView<'_>> {
        RgbView::new(&self.rgb, self.width * 3, self.width, self.height)
    }
}

/// Mean of two samples in each of two rows.
#[inline(always)]
fn mean(rows: [&[u8]; 2], places: [usize; 2]) -> i32 {
    (at(rows[0], places[0]) + at(rows[0], places[1]) + at(rows[1], places[0]) + at(rows[1], places[1])) / 4
}

/// Colours as networks see them: BT.601, 16 to 235. Another matrix is a tint that they do not mind.
#[inline(always)]
fn to_rgb(y: i32, u: i32, v: i32) -> [u8; 3] {
    let (y, u, v) = ((y - 16) * 4769, u - 128, v - 128);
    let half = 1 << (BITS - 1);
    let red = y + 6537 * v;
    let green = y - 1605 * u - 3330 * v;
    let blue = y + 8263 * u;
    [red, green, blue].map(|c| ((c + half) >> BITS).clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_seen_in_its_colours_and_a_large_one_reduced() {
        let (width, height) = (2600, 12);
        let luma = vec![81u8; width * height];
        let chroma = [vec![90u8; width * height / 4], vec![240u8; width * height / 4]];
        let plane = |data, stride| Samples { data, stride, step: 1 };
        let mut reduced = Reduced::default();
        let yuv = [plane(&luma, width), plane(&chroma[0], width / 2), plane(&chroma[1], width / 2)];
        reduced.take(Colours::Yuv(yuv), width, height);
        assert_eq!((reduced.width, reduced.height), (866, 4));
        let [r, g, b] = [reduced.rgb[0], reduced.rgb[1], reduced.rgb[2]];
        assert!(r > 250 && g < 5 && b < 5, "red of BT.601: {r} {g} {b}");
        let rgb: Vec<u8> = (0..12).collect();
        let of = |c: usize| Samples { data: &rgb[c..], stride: 6, step: 3 };
        reduced.take(Colours::Rgb([of(0), of(1), of(2)]), 2, 2);
        assert_eq!(reduced.rgb, rgb);
    }

    #[test]
    fn a_plane_that_is_too_short_is_dark_and_no_panic() {
        let short = Samples { data: &[7], stride: 4, step: 1 };
        let mut reduced = Reduced::default();
        reduced.take(Colours::Rgb([short; 3]), 4, 4);
        assert_eq!(&reduced.rgb[..6], &[7, 7, 7, 0, 0, 0]);
    }
}
