// SPDX-License-Identifier: MIT OR Apache-2.0
//! How hair, ears and neck of this person move when the head turns, beside what a mean head's do ([`super::skull`]).
//!
//! The pack's stage `parallax` reads maps off the photo, once: a vector for each point of the photo and each direction of a
//! turn, zero inside the face. A frame weighs and adds them, so that they are steady over time and cost next to nothing.

use super::RenderError;
use super::math::bilinear;
use super::points::Point;

/// Points of a map along a side of the picture, and numbers of a map.
const SIDE: usize = 64;
const AREA: usize = SIDE * SIDE;
/// Maps: yaw to the one side and to the other, pitch up and down, roll.
const DIRECTIONS: usize = 5;
/// Degrees that a map is for, and of those the most that are taken: training saw no more.
const UNIT: f32 = 15.0;
const MOST: f32 = 2.0;
/// Most that all maps together may stretch or squeeze the way between two points of the picture: it must not fold.
const STEEPEST: f32 = 0.6;

/// The maps of a photo, and what they come to in a frame.
#[derive(Clone, Debug)]
pub struct Parallax {
    /// One after the other, across and down at each point, picture units.
    maps: Vec<Point>,
    frame: Vec<Point>,
}

impl Parallax {
    /// From the numbers of the stage's output `[10, 64, 64]`; `None` of none, which a pack without the stage has.
    ///
    /// # Errors
    /// Where they are of another count.
    pub fn new(maps: &[f32]) -> Result<Option<Self>, RenderError> {
        if maps.is_empty() {
            return Ok(None);
        }
        if maps.len() != DIRECTIONS * 2 * AREA {
            let text = format!("the parallax has {} numbers", maps.len());
            return Err(RenderError::Source(text));
        }
        let planes = maps.chunks_exact(2 * AREA).map(|map| map.split_at(AREA));
        let mut maps: Vec<Point> =
            planes.flat_map(|(across, down)| across.iter().zip(down)).map(|(&x, &y)| [x, y]).collect();
        for map in maps.chunks_exact_mut(AREA) {
            let slope = steepest(map) * MOST;
            if slope > STEEPEST {
                map.as_flattened_mut().iter_mut().for_each(|v| *v *= STEEPEST / slope);
            }
        }
        Ok(Some(Self { maps, frame: vec![[0.0; 2]; AREA] }))
    }

    /// Takes how far the head has turned since the photo: yaw, pitch, roll in degrees.
    pub fn pose(&mut self, turn: [f32; 3]) {
        let [yaw, pitch, roll] = turn.map(|angle| (angle / UNIT).clamp(-MOST, MOST));
        let amounts = [yaw.max(0.0), (-yaw).max(0.0), pitch.max(0.0), (-pitch).max(0.0), roll];
        // Directions share a limit of slope as they share a turn.
        let all: f32 = amounts.iter().map(|a| a.abs()).sum();
        let share = MOST / all.max(MOST);
        let frame = self.frame.as_flattened_mut();
        frame.fill(0.0);
        for (map, amount) in self.maps.chunks_exact(AREA).zip(amounts).filter(|(_, amount)| *amount != 0.0) {
            for (sum, v) in frame.iter_mut().zip(map.as_flattened()) {
                *sum += v * (amount * share);
            }
        }
    }

    /// How far beside a point of the photo the frame finds what is seen there, picture units.
    pub fn at(&self, [x, y]: Point) -> Point {
        let place = |v: f32| v * SIDE as f32 - 0.5;
        bilinear(&self.frame, SIDE, place(x), place(y))
    }
}

/// Largest change of a map between neighbours, per picture unit.
fn steepest(map: &[Point]) -> f32 {
    let across = map.chunks_exact(SIDE).flat_map(|row| row.iter().zip(&row[1..]));
    let steps = across.chain(map.iter().zip(&map[SIDE..]));
    let step = |(a, b): (&Point, &Point)| (b[0] - a[0]).abs().max((b[1] - a[1]).abs());
    steps.map(step).fold(0.0, f32::max) * SIDE as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Maps of which the direction `d` moves everything by `d + 1` hundredths across and half of that down.
    fn flat() -> Vec<f32> {
        (0..DIRECTIONS)
            .flat_map(|d| [1.0, 0.5].map(|axis| axis * (d + 1) as f32 / 100.0))
            .flat_map(|v| [v; AREA])
            .collect()
    }

    #[test]
    fn a_turn_weighs_the_maps_of_its_directions() {
        let mut parallax = Parallax::new(&flat()).unwrap().unwrap();
        let mut at = |turn| {
            parallax.pose(turn);
            parallax.at([0.3, 0.8]).map(|v| (v * 1e4).round())
        };
        assert_eq!(at([0.0; 3]), [0.0; 2]);
        assert_eq!(at([15.0, 0.0, 0.0]), [100.0, 50.0]);
        assert_eq!(at([-7.5, 0.0, 0.0]), [100.0, 50.0]);
        assert_eq!(at([0.0, 15.0, 0.0]), [300.0, 150.0]);
        assert_eq!(at([0.0, -3.0, 0.0]), [80.0, 40.0]);
        assert_eq!(at([0.0, 0.0, -15.0]), [-500.0, -250.0]);
        assert_eq!(at([7.5, 0.0, 15.0]), [550.0, 275.0]);
        // Beyond what training saw it goes no further.
        assert_eq!(at([80.0, 0.0, 0.0]), [200.0, 100.0]);
    }

    #[test]
    fn what_is_seen_keeps_its_order_whatever_the_maps_say() {
        let wild = |i: usize| if i.is_multiple_of(7) { 0.4 } else { -0.3 };
        let maps: Vec<f32> = (0..DIRECTIONS * 2 * AREA).map(wild).collect();
        let mut parallax = Parallax::new(&maps).unwrap().unwrap();
        for turn in [[30.0, 0.0, 0.0], [-30.0, 25.0, 30.0], [90.0, -90.0, 90.0]] {
            parallax.pose(turn);
            let places = (0..=600).map(|i| i as f32 / 600.0);
            let across: Vec<f32> = places.clone().map(|x| x + parallax.at([x, 0.4])[0]).collect();
            let down: Vec<f32> = places.map(|y| y + parallax.at([0.4, y])[1]).collect();
            assert!(across.is_sorted() && down.is_sorted(), "{turn:?}");
        }
    }

    #[test]
    fn a_pack_without_maps_has_none_and_others_are_refused() {
        assert!(Parallax::new(&[]).unwrap().is_none());
        assert!(Parallax::new(&[0.0; 7]).is_err());
    }
}
