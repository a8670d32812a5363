// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where packs are looked for.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::PackError;

/// Folders to look in before all others, separated by `:`.
const PATH_VARIABLE: &str = "GST_PORTRAIT_PACK_PATH";

static PLUGIN_FILE: OnceLock<PathBuf> = OnceLock::new();

/// Remembers where the plugin was loaded from, so that packs installed beside it are found.
pub fn set_plugin_file(path: PathBuf) {
    // A second registration (a static one in a test, say) changes nothing.
    let _ = PLUGIN_FILE.set(path);
}

/// The same of a pack that the one in `dir` extends: one beside it comes first.
pub fn find_beside(name: &str, dir: &Path) -> Result<PathBuf, PackError> {
    let beside = dir.parent().map(|folder| folder.join(name)).filter(|d| d.join("pack.toml").is_file());
    match beside {
        Some(dir) => dir.canonicalize().map_err(|source| PackError::Read { path: dir, source }),
        None => find(name),
    }
}

/// Resolves a pack's name or folder to the folder that holds its `pack.toml`.
pub fn find(name: &str) -> Result<PathBuf, PackError> {
    let candidates: Vec<PathBuf> = if name.contains(std::path::MAIN_SEPARATOR) {
        vec![PathBuf::from(name)]
    } else {
        roots().into_iter().map(|root| root.join(name)).collect()
    };
    for dir in &candidates {
        if dir.join("pack.toml").is_file() {
            return dir.canonicalize().map_err(|source| PackError::Read { path: dir.clone(), source });
        }
    }
    let looked = candidates.iter().map(|d| d.display().to_string()).collect::<Vec<_>>().join(", ");
    Err(PackError::NotFound { name: name.to_owned(), looked })
}

fn roots() -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> =
        std::env::var_os(PATH_VARIABLE).map(|v| std::env::split_paths(&v).collect()).unwrap_or_default();
    // PREFIX/lib[/TRIPLET]/gstreamer-1.0/libgstportrait.so -> PREFIX/share/gst-portrait/packs
    if let Some(file) = PLUGIN_FILE.get() {
        roots.extend(file.ancestors().skip(3).take(2).map(|p| p.join("share/gst-portrait/packs")));
    }
    // A development build runs from the checkout.
    if cfg!(debug_assertions) {
        roots.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/packs"));
    }
    roots
}
