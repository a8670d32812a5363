// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding a face in a picture and the landmarks on it.
//!
//! [`Detector`] finds faces anywhere in a picture, [`Mesh`] puts 478 landmarks on one of them, given roughly where it is
//! ([`Roi`]). Both read the picture through [`RgbView`] and sample their network's input from it in one go. Of several
//! faces a [`FaceChoice`] tells which one is meant.

mod detector;
mod finder;
#[cfg(target_arch = "x86_64")]
mod inside;
mod mesh;
mod orientation;
mod sample;
mod select;

pub use detector::{Detection, Detector};
pub use finder::{Face, Finder, from_farther_away, squares};
pub use mesh::{MIN_PRESENCE, Mesh};
pub use orientation::Orientation;
pub(crate) use sample::{Outside, sample};
pub use sample::{RgbView, Roi};
pub use select::{ChoiceError, DEFAULT_FACE, FaceChoice, FaceProperty, Spot, from_left, places};
