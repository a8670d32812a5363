//! Facial landmarks: which index is what ([`indices`]) and the head pose in them ([`pose`]).

pub mod indices;
pub mod pose;
mod similarity;

pub use indices::COUNT;
pub use pose::Pose;
