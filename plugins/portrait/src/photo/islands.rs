// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parts of a matte that hang on nothing, or are nowhere solid.

use super::matte::box_mean;
use crate::face::step::smooth_step;

/// Coverage from which neighbours hold together, below what share of all that is covered a part of its own is nobody's, and how
/// far less coverage reaches around the others: stray hair; in pixels.
const TOGETHER: u8 = 64;
const ISLAND: f32 = 0.08;
const STRAY: usize = 12;

/// Coverage of what is solid. How far from it in a crop of 512 pixels (the shorter side) there is no coverage any more, in pixels, and share of the
/// solid ones within that reach from which it is left as it is.
const SOLID: u8 = 200;
const REACH: f32 = 12.0;
const ENOUGH: f32 = 0.12;

/// Takes away what is nowhere solid and reaches farther from the person than soft hair: a shadow on a wall, a star on a flag, of
/// which the network is as unsure as the colours are.
pub fn drop_haze(matte: &mut [u8], width: usize, height: usize) {
    let solid: Vec<f32> = matte.iter().map(|&m| f32::from(u8::from(m >= SOLID))).collect();
    let reach = (REACH * width.min(height) as f32 / 512.0).round() as usize;
    let near = box_mean(&solid, width, height, reach.max(1));
    for (m, near) in matte.iter_mut().zip(near).filter(|(m, _)| **m < SOLID) {
        *m = (f32::from(*m) * smooth_step(near / ENOUGH)).round() as u8;
    }
}

/// Takes small parts that do not hang together with the rest for background: the network sees faces in flags and leaves.
pub fn drop_islands(matte: &mut [u8], width: usize, height: usize) {
    let mut part = vec![0u32; matte.len()];
    let mut sizes = vec![0usize];
    let mut open = Vec::new();
    for start in 0..matte.len() {
        if part[start] != 0 || matte[start] < TOGETHER {
            continue;
        }
        let own = sizes.len() as u32;
        part[start] = own;
        open.push(start);
        let mut size = 0;
        while let Some(at) = open.pop() {
            size += 1;
            let x = at % width;
            let beside = [(x > 0).then(|| at - 1), (x + 1 < width).then_some(at + 1)];
            for next in beside.into_iter().flatten().chain(at.checked_sub(width)).chain([at + width]) {
                if matte.get(next).is_some_and(|&m| m >= TOGETHER) && part[next] == 0 {
                    part[next] = own;
                    open.push(next);
                }
            }
        }
        sizes.push(size);
    }
    let least = sizes.iter().sum::<usize>() as f32 * ISLAND;
    let kept = |&part: &u32| part != 0 && sizes[part as usize] as f32 >= least;
    let person: Vec<f32> = part.iter().map(|part| f32::from(u8::from(kept(part)))).collect();
    let near = box_mean(&person, width, height, STRAY);
    for (m, (part, near)) in matte.iter_mut().zip(part.iter().zip(near)) {
        if near < 1e-6 || *part != 0 && !kept(part) {
            *m = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nowhere_solid_goes_and_soft_edges_stay() {
        let (w, h) = (512, 512);
        let covered = |x: usize, y: usize| match (x, y) {
            (200..300, _) => 255,      // a person
            (195..200, _) => 90,       // with a soft edge
            (300..360, 20..50) => 180, // and a star beside
            _ => 0,
        };
        let mut matte: Vec<u8> = (0..w * h).map(|i| covered(i % w, i / w)).collect();
        let before = matte.clone();
        drop_haze(&mut matte, w, h);
        let at = |x: usize, y: usize| matte[y * w + x];
        assert!((313..360).all(|x| (20..50).all(|y| at(x, y) == 0)), "the star is gone");
        assert_eq!(at(303, 35), 180, "but for what touches");
        for (i, (after, before)) in matte.iter().zip(before).enumerate().filter(|(i, _)| i % w < 300) {
            assert_eq!(*after, before, "{} {}", i % w, i / w);
        }
    }

    #[test]
    fn small_parts_that_hang_on_nothing_are_background_and_large_ones_are_a_person() {
        let (w, h) = (100, 60);
        let covered = |x: usize, y: usize| match (x, y) {
            (30..60, 10..60) => 255,       // a person
            (60..66, 30..31) => 40,        // with a strand of hair
            (70..90, 20..35) => 200,       // and a hand
            (2..9, 2..9) => 120,           // and a star on a flag
            (9..30, 4..6) => TOGETHER - 1, // that a haze connects
            _ => 0,
        };
        let mut matte: Vec<u8> = (0..w * h).map(|i| covered(i % w, i / w)).collect();
        let before = matte.clone();
        drop_islands(&mut matte, w, h);
        for (i, (after, before)) in matte.iter().zip(before).enumerate() {
            // The haze goes where it is farther from the person than stray hair.
            let star = i / w < 9 && i % w < 30 - STRAY;
            assert_eq!(*after, if star { 0 } else { before }, "{} {}", i % w, i / w);
        }
        let mut nobody = vec![0; w * h];
        drop_islands(&mut nobody, w, h);
        assert_eq!(nobody, vec![0; w * h]);
    }
}
