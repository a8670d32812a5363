// SPDX-License-Identifier: MIT OR Apache-2.0
//! A face with one eye made smaller about its iris, for the mesh to look at.

use super::iris::USUAL;
use crate::face::find::Roi;
use crate::face::landmark::indices::{EYE_CORNER_LEFT, EYE_CORNER_RIGHT};
use crate::face::pixel;

/// Pixels of the square with the shrunk eye: three times those of the mesh's input.
pub const SIZE: usize = 576;

/// Within this way of the iris an eye is shrunk as a whole; it takes in a person's eye with its lids. Distances of the outer
/// eye corners, as all below.
const WHOLE: f32 = 0.18;

/// From here on the picture stays as it is, at least, and how far that is outside of what is shrunk as a whole.
const STAYS: f32 = 0.36;
const BETWEEN: f32 = 0.1;

/// A point of the face's own plane, or of a picture.
pub type Point = [f32; 2];

/// The face as the mesh sees it: the corners of the eyes level, in distances of the outer ones from the middle of the square.
pub struct Level {
    pub roi: Roi,
    /// Pixels of the picture from one to the other.
    pub corners: f32,
}

impl Level {
    pub fn new(face: &[[f32; 3]], roi: Roi) -> Self {
        let away = minus(plane(face[EYE_CORNER_RIGHT]), plane(face[EYE_CORNER_LEFT]));
        Self { roi, corners: length(away).max(1.0) }
    }

    /// Of a landmark in the picture.
    pub fn point(&self, p: [f32; 3]) -> Point {
        self.of_picture(plane(p))
    }

    fn of_picture(&self, [x, y]: Point) -> Point {
        let (sin, cos) = self.roi.angle.sin_cos();
        let (x, y) = (x - self.roi.x, y - self.roi.y);
        [(x * cos + y * sin) / self.corners, (y * cos - x * sin) / self.corners]
    }

    /// Moves a landmark in the picture.
    pub fn place(&self, landmark: &mut [f32; 3], [x, y]: Point) {
        let share = |v: f32| v * self.corners / self.roi.side + 0.5;
        [landmark[0], landmark[1]] = self.roi.to_picture(share(x), share(y));
    }

    /// Of a landmark in the square's pixels.
    pub fn seen(&self, p: [f32; 3]) -> Point {
        plane(p).map(|v| (v / SIZE as f32 - 0.5) * self.roi.side / self.corners)
    }

    /// Where a point lies among the square's pixels, whose centres lie on whole numbers.
    pub fn pixel(&self, p: Point) -> Point {
        p.map(|v| (v * self.corners / self.roi.side + 0.5) * SIZE as f32 - 0.5)
    }
}

/// The map that shrinks an eye about its iris.
pub struct Shrink {
    pub centre: Point,
    /// How many times smaller the eye becomes.
    times: f32,
    /// From here on nothing is moved.
    end: f32,
}

impl Shrink {
    /// About an iris in pixels of the picture, of that radius.
    pub fn new(level: &Level, iris: Point, radius: f32) -> Self {
        let times = radius / USUAL;
        let end = STAYS.max(WHOLE * times + BETWEEN);
        Self { centre: level.of_picture(iris), times, end }
    }

    /// Where what is shown at a point comes from.
    pub fn back(&self, p: Point) -> Point {
        let away = minus(p, self.centre);
        let far = length(away);
        let times = match far {
            _ if far <= WHOLE => self.times,
            _ if far < self.end => {
                let edge = self.times * WHOLE;
                (edge + (far - WHOLE) * (self.end - edge) / (self.end - WHOLE)) / far
            }
            _ => 1.0,
        };
        [0, 1].map(|k| self.centre[k] + away[k] * times)
    }

    /// Draws the square with the shrunk eye.
    pub fn draw(&self, level: &Level, planes: &[f32], out: &mut [u8]) {
        let plane = SIZE * SIZE;
        for (i, pixel) in out.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let at = level.seen([(i % SIZE) as f32 + 0.5, (i / SIZE) as f32 + 0.5, 0.0]);
            let from = level.pixel(self.back(at));
            let look = |x: usize, y: usize| [0, 1, 2].map(|c| planes[c * plane + y * SIZE + x]);
            *pixel = pixel::bilinear([SIZE; 2], from, look).map(|v| (v + 0.5) as u8);
        }
    }
}

fn plane([x, y, _]: [f32; 3]) -> Point {
    [x, y]
}

pub fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1]]
}

pub fn length([x, y]: Point) -> f32 {
    x.hypot(y)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn level() -> Level {
        Level { roi: Roi { x: 300.0, y: 200.0, side: 576.0, angle: 0.2 }, corners: 200.0 }
    }

    fn shrink(times: f32) -> Shrink {
        Shrink { centre: [-0.3, 0.1], times, end: STAYS.max(WHOLE * times + BETWEEN) }
    }

    #[test]
    fn units_of_the_face_and_pixels_are_the_same_places() {
        let level = level();
        let mut landmark = [123.0, 210.0, 7.0];
        let there = level.point(landmark);
        level.place(&mut landmark, there);
        assert!((landmark[0] - 123.0).abs() < 1e-3 && (landmark[1] - 210.0).abs() < 1e-3, "{landmark:?}");
        let [x, y] = level.pixel(there);
        let back = level.seen([x + 0.5, y + 0.5, 0.0]);
        assert!((0..2).all(|k| (back[k] - there[k]).abs() < 1e-4), "{there:?}, {back:?}");
    }

    #[test]
    fn an_eye_is_shrunk_and_what_is_far_stays() {
        let (level, shrink) = (level(), shrink(1.8));
        let mut before = 0.0;
        for i in 1..100 {
            let far = i as f32 * 0.01;
            let from = shrink.back([shrink.centre[0] + far, shrink.centre[1]])[0] - shrink.centre[0];
            assert!(from > before && from - before < 0.02, "{far}");
            let times = if far <= WHOLE { 1.8 } else { 1.0 };
            assert!(far < shrink.end && far > WHOLE || (from / far - times).abs() < 1e-3, "{far}");
            before = from;
        }
        // A disc shows the map, and the map takes its edge back to where it was.
        let plane = SIZE * SIZE;
        let inside = |i: usize| {
            let at = level.seen([(i % SIZE) as f32 + 0.5, (i / SIZE) as f32 + 0.5, 0.0]);
            length(minus(at, shrink.centre)) < 0.18
        };
        let planes: Vec<f32> = (0..3 * plane).map(|i| if inside(i % plane) { 255.0 } else { 0.0 }).collect();
        let mut drawn = vec![0; 3 * plane];
        shrink.draw(&level, &planes, &mut drawn);
        let count = |lit: &dyn Fn(usize) -> bool| (0..plane).filter(|&i| lit(i)).count() as f32;
        let ratio = count(&inside) / count(&|i| drawn[3 * i] > 127);
        assert!((ratio.sqrt() - 1.8).abs() < 0.03, "{ratio}");
    }
}
