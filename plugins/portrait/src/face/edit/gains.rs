// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much of the network's motion the face shows: gains of mouth, brows and the rest, and a mouth that is open at
//! silence.

use super::ramp::{Ramp, most_per_frame};
use crate::face::landmark::indices::{
    EYE_CORNER_LEFT, EYE_CORNER_RIGHT, LOWER_BROWS, NOSE_TIP, UPPER_LIDS, UPPER_LIP,
};
use crate::face::landmark::neutral::{lip_gaps, mouth_gap, open_mouth, widen_gaps};
use crate::face::step::step_between;

/// Largest gain.
pub const MAX_GAIN: f32 = 2.0;

/// How long a gain takes from nothing to its largest value, in seconds.
const RAMP_SECONDS: f32 = 0.4;

/// Gaps up to this, in distances of the outer eye corners, are lips that touch: networks leave a little between them.
const TOUCH: f32 = 0.004;

/// Opening of the mouth at silence of a mouth base of 1, in the same unit: a relaxed, wide open mouth.
const BASE_GAP: f32 = 0.14;

/// Openings below the first are silence, above the second speech.
const SILENT: (f32, f32) = (0.015, 0.05);

/// How long lips that were apart count as speech, in seconds: closures of p, b and m last 0.1 s.
const HOLD_SECONDS: f32 = 0.35;

/// How long the mouth takes to open at silence and to give way to speech, in seconds.
const BASE_SECONDS: f32 = 0.24;

/// What is asked of the face's motion; each 1 leaves the network's as it is, the base 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GainControls {
    /// Of the mouth and jaw, 0 to [`MAX_GAIN`].
    pub mouth: f32,
    /// Of everything else.
    pub expression: f32,
    /// Of the brows, beside that.
    pub brow: f32,
    /// Openness of the mouth at silence, 0 to 1.
    pub base: f32,
}

impl Default for GainControls {
    fn default() -> Self {
        Self { mouth: 1.0, expression: 1.0, brow: 1.0, base: 0.0 }
    }
}

/// Scales a face's deviation from the same face at rest, region by region.
pub struct Gains {
    rest: Vec<[f32; 3]>,
    /// How much of each point belongs to the mouth, and of the rest to the brows.
    regions: Vec<[f32; 2]>,
    unit: f32,
    ramp: Ramp<4>,
    silence: Silence,
}

/// Tells silence from the short closures of speech, by the lips alone.
#[derive(Clone, Debug, Default)]
struct Silence {
    /// Recent opening, falling.
    opening: f32,
    amount: Ramp<1>,
}

impl Gains {
    /// Gains of a person with these normalised landmarks at rest, lips closed.
    pub fn new(rest: &[[f32; 3]]) -> Self {
        let height = |points: &[usize]| {
            let sum: f32 = points.iter().filter_map(|&i| rest.get(i)).map(|p| p[1]).sum();
            sum / points.len() as f32
        };
        let width = |axis: usize| {
            let [a, b] = [EYE_CORNER_LEFT, EYE_CORNER_RIGHT].map(|i| rest.get(i).map_or(0.0, |p| p[axis]));
            (a - b) * (a - b)
        };
        // Jaw and lips are one; between nose and lip and between lid and brow a region fades into the next.
        let (nose, lip) = (height(&[NOSE_TIP]), height(&[UPPER_LIP]));
        let (lid, brow) = (height(&UPPER_LIDS), height(&LOWER_BROWS));
        let region = |p: &[f32; 3]| [step_between(nose, lip, p[1]), step_between(lid, brow, p[1])];
        Self {
            regions: rest.iter().map(region).collect(),
            rest: rest.to_vec(),
            unit: (width(0) + width(1) + width(2)).sqrt(),
            ramp: Ramp::default(),
            silence: Silence::default(),
        }
    }

    /// Goes on with another person, landmarks as in [`Gains::new`].
    pub fn go_on_as(&mut self, rest: &[[f32; 3]]) {
        let Self { ramp, silence, .. } = std::mem::replace(self, Self::new(rest));
        (self.ramp, self.silence) = (ramp, silence);
    }

    /// Forgets what came before.
    pub fn reset(&mut self) {
        self.ramp = Ramp::default();
        self.silence = Silence::default();
    }

    /// Applies the gains, then the mouth base; returns the controls as they are in this frame.
    pub fn apply(&mut self, face: &mut [[f32; 3]], asked: GainControls, fps: f32) -> GainControls {
        let asked = [asked.mouth, asked.expression, asked.brow, asked.base];
        let [mouth, expression, brow, base] =
            self.ramp.step(asked, most_per_frame(MAX_GAIN, RAMP_SECONDS, fps));
        let silence = self.silence.step(mouth_gap(&lip_gaps(face)) / self.unit, fps);
        let applied = GainControls { mouth, expression, brow, base };
        // Exactly the network's face where nothing is asked for: no rounding.
        if (GainControls { base: 0.0, ..applied }) != GainControls::default() {
            self.scale(face, applied);
        }
        if base > 0.0 {
            open_mouth(face, base * silence * BASE_GAP * self.unit);
        }
        applied
    }

