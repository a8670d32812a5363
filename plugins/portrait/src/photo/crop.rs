// SPDX-License-Identifier: MIT OR Apache-2.0
//! The square around the face, and cutting it out.

use super::picture::Picture;
use crate::face::pixel::catmull_rom_at;

/// Side of the square over the height of the face, where the photo has room for it.
const WIDE: f32 = 2.0;

/// The least: a tighter photo is stretched at its edges.
const NARROW: f32 = 1.3;

/// How much of the space beside the face may be on one side of it, before the square rather sticks out of the photo.
const LEAN: f32 = 0.9;

/// The most that it grows for a hat or tall hair, and what stays above them and below the chin then.
const TALL: f32 = 2.3;
const ABOVE_CROWN: f32 = 0.08;
const BELOW_CHIN: f32 = 0.6;
const LEAST_BELOW_CHIN: f32 = 0.35;

/// How far the face's centre lies above the middle of the square, in heights of the face.
const RAISE: f32 = 0.06;

/// Radius of the resampling kernel in pixels of the coarser picture.
const RADIUS: f32 = 2.0;

/// Place and side of what is drawn are told in so many parts of a pixel: the last digits of landmarks differ from processor to
/// processor, and what of a photo is copied behind a head, or belongs to it, may hang on them.
const PARTS: f32 = 2.0;

/// A square in pixels of the photo. It may stick out: the photo's edges are replicated there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    /// Left.
    pub x: f32,
    /// Top.
    pub y: f32,
    /// Length of a side.
    pub side: f32,
}

impl Crop {
    /// The square around a face, given the top of its forehead and its chin in a photo of `width` x `height` pixels.
    ///
    /// It is moved, then made smaller, to stay within the photo; where that is not enough it sticks out around the face.
    pub fn around(forehead: [f32; 2], chin: [f32; 2], width: usize, height: usize) -> Self {
        let face = (forehead[0] - chin[0]).hypot(forehead[1] - chin[1]);
        let room = width.min(height) as f32;
        let side = room.clamp(NARROW * face, WIDE * face);
        let place = |centre: f32, length: f32| {
            let free = length - side;
            let slack = (side - face) / 2.0 * LEAN;
            let wanted = centre - side / 2.0;
            let inside = if free >= 0.0 { wanted.clamp(0.0, free) } else { free / 2.0 };
            inside.clamp(wanted - slack, wanted + slack)
        };
        Self {
            x: place((forehead[0] + chin[0]) / 2.0, width as f32),
            y: place((forehead[1] + chin[1]) / 2.0 + RAISE * face, height as f32),
            side,
        }
    }

    /// Points of the photo, in pixels, in shares of the square's side.
    pub fn shares(self, points: impl IntoIterator<Item = [f32; 3]>) -> Vec<[f32; 3]> {
        let share = |[x, y, z]: [f32; 3]| [(x - self.x) / self.side, (y - self.y) / self.side, z / self.side];
        points.into_iter().map(share).collect()
    }

    /// The other way: points in shares of the square's side, in pixels of the photo.
    pub fn pixels(self, points: &[[f32; 3]]) -> impl Iterator<Item = [f32; 3]> {
        points.iter().map(move |p| [p[0] * self.side + self.x, p[1] * self.side + self.y, p[2] * self.side])
    }

    /// The same with all of a hat or tall hair in it, whose top is the row `crown`: a head whose top is cut off looks wrong
    /// as soon as it moves. It never leaves the photo for that.
    #[must_use]
    pub fn with_crown(
        self,
        crown: f32,
        forehead: [f32; 2],
        chin: [f32; 2],
        width: usize,
        height: usize,
    ) -> Self {
        let face = (forehead[0] - chin[0]).hypot(forehead[1] - chin[1]);
        let top = (crown - ABOVE_CROWN * face).max(0.0);
        if top >= self.y {
            return self;
        }
        let room = width.min(height) as f32;
        let side =
            (chin[1] + BELOW_CHIN * face - top).clamp(self.side, (TALL * face).min(room).max(self.side));
        let y = top.max(chin[1] + LEAST_BELOW_CHIN * face - side).min(self.y);
        let x = self.x + (self.side - side) / 2.0;
        // Half a pixel for what is rounded in a square that ends with the photo.
        let keep = |at: f32, before: f32, length: f32| {
            let within = before >= 0.0 && before + self.side <= length + 0.5;
            if within { at.clamp(0.0, (length - side).max(0.0)) } else { at }
        };
        Self { x: keep(x, self.x, width as f32), y: keep(y, self.y, height as f32), side }
    }

