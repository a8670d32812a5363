//! GStreamer plugin that animates a portrait photo with speech.
//!
//! Modules follow the data: [`tensor`] carries it between the stages, [`pack`] holds their models, [`face`], [`landmark`]
//! and [`photo`] look at pictures; then one folder an element.

pub mod face;
pub mod facelandmarks;
pub mod landmark;
pub mod pack;
pub mod photo;
pub mod settings;
pub mod tensor;
