// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much of the voice's mouth is drawn: all while it speaks, nothing while it is silent, eased between.

use super::settings::{Controls, Silence};

/// Seconds from the video's own mouth to the voice's, and back.
const IN: f32 = 0.12;
const OUT: f32 = 0.24;

/// How far below the loudest that was heard of late a voice is silent, dB, and how fast that is forgotten, dB a second.
const RANGE_DB: f32 = 38.0;
const FORGET_DB: f32 = 1.5;

/// Follows the voice.
#[derive(Debug, Default)]
pub struct Amount {
    /// On its way in a straight line, 0 to 1.
    way: f32,
    /// Seconds of silence so far; `None` where nothing was heard yet.
    silent: Option<f32>,
    loudest: Option<f32>,
}

impl Amount {
    /// Begins anew, with the video's own mouth.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// A frame that lasts `dt` seconds, with the level of the voice and of what follows in dB; none where no voice is. `shown`
    /// says whether there is a mouth to draw into, `cut` that another shot begins with it: nothing is eased over a cut.
    pub fn step(
        &mut self,
        levels: Option<[f32; 2]>,
        shown: bool,
        cut: bool,
        dt: f32,
        controls: &Controls,
    ) -> f32 {
        let speaks = levels.is_some_and(|[own, ahead]| {
            let loudest = self.loudest.map_or(own, |l| (l - FORGET_DB * dt).max(own));
            self.loudest = Some(loudest);
            own.max(ahead) > controls.threshold_db.max(loudest - RANGE_DB)
        });
        self.silent = if speaks { Some(0.0) } else { self.silent.map(|silent| silent + dt) };
        let lasting = self.silent.is_none_or(|silent| silent * 1000.0 > controls.passthrough_ms as f32);
        let draws = shown
            && match controls.silence {
                Silence::Shut => true,
                Silence::Original => !lasting,
            };
        let to = if draws { 1.0 } else { 0.0 };
        let (most, least) = (dt / IN, dt / OUT);
        self.way = if cut { to } else { self.way + (to - self.way).clamp(-least, most) };
        let t = self.way.clamp(0.0, 1.0);
        t * t * (3.0 - 2.0 * t)
    }

    /// Whether the voice is taken to be silent.
    pub fn is_silent(&self) -> bool {
        self.silent.is_none_or(|silent| silent > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elements::mouthdub::settings::Settings;

    fn run(amount: &mut Amount, controls: &Controls, level: f32, frames: usize) -> Vec<f32> {
        (0..frames).map(|_| amount.step(Some([level; 2]), true, false, 0.04, controls)).collect()
    }

    #[test]
    fn silence_gives_the_video_back_after_its_time_and_speech_takes_over_at_once() {
        let controls = Settings::default().controls;
        let mut amount = Amount::default();
        assert!(run(&mut amount, &controls, -90.0, 20).iter().all(|&a| a == 0.0), "silent from the start");
        let speech = run(&mut amount, &controls, -20.0, 10);
        assert!(speech[0] > 0.0 && speech[3..].iter().all(|&a| a == 1.0), "{speech:?}");
        let pause = run(&mut amount, &controls, -90.0, 25);
        assert!(pause[..10].iter().all(|&a| a == 1.0), "{pause:?}");
        assert!(pause[11] < 1.0 && pause[18..].iter().all(|&a| a == 0.0), "{pause:?}");
        assert!(pause.windows(2).all(|w| w[1] <= w[0] && w[0] - w[1] < 0.3), "eased: {pause:?}");
    }

    #[test]
    fn a_mouth_that_is_to_stay_shut_stays_drawn() {
        let controls = Controls { silence: Silence::Shut, ..Settings::default().controls };
        let mut amount = Amount::default();
        assert_eq!(run(&mut amount, &controls, -90.0, 50)[5..], [1.0; 45]);
        assert!(amount.step(None, false, false, 0.04, &controls) < 1.0, "without a face it goes");
    }

    #[test]
    fn nothing_is_eased_over_a_cut() {
        let controls = Settings::default().controls;
        let mut amount = Amount::default();
        run(&mut amount, &controls, -20.0, 10);
        assert_eq!(amount.step(Some([-20.0; 2]), false, true, 0.04, &controls), 0.0);
        assert_eq!(amount.step(Some([-20.0; 2]), true, true, 0.04, &controls), 1.0);
    }
}
