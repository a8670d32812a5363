//! Draws a frame: the head's flow on a coarse grid, the regions' flows on theirs, one sample and the paint.
//!
//! Only what moves is touched. The picture is cut into the cells between the coarse grid's points; a cell in which
//! nothing moves, or from which the flow does not reach the person, keeps the photo's own bytes.

use std::ops::Range;

use super::flow::Flow;
use super::head::Head;
use super::layers::Layers;
use super::math::{Tap, tap};
use super::paste::Raster;
use super::patch::Frame;
use super::points::{Point, Rows};
use super::{RenderError, remap};

/// Points of the coarse grid along a side of the picture.
const GRID: usize = 64;
/// Cells between them, with those at the borders.
const CELLS: usize = GRID + 1;
/// Pixels that a sample reaches beyond its position.
const SUPPORT: f32 = 3.0;
/// From this many pixels of the crop on the rows are shared by threads: below, starting them costs what it saves.
const SPLIT_AREA: usize = 600 * 600;
/// More threads would starve the speech models and the encoder.
const MAX_THREADS: usize = 2;
/// No motion is larger, in picture units: control points beyond are not those of a face.
const MAX_MOTION: f32 = 0.25;

/// Draws frames over a photo at rest.
#[derive(Clone, Debug)]
pub struct Canvas {
    scene: Scene,
    /// Buffers, one for each thread.
    lines: Vec<Line>,
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
    grid: Grid,
    active: Vec<bool>,
    /// Height of hair or hat ([`Head::crown`]).
    crown: f32,
}

/// Displacement towards the source on the coarse grid, in pixels of the output.
#[derive(Clone, Debug)]
struct Grid {
    x: Vec<f32>,
    y: Vec<f32>,
    /// Points that move in this frame: index, position, weight, flow.
    index: Vec<usize>,
    at: [Vec<f32>; 2],
    weight: Vec<f32>,
    flow: [Vec<f32>; 2],
}

/// Buffers of one row.
#[derive(Clone, Debug)]
struct Line {
    grid: [[f32; GRID]; 2],
    x: Vec<f32>,
    y: Vec<f32>,
    pixels: Vec<[f32; 4]>,
    /// Positions and pixels of what a painter saw.
    under: ([Vec<f32>; 2], Vec<[f32; 4]>),
}

