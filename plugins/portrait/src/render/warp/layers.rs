// SPDX-License-Identifier: MIT OR Apache-2.0
//! The photo taken apart: the person, who moves, over a background, which does not.
//!
//! With matte m and background B the person's layer is P = photo - B * (1 - m), and the animated picture is
//! P(from) + B(here) * (1 - m(from)). Whatever matte and plate are worth, a face at rest gives back the photo exactly,
//! hair keeps no halo of the old background (it was subtracted), and where there is no person P and m are zero, so the
//! background is the photo's own.
//!
//! Before another background nothing of the old one may be left: there P is the person's own colours times m.

use super::math::tap;
use super::paste::Raster;
use super::{Background, Source, Still, Transparency};

/// Steps of one grey level in the person's layer.
pub const STEPS: f32 = 64.0;

/// Matte values below are background.
const PERSON: u8 = 26;
/// Pixels (of the picture) by which the person's layer reaches beyond the matte: an edge's own halo goes with
/// it. What lies farther away stays still.
const REACH: usize = 3;
/// Half width in pixels of the ramp between photo and plate.
const RAMP: usize = 2;
/// A matte is doubted where it is soft over more than twice this in all directions, and this far around.
const DOUBT_CORE: usize = 4;
const DOUBT_REACH: usize = 40;
const DOUBT_RAMP: usize = 10;
/// Side of the cells for which is known whether the person is in them, in pixels.
const CELL: usize = 8;

/// The layers of the region that may move.
#[derive(Clone, Debug)]
pub struct Layers {
    /// Size of the region.
    pub width: usize,
    /// Size of the region.
    pub height: usize,
    /// Person: red, green, blue, matte in [`STEPS`] of a level. One pixel of border at the left and top, two at the
    /// right and bottom, so that a 4 x 4 sample never leaves it.
    pub person: Vec<[i16; 4]>,
    /// Pixels of a row of `person`.
    pub stride: usize,
    /// Background of the region: red, green, blue, alpha, colours multiplied by it.
    pub back: Vec<u8>,
    /// Whether the person can stand before another background than the photo's.
    pub cut: bool,
    /// Summed areas of the cells that hold a part of the person.
    seen: Vec<u32>,
    cells: usize,
}

