// SPDX-License-Identifier: MIT OR Apache-2.0
//! Draws a frame: the head's flow on a coarse grid, the regions' flows on theirs, one sample and the paint.
//!
//! Only what moves is touched. The picture is cut into the cells between the coarse grid's points; a cell in which
//! nothing moves, or from which the flow does not reach the person, keeps the photo's own bytes.

use std::ops::Range;

use super::flow::Flow;
use super::format::{Planes, Sheet};
use super::grid::{GRID, Grid};
use super::layers::Layers;
use super::math::{Tap, tap};
use super::painters::Painted;
use super::parallax::Parallax;
use super::paste::Raster;
use super::points::{Point, Rows};
use super::room::Room;
use super::seam;
use super::still::PhotoFrame;
use super::turn::Turn;
use super::{Background, Output, RenderError, cutout, paint, remap, store};
use crate::pack::{profile, workers};

/// Cells between the points of the coarse grid, with those at the borders.
const CELLS: usize = GRID + 1;
/// Pixels that a sample reaches beyond its position.
const SUPPORT: f32 = 3.0;
/// Rows that are drawn at once while the mouth is painted; even for the sake of chroma.
const AHEAD: usize = 16;

/// Draws frames over a photo at rest.
#[derive(Clone, Debug)]
pub struct Canvas {
    scene: Scene,
    /// Buffers of the upper and the lower band, which are drawn at the same time.
    lines: [Line; 2],
    /// Rows of the frame that are drawn already.
    drawn: usize,
}

/// What is drawn in a frame.
#[derive(Clone, Debug)]
struct Scene {
    raster: Raster,
    layers: Layers,
    /// Where each column lies in its cell, and the first column of each cell.
    columns: Vec<f32>,
    first_column: Vec<usize>,
    /// The same of rows.
    rows: Vec<Tap>,
    first_row: Vec<usize>,
    cell_of_row: Vec<usize>,
    /// What a frame begins with.
    sheet: Sheet,
    /// What goes over all that is drawn.
    frame: Option<PhotoFrame>,
    grid: Grid,
    /// How far the head is turned ([`Turn::turned`]).
    turned: f32,
    active: Vec<bool>,
}

/// Buffers of one row.
#[derive(Clone, Debug)]
struct Line {
    grid: [[f32; GRID]; 2],
    x: Vec<f32>,
    y: Vec<f32>,
    pixels: Vec<[f32; 4]>,
    /// Ways to what each painter saw, and pixels of it.
    seen: [[Vec<f32>; 2]; 3],
    under: Vec<[f32; 4]>,
    /// Two rows of the output in RGB8, where the format has chroma of half the size.
    pair: [Vec<u8>; 2],
}

impl Canvas {
    /// A canvas over those layers, which give `sheet` at rest, of a head whose hair or hat is that high
    /// ([`Head::crown`](super::head::Head::crown)).
    pub fn new(raster: Raster, layers: Layers, sheet: Sheet, frame: Option<PhotoFrame>, crown: f32) -> Self {
        let region = raster.region;
        let (columns, first_column) = cells((0..region.width).map(|x| raster.unit_x(x)));
        let (rows, first_row) = cells((0..region.height).map(|y| raster.unit_y(y)));
        let pair = if sheet.format().layout.halves() { raster.width * 3 } else { 0 };
        let cell_of_row = |y: usize| first_row.partition_point(|&first| first <= y).clamp(1, CELLS) - 1;
        let scene = Scene {
            columns: columns.into_iter().map(|tap| tap.t).collect(),
            first_column,
            rows,
            cell_of_row: (0..region.height).map(cell_of_row).collect(),
            first_row,
            sheet,
            frame,
            grid: Grid::new(&raster, &layers, crown),
            turned: 0.0,
            active: vec![false; CELLS * CELLS],
            raster,
            layers,
        };
        let line = || vec![0.0; region.width];
        let pixels = || vec![[0.0; 4]; region.width];
        let buffers = || Line {
            grid: [[0.0; GRID]; 2],
            x: line(),
            y: line(),
            pixels: pixels(),
            seen: [(); 3].map(|()| [line(), line()]),
            under: pixels(),
            pair: [vec![0; pair], vec![0; pair]],
        };
        Self { scene, lines: [buffers(), buffers()], drawn: 0 }
    }

    /// Width and height of the output.
    pub fn size(&self) -> (usize, usize) {
        (self.scene.raster.width, self.scene.raster.height)
    }

    /// The room around the person.
    pub fn room(&self) -> Room {
        self.scene.grid.room
    }

    /// Rows of the last frame that were drawn ahead.
    #[cfg(test)]
    pub fn drawn(&self) -> usize {
        self.drawn
    }

