// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the drawn pixels are stored: packed RGB with or without alpha, or planes of luma and chroma.

use std::ops::Range;

use super::store;
use super::yuv::Matrix;

/// Most planes of a format.
pub const PLANES: usize = 3;

/// Order of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
    /// Blue, green, red, alpha.
    Bgra,
    /// Planes of luma and, at half the size, blue and red difference.
    I420,
    /// A plane of luma and one of both differences, pair by pair.
    Nv12,
}

/// A picture format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Order of the bytes.
    pub layout: Layout,
    /// Colours of layouts with alpha are not multiplied by it.
    pub straight: bool,
    /// Colours of layouts with luma and chroma.
    pub matrix: Matrix,
}

/// Where a frame is written: planes, each with the bytes of its rows.
#[derive(Debug, Default)]
pub struct Planes<'a> {
    /// Bytes of each plane.
    pub data: [&'a mut [u8]; PLANES],
    /// From row to row, in bytes.
    pub strides: [usize; PLANES],
}

impl Layout {
    /// Whether there is an alpha channel.
    pub fn has_alpha(self) -> bool {
        matches!(self, Self::Rgba | Self::Bgra)
    }

    /// Whether chroma has half the size: width and height are even.
    pub fn halves(self) -> bool {
        matches!(self, Self::I420 | Self::Nv12)
    }

    /// Planes of a picture.
    pub fn planes(self) -> usize {
        match self {
            Self::Rgb | Self::Rgba | Self::Bgra => 1,
            Self::Nv12 => 2,
            Self::I420 => 3,
        }
    }

    /// Bytes of a pixel in the first plane.
    pub fn pixel(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Rgba | Self::Bgra => 4,
            Self::I420 | Self::Nv12 => 1,
        }
    }

    /// Bytes of a row of a plane.
    fn line(self, plane: usize, width: usize) -> usize {
        match (self, plane) {
            (Self::I420, 1..) => width / 2,
            _ => width * self.pixel(),
        }
    }

    /// Rows of a plane that belong to rows of the picture; both ends are even where chroma has half the size.
    fn rows(self, plane: usize, rows: Range<usize>) -> Range<usize> {
        if plane == 0 { rows } else { rows.start / 2..rows.end / 2 }
    }
}

impl<'a> Planes<'a> {
    /// Whether a picture of that size fits.
    pub fn fits(&self, layout: Layout, width: usize, height: usize) -> bool {
        (0..layout.planes()).all(|p| {
            let (line, rows) = (layout.line(p, width), layout.rows(p, 0..height).len());
            let needed = rows.checked_sub(1).and_then(|r| r.checked_mul(self.strides[p])).map(|n| n + line);
            self.strides[p] >= line && needed.is_some_and(|n| n <= self.data[p].len())
        })
    }

    /// Cuts the first rows off.
    pub fn take(&mut self, layout: Layout, rows: usize) -> Planes<'a> {
        let mut taken = Planes { strides: self.strides, ..Planes::default() };
        for p in 0..layout.planes() {
            let whole = std::mem::take(&mut self.data[p]);
            let bytes = layout.rows(p, 0..rows).len().saturating_mul(self.strides[p]).min(whole.len());
            (taken.data[p], self.data[p]) = whole.split_at_mut(bytes);
        }
        taken
    }
}

/// A whole picture in a format: what a frame begins with.
#[derive(Clone, Debug)]
pub struct Sheet {
    format: Format,
    width: usize,
    height: usize,
    planes: [Vec<u8>; PLANES],
    /// RGB8 of the same, where chroma samples need their neighbours.
    rgb: Vec<u8>,
    /// A row while it is painted.
    pixels: Vec<[f32; 4]>,
}

