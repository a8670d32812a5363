// SPDX-License-Identifier: MIT OR Apache-2.0
//! The square that a generator was trained on: a pack says how it lies around the face.

use super::crop::Crop;
use crate::face::landmark::indices::{EYE_LEFT, EYE_RIGHT, LIPS_OUTER};
use crate::pack::CropRecipe;

/// Shortest way from the eyes to the mouth that has a direction, in pixels.
const LEAST: f32 = 1e-3;

/// The square that the pack's networks see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Square {
    /// The same, upright.
    pub crop: Crop,
    /// Radians by which it is turned about its middle, from the picture's x axis towards its y axis (down).
    pub angle: f32,
}

impl From<Crop> for Square {
    fn from(crop: Crop) -> Self {
        Self { crop, angle: 0.0 }
    }
}

impl Square {
    /// Around a face, landmarks in pixels of the photo: as LivePortrait's `parse_rect_from_landmark` lays it. The way from the middle
    /// of the eyes to that of the lips is down; the larger extent of the landmarks along and across it is measured.
    pub fn around(face: &[[f32; 3]], recipe: &CropRecipe) -> Self {
        let mean = |indices: &[usize]| {
            let points = indices.iter().filter_map(|&i| face.get(i));
            let (sum, count) =
                points.fold(([0.0; 2], 0.0), |(s, n), p| ([s[0] + p[0], s[1] + p[1]], n + 1.0));
            sum.map(|v| v / f32::max(count, 1.0))
        };
        let middle = |[a, b]: [[f32; 2]; 2]| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
        let eyes = middle([mean(&EYE_RIGHT), mean(&EYE_LEFT)]);
        // The corners.
        let mouth = middle([mean(&LIPS_OUTER[..1]), mean(&LIPS_OUTER[10..11])]);
        let down = [mouth[0] - eyes[0], mouth[1] - eyes[1]];
        let length = down[0].hypot(down[1]);
        let down = if length > LEAST && recipe.rotate { down.map(|v| v / length) } else { [0.0, 1.0] };
        let across = [down[1], -down[0]];
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        let mut measure = |point: &[f32; 3]| {
            for (k, axis) in [across, down].into_iter().enumerate() {
                let at = point[0] * axis[0] + point[1] * axis[1];
                (low[k], high[k]) = (low[k].min(at), high[k].max(at));
            }
        };
        if recipe.points.is_empty() {
            face.iter().for_each(&mut measure);
        } else {
            recipe.points.iter().filter_map(|&i| face.get(i)).for_each(&mut measure);
        }
        let side = (high[0] - low[0]).max(high[1] - low[1]) * recipe.scale;
        let shift = [recipe.vx, recipe.vy];
        let [u, v] = [0, 1].map(|k| (low[k] + high[k]) / 2.0 + shift[k] * side);
        let [x, y] = [0, 1].map(|k| across[k] * u + down[k] * v);
        let crop = Crop { x: x - side / 2.0, y: y - side / 2.0, side };
        Self { crop, angle: across[1].atan2(across[0]) }
    }

    /// A point of the upright square in the turned one; both go from 0 to 1.
    pub fn turned(&self, [x, y, z]: [f32; 3]) -> [f32; 3] {
        let (sin, cos) = self.angle.sin_cos();
        let (x, y) = (x - 0.5, y - 0.5);
        [x * cos + y * sin + 0.5, y * cos - x * sin + 0.5, z]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::pose::Pose;
    use crate::pack::{DEFAULT_PACK, Pack};

    fn recipe(rotate: bool) -> CropRecipe {
        CropRecipe { scale: 2.3, vx: 0.0, vy: -0.125, rotate, points: Vec::new() }
    }

    /// The mean face, 100 pixels from eye to eye, turned in the picture.
    fn face(roll: f32) -> Vec<[f32; 3]> {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let pose = Pose { roll, x: 400.0, y: 300.0, scale: 100.0, ..Pose::default() };
        let mut out = vec![[0.0; 3]; pack.mean_face().len()];
        pose.apply(pack.mean_face(), &mut out);
        out
    }

    #[test]
    fn the_square_turns_with_the_face_and_holds_it_in_the_same_place() {
        let upright = Square::around(&face(0.0), &recipe(true));
        assert!(upright.angle.abs() < 0.02, "{upright:?}");
        let place = |square: &Square, point: [f32; 3]| {
            let crop = square.crop;
            square.turned([(point[0] - crop.x) / crop.side, (point[1] - crop.y) / crop.side, 0.0])
        };
        let chin = place(&upright, face(0.0)[152]);
        for roll in [-30.0, 15.0, 80.0] {
            let square = Square::around(&face(roll), &recipe(true));
            assert!((square.angle.to_degrees() - roll).abs() < 1.0, "{roll}: {square:?}");
            assert!((square.crop.side - upright.crop.side).abs() < 0.5);
            let turned = place(&square, face(roll)[152]);
            assert!((0..2).all(|k| (turned[k] - chin[k]).abs() < 0.01), "{roll}: {turned:?}, {chin:?}");
            assert_eq!(Square::around(&face(roll), &recipe(false)).angle, 0.0);
        }
    }

    #[test]
    fn sizes_and_shifts_are_shares_of_the_face() {
        let low = Square::around(&face(0.0), &CropRecipe { vy: 0.0, ..recipe(false) });
        let high = Square::around(&face(0.0), &recipe(false));
        assert!((low.crop.y - high.crop.y - 0.125 * low.crop.side).abs() < 0.01);
        let wide = Square::around(&face(0.0), &CropRecipe { scale: 4.6, ..recipe(false) });
        assert!((wide.crop.side - 2.0 * low.crop.side).abs() < 0.01);
        let eyes = CropRecipe { points: vec![33, 263], scale: 1.0, ..recipe(false) };
        assert!((Square::around(&face(0.0), &eyes).crop.side - 100.0).abs() < 1.0, "from eye to eye");
    }
}
