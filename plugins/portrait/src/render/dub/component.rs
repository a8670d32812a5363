// SPDX-License-Identifier: MIT OR Apache-2.0
//! The components of a frame, whatever its format: luma, chroma, colours, each a grid of bytes.

use super::Point;

/// What a component measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Brightness; `true` where it goes from 0 to 255 rather than from 16 to 235.
    Luma(bool),
    /// A difference of colours, about 128.
    Chroma,
    /// Red, green or blue.
    Colour,
}

/// One component of a frame.
#[derive(Debug)]
pub struct Component<'a> {
    /// From its first sample.
    pub data: &'a mut [u8],
    /// Bytes from row to row.
    pub stride: usize,
    /// Bytes from sample to sample.
    pub pixel: usize,
    /// Samples of a row, and rows.
    pub size: [usize; 2],
    /// Pixels from sample to sample, across and down.
    pub step: [usize; 2],
    /// What it measures.
    pub kind: Kind,
}

/// Ratio of the light of two frames within which one is seen in the other's.
const LIGHT: (f32, f32) = (0.6, 1.6);

impl Kind {
    fn black(self) -> f32 {
        if self == Self::Luma(false) { 16.0 } else { 0.0 }
    }

    /// Least and largest value.
    pub fn range(self) -> (f32, f32) {
        if self == Self::Luma(false) { (16.0, 235.0) } else { (0.0, 255.0) }
    }

    /// A value of a frame whose skin is `then` in one whose skin is `now`.
    pub fn relit(self, value: f32, now: f32, then: f32) -> f32 {
        if self == Self::Chroma {
            return value + now - then;
        }
        let black = self.black();
        let gain = ((now - black) / (then - black).max(1.0)).clamp(LIGHT.0, LIGHT.1);
        black + (value - black) * gain
    }

    /// A value in a shade from 0 to 1.
    #[inline(always)]
    pub fn shaded(self, value: f32, shade: f32) -> f32 {
        if self == Self::Chroma { value } else { value - (value - self.black()) * shade }
    }

    /// The dark of a mouth under skin of that value: its shares of brightness and of colour.
    pub fn dark(self, skin: f32, (bright, coloured): (f32, f32)) -> f32 {
        match self {
            Self::Chroma => 128.0 + (skin - 128.0) * coloured,
            _ => self.black() + (skin - self.black()) * bright,
        }
    }
}

/// The pixel in the middle of a sample, pixel centres on whole numbers.
pub fn centre(sample: usize, step: usize) -> f32 {
    (sample as f32 + 0.5) * step as f32 - 0.5
}

/// A part of a component, copied.
#[derive(Clone, Debug, Default)]
pub struct Crop {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Crop {
    /// Takes the part with these bounds: left, top, width, height in samples.
    pub fn take(&mut self, from: &Component<'_>, [left, top, width, height]: [usize; 4]) {
        (self.left, self.top, self.width, self.height) = (left, top, width, height);
        self.data.clear();
        for y in top..top + height {
            let start = (y * from.stride + left * from.pixel).min(from.data.len());
            let row = from.data[start..].iter().step_by(from.pixel.max(1)).take(width);
            let before = self.data.len();
            self.data.extend(row);
            self.data.resize(before + width, 0);
        }
    }

