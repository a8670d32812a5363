// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask dist`: packages for people who build nothing.

mod archive;
mod check;
mod deb;
mod elf;
mod sbom;
mod stage;
mod wheel;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::{shell, workspace};

/// A package of each kind holds plugin, libtorch, pack, program, documents, licences and a bill of materials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// For Debian and Ubuntu
    Deb,
    /// An archive with an installer that needs no root
    Tarball,
    /// For Python
    Wheel,
}

#[derive(clap::Args)]
pub struct DistArgs {
    /// Only these packages
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["deb", "tarball", "wheel"])]
    only: Vec<Kind>,
    /// Folder to write them to
    #[arg(long, default_value = "target/dist")]
    output: PathBuf,
    /// Pack what an earlier release build left
    #[arg(long)]
    no_build: bool,
    /// Then install, use and remove them in clean root file systems of Debian 12 and 13 (needs root and mmdebstrap)
    #[arg(long)]
    check: bool,
    /// Only check the packages that are there
    #[arg(long, conflicts_with = "check")]
    check_only: bool,
    /// Debian's suites to check in
    #[arg(long, value_delimiter = ',', default_values = check::SUITES)]
    suites: Vec<String>,
}

/// What the tools are and what brings them.
const TOOLS: [(&str, &str); 4] =
    [("strip", "binutils"), ("patchelf", "patchelf"), ("dpkg-deb", "dpkg"), ("zstd", "zstd")];

/// Builds, stages, packs and, where asked, checks.
pub fn run(args: &DistArgs) -> Result<()> {
    let root = workspace::root();
    let output = if args.output.is_relative() { root.join(&args.output) } else { args.output.clone() };
    let packages = Packages::of(&output);
    if !args.check_only {
        build(&root, &output, &packages, args)?;
    }
    if args.check || args.check_only {
        check::run(&root, &packages, &args.only, &args.suites)?;
    }
    Ok(())
}

fn build(root: &Path, output: &Path, packages: &Packages, args: &DistArgs) -> Result<()> {
    let missing: Vec<&str> =
        TOOLS.iter().filter(|(tool, _)| !shell::on_path(tool)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        bail!("packages need tools that are not there: sudo apt-get install {}", missing.join(" "));
    }
    if !args.no_build {
        crate::set_up(&crate::SetupArgs::default())?;
        let mut cargo = shell::cargo(root);
        cargo.args(["build", "--release", "--locked"]);
        for name in sbom::ROOTS {
            cargo.args(["--package", name]);
        }
        shell::run(&mut cargo)?;
    }
    let release = workspace::build_dir()?.with_file_name("release");

    std::fs::create_dir_all(output).with_context(|| format!("cannot make {}", output.display()))?;
    let stage = stage::Stage::fill(root, &release, &output.join("stage"))?;
    println!("Staged   {} MB, glibc {} or newer", megabytes(stage.size()?), stage.glibc());
    for kind in &args.only {
        let start = Instant::now();
        let path = match kind {
            Kind::Deb => deb::pack(&stage, root, &packages.deb)?,
            Kind::Tarball => archive::pack(&stage, root, &packages.tarball)?,
            Kind::Wheel => wheel::pack(&stage, root, output)?,
        };
        let size = megabytes(path.metadata()?.len());
        println!(
            "{:8} {} ({size} MB, packed in {:.0} s)",
            format!("{kind:?}"),
            workspace::display(&path),
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

/// Where the packages lie.
pub struct Packages {
    pub deb: PathBuf,
    pub tarball: PathBuf,
    folder: PathBuf,
}

impl Packages {
    fn of(folder: &Path) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self {
            deb: folder.join(format!("gst-portrait_{version}_amd64.deb")),
            tarball: folder.join(format!("gst-portrait-{version}-x86_64.tar.zst")),
            folder: folder.to_owned(),
        }
    }

    /// The wheel, whose name tells for which C library it is.
    pub fn wheel(&self) -> Result<PathBuf> {
        let start = format!("gst_portrait-{}-", env!("CARGO_PKG_VERSION"));
        let is_wheel = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with(&start) && name.ends_with(".whl")
        };
        let files =
            std::fs::read_dir(&self.folder).map(|entries| entries.flatten().map(|e| e.path()).find(is_wheel));
        files.ok().flatten().with_context(|| format!("{} holds no wheel", self.folder.display()))
    }
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

/// Copies files and folders, links followed, with the modes of what is copied.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    shell::run(
        Command::new("cp").args(["--recursive", "--dereference", "--no-target-directory"]).arg(from).arg(to),
    )
}
