//! Facial landmarks: which index is what ([`indices`]), the head pose in them ([`pose`]), and the face at rest
//! ([`neutral`]).

pub mod indices;
pub mod neutral;
pub mod pose;
mod similarity;

pub use indices::COUNT;
pub use pose::Pose;
