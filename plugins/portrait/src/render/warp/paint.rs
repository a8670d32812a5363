// SPDX-License-Identifier: MIT OR Apache-2.0
//! What of a region of the face reaches the picture, run by run: its flow, and its paint over what the painter saw.
//!
//! Places are found for a tile of pixels, then four numbers at once are mixed: as many as a cell of the flow or a pixel of the
//! paint has.

#![allow(
    clippy::needless_range_loop,
    reason = "loops over indices of arrays are what becomes vector instructions"
)]

use multiversion::multiversion;
use wide::f32x4;

use super::math::{COUNT, Places, TILE};
use super::patch::Frame;
use super::points::Point;
use super::roi::window;

/// The largest level.
const FULL: f32 = 255.0;

/// A run of pixels in picture units: column of the first, step from column to column, row.
pub type Run = [f32; 3];

/// A tile of a run among the samples of a region.
struct Tile {
    /// Patch coordinates.
    at: [[f32; TILE]; 2],
    places: Places,
}

impl Tile {
    const fn new() -> Self {
        Self { at: [[0.0; TILE]; 2], places: Places::new() }
    }

    /// Takes the tile of that number for samples of a plane of that side.
    #[inline(always)]
    fn set(&mut self, frame: &Frame, [u, du, v]: Run, tile: usize, side: usize) {
        let first = (tile * TILE) as f32;
        let n = side as f32 / 2.0;
        let mut samples = [[0.0; TILE]; 2];
        for i in 0..TILE {
            let at = frame.to_patch.apply([u + du * (first + COUNT[i]), v]);
            for axis in 0..2 {
                self.at[axis][i] = at[axis];
                samples[axis][i] = (at[axis] + 1.0) * n - 0.5;
            }
        }
        self.places.set(side, &samples[0], &samples[1]);
    }

    /// How much of each pixel's flow is the region's, of a head that is so far `turned`.
    #[inline(always)]
    fn weights(&self, frame: &Frame, turned: f32) -> [f32; TILE] {
        let mut weights = [0.0; TILE];
        for i in 0..TILE {
            weights[i] = window(self.at[0][i], frame.side) * window(self.at[1][i], frame.side);
        }
        if turned > 0.0 {
            for i in 0..TILE {
                let core = frame.core.weight([self.at[0][i], self.at[1][i]]);
                weights[i] += (core - weights[i]) * turned;
            }
        }
        weights
    }
}

/// Blends the region's displacement into `flow`, and writes the one that the painter saw to `seen`; both across and down,
/// times `scale`. `turned` is [`Turn::turned`](super::turn::Turn::turned).
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
pub fn flow(
    frame: &Frame,
    run: Run,
    scale: [f32; 2],
    turned: f32,
    flow: [&mut [f32]; 2],
    seen: [&mut [f32]; 2],
) {
    flow_of(frame, run, scale, turned, flow, seen, |way, _| way);
}

/// The same with a displacement of `own`, which gets the region's and the place in patch units.
#[inline(always)]
pub fn flow_of(
    frame: &Frame,
    run: Run,
    scale: [f32; 2],
    turned: f32,
    [fx, fy]: [&mut [f32]; 2],
    [sx, sy]: [&mut [f32]; 2],
    own: impl Fn(Point, Point) -> Point,
) {
    let flow = fx.chunks_mut(TILE).zip(fy.chunks_mut(TILE));
    let seen = sx.chunks_mut(TILE).zip(sy.chunks_mut(TILE));
    let mut tile = Tile::new();
    for (n, ((fx, fy), (sx, sy))) in flow.zip(seen).enumerate() {
        tile.set(frame, run, n, frame.half);
        let weights = tile.weights(frame, turned);
        let all = fx.iter_mut().zip(fy).zip(sx.iter_mut().zip(sy)).zip(&weights);
        for (i, (((fx, fy), (sx, sy)), weight)) in all.enumerate() {
            let [x, y, seen_x, seen_y] = tile.places.sample(i, &frame.ways, frame.half).to_array();
            (*sx, *sy) = (seen_x * scale[0], seen_y * scale[1]);
            let [x, y] = own([x, y], [tile.at[0][i], tile.at[1][i]]);
            *fx += (x * scale[0] - *fx) * weight;
            *fy += (y * scale[1] - *fy) * weight;
        }
    }
}

