//! `cargo xtask bench`: builds and runs the program in `tests/src/bin/bench/`.

use anyhow::Result;

use crate::{shell, workspace};

#[derive(clap::Args)]
pub struct BenchArgs {
    /// Write the table into BENCHMARKS.md as well
    #[arg(long)]
    write: bool,
    /// Measure the release build (compiles everything once more)
    #[arg(long)]
    release: bool,
}

pub fn run(args: &BenchArgs) -> Result<()> {
    crate::set_up(false)?;
    let root = workspace::root();
    let mut command = shell::cargo(&root);
    command.args(["run", "--package", "portrait-tests", "--bin", "bench"]);
    if args.release {
        command.arg("--release");
    }
    command.arg("--");
    if args.write {
        command.arg("--write").arg(root.join("BENCHMARKS.md"));
    }
    shell::run(&mut command)
}
