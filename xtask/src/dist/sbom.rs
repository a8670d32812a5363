// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is linked in: a bill of materials (CycloneDX), and the texts of the crates' licences.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{shell, wheels};

/// What ends up in packages.
pub const ROOTS: [&str; 3] = ["gst-plugin-portrait", "gst-plugin-portrait-loader", "portrait-animate"];

/// One version of a crate.
#[derive(Debug)]
struct Crate {
    name: String,
    version: String,
    licence: String,
    repository: Option<String>,
    folder: PathBuf,
    is_ours: bool,
}

/// All crates that are linked into what is packed.
#[derive(Debug)]
pub struct Bill(Vec<Crate>);

/// Asks cargo.
pub fn read(root: &Path) -> Result<Bill> {
    let target = "x86_64-unknown-linux-gnu";
    let output = shell::cargo(root)
        .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", target])
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(Bill(linked(&serde_json::from_slice(&output.stdout)?)?))
}

/// The crates that are reached from the roots by other than build and dev dependencies.
fn linked(metadata: &Value) -> Result<Vec<Crate>> {
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for node in array(&metadata["resolve"]["nodes"]) {
        let linked = array(&node["deps"])
            .into_iter()
            .filter(|dep| array(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()))
            .map(|dep| text(&dep["pkg"]))
            .collect();
        edges.insert(text(&node["id"]), linked);
    }
    let packages: BTreeMap<String, Value> =
        array(&metadata["packages"]).into_iter().map(|package| (text(&package["id"]), package)).collect();
    let mut waiting: Vec<String> = packages
        .iter()
        .filter(|(_, package)| {
            package["source"].is_null() && ROOTS.contains(&text(&package["name"]).as_str())
        })
        .map(|(id, _)| id.clone())
        .collect();
    if waiting.len() != ROOTS.len() {
        bail!("cargo metadata does not know all of {}", ROOTS.join(", "));
    }
    let mut reached = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if reached.insert(id.clone()) {
            waiting.extend(edges.get(&id).cloned().unwrap_or_default());
        }
    }
    let mut crates = Vec::new();
    for id in reached {
        let package = packages.get(&id).with_context(|| format!("cargo metadata has no package {id}"))?;
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        crates.push(Crate {
            name: text(&package["name"]),
            version: text(&package["version"]),
            licence: package["license"].as_str().unwrap_or("NOASSERTION").replace('/', " OR "),
            repository: package["repository"].as_str().map(str::to_owned),
            folder: manifest.parent().unwrap_or(&manifest).to_owned(),
            is_ours: package["source"].is_null(),
        });
    }
    crates.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(crates)
}

impl Bill {
    /// As CycloneDX 1.5.
    pub fn cyclonedx(&self) -> Result<String> {
        let mut components: Vec<Value> = self.0.iter().map(Crate::component).collect();
        for wheel in &wheels::WHEELS {
            components.push(json!({
                "type": "library",
                "name": wheel.name,
                "version": wheel.version,
                "purl": format!("pkg:pypi/{}@{}", wheel.name, wheel.version),
                "hashes": [{ "alg": "SHA-256", "content": wheel.sha256 }],
                "licenses": [{ "license": { "name": if wheel.name == "torch" { "BSD-3-Clause" } else { "NVIDIA CUDA EULA" } } }],
            }));
        }
        // It lies in torch's wheel, whose licence it does not share.
        components.push(json!({
            "type": "library",
            "name": "libgomp",
            "version": "1",
            "licenses": [{ "expression": "GPL-3.0-or-later WITH GCC-exception-3.1" }],
            "externalReferences": [{ "type": "website", "url": "https://gcc.gnu.org" }],
        }));
        components.push(json!({
            "type": "machine-learning-model",
            "name": "lite",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Model pack; its parts and their licences are in its README.md",
        }));
        let bill = json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": {
                "component": {
                    "type": "library",
                    "name": "gst-portrait",
                    "version": env!("CARGO_PKG_VERSION"),
                    "licenses": [{ "expression": "MIT OR Apache-2.0" }],
                },
            },
            "components": components,
        });
        Ok(serde_json::to_string_pretty(&bill)? + "\n")
    }

    /// The licences of all crates; texts that are the same are there once.
    pub fn licences(&self) -> Result<String> {
        let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for one in self.0.iter().filter(|c| !c.is_ours) {
            let title = format!("{} {} ({})", one.name, one.version, one.licence);
            let mut found = one.licence_texts()?;
            if found.is_empty() {
                found.push(format!(
                    "No text comes with it; see {}",
                    one.repository.as_deref().unwrap_or("its registry")
                ));
            }
            for text in found {
                texts.entry(text).or_default().push(title.clone());
            }
        }
        let mut all = String::new();
        for (text, of) in texts {
            all.push_str(&format!("{}\n\n{}\n\n{}\n\n", of.join("\n"), text.trim(), "-".repeat(80)));
        }
        Ok(all)
    }
}

impl Crate {
    fn component(&self) -> Value {
        let mut component = json!({
            "type": "library",
            "name": self.name,
            "version": self.version,
            "licenses": [{ "expression": self.licence }],
        });
        if !self.is_ours {
            component["purl"] = json!(format!("pkg:cargo/{}@{}", self.name, self.version));
        }
        if let Some(url) = &self.repository {
            component["externalReferences"] = json!([{ "type": "vcs", "url": url }]);
        }
        component
    }

    fn licence_texts(&self) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for entry in
            fs::read_dir(&self.folder).with_context(|| format!("cannot read {}", self.folder.display()))?
        {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().to_lowercase();
            let is_licence = ["licen", "copying", "notice"].iter().any(|start| name.starts_with(start));
            if is_licence && entry.path().is_file() {
                texts.push(String::from_utf8_lossy(&fs::read(entry.path())?).replace("\r\n", "\n"));
            }
        }
        texts.sort();
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_listed_and_what_builds_and_tests_is_not() {
        let package = |name: &str, ours: bool| {
            json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "repository": null,
                    "manifest_path": format!("/x/{name}/Cargo.toml"),
                    "source": if ours { Value::Null } else { json!("registry") } })
        };
        let dep = |name: &str, kind: Value| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [package("gst-plugin-portrait", true), package("gst-plugin-portrait-loader", true),
                         package("portrait-animate", true), package("gst", false), package("glib", false),
                         package("version-helper", false), package("proptest", false)],
            "resolve": { "nodes": [
                { "id": "gst-plugin-portrait", "deps": [dep("gst", Value::Null), dep("version-helper", json!("build")),
                                                        dep("proptest", json!("dev"))] },
                { "id": "gst", "deps": [dep("glib", Value::Null)] },
            ] },
        });
        let crates = linked(&metadata).unwrap();
        let names: Vec<&str> = crates.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(
            names,
            ["glib", "gst", "gst-plugin-portrait", "gst-plugin-portrait-loader", "portrait-animate"]
        );
        let bill: Value = serde_json::from_str(&Bill(crates).cyclonedx().unwrap()).unwrap();
        let purls: Vec<&str> =
            bill["components"].as_array().unwrap().iter().filter_map(|c| c["purl"].as_str()).collect();
        assert!(
            purls.contains(&"pkg:cargo/glib@1.0.0") && purls.contains(&"pkg:pypi/torch@2.11.0"),
            "{purls:?}"
        );
        assert!(bill.to_string().contains("GPL-3.0-or-later WITH GCC-exception-3.1"), "{bill}");
        assert_eq!(bill["components"][0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        let no_roots = json!({ "packages": [], "resolve": { "nodes": [] } });
        assert!(linked(&no_roots).is_err());
    }
}
