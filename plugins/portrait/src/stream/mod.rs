//! What elements share of GStreamer: tensors and metadata on buffers ([`tensor`]), properties of models ([`settings`]),
//! statistics ([`stats`]), presentations ([`presentation`]), complaints ([`complaint`], [`unfollowed`]) and helpers ([`element`]).

pub mod complaint;
pub mod element;
pub mod presentation;
pub mod settings;
pub mod stats;
pub mod tensor;
pub mod unfollowed;