impl Layers {
    /// Takes a source apart at the resolution of the output.
    pub fn new(source: &Source<'_>, still: &Still<'_>, raster: &Raster, background: Background) -> Self {
        let side = source.side;
        let mut matte = source.matte.to_vec();
        if background == Background::Keep {
            distrust(&mut matte, side);
        }
        let near = reach(&matte, side);
        let (width, height) = (raster.region.width, raster.region.height);
        let (stride, cells) = (width + 3, width.div_ceil(CELL) + 1);
        let mut layers = Self {
            width,
            height,
            person: vec![[0; 4]; stride * (height + 3)],
            stride,
            back: vec![255; width * height * 4],
            cut: false,
            seen: vec![0; cells * (height.div_ceil(CELL) + 1)],
            cells,
        };
        let cut_out = still.matte.filter(|_| matches!(still.transparency, Transparency::CutOut));
        let taps_x: Vec<_> = (0..width).map(|x| tap(raster.unit_x(x) * side as f32 - 0.5, side)).collect();
        for y in 0..height {
            let ty = tap(raster.unit_y(y) * side as f32 - 0.5, side);
            let line =
                &still.rgb[((raster.region.y + y) * raster.width + raster.region.x) * 3..][..width * 3];
            for (x, (tx, photo)) in taps_x.iter().zip(line.as_chunks::<3>().0).enumerate() {
                let mix = |plane: &[u8], channels: usize, c: usize| {
                    let at = |x: usize, y: usize| f32::from(plane[(y * side + x) * channels + c]);
                    let top = at(tx.a, ty.a) + (at(tx.b, ty.a) - at(tx.a, ty.a)) * tx.t;
                    let bottom = at(tx.a, ty.b) + (at(tx.b, ty.b) - at(tx.a, ty.b)) * tx.t;
                    top + (bottom - top) * ty.t
                };
                if let Some(alpha) = cut_out {
                    // The person is what the photo shows, as much of it as it says.
                    let at = (raster.region.y + y) * raster.width + raster.region.x + x;
                    let opaque = f32::from(alpha[at]) * STEPS;
                    let person = &mut layers.person[(y + 1) * stride + x + 1];
                    for c in 0..3 {
                        person[c] = (f32::from(photo[c]) * opaque / 255.0).round() as i16;
                    }
                    person[3] = opaque as i16;
                    if opaque > 0.0 {
                        layers.seen[(y / CELL + 1) * cells + x / CELL + 1] = 1;
                    }
                    continue;
                }
                let near = mix(&near, 1, 0) / 255.0;
                let back = &mut layers.back[(y * width + x) * 4..][..3];
                if near <= 0.0 {
                    back.copy_from_slice(photo);
                    continue;
                }
                let opaque = (mix(&matte, 1, 0) * near * STEPS).round();
                let cover = opaque / (STEPS * 255.0);
                let through = 1.0 - cover;
                let person = &mut layers.person[(y + 1) * stride + x + 1];
                for c in 0..3 {
                    let own = f32::from(photo[c]);
                    back[c] = (own + (mix(source.plate, 3, c) - own) * near + 0.5) as u8;
                    let part = if background == Background::Keep {
                        own - f32::from(back[c]) * through
                    } else {
                        (own + mix(source.foreground, 3, c) - mix(source.picture, 3, c)).clamp(0.0, 255.0)
                            * cover
                    };
                    person[c] = (STEPS * part).round() as i16;
                }
                person[3] = opaque as i16;
                if *person != [0; 4] {
                    layers.seen[(y / CELL + 1) * cells + x / CELL + 1] = 1;
                }
            }
        }
        layers.replicate();
        layers.sum();
        layers
    }

    /// Whether the person is in a box of pixels (in the region, ends included; clamped to it).
    pub fn person_in(&self, x: [f32; 2], y: [f32; 2]) -> bool {
        // Saturating casts clamp at zero.
        let cell = |v: f32, size: usize| (v as usize).min(size - 1) / CELL;
        let (x0, x1) = (cell(x[0], self.width), cell(x[1], self.width) + 1);
        let (y0, y1) = (cell(y[0], self.height), cell(y[1], self.height) + 1);
        let at = |x: usize, y: usize| self.seen[y * self.cells + x];
        at(x1, y1) + at(x0, y0) > at(x0, y1) + at(x1, y0)
    }

    /// How many lines without the person there are at the left and the right end of the region (axis 0), or at the upper and the
    /// lower one (1): none where the person is cut off.
    pub fn margins(&self, axis: usize) -> [usize; 2] {
        let size = [self.width, self.height];
        let person = |line: &usize| {
            (0..size[1 - axis]).any(|along| {
                let [x, y] = if axis == 0 { [*line, along] } else { [along, *line] };
                f32::from(self.person[(y + 1) * self.stride + x + 1][3]) >= f32::from(PERSON) * STEPS
            })
        };
        let mut lines = 0..size[axis];
        let first = lines.find(person).unwrap_or(size[axis]);
        [first, lines.rev().find(person).map_or(size[axis] - 1 - first, |last| size[axis] - 1 - last)]
    }

    /// Fills the border around the person.
    pub fn replicate(&mut self) {
        let (stride, width, height) = (self.stride, self.width, self.height);
        for row in self.person.chunks_exact_mut(stride).skip(1).take(height) {
            row[0] = row[1];
            row[width + 1] = row[width];
            row[width + 2] = row[width];
        }
        self.person.copy_within(stride..2 * stride, 0);
        for below in 1..3 {
            self.person.copy_within(height * stride..(height + 1) * stride, (height + below) * stride);
        }
    }

