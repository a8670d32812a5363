//! The person without the photo's background: over a colour, or over nothing.

use super::Still;
use super::format::{Format, Sheet};
use super::layers::{Layers, STEPS};
use super::math::smooth_step;
use super::paste::Raster;

/// What is behind the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Background {
    /// The photo's own background.
    #[default]
    Keep,
    /// A colour: red, green, blue, alpha, not multiplied by the alpha. Layouts without alpha show it over black.
    Colour([u8; 4]),
}

/// Along the crop's border its matte passes into that of the whole photo, in shares of the crop's side.
const SEAM: f32 = 1.0 / 16.0;

/// The picture at rest in a format. Where the background is replaced, the layers get the new one, too.
pub fn sheet(
    still: &Still<'_>,
    format: Format,
    background: Background,
    raster: &Raster,
    layers: &mut Layers,
) -> Sheet {
    let (width, height) = (still.width, still.height);
    let photo = still.rgb.as_chunks::<3>().0;
    let whole = |[r, g, b]: [u8; 3], a: f32| [r, g, b, 255].map(|v| f32::from(v) * a);
    let Background::Colour([r, g, b, a]) = background else {
        return Sheet::new(format, width, height, |y, row| {
            for (out, &rgb) in row.iter_mut().zip(&photo[y * width..]) {
                *out = whole(rgb, 1.0);
            }
        });
    };
    let colour = [r, g, b, 255].map(|v| (f32::from(v) * f32::from(a) / 255.0 + 0.5) as u8);
    cut(still, raster, layers);
    layers.back.as_chunks_mut::<4>().0.fill(colour);
    let region = raster.region;
    Sheet::new(format, width, height, |y, row| {
        for (x, out) in row.iter_mut().enumerate() {
            let (column, line) = (x.wrapping_sub(region.x), y.wrapping_sub(region.y));
            let person = if column < region.width && line < region.height {
                layers.person[(line + 1) * layers.stride + column + 1].map(|v| f32::from(v) / STEPS)
            } else {
                let opaque = still.matte.map_or(0.0, |m| f32::from(m[y * width + x]) / 255.0);
                whole(photo[y * width + x], opaque)
            };
            let through = 1.0 - person[3] / 255.0;
            *out = [0, 1, 2, 3].map(|c| person[c] + f32::from(colour[c]) * through);
        }
    })
}

/// Makes the person's layer one that can stand before anything. What it holds beyond its own matte was only right over
/// the photo's background.
fn cut(still: &Still<'_>, raster: &Raster, layers: &mut Layers) {
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