/// Lays the paint over pixels; `under` is the photo where the painter saw it, not its patch, which has less detail.
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1"))]
pub fn blend(frame: &Frame, run: Run, under: &[[f32; 4]], pixels: &mut [[f32; 4]]) {
    let (zero, one, full) = (f32x4::ZERO, f32x4::splat(1.0), f32x4::splat(FULL));
    let squeezed = !frame.squeezed.is_empty();
    let mut tile = Tile::new();
    for (n, (pixels, under)) in pixels.chunks_mut(TILE).zip(under.chunks(TILE)).enumerate() {
        tile.set(frame, run, n, frame.side);
        for (i, (pixel, under)) in pixels.iter_mut().zip(under).enumerate() {
            if tile.at[0][i].abs() >= 1.0 || tile.at[1][i].abs() >= 1.0 {
                continue;
            }
            let paint = tile.places.sample(i, &frame.paint, frame.side);
            let opacity = paint.to_array()[3];
            let alpha = f32x4::splat(opacity);
            let mut old = f32x4::new(*pixel).fast_max(zero).fast_min(full);
            let mut seen = f32x4::new(*under).fast_max(zero).fast_min(full);
            if squeezed {
                let squeezed = tile.places.sample(i, &frame.squeezed, frame.side);
                let rest = f32x4::splat(1.0 - squeezed.to_array()[3]);
                (old, seen) = (old * rest + squeezed, seen * rest + squeezed);
            }
            let painted = (paint + seen * alpha).fast_max(zero).fast_min(full * alpha);
            let before = pixel[3];
            *pixel = (old * (one - alpha) + painted).to_array();
            pixel[3] = before + (FULL - before) * opacity;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::warp::math::{bilinear, noise};
    use crate::render::warp::roi::{Affine, Part};

    const TO_PATCH: Affine = Affine { m: [[0.022, 0.001], [-0.001, 0.022]], origin: [-1.05, -0.4] };
    const RUN: Run = [0.0, 1.0, 9.0];
    const PIXELS: usize = 3 * TILE - 5;

    /// Place of a pixel of the run in patch units and in samples of a plane.
    fn place(i: usize, side: usize) -> ([f32; 2], [f32; 2]) {
        let at = TO_PATCH.apply([RUN[0] + RUN[1] * i as f32, RUN[2]]);
        (at, at.map(|p| (p + 1.0) * side as f32 / 2.0 - 0.5))
    }

    fn plane(next: &mut impl FnMut() -> f32, count: usize, scale: f32) -> Vec<[f32; 4]> {
        (0..count).map(|_| [next() * scale - 20.0, next() * scale, next() * scale, next()]).collect()
    }

    fn near(a: f32, b: f32, what: usize) {
        assert!((a - b).abs() < 2e-3, "{what}: {a}, one by one {b}");
    }

    #[test]
    fn a_run_of_paint_is_what_each_pixel_is_alone() {
        let (mut next, side) = (noise(), 16);
        let (paint, squeezed) = (plane(&mut next, side * side, 200.0), plane(&mut next, side * side, 100.0));
        let [under, before] = [(); 2].map(|()| plane(&mut next, PIXELS, 300.0));
        for squeezed in [Vec::new(), squeezed] {
            let frame =
                Frame { to_patch: TO_PATCH, side, paint: paint.clone(), squeezed, ..Frame::default() };
            let mut pixels = before.clone();
            blend(&frame, RUN, &under, &mut pixels);
            let mut inside = 0;
            for i in 0..PIXELS {
                let ([u, v], [x, y]) = place(i, side);
                if u.abs() >= 1.0 || v.abs() >= 1.0 {
                    assert_eq!(pixels[i], before[i], "{i}");
                    continue;
                }
                inside += 1;
                let [r, g, b, alpha] = bilinear(&frame.paint, side, x, y);
                let covered =
                    if frame.squeezed.is_empty() { [0.0; 4] } else { bilinear(&frame.squeezed, side, x, y) };
                for (c, delta) in [r, g, b].into_iter().enumerate() {
                    let kept = |photo: f32| photo.clamp(0.0, FULL) * (1.0 - covered[3]) + covered[c];
                    let paint = (delta + kept(under[i][c]) * alpha).clamp(0.0, FULL * alpha);
                    near(pixels[i][c], kept(before[i][c]) * (1.0 - alpha) + paint, i);
                }
                near(pixels[i][3], before[i][3] + (FULL - before[i][3]) * alpha, i);
            }
            assert!((TILE..PIXELS).contains(&inside), "{inside}");
        }
    }

    #[test]
    fn a_run_of_flow_is_what_each_pixel_is_alone() {
        let (mut next, half, side) = (noise(), 8, 16);
        let ways = plane(&mut next, half * half, 30.0);
        let frame = Frame {
            to_patch: TO_PATCH,
            half,
            side,
            ways,
            core: Part::EyeRight.core(false),
            ..Frame::default()
        };
        let [across, down] = [(); 2].map(|()| (0..PIXELS).map(|_| next()).collect::<Vec<f32>>());
        for turned in [0.0, 0.5, 1.0] {
            let (mut fx, mut fy) = (across.clone(), down.clone());
            let (mut sx, mut sy) = (vec![0.0; PIXELS], vec![0.0; PIXELS]);
            flow(&frame, RUN, [2.0, 3.0], turned, [&mut fx, &mut fy], [&mut sx, &mut sy]);
            for i in 0..PIXELS {
                let ([u, v], [x, y]) = place(i, half);
                let way = bilinear(&frame.ways, half, x, y);
                let whole = window(u, side) * window(v, side);
                let weight = whole + (frame.core.weight([u, v]) - whole) * turned;
                near(sx[i], way[2] * 2.0, i);
                near(sy[i], way[3] * 3.0, i);
                near(fx[i], across[i] + (way[0] * 2.0 - across[i]) * weight, i);
                near(fy[i], down[i] + (way[1] * 3.0 - down[i]) * weight, i);
            }
            assert_ne!(fx, across);
        }
    }
}