    fn scale(&self, face: &mut [[f32; 3]], gains: GainControls) {
        let before = lip_gaps(face);
        for ((point, rest), [mouth, brow]) in face.iter_mut().zip(&self.rest).zip(&self.regions) {
            let upper = gains.expression * (1.0 + (gains.brow - 1.0) * brow);
            let gain = upper + (gains.mouth - upper) * mouth;
            for axis in 0..3 {
                point[axis] = rest[axis] + (point[axis] - rest[axis]) * gain;
            }
        }
        // What is scaled is the way from lips that touch: these still touch at any gain.
        let (touch, after) = (TOUCH * self.unit, lip_gaps(face));
        let wanted = |gap: f32| if gap > touch { touch + (gap - touch) * gains.mouth } else { gap };
        widen_gaps(face, &std::array::from_fn(|i| wanted(before[i]) - after[i]));
    }
}

impl Silence {
    /// How much of silence there is, 0 to 1, in a frame whose lips are so far apart.
    fn step(&mut self, opening: f32, fps: f32) -> f32 {
        self.opening = opening.max(self.opening * (-1.0 / (HOLD_SECONDS * fps)).exp());
        let silent = 1.0 - step_between(SILENT.0, SILENT.1, self.opening);
        let [amount] = self.amount.step([silent], most_per_frame(1.0, BASE_SECONDS, fps));
        amount
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::landmark::COUNT;

    const FPS: f32 = 25.0;

    /// A face of unit width whose lips are shut.
    fn rest() -> Vec<[f32; 3]> {
        let mut face: Vec<[f32; 3]> = (0..COUNT).map(|i| [(i as f32 * 0.37).sin() * 0.5, 0.0, 0.0]).collect();
        face[EYE_CORNER_LEFT] = [-0.5, -0.4, 0.0];
        face[EYE_CORNER_RIGHT] = [0.5, -0.4, 0.0];
        for (lid, brow) in UPPER_LIDS.into_iter().zip(LOWER_BROWS) {
            (face[lid][1], face[brow][1]) = (-0.42, -0.6);
        }
        face[UPPER_LIP][1] = 0.2;
        (face[78], face[308]) = ([-0.3, 0.25, 0.0], [0.3, 0.25, 0.0]);
        face[13] = [0.0, 0.25, 0.0];
        face[14] = [0.0, 0.25, 0.0];
        face
    }

    /// Gap of the mouth after the edits, for a gap before.
    fn gap(gains: &mut Gains, opening: f32, asked: GainControls) -> f32 {
        let mut face = rest();
        face[14][1] += opening;
        gains.apply(&mut face, asked, FPS);
        mouth_gap(&lip_gaps(&face))
    }

    #[test]
    fn a_mouth_that_is_open_at_silence_closes_in_speech() {
        let mut gains = Gains::new(&rest());
        let asked = GainControls { base: 1.0, ..GainControls::default() };
        let silent = (0..25).map(|_| gap(&mut gains, 0.0, asked)).last().unwrap();
        assert!((silent - BASE_GAP).abs() < 0.005, "{silent}");
        // Speech: open for six frames, shut for three, open again.
        for _ in 0..6 {
            gap(&mut gains, 0.1, asked);
        }
        for _ in 0..3 {
            let closed = gap(&mut gains, 0.0, asked);
            assert!(closed < TOUCH, "{closed}: the lips of a p are shut");
        }
        assert!((gap(&mut gains, 0.1, asked) - 0.1).abs() < 1e-3);
        let silent = (0..50).map(|_| gap(&mut gains, 0.0, asked)).last().unwrap();
        assert!((silent - BASE_GAP).abs() < 0.005, "{silent}: open again after the end");
    }

    #[test]
    fn the_mouth_never_jumps_between_silence_and_speech() {
        let mut gains = Gains::new(&rest());
        let asked = GainControls { base: 1.0, ..GainControls::default() };
        let opening =
            |n: usize| if n % 60 < 30 { 0.0 } else { 0.06 * ((n % 60 - 30) as f32 * 0.3).sin().max(0.0) };
        let gaps: Vec<f32> = (0..240).map(|n| gap(&mut gains, opening(n), asked)).collect();
        let most = gaps.windows(2).map(|g| (g[1] - g[0]).abs()).fold(0.0, f32::max);
        assert!(most < BASE_GAP / 4.0, "{most} in a frame");
    }

    #[test]
    fn a_changed_gain_is_a_ramp() {
        let mut gains = Gains::new(&rest());
        gap(&mut gains, 0.1, GainControls::default());
        let twice = GainControls { mouth: 2.0, ..GainControls::default() };
        let gaps: Vec<f32> = (0..6).map(|_| gap(&mut gains, 0.1, twice)).collect();
        assert!(gaps.windows(2).all(|g| g[1] - g[0] < 0.03), "{gaps:?}");
        assert!((gaps[5] - (2.0 * 0.1 - TOUCH)).abs() < 1e-3, "{gaps:?}");
    }
}
