// SPDX-License-Identifier: MIT OR Apache-2.0
//! Transparent parts of a photo: their colours, and what they say of the person.
//!
//! Colours of pixels that nobody sees are anything: the green or black that a cut-out left behind, or nothing at all. They
//! are made to go on from what is seen, so that edges which are half transparent, and whatever samples beside them, keep
//! the colours of the person.

use super::crop::{Span, resample};
use super::picture::Picture;
use super::pull_push::{Level, between, pull_push};

/// Grey behind transparent parts where a network looks at the photo.
const BEHIND: u32 = 128;

/// Alpha from which a pixel's colour is trusted: below, rounding has eaten it.
const COLOURED: u8 = 16;

/// Longest side of the picture in which hidden colours are made up, in pixels.
const SMALL: usize = 512;

/// Share of the pixels that must be transparent for a photo to be a cut-out.
const MIN_TRANSPARENT: f32 = 0.01;

/// A cut-out shows hardly anything but the person: at most this share of what it shows is surely something else.
const STRANGE: f32 = 0.12;

/// Matte of the network below which there surely is no person.
const NOBODY: u8 = 26;

/// What is transparent of a photo.
#[derive(Clone, Debug)]
pub struct Alpha {
    /// One byte a pixel of the whole photo, 255 = opaque.
    pub mask: Vec<u8>,
    /// What is opaque is the person, so it moves with them; else it is a frame that stays where it is (a round picture, say).
    pub cut_out: bool,
}

/// Colours of a photo and its alpha, where any of it is transparent.
pub fn split(rgba: &[u8], width: usize, height: usize) -> (Picture, Option<Vec<u8>>) {
    let pixels = rgba.as_chunks::<4>().0;
    let mut rgb: Vec<u8> = pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
    if pixels.iter().all(|p| p[3] == 255) {
        return (Picture { width, height, rgb }, None);
    }
    let (hidden, columns, rows) = hidden(pixels, width, height);
    let share =
        |of: usize, in_all: usize, small: usize| (of as f32 + 0.5) / in_all as f32 * small as f32 - 0.5;
    for (i, (out, pixel)) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(pixels).enumerate() {
        if pixel[3] < COLOURED {
            let at = [share(i % width, width, columns), share(i / width, height, rows)];
            let colour = between(&hidden, columns, rows, at);
            // The colour that is left counts by what is left of it.
            let own = f32::from(pixel[3]) / f32::from(COLOURED);
            *out = [0, 1, 2].map(|c| (colour[c] + (f32::from(pixel[c]) - colour[c]) * own + 0.5) as u8);
        }
    }
    (Picture { width, height, rgb }, Some(pixels.iter().map(|p| p[3]).collect()))
}

/// A small picture in which the colours that are seen go on where nothing is.
fn hidden(pixels: &[[u8; 4]], width: usize, height: usize) -> (Vec<[f32; 4]>, usize, usize) {
    let step = width.max(height).div_ceil(SMALL).max(1);
    let (columns, rows) = (width.div_ceil(step), height.div_ceil(step));
    let mut small = vec![[0.0f32; 4]; columns * rows];
    for (y, line) in pixels.chunks_exact(width).enumerate() {
        for (x, &[r, g, b, a]) in line.iter().enumerate() {
            if a >= COLOURED {
                let weight = f32::from(a) / 255.0;
                let sum = &mut small[y / step * columns + x / step];
                let colour = [r, g, b].map(|v| f32::from(v) * weight);
                (0..3).for_each(|c| sum[c] += colour[c]);
                sum[3] += weight;
            }
        }
    }
    for p in &mut small {
        // Any colour that is known there is known fully.
        if p[3] > 0.0 {
            *p = p.map(|v| v / p[3]);
        }
    }
    (pull_push(Level { width: columns, height: rows, pixels: small }), columns, rows)
}