    /// The same on halves of a pixel.
    #[must_use]
    pub fn rounded(self) -> Self {
        let round = |v: f32| (v * PARTS).round() / PARTS;
        Self { x: round(self.x), y: round(self.y), side: round(self.side) }
    }

    /// Cuts the square out of a photo, scaled to `size` x `size`.
    pub fn cut(&self, photo: &Picture, size: usize) -> Picture {
        let (x, y) = self.spans(size);
        let rgb = resample::<3>(&photo.rgb, photo.width, photo.height, x, y);
        Picture { width: size, height: size, rgb }
    }

    /// The same for one byte a pixel.
    pub fn cut_mask(&self, mask: &[u8], width: usize, height: usize, size: usize) -> Vec<u8> {
        let (x, y) = self.spans(size);
        resample::<1>(mask, width, height, x, y)
    }

    fn spans(&self, size: usize) -> (Span, Span) {
        let span = |start: f32| Span { start, length: self.side, size };
        (span(self.x), span(self.y))
    }
}

/// What part of a line is resampled, and to how many pixels.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Its beginning in pixels; may lie outside.
    pub start: f32,
    /// Its length in pixels.
    pub length: f32,
    /// Pixels that it becomes.
    pub size: usize,
}

/// Separable cubic (Catmull-Rom) resampling; its kernel widens with the reduction, so that nothing aliases.
pub fn resample<const C: usize>(data: &[u8], width: usize, height: usize, x: Span, y: Span) -> Vec<u8> {
    let size = x.size;
    if width == 0 || height == 0 || data.len() < width * height * C {
        return vec![0; size * y.size * C];
    }
    let columns = kernel(x.start, x.length, size, width);
    let rows = kernel(y.start, y.length, y.size, height);
    let first = rows.iter().map(|t| t.first).min().unwrap_or(0);
    let last = rows.iter().map(|t| t.first + t.weights.len()).max().unwrap_or(0);
    let mut narrow = vec![0.0f32; (last - first) * size * C];
    for (line, out) in data.chunks_exact(width * C).skip(first).zip(narrow.chunks_exact_mut(size * C)) {
        let (pixels, _) = line.as_chunks::<C>();
        let (out, _) = out.as_chunks_mut::<C>();
        for (taps, out) in columns.iter().zip(out) {
            let mut sum = [0.0f32; C];
            for (weight, pixel) in taps.weights.iter().zip(&pixels[taps.first..]) {
                for (sum, &value) in sum.iter_mut().zip(pixel) {
                    *sum += weight * f32::from(value);
                }
            }
            *out = sum;
        }
    }
    let mut result = vec![0u8; size * y.size * C];
    let mut sum = vec![0.0f32; size * C];
    for (taps, out) in rows.iter().zip(result.chunks_exact_mut(size * C)) {
        sum.fill(0.5);
        let lines = narrow.chunks_exact(size * C).skip(taps.first - first);
        for (weight, line) in taps.weights.iter().zip(lines) {
            for (sum, value) in sum.iter_mut().zip(line) {
                *sum += weight * value;
            }
        }
        for (out, value) in out.iter_mut().zip(&sum) {
            *out = *value as u8;
        }
    }
    result
}

/// Source pixels of one output pixel. Pixels beyond the border are folded onto the border's.
#[derive(Clone, Debug)]
pub(crate) struct Taps {
    pub first: usize,
    pub weights: Vec<f32>,
}

