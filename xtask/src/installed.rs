// SPDX-License-Identifier: MIT OR Apache-2.0
//! The test of an installation by meson.

use std::process::Command;

use anyhow::Result;

use crate::{shell, workspace};

/// Which build meson installs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// The build of the tests, already there.
    Dev,
    Release,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }
}

/// Installs into an empty folder and renders from there with nothing else on the path.
pub fn test(profile: Profile) -> Result<()> {
    let root = workspace::root();
    shell::run(
        Command::new("bash").arg(root.join("tests/installed.sh")).arg(profile.name()).current_dir(&root),
    )
}
