// SPDX-License-Identifier: MIT OR Apache-2.0
use std::path::Path;

/// Where an installed plugin finds libtorch, relative to its own folder (see meson.build).
const INSTALLED_LIBTORCH: &str = "$ORIGIN/../gst-portrait/libtorch";

fn main() {
    gst_plugin_version_helper::info();

    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{INSTALLED_LIBTORCH}");
    if let Some(libtorch) = std::env::var_os("LIBTORCH") {
        let lib = Path::new(&libtorch).join("lib");
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    }
}
