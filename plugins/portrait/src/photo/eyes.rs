// SPDX-License-Identifier: MIT OR Apache-2.0
//! Eyes that are larger than people's, as drawings have them.
//!
//! The mesh learned from people: in a larger eye it draws the edge of a person's, whose lids would close in the middle of the
//! iris. Where the irises say that the eyes are larger, each is shrunk to a person's size, the mesh looks again, and what it
//! finds is taken back through the map that shrank it. Faces of people keep what the mesh said.

use super::iris;
use super::shrink::{Level, Point, SIZE, Shrink, length, minus};
use crate::face::find::{MIN_PRESENCE, Mesh, Outside, RgbView, Roi, sample};
use crate::face::landmark::indices::{EYE_LEFT, EYE_RIGHT, IRIS_LEFT, IRIS_RIGHT};
use crate::pack::PackError;

/// Way of the inner corner from the iris' middle, in its radii, and share of the way there that keeps its width: large eyes
/// grow away from the nose, and the mesh places the corner where a person's were.
const INNER: f32 = 1.15;
const INNER_KEPT: f32 = 0.5;

/// How far down the iris the lower lid lies at least, in its radii, and how many times its bow may become: eyes of drawings
/// are rounder than any person's.
const LOWER: f32 = 0.95;
const MOST_BOW: f32 = 2.0;

/// The skin beside the lids keeps its width up to the fold; from there to the end, ways from the eye's middle and from its new
/// edge, it gives way.
const FOLD: f32 = 0.08;
const GIVES_WAY: f32 = 0.34;
const GIVES_WAY_BESIDE: f32 = 0.12;

/// The most that an eye grows; beyond, something else was taken for it.
const MOST_GROWTH: f32 = 2.5;

/// Corners in [`EYE_LEFT`] and [`EYE_RIGHT`]: the outer and the inner one, and between them the lower lid.
const OUTER_CORNER: usize = 0;
const INNER_CORNER: usize = 8;

/// Eyes that are larger than people's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LargeEyes {
    /// Radius of the irises, in the unit of the landmarks.
    pub iris: f32,
    /// How many times farther their outer corners are apart than those that the mesh gives the face: what measures the rest of
    /// it by them has to know.
    pub wider: f32,
}

/// Landmarks of a face with the eyes that the picture shows, and what those are.
pub type Fitted = (Vec<[f32; 3]>, LargeEyes);

type Edge = [Point; 16];

/// Landmarks of a face with the eyes that the picture shows, where those are larger than people's; landmarks are in pixels of
/// the picture. Glasses would bend with such lids: behind them eyes are people's. The mesh is asked for once, where it is needed.
pub fn fitted(
    view: &RgbView<'_>,
    face: &[[f32; 3]],
    glasses: bool,
    mesh: impl FnOnce() -> Result<Mesh, PackError>,
) -> Result<Option<Fitted>, PackError> {
    if glasses {
        return Ok(None);
    }
    let Some(irises) = iris::large(view, face) else { return Ok(None) };
    let Some(roi) = Roi::around(face) else { return Ok(None) };
    let level = Level::new(face, roi);
    let mut planes = vec![0.0; 3 * SIZE * SIZE];
    sample(view, roi, SIZE, Outside::Edge, 0.0..255.0, &mut planes);
    let (mut mesh, mut seen, mut shrunk) = (mesh()?, Vec::new(), vec![0; planes.len()]);
    let mut fitted = face.to_vec();
    for eye in 0..2 {
        let shrink = Shrink::new(&level, irises.centres[eye], irises.radius);
        shrink.draw(&level, &planes, &mut shrunk);
        let Some(picture) = RgbView::new(&shrunk, SIZE * 3, SIZE, SIZE) else { return Ok(None) };
        if mesh.track(&picture, picture.letterbox(), &mut seen)? < MIN_PRESENCE {
            return Ok(None);
        }
        let outline = [EYE_LEFT, EYE_RIGHT][eye];
        let old = outline.map(|i| level.point(face[i]));
        let found = outline.map(|i| shrink.back(level.seen(seen[i])));
        let new = shaped(&found, &old, shrink.centre, irises.radius, eye);
        if !is_sound(&old, &new, shrink.centre) || !stretch(&mut fitted, face, &level, (&old, &new)) {
            return Ok(None);
        }
        for (i, place) in outline.into_iter().zip(new) {
            level.place(&mut fitted[i], place);
        }
        let iris = [IRIS_LEFT, IRIS_RIGHT][eye];
        let middle = level.point(face[iris[0]]);
        for i in iris {
            let away = minus(level.point(face[i]), middle);
            let grow = if i == iris[0] { 0.0 } else { irises.radius / length(away).max(f32::EPSILON) };
            level.place(&mut fitted[i], [0, 1].map(|k| shrink.centre[k] + away[k] * grow));
        }
    }
    let wider = Level::new(&fitted, roi).corners / level.corners;
    Ok(Some((fitted, LargeEyes { iris: irises.radius * level.corners, wider })))
}

