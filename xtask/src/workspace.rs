// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where things are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the checkout.
pub fn root() -> PathBuf {
    // xtask is always run by cargo from the checkout that it was built in.
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Cargo's folder of the profile that xtask itself was built in (`target/debug`): the plugin is built there too.
pub fn build_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("cannot find the folder of this program")?;
    Ok(exe.parent().context("this program has no folder")?.to_owned())
}

/// The path as seen from the working directory where that is shorter.
pub fn display(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
