// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask test`: every test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::{installed, packages, shell, workspace};

/// The interpreter that the distribution's bindings of GStreamer belong to.
const SYSTEM_PYTHON: &str = "/usr/bin/python3";

#[derive(clap::Args)]
pub struct TestArgs {
    /// Only the test of the installed plugin, with a release build (without this flag it runs on the debug build)
    #[arg(long)]
    installed: bool,
}

/// Sets up and runs what the arguments ask for.
pub fn run(args: &TestArgs) -> Result<()> {
    crate::set_up(&crate::SetupArgs::default())?;
    if args.installed {
        return timed("installed plugin (release)", || installed::test(installed::Profile::Release));
    }
    let root = workspace::root();
    let mut skipped = Vec::new();

    timed("build", || shell::run(shell::cargo(&root).args(["build", "--workspace"])))?;
    timed("Rust tests", || shell::run(&mut rust_tests(&root)))?;
    timed("Python reads metadata; real programs show the live head", || {
        let mut python = Command::new(SYSTEM_PYTHON);
        python.args(["-m", "unittest", "discover", "--start-directory", "tests/python", "--verbose"]);
        shell::run(python.current_dir(&root).env("GST_PLUGIN_PATH", workspace::build_dir()?))
    })?;
    timed("Python package", || {
        let mut python = Command::new(SYSTEM_PYTHON);
        python.args(["-m", "unittest", "discover", "--start-directory", "python/tests"]);
        shell::run(python.current_dir(&root).env("GST_PLUGIN_PATH", workspace::build_dir()?))
    })?;
    match python_with_torch(&root) {
        Some(python) => timed("models", || {
            shell::run(Command::new(python).args(["-m", "pytest", "--quiet", "models"]).current_dir(&root))
        })?,
        None => skipped.push(
            "the tests of models/: no Python has torch and pytest; `python3 -m venv .deps/venv && .deps/venv/bin/pip install \
             --requirement models/requirements.txt` brings them",
        ),
    }
    if shell::on_path("meson") && shell::on_path("ninja") {
        timed("installed plugin", || installed::test(installed::Profile::Dev))?;
    } else {
        skipped.push(
            "the test of the installed plugin: meson or ninja is missing; `cargo xtask setup` brings them",
        );
    }
    let absent = packages::missing_on_air();
    if !absent.is_empty() {
        println!(
            "Skipped: the tests of live scenarios that need {}; `cargo xtask setup --on-air` installs them",
            absent.join(", ")
        );
    }
    for what in &skipped {
        println!("Skipped: {what}");
    }
    println!("All tests passed.");
    Ok(())
}

/// cargo-nextest isolates each test in a process of its own; without it, `cargo test` runs the same tests.
fn rust_tests(root: &Path) -> Command {
    let mut command = shell::cargo(root);
    if shell::succeeds(shell::cargo(root).args(["nextest", "--version"])) {
        command.args(["nextest", "run", "--workspace"]);
    } else {
        command.args(["test", "--workspace", "--lib", "--bins", "--tests"]);
    }
    // Tests already run side by side: threads of libtorch on top would only wait for each other.
    command.env("OMP_NUM_THREADS", "1");
    command
}

fn python_with_torch(root: &Path) -> Option<PathBuf> {
    if !root.join("models").is_dir() {
        return None;
    }
    // A virtual environment of the checkout, as models/README.md makes it, goes first, then the one that is active.
    let active = std::env::var_os("VIRTUAL_ENV").map(|venv| PathBuf::from(venv).join("bin/python"));
    [Some(root.join(".deps/venv/bin/python")), active, Some("python3".into()), Some(SYSTEM_PYTHON.into())]
        .into_iter()
        .flatten()
        .find(|python| shell::succeeds(Command::new(python).args(["-c", "import torch, pytest"])))
}

fn timed(name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("\n== {name}");
    let start = Instant::now();
    step()?;
    println!("== {name}: {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}
