// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mixes the latents and the metadata of two moments.

use super::resample::Shot;
use crate::face::landmark::indices::{INNER_LIP_CORNERS, INNER_LIP_MIDDLES, LIPS_INNER};
use crate::photo::handover::marked;
use crate::stream::tensor::{FrameMeta, buffer, meta};

/// Upper and lower middle of the lips' inner edge, and its corners.
const LIPS: [usize; 4] =
    [INNER_LIP_MIDDLES[0], INNER_LIP_MIDDLES[1], INNER_LIP_CORNERS[0], INNER_LIP_CORNERS[1]];
/// Lips less apart than this, in widths of the mouth, touch.
const TOUCH: f32 = 0.03;

/// Mixes latents of one pack.
pub struct Mixer {
    /// Numbers of the latents that are the mouth: its control points, and its painter's code.
    mouth: Vec<usize>,
    /// Rows of [`LIPS`].
    lips: Option<[usize; 4]>,
    /// Latents of both moments.
    latents: [Vec<f32>; 2],
}

impl Mixer {
    /// For latents of `len` numbers that begin with these control points.
    pub fn new(control: &[usize], lips_outer: &[usize], len: usize) -> Self {
        let mouth = |i: &usize| LIPS_INNER.contains(i) || lips_outer.contains(i);
        let rows =
            control.iter().enumerate().filter(|(_, i)| mouth(i)).flat_map(|(row, _)| row * 3..row * 3 + 3);
        let find = |index: &usize| control.iter().position(|c| c == index);
        let lips: Option<Vec<usize>> = LIPS.iter().map(find).collect();
        Self {
            mouth: rows.chain(control.len() * 3..len).collect(),
            lips: lips.and_then(|rows| rows.try_into().ok()),
            latents: [vec![0.0; len], vec![0.0; len]],
        }
    }

    /// Latents of a frame. Lips that touch in one of the moments touch in the frame that is nearest to it, or sounds that
    /// close the mouth for one moment only would be lost between two frames. Where the two are made for two people the
    /// nearest one's are taken.
    ///
    /// # Errors
    /// Where a buffer does not hold latents of that length.
    pub fn latents(&mut self, shot: &Shot, out: &mut [f32]) -> Result<(), buffer::SizeError> {
        if of_two_people(shot) {
            return buffer::read_f32(shot.nearest(), out);
        }
        for (buffer, values) in shot.between.iter().zip(&mut self.latents) {
            buffer::read_f32(buffer, values)?;
        }
        let [a, b] = &self.latents;
        lerp(a, b, shot.share, out);
        let [first, second] = [a, b].map(|latents| self.opening(latents));
        let shown = if shot.nearest[0] && first < TOUCH && first < second {
            a
        } else if shot.nearest[1] && second < TOUCH && second < first {
            b
        } else {
            return Ok(());
        };
        for &i in &self.mouth {
            out[i] = shown[i];
        }
        Ok(())
    }

    /// How far the lips are apart, in widths of the mouth.
    fn opening(&self, latents: &[f32]) -> f32 {
        let Some(rows) = self.lips else { return f32::MAX };
        let [upper, lower, left, right] = rows.map(|row| [latents[row * 3], latents[row * 3 + 1]]);
        let distance = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        distance(upper, lower) / distance(left, right).max(1e-3)
    }
}

/// Whether its latents are made for two photos: nothing of them can be mixed.
fn of_two_people(shot: &Shot) -> bool {
    let [a, b] = shot.between.each_ref().map(|buffer| marked(buffer));
    a != b
}

/// Puts what the stages knew of both moments onto the frame, mixed. What only one of them has stays as it came.
pub fn metadata(shot: &Shot, frame: &mut gst::BufferRef) {
    if of_two_people(shot) {
        return;
    }
    for kind in FrameMeta::ALL {
        // These two follow from the mixed ones.
        if matches!(kind, FrameMeta::Latents | FrameMeta::PictureLandmarks) {
            continue;
        }
        let [Some(mut a), Some(b)] = shot.between.each_ref().map(|buffer| meta::read(buffer, kind)) else {
            continue;
        };
        if a.shape == b.shape {
            let from = std::mem::take(&mut a.data);
            let mut mixed = vec![0.0; from.len()];
            lerp(&from, &b.data, shot.share, &mut mixed);
            meta::attach(frame, kind, &a.shape, &mixed);
        }
    }
}

/// Both ends are met exactly.
fn lerp(a: &[f32], b: &[f32], share: f32, out: &mut [f32]) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = if share >= 1.0 { *b } else { a + (b - a) * share };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::tensor::meta::PHOTO_META;

    /// A mouth of width 1 whose lips are that far apart, and one number of code.
    fn face(opening: f32, code: f32) -> gst::Buffer {
        buffer::from_f32(&[0.5, 0.5, 0.0, 0.5, 0.5 + opening, 0.0, 0.0, 0.5, 0.0, 1.0, 0.5, 0.0, code])
    }

    fn mixed(openings: [f32; 2], share: f32, nearest: [bool; 2]) -> (f32, f32) {
        let zero = gst::ClockTime::ZERO;
        let between = [face(openings[0], 1.0), face(openings[1], 3.0)];
        let shot = Shot { pts: zero, duration: zero, between, share, nearest };
        let mut out = [0.0; 13];
        Mixer::new(&LIPS, &[], 13).latents(&shot, &mut out).unwrap();
        (out[4] - out[1], out[12])
    }

    #[test]
    fn lips_that_touch_touch_in_the_nearest_frame() {
        gst::init().unwrap();
        let near = |(a, b): (f32, f32), (c, d): (f32, f32)| (a - c).abs() < 1e-6 && (b - d).abs() < 1e-6;
        assert!(near(mixed([0.2, 0.4], 0.25, [true, false]), (0.25, 1.5)));
        assert!(near(mixed([0.0, 0.4], 0.25, [true, false]), (0.0, 1.0)));
        assert!(near(mixed([0.0, 0.4], 0.25, [false, false]), (0.1, 1.5)));
        assert!(near(mixed([0.4, 0.01], 0.75, [false, true]), (0.01, 3.0)));
        assert!(near(mixed([0.0, 0.0], 0.5, [true, true]), (0.0, 2.0)), "closed lips stay closed");
    }

    #[test]
    fn latents_of_two_people_are_not_mixed() {
        gst::init().unwrap();
        meta::register();
        let mut between = [face(0.2, 1.0), face(0.4, 3.0)];
        let mut mark = gst::meta::CustomMeta::add(between[1].get_mut().unwrap(), PHOTO_META).unwrap();
        mark.mut_structure().set("number", 1u64);
        let zero = gst::ClockTime::ZERO;
        for (share, code) in [(0.25, 1.0), (0.5, 1.0), (0.75, 3.0)] {
            let shot =
                Shot { pts: zero, duration: zero, between: between.clone(), share, nearest: [false; 2] };
            let mut out = [0.0; 13];
            Mixer::new(&LIPS, &[], 13).latents(&shot, &mut out).unwrap();
            assert_eq!(out[12], code, "{share}");
        }
    }
}
