// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lists the elements of which there is a golden description: the loader stands in for each of them.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Descriptions as `cargo xtask docs` writes them, one a file.
const DESCRIPTIONS: &str = "../../tests/golden/inspect";

fn main() {
    gst_plugin_version_helper::info();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(DESCRIPTIONS);
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", folder.display());
    let list = list(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo says where")).join("elements.rs");
    std::fs::write(&out, list).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
}

/// `elements! { NAME: "CLASS" = "FILE", … }`, in the order of the names.
fn list(folder: &Path) -> std::io::Result<String> {
    let mut files = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    let mut list = String::from("elements! {\n");
    for path in files {
        let text = std::fs::read_to_string(&path)?;
        let class = text.lines().find_map(|line| line.strip_prefix("  class: ")?.split(' ').next());
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        // One that is being written says no class yet: `cargo xtask docs` completes it.
        if let Some(class) = class {
            // Writing into a string does not fail.
            let _ = writeln!(list, "    {name}: \"{class}Absent\" = {:?},", path.display().to_string());
        }
    }
    list.push_str("}\n");
    Ok(list)
}
