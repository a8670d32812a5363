// SPDX-License-Identifier: MIT OR Apache-2.0
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
        // A link in the user's folder of plugins leads to where the packs are.
        pack::set_plugin_file(file.canonicalize().unwrap_or(file));
    }
    stream::tensor::meta::register();
    elements::register(plugin)
}

/// Registers the elements with a plugin that was loaded from another file: the packages' `libgstportrait.so`, which links
/// no libtorch, opens this library and calls this. Returns 0 where something failed.
///
/// # Safety
/// `plugin` is a plugin that is being initialized.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gst_portrait_core_register(plugin: *mut gst::ffi::GstPlugin) -> glib::ffi::gboolean {
    if plugin.is_null() {
        return glib::ffi::GFALSE;
    }
    // A panic must not cross into the caller.
    let registered = std::panic::catch_unwind(|| {
        // SAFETY: as promised by the caller.
        let plugin: glib::translate::Borrowed<gst::Plugin> =
            unsafe { glib::translate::from_glib_borrow(plugin) };
        plugin_init(&plugin).is_ok()
    });
    if registered.unwrap_or(false) { glib::ffi::GTRUE } else { glib::ffi::GFALSE }
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
