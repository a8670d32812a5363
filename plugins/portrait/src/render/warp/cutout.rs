// SPDX-License-Identifier: MIT OR Apache-2.0
//! The person without the photo's background: over a colour, or over nothing.

use super::format::{Format, Sheet};
use super::layers::{Layers, STEPS};
use super::math::smooth_step;
use super::paste::Raster;
use super::still::{PhotoFrame, kept, multiplied, whole};
use super::{Background, Still, Transparency};

/// Along the crop's border its matte passes into that of the whole photo, in shares of the crop's side.
const SEAM: f32 = 1.0 / 16.0;

/// The picture at rest in a format. Where the background is replaced, the layers get the new one, too.
pub fn sheet(
    still: &Still<'_>,
    format: Format,
    background: Background,
    frame: Option<&PhotoFrame>,
    raster: &Raster,
    layers: &mut Layers,
) -> Sheet {
    let Background::Colour(colour) = background else {
        return Sheet::new(format, still.width, still.height, kept(still, frame));
    };
    cut(still, raster, layers);
    let colour = over(colour, layers);
    Sheet::new(format, still.width, still.height, replaced(still, raster, layers, colour))
}

/// The same of layers that were cut out before, or were not, as this background wants them.
pub fn repaint(
    still: &Still<'_>,
    straight: bool,
    background: Background,
    frame: Option<&PhotoFrame>,
    raster: &Raster,
    layers: &mut Layers,
    sheet: &mut Sheet,
) {
    let Background::Colour(colour) = background else { return sheet.paint(straight, kept(still, frame)) };
    let colour = over(colour, layers);
    sheet.paint(straight, replaced(still, raster, layers, colour));
}

/// Puts a colour behind the person's layer; gives it back multiplied by its alpha.
fn over(colour: [u8; 4], layers: &mut Layers) -> [u8; 4] {
    let colour = multiplied(colour).map(|v| (v + 0.5) as u8);
    layers.back.as_chunks_mut::<4>().0.fill(colour);
    colour
}

/// Rows of the person over a colour.
fn replaced<'a>(
    still: &'a Still<'_>,
    raster: &Raster,
    layers: &'a Layers,
    colour: [u8; 4],
) -> impl FnMut(usize, &mut [[f32; 4]]) + use<'a> {
    let (photo, matte, width) = (still.rgb.as_chunks::<3>().0, still.matte, still.width);
    let region = raster.region;
    move |y, row| {
        for (x, out) in row.iter_mut().enumerate() {
            let (column, line) = (x.wrapping_sub(region.x), y.wrapping_sub(region.y));
            let person = if column < region.width && line < region.height {
                layers.person[(line + 1) * layers.stride + column + 1].map(|v| f32::from(v) / STEPS)
            } else {
                let opaque = matte.map_or(0.0, |m| f32::from(m[y * width + x]) / 255.0);
                whole(photo[y * width + x], opaque)
            };
            let through = 1.0 - person[3] / 255.0;
            *out = [0, 1, 2, 3].map(|c| person[c] + f32::from(colour[c]) * through);
        }
    }
}

/// Makes the person's layer one that can stand before anything (that of a cut-out is). What it holds beyond its own matte
/// was only right over the photo's background.
fn cut(still: &Still<'_>, raster: &Raster, layers: &mut Layers) {
    layers.cut = true;
    if matches!(still.transparency, Transparency::CutOut) {
        return;
    }
    let region = raster.region;
    let seam = |unit: f32| smooth_step(unit.min(1.0 - unit) / SEAM);
    let [left, top, right, bottom] = still.photo;
    let within = |pixel: usize, low: f32, high: f32| (low..=high).contains(&(pixel as f32 + 0.5));
    for y in 0..region.height {
        let rows = seam(raster.unit_y(y));
        let row_within = within(region.y + y, top, bottom);
        for x in 0..region.width {
            let person = &mut layers.person[(y + 1) * layers.stride + x + 1];
            if !(row_within && within(region.x + x, left, right)) {
                *person = [0; 4];
                continue;
            }
            for c in 0..3 {
                person[c] = person[c].clamp(0, person[3]);
            }
            let own = rows * seam(raster.unit_x(x));
            if let Some(matte) = still.matte.filter(|_| own < 1.0) {
                let at = (region.y + y) * still.width + region.x + x;
                let opaque = f32::from(matte[at]) / 255.0;
                for c in 0..4 {
                    let value = if c == 3 { 255 } else { still.rgb[at * 3 + c] };
                    let whole = f32::from(value) * opaque * STEPS;
                    person[c] = (f32::from(person[c]) * own + whole * (1.0 - own)).round() as i16;
                }
            }
        }
    }
    layers.replicate();
}
