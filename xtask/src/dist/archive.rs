// SPDX-License-Identifier: MIT OR Apache-2.0
//! An archive with an installer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::stage::Stage;
use crate::shell;

/// Packs the stage and `install.sh` below one folder.
pub fn pack(stage: &Stage, root: &Path, archive: &Path) -> Result<PathBuf> {
    let folder = format!("gst-portrait-{}", env!("CARGO_PKG_VERSION"));
    let _ = fs::remove_file(archive);
    let mut tar = Command::new("tar");
    // The same bytes whoever packs.
    tar.args(["--create", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]);
    tar.args(["--mode=u+rwX,go+rX,go-w", "--use-compress-program=zstd -9 -T0"]);
    tar.arg(format!("--transform=s,^,{folder}/,")).arg("--file").arg(archive);
    tar.arg("--directory").arg(root.join("packaging")).arg("install.sh");
    tar.arg("--directory").arg(&stage.prefix).args(["bin", "lib", "share"]);
    shell::run(&mut tar)?;
    Ok(archive.to_owned())
}
