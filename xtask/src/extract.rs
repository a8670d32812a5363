// SPDX-License-Identifier: MIT OR Apache-2.0
//! libtorch out of its wheels.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

/// Libraries that a CPU program needs; libtorch_cuda and libtorch_python stay behind.
const LIBRARIES: [&str; 6] =
    ["libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libtorch.so", "libcudart.so.13", "libcupti.so.13"];

/// Unpacks headers and CPU libraries of the wheels into `dir/include` and `dir/lib`.
pub fn unpack(wheels: &[PathBuf], dir: &Path) -> Result<()> {
    for wheel in wheels {
        unpack_one(wheel, dir).with_context(|| format!("cannot unpack {}", wheel.display()))?;
    }
    for library in LIBRARIES {
        if !dir.join("lib").join(library).is_file() {
            bail!("none of the wheels holds {library}");
        }
    }
    Ok(())
}

fn unpack_one(wheel: &Path, dir: &Path) -> Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(wheel)?)?;
    let mut wanted = Vec::new();
    let mut bytes = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        if let (Some(name), true) = (entry.enclosed_name(), entry.is_file())
            && let Some(place) = place_of(&name)
        {
            bytes += entry.size();
            wanted.push((index, place));
        }
    }
    let bar = ProgressBar::new(bytes);
    let style = "unpacking {bar:40} {bytes}/{total_bytes} {wide_msg}";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    for (index, place) in wanted {
        let mut entry = archive.by_index(index)?;
        let path = dir.join(&place);
        fs::create_dir_all(path.parent().unwrap_or(dir))?;
        if place.starts_with("lib") {
            bar.set_message(place.display().to_string());
        }
        let mut out = File::create(&path)?;
        io::copy(&mut entry, &mut bar.wrap_write(&mut out))?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// Where a file of a wheel goes; `None` for what is not needed.
fn place_of(name: &Path) -> Option<PathBuf> {
    if let Ok(header) = name.strip_prefix("torch/include") {
        return Some(Path::new("include").join(header));
    }
    let file = name.file_name()?.to_str()?;
    let folder = name.parent()?;
    let of_torch = folder == Path::new("torch/lib");
    let of_cuda = folder.starts_with("nvidia") && folder.ends_with("lib");
    ((of_torch || of_cuda) && LIBRARIES.contains(&file)).then(|| Path::new("lib").join(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn wheel(path: &Path, names: &[&str]) {
        let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
        for name in names {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(name.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
    }

    #[test]
    fn headers_and_cpu_libraries_are_taken_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (torch, cuda) = (dir.path().join("torch.whl"), dir.path().join("cuda.whl"));
        let of_torch = ["libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libtorch.so", "libtorch_cuda.so"]
            .map(|l| format!("torch/lib/{l}"));
        let mut names: Vec<&str> = of_torch.iter().map(String::as_str).collect();
        names.extend(["torch/include/torch/script.h", "torch/nn/functional.py", "../evil"]);
        wheel(&torch, &names);
        wheel(&cuda, &["nvidia/cu13/lib/libcudart.so.13", "nvidia/cu13/lib/libcupti.so.13"]);

        let out = dir.path().join("out");
        assert!(unpack(std::slice::from_ref(&torch), &out).is_err(), "CUDA's libraries are missing");
        unpack(&[torch, cuda], &out).unwrap();
        let mut libraries: Vec<_> = fs::read_dir(out.join("lib"))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        libraries.sort();
        let mut expected = LIBRARIES.map(str::to_owned);
        expected.sort();
        assert_eq!(libraries, expected);
        assert!(out.join("include/torch/script.h").is_file());
        assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
    }
}
