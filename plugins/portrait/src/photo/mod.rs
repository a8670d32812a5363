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
pub mod handover;
mod heif;
mod ink;
mod kind;
mod matte;
pub(crate) mod mouth;
mod plate;
mod portrait;
mod read;
mod view;
mod whole;

pub use alpha::Alpha;
pub use context::Photos;
pub use crop::Crop;
pub use error::PhotoError;
pub use portrait::{Picture, Portrait};
pub use view::View;
