// SPDX-License-Identifier: MIT OR Apache-2.0
//! A frame as the tracker sees it: RGB, and no larger than its networks need.

use multiversion::multiversion;

use crate::elements::facelandmarks::square::Square;
use crate::face::find::RgbView;

/// Longest side of what the tracker sees, in pixels: a face of a tenth of it fills the mesh's input.
const LONGEST: usize = 1280;

/// Fixed point of the conversion.
const BITS: i32 = 12;

/// The reduced frame, reused.
#[derive(Debug, Default)]
pub struct Reduced {
    rgb: Vec<u8>,
    /// A row of each component.
    lines: [Vec<u8>; 3],
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

    /// The samples of a row, one behind the other.
    fn line(&self, y: usize) -> impl Iterator<Item = u8> {
        self.row(y).iter().step_by(self.step).copied()
    }
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
        self.lines.iter_mut().for_each(|line| line.resize(self.width, 0));
        let [a, b, c] = &mut self.lines;
        let mut chroma = None;
        for (y, out) in self.rgb.chunks_exact_mut(self.width * 3).enumerate() {
            let out = out.as_chunks_mut::<3>().0;
            match &colours {
                Colours::Rgb(rgb) => {
                    for (samples, line) in rgb.iter().zip([&mut *a, &mut *b, &mut *c]) {
                        reduce(samples, y, by, line);
                    }
                    pack(a, b, c, out);
                }
                Colours::Yuv([luma, blue, red]) => {
                    reduce(luma, y, by, a);
                    let row = (y * by + by / 2) / 2;
                    if chroma.replace(row) != Some(row) {
                        spread(blue, row, by, b);
                        spread(red, row, by, c);
                    }
                    to_rgb(a, b, c, out);
                }
            }
        }
    }

    /// What was taken, with square pixels where those of the frame have that `ratio`; `None` before the first frame.
    pub fn view<'a>(&'a self, square: &'a mut Square, ratio: f32) -> Option<RgbView<'a>> {
        square.of(&self.rgb, self.width * 3, (self.width, self.height), ratio)
    }
}

/// Fills a line of the reduced frame from samples of the frame's size; what they lack is dark.
fn reduce(samples: &Samples<'_>, y: usize, by: usize, line: &mut [u8]) {
    if by == 1 && samples.step == 1 {
        let row = samples.row(y);
        let (known, dark) = line.split_at_mut(row.len().min(line.len()));
        known.copy_from_slice(&row[..known.len()]);
        return dark.fill(0);
    }
    if by == 1 {
        return fill(line, samples.line(y));
    }
    // Two samples each way: single ones would flicker.
    let taps = [by / 4, by - 1 - by / 4];
    let rows = taps.map(|tap| samples.row(y * by + tap));
    let offsets = taps.map(|tap| tap * samples.step);
    let width = by * samples.step;
    let sum = |row: &[u8]| offsets.iter().map(|&at| row.get(at).map_or(0, |v| u16::from(*v))).sum::<u16>();
    let pairs = rows[0].chunks(width).zip(rows[1].chunks(width));
    fill(line, pairs.map(|(upper, lower)| ((sum(upper) + sum(lower)) / 4) as u8));
}

/// Fills a line of the reduced frame from samples of half the frame's size; what they lack is dark.
fn spread(samples: &Samples<'_>, row: usize, by: usize, line: &mut [u8]) {
    if by == 1 {
        let mut found = samples.line(row);
        line.chunks_mut(2).for_each(|two| two.fill(found.next().unwrap_or(0)));
    } else {
        let row = samples.row(row);
        let place = |x: usize| (x * by + by / 2) / 2 * samples.step;
        fill(line, (0..line.len()).map(|x| row.get(place(x)).copied().unwrap_or(0)));
    }
}

/// Fills a line with values, and with darkness where they end.
fn fill(line: &mut [u8], values: impl Iterator<Item = u8>) {
    let mut values = values.fuse();
    line.iter_mut().for_each(|out| *out = values.next().unwrap_or(0));
}