impl Sheet {
    /// A picture whose rows are `row(y, pixels)`: red, green, blue, alpha, 0 to 255, multiplied by the alpha.
    pub fn new(format: Format, width: usize, height: usize, row: impl FnMut(usize, &mut [[f32; 4]])) -> Self {
        let layout = format.layout;
        let plane = |p: usize| {
            let used = p < layout.planes();
            vec![0; if used { layout.line(p, width) * layout.rows(p, 0..height).len() } else { 0 }]
        };
        let rgb = if layout.halves() { vec![0; width * height * 3] } else { Vec::new() };
        let pixels = vec![[0.0; 4]; width];
        let mut sheet = Self { format, width, height, planes: [0, 1, 2].map(plane), rgb, pixels };
        sheet.paint(format.straight, row);
        sheet
    }

    /// Paints it anew: rows as in [`Sheet::new`], `straight` as in [`Format`].
    pub fn paint(&mut self, straight: bool, mut row: impl FnMut(usize, &mut [[f32; 4]])) {
        self.format.straight = straight;
        let (format, width, height, pixels) = (self.format, self.width, self.height, &mut self.pixels);
        let layout = format.layout;
        for y in 0..height {
            row(y, pixels);
            if layout.halves() {
                store::store(pixels, &mut self.rgb[y * width * 3..][..width * 3]);
            } else {
                let line = width * layout.pixel();
                format.store(pixels, &mut self.planes[0][y * line..][..line]);
            }
        }
        if layout.halves() {
            let [y, u, v] = &mut self.planes;
            let strides = [0, 1, 2].map(|p| layout.line(p, width));
            let mut out = Planes { data: [y, u, v], strides };
            for pair in 0..height / 2 {
                let rows = [0, 1].map(|k| &self.rgb[(2 * pair + k) * width * 3..][..width * 3]);
                format.convert(rows, 0..width, &mut out.take(layout, 2));
            }
        }
    }

    /// Width and height of the picture.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The format of the picture.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// Copies rows into planes that begin with the first of them.
    pub fn copy(&self, rows: Range<usize>, out: &mut Planes<'_>) {
        let layout = self.format.layout;
        for p in 0..layout.planes() {
            let line = layout.line(p, self.width);
            let rows = layout.rows(p, rows.clone());
            let from = self.planes[p][rows.start * line..rows.end * line].chunks_exact(line);
            for (to, from) in out.data[p].chunks_mut(out.strides[p]).zip(from) {
                to[..line].copy_from_slice(from);
            }
        }
    }

    /// RGB8 of a row, where the format has chroma of half the size.
    pub fn rgb(&self, y: usize) -> &[u8] {
        &self.rgb[y * self.width * 3..][..self.width * 3]
    }
}

impl Format {
    /// Stores a run of pixels of a packed layout.
    pub fn store(&self, pixels: &[[f32; 4]], out: &mut [u8]) {
        match (self.layout, self.straight) {
            (Layout::Rgba, true) => store::store_alpha::<0, true>(pixels, out),
            (Layout::Rgba, false) => store::store_alpha::<0, false>(pixels, out),
            (Layout::Bgra, true) => store::store_alpha::<2, true>(pixels, out),
            (Layout::Bgra, false) => store::store_alpha::<2, false>(pixels, out),
            _ => store::store(pixels, out),
        }
    }

    /// Writes luma and chroma of a range of columns of two rows of RGB8 into planes that begin with these rows. The
    /// chroma samples are those that the columns have a share in.
    pub fn convert(&self, rows: [&[u8]; 2], columns: Range<usize>, out: &mut Planes<'_>) {
        let strides = out.strides;
        let [luma, blue, red] = &mut out.data;
        for (row, out) in rows.into_iter().zip(luma.chunks_mut(strides[0])) {
            self.matrix.luma(&row[columns.start * 3..columns.end * 3], &mut out[columns.clone()]);
        }
        let samples = columns.start / 2..(columns.end / 2 + 1).min(rows[0].len() / 6);
        if self.layout == Layout::Nv12 {
            let (pairs, _) = blue.as_chunks_mut::<2>();
            self.matrix.chroma(rows, samples, |i, u, v| pairs[i] = [u, v]);
        } else {
            self.matrix.chroma(rows, samples, |i, u, v| (blue[i], red[i]) = (u, v));
        }
    }
}
