// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tensors between the elements and on the pictures.
//!
//! A stage's tensor travels as the payload of a buffer ([`caps`], [`buffer`]); what earlier stages knew rides
//! along as metadata ([`meta`], [`marks`]) up to the picture.

pub mod buffer;
pub mod caps;
pub mod marks;
pub mod meta;
pub mod voices;

pub use caps::{TensorInfo, TensorKind};
pub use meta::{FrameMeta, MetaTensor};
