//! Facial landmarks: which index is what ([`indices`]), the head pose in them ([`pose`]), the face at rest
//! ([`neutral`]), and which part of the face is where ([`region`]).

pub mod indices;
pub mod neutral;
pub mod pose;
pub mod region;
mod similarity;

pub use indices::COUNT;
pub use pose::Pose;
