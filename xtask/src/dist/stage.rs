// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all packages hold, laid out as below a prefix:
//!
//! ```text
//! bin/portrait-animate
//! lib/gstreamer-1.0/libgstportrait.so          what GStreamer loads; it links no libtorch
//! lib/gst-portrait/libgstportrait-core.so      the elements
//! lib/gst-portrait/libtorch/…                  libtorch for the CPU
//! lib/pkgconfig/gst-portrait.pc
//! share/gst-portrait/packs/lite/…
//! share/doc/gst-portrait/…                     documents, licences, bill of materials
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{copy_tree, elf, sbom};
use crate::{libtorch, shell};

/// The libraries that the plugin runs with on a CPU: libtorch and what it is linked with. The two of CUDA's run time are
/// small and do nothing there.
const LIBTORCH: [&str; 5] =
    ["libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13"];

/// ImageMagick has a program `animate`.
pub const PROGRAM: &str = "portrait-animate";

/// Documents that come along.
const DOCUMENTS: [&str; 5] = ["README.md", "CHANGELOG.md", "BENCHMARKS.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// A filled folder.
pub struct Stage {
    pub prefix: PathBuf,
    glibc_minor: u32,
}

impl Stage {
    /// Fills an empty folder from the release build.
    pub fn fill(root: &Path, release: &Path, prefix: &Path) -> Result<Self> {
        let _ = fs::remove_dir_all(prefix);
        let copy = |from: &Path, to: &str| copy_tree(from, &prefix.join(to));
        let core = "lib/gst-portrait/libgstportrait-core.so";
        let loader = "lib/gstreamer-1.0/libgstportrait.so";
        let program = format!("bin/{PROGRAM}");
        copy(&release.join("libgstportrait.so"), core)?;
        copy(&release.join("libgstportraitloader.so"), loader)?;
        copy(&release.join("animate"), &program)?;
        let torch = libtorch::location()?.join("lib");
        for library in LIBTORCH {
            copy(&torch.join(library), &format!("lib/gst-portrait/libtorch/{library}"))?;
        }
        copy(&root.join("models/packs/lite"), "share/gst-portrait/packs/lite")?;

        let mut glibc_minor = 0;
        let libraries = LIBTORCH.map(|library| format!("lib/gst-portrait/libtorch/{library}"));
        let binaries = [core, loader, program.as_str()].map(str::to_owned).into_iter().chain(libraries);
        for file in binaries {
            let path = prefix.join(&file);
            // First: what patchelf has moved, strip would break.
            shell::run(Command::new("strip").arg("--strip-unneeded").arg(&path))?;
            let run_path = match file.as_str() {
                file if file == core => "$ORIGIN/libtorch",
                file if file.contains("/libtorch/lib") => "$ORIGIN",
                _ => "",
            };
            if run_path.is_empty() {
                shell::run(Command::new("patchelf").arg("--remove-rpath").arg(&path))?;
            } else {
                shell::run(Command::new("patchelf").args(["--set-rpath", run_path]).arg(&path))?;
            }
            glibc_minor = glibc_minor.max(elf::glibc_minor(&path)?);
        }
        let stage = Self { prefix: prefix.to_owned(), glibc_minor };
        stage.document(root)?;
        Ok(stage)
    }

    fn document(&self, root: &Path) -> Result<()> {
        let doc = self.prefix.join("share/doc/gst-portrait");
        for name in DOCUMENTS {
            copy_tree(&root.join(name), &doc.join(name))?;
        }
        copy_tree(&root.join("docs"), &doc.join("docs"))?;
        copy_tree(&root.join("packaging/licences"), &doc.join("licences"))?;
        let bill = sbom::read(root)?;
        let write = |name: &str, text: &str| {
            fs::write(doc.join(name), text).with_context(|| format!("cannot write {name}"))
        };
        write("gst-portrait.cdx.json", &bill.cyclonedx()?)?;
        write("licences/crates.txt", &bill.licences()?)?;
        let pc = self.prefix.join("lib/pkgconfig/gst-portrait.pc");
        fs::create_dir_all(pc.parent().context("a file lies in a folder")?)?;
        let text = fs::read_to_string(root.join("packaging/gst-portrait.pc.in"))?;
        fs::write(pc, text.replace("@VERSION@", env!("CARGO_PKG_VERSION")))?;
        Ok(())
    }

    /// The oldest C library that all of it runs with.
    pub fn glibc(&self) -> String {
        format!("2.{}", self.glibc_minor)
    }

    /// The same, of Python's platform tags.
    pub fn manylinux(&self) -> String {
        format!("manylinux_2_{}_x86_64", self.glibc_minor)
    }

    /// Bytes of all files.
    pub fn size(&self) -> Result<u64> {
        Ok(files(&self.prefix)?.iter().filter_map(|path| path.metadata().ok()).map(|m| m.len()).sum())
    }
}

/// Every file below a folder, in order.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}