    /// Becomes a copy of another one.
    pub fn copy(&mut self, other: &Self) {
        (self.left, self.top, self.width, self.height) = (other.left, other.top, other.width, other.height);
        self.data.clear();
        self.data.extend_from_slice(&other.data);
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Mean around points, which are in pixels.
    pub fn mean(&self, points: &[Point], step: [usize; 2]) -> f32 {
        let (mut sum, mut count) = (0.0, 0.0);
        for p in points {
            let [x, y] = [0, 1].map(|k| (p[k] + 0.5) / step[k] as f32 - 0.5);
            for dy in [-1.0, 0.0, 1.0] {
                for dx in [-1.0, 0.0, 1.0] {
                    sum += self.at((x + dx).round() as i64, (y + dy).round() as i64);
                    count += 1.0;
                }
            }
        }
        if count > 0.0 { sum / count } else { 0.0 }
    }

    /// The sample there, or the nearest one.
    #[inline(always)]
    fn at(&self, x: i64, y: i64) -> f32 {
        let (Some(right), Some(bottom)) = (self.width.checked_sub(1), self.height.checked_sub(1)) else {
            return 0.0;
        };
        let x = (x - self.left as i64).clamp(0, right as i64) as usize;
        let y = (y - self.top as i64).clamp(0, bottom as i64) as usize;
        self.data.get(y * self.width + x).map_or(0.0, |v| f32::from(*v))
    }

    /// The value between samples, by Catmull and Rom: as sharp as they are. On a sample it is that.
    #[inline(always)]
    pub fn sharp(&self, [x, y]: Point) -> f32 {
        let ((ix, tx), (iy, ty)) = (split(x), split(y));
        let (wx, wy) = (weights(tx), weights(ty));
        let (cx, cy) = (ix - self.left as i64, iy - self.top as i64);
        let inside = cx >= 1 && cy >= 1 && cx + 2 < self.width as i64 && cy + 2 < self.height as i64;
        let mut sum = 0.0;
        if inside {
            let first = (cy as usize - 1) * self.width + cx as usize - 1;
            for (row, wy) in wy.into_iter().enumerate() {
                let rest = self.data.get(first + row * self.width..).and_then(<[u8]>::first_chunk);
                let Some([a, b, c, d]) = rest.map(|line| line.map(f32::from)) else { return 0.0 };
                sum += (a * wx[0] + b * wx[1] + c * wx[2] + d * wx[3]) * wy;
            }
            return sum;
        }
        for (row, wy) in (-1..3).zip(wy) {
            for (column, wx) in (-1..3).zip(wx) {
                sum += self.at(ix + column, iy + row) * wx * wy;
            }
        }
        sum
    }
}

/// The whole number below, and what is above that. (Without SSE 4.1 `floor` is a call.)
#[inline(always)]
fn split(x: f32) -> (i64, f32) {
    let near = x as i64;
    let below = if near as f32 > x { near - 1 } else { near };
    (below, x - below as f32)
}

#[inline(always)]
fn weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [
        0.5 * (2.0 * t2 - t - t3),
        0.5 * (3.0 * t3 - 5.0 * t2 + 2.0),
        0.5 * (4.0 * t2 - 3.0 * t3 + t),
        0.5 * (t3 - t2),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(data: &mut [u8], pixel: usize, size: [usize; 2]) -> Component<'_> {
        Component { stride: size[0] * pixel, data, pixel, size, step: [1, 1], kind: Kind::Colour }
    }

    #[test]
    fn a_crop_holds_its_part_and_is_exact_on_samples() {
        let mut data: Vec<u8> = (0..200u8).collect();
        let c = component(&mut data, 2, [10, 10]);
        let mut crop = Crop::default();
        crop.take(&c, [2, 3, 6, 6]);
        for (x, y) in [(2, 3), (4, 5), (7, 8)] {
            assert_eq!(crop.sharp([x as f32, y as f32]), f32::from(y as u8 * 20 + x as u8 * 2));
        }
        // A slope stays one between samples.
        assert!((crop.sharp([4.5, 5.25]) - (5.25 * 20.0 + 9.0)).abs() < 1e-3);
        crop.take(&component(&mut [9; 4], 1, [2, 2]), [0, 0, 2, 2]);
        assert!((crop.sharp([-50.3, 99.7]) - 9.0).abs() < 1e-4, "outside is the nearest");
    }

    #[test]
    fn light_is_a_gain_of_brightness_and_a_shift_of_colour() {
        let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-3, "{a} {b}");
        near(Kind::Luma(false).relit(116.0, 96.0, 66.0), 176.0);
        near(Kind::Colour.relit(100.0, 60.0, 50.0), 120.0);
        near(Kind::Chroma.relit(120.0, 118.0, 110.0), 128.0);
        // Not beyond belief.
        near(Kind::Colour.relit(100.0, 250.0, 10.0), 160.0);
    }
}