/// The photo as networks see it: over grey.
pub fn over_grey(picture: &Picture, mask: &[u8]) -> Picture {
    let over = |v: u8, a: u32| ((u32::from(v) * a + BEHIND * (255 - a) + 127) / 255) as u8;
    let pixels = picture.rgb.as_chunks::<3>().0.iter().zip(mask);
    let rgb = pixels.flat_map(|(p, &a)| p.map(|v| over(v, u32::from(a)))).collect();
    Picture { width: picture.width, height: picture.height, rgb }
}

/// Whether what a crop shows is the person alone; `matte` is what the network takes for the person.
pub fn is_cut_out(mask: &[u8], matte: &[u8]) -> bool {
    let shown = mask.iter().filter(|&&a| a >= 128).count() as f32;
    let strange = mask.iter().zip(matte).filter(|(a, m)| **a >= 128 && **m < NOBODY).count() as f32;
    shown < (1.0 - MIN_TRANSPARENT) * mask.len() as f32 && strange <= STRANGE * shown
}

/// Where both the photo shows something and the person is.
pub fn within(matte: &[u8], mask: &[u8]) -> Vec<u8> {
    matte.iter().zip(mask).map(|(m, a)| *m.min(a)).collect()
}

impl Alpha {
    /// The mask of a part of a photo of `width` pixels a row, scaled.
    pub fn part(&self, width: usize, x: Span, y: Span) -> Vec<u8> {
        resample::<1>(&self.mask, width, self.mask.len() / width.max(1), x, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A red disc whose edge is soft, on transparent green.
    fn disc(size: usize) -> Vec<u8> {
        let middle = size as f32 / 2.0;
        (0..size * size)
            .flat_map(|i| {
                let (x, y) = ((i % size) as f32 - middle, (i / size) as f32 - middle);
                let alpha = ((0.3 * size as f32 - x.hypot(y)) * 25.0 + 128.0).clamp(0.0, 255.0) as u8;
                if alpha > 0 { [200, 30, 40, alpha] } else { [0, 255, 0, 0] }
            })
            .collect()
    }

    #[test]
    fn what_nobody_sees_takes_the_colours_beside_it() {
        // The second is larger than the picture in which colours are made up.
        for size in [100, 1100] {
            let rgba = disc(size);
            let (picture, alpha) = split(&rgba, size, size);
            let alpha = alpha.unwrap();
            for (i, p) in picture.rgb.as_chunks::<3>().0.iter().enumerate() {
                assert!(
                    p[0].abs_diff(200) < 3 && p[1].abs_diff(30) < 3 && p[2].abs_diff(40) < 3,
                    "{i}: {p:?}"
                );
                assert_eq!(alpha[i], rgba[i * 4 + 3]);
            }
        }
    }

    #[test]
    fn an_alpha_channel_that_is_opaque_says_nothing() {
        let rgba: Vec<u8> = (0..64 * 64).flat_map(|i| [i as u8, 7, 9, 255]).collect();
        let (picture, alpha) = split(&rgba, 64, 64);
        assert!(alpha.is_none());
        assert_eq!(picture.rgb[3..6], [1, 7, 9]);
        let (picture, alpha) = split(&[9; 4 * 64].map(|_| 0), 8, 8);
        assert_eq!((picture.rgb, alpha), (vec![0; 3 * 64], Some(vec![0; 64])));
    }

    #[test]
    fn a_round_picture_is_no_cut_out() {
        let person = |i: usize| (30..70).contains(&(i % 100)) && i / 100 > 20;
        let matte: Vec<u8> = (0..10_000).map(|i| if person(i) { 255 } else { 0 }).collect();
        let round = |i: usize| ((i % 100) as f32 - 50.0).hypot((i / 100) as f32 - 50.0) < 48.0;
        let round: Vec<u8> = (0..10_000).map(|i| if round(i) { 255 } else { 0 }).collect();
        assert!(is_cut_out(&matte, &matte));
        assert!(!is_cut_out(&round, &matte));
        assert!(!is_cut_out(&[255; 10_000], &[255; 10_000]));
    }
}
