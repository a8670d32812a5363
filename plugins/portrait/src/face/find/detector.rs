// SPDX-License-Identifier: MIT OR Apache-2.0
//! BlazeFace, the short-range model: faces in a 128 x 128 square.
//!
//! V. Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, arXiv 1907.05047; anchors, decoding and
//! weighted non-maximum suppression as in MediaPipe's face_detection_short_range graph.

use std::sync::Arc;

use tch::Device;

use super::sample::{Outside, RgbView, Roi, sample};
use super::select::Spot;
use crate::pack::{Pack, PackError, Stage};

/// Side of the network's input.
const SIZE: usize = 128;

/// Anchors: (cells a side, anchors a cell).
const LAYERS: [(usize, usize); 2] = [(16, 2), (8, 6)];

/// Anchors of all layers.
const ANCHORS: usize = 896;

/// Numbers of one anchor: box centre and size, then six key points.
const VALUES: usize = 16;

/// Score from which an anchor counts.
const MIN_SCORE: f32 = 0.5;

/// Overlap (intersection over union) from which two boxes are the same face.
const SAME_FACE: f32 = 0.3;

/// Side of the mesh's region over that of the detector's box.
const ROI_SCALE: f32 = 1.5;

/// A face that was found, in pixels of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// 0 to 1.
    pub score: f32,
    /// Left, top, right, bottom: about from the brows to the chin.
    pub bounds: [f32; 4],
    /// Left eye, right eye (as the viewer sees them), nose tip, mouth, left ear, right ear.
    pub points: [[f32; 2]; 6],
}

impl Detection {
    /// The larger side of the box in pixels.
    pub fn side(&self) -> f32 {
        let [x0, y0, x1, y1] = self.bounds;
        (x1 - x0).max(y1 - y0)
    }

    /// A square around the middle of eyes, nose and mouth.
    pub fn spot(&self) -> Spot {
        let [left, right, nose, mouth, ..] = self.points;
        Spot::square(&[left, right, nose, mouth], self.side())
    }

    /// The region in which the mesh looks for landmarks: eyes level.
    pub fn roi(&self) -> Roi {
        let [x0, y0, x1, y1] = self.bounds;
        let [left, right, ..] = self.points;
        Roi {
            x: (x0 + x1) / 2.0,
            y: (y0 + y1) / 2.0,
            side: ROI_SCALE * self.side(),
            angle: (right[1] - left[1]).atan2(right[0] - left[0]),
        }
    }

    /// Whether two boxes overlap so much that they show one face.
    pub fn is_same(&self, other: &Self) -> bool {
        self.overlap(other) > SAME_FACE
    }

    fn overlap(&self, other: &Self) -> f32 {
        let (a, b) = (self.bounds, other.bounds);
        let extent = |low: usize| (a[low + 2].min(b[low + 2]) - a[low].max(b[low])).max(0.0);
        let both = extent(0) * extent(1);
        let area = |r: [f32; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
        let all = area(a) + area(b) - both;
        if all > 0.0 { both / all } else { 0.0 }
    }
}

/// The detector with its buffers.
#[derive(Debug)]
pub struct Detector {
    stage: Arc<Stage>,
    input: Vec<f32>,
    boxes: Vec<f32>,
    scores: Vec<f32>,
}

impl Detector {
    /// Loads the pack's `detector` stage.
    pub fn new(pack: &Pack, device: Device) -> Result<Self, PackError> {
        Ok(Self {
            stage: pack.stage("detector", device)?,
            input: vec![0.0; 3 * SIZE * SIZE],
            boxes: vec![0.0; ANCHORS * VALUES],
            scores: vec![0.0; ANCHORS],
        })
    }

