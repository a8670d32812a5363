//! The photo: read once, its face found, cut out and measured, shared by all elements of a pipeline.
//!
//! [`Portrait::analyse`] does all of it; [`context`] hands the result from element to element.

mod beyond;
pub mod context;
mod crop;
mod error;
mod matte;
mod plate;
mod portrait;
mod read;
mod view;
mod whole;

pub use context::Photos;
pub use crop::Crop;
pub use error::PhotoError;
pub use portrait::{Picture, Portrait};
pub use view::View;