/// The edge of a shrunk eye, made that of a drawn one.
fn shaped(found: &Edge, old: &Edge, iris: Point, radius: f32, eye: usize) -> Edge {
    let to_nose = if eye == 0 { 1.0 } else { -1.0 };
    // Towards the nose and down, from the iris' middle.
    let own = |p: Point| [(p[0] - iris[0]) * to_nose, p[1] - iris[1]];
    let mut edge = found.map(own);
    let corner = edge[INNER_CORNER][0];
    let target = own(old[INNER_CORNER])[0].max(INNER * radius);
    if target < corner {
        let kept = INNER_KEPT * target;
        for p in edge.iter_mut().filter(|p| p[0] > kept) {
            p[0] = kept + (p[0] - kept) * (target - kept) / (corner - kept);
        }
    }
    let [outer, inner] = [OUTER_CORNER, INNER_CORNER].map(|i| edge[i]);
    let width = (inner[0] - outer[0]).max(f32::EPSILON);
    let line = |x: f32| outer[1] + (inner[1] - outer[1]) * (x - outer[0]) / width;
    let lower = &mut edge[OUTER_CORNER + 1..INNER_CORNER];
    let below = lower.windows(2).find(|pair| pair[0][0] <= 0.0 && pair[1][0] > 0.0).map(|pair| {
        let [[x0, y0], [x1, y1]] = [pair[0], pair[1]];
        y0 - (y1 - y0) * x0 / (x1 - x0)
    });
    if let Some(below) = below {
        let bow = (below - line(0.0)).max(f32::EPSILON);
        let times = ((LOWER * radius - line(0.0)) / bow).clamp(1.0, MOST_BOW);
        for p in lower {
            p[1] = line(p[0]) + (p[1] - line(p[0])) * times;
        }
    }
    edge.map(|[x, y]| [iris[0] + x * to_nose, iris[1] + y])
}

/// Whether that can be the edge of an eye: larger than the old one, but not too large, and around the iris.
fn is_sound(old: &Edge, new: &Edge, iris: Point) -> bool {
    let growth = (area(new) / area(old).max(f32::EPSILON)).max(0.0).sqrt();
    (1.0..=MOST_GROWTH).contains(&growth) && contains(new, iris)
}

/// Moves what is around an eye so that it stays outside of the eye's edge; the farther away, the less. Tells whether both
/// edges lie around the eye's middle.
fn stretch(fitted: &mut [[f32; 3]], face: &[[f32; 3]], level: &Level, (old, new): (&Edge, &Edge)) -> bool {
    let sum = old.iter().fold([0.0; 2], |sum, p| [sum[0] + p[0], sum[1] + p[1]]);
    let middle = sum.map(|v| v / old.len() as f32);
    if !contains(old, middle) || !contains(new, middle) {
        return false;
    }
    for (landmark, own) in fitted.iter_mut().zip(face) {
        let away = minus(level.point(*own), middle);
        let far = length(away);
        let [was, is] = [old, new].map(|edge| reach(edge, middle, away));
        let end = GIVES_WAY.max(is + GIVES_WAY_BESIDE);
        let fold = was + FOLD;
        if far < f32::EPSILON || far >= end || was <= 0.0 || fold >= end {
            continue;
        }
        let to = match far {
            _ if far < was => far * is / was,
            _ if far < fold => is + far - was,
            _ => is + FOLD + (far - fold) * (end - is - FOLD) / (end - fold),
        };
        level.place(landmark, [0, 1].map(|k| middle[k] + away[k] * to / far));
    }
    true
}