    fn sum(&mut self) {
        let cells = self.cells;
        for y in 1..self.seen.len() / cells {
            let mut line = 0;
            for x in 1..cells {
                line += self.seen[y * cells + x];
                self.seen[y * cells + x] = self.seen[(y - 1) * cells + x] + line;
            }
        }
    }
}

/// Where the matte stays half way over a large area it is a guess (hats, busy backgrounds): there everything near is
/// taken as the person. Background that moves along looks better than a hat that comes apart; before another background
/// it would show.
fn distrust(matte: &mut [u8], side: usize) {
    let mut doubt: Vec<u8> = matte.iter().map(|m| if (40..215).contains(m) { 255 } else { 0 }).collect();
    // The soft edge of a good matte is narrower than twice this.
    along_both(&mut doubt, side, |line, out| spread(line, out, DOUBT_CORE, Ord::min));
    along_both(&mut doubt, side, |line, out| spread(line, out, DOUBT_REACH, Ord::max));
    along_both(&mut doubt, side, |line, out| average(line, out, DOUBT_RAMP));
    for (m, d) in matte.iter_mut().zip(doubt) {
        *m = (*m).max(d);
    }
}

/// The least or the greatest value within a radius.
fn spread(line: &[u8], out: &mut [u8], radius: usize, pick: impl Fn(u8, u8) -> u8) {
    for (x, o) in out.iter_mut().enumerate() {
        let window = &line[x.saturating_sub(radius)..(x + radius + 1).min(line.len())];
        *o = window.iter().copied().fold(line[x], &pick);
    }
}

/// The mean within a radius.
fn average(line: &[u8], out: &mut [u8], radius: usize) {
    for (x, o) in out.iter_mut().enumerate() {
        let window = &line[x.saturating_sub(radius)..(x + radius + 1).min(line.len())];
        *o = (window.iter().map(|&v| usize::from(v)).sum::<usize>() / window.len()) as u8;
    }
}

/// 255 within reach of the person, falling to 0.
fn reach(matte: &[u8], side: usize) -> Vec<u8> {
    let mut plane: Vec<u8> = matte.iter().map(|&m| if m >= PERSON { 255 } else { 0 }).collect();
    along_both(&mut plane, side, |line, out| spread(line, out, REACH, Ord::max));
    along_both(&mut plane, side, |line, out| average(line, out, RAMP));
    plane
}

/// Applies a filter of lines to rows, then to columns.
fn along_both(plane: &mut [u8], side: usize, filter: impl Fn(&[u8], &mut [u8])) {
    let (mut line, mut out) = (vec![0; side], vec![0; side]);
    for row in plane.chunks_exact_mut(side) {
        line.copy_from_slice(row);
        filter(&line, row);
    }
    for x in 0..side {
        for (y, v) in line.iter_mut().enumerate() {
            *v = plane[y * side + x];
        }
        filter(&line, &mut out);
        for (y, v) in out.iter().enumerate() {
            plane[y * side + x] = *v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_end_where_the_matte_has_a_person() {
        let (width, height) = (10, 6);
        let stride = width + 3;
        let mut layers = Layers {
            width,
            height,
            person: vec![[0; 4]; stride * (height + 3)],
            stride,
            back: Vec::new(),
            cut: false,
            seen: Vec::new(),
            cells: 0,
        };
        let mut put = |x: usize, y: usize, level: u8| {
            layers.person[(y + 1) * stride + x + 1][3] = i16::from(level) * STEPS as i16;
        };
        put(0, 3, 255);
        put(6, 5, PERSON);
        // A trace of the matte is nobody.
        put(5, 0, PERSON - 1);
        put(8, 2, 255);
        assert_eq!([0, 1].map(|axis| layers.margins(axis)), [[0, 1], [2, 0]]);
    }
}
