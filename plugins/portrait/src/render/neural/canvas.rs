// SPDX-License-Identifier: MIT OR Apache-2.0
//! Puts a drawn square into the picture at rest: scaled, with a soft edge where the photo goes on, behind it the photo or a colour.

use std::ops::Range;

use super::place::Place;
use super::sample::{Drawn, Scaling, turned_row};
use crate::pack::workers;
use crate::render::format::{Planes, Sheet};
use crate::render::paste::Raster;
use crate::render::still::{PhotoFrame, kept, multiplied, whole};
use crate::render::{Background, Output, RenderError, Source, Still, store};

/// Draws squares over a photo at rest.
pub struct Canvas {
    scene: Scene,
    scaling: Option<Scaling>,
    /// Buffers of the upper and the lower band, which are drawn at the same time.
    lines: [Line; 2],
}

/// What is drawn into.
struct Scene {
    place: Place,
    /// What a frame begins with.
    sheet: Sheet,
    /// The same of the place's region, where the square does not cover it.
    rest: Vec<[u8; 3]>,
    /// What the person is cut out of and stands before.
    cut: Option<Cut>,
    /// What goes over all that is drawn.
    frame: Option<PhotoFrame>,
    /// How much of each column is drawn, where the square is upright.
    columns: Vec<f32>,
}

/// A background that is replaced; all of the place's region.
struct Cut {
    /// Red, green, blue, alpha, multiplied by the alpha.
    colour: [f32; 4],
    /// The photo's background without the person.
    plate: Vec<[u8; 3]>,
    /// How much of the picture at rest is the person, 255 = all.
    matte: Vec<u8>,
}

/// Buffers of a band.
struct Line {
    /// The square's pixels of a row of the region.
    square: Vec<[f32; 4]>,
    /// The row of the picture.
    pixels: Vec<[f32; 4]>,
    /// RGB8 of two rows.
    pair: [Vec<u8>; 2],
}

impl Canvas {
    /// For squares of `side` pixels at that place.
    ///
    /// # Errors
    /// Where the picture at rest does not fit to the source or the format.
    pub fn new(
        source: &Source<'_>,
        output: &Output<'_>,
        place: Place,
        side: usize,
    ) -> Result<Self, RenderError> {
        let Output { still, format, background } = output;
        if format.layout.halves() && (still.width | still.height) & 1 == 1 {
            let text = "chroma of half the size needs even width and height";
            return Err(RenderError::Source(text.to_owned()));
        }
        let frame = PhotoFrame::new(still, *background)?;
        let mut cut = match background {
            Background::Keep => None,
            Background::Colour(_) => Some(Cut::new(source, still, &place)?),
        };
        let sheet = match (background, &mut cut) {
            (Background::Colour(colour), Some(cut)) => {
                cut.colour = multiplied(*colour);
                Sheet::new(*format, still.width, still.height, cut.at_rest(still, &place))
            }
            _ => Sheet::new(*format, still.width, still.height, kept(still, frame.as_ref())),
        };
        let region = place.region;
        let row = |y: usize| {
            still.rgb.as_chunks::<3>().0[(region.y + y) * still.width + region.x..][..region.width].iter()
        };
        let line = || Line {
            square: vec![[0.0; 4]; region.width],
            pixels: vec![[0.0; 4]; region.width],
            pair: [0, 1].map(|_| vec![0; if format.layout.halves() { still.width * 3 } else { 0 }]),
        };
        let share = |x: usize| place.share(0, place.at((region.x + x) as f32, 0.0)[0]);
        Ok(Self {
            scaling: place.upright.then(|| Scaling::new(&place, side)),
            lines: [line(), line()],
            scene: Scene {
                rest: (0..region.height).flat_map(row).copied().collect(),
                columns: if place.upright { (0..region.width).map(share).collect() } else { Vec::new() },
                sheet,
                cut,
                frame,
                place,
            },
        })
    }

    /// Whether the person is cut out.
    pub fn is_cut(&self) -> bool {
        self.scene.cut.is_some()
    }

