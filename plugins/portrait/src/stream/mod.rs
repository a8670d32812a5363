// SPDX-License-Identifier: MIT OR Apache-2.0
//! What elements share of GStreamer: tensors and metadata on buffers ([`tensor`]), tables of properties ([`property`]) and those
//! of models ([`settings`]), statistics ([`stats`]), presentations ([`presentation`]), the times of frames ([`grid`]), complaints
//! ([`complaint`], [`unfollowed`]), refused streams, the question about the look-ahead, the turns of a conversation, films beside the stream, bins
//! of stages, pads beside the main one and helpers ([`element`]).

pub(crate) mod bin;
pub mod complaint;
pub mod element;
pub(crate) mod film;
pub mod grid;
pub(crate) mod look_ahead;
pub(crate) mod meeting;
pub mod presentation;
pub mod property;
pub(crate) mod refusal;
pub mod settings;
pub(crate) mod side;
pub mod stats;
pub mod tensor;
pub(crate) mod turn;
pub mod unfollowed;