/// Packs a line.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2", "x86_64+avx2"))]
fn pack(red: &[u8], green: &[u8], blue: &[u8], out: &mut [[u8; 3]]) {
    for (((out, &r), &g), &b) in out.iter_mut().zip(red).zip(green).zip(blue) {
        *out = [r, g, b];
    }
}

/// A line in colours as networks see them: BT.601, 16 to 235. Another matrix is a tint that they do not mind.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2", "x86_64+avx2"))]
fn to_rgb(luma: &[u8], blue: &[u8], red: &[u8], out: &mut [[u8; 3]]) {
    let half = 1 << (BITS - 1);
    for (((out, &y), &u), &v) in out.iter_mut().zip(luma).zip(blue).zip(red) {
        let (y, u, v) = ((i32::from(y) - 16) * 4769 + half, i32::from(u) - 128, i32::from(v) - 128);
        let colour = [y + 6537 * v, y - 1605 * u - 3330 * v, y + 8263 * u];
        *out = colour.map(|c| (c >> BITS).clamp(0, 255) as u8);
    }
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
    fn every_format_and_reduction_is_converted_sample_by_sample() {
        let noise =
            |n: usize, seed: usize| -> Vec<u8> { (0..n).map(|i| ((i + seed) * 7919 % 251) as u8).collect() };
        for (width, height) in [(37, 9), (1290, 5), (2561, 8)] {
            let by = usize::max(width, height).div_ceil(LONGEST);
            let half = width.div_ceil(2);
            let (luma, chroma) = (noise(width * height, 1), noise(2 * half * height.div_ceil(2), 5));
            let y = Samples { data: &luma, stride: width, step: 1 };
            let of = |c: usize| Samples { data: &chroma[c..], stride: 2 * half, step: 2 };
            let mut reduced = Reduced::default();
            reduced.take(Colours::Yuv([y, of(0), of(1)]), width, height);
            let packed = noise(width * height * 4, 9);
            let channel = |c: usize| Samples { data: &packed[c..], stride: width * 4, step: 4 };
            let mut colours = Reduced::default();
            colours.take(Colours::Rgb([0, 1, 2].map(channel)), width, height);
            let taps = [by / 4, by - 1 - by / 4];
            let mean = |s: &Samples<'_>, x: usize, y: usize| {
                let pairs = taps.iter().flat_map(|dy| taps.iter().map(move |dx| (x * by + dx, y * by + dy)));
                pairs.map(|(x, y)| i32::from(s.data[y * s.stride + x * s.step])).sum::<i32>() / 4
            };
            for i in 0..reduced.width * reduced.height {
                let (column, row) = (i % reduced.width, i / reduced.width);
                let middle = |at: usize| (at * by + by / 2) / 2;
                let [u, v] =
                    [0, 1].map(|c| i32::from(chroma[middle(row) * 2 * half + middle(column) * 2 + c]) - 128);
                let bright = (mean(&y, column, row) - 16) * 4769;
                let rgb = [bright + 6537 * v, bright - 1605 * u - 3330 * v, bright + 8263 * u];
                let rgb = rgb.map(|c| ((c + 2048) >> 12).clamp(0, 255) as u8);
                assert_eq!(reduced.rgb[i * 3..][..3], rgb, "{width}: {column}, {row}");
                let rgb = [0, 1, 2].map(|c| mean(&channel(c), column, row) as u8);
                assert_eq!(colours.rgb[i * 3..][..3], rgb, "{width}: {column}, {row}");
            }
        }
    }

    #[test]
    fn a_plane_that_is_too_short_is_dark_and_no_panic() {
        let short = Samples { data: &[7], stride: 4, step: 1 };
        let mut reduced = Reduced::default();
        reduced.take(Colours::Rgb([short; 3]), 4, 4);
        assert_eq!(&reduced.rgb[..6], &[7, 7, 7, 0, 0, 0]);
    }
}
