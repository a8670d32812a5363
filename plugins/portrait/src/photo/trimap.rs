// SPDX-License-Identifier: MIT OR Apache-2.0
//! What of a picture is surely the person, what surely is not, and what is left to be decided.
//!
//! The network looks twice: at the picture, and at a wider square. The wider look knows hats and hair that the picture cuts,
//! but joins things beside the head to it (a cord, a star on a flag): by itself it counts only where it sees much more.

use super::matte::box_mean;
use crate::face::step::smooth_step;

/// Coverage from which a look is sure of the person, from which it sees something of them, and below which there is nobody.
const SURE: f32 = 0.95;
const SOME: f32 = 0.3;
const NOBODY: f32 = 0.2;

/// Coverage in the look at the picture that hints at a person: what the wider look sees there is nothing more.
const HINT: f32 = 0.15;

/// Width of the unsure band within and beyond the edge of the coarse answer; reach of a hint; half the width of what the wider
/// look alone is believed; in pixels of a 512-pixel crop.
const WITHIN: f32 = 5.0;
const BEYOND: f32 = 6.0;
const REACH: f32 = 4.0;
const MUCH: f32 = 10.0;

/// Coverage up to which doubt is background, and from which it is the person: what stays still is missed less than what moves
/// wrongly.
const DOUBT: (f32, f32) = (0.15, 0.9);

/// How much the look that sees more counts where both see something.
const HIGHER: f32 = 0.6;

/// Share of a window that is none.
const LEAST: f32 = 1e-5;

/// A picture of which some pixels are known.
pub struct Trimap {
    /// Coverage: 1 or 0 where it is known, elsewhere a guess.
    pub rough: Vec<f32>,
    /// Where it has to be decided.
    pub unsure: Vec<bool>,
}

impl Trimap {
    /// From the network's look at the picture and its wider one, both of the picture's size. `face` are pixels that are the
    /// person's whatever it says.
    pub fn new(own: &[f32], wider: &[f32], face: &[bool], width: usize, height: usize) -> Self {
        let scale = width.max(height) as f32 / 512.0;
        let near = |values: Vec<f32>, reach: f32| {
            box_mean(&values, width, height, ((reach * scale).round() as usize).max(1))
        };
        let mark = |test: &dyn Fn(usize) -> bool| -> Vec<f32> {
            (0..own.len()).map(|i| f32::from(u8::from(test(i)))).collect()
        };
        let hinted = near(mark(&|i| own[i] > HINT), REACH);
        // Much more: what holds a square of that size.
        let more = near(mark(&|i| wider[i] > 0.5 && hinted[i] < LEAST), MUCH);
        let more = near(mark(&|i| more[i] > 1.0 - LEAST), 1.4 * MUCH);
        let more = |i: usize| (20.0 * more[i]).min(1.0) * wider[i];
        let seen = near(mark(&|i| own[i] > SOME), REACH);
        let seen =
            |i: usize| (3.0 * seen[i]).min(1.0) * (wider[i].min(own[i]) + HIGHER * (wider[i] - own[i]).abs());
        let mut rough: Vec<f32> = (0..own.len()).map(|i| own[i].max(seen(i)).max(more(i))).collect();
        let person = near(mark(&|i| own[i].max(more(i)) > SURE && rough[i] > 0.9), WITHIN);
        let anybody = near(mark(&|i| rough[i] > NOBODY), BEYOND);
        let unsure = (0..own.len())
            .map(|i| {
                let known = if face[i] || person[i] > 1.0 - LEAST {
                    Some(1.0)
                } else {
                    (anybody[i] < LEAST).then_some(0.0)
                };
                rough[i] = known.unwrap_or_else(|| smooth_step((rough[i] - DOUBT.0) / (DOUBT.1 - DOUBT.0)));
                known.is_none()
            })
            .collect();
        Self { rough, unsure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 256;

    /// A head that both looks see, and beside it what only the wider one sees.
    fn seen(beside: impl Fn(usize, usize) -> bool) -> Trimap {
        let look = |wide: bool| -> Vec<f32> {
            (0..SIZE * SIZE)
                .map(|i| {
                    let (x, y) = (i % SIZE, i / SIZE);
                    let head = (x as f32 - 128.0).hypot(y as f32 - 150.0) < 60.0;
                    f32::from(u8::from(head || wide && beside(x, y)))
                })
                .collect()
        };
        let mut face = vec![false; SIZE * SIZE];
        face[0] = true;
        Trimap::new(&look(false), &look(true), &face, SIZE, SIZE)
    }

    #[test]
    fn the_band_around_the_person_is_unsure_and_no_more() {
        let map = seen(|_, _| false);
        let at = |x: usize| (map.rough[150 * SIZE + x], map.unsure[150 * SIZE + x]);
        assert_eq!((at(128), at(70).1, at(66).1, at(62)), ((1.0, false), true, true, (0.0, false)));
        assert_eq!((at(76), map.rough[0], map.unsure[0]), ((1.0, false), 1.0, false));
    }

    #[test]
    fn what_only_the_wider_look_sees_is_the_persons_where_it_is_much() {
        let cord = seen(|x, y| (60..66).contains(&x) && y < 150);
        assert!(cord.rough[40 * SIZE + 63] == 0.0 && !cord.unsure[40 * SIZE + 63]);
        let hat = seen(|x, y| (80..176).contains(&x) && (20..95).contains(&y));
        assert!(hat.rough[50 * SIZE + 128] == 1.0 && !hat.unsure[50 * SIZE + 128]);
    }
}