    /// Faces within a square of the picture; outside of the picture it sees black. They should measure at least a
    /// seventh of its side.
    pub fn detect(&mut self, view: &RgbView<'_>, square: Roi) -> Result<Vec<Detection>, PackError> {
        sample(view, square, SIZE, Outside::Black, -1.0..1.0, &mut self.input);
        let [boxes, scores] = self.stage.run_for(&[self.stage.input(0, &self.input)?])?;
        self.stage.read(&boxes, &mut self.boxes)?;
        self.stage.read(&scores, &mut self.scores)?;
        let (values, _) = self.boxes.as_chunks::<VALUES>();
        let found = anchors()
            .zip(values)
            .zip(&self.scores)
            .map(|((anchor, values), &logit)| (anchor, values, 1.0 / (1.0 + (-logit).exp())))
            .filter(|&(_, _, score)| score > MIN_SCORE)
            .map(|(anchor, values, score)| decode(anchor, values, score, square))
            .collect();
        Ok(suppress(found))
    }
}

/// Centres of the anchors, 0 to 1 in the square, in the order of the network's output.
fn anchors() -> impl Iterator<Item = [f32; 2]> {
    LAYERS.into_iter().flat_map(|(cells, count)| {
        (0..cells * cells * count).map(move |i| {
            let cell = i / count;
            [(cell % cells) as f32 + 0.5, (cell / cells) as f32 + 0.5].map(|v| v / cells as f32)
        })
    })
}

fn decode(anchor: [f32; 2], values: &[f32; VALUES], score: f32, square: Roi) -> Detection {
    let point =
        |dx: f32, dy: f32| square.to_picture(anchor[0] + dx / SIZE as f32, anchor[1] + dy / SIZE as f32);
    let [dx, dy, w, h] = [values[0], values[1], values[2], values[3]];
    let [x0, y0] = point(dx - w / 2.0, dy - h / 2.0);
    let [x1, y1] = point(dx + w / 2.0, dy + h / 2.0);
    let points = std::array::from_fn(|i| point(values[4 + 2 * i], values[5 + 2 * i]));
    Detection { score, bounds: [x0, y0, x1, y1], points }
}

/// Weighted non-maximum suppression: overlapping boxes become their mean, weighted by score. Best first.
pub(super) fn suppress(mut found: Vec<Detection>) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut faces = Vec::new();
    while let Some(&best) = found.first() {
        let (same, rest): (Vec<_>, Vec<_>) = found[1..].iter().partition(|other| best.is_same(other));
        let same: Vec<Detection> = std::iter::once(best).chain(same).collect();
        let total: f32 = same.iter().map(|d| d.score).sum();
        let mean =
            |pick: &dyn Fn(&Detection) -> f32| same.iter().map(|d| d.score * pick(d)).sum::<f32>() / total;
        faces.push(Detection {
            score: best.score,
            bounds: std::array::from_fn(|i| mean(&|d| d.bounds[i])),
            points: std::array::from_fn(|i| std::array::from_fn(|j| mean(&|d| d.points[i][j]))),
        });
        found = rest;
    }
    faces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f32, score: f32) -> Detection {
        Detection { score, bounds: [x, 0.0, x + 10.0, 10.0], points: [[x, 1.0]; 6] }
    }

    #[test]
    fn anchors_are_as_many_as_the_network_answers() {
        let all: Vec<_> = anchors().collect();
        assert_eq!(all.len(), ANCHORS);
        assert_eq!(all[0], [0.5 / 16.0, 0.5 / 16.0]);
        assert_eq!(all[1], all[0]);
        assert_eq!(all[512 + 6], [1.5 / 8.0, 0.5 / 8.0]);
    }

    #[test]
    fn overlapping_boxes_become_one_and_others_stay() {
        let faces = suppress(vec![at(0.0, 0.6), at(1.0, 0.9), at(50.0, 0.7)]);
        assert_eq!(faces.len(), 2);
        assert_eq!(faces[0].score, 0.9);
        assert!((faces[0].bounds[0] - 0.6).abs() < 1e-5, "{faces:?}");
        assert_eq!(faces[1], at(50.0, 0.7));
        assert!(suppress(Vec::new()).is_empty());
    }
}
