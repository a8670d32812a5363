//! What gets installed: the release build, and the test of an installation by meson.

use std::process::Command;

use anyhow::Result;

use crate::{libtorch, shell, workspace};

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

/// Builds what meson.build installs.
pub fn dist() -> Result<()> {
    crate::set_up(&crate::SetupArgs::default())?;
    let root = workspace::root();
    shell::run(shell::cargo(&root).args(["build", "--release", "--package", "gst-plugin-portrait"]))?;
    let target = workspace::build_dir()?;
    let plugin = target.with_file_name("release").join("libgstportrait.so");
    println!("Plugin   {}   -> LIBDIR/gstreamer-1.0/", workspace::display(&plugin));
    println!("Packs    models/packs/lite   -> DATADIR/gst-portrait/packs/");
    println!(
        "libtorch {}/lib   -> LIBDIR/gst-portrait/libtorch/",
        workspace::display(&libtorch::location()?)
    );
    println!("`meson setup build && meson install -C build` puts them there.");
    Ok(())
}
