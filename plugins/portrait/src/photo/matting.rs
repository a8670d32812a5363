// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much of each unsure pixel is the person's.
//!
//! Closed-form matting (A. Levin et al., PAMI 2008): within each window of 3 x 3 pixels coverage is a linear function of the
//! colour, which holds wherever two colours mix along a line. The sum over all windows is a quadratic form; its minimum
//! between the pixels that are known is found by conjugate gradients.

use multiversion::multiversion;

use super::picture::Picture;
use super::trimap::Trimap;

/// How flat a window must be (variance of a channel, 0..1) for its colours to say nothing.
const FLAT: f64 = 3e-6;

/// How much the guess of the trimap counts where the colours decide.
const GUESS: f32 = 3e-4;

/// Steps of the solver, and the share of the first error at which it is done.
const STEPS: usize = 80;
const DONE: f32 = 3e-3;

/// Border of the planes in which coverage is held, so that a pixel's neighbours need no checks.
const BORDER: usize = 2;

/// Rows and columns of the neighbours of a pixel that share a window with it; rows of weights are filled up with zeros, so
/// that the processor takes them at once.
const SIDE: usize = 2 * BORDER + 1;
const LANES: usize = 8;

/// Pixels of a window, and as many numbers as the processor takes for them.
const WINDOW: usize = 9;
const PADDED: usize = 12;

/// Weights of a pixel's neighbours.
type Stencil = [[f32; LANES]; SIDE];

/// The unsure pixels, with the quadratic form between each and its neighbours.
struct System {
    stride: usize,
    /// Where the pixels lie in a plane with border.
    at: Vec<usize>,
    weights: Vec<Stencil>,
}

/// Coverage of every pixel, 0 to 1.
pub fn solve(picture: &Picture, trimap: &Trimap) -> Vec<f32> {
    let (width, height) = (picture.width, picture.height);
    let system = System::new(picture, &trimap.unsure);
    let stride = system.stride;
    let mut plane = vec![0.0f32; stride * (height + 2 * BORDER) + LANES];
    for (y, row) in trimap.rough.chunks_exact(width).enumerate() {
        plane[(y + BORDER) * stride + BORDER..][..width].copy_from_slice(row);
    }
    system.minimise(&mut plane);
    (0..width * height)
        .map(|i| plane[(i / width + BORDER) * stride + i % width + BORDER].clamp(0.0, 1.0))
        .collect()
}

impl System {
    fn new(picture: &Picture, unsure: &[bool]) -> Self {
        let (width, height) = (picture.width, picture.height);
        let stride = width + 2 * BORDER;
        let mut index = vec![usize::MAX; unsure.len()];
        let mut at = Vec::new();
        for (i, index) in index.iter_mut().enumerate().filter(|(i, _)| unsure[*i]) {
            *index = at.len();
            at.push((i / width + BORDER) * stride + i % width + BORDER);
        }
        let mut weights = vec![Stencil::default(); at.len()];
        let colours = picture.rgb.as_chunks::<3>().0;
        for y in 1..height.saturating_sub(1) {
            for x in 1..width.saturating_sub(1) {
                let pixels: [usize; WINDOW] =
                    std::array::from_fn(|k| (y + k / 3 - 1) * width + x + k % 3 - 1);
                if pixels.iter().all(|&i| index[i] == usize::MAX) {
                    continue;
                }
                let form = window(&pixels.map(|i| colours[i]));
                for (i, &pixel) in pixels.iter().enumerate() {
                    let Some(weights) = weights.get_mut(index[pixel]) else { continue };
                    // Where the window's first pixel lies among the neighbours of this one.
                    let (down, right) = (BORDER - i / 3, BORDER - i % 3);
                    for (row, form) in form[i].chunks_exact(3).take(3).enumerate() {
                        let line = &mut weights[down + row][right..right + 3];
                        line.iter_mut().zip(form).for_each(|(weight, form)| *weight += *form as f32);
                    }
                }
            }
        }
        for weights in &mut weights {
            weights[BORDER][BORDER] += GUESS;
        }
        Self { stride, at, weights }
    }

    /// The form times a plane, at each of the pixels.
    fn products(&self, plane: &[f32], out: &mut [f32]) {
        multiply(&self.weights, &self.at, self.stride, plane, out);
    }

