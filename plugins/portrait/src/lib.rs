//! GStreamer plugin that animates a portrait photo with speech.
//!
//! Five rooms, and arrows that point down only: [`elements`] stand on [`render`] and [`photo`], those on [`face`] and
//! [`stream`], all on [`pack`].

/**
 * plugin-portrait:
 *
 * A photo and a voice go in, a talking portrait comes out; a video can drive the photo instead of the voice, or beside it.
 *
 * Since: 0.1
 */
use gst::glib;

pub mod elements;
pub mod face;
pub mod pack;
pub mod photo;
pub mod render;
pub mod stream;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    if let Some(file) = plugin.filename() {
        pack::set_plugin_file(file);
    }
    stream::tensor::meta::register();
    elements::register(plugin)
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
