// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Python wheels that hold libtorch, downloaded by pip and checked.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::shell;

/// What tch 0.24 is bound to.
pub const TORCH_VERSION: &str = "2.11.0";

/// A wheel on PyPI.
pub struct Wheel {
    pub name: &'static str,
    pub version: &'static str,
    /// Platform tag of the file.
    platform: &'static str,
    file: &'static str,
    pub sha256: &'static str,
    pub megabytes: u32,
}

/// PyPI's torch is built for CUDA, but its CPU half runs alone beside two small libraries of CUDA's run time,
/// which spares the gigabytes of the rest.
pub const WHEELS: [Wheel; 3] = [
    Wheel {
        name: "nvidia-cuda-runtime",
        version: "13.0.96",
        platform: "manylinux2014_x86_64",
        file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
        megabytes: 2,
    },
    Wheel {
        name: "nvidia-cuda-cupti",
        version: "13.0.85",
        platform: "manylinux_2_25_x86_64",
        file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
        sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        megabytes: 11,
    },
    Wheel {
        name: "torch",
        version: TORCH_VERSION,
        platform: "manylinux_2_28_x86_64",
        file: "torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        sha256: "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
        megabytes: 531,
    },
];

/// Downloads every wheel that is not there yet and returns their files in the order of [`WHEELS`].
pub fn download_all(dir: &Path) -> Result<Vec<PathBuf>> {
    WHEELS.iter().map(|wheel| download(wheel, dir)).collect()
}

fn download(wheel: &Wheel, dir: &Path) -> Result<PathBuf> {
    let path = dir.join(wheel.file);
    if path.is_file() && sha256_of(&path)? == wheel.sha256 {
        return Ok(path);
    }
    let _ = fs::remove_file(&path);
    let python = python_with_pip()
        .context("python3 has no pip: install python3-pip (or set LIBTORCH to a libtorch of your own)")?;
    // pip collects a download in its temporary folder: ours is thrown away even where pip was killed.
    let scratch = dir.join("partial");
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(&scratch)?;
    let result = shell::run(pip_download(&python, wheel).arg("--dest").arg(dir).env("TMPDIR", &scratch));
    let _ = fs::remove_dir_all(&scratch);
    result.with_context(|| {
        format!("cannot download {} {}; run the same command again to resume", wheel.name, wheel.version)
    })?;
    if !path.is_file() {
        bail!("pip did not leave {} in {}", wheel.file, dir.display());
    }
    let found = sha256_of(&path)?;
    if found != wheel.sha256 {
        fs::remove_file(&path)?;
        bail!("{} has sha256 {found} where {} is due: it was removed", wheel.file, wheel.sha256);
    }
    Ok(path)
}

fn pip_download(python: &Path, wheel: &Wheel) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]);
    // The libraries are the same in the wheel of every Python: one is chosen, whatever runs pip.
    command.args(["--only-binary=:all:", "--implementation", "cp", "--python-version", "3.11"]);
    // Half a gigabyte of cache would only double what lies on the disk.
    command.args(["--platform", wheel.platform, "--no-cache-dir", "--retries", "5"]);
    command.arg(format!("{}=={}", wheel.name, wheel.version));
    command
}

/// A Python that can run pip: the user's own first, then the system's.
pub fn python_with_pip() -> Option<PathBuf> {
    ["python3", "/usr/bin/python3"]
        .map(PathBuf::from)
        .into_iter()
        .find(|python| shell::succeeds(Command::new(python).args(["-m", "pip", "--version"])))
}

fn sha256_of(path: &Path) -> Result<String> {
    let mut file = fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut chunk).with_context(|| format!("cannot read {}", path.display()))?;
        if read == 0 {
            break;
        }
        hash.update(&chunk[..read]);
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}
