// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is random of a face: elements with one seed must not share their numbers.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What numbers are for; each has its own stream of them.
#[derive(Clone, Copy, Debug)]
pub enum Chance {
    /// When eyes blink.
    Blink = 1,
    /// How the head moves.
    Pose = 2,
    /// When eyes look away, and where to.
    LookAway = 3,
    /// How deep and how long a breath is.
    Breath = 4,
    /// When brows rise, and how far.
    Accent = 5,
}

impl Chance {
    /// The numbers of a seed.
    pub fn numbers(self, seed: u32) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(u64::from(seed));
        rng.set_stream(self as u64);
        rng
    }
}
