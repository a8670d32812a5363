// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask soak`: builds and runs the program in `tests/src/bin/soak.rs`, or the stress test of the elements.

use anyhow::Result;

use crate::{shell, workspace};

#[derive(clap::Args)]
pub struct SoakArgs {
    /// Minutes that a live pipeline plays
    #[arg(long, default_value_t = 30, group = "mode")]
    minutes: u64,
    /// Start and stop a pipeline so often instead
    #[arg(long, group = "mode")]
    cycles: Option<u64>,
    /// Seek in a pipeline, flushing, so often instead
    #[arg(long, group = "mode")]
    seeks: Option<u64>,
    /// Push, query, set properties and change states from many threads at once, a minute for each element, instead
    #[arg(long, group = "mode", conflicts_with = "dub")]
    stress: bool,
    /// A video in which another voice is spoken (`facedub`), with cuts, instead of a talking head
    #[arg(long)]
    dub: bool,
}

pub fn run(args: &SoakArgs) -> Result<()> {
    crate::set_up(&crate::SetupArgs::default())?;
    let mut command = shell::cargo(&workspace::root());
    if args.stress {
        command.args(["test", "--package", "gst-plugin-portrait", "--test", "stress", "--"]);
        command.args(["--ignored", "--nocapture", "--test-threads=1"]);
        return shell::run(&mut command);
    }
    command.args(["run", "--package", "portrait-tests", "--bin", "soak", "--"]);
    let (mode, count) = match (args.cycles, args.seeks) {
        (Some(cycles), _) => ("cycles", cycles),
        (_, Some(seeks)) => ("seeks", seeks),
        _ => ("minutes", args.minutes),
    };
    if mode != "minutes" {
        // Each life has threads of its own, and glibc gives threads heaps by chance, whose fragments look like a leak.
        command.env("MALLOC_ARENA_MAX", "1");
    }
    command.args([mode, &count.to_string()]);
    if args.dub {
        command.arg("dub");
    }
    shell::run(&mut command)
}