impl Canvas {
    /// A canvas over those layers, of a head whose hair or hat is that high ([`Head::crown`]).
    pub fn new(raster: Raster, layers: Layers, crown: f32) -> Self {
        let region = raster.region;
        let (columns, first_column) = cells((0..region.width).map(|x| raster.unit_x(x)));
        let (rows, first_row) = cells((0..region.height).map(|y| raster.unit_y(y)));
        let plane = || vec![0.0; GRID * GRID];
        let scene = Scene {
            columns: columns.into_iter().map(|tap| tap.t).collect(),
            first_column,
            rows,
            first_row,
            grid: Grid {
                x: plane(),
                y: plane(),
                index: Vec::new(),
                at: Default::default(),
                weight: Vec::new(),
                flow: Default::default(),
            },
            active: vec![false; CELLS * CELLS],
            crown,
            raster,
            layers,
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if region.width * region.height >= SPLIT_AREA { cores.min(MAX_THREADS) } else { 1 };
        let line = || vec![0.0; region.width];
        let pixels = || vec![[0.0; 4]; region.width];
        let buffers = || Line {
            grid: [[0.0; GRID]; 2],
            x: line(),
            y: line(),
            pixels: pixels(),
            under: ([line(), line()], pixels()),
        };
        Self { scene, lines: (0..threads).map(|_| buffers()).collect() }
    }

    /// Width and height of the output.
    pub fn size(&self) -> (usize, usize) {
        (self.scene.raster.width, self.scene.raster.height)
    }

    /// Computes the head's motion of a frame on the coarse grid.
    pub fn pose(&mut self, flow: &Flow, driving: &[Point], rows: &Rows) {
        let head = Head::new(driving, rows, self.scene.crown);
        let (grid, scale, seams) = (&mut self.scene.grid, self.scene.raster.scale, self.scene.raster.seams);
        grid.x.fill(0.0);
        grid.y.fill(0.0);
        grid.index.clear();
        grid.weight.clear();
        grid.at.iter_mut().for_each(Vec::clear);
        for i in 0..GRID * GRID {
            let at = [(i % GRID) as f32, (i / GRID) as f32].map(|v| (v + 0.5) / GRID as f32);
            let weight = head.weight(at, seams);
            if weight > 0.0 {
                grid.index.push(i);
                grid.weight.push(weight);
                grid.at[0].push(at[0]);
                grid.at[1].push(at[1]);
            }
        }
        let [fx, fy] = &mut grid.flow;
        fx.resize(grid.index.len(), 0.0);
        fy.resize(grid.index.len(), 0.0);
        flow.displace(&grid.at[0], &grid.at[1], fx, fy);
        for (k, &i) in grid.index.iter().enumerate() {
            let motion = |v: f32| v.clamp(-MAX_MOTION, MAX_MOTION) * grid.weight[k] * scale;
            grid.x[i] = motion(fx[k]);
            grid.y[i] = motion(fy[k]);
        }
    }

    /// Draws the frame into `out`, RGB8 rows of `stride` bytes.
    ///
    /// # Errors
    /// Where `out` is too small.
    pub fn draw(&mut self, patches: &[&Frame], out: &mut [u8], stride: usize) -> Result<(), RenderError> {
        let (width, height) = self.size();
        let needed = stride.checked_mul(height - 1).map(|n| n + width * 3);
        if stride < width * 3 || needed.is_none_or(|n| n > out.len()) {
            return Err(RenderError::Output { width, height, stride, bytes: out.len() });
        }
        self.scene.activate(patches);
        let (scene, lines) = (&self.scene, &mut self.lines);
        let split = scene.split(lines.len());
        let mut rest = &mut out[..];
        let mut start = 0;
        std::thread::scope(|scope| {
            for (line, &(first, last, end)) in lines.iter_mut().zip(&split) {
                let taken = std::mem::take(&mut rest);
                let (band, below) = taken.split_at_mut(((end - start) * stride).min(taken.len()));
                rest = below;
                let mut draw = move || scene.draw_band(first..last, start..end, patches, line, band, stride);
                start = end;
                // The last band is this thread's own.
                if end == height { draw() } else { drop(scope.spawn(draw)) }
            }
        });
        Ok(())
    }
}

impl Scene {
    /// Bands of about the same work: cell rows from, to, and the output row at which the band ends.
    fn split(&self, bands: usize) -> Vec<(usize, usize, usize)> {
        let height = self.raster.height;
        let work: Vec<usize> = (0..CELLS)
            .map(|row| {
                let active = self.active[row * CELLS..][..CELLS].iter().filter(|a| **a).count();
                active * (self.first_row[row + 1] - self.first_row[row])
            })
            .collect();
        let total: usize = work.iter().sum();
        let mut split = Vec::with_capacity(bands);
        let (mut first, mut done) = (0, 0);
        for (row, work) in work.iter().enumerate() {
            done += work;
            if split.len() + 1 < bands && row + 1 < CELLS && done * bands >= total * (split.len() + 1) {
                split.push((first, row + 1, self.raster.region.y + self.first_row[row + 1]));
                first = row + 1;
            }
        }
        split.push((first, CELLS, height));
        split
    }