    /// Exchanges what is behind the person, and whether colours are multiplied by their alpha; `output` is otherwise what
    /// the canvas was made for. `false` where more than that would change.
    pub fn repaint(&mut self, output: &Output<'_>) -> bool {
        let Scene { raster, layers, sheet, frame, .. } = &mut self.scene;
        let Output { still, format, background } = output;
        let pixels = still.width * still.height;
        let whole = still.rgb.len() == pixels * 3 && still.matte.is_none_or(|m| m.len() == pixels);
        let same = sheet.size() == (still.width, still.height) && sheet.format().layout == format.layout;
        if !whole || !same || layers.cut != (*background != Background::Keep) {
            return false;
        }
        if !PhotoFrame::exchange(frame.as_mut(), still, *background) {
            return false;
        }
        cutout::repaint(still, format.straight, *background, frame.as_ref(), raster, layers, sheet);
        true
    }

    /// Takes the flow of a frame's head with its turn; breath has lifted the body so far, in picture units.
    pub fn pose(
        &mut self,
        flow: &Flow,
        parallax: Option<&Parallax>,
        turn: &Turn,
        driving: &[Point],
        rows: &Rows,
        lift: f32,
    ) {
        let _span = profile::span("facesynth: flow of the head");
        self.drawn = 0;
        self.scene.turned = turn.turned();
        let Scene { grid, raster, .. } = &mut self.scene;
        grid.pose(raster, flow, parallax, turn, driving, rows, lift);
    }

    /// Whether a frame fits into those planes.
    ///
    /// # Errors
    /// Where it does not.
    pub fn fits(&self, out: &Planes<'_>) -> Result<(), RenderError> {
        let ((width, height), layout) = (self.size(), self.scene.sheet.format().layout);
        if out.fits(layout, width, height) {
            Ok(())
        } else {
            Err(RenderError::Output { width, height, layout })
        }
    }

    /// Begins to draw the frame that was posed, from the top and as long as `waits` says so: rows above the mouth, whose region
    /// has those bounds. `painted` is what is painted already.
    pub fn draw_ahead(
        &mut self,
        painted: Painted<'_>,
        mouth: [f32; 4],
        out: &mut Planes<'_>,
        waits: impl Fn() -> bool,
    ) {
        let eyes = painted.patches.iter().flatten().map(|patch| patch.bounds);
        self.scene.activate(eyes.chain([mouth]));
        let (scene, raster) = (&self.scene, &self.scene.raster);
        let above = |y: usize| raster.unit_y(y) < mouth[1];
        let rows = (0..raster.region.height).take_while(|&y| above(y)).count();
        let layout = scene.sheet.format().layout;
        while waits() && self.drawn + AHEAD <= raster.region.y + rows {
            let mut band = out.take(layout, AHEAD);
            scene.draw_band(self.drawn..self.drawn + AHEAD, painted, &mut self.lines[0], &mut band);
            self.drawn += AHEAD;
        }
    }

    /// Draws what [`Canvas::draw_ahead`], which has to be called first, left of the frame; `out` begins where it stopped.
    pub fn draw(&mut self, painted: Painted<'_>, out: &mut Planes<'_>) {
        let (from, (_, height)) = (self.drawn, self.size());
        let (scene, [above, below]) = (&self.scene, &mut self.lines);
        let (layout, middle) = (scene.sheet.format().layout, scene.middle(from));
        let (mut upper, mut lower) = (out.take(layout, middle - from), out.take(layout, height - middle));
        workers::beside(
            || scene.draw_band(from..middle, painted, above, &mut upper),
            || scene.draw_band(middle..height, painted, below, &mut lower),
        );
    }
}

impl Scene {
    /// Output row that halves the work of those from `from` on; an even one for the sake of chroma.
    fn middle(&self, from: usize) -> usize {
        let first = from.saturating_sub(self.raster.region.y);
        let work = |row: usize| {
            let active = self.active[row * CELLS..][..CELLS].iter().filter(|a| **a).count();
            active * (self.first_row[row + 1].max(first) - self.first_row[row].max(first))
        };
        let total: usize = (0..CELLS).map(work).sum();
        let mut done = 0;
        let half = |row: &usize| {
            done += work(*row);
            2 * done >= total
        };
        let last = (0..CELLS).find(half).unwrap_or(0);
        from.max((self.raster.region.y + self.first_row[last + 1]) & !1)
    }

