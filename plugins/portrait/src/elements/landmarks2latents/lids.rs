// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far a video closes the lids of a face whose eyes are no landmarks: that of a pack of another face model.

use super::ease::Ease;
use crate::face::landmark::indices::LIDS;

/// What is left of the opening of an eye that a tracker sees shut, over that of the open one.
const SHUT: f32 = 0.2;

/// The pair of lids in the middle of an eye.
const MIDDLE: usize = 3;

/// Passes from the voice's lids to those of a video, and back.
#[derive(Default)]
pub struct Lids(Ease<1>);

impl Lids {
    /// Closure of the lids, 0 to 1: the voice's, and that of the frame, `dt` seconds after the last one. `seen` is what the video's
    /// lids are, where it drives the eyes.
    pub fn step(&mut self, spoken: f32, seen: Option<f32>, dt: f32) -> [f32; 2] {
        let asked = f32::from(u8::from(seen.is_some()));
        let [share] = self.0.step([asked], [0.0], dt);
        [spoken, spoken + share * (seen.unwrap_or(0.0) - spoken)]
    }
}

/// How far the lids of normalised landmarks are closed, 0 to 1, beside those of an open face.
pub fn closure(face: &[[f32; 3]], open: &[[f32; 3]]) -> f32 {
    let left = opening(face) / opening(open).max(f32::EPSILON);
    ((1.0 - left) / (1.0 - SHUT)).clamp(0.0, 1.0)
}

/// How far the lids of both eyes are apart.
fn opening(face: &[[f32; 3]]) -> f32 {
    LIDS.iter()
        .map(|lids| lids[MIDDLE])
        .filter_map(|(upper, lower)| face.get(upper).zip(face.get(lower)))
        .fold(0.0, |sum, (upper, lower)| {
            let way: f32 = upper.iter().zip(lower).map(|(a, b)| (a - b) * (a - b)).sum();
            sum + way.sqrt()
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::edit::lids::close;
    use crate::pack::{DEFAULT_PACK, Pack};

    const DT: f32 = 0.04;

    #[test]
    fn lids_that_close_are_seen_closing() {
        let open = Pack::open(DEFAULT_PACK).unwrap().mean_face().to_vec();
        let closed = |share: f32| {
            let mut face = open.clone();
            close(&mut face, share);
            closure(&face, &open)
        };
        assert_eq!(closed(0.0), 0.0);
        assert!((closed(0.4) - 0.5).abs() < 0.02, "{}", closed(0.4));
        assert_eq!([closed(0.9), closed(1.0)], [1.0; 2]);
        let mut wide = open.clone();
        wide[LIDS[0][MIDDLE].0][1] -= 0.1;
        assert_eq!(closure(&wide, &open), 0.0, "eyes that open wide close nothing");
        assert_eq!(closure(&[], &[]), 1.0, "no face, no panic");
    }

    #[test]
    fn the_videos_lids_take_the_place_of_the_voices_without_a_jump() {
        let mut lids = Lids::default();
        assert_eq!(lids.step(0.3, None, DT), [0.3, 0.3]);
        let mut last = 0.3;
        for _ in 0..60 {
            let [spoken, now] = lids.step(0.3, Some(0.9), DT);
            assert!(spoken == 0.3 && now - last < 0.2 && now >= last, "{last} to {now}");
            last = now;
        }
        assert_eq!(last, 0.9);
        assert_eq!(Lids::default().step(0.3, Some(0.9), DT), [0.3, 0.9], "the first frame is there at once");
    }
}
