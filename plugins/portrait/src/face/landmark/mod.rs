// SPDX-License-Identifier: MIT OR Apache-2.0
//! Facial landmarks: which index is what ([`indices`]), the head pose in them ([`pose`]), the face at rest
//! ([`neutral`]), which part of the face is where ([`region`]), and the motion of rigid points ([`similarity`]).

pub mod indices;
pub mod neutral;
pub mod pose;
pub mod region;
pub mod similarity;

pub use indices::COUNT;
pub use pose::Pose;