    /// Draws the output rows `rows` into planes that begin with the first of them.
    fn draw_band(&self, rows: Range<usize>, painted: Painted<'_>, line: &mut Line, out: &mut Planes<'_>) {
        let still = profile::span("facesynth: still rows");
        self.sheet.copy(rows.clone(), out);
        drop(still);
        let _span = profile::span("facesynth: warp and blend");
        let region = self.raster.region;
        let drawn = rows.start.max(region.y)..rows.end.min(region.y + region.height);
        let format = self.sheet.format();
        let pixel = format.layout.pixel();
        if !format.layout.halves() {
            for y in drawn {
                let at = (y - rows.start) * out.strides[0] + region.x * pixel;
                let row = &mut out.data[0][at..][..region.width * pixel];
                self.draw_row(y - region.y, painted, line, |span, pixels| {
                    format.store(pixels, &mut row[span.start * pixel..span.end * pixel]);
                });
            }
            return;
        }
        // Chroma needs two rows at a time.
        let around = region.x.saturating_sub(2)..(region.x + region.width + 2).min(self.raster.width);
        let lively = |y: usize| {
            drawn.contains(&y)
                && self.active[self.cell_of_row[y - region.y] * CELLS..][..CELLS].contains(&true)
        };
        for first in rows.step_by(2) {
            let mut below = out.take(format.layout, 2);
            if !lively(first) && !lively(first + 1) {
                continue;
            }
            let mut pair = std::mem::take(&mut line.pair);
            let mut columns = self.raster.width..0;
            for (k, row) in pair.iter_mut().enumerate() {
                let still = &self.sheet.rgb(first + k)[around.start * 3..around.end * 3];
                row[around.start * 3..around.end * 3].copy_from_slice(still);
                if drawn.contains(&(first + k)) {
                    let row = &mut row[region.x * 3..][..region.width * 3];
                    self.draw_row(first + k - region.y, painted, line, |span, pixels| {
                        store::store(pixels, &mut row[span.start * 3..span.end * 3]);
                        let (start, end) = (region.x + span.start, region.x + span.end);
                        columns = columns.start.min(start)..columns.end.max(end);
                    });
                }
            }
            if !columns.is_empty() {
                format.convert([&pair[0], &pair[1]], columns, &mut below);
            }
            line.pair = pair;
        }
    }

    /// Draws what moves in a row of the region: hands runs of columns and their pixels to `store`.
    fn draw_row(
        &self,
        y: usize,
        painted: Painted<'_>,
        line: &mut Line,
        mut store: impl FnMut(Range<usize>, &[[f32; 4]]),
    ) {
        let active = &self.active[self.cell_of_row[y] * CELLS..][..CELLS];
        let mut mixed = false;
        let mut next = 0;
        while let Some(first) = (next..CELLS).find(|&cell| active[cell]) {
            let last = (first..CELLS).find(|&cell| !active[cell]).unwrap_or(CELLS);
            if !std::mem::replace(&mut mixed, true) {
                line.mix_grid(&self.grid, self.rows[y]);
            }
            let span = self.first_column[first]..self.first_column[last];
            if !span.is_empty() {
                self.draw_run(y, first..last, painted, line);
                if let Some(frame) = &self.frame {
                    let region = self.raster.region;
                    let columns = region.x + span.start..region.x + span.end;
                    frame.apply(region.y + y, columns, &mut line.pixels[span.clone()]);
                }
                store(span.clone(), &line.pixels[span]);
            }
            next = last;
        }
    }

    /// Draws a run of cells in a row of the region.
    fn draw_run(&self, y: usize, cells: Range<usize>, painted: Painted<'_>, line: &mut Line) {
        let (scale, width, turned) = (self.raster.scale, self.layers.width, self.turned);
        let (start, end) = (self.first_column[cells.start], self.first_column[cells.end]);
        for cell in cells {
            let span = self.first_column[cell]..self.first_column[cell + 1];
            let (a, b) = (cell.saturating_sub(1), cell.min(GRID - 1));
            for (out, row) in [&mut line.x, &mut line.y].into_iter().zip(&line.grid) {
                let (from, step) = (row[a], row[b] - row[a]);
                for (out, t) in out[span.clone()].iter_mut().zip(&self.columns[span.clone()]) {
                    *out = from + step * t;
                }
            }
        }
        let (fx, fy) = (&mut line.x[start..end], &mut line.y[start..end]);
        let v = self.raster.unit_y(y);
        let column = |unit: f32| {
            let at = unit * scale[0] + self.raster.origin[0] - self.raster.region.x as f32;
            (at.clamp(0.0, width as f32) as usize).clamp(start, end)
        };
        let span = |[left, top, right, bottom]: [f32; 4]| {
            let inside = v >= top && v <= bottom;
            inside.then(|| (column(left), column(right + 1.0 / scale[0]))).filter(|(a, b)| a < b)
        };
        for (patch, seen) in painted.patches.into_iter().zip(&mut line.seen) {
            let Some((patch, (a, b))) = patch.and_then(|p| Some((p, span(p.bounds)?))) else { continue };
            let run = [self.raster.unit_x(a), 1.0 / scale[0], v];
            let flow = [&mut fx[a - start..b - start], &mut fy[a - start..b - start]];
            let seen = seen.each_mut().map(|axis| &mut axis[a..b]);
            match patch.seam.as_ref().filter(|seam| seam.shown) {
                Some(seam) => seam::flow(patch, seam, run, scale, turned, flow, seen),
                None => paint::flow(patch, run, scale, turned, flow, seen),
            }
        }
        self.sample(y, start, fx, fy, &mut line.pixels[start..end]);
        for (patch, seen) in painted.patches.into_iter().zip(&line.seen) {
            let Some(patch) = patch.filter(|patch| patch.painted) else { continue };
            let Some((a, b)) = span(patch.bounds) else { continue };
            let run = [self.raster.unit_x(a), 1.0 / scale[0], v];
            let under = &mut line.under[a..b];
            self.sample(y, a, &seen[0][a..b], &seen[1][a..b], under);
            paint::blend(patch, run, under, &mut line.pixels[a..b]);
        }
        if let Some(inside) = painted.inside
            && let Some((a, b)) = span(inside.bounds)
        {
            let run = [self.raster.unit_x(a), 1.0 / scale[0], v];
            inside.blend(run, 1.0 / scale[1], &mut line.pixels[a..b]);
        }
    }

