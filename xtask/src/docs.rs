// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask docs`: what the documents and the golden descriptions say of properties, pads, signals and metadata comes from
//! the elements themselves.

use anyhow::{Context, Result};

use crate::{shell, workspace};

#[derive(clap::Args)]
pub struct DocsArgs {
    /// Only say whether the documents are current
    #[arg(long)]
    check: bool,
}

/// Writes the parts of the documents anew, or looks whether they are current.
pub fn run(args: &DocsArgs) -> Result<()> {
    let mut command = shell::cargo(&workspace::root());
    command.args(["test", "--quiet", "--package", "portrait-tests"]);
    command.args(["--test", "reference", "--test", "inspect"]);
    if !args.check {
        command.env("UPDATE_GOLDEN", "1");
    }
    shell::run(&mut command).context(if args.check {
        "the documents are not current: run `cargo xtask docs`"
    } else {
        "the documents could not be written"
    })
}
