// SPDX-License-Identifier: MIT OR Apache-2.0
//! Geometry beside the golden numbers of the painters' training.

use std::path::Path;

use super::head::{CROWN as HAIR, Head};
use super::patch::Patch;
use super::points::Rows;
use super::roi::{Affine, Part, region};
use super::*;
use crate::pack::DEFAULT_PACK;

/// The golden geometry of the built-in pack.
pub struct Golden(Vec<(String, tch::Tensor)>);

impl Golden {
    pub fn open() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/packs/lite/golden.safetensors");
        Self(tch::Tensor::read_safetensors(path).unwrap())
    }

    fn get(&self, name: &str) -> Vec<f32> {
        let key = format!("geometry.{name}");
        let (_, tensor) = self.0.iter().find(|(k, _)| *k == key).unwrap_or_else(|| panic!("{key}"));
        Vec::try_from(tensor.to_kind(tch::Kind::Float).reshape([-1])).unwrap()
    }

    pub fn landmarks(&self, name: &str) -> Vec<[f32; 3]> {
        self.get(name).as_chunks::<3>().0.to_vec()
    }
}

/// `most` bounds the largest difference; the mean has to be a tenth of it.
fn near(name: &str, ours: &[f32], golden: &[f32], most: f32) {
    assert_eq!(ours.len(), golden.len(), "{name}");
    let mut sum = 0.0;
    for (i, (a, b)) in ours.iter().zip(golden).enumerate() {
        sum += (a - b).abs();
        assert!((a - b).abs() < most, "{name}[{i}]: {a}, golden {b}");
    }
    assert!(sum / (ours.len() as f32) < most / 10.0, "{name}: mean {}", sum / ours.len() as f32);
}

pub fn setting() -> (Golden, Rows, Vec<Point>, Vec<Point>, Flow) {
    let golden = Golden::open();
    let pack = Pack::open(DEFAULT_PACK).unwrap();
    let rows = Rows::new(&pack.manifest().latents.control_points).unwrap();
    let source = rows.pick(&golden.landmarks("S")).unwrap();
    let driving = rows.pick(&golden.landmarks("D")).unwrap();
    let mut flow = Flow::new(&rows, &source);
    flow.pose(&driving, &[]);
    (golden, rows, source, driving, flow)
}

#[test]
fn flow_and_falloff_are_those_of_the_generator() {
    let (golden, rows, _, driving, flow) = setting();
    let points = golden.get("flow_grid_in");
    let (x, y): (Vec<f32>, Vec<f32>) = points.as_chunks::<2>().0.iter().map(|p| (p[0], p[1])).unzip();
    let (mut ux, mut uy) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    flow.displace(&x, &y, &mut ux, &mut uy);
    let ours: Vec<f32> = (0..x.len()).flat_map(|i| [x[i] + ux[i], y[i] + uy[i]]).collect();
    near("flow", &ours, &golden.get("flow_out"), 1e-4);
    let head = Head::new(&driving, &rows, HAIR, Default::default(), Default::default());
    let ours: Vec<f32> = (0..x.len()).map(|i| head.linear([x[i], y[i]], 0.75)).collect();
    near("headw", &ours, &golden.get("headw_out"), 1e-3);
}

#[test]
fn the_painters_see_what_they_saw_in_training() {
    let (golden, rows, source, driving, flow) = setting();
    let planes = golden.get("photo");
    let area = planes.len() / 3;
    let rgb: Vec<u8> = (0..area).flat_map(|i| [0, 1, 2].map(|c| planes[c * area + i] as u8)).collect();
    for (part, name) in [(Part::Mouth, "mouth"), (Part::EyeRight, "eye1"), (Part::EyeLeft, "eye2")] {
        let Affine { m, origin } = region(part, &driving, &rows);
        let ours = [m[0][0], m[0][1], origin[0], m[1][0], m[1][1], origin[1]];
        near("roi", &ours, &golden.get(&format!("roi_{name}")), 1e-5);
        let mut patch = Patch::new(part, &source, &rows);
        patch.pose(&flow, &driving, &rows);
        let side = part.side();
        let (mut colours, mut maps) = (vec![0.0; 3 * side * side], vec![0.0; 11 * side * side / 4]);
        patch.inputs(&driving, &rows, &rgb, 512, &mut colours, &mut maps);
        // The golden numbers are float32 sums of large coordinates: up to 7e-3 from the same in float64.
        near(&format!("patch_{name}"), &colours, &golden.get(&format!("patch_{name}")), 5e-3);
        near(&format!("maps_{name}"), &maps, &golden.get(&format!("maps_{name}")), 1e-2);
    }
}

/// Lids that close over an eye show a streak of it where they meet, which the painter covers; those of large eyes do not.
#[test]
fn closed_lids_of_a_large_eye_show_nothing_of_it() {
    let (_, rows, source, _, mut flow) = setting();
    for (part, eye) in [(Part::EyeRight, 0), (Part::EyeLeft, 1)] {
        let [upper, lower] = rows.lids(eye);
        let mut closed = source.clone();
        for (&upper, &lower) in upper.iter().zip(&lower) {
            closed[upper] = source[lower];
        }
        flow.pose(&closed, &[]);
        let middle = upper.len() / 2;
        let (x, top, bottom) = (source[upper[middle]][0], source[upper[middle]][1], source[lower[middle]][1]);
        // Rows of the photo between the lids that are seen on a line across the closed eye, in heights of the opening.
        let streak = |radius: Option<f32>| {
            let mut patch = Patch::new(part, &source, &rows)
                .with_iris(&source, &rows)
                .with_large_iris(radius, &source, &rows);
            patch.pose(&flow, &closed, &rows);
            let (alpha, area) = (vec![1.0; patch.side().pow(2)], patch.side().pow(2));
            patch.paint(&mut vec![0.1; 3 * area], &alpha, &vec![0.0; area / 2]);
            let frame = patch.frame();
            assert_eq!(frame.painted, radius.is_none());
            let step = (bottom - top) / 100.0;
            let seen = (-300..300).filter(|&i| {
                let (v, mut fx, mut fy) = (bottom + i as f32 * step, [0.0], [0.0]);
                let (run, flow) = ([x, 0.0, v], [&mut fx[..], &mut fy[..]]);
                let seen = [&mut [0.0][..], &mut [0.0][..]];
                match &frame.seam {
                    Some(seam) => seam::flow(frame, seam, run, [1.0; 2], 0.0, flow, seen),
                    None => paint::flow(frame, run, [1.0; 2], 0.0, flow, seen),
                }
                (top..bottom).contains(&(v + fy[0]))
            });
            seen.count() as f32 / 100.0
        };
        let (plain, large) = (streak(None), streak(Some(0.03)));
        assert!(plain > 0.1, "{part:?}: {plain}");
        assert!(large < plain / 2.0, "{part:?}: {large}, {plain}");
    }
}