    /// Samples the pixels of a row from `start` on, displaced by `x`, `y`.
    fn sample(&self, row: usize, start: usize, x: &[f32], y: &[f32], out: &mut [[f32; 4]]) {
        let first = row * self.layers.width + start;
        let back = &self.layers.back[first * 4..(first + x.len()) * 4];
        remap::person_over(&self.layers, [start, row], x, y, back, out);
    }

    /// Finds the cells that have to be drawn, of regions with those bounds.
    fn activate(&mut self, regions: impl Iterator<Item = [f32; 4]>) {
        for cy in 0..CELLS {
            for cx in 0..CELLS {
                self.active[cy * CELLS + cx] = self.moves(cx, cy);
            }
        }
        let cell = |unit: f32| ((unit * GRID as f32 + 0.5).clamp(0.0, GRID as f32)) as usize;
        for [left, top, right, bottom] in regions {
            for cy in cell(top)..=cell(bottom) {
                self.active[cy * CELLS + cell(left)..=cy * CELLS + cell(right)].fill(true);
            }
        }
    }

    /// Whether anything of the person moves in, into or out of a cell.
    fn moves(&self, cx: usize, cy: usize) -> bool {
        let mut low = [f32::MAX; 2];
        let mut high = [f32::MIN; 2];
        for y in [cy.saturating_sub(1), cy.min(GRID - 1)] {
            for x in [cx.saturating_sub(1), cx.min(GRID - 1)] {
                let u = [self.grid.x[y * GRID + x], self.grid.y[y * GRID + x]];
                for k in 0..2 {
                    low[k] = low[k].min(u[k]);
                    high[k] = high[k].max(u[k]);
                }
            }
        }
        if low == [0.0; 2] && high == [0.0; 2] {
            return false;
        }
        let reach = |first: &[usize], cell: usize, k: usize| {
            // The cell's own pixels count too: the person may move away from there.
            let from = first[cell] as f32 - SUPPORT;
            let to = first[cell + 1] as f32 + SUPPORT;
            [from + low[k].min(0.0), to + high[k].max(0.0)]
        };
        self.layers.person_in(reach(&self.first_column, cx, 0), reach(&self.first_row, cy, 1))
    }
}

impl Line {
    fn mix_grid(&mut self, grid: &Grid, tap: Tap) {
        for (out, plane) in self.grid.iter_mut().zip([&grid.x, &grid.y]) {
            let (above, below) = (&plane[tap.a * GRID..][..GRID], &plane[tap.b * GRID..][..GRID]);
            for ((o, a), b) in out.iter_mut().zip(above).zip(below) {
                *o = a + (b - a) * tap.t;
            }
        }
    }
}

/// Neighbours in the coarse grid of pixels at those picture units, and the first pixel of each cell.
fn cells(units: impl Iterator<Item = f32>) -> (Vec<Tap>, Vec<usize>) {
    let positions: Vec<f32> = units.map(|u| u * GRID as f32 - 0.5).collect();
    let taps = positions.iter().map(|&p| tap(p, GRID)).collect();
    let mut first: Vec<usize> =
        (0..CELLS).map(|cell| positions.partition_point(|&p| p < cell as f32 - 1.0)).collect();
    // The first and the last cell reach to the picture's border.
    first[0] = 0;
    first.push(positions.len());
    (taps, first)
}
