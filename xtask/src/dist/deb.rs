// SPDX-License-Identifier: MIT OR Apache-2.0
//! A package of Debian's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::copy_tree;
use super::stage::{Stage, files};
use crate::shell;

/// Debian's folder of libraries.
const LIB: &str = "usr/lib/x86_64-linux-gnu";

/// Lays the stage out as Debian does and packs it.
pub fn pack(stage: &Stage, root: &Path, deb: &Path) -> Result<PathBuf> {
    let tree = deb.with_file_name("deb");
    let _ = fs::remove_dir_all(&tree);
    for (from, to) in [("bin", "usr/bin"), ("lib", LIB), ("share", "usr/share")] {
        copy_tree(&stage.prefix.join(from), &tree.join(to))?;
    }
    let doc = tree.join("usr/share/doc/gst-portrait");
    fs::copy(root.join("packaging/debian/copyright"), doc.join("copyright"))?;
    let pc = tree.join(LIB).join("pkgconfig/gst-portrait.pc");
    // There is one more folder between.
    let text = fs::read_to_string(&pc)?.replace("${libdir}/../share", "${libdir}/../../share");
    fs::write(&pc, text)?;

    let bytes: u64 = files(&tree)?.iter().filter_map(|file| file.metadata().ok()).map(|m| m.len()).sum();
    let control = fs::read_to_string(root.join("packaging/debian/control.in"))
        .context("cannot read packaging/debian/control.in")?
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@KIB@", &bytes.div_ceil(1024).to_string())
        .replace("@GLIBC@", &stage.glibc());
    let debian = tree.join("DEBIAN");
    fs::create_dir_all(&debian)?;
    // `dpkg --verify` reads them.
    let mut sums = Command::new("sh");
    sums.args(["-c", "find usr -type f -print0 | sort -z | xargs -0 md5sum > DEBIAN/md5sums"])
        .current_dir(&tree);
    shell::run(&mut sums)?;
    fs::write(debian.join("control"), control)?;
    // Whatever umask the folders were made with.
    shell::run(Command::new("chmod").args(["-R", "u+rwX,go+rX,go-w"]).arg(&tree))?;
    let mut build = Command::new("dpkg-deb");
    // Debian 12 and Ubuntu 24.04 unpack zstd; a higher level takes minutes for a hundredth less.
    build.args(["--root-owner-group", "-Zzstd", "-z9", "--build"]).arg(&tree).arg(deb);
    shell::run(&mut build)?;
    fs::remove_dir_all(&tree)?;
    Ok(deb.to_owned())
}