    /// Exchanges the background, colour for colour, and whether colours are multiplied by their alpha; `false` where more
    /// than that changes.
    pub fn repaint(&mut self, output: &Output<'_>) -> bool {
        let Output { still, format, background } = output;
        let scene = &mut self.scene;
        match (background, &mut scene.cut) {
            (Background::Colour(colour), Some(cut)) => {
                cut.colour = multiplied(*colour);
                scene.sheet.paint(format.straight, cut.at_rest(still, &scene.place));
                true
            }
            (Background::Keep, None) => {
                if !PhotoFrame::exchange(scene.frame.as_mut(), still, *background) {
                    return false;
                }
                scene.sheet.paint(format.straight, kept(still, scene.frame.as_ref()));
                true
            }
            _ => false,
        }
    }

    /// Draws a square.
    ///
    /// # Errors
    /// Where the output is too small.
    pub fn draw(&mut self, drawn: &Drawn, out: &mut Planes<'_>) -> Result<(), RenderError> {
        let layout = self.scene.sheet.format().layout;
        let (width, height) = self.scene.sheet.size();
        if !out.fits(layout, width, height) {
            return Err(RenderError::Output { width, height, layout });
        }
        if let Some(scaling) = &mut self.scaling {
            scaling.widen(drawn);
        }
        let middle = height / 4 * 2;
        let (mut upper, mut lower) = (out.take(layout, middle), out.take(layout, height - middle));
        let (scene, scaling) = (&self.scene, self.scaling.as_ref());
        let [first, second] = &mut self.lines;
        workers::beside(
            || scene.band(0..middle, drawn, scaling, first, &mut upper),
            || scene.band(middle..height, drawn, scaling, second, &mut lower),
        );
        Ok(())
    }
}

impl Cut {
    /// # Errors
    /// Where a matte is not of its picture's size.
    fn new(source: &Source<'_>, still: &Still<'_>, place: &Place) -> Result<Self, RenderError> {
        let raster = Raster::new(still)?;
        let (side, region) = (source.side, place.region);
        let unit = |pixel: usize, k: usize| (pixel as f32 + 0.5 - raster.origin[k]) / raster.scale[k];
        let taps = |first: usize, count: usize, k: usize| -> Vec<(usize, usize, f32)> {
            let tap = |i: usize| {
                let at = (unit(first + i, k) * side as f32 - 0.5).clamp(0.0, (side - 1) as f32);
                (at as usize, (at as usize + 1).min(side - 1), at.fract())
            };
            (0..count).map(tap).collect()
        };
        let (columns, rows) = (taps(region.x, region.width, 0), taps(region.y, region.height, 1));
        let mut plate = Vec::with_capacity(columns.len() * rows.len());
        let mut matte = Vec::with_capacity(columns.len() * rows.len());
        for (y, row) in rows.iter().enumerate() {
            for (x, column) in columns.iter().enumerate() {
                let mix = |plane: &[u8], channels: usize, c: usize| {
                    let at = |x: usize, y: usize| f32::from(plane[(y * side + x) * channels + c]);
                    let top = at(column.0, row.0) + (at(column.1, row.0) - at(column.0, row.0)) * column.2;
                    let low = at(column.0, row.1) + (at(column.1, row.1) - at(column.0, row.1)) * column.2;
                    (top + (low - top) * row.2 + 0.5) as u8
                };
                plate.push([0, 1, 2].map(|c| mix(source.plate, 3, c)));
                matte.push(match still.matte {
                    Some(whole) => whole[(region.y + y) * still.width + region.x + x],
                    None => mix(source.matte, 1, 0),
                });
            }
        }
        Ok(Self { colour: [0.0; 4], plate, matte })
    }

