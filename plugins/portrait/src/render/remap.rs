//! Samples the person's layer where the flow says and lays it over the background.

use multiversion::multiversion;

use super::layers::{Layers, STEPS};

/// Samples a run of pixels of one row: `x`, `y` are positions in the region's pixels, `back` the background there.
///
/// Catmull-Rom, not bilinear: it returns the pixels themselves where nothing moves and keeps them sharp between, so
/// that sharpness does not pulse while the head moves by fractions of a pixel.
pub fn person_over(layers: &Layers, x: &[f32], y: &[f32], back: &[u8], out: &mut [[f32; 4]]) {
    over(&layers.person, layers.stride, layers.width, layers.height, x, y, back, out);
}

#[inline(always)]
fn catmull_rom(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [t2 - 0.5 * (t + t3), 1.0 - 2.5 * t2 + 1.5 * t3, 0.5 * t + 2.0 * t2 - 1.5 * t3, 0.5 * (t3 - t2)]
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2", "x86_64+avx2", "x86_64+sse4.1"))]
fn over(
    person: &[[i16; 4]],
    stride: usize,
    width: usize,
    height: usize,
    x: &[f32],
    y: &[f32],
    back: &[u8],
    out: &mut [[f32; 4]],
) {
    let (right, bottom) = ((width - 1) as f32, (height - 1) as f32);
    let pixels = out.iter_mut().zip(x.iter().zip(y)).zip(back.as_chunks::<3>().0);
    for ((out, (x, y)), back) in pixels {
        let (x, y) = (x.clamp(0.0, right), y.clamp(0.0, bottom));
        let (ix, iy) = (x as u32, y as u32);
        let (wx, wy) = (catmull_rom(x - ix as f32), catmull_rom(y - iy as f32));
        let first = iy as usize * stride + ix as usize;
        let mut sum = [0.0_f32; 4];
        for (row, wy) in wy.into_iter().enumerate() {
            let Some(taps) = person.get(first + row * stride..).and_then(|p| p.first_chunk::<4>()) else {
                continue;
            };
            let mut line = [0.0_f32; 4];
            for (tap, wx) in taps.iter().zip(wx) {
                for c in 0..4 {
                    line[c] += f32::from(tap[c]) * wx;
                }
            }
            for c in 0..4 {
                sum[c] += line[c] * wy;
            }
        }
        let through = 1.0 - sum[3].clamp(0.0, 255.0 * STEPS) * (1.0 / (255.0 * STEPS));
        for c in 0..3 {
            out[c] = sum[c] * (1.0 / STEPS) + f32::from(back[c]) * through;
        }
    }
}

/// Rounds a run of pixels to RGB8.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+avx2", "x86_64+avx2", "x86_64+sse4.1"))]
pub fn store(pixels: &[[f32; 4]], out: &mut [u8]) {
    for (pixel, out) in pixels.iter().zip(out.as_chunks_mut::<3>().0) {
        for c in 0..3 {
            // A saturating cast: what overshoots is clamped.
            out[c] = (pixel[c] + 0.5) as u8;
        }
    }
}

/// Three planes of a patch, values 0 to 1: bilinear samples of an RGB8 square at picture units, clamped at its border.
pub fn patch(rgb: &[u8], side: usize, x: &[f32], y: &[f32], out: &mut [f32]) {
    let last = (side - 1) as f32;
    let area = x.len();
    let (red, rest) = out.split_at_mut(area);
    let (green, blue) = rest.split_at_mut(area);
    for i in 0..area {
        let px = (x[i] * side as f32 - 0.5).clamp(0.0, last);
        let py = (y[i] * side as f32 - 0.5).clamp(0.0, last);
        let (ix, iy) = (px as usize, py as usize);
        let (tx, ty) = (px - ix as f32, py - iy as f32);
        let (right, below) = ((ix + 1).min(side - 1), (iy + 1).min(side - 1));
        let at = |x: usize, y: usize| {
            let p = &rgb[(y * side + x) * 3..][..3];
            [f32::from(p[0]), f32::from(p[1]), f32::from(p[2])]
        };
        let (a, b, c, d) = (at(ix, iy), at(right, iy), at(ix, below), at(right, below));
        let mix = |k: usize| {
            let top = a[k] + (b[k] - a[k]) * tx;
            let bottom = c[k] + (d[k] - c[k]) * tx;
            (top + (bottom - top) * ty) * (1.0 / 255.0)
        };
        (red[i], green[i], blue[i]) = (mix(0), mix(1), mix(2));
    }
}
