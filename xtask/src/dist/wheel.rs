// SPDX-License-Identifier: MIT OR Apache-2.0
//! A wheel for Python: the stage inside of the package `gst_portrait`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;

use super::stage::{PROGRAM, Stage, files};

/// Of the plugin, of libtorch, of its OpenMP run time, and of the two libraries of CUDA's.
const LICENCE: &str = "(MIT OR Apache-2.0) AND BSD-3-Clause AND (GPL-3.0-or-later WITH GCC-exception-3.1) AND \
                       LicenseRef-NVIDIA-CUDA-EULA";

/// What of `python/pyproject.toml` goes into the wheel's metadata.
#[derive(Deserialize)]
struct Project {
    project: Table,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Table {
    name: String,
    version: String,
    description: String,
    requires_python: String,
    dependencies: Vec<String>,
    #[serde(default)]
    classifiers: Vec<String>,
    #[serde(default)]
    optional_dependencies: std::collections::BTreeMap<String, Vec<String>>,
    #[serde(default)]
    scripts: std::collections::BTreeMap<String, String>,
}

/// Packs it into a folder.
pub fn pack(stage: &Stage, root: &Path, folder: &Path) -> Result<PathBuf> {
    let python = root.join("python");
    let text =
        fs::read_to_string(python.join("pyproject.toml")).context("cannot read python/pyproject.toml")?;
    let project = toml::from_str::<Project>(&text).context("cannot read python/pyproject.toml")?.project;
    let tag = format!("py3-none-{}", stage.manylinux());
    let name = format!("{}-{}", project.name.replace('-', "_"), project.version);
    for old in
        fs::read_dir(folder)?.flatten().filter(|entry| entry.path().extension().is_some_and(|e| e == "whl"))
    {
        fs::remove_file(old.path())?;
    }
    let path = folder.join(format!("{name}-{tag}.whl"));
    let mut archive = Archive { zip: zip::ZipWriter::new(File::create(&path)?), record: String::new() };

    for file in files(&python.join("gst_portrait"))? {
        if !file.components().any(|part| part.as_os_str() == "__pycache__") {
            archive.add(&relative(&file, &python), &fs::read(&file)?, 0o644)?;
        }
    }
    let doc = stage.prefix.join("share/doc/gst-portrait");
    let info = format!("{name}.dist-info");
    let mut licences = Vec::new();
    for file in files(&stage.prefix)? {
        let bytes = fs::read(&file)?;
        let inside = relative(&file, &stage.prefix);
        if let Ok(document) = file.strip_prefix(&doc) {
            // The place that Python gives them; the documents are on the project's pages.
            let document = document.display().to_string();
            if document.ends_with(".cdx.json") {
                archive.add(&format!("{info}/sboms/{document}"), &bytes, 0o644)?;
            } else if document.starts_with("LICENSE") || document.starts_with("licences/") {
                archive.add(&format!("{info}/licenses/{document}"), &bytes, 0o644)?;
                licences.push(document);
            }
        } else if !inside.starts_with("lib/pkgconfig/") {
            let mode = if inside.ends_with(PROGRAM) { 0o755 } else { 0o644 };
            archive.add(&format!("gst_portrait/{inside}"), &bytes, mode)?;
        }
    }
    let readme = fs::read_to_string(python.join("README.md")).context("cannot read python/README.md")?;
    archive.add(&format!("{info}/METADATA"), metadata(&project, &licences, &readme).as_bytes(), 0o644)?;
    let wheel = format!("Wheel-Version: 1.0\nGenerator: gst-portrait\nRoot-Is-Purelib: false\nTag: {tag}\n");
    archive.add(&format!("{info}/WHEEL"), wheel.as_bytes(), 0o644)?;
    let scripts: String = project.scripts.iter().map(|(name, entry)| format!("{name} = {entry}\n")).collect();
    archive.add(
        &format!("{info}/entry_points.txt"),
        format!("[console_scripts]\n{scripts}").as_bytes(),
        0o644,
    )?;
    archive.finish(&format!("{info}/RECORD"))?;
    Ok(path)
}

fn relative(file: &Path, folder: &Path) -> String {
    file.strip_prefix(folder).unwrap_or(file).display().to_string()
}

/// `licences` are files below the folder `licenses`, all of which must be named.
fn metadata(project: &Table, licences: &[String], readme: &str) -> String {
    let mut lines = vec![
        "Metadata-Version: 2.4".to_owned(),
        format!("Name: {}", project.name),
        format!("Version: {}", project.version),
        format!("Summary: {}", project.description),
        format!("License-Expression: {LICENCE}"),
        format!("Requires-Python: {}", project.requires_python),
        "Description-Content-Type: text/markdown".to_owned(),
    ];
    lines.extend(licences.iter().map(|file| format!("License-File: {file}")));
    lines.extend(project.classifiers.iter().map(|one| format!("Classifier: {one}")));
    lines.extend(project.dependencies.iter().map(|one| format!("Requires-Dist: {one}")));
    for (extra, dependencies) in &project.optional_dependencies {
        lines.push(format!("Provides-Extra: {extra}"));
        lines.extend(dependencies.iter().map(|one| format!("Requires-Dist: {one}; extra == \"{extra}\"")));
    }
    format!("{}\n\n{readme}", lines.join("\n"))
}

/// A zip file with a line of each of its files.
struct Archive {
    zip: zip::ZipWriter<File>,
    record: String,
}

impl Archive {
    fn add(&mut self, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let options = SimpleFileOptions::default().unix_permissions(mode).large_file(bytes.len() > 1 << 31);
        self.zip.start_file(name, options).with_context(|| format!("cannot pack {name}"))?;
        self.zip.write_all(bytes)?;
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(bytes));
        self.record.push_str(&format!("{name},sha256={digest},{}\n", bytes.len()));
        Ok(())
    }

