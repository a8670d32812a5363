// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is drawn: landmarks with the outlines of the features, the axes of the head, latent keypoints.

use super::canvas::{Colour, VideoCanvas};
use crate::face::landmark::indices::{
    BROW_LEFT, BROW_RIGHT, EYE_LEFT, EYE_RIGHT, IRIS_LEFT, IRIS_RIGHT, LIPS_INNER, LIPS_OUTER, NOSE_TIP, OVAL,
};
use crate::face::landmark::pose::Pose;
use crate::stream::tensor::{FrameMeta, meta};

const POINTS: Colour = [90, 220, 120];
const OUTLINES: Colour = [245, 245, 245];
const LATENTS: Colour = [255, 170, 40];

/// Axes of the head: to its side, down, out of the face.
const AXES: [([f32; 3], Colour); 3] =
    [([1.0, 0.0, 0.0], [235, 60, 60]), ([0.0, 1.0, 0.0], [60, 200, 60]), ([0.0, 0.0, -1.0], [80, 120, 255])];

/// Length of the axes, in distances of the outer eye corners.
const AXIS_LENGTH: f32 = 0.8;

/// Latent rows farther than this from every landmark, in distances of the outer eye corners, are codes of the painters
/// and no points of the picture.
const NEAR: f32 = 0.2;

/// What is known of a frame.
pub struct Knowledge {
    landmarks: Option<Vec<f32>>,
    normalised: Option<Vec<f32>>,
    pose: Option<Pose>,
    latents: Option<Vec<f32>>,
}

/// Along each axis, where a coordinate of the animated square lies in the picture: `a * v + b`.
type Placement = [[f32; 2]; 2];

impl Knowledge {
    /// What rides on a buffer; `None` where nothing does.
    pub fn read(buffer: &gst::BufferRef) -> Option<Self> {
        let numbers = |kind| meta::read(buffer, kind).map(|m| m.data);
        let known = Self {
            landmarks: numbers(FrameMeta::PictureLandmarks),
            normalised: numbers(FrameMeta::Landmarks),
            pose: numbers(FrameMeta::Pose).and_then(|p| p.try_into().ok()).map(Pose::from_array),
            latents: numbers(FrameMeta::Latents),
        };
        (known.landmarks.is_some() || known.latents.is_some()).then_some(known)
    }

    /// Landmarks as dots of `dot` pixels and outlines of `line` pixels.
    pub fn draw_landmarks(&self, canvas: &mut VideoCanvas<'_, '_>, dot: u32, line: u32) {
        let Some(points) = self.landmarks.as_deref().map(|l| l.as_chunks::<3>().0) else { return };
        let (width, height) = canvas.size();
        let pixel = |i: usize| points.get(i).map(|p| [p[0] * width, p[1] * height]);
        let rings: [&[usize]; 7] =
            [&LIPS_OUTER, &LIPS_INNER, &EYE_LEFT, &EYE_RIGHT, &OVAL, &IRIS_LEFT[1..], &IRIS_RIGHT[1..]];
        let rows = [&BROW_LEFT[..5], &BROW_LEFT[5..], &BROW_RIGHT[..5], &BROW_RIGHT[5..]];
        for i in 0..points.len() {
            pixel(i).into_iter().for_each(|at| canvas.dot(at, dot, POINTS));
        }
        let closing = rings.iter().filter_map(|ring| Some((*ring.last()?, *ring.first()?)));
        let edges = rings.iter().chain(&rows).flat_map(|r| r.windows(2).map(|w| (w[0], w[1])));
        for (from, to) in edges.chain(closing) {
            if let (Some(from), Some(to)) = (pixel(from), pixel(to)) {
                canvas.line(from, to, line, OUTLINES);
            }
        }
    }

    /// The axes of the head from the tip of the nose.
    pub fn draw_pose(&self, canvas: &mut VideoCanvas<'_, '_>, line: u32) {
        let (Some(pose), Some([[ax, bx], [ay, by]])) = (self.pose, self.placement()) else { return };
        let (width, height) = canvas.size();
        let Some(tip) = self.normalised.as_deref().and_then(|n| n.as_chunks::<3>().0.get(NOSE_TIP)) else {
            return;
        };
        let ends = AXES.map(|(axis, _)| std::array::from_fn(|i| tip[i] + axis[i] * AXIS_LENGTH));
        let mut posed = [[0.0; 3]; 4];
        pose.apply(&[*tip, ends[0], ends[1], ends[2]], &mut posed);
        let pixels = posed.map(|p| [(ax * p[0] + bx) * width, (ay * p[1] + by) * height]);
        for (end, (_, colour)) in pixels[1..].iter().zip(AXES) {
            canvas.line(pixels[0], *end, line, colour);
        }
    }

    /// Latent keypoints as dots.
    pub fn draw_latents(&self, canvas: &mut VideoCanvas<'_, '_>, dot: u32) {
        let Some(latents) = self.latents.as_deref().map(|l| l.as_chunks::<3>().0) else { return };
        let posed = self.posed();
        let placement = self.placement().unwrap_or([[1.0, 0.0]; 2]);
        let near = self.pose.map_or(f32::INFINITY, |p| p.scale * NEAR);
        let (width, height) = canvas.size();
        for &[x, y, _] in latents {
            let on_face = posed.is_empty() || posed.iter().any(|p| (p[0] - x).hypot(p[1] - y) < near);
            if on_face {
                let [[ax, bx], [ay, by]] = placement;
                canvas.dot([(ax * x + bx) * width, (ay * y + by) * height], dot, LATENTS);
            }
        }
    }

    /// Landmarks in coordinates of the animated square.
    fn posed(&self) -> Vec<[f32; 3]> {
        let (Some(pose), Some(normalised)) = (self.pose, self.normalised.as_deref()) else {
            return Vec::new();
        };
        let (points, _) = normalised.as_chunks::<3>();
        let mut posed = vec![[0.0; 3]; points.len()];
        pose.apply(points, &mut posed);
        posed
    }

    /// Pose and latents are in coordinates of the animated square; the same landmarks in the picture tell where it lies.
    fn placement(&self) -> Option<Placement> {
        let posed = self.posed();
        let (points, _) = self.landmarks.as_deref()?.as_chunks::<3>();
        let fit = |axis: usize| {
            let by = |a: &usize, b: &usize| posed[*a][axis].total_cmp(&posed[*b][axis]);
            let (low, high) = ((0..posed.len()).min_by(by)?, (0..posed.len()).max_by(by)?);
            let (from, to) = (points.get(low)?[axis], points.get(high)?[axis]);
            let a = (to - from) / (posed[high][axis] - posed[low][axis]);
            a.is_finite().then(|| [a, from - a * posed[low][axis]])
        };
        Some([fit(0)?, fit(1)?])
    }
}
