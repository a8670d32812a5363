// SPDX-License-Identifier: MIT OR Apache-2.0
//! The inside of the mouth as a second photo of the person shows it: teeth that are the person's own.
//!
//! What a photo does not show, its painter has to make up. Where a second one shows more of the mouth, the painter draws
//! the mouth from there too, and what lies between the lips is taken from that, in the light of the first photo. The lips
//! and all around them stay those of the first.

use tch::Device;

use super::flow::{Flow, Gate};
use super::math::{bilinear, sample, smooth_step};
use super::painter::Painter;
use super::patch::{Frame, Patch};
use super::points::{Point, Rows, gather};
use super::roi::{COARSE, Part};
use super::tint::{self, Tint};
use super::{RenderError, Source, remap};
use crate::pack::Pack;

/// A mouth that opens less than this, in widths, shows nothing; and how many times as far as the first photo's it has to be
/// open: what that one shows fits better.
const OPEN: f32 = 0.05;
const WIDER: f32 = 2.0;
/// Openings of a frame, as shares of the photo's, up to which nothing is taken from it and from which on all is: teeth that are
/// squeezed to less are not a mouth's.
const TAKES: (f32, f32) = (0.5, 0.75);
/// Width of the soft edge inside of the lips, in patch units.
const EDGE: f32 = 0.04;
/// Rows of the photo beside the one that is seen from which on they count.
const LEAST_SKIPPED: f32 = 0.05;
/// Least and largest ratio of the photos' light.
const LIGHT: (f32, f32) = (0.5, 2.0);

/// The mouth of a second photo.
pub struct Inside {
    flow: Flow,
    painter: Painter,
    /// The second photo in the light of the first, square RGB8.
    picture: Vec<u8>,
    side: usize,
    /// How far its mouth is open, in widths.
    open: f32,
    /// The opening of the frame.
    bounds: [f32; 4],
    /// How much is taken from here in this frame, 0 to 1.
    share: f32,
}

/// What the compositor needs of a frame.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// Box around the opening in picture units: left, top, right, bottom.
    pub bounds: [f32; 4],
    frame: &'a Frame,
    depth: &'a [f32],
    picture: &'a [u8],
    side: usize,
    share: f32,
}

impl Inside {
    /// That of the second source, for the first one with these control points and its tint; none where it shows no more.
    ///
    /// # Errors
    /// Where the second source lacks landmarks, or the pack has no painter of mouths that fits.
    pub fn new(
        pack: &Pack,
        device: Device,
        [source, open]: [&Source<'_>; 2],
        points: &[Point],
        rows: &Rows,
        tint: Tint,
    ) -> Result<Option<Self>, RenderError> {
        let wider = rows.pick(open.landmarks)?;
        let [first, second] = [points, &wider].map(|points| Gate::new(points, &rows.rims).opening());
        if second < OPEN.max(first * WIDER) {
            return Ok(None);
        }
        let patches = vec![Patch::new(Part::Mouth, &wider, rows)];
        let light = [(source, points), (open, &wider)].map(|(s, points)| light(s, points, rows));
        Ok(Some(Self {
            flow: Flow::new(rows, &wider),
            painter: Painter::new(pack.stage("mouth", device)?, patches, tint, 3, open.mouth_code)?,
            picture: relit(open.picture, light, tint),
            side: open.side,
            open: second,
            bounds: [0.0; 4],
            share: 0.0,
        }))
    }

    /// Paints the mouth of a frame, if it is open so far, in widths.
    ///
    /// # Errors
    /// As [`Painter::paint`].
    pub fn paint(
        &mut self,
        opening: f32,
        driving: &[Point],
        rows: &Rows,
        code: &[f32],
    ) -> Result<(), RenderError> {
        self.share = smooth_step((opening / self.open - TAKES.0) / (TAKES.1 - TAKES.0));
        if self.share <= 0.0 {
            return Ok(());
        }
        self.flow.pose(driving, &[]);
        self.bounds = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        for [x, y] in gather(driving, &rows.lips_inner) {
            let [left, top, right, bottom] = self.bounds;
            self.bounds = [left.min(x), top.min(y), right.max(x), bottom.max(y)];
        }
        self.painter.paint(&self.flow, driving, rows, (&self.picture, self.side), Some(code))
    }

    /// What is to be drawn of the frame.
    pub fn shown(&self) -> Option<Shown<'_>> {
        let patch = self.painter.patch();
        (self.share > 0.0).then(|| Shown {
            bounds: self.bounds,
            frame: patch.frame(),
            depth: patch.depth(),
            picture: &self.picture,
            side: self.side,
            share: self.share,
        })
    }
}

