// SPDX-License-Identifier: MIT OR Apache-2.0
//! When the lids close: SPACE blinks between its first and second network.

use gst::glib;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::face::chance::Chance;

/// Closure of the lids over a blink: it closes up to the third value and opens over the rest. Not quite to the end:
/// trackers see no fully shut eye, so painters that learn from them have never seen one.
const PROFILE: [f32; 9] = [0.0, 0.33, 0.8, SHUT, 0.88, 0.6, 0.33, 0.12, 0.0];

/// Closure of a blink at its height, and its place in [`PROFILE`].
const SHUT: f32 = 0.92;
const SHUT_AT: f32 = 3.0;

/// Blinks take up to this share of their duration more or less.
const DURATION_SPREAD: f32 = 0.15;

/// Where in its share of a minute a blink may begin: never right before the next one.
const BEGIN_RANGE: (f32, f32) = (0.0, 0.85);

/// The same of the first blink: nobody begins to speak with one.
const FIRST_BEGIN: f32 = 0.35;

/// Fewest frames in which lids close and open.
const MIN_FRAMES: f32 = 2.0;

/// Who decides when the eyes blink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPortraitBlink")]
pub enum BlinkMode {
    /// Nobody: only the action signal.
    #[enum_value(name = "Only when asked for by the signal blink", nick = "off")]
    Off = 0,
    /// At random, as people do.
    #[default]
    #[enum_value(name = "At random times, as people do", nick = "auto")]
    Auto = 1,
}

/// How blinks are asked for.
#[derive(Clone, Copy, Debug)]
pub struct BlinkControls {
    /// Whether blinks come of themselves.
    pub mode: BlinkMode,
    /// Blinks a minute.
    pub rate: f32,
    /// Mean duration in seconds.
    pub duration: f32,
}

/// A person's blinking, random but repeatable.
///
/// A minute is cut into as many equal parts as there are blinks in it, with one blink at a random time in each: the count
/// is what was asked, the pauses vary from a moment to almost two parts.
pub struct Blinker {
    rng: ChaCha8Rng,
    /// How much of the part is over, 0 to 1.
    part: f32,
    /// Where in the part its blink begins; `None` once it did.
    begin: Option<f32>,
    /// A blink that is due and waits for the one before to end.
    due: bool,
    blink: Option<Blink>,
}

/// A blink under way.
#[derive(Clone, Copy, Debug)]
struct Blink {
    /// Frames that close, and frames that open.
    closing: f32,
    opening: f32,
    frame: f32,
}

impl Blinker {
    /// Open eyes; what is random comes from `seed`.
    pub fn new(seed: u32) -> Self {
        let mut rng = Chance::Blink.numbers(seed);
        let begin = Some(rng.random_range(FIRST_BEGIN..BEGIN_RANGE.1));
        Self { rng, part: 0.0, begin, due: false, blink: None }
    }

    /// Closure of the lids in the next frame, 0 open to 1 shut. `asked`: a blink begins now, or when the one under way
    /// is over.
    pub fn step(&mut self, controls: BlinkControls, fps: f32, asked: bool) -> f32 {
        self.due |= asked;
        if controls.mode == BlinkMode::Auto {
            self.wait(controls.rate / (60.0 * fps));
        }
        if self.blink.is_none() && std::mem::take(&mut self.due) {
            let spread = self.rng.random_range(-DURATION_SPREAD..DURATION_SPREAD);
            self.blink = Some(Blink::new(controls.duration * (1.0 + spread) * fps));
        }
        let Some(blink) = self.blink.as_mut() else { return 0.0 };
        let closure = blink.step();
        if blink.frame >= blink.closing + blink.opening {
            self.blink = None;
        }
        closure
    }

    /// Time goes on by that share of a part.
    fn wait(&mut self, share: f32) {
        self.part += share;
        if self.begin.is_some_and(|begin| self.part >= begin) {
            self.begin = None;
            self.due = true;
        }
        if self.part >= 1.0 {
            self.part -= 1.0;
            self.begin = Some(self.rng.random_range(BEGIN_RANGE.0..BEGIN_RANGE.1));
        }
    }
}

impl Blink {
    /// A blink of so many frames: closing is faster than opening.
    fn new(frames: f32) -> Self {
        let frames = frames.round().max(MIN_FRAMES);
        let closing = (frames * SHUT_AT / (PROFILE.len() - 1) as f32).round().max(1.0);
        Self { closing, opening: frames - closing, frame: 0.0 }
    }