    /// Draws the output rows `rows` into `out`; the cells that may move in them are `cells`.
    fn draw_band(
        &self,
        cells: Range<usize>,
        rows: Range<usize>,
        patches: &[&Frame],
        line: &mut Line,
        out: &mut [u8],
        stride: usize,
    ) {
        self.raster.copy(rows.clone(), out, stride);
        let region = self.raster.region;
        for cell_row in cells {
            let runs = runs(&self.active[cell_row * CELLS..][..CELLS]);
            if runs.is_empty() {
                continue;
            }
            for y in self.first_row[cell_row]..self.first_row[cell_row + 1] {
                let at = (region.y + y - rows.start) * stride + region.x * 3;
                let row = &mut out[at..][..region.width * 3];
                line.mix_grid(&self.grid, self.rows[y]);
                for &(first, last) in &runs {
                    self.draw_run(y, first..last, patches, line, row);
                }
            }
        }
    }

    /// Draws a run of cells in a row of the region.
    fn draw_run(&self, y: usize, cells: Range<usize>, patches: &[&Frame], line: &mut Line, row: &mut [u8]) {
        let (scale, width) = (self.raster.scale, self.layers.width);
        let (start, end) = (self.first_column[cells.start], self.first_column[cells.end]);
        if start == end {
            return;
        }
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
            let at = unit * scale + self.raster.origin[0] - self.raster.region.x as f32;
            (at.clamp(0.0, width as f32) as usize).clamp(start, end)
        };
        let span = |patch: &Frame| {
            let [left, top, right, bottom] = patch.bounds;
            let inside = v >= top && v <= bottom;
            inside.then(|| (column(left), column(right + 1.0 / scale))).filter(|(a, b)| a < b)
        };
        for patch in patches {
            if let Some((a, b)) = span(patch) {
                let (fx, fy) = (&mut fx[a - start..b - start], &mut fy[a - start..b - start]);
                patch.blend_flow(self.raster.unit_x(a), 1.0 / scale, v, scale, fx, fy);
            }
        }
        self.sample(y, start, end, fx, fy, &mut line.pixels[start..end]);
        for patch in patches.iter().filter(|p| p.painted) {
            let Some((a, b)) = span(patch) else { continue };
            let u = self.raster.unit_x(a);
            let under = patch.coarser_than(scale).then(|| {
                let ([x, y_], pixels) = &mut line.under;
                let (x, y_, pixels) = (&mut x[a..b], &mut y_[a..b], &mut pixels[a..b]);
                patch.seen_flow(u, 1.0 / scale, v, scale, x, y_);
                self.sample(y, a, b, x, y_, pixels);
                &*pixels
            });
            patch.blend_paint(u, 1.0 / scale, v, under, &mut line.pixels[a..b]);
        }
        remap::store(&line.pixels[start..end], &mut row[start * 3..end * 3]);
    }

    /// Samples the pixels `start..end` of a row, displaced by `x`, `y`.
    fn sample(
        &self,
        row: usize,
        start: usize,
        end: usize,
        x: &mut [f32],
        y: &mut [f32],
        out: &mut [[f32; 4]],
    ) {
        for (i, (x, y)) in x.iter_mut().zip(y.iter_mut()).enumerate() {
            *x += (start + i) as f32;
            *y += row as f32;
        }
        let line = row * self.layers.width;
        let back = &self.layers.back[(line + start) * 3..(line + end) * 3];
        remap::person_over(&self.layers, x, y, back, out);
    }

    /// Finds the cells that have to be drawn.
    fn activate(&mut self, patches: &[&Frame]) {
        for cy in 0..CELLS {
            for cx in 0..CELLS {
                self.active[cy * CELLS + cx] = self.moves(cx, cy);
            }
        }
        let cell = |unit: f32| ((unit * GRID as f32 + 0.5).clamp(0.0, GRID as f32)) as usize;
        for [left, top, right, bottom] in patches.iter().map(|p| p.bounds) {
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

/// Runs of active cells: first and one after the last.
fn runs(active: &[bool]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (i, _) in active.iter().enumerate().filter(|(_, a)| **a) {
        match runs.last_mut() {
            Some((_, end)) if *end == i => *end = i + 1,
            _ => runs.push((i, i + 1)),
        }
    }
    runs
}
