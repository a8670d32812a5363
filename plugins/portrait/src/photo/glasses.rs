// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a face wears glasses: lids of large eyes and rising brows take along what is between them, and would bend the frame.

use super::shrink::{Level, SIZE};
use crate::face::find::{Outside, RgbView, Roi, sample};
use crate::face::landmark::indices::{EYE_LEFT, EYE_RIGHT};
use crate::face::pixel;

/// Corner of [`EYE_LEFT`] and [`EYE_RIGHT`] beside the nose.
const INNER_CORNER: usize = 8;

/// The bridge of the nose that is looked at: steps from its middle to each side and up and down, and the width of one in
/// distances of the outer eye corners; share of its usual light below which a row of it is a frame.
const BRIDGE_STEPS: i32 = 3;
const BRIDGE_ROWS: i32 = 18;
const BRIDGE_STEP: f32 = 0.01;
const FRAME: f32 = 0.5;

/// Whether a frame crosses the nose of a face with these landmarks, in pixels of the picture.
pub fn worn(view: &RgbView<'_>, face: &[[f32; 3]]) -> bool {
    let Some(roi) = Roi::around(face) else { return false };
    let mut planes = vec![0.0; 3 * SIZE * SIZE];
    sample(view, roi, SIZE, Outside::Edge, 0.0..255.0, &mut planes);
    are_worn(&planes, &Level::new(face, roi), face)
}

/// The same; planes of red, green and blue of the face's square.
fn are_worn(planes: &[f32], level: &Level, face: &[[f32; 3]]) -> bool {
    let [left, right] = [EYE_LEFT, EYE_RIGHT].map(|edge| level.point(face[edge[INNER_CORNER]]));
    let middle = [0, 1].map(|k| (left[k] + right[k]) / 2.0);
    let light = |y: f32| {
        let across = (-BRIDGE_STEPS..=BRIDGE_STEPS).map(|i| i as f32 * BRIDGE_STEP);
        let levels = across.map(|x| {
            let at = level.pixel([middle[0] + x, middle[1] + y]);
            let [grey] = pixel::bilinear([SIZE; 2], at, |x, y| {
                [(0..3).map(|c| planes[(c * SIZE + y) * SIZE + x]).sum()]
            });
            grey
        });
        levels.sum::<f32>()
    };
    let mut lights: Vec<f32> = (-BRIDGE_ROWS..=BRIDGE_ROWS).map(|i| light(i as f32 * BRIDGE_STEP)).collect();
    lights.sort_by(f32::total_cmp);
    lights[0] < FRAME * lights[lights.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::COUNT;
    use crate::photo::shrink::tests::level;

    #[test]
    fn glasses_are_seen_on_the_nose() {
        let level = level();
        let mut face = vec![[0.0; 3]; COUNT];
        for (edge, x) in [(EYE_LEFT, -0.2), (EYE_RIGHT, 0.2)] {
            level.place(&mut face[edge[INNER_CORNER]], [x, 0.0]);
        }
        let row = |light: f32| {
            let line = move |i: usize| if (270..280).contains(&(i / SIZE % SIZE)) { light } else { 180.0 };
            (0..3 * SIZE * SIZE).map(line).collect::<Vec<f32>>()
        };
        assert!(are_worn(&row(30.0), &level, &face));
        assert!(!are_worn(&row(140.0), &level, &face));
    }
}
