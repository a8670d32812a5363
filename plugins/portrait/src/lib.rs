//! GStreamer plugin that animates a portrait photo with speech.
//!
//! Modules follow the data: [`tensor`] carries it between the stages, [`pack`] holds their models, [`face`], [`landmark`]
//! and [`photo`] look at pictures, [`render`] draws them; then one folder an element.

use gst::glib;

pub mod audiofeatures;
mod complaint;
mod element;
mod emotion;
pub mod face;
pub mod facelandmarks;
pub mod facesynth;
pub mod landmark;
pub mod landmarkoverlay;
pub mod landmarks2latents;
pub mod pack;
pub mod photo;
mod presentation;
pub mod render;
pub mod settings;
pub mod speech2landmarks;
mod stats;
mod step;
mod sync;
pub mod talkinghead;
pub mod tensor;
mod workers;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    if let Some(file) = plugin.filename() {
        pack::set_plugin_file(file);
    }
    tensor::meta::register();
    audiofeatures::register(plugin)?;
    speech2landmarks::register(plugin)?;
    landmarks2latents::register(plugin)?;
    facesynth::register(plugin)?;
    facelandmarks::register(plugin)?;
    landmarkoverlay::register(plugin)?;
    talkinghead::register(plugin)?;
    Ok(())
}

gst::plugin_define!(
    portrait,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_REPOSITORY"),
    env!("BUILD_REL_DATE")
);
