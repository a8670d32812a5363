// SPDX-License-Identifier: MIT OR Apache-2.0
//! The photo: read once, its face found, cut out and measured, shared by all elements of a pipeline.
//!
//! [`Portrait::analyse`] does all of it; [`context`] hands the result from element to element, [`handover`] another one while
//! they play.

mod alpha;
mod beyond;
mod colour;
pub mod context;
mod crop;
mod drawing;
mod error;
mod exemplar;
mod eyes;
mod foreground;
mod glasses;
pub mod handover;
mod heif;
mod ink;
mod iris;
mod islands;
mod kind;
mod limits;
mod matte;
mod matting;
pub(crate) mod mouth;
mod picture;
mod plate;
mod portrait;
mod pull_push;
mod read;
mod recipe;
mod shifts;
mod shrink;
mod sources;
mod trimap;
mod view;
mod whole;

pub use alpha::Alpha;
pub use context::Photos;
pub use crop::Crop;
pub(crate) use crop::{Taps, kernel};
pub use error::PhotoError;
pub use eyes::LargeEyes;
pub(crate) use kind::looks_like_photo;
pub use picture::Picture;
pub use portrait::{Portrait, largest_face};
pub use recipe::Square;
pub use sources::Sources;
pub use view::View;
