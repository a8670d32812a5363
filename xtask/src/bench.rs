// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask bench`: builds and runs the program in `tests/src/bin/bench/`.

use std::path::PathBuf;

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
    /// Measure that many talking heads in one process instead (1 to 64)
    #[arg(long, conflicts_with_all = ["write", "live"], value_name = "COUNT")]
    streams: Option<usize>,
    /// Measure the latency of a live pipeline instead, from the microphone to the encoded picture
    #[arg(long, conflicts_with = "write")]
    live: bool,
    /// Length of the live measurement; above 120 only the pipeline with an encoder is measured
    #[arg(long, default_value_t = 30, requires = "live")]
    seconds: u64,
    /// Tell where the time of a frame goes instead: each part's time and allocations
    #[arg(long, conflicts_with_all = ["write", "live", "streams", "against"])]
    profile: bool,
    /// Compare with the plugin in that folder instead: both play the same pipelines in turns
    #[arg(long, conflicts_with_all = ["write", "live", "streams"], value_name = "FOLDER")]
    against: Option<PathBuf>,
    /// Tell what a picture of a model pack takes instead, which GST_PORTRAIT_TRUSTED_PACKS trusts; with --against: a pack for both
    #[arg(long, conflicts_with_all = ["write", "live", "streams", "profile"], value_name = "FOLDER")]
    pack: Option<PathBuf>,
    /// Pictures that are drawn with a pack
    #[arg(long, requires = "pack", conflicts_with = "against", value_name = "COUNT")]
    pictures: Option<u64>,
    /// How often both play each pipeline
    #[arg(long, requires = "against", value_name = "COUNT")]
    rounds: Option<u64>,
}

pub fn run(args: &BenchArgs) -> Result<()> {
    crate::set_up(&crate::SetupArgs::default())?;
    let root = workspace::root();
    if args.against.is_some() {
        // What is compared is the plugin as GStreamer loads it.
        let mut build = shell::cargo(&root);
        build.args(["build", "--package", "gst-plugin-portrait"]);
        if args.release {
            build.arg("--release");
        }
        shell::run(&mut build)?;
    }
    let mut command = shell::cargo(&root);
    command.args(["run", "--package", "portrait-tests", "--bin", "bench"]);
    // What users get: the tests' single precision comes from cargo's settings.
    command.env("GST_PORTRAIT_PRECISION", "auto");
    if args.release {
        command.arg("--release");
        // A release build knows nothing of this folder.
        command.env("GST_PORTRAIT_PACK_PATH", root.join("models/packs"));
    }
    command.arg("--");
    if args.live {
        command.arg("--live").arg(args.seconds.to_string());
    }
    if args.write {
        command.arg("--write").arg(root.join("BENCHMARKS.md"));
    }
    if args.profile {
        command.arg("--profile");
    }
    if let Some(count) = args.streams {
        command.arg("--streams").arg(count.to_string());
    }
    for (option, folder) in [("--against", &args.against), ("--pack", &args.pack)] {
        if let Some(folder) = folder {
            command.arg(option).arg(std::path::absolute(folder)?);
        }
    }
    for (option, count) in [("--rounds", args.rounds), ("--pictures", args.pictures)] {
        if let Some(count) = count {
            command.arg(option).arg(count.to_string());
        }
    }
    shell::run(&mut command)
}
