// SPDX-License-Identifier: MIT OR Apache-2.0
//! The plugin's file in packages. It links no libtorch, so that GStreamer can load it everywhere; it opens the library of
//! the elements, which does. Where that cannot be opened, each element is still listed, with its pads and properties, and
//! says on its way to READY what is missing and how to get it.

mod absent;
mod description;
mod remedy;

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gst::glib;
use gst::glib::translate::ToGlibPtr;

/// The library of the elements, from the folder that GStreamer's plugins lie in.
const CORE: &str = "../gst-portrait/libgstportrait-core.so";

/// What it exports: takes the plugin, returns 0 where something failed.
const REGISTER: &CStr = c"gst_portrait_core_register";

type Register = unsafe extern "C" fn(*mut gst::ffi::GstPlugin) -> glib::ffi::gboolean;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    let file = plugin.filename().ok_or_else(|| glib::bool_error!("a plugin that was loaded has a file"))?;
    // A link in the user's folder of plugins leads to where the rest is.
    let file = file.canonicalize().unwrap_or(file);
    let core = file.parent().unwrap_or(Path::new(".")).join(CORE);
    watch(plugin, &core);
    match open(&core) {
        Ok(register) => {
            // SAFETY: the function is of this signature, and the plugin is being initialized.
            if unsafe { register(plugin.to_glib_none().0) } == glib::ffi::GFALSE {
                return Err(glib::bool_error!("{} registers no elements", core.display()));
            }
            Ok(())
        }
        Err(error) => {
            remedy::set(remedy::line(&file, &error));
            absent::register(plugin)
        }
    }
}

/// The function of the library, which stays open to the end of the process.
fn open(core: &Path) -> Result<Register, String> {
    // The dynamic linker names the library that it misses, which may be another one; a file that is not there at all is
    // told by its own name.
    let path = core.canonicalize().map_err(|error| format!("{}: {error}", core.display()))?;
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
    // SAFETY: a string that ends in zero; the library's initializers are libtorch's, which expect nothing of who opens them.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if library.is_null() {
        return Err(linker_error());
    }
    // SAFETY: a library that is open, and a string that ends in zero.
    let register = unsafe { libc::dlsym(library, REGISTER.as_ptr()) };
    if register.is_null() {
        return Err(linker_error());
    }
    // SAFETY: the library exports the function with this signature.
    Ok(unsafe { std::mem::transmute::<*mut libc::c_void, Register>(register) })
}

/// What the dynamic linker said last to this thread.
fn linker_error() -> String {
    // SAFETY: a string that is valid until the next call of the linker on this thread, or null.
    let text = unsafe {
        let text = libc::dlerror();
        if text.is_null() { None } else { Some(CStr::from_ptr(text).to_string_lossy().into_owned()) }
    };
    text.unwrap_or_else(|| "the dynamic linker says nothing".to_owned())
}

/// GStreamer remembers what a plugin has; it looks again when the library changes, comes or goes.
fn watch(plugin: &gst::Plugin, core: &Path) {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder =
        core.parent().map(|dir| dir.canonicalize().unwrap_or_else(|_| dir.to_owned())).unwrap_or_default();
    let libtorch: PathBuf = folder.join("libtorch");
    for (folder, name) in [(&folder, name(core)), (&libtorch, "libtorch_cpu.so".to_owned())] {
        let folder = folder.display().to_string();
        plugin.add_dependency(
            &["LD_LIBRARY_PATH"],
            &[folder.as_str()],
            &[name.as_str()],
            gst::PluginDependencyFlags::empty(),
        );
    }
}

gst::plugin_define!(
    portrait,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MIT/X11",
    "gst-plugin-portrait",
    "gst-plugin-portrait",
    env!("CARGO_PKG_REPOSITORY"),
    env!("BUILD_REL_DATE")
);
