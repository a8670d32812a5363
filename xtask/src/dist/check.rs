// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packages in clean root file systems of Debian.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::{Kind, Packages};
use crate::shell;

/// Debian 12 with GStreamer 1.22, and Debian 13 with 1.26.
pub const SUITES: [&str; 2] = ["bookworm", "trixie"];

/// Installs, uses and removes each package in each suite.
pub fn run(root: &Path, packages: &Packages, kinds: &[Kind], suites: &[String]) -> Result<()> {
    for tool in ["mmdebstrap", "unshare", "chroot"] {
        if !shell::on_path(tool) {
            bail!("{tool} is missing: sudo apt-get install mmdebstrap util-linux");
        }
    }
    for suite in suites {
        for kind in kinds {
            let (name, package) = match kind {
                Kind::Deb => ("deb", packages.deb.clone()),
                Kind::Tarball => ("tarball", packages.tarball.clone()),
                Kind::Wheel => ("wheel", packages.wheel()?),
            };
            if !package.is_file() {
                bail!("{} is not there: build it first", package.display());
            }
            println!("\n== {name} on {suite}");
            let mut check = Command::new("bash");
            check.arg(root.join("tests/packages/check.sh")).args([suite.as_str(), name]).arg(&package);
            shell::run(check.current_dir(root))?;
        }
    }
    Ok(())
}
