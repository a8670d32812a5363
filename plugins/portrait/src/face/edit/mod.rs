// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is done to the network's landmarks, in this order: brows that stress words, gains, mouth base, the way in from the photo,
//! gaze, lids. Each takes the face as the one before left it: gains scale what the network said and how far brows rise, not what
//! is added later; lids follow the eyes as they look, and close last.

pub mod accents;
pub mod blink;
pub mod entrance;
pub mod gains;
pub mod gaze;
pub mod lids;
pub mod ramp;

use self::accents::Accents;
use self::blink::{BlinkControls, Blinker};
use self::entrance::Entrance;
use self::gains::{GainControls, Gains};
use self::gaze::{LookAway, LookAwayControls, MAX_GAZE_DEG, SACCADE_SPEED, turn_eyes};
use self::ramp::{Ramp, most_per_frame};
use crate::pack::FACE_LEN;

/// Numbers in [`crate::stream::tensor::FrameMeta::Face`].
pub const APPLIED: usize = FACE_LEN;

/// Place of the lids' closure in them.
pub const CLOSURE: usize = 2;

/// What is asked of a frame, beside emotion and speech.
#[derive(Clone, Copy, Debug)]
pub struct FaceControls {
    /// Factor on how far brows rise on stressed words.
    pub accents: f32,
    /// Gains of the network's motion, and the mouth at silence.
    pub gains: GainControls,
    /// Seconds from the photo's own face to the one that speaks.
    pub ease_in: f32,
    /// Yaw and pitch of the eyes in degrees.
    pub gaze: [f32; 2],
    /// Looks away, added to the gaze.
    pub look_away: LookAwayControls,
    /// Blinks.
    pub blink: BlinkControls,
}

/// The edits of one person's face, with what they remember from frame to frame.
pub struct Edits {
    seed: u32,
    accents: Accents,
    gains: Gains,
    entrance: Entrance,
    gaze: Ramp<2>,
    look_away: LookAway,
    blinker: Blinker,
}

impl Edits {
    /// Edits of a person with these normalised landmarks in the photo, and these at rest, with closed lips.
    pub fn new(photo: &[[f32; 3]], rest: &[[f32; 3]], seed: u32) -> Self {
        Self {
            seed,
            accents: Accents::new(rest, seed),
            gains: Gains::new(rest),
            entrance: Entrance::new(photo),
            gaze: Ramp::default(),
            look_away: LookAway::new(seed),
            blinker: Blinker::new(seed),
        }
    }

    /// Goes on with the face of another person, landmarks as in [`Edits::new`]: gains, gaze and blinks as they are.
    pub fn go_on_as(&mut self, photo: &[[f32; 3]], rest: &[[f32; 3]]) {
        self.accents.go_on_as(rest);
        self.gains.go_on_as(rest);
        self.entrance.go_on_as(photo);
    }

    /// Forgets what came before: the next frame is a first one.
    pub fn reset(&mut self) {
        self.accents.reset(self.seed);
        self.gains.reset();
        self.entrance.reset();
        self.gaze = Ramp::default();
        self.look_away = LookAway::new(self.seed);
        self.blinker = Blinker::new(self.seed);
    }

    /// Edits one frame of `fps` a second, whose sound has that level in dB, if there is any; `blink` asks for a blink that begins
    /// with it. Returns the controls as applied, in the order of [`crate::stream::tensor::FrameMeta::Face`].
    pub fn apply(
        &mut self,
        face: &mut [[f32; 3]],
        asked: &FaceControls,
        loudness: Option<f32>,
        fps: f32,
        blink: bool,
    ) -> [f32; APPLIED] {
        self.accents.apply(face, loudness, asked.accents, fps);
        let gains = self.gains.apply(face, asked.gains, fps);
        self.entrance.apply(face, asked.ease_in, fps);
        let gaze = self.look(asked, fps);
        let ways = turn_eyes(face, gaze);
        lids::follow_eyes(face, ways);
        let closure = self.blinker.step(asked.blink, fps, blink);
        lids::close(face, closure);
        [gaze[0], gaze[1], closure, gains.mouth, gains.expression, gains.brow, gains.base]
    }

    /// The controls of a frame, in the same order, for who moves a face of other numbers than landmarks.
    pub fn beside(&mut self, asked: &FaceControls, fps: f32, blink: bool) -> [f32; APPLIED] {
        let gaze = self.look(asked, fps);
        let closure = self.blinker.step(asked.blink, fps, blink);
        let gains = asked.gains;
        [gaze[0], gaze[1], closure, gains.mouth, gains.expression, gains.brow, gains.base]
    }

    /// Where the eyes look in the next frame.
    fn look(&mut self, asked: &FaceControls, fps: f32) -> [f32; 2] {
        let away = self.look_away.step(asked.look_away, fps);
        let target = [0, 1].map(|i| (asked.gaze[i] + away[i]).clamp(-MAX_GAZE_DEG, MAX_GAZE_DEG));
        self.gaze.step(target, most_per_frame(SACCADE_SPEED, 1.0, fps))
    }
}