/// For `size` pixels that show `side` pixels of a line of `length`, from `start` on.
pub(crate) fn kernel(start: f32, side: f32, size: usize, length: usize) -> Vec<Taps> {
    let step = side / size as f32;
    let width = step.max(1.0);
    let last = length as isize - 1;
    (0..size)
        .map(|i| {
            let centre = start + (i as f32 + 0.5) * step;
            let low = (centre - RADIUS * width).floor() as isize;
            let high = (centre + RADIUS * width).ceil() as isize;
            let first = low.clamp(0, last);
            let mut weights = vec![0.0f32; (high.clamp(0, last) - first + 1) as usize];
            for at in low..=high {
                let weight = catmull_rom_at((at as f32 + 0.5 - centre) / width);
                weights[(at.clamp(0, last) - first) as usize] += weight;
            }
            let total: f32 = weights.iter().sum();
            weights.iter_mut().for_each(|w| *w /= total);
            Taps { first: first as usize, weights }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: usize, height: usize) -> Picture {
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7])).collect();
        Picture { width, height, rgb }
    }

    /// Else what is copied behind a head would be chosen by the processor.
    #[test]
    fn the_last_digits_of_landmarks_make_no_other_square() {
        let square =
            |more: f32| Crop::around([300.3, 101.7 + more], [310.2, 402.9 - more], 800, 600).rounded();
        assert_eq!(square(0.0), square(1e-4));
        let exact = Crop::around([300.3, 101.7], [310.2, 402.9], 800, 600);
        let off = [square(0.0).x - exact.x, square(0.0).y - exact.y, square(0.0).side - exact.side];
        assert!(off.iter().all(|off| off.abs() <= 0.5 / PARTS));
    }

    #[test]
    fn points_go_into_the_square_and_back() {
        let crop = Crop { x: 10.0, y: -20.0, side: 200.0 };
        let corners = [[10.0, -20.0, 0.0], [210.0, 180.0, 50.0], [110.0, 80.0, -100.0]];
        let shares = crop.shares(corners);
        assert_eq!(shares, [[0.0, 0.0, 0.0], [1.0, 1.0, 0.25], [0.5, 0.5, -0.5]]);
        assert!(crop.pixels(&shares).eq(corners));
    }

    #[test]
    fn the_square_stays_in_the_photo_where_it_can() {
        let inside =
            |c: Crop, w: f32, h: f32| c.x >= 0.0 && c.y >= 0.0 && c.x + c.side <= w && c.y + c.side <= h;
        // Room all around.
        let crop = Crop::around([500.0, 400.0], [500.0, 600.0], 1000, 1000);
        assert_eq!(crop.side, 400.0);
        assert!((crop.x - 300.0).abs() < 1e-3 && crop.y > 300.0 && crop.y < 330.0, "{crop:?}");
        // Near a border: moved.
        let crop = Crop::around([150.0, 100.0], [150.0, 300.0], 1000, 1000);
        assert!(inside(crop, 1000.0, 1000.0) && crop.side == 400.0, "{crop:?}");
        // A tight photo: smaller, and the face may lie at its edge.
        let crop = Crop::around([180.0, 80.0], [180.0, 280.0], 360, 400);
        assert!(inside(crop, 360.0, 400.0) && crop.side == 360.0, "{crop:?}");
        let crop = Crop::around([150.0, 80.0], [150.0, 280.0], 300, 300);
        assert_eq!(crop, Crop { x: 0.0, y: 0.0, side: 300.0 });
        // A face as large as the photo, and one cut by its border: sticks out, the face within.
        let crop = Crop::around([100.0, 0.0], [100.0, 200.0], 200, 200);
        assert!((crop.side - 260.0).abs() < 1e-3 && crop.x < 0.0, "{crop:?}");
        let crop = Crop::around([0.0, 400.0], [0.0, 600.0], 1000, 1000);
        assert!(crop.x < 0.0 && crop.x + crop.side > 150.0, "{crop:?}");
    }

    #[test]
    fn a_hat_is_in_the_square_where_the_photo_has_it() {
        let (forehead, chin) = ([500.0, 400.0], [500.0, 600.0]);
        let plain = Crop::around(forehead, chin, 1000, 1000);
        assert_eq!(plain.with_crown(plain.y + 20.0, forehead, chin, 1000, 1000), plain);
        let hat = plain.with_crown(250.0, forehead, chin, 1000, 1000);
        assert!(hat.y <= 240.0 && hat.y + hat.side >= 670.0 && hat.side <= 460.0, "{hat:?}");
        assert!((hat.x + hat.side / 2.0 - 500.0).abs() < 1.0, "{hat:?}");
        // A hat as high as a house: the chin stays in.
        let house = plain.with_crown(0.0, forehead, chin, 1000, 1000);
        assert!((house.side - 460.0).abs() < 1e-3 && house.y + house.side >= 669.0, "{house:?}");
        // Shoulders at the photo's bottom: it stays within, with more above the hair.
        let (forehead, chin) = ([262.0, 189.0], [255.0, 405.0]);
        let tall = Crop::around(forehead, chin, 512, 512).with_crown(48.0, forehead, chin, 512, 512);
        assert!(tall.side > 490.0 && tall.y >= 0.0 && tall.y + tall.side <= 512.0, "{tall:?}");
        // Near the photo's corner it stays within.
        let (forehead, chin) = ([200.0, 120.0], [200.0, 320.0]);
        let corner = Crop::around(forehead, chin, 1000, 1000).with_crown(2.0, forehead, chin, 1000, 1000);
        assert!(corner.x >= 0.0 && corner.y >= 0.0, "{corner:?}");
    }

    proptest::proptest! {
        #[test]
        fn a_square_within_the_photo_stays_there_for_any_hair(
            (width, height) in (64_usize..2000, 64_usize..2000),
            (x, y, face) in (0.0_f32..1.0, 0.0_f32..1.0, 0.1_f32..0.7),
            hair in 0.0_f32..1.0,
        ) {
            let face = face * width.min(height) as f32;
            let (x, y) = (x * width as f32, y * (height as f32 - face));
            let (forehead, chin) = ([x, y], [x, y + face]);
            let plain = Crop::around(forehead, chin, width, height);
            let crop = plain.with_crown(hair * y, forehead, chin, width, height);
            let within = |start: f32, side: f32, length: usize| start >= 0.0 && start + side <= length as f32 + 0.5;
            for (before, after, length) in [(plain.x, crop.x, width), (plain.y, crop.y, height)] {
                proptest::prop_assert!(
                    !within(before, plain.side, length) || within(after, crop.side, length),
                    "{plain:?} {crop:?}"
                );
            }
            proptest::prop_assert!(crop.y <= plain.y && crop.side >= plain.side);
        }
    }

    #[test]
    fn cutting_at_the_same_size_copies_and_edges_are_replicated() {
        let photo = gradient(40, 30);
        let cut = Crop { x: 5.0, y: 6.0, side: 16.0 }.cut(&photo, 16);
        for y in 0..16 {
            for x in 0..16 {
                assert_eq!(cut.rgb[(y * 16 + x) * 3..][..3], [x as u8 + 5, y as u8 + 6, 7]);
            }
        }
        let out = Crop { x: -100.0, y: -100.0, side: 16.0 }.cut(&photo, 16);
        assert!(out.rgb.chunks_exact(3).all(|p| p == [0, 0, 7]));
    }

    #[test]
    fn reducing_averages_and_enlarging_interpolates() {
        let checker: Vec<u8> = (0..64 * 64).map(|i| if (i / 64 + i) % 2 == 0 { 0 } else { 255 }).collect();
        let all = Crop { x: 0.0, y: 0.0, side: 64.0 };
        assert!(all.cut_mask(&checker, 64, 64, 8).iter().all(|&v| (120..=135).contains(&v)));
        let two: Vec<u8> = vec![0, 200];
        let wide = Crop { x: 0.0, y: 0.0, side: 2.0 }.cut_mask(&two, 2, 1, 8);
        assert!(wide[..8].is_sorted() && wide[0] == 0 && wide[7] >= 200, "{:?}", &wide[..8]);
    }
}