/// How far an edge lies from a point within it in a direction.
fn reach(edge: &Edge, from: Point, way: Point) -> f32 {
    let far = length(way).max(f32::EPSILON);
    let way = way.map(|v| v / far);
    let cross = |a: Point, b: Point| a[0] * b[1] - a[1] * b[0];
    let sides = edge.iter().zip(edge.iter().cycle().skip(1));
    let hit = |(a, b): (&Point, &Point)| {
        let (a, along) = (minus(*a, from), minus(*b, *a));
        let turn = cross(way, along);
        let (far, share) = (cross(a, along) / turn, cross(a, way) / turn);
        (turn != 0.0 && far > 0.0 && (0.0..=1.0).contains(&share)).then_some(far)
    };
    sides.filter_map(hit).fold(0.0, f32::max)
}

fn contains(edge: &Edge, p: Point) -> bool {
    let sides = edge.iter().zip(edge.iter().cycle().skip(1));
    let crossed = sides.filter(|([ax, ay], [bx, by])| {
        (*ay > p[1]) != (*by > p[1]) && p[0] < ax + (p[1] - ay) * (bx - ax) / (by - ay)
    });
    crossed.count() % 2 == 1
}

fn area(edge: &Edge) -> f32 {
    let sides = edge.iter().zip(edge.iter().cycle().skip(1));
    sides.map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum::<f32>().abs() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::find::Finder;
    use crate::face::landmark::COUNT;
    use crate::pack::{DEFAULT_PACK, Pack};
    use crate::photo::read;
    use crate::photo::shrink::tests::level;
    use tch::Device;

    /// An edge of that half width and half height.
    fn almond(centre: Point, width: f32, height: f32) -> Edge {
        // From the outer corner along the lower lid.
        std::array::from_fn(|i| {
            let (sin, cos) = (std::f32::consts::TAU * i as f32 / 16.0).sin_cos();
            [centre[0] - width * cos, centre[1] + height * sin]
        })
    }

    #[test]
    fn the_lids_of_a_drawn_eye_take_in_its_iris() {
        let (iris, radius) = ([-0.3, 0.1], 0.13);
        let old = almond(iris, 0.16, 0.06);
        let found = almond([-0.3, 0.08], 0.27, 0.1);
        let new = shaped(&found, &old, iris, radius, 0);
        assert!((new[INNER_CORNER][0] - old[INNER_CORNER][0]).abs() < 1e-4, "{new:?}");
        assert_eq!(new[OUTER_CORNER], found[OUTER_CORNER]);
        let lowest = new.iter().map(|p| p[1]).fold(f32::MIN, f32::max);
        assert!((lowest - iris[1] - LOWER * radius).abs() < 0.01, "{new:?}");
        assert!(is_sound(&old, &new, iris));
        assert!(!is_sound(&new, &old, iris), "smaller");
        assert!(!is_sound(&almond(iris, 0.05, 0.02), &new, iris), "much too large");
        assert!(!is_sound(&old, &new, [0.3, 0.1]), "elsewhere");
        assert!(!is_sound(&old, &[[f32::NAN; 2]; 16], iris));
    }

    #[test]
    fn skin_stays_outside_of_the_lids_and_far_skin_where_it_is() {
        let level = level();
        let centre = [-0.3, 0.0];
        let (old, new) = (almond(centre, 0.16, 0.06), almond(centre, 0.24, 0.15));
        let mut face = vec![[0.0; 3]; COUNT];
        let ups = [-0.05, -0.08, -0.12, -0.2, -0.3, -0.34, -0.5];
        for (landmark, up) in face.iter_mut().zip(ups) {
            level.place(landmark, [centre[0], up]);
        }
        let mut moved = face.clone();
        assert!(stretch(&mut moved, &face, &level, (&old, &new)));
        let heights: Vec<f32> = moved[..ups.len()].iter().map(|p| level.point(*p)[1]).collect();
        assert!(heights.is_sorted_by(|a, b| a > b), "{heights:?}");
        assert!(heights[1] < -0.15 && heights[0] > -0.15, "{heights:?}");
        assert_eq!(moved[5..7], face[5..7]);
        let elsewhere = almond([0.6, 0.0], 0.1, 0.1);
        assert!(!stretch(&mut moved, &face, &level, (&old, &elsewhere)));
    }

    #[test]
    fn people_keep_their_landmarks() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/portrait-astronaut.png");
        let photo = read::read(path.as_ref()).unwrap().picture;
        let view = RgbView::new(&photo.rgb, photo.width * 3, photo.width, photo.height).unwrap();
        let face = Finder::new(&pack, Device::Cpu).unwrap().find_all(&view).unwrap().remove(0).landmarks;
        assert!(fitted(&view, &face, false, || Mesh::new(&pack, Device::Cpu)).unwrap().is_none());
    }
}
