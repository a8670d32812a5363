// SPDX-License-Identifier: MIT OR Apache-2.0
//! The face as numbers, without GStreamer: where it is ([`find`]), which landmark is what and how the head is held
//! ([`landmark`]), what is changed on it ([`edit`]), what it feels ([`emotion`]), whose it is in a video ([`person`]) and how
//! they talk ([`habit`]).
//! [`chance`] is what is random of it; [`pixel`] and [`step`] are the arithmetic that it shares with photos and renderers.

pub mod chance;
pub mod edit;
pub mod emotion;
pub mod find;
pub mod habit;
pub mod landmark;
pub mod person;
pub mod pixel;
pub mod step;

/// Level of sound from which on somebody speaks, dB below full scale.
pub const VOICE_DB: f32 = -45.0;
