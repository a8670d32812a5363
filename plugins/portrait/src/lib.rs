//! GStreamer plugin that animates a portrait photo with speech.
//!
//! Modules follow the data: [`tensor`] carries it between the stages, [`pack`] holds their models; then one folder an
//! element.

pub mod pack;
pub mod render;
pub mod tensor;
