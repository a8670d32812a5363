//! What elements share of GStreamer: tensors and metadata on buffers ([`tensor`]), tables of properties ([`property`]) and those of models
//! ([`settings`]),
//! statistics ([`stats`]), presentations ([`presentation`]), the times of frames ([`grid`]), complaints ([`complaint`]) and
//! helpers ([`element`]).

pub mod complaint;
pub mod element;
pub mod grid;
pub mod presentation;
pub mod property;
pub mod settings;
pub mod stats;
pub mod tensor;
