// SPDX-License-Identifier: MIT OR Apache-2.0
//! The CPU build of libtorch in `.deps/libtorch`, unless LIBTORCH points elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{extract, wheels, workspace};

/// Written last, so that a folder that has it is complete.
const STAMP: &str = "gst-portrait-stamp";

/// Where cargo finds libtorch: `.cargo/config.toml` sets LIBTORCH unless the user has.
pub fn location() -> Result<PathBuf> {
    match std::env::var_os("LIBTORCH") {
        Some(path) if !path.is_empty() => Ok(path.into()),
        _ => Ok(default_dir()),
    }
}

/// Whether a libtorch is there, ours or the user's.
pub fn is_there() -> bool {
    location().is_ok_and(|dir| if is_ours(&dir) { has_stamp(&dir) } else { is_libtorch(&dir) })
}

/// Downloads and unpacks libtorch where it is missing.
pub fn install_if_missing() -> Result<()> {
    let dir = location()?;
    if !is_ours(&dir) {
        if is_libtorch(&dir) {
            return Ok(());
        }
        bail!(
            "LIBTORCH={} holds no lib/libtorch_cpu.so and include/torch: correct it, or unset it to have libtorch {} \
             downloaded",
            dir.display(),
            wheels::TORCH_VERSION
        );
    }
    if has_stamp(&dir) {
        return Ok(());
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!(
            "libtorch can be downloaded for Linux on x86-64 only: install libtorch {} for {} {} yourself and set \
             LIBTORCH to its folder",
            wheels::TORCH_VERSION,
            std::env::consts::OS,
            std::env::consts::ARCH
        );
    }
    install(&dir)
}

fn install(dir: &Path) -> Result<()> {
    let deps = workspace::root().join(".deps");
    let download = deps.join("download");
    fs::create_dir_all(&download).with_context(|| format!("cannot make {}", download.display()))?;
    println!(
        "libtorch {} (CPU) will be put into {}: {} MB from PyPI",
        wheels::TORCH_VERSION,
        workspace::display(dir),
        wheels::WHEELS.iter().map(|w| w.megabytes).sum::<u32>()
    );
    let files = wheels::download_all(&download)?;

    // Unpacked beside its place and renamed: whatever stops us, `.deps/libtorch` is whole or absent.
    let partial = deps.join("libtorch.part");
    let _ = fs::remove_dir_all(&partial);
    extract::unpack(&files, &partial)?;
    fs::write(partial.join(STAMP), stamp())?;
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    fs::rename(&partial, dir).with_context(|| format!("cannot move libtorch to {}", dir.display()))?;
    let _ = fs::remove_dir_all(&download);
    Ok(())
}

fn default_dir() -> PathBuf {
    workspace::root().join(".deps/libtorch")
}

fn is_ours(dir: &Path) -> bool {
    dir == default_dir()
}

fn is_libtorch(dir: &Path) -> bool {
    dir.join("lib/libtorch_cpu.so").is_file() && dir.join("include/torch").is_dir()
}

/// A stamp of other versions asks for another download.
fn has_stamp(dir: &Path) -> bool {
    fs::read_to_string(dir.join(STAMP)).is_ok_and(|text| text == stamp()) && is_libtorch(dir)
}

fn stamp() -> String {
    wheels::WHEELS.iter().map(|w| format!("{} {} {}\n", w.name, w.version, w.sha256)).collect()
}