impl Shown<'_> {
    /// Lays the inside over a run of pixels: columns at `u` with step `du`, row at `v`, which is `dv` high.
    pub fn blend(&self, [u, du, v]: [f32; 3], dv: f32, pixels: &mut [[f32; 4]]) {
        let frame = self.frame;
        for (i, pixel) in pixels.iter_mut().enumerate() {
            let at = [u + du * i as f32, v];
            let [x, y] = self.place(at, COARSE);
            let weight = self.share * smooth_step(sample(self.depth, COARSE, x, y) / EDGE);
            if weight <= 0.0 {
                continue;
            }
            let photo = self.photo(at, dv);
            let [x, y] = self.place(at, frame.side);
            let paint = bilinear(&frame.paint, frame.side, x, y);
            for c in 0..3 {
                pixel[c] += ((photo[c] + paint[c]).clamp(0.0, 255.0) - pixel[c]) * weight;
            }
            pixel[3] += (255.0 - pixel[3]) * weight;
        }
    }

    /// A place of the picture in samples of a plane of the patch.
    fn place(&self, at: Point, side: usize) -> Point {
        self.frame.to_patch.apply(at).map(|p| (p + 1.0) * side as f32 / 2.0 - 0.5)
    }

    /// What the painter saw at a place of the picture, whose pixels are `pixel` high: where teeth are squeezed the mean of
    /// three rows, as single ones would be specks.
    fn photo(&self, at: Point, pixel: f32) -> [f32; 3] {
        let from = |y: f32| {
            let at = [at[0], at[1] + y];
            let [px, py] = self.place(at, self.frame.half);
            let [_, _, x, y] = bilinear(&self.frame.ways, self.frame.half, px, py);
            [at[0] + x, at[1] + y].map(|unit| unit * self.side as f32 - 0.5)
        };
        let ([x0, y0], [x1, y1]) = (from(-pixel / 2.0), from(pixel / 2.0));
        let [x, y] = [(x0 + x1) / 2.0, (y0 + y1) / 2.0];
        let skipped = ((x1 - x0).hypot(y1 - y0) - 1.0) / 2.0;
        if skipped < LEAST_SKIPPED {
            return remap::sharp(self.picture, self.side, [x, y]);
        }
        let rows = [-skipped, 0.0, skipped].map(|d| remap::sharp(self.picture, self.side, [x, y + d]));
        std::array::from_fn(|c| (rows[0][c] + rows[1][c] + rows[2][c]) / 3.0)
    }
}

/// Mean colour of the face of a source.
fn light(source: &Source<'_>, points: &[Point], rows: &Rows) -> [f32; 3] {
    let (mut sum, mut count) = ([1_u64; 3], 1_u64);
    for pixel in tint::face(source.picture, source.side, points, rows) {
        sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u64::from(*value));
        count += 1;
    }
    sum.map(|sum| sum as f32 / count as f32)
}

/// The second photo in the light of the first, of the light of both, with no more colour than `tint`.
fn relit(rgb: &[u8], [first, second]: [[f32; 3]; 2], tint: Tint) -> Vec<u8> {
    let gain: [f32; 3] = std::array::from_fn(|c| (first[c] / second[c]).clamp(LIGHT.0, LIGHT.1));
    // A saturating cast.
    let pixel = |p: &[u8; 3]| tint.of([0, 1, 2].map(|c| f32::from(p[c]) * gain[c])).map(|v| (v + 0.5) as u8);
    rgb.as_chunks::<3>().0.iter().flat_map(pixel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::render::warp::tint::tests::{SIDE, face};

    fn source(picture: &[u8]) -> Source<'_> {
        Source {
            side: SIDE,
            picture,
            landmarks: &[],
            matte: &[],
            foreground: &[],
            plate: &[],
            mouth_code: &[],
            eye_code: &[],
            parallax: &[],
            covered: false,
            large_eyes: None,
        }
    }

    #[test]
    fn the_second_photo_is_seen_in_the_light_and_the_colour_of_the_first() {
        for (first, second, seen) in [
            ([200, 150, 100], [100, 100, 100], [200, 150, 100]),
            ([200, 150, 100], [50, 150, 255], [100, 150, 128]), // not brighter or darker than by two
            ([90, 90, 90], [180, 120, 90], [90, 90, 90]),
        ] {
            let (points, rows) = face();
            let [a, b] = [first, second].map(|colour| colour.repeat(SIDE * SIDE));
            let light = [&a, &b].map(|rgb| light(&source(rgb), &points, &rows));
            let relit = relit(&b, light, Tint::new(&a, SIDE, &points, &rows));
            let near = relit.as_chunks::<3>().0.iter().all(|p| (0..3).all(|c| p[c].abs_diff(seen[c]) <= 1));
            assert!(near, "{first:?} {second:?}: {:?}", &relit[..3]);
        }
    }

    /// A picture that is seen at a third of its height.
    #[test]
    fn squeezed_rows_are_mixed_and_others_are_not() {
        let picture: Vec<u8> =
            (0..SIDE * SIDE).flat_map(|i| [if (i / SIDE).is_multiple_of(3) { 240 } else { 0 }; 3]).collect();
        let half = 32;
        let mut frame = Frame { half, ways: vec![[0.0; 4]; half * half], side: 2, ..Frame::default() };
        frame.to_patch.m = [[2.0, 0.0], [0.0, 2.0]];
        frame.to_patch.origin = [-1.0, -1.0];
        let row = |frame: &Frame, y: usize| {
            let shown =
                Shown { bounds: [0.0; 4], frame, depth: &[], picture: &picture, side: SIDE, share: 1.0 };
            let unit = 1.0 / SIDE as f32;
            shown.photo([0.5, (y as f32 + 0.5) * unit], unit)[0]
        };
        for y in 24..40 {
            let exact = if y % 3 == 0 { 240.0 } else { 0.0 };
            assert!((row(&frame, y) - exact).abs() < 1.0, "{y}: {}", row(&frame, y));
        }
        for (i, way) in frame.ways.iter_mut().enumerate() {
            way[3] = 2.0 * ((i / half) as f32 + 0.5 - 16.0) / half as f32;
        }
        for y in 28..36 {
            assert!((row(&frame, y) - 80.0).abs() < 12.0, "{y}: {}", row(&frame, y));
        }
    }
}