    fn finish(mut self, record: &str) -> Result<()> {
        self.zip.start_file(record, SimpleFileOptions::default().unix_permissions(0o644))?;
        self.zip.write_all(format!("{}{record},,\n", self.record).as_bytes())?;
        self.zip.finish()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_file_becomes_the_wheels_metadata() {
        let root = crate::workspace::root();
        let text = fs::read_to_string(root.join("python/pyproject.toml")).unwrap();
        let project = toml::from_str::<Project>(&text).unwrap().project;
        assert_eq!(project.version, env!("CARGO_PKG_VERSION"), "one version for all packages");
        let metadata = metadata(&project, &["licences/libtorch.txt".to_owned()], "# Read me\n");
        assert!(metadata.contains("\nLicense-File: licences/libtorch.txt\n"), "{metadata}");
        assert!(
            metadata.contains("\nLicense-Expression: (MIT OR Apache-2.0) AND BSD-3-Clause AND (GPL"),
            "{metadata}"
        );
        assert!(metadata.starts_with("Metadata-Version: 2.4\nName: gst-portrait\n"), "{metadata}");
        assert!(metadata.contains("\nRequires-Dist: numpy"), "{metadata}");
        assert!(metadata.ends_with("\n\n# Read me\n"));
    }

    #[test]
    fn every_file_is_recorded_with_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.whl");
        let mut archive =
            Archive { zip: zip::ZipWriter::new(File::create(&path).unwrap()), record: String::new() };
        archive.add("a/b.py", b"abc", 0o644).unwrap();
        archive.finish("a.dist-info/RECORD").unwrap();
        let mut zip = zip::ZipArchive::new(File::open(&path).unwrap()).unwrap();
        let mut record = String::new();
        std::io::Read::read_to_string(&mut zip.by_name("a.dist-info/RECORD").unwrap(), &mut record).unwrap();
        let expected = "a/b.py,sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0,3\na.dist-info/RECORD,,\n";
        assert_eq!(record, expected);
    }
}