    /// Rows of the picture at rest over the colour.
    fn at_rest<'a>(
        &'a self,
        still: &'a Still<'_>,
        place: &Place,
    ) -> impl FnMut(usize, &mut [[f32; 4]]) + use<'a> {
        let (photo, region) = (still.rgb.as_chunks::<3>().0, place.region);
        move |y, row| {
            for (x, out) in row.iter_mut().enumerate() {
                let (column, line) = (x.wrapping_sub(region.x), y.wrapping_sub(region.y));
                let opaque = if column < region.width && line < region.height {
                    self.matte[line * region.width + column]
                } else {
                    still.matte.map_or(0, |matte| matte[y * still.width + x])
                };
                *out = self.over(whole(photo[y * still.width + x], f32::from(opaque) / 255.0));
            }
        }
    }

    /// A pixel of the person, multiplied by its alpha, before the colour.
    #[inline(always)]
    fn over(&self, person: [f32; 4]) -> [f32; 4] {
        let through = 1.0 - person[3] / 255.0;
        [0, 1, 2, 3].map(|c| person[c] + self.colour[c] * through)
    }

    /// The person in a drawn pixel: what is not the photo's background.
    #[inline(always)]
    fn person(&self, pixel: usize, [r, g, b, matte]: [f32; 4]) -> [f32; 4] {
        let matte = matte.clamp(0.0, 1.0);
        let back = self.plate[pixel];
        let own = |v: f32, c: usize| (v - f32::from(back[c]) * (1.0 - matte)).clamp(0.0, 255.0 * matte);
        [own(r, 0), own(g, 1), own(b, 2), 255.0 * matte]
    }
}

impl Scene {
    /// Draws rows of the picture into planes that begin with the first of them.
    fn band(
        &self,
        rows: Range<usize>,
        drawn: &Drawn,
        scaling: Option<&Scaling>,
        line: &mut Line,
        out: &mut Planes<'_>,
    ) {
        let format = *self.sheet.format();
        let region = self.place.region;
        self.sheet.copy(rows.clone(), out);
        let inside = |y: usize| (region.y..region.y + region.height).contains(&y);
        let columns = region.x..region.x + region.width;
        if region.width == 0 {
            return;
        }
        if !format.layout.halves() {
            let pixel = format.layout.pixel();
            for y in rows {
                let plane = out.take(format.layout, 1);
                if inside(y) {
                    self.row(y - region.y, drawn, scaling, line);
                    let [data, ..] = plane.data;
                    format.store(&line.pixels, &mut data[columns.start * pixel..columns.end * pixel]);
                }
            }
            return;
        }
        for first in rows.step_by(2) {
            let mut below = out.take(format.layout, 2);
            if !inside(first) && !inside(first + 1) {
                continue;
            }
            let mut pair = std::mem::take(&mut line.pair);
            for (k, row) in pair.iter_mut().enumerate() {
                row.copy_from_slice(self.sheet.rgb(first + k));
                if inside(first + k) {
                    self.row(first + k - region.y, drawn, scaling, line);
                    store::store(&line.pixels, &mut row[columns.start * 3..columns.end * 3]);
                }
            }
            format.convert([&pair[0], &pair[1]], columns.clone(), &mut below);
            line.pair = pair;
        }
    }

    /// A row of the region.
    fn row(&self, y: usize, drawn: &Drawn, scaling: Option<&Scaling>, line: &mut Line) {
        let region = self.place.region;
        match scaling {
            Some(scaling) => scaling.row(y, &mut line.square),
            None => turned_row(&self.place, drawn, y, &mut line.square),
        }
        let down = self.place.share(1, self.place.at(0.0, (region.y + y) as f32)[1]);
        for (x, (out, &square)) in line.pixels.iter_mut().zip(&line.square).enumerate() {
            let share = match self.columns.get(x) {
                Some(across) => across * down,
                None => {
                    let [u, v] = self.place.at((region.x + x) as f32, (region.y + y) as f32);
                    self.place.share(0, u) * self.place.share(1, v)
                }
            };
            let at = y * region.width + x;
            let mix =
                |own: [f32; 4], rest: [f32; 4]| [0, 1, 2, 3].map(|c| rest[c] + (own[c] - rest[c]) * share);
            *out = match &self.cut {
                Some(cut) => {
                    let rest = whole(self.rest[at], f32::from(cut.matte[at]) / 255.0);
                    cut.over(mix(cut.person(at, square), rest))
                }
                None => {
                    let [r, g, b, _] = square.map(|v| v.clamp(0.0, 255.0));
                    mix([r, g, b, 255.0], whole(self.rest[at], 1.0))
                }
            };
        }
        if let Some(frame) = &self.frame {
            frame.apply(region.y + y, region.x..region.x + region.width, &mut line.pixels);
        }
    }
}