    fn step(&mut self) -> f32 {
        self.frame += 1.0;
        let last = (PROFILE.len() - 1) as f32;
        let at = if self.frame <= self.closing {
            SHUT_AT * self.frame / self.closing
        } else {
            SHUT_AT + (last - SHUT_AT) * (self.frame - self.closing) / (self.opening + 1.0)
        };
        let below = (at as usize).min(PROFILE.len() - 2);
        let t = at - below as f32;
        PROFILE[below] * (1.0 - t) + PROFILE[below + 1] * t
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FPS: f32 = 25.0;
    const NATURAL: BlinkControls = BlinkControls { mode: BlinkMode::Auto, rate: 16.0, duration: 0.28 };

    fn closures(seed: u32, controls: BlinkControls, fps: f32, minutes: f32) -> Vec<f32> {
        let mut blinker = Blinker::new(seed);
        (0..(minutes * 60.0 * fps) as usize).map(|_| blinker.step(controls, fps, false)).collect()
    }

    /// Frames of each blink.
    fn lengths(closures: &[f32]) -> Vec<usize> {
        closures.split(|&c| c == 0.0).map(<[f32]>::len).filter(|&n| n > 0).collect()
    }

    #[test]
    fn rate_and_duration_are_those_asked_for() {
        for fps in [25.0, 30.0, 60.0] {
            for rate in [6.0, 16.0, 30.0] {
                for duration in [0.16, 0.28, 0.5] {
                    let blinks = lengths(&closures(1, BlinkControls { rate, duration, ..NATURAL }, fps, 2.0));
                    let asked = rate * 2.0;
                    assert!((blinks.len() as f32 - asked).abs() <= 2.0, "{} for {asked}", blinks.len());
                    let mean = blinks.iter().sum::<usize>() as f32 / blinks.len() as f32 / fps;
                    assert!((mean - duration).abs() < 0.04, "{mean} s for {duration} s at {fps}");
                }
            }
        }
    }

    #[test]
    fn every_blink_reaches_its_height_in_steps_that_the_eye_forgives() {
        for duration in [0.08, 0.12, 0.28, 1.0] {
            let all = closures(3, BlinkControls { duration, ..NATURAL }, FPS, 1.0);
            for blink in all.split(|&c| c == 0.0).filter(|b| !b.is_empty()) {
                assert!(blink.contains(&SHUT), "{duration}: {blink:?}");
            }
        }
        let mut blink = Blink::new(7.0);
        let usual: Vec<f32> = (0..7).map(|_| blink.step()).collect();
        assert_eq!(usual, PROFILE[1..8]);
    }

    #[test]
    fn pauses_vary() {
        let all = closures(5, NATURAL, FPS, 10.0);
        let pauses: Vec<usize> = all.split(|&c| c > 0.0).map(<[f32]>::len).filter(|&n| n > 0).collect();
        let (least, most) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
        assert!(*least < 50 && *most > 120, "{least} to {most} frames");
    }

    #[test]
    fn nothing_blinks_by_itself_when_off_or_at_rate_zero() {
        let off = BlinkControls { mode: BlinkMode::Off, ..NATURAL };
        assert!(closures(1, off, FPS, 1.0).iter().all(|&c| c == 0.0));
        assert!(closures(1, BlinkControls { rate: 0.0, ..NATURAL }, FPS, 1.0).iter().all(|&c| c == 0.0));
    }

    #[test]
    fn a_blink_that_is_asked_for_begins_with_the_next_frame() {
        let off = BlinkControls { mode: BlinkMode::Off, ..NATURAL };
        let mut blinker = Blinker::new(1);
        assert_eq!(blinker.step(off, FPS, false), 0.0);
        assert!(blinker.step(off, FPS, true) > 0.0);
        // Asked again while the lids move: a second blink follows the first.
        blinker.step(off, FPS, true);
        let later: Vec<f32> = (0..30).map(|_| blinker.step(off, FPS, false)).collect();
        assert_eq!(later.iter().filter(|&&c| c == SHUT).count(), 2, "{later:?}");
    }

    #[test]
    fn a_seed_repeats_and_another_differs() {
        assert_eq!(closures(7, NATURAL, FPS, 1.5), closures(7, NATURAL, FPS, 1.5));
        assert_ne!(closures(7, NATURAL, FPS, 1.5), closures(8, NATURAL, FPS, 1.5));
    }
}