    /// Moves the unsure pixels of a plane, which holds their guess, to where the form is least.
    fn minimise(&self, plane: &mut [f32]) {
        let count = self.at.len();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        // What pulls at a pixel: its guess, less the form.
        let mut pull = vec![0.0f32; count];
        self.products(plane, &mut pull);
        let mut rest: Vec<f32> =
            self.at.iter().zip(&pull).map(|(&at, pull)| GUESS * plane[at] - pull).collect();
        let eased = |rest: &[f32]| -> Vec<f32> {
            rest.iter().zip(&self.weights).map(|(r, w)| r / w[BORDER][BORDER]).collect()
        };
        let mut step = eased(&rest);
        let mut error = dot(&rest, &step);
        let done = error * f64::from(DONE * DONE);
        let mut steps = vec![0.0f32; plane.len()];
        for _ in 0..STEPS {
            if error <= done || !error.is_finite() {
                break;
            }
            self.at.iter().zip(&step).for_each(|(&at, s)| steps[at] = *s);
            self.products(&steps, &mut pull);
            let length = (error / dot(&step, &pull)) as f32;
            for i in 0..count {
                plane[self.at[i]] += length * step[i];
                rest[i] -= length * pull[i];
            }
            let eased = eased(&rest);
            let left = dot(&rest, &eased);
            let keep = (left / error) as f32;
            step.iter_mut().zip(eased).for_each(|(step, eased)| *step = eased + keep * *step);
            error = left;
        }
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn multiply(weights: &[Stencil], at: &[usize], stride: usize, plane: &[f32], out: &mut [f32]) {
    for ((weights, &at), out) in weights.iter().zip(at).zip(out) {
        let first = at - BORDER * stride - BORDER;
        let mut sums = [0.0f32; LANES];
        for (k, weights) in weights.iter().enumerate() {
            let line = &plane[first + k * stride..][..LANES];
            (0..LANES).for_each(|i| sums[i] += weights[i] * line[i]);
        }
        *out = sums.iter().sum();
    }
}

/// What the colours of a window say of its pixels: the quadratic form of how far their coverage is from linear in colour.
#[multiversion(targets("x86_64+avx2"))]
fn window(pixels: &[[u8; 3]; WINDOW]) -> [[f64; PADDED]; WINDOW] {
    let mut colours = [[0.0f64; PADDED]; 3];
    for (c, colours) in colours.iter_mut().enumerate() {
        let values = pixels.map(|pixel| f64::from(pixel[c]) / 255.0);
        let mean = values.iter().sum::<f64>() / WINDOW as f64;
        colours.iter_mut().zip(values).for_each(|(out, value)| *out = value - mean);
    }
    let spread = |a: usize, b: usize| {
        colours[a].iter().zip(&colours[b]).map(|(a, b)| a * b).sum::<f64>() / WINDOW as f64
    };
    let flat = FLAT / WINDOW as f64;
    let [rr, gg, bb] = [0, 1, 2].map(|c| spread(c, c) + flat);
    let [rg, rb, gb] = [spread(0, 1), spread(0, 2), spread(1, 2)];
    // Cofactors: the inverse of a symmetric matrix.
    let (a, b, c) = (gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg);
    let (d, e, f) = (rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg);
    let share = 1.0 / ((rr * a + rg * b + rb * c) * WINDOW as f64);
    let [red, green, blue] = &colours;
    std::array::from_fn(|i| {
        let (r, g, l) = (red[i] * share, green[i] * share, blue[i] * share);
        let turned = [a * r + b * g + c * l, b * r + d * g + e * l, c * r + e * g + f * l];
        let mut row: [f64; PADDED] = std::array::from_fn(|j| {
            -1.0 / WINDOW as f64 - turned[0] * red[j] - turned[1] * green[j] - turned[2] * blue[j]
        });
        row[i] += 1.0;
        row
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A person on the left of stripes, with an edge that is soft over `soft` pixels; the stripes lie across it.
    fn scene(width: usize, height: usize, soft: f32) -> (Picture, Vec<f32>) {
        let cover: Vec<f32> = (0..width * height)
            .map(|i| (0.5 - ((i % width) as f32 - 0.5 * width as f32) / soft).clamp(0.0, 1.0))
            .collect();
        let rgb = (0..width * height)
            .flat_map(|i| {
                let back =
                    if (i / width / 6).is_multiple_of(2) { [40.0, 90.0, 200.0] } else { [90.0, 200.0, 60.0] };
                [150.0, 60.0, 30.0]
                    .iter()
                    .zip(back)
                    .map(|(f, b)| (b + (f - b) * cover[i]).round() as u8)
                    .collect::<Vec<_>>()
            })
            .collect();
        (Picture { width, height, rgb }, cover)
    }

    #[test]
    fn a_soft_edge_before_stripes_is_found() {
        let (picture, cover) = scene(64, 48, 12.0);
        let unsure: Vec<bool> = (0..64 * 48).map(|i| (20..44).contains(&(i % 64))).collect();
        // The guess is a hard edge at the wrong place.
        let rough = (0..64 * 48).map(|i| if i % 64 < 36 { 1.0 } else { 0.0 }).collect();
        let found = solve(&picture, &Trimap { rough, unsure: unsure.clone() });
        let errors = || found.iter().zip(&cover).map(|(a, b)| (a - b).abs());
        let mean =
            errors().zip(&unsure).filter(|(_, unsure)| **unsure).map(|(e, _)| e).sum::<f32>() / (24.0 * 48.0);
        assert!(mean < 0.05, "{mean}");
        assert!(errors().zip(unsure).all(|(e, unsure)| unsure || e == 0.0), "what is known stays");
    }

    #[test]
    fn colours_that_say_nothing_leave_the_guess() {
        let picture = Picture { width: 32, height: 32, rgb: vec![90; 32 * 32 * 3] };
        let rough = vec![0.7; 32 * 32];
        let found = solve(&picture, &Trimap { rough, unsure: vec![true; 32 * 32] });
        assert!(found.iter().all(|v| (v - 0.7).abs() < 1e-3), "{found:?}");
        for (width, height) in [(1, 1), (2, 9), (3, 3)] {
            let picture = Picture { width, height, rgb: vec![7; width * height * 3] };
            let map = Trimap { rough: vec![0.5; width * height], unsure: vec![true; width * height] };
            assert!(solve(&picture, &map).iter().all(|v| (v - 0.5).abs() < 1e-3), "{width} {height}");
        }
    }
}
