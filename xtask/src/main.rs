// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask …`: everything that a developer types, on a machine that has only cargo, a C linker and python3.

// A command-line program speaks on its standard streams.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod demo;
mod dist;
mod docs;
mod extract;
mod installed;
mod libtorch;
mod media;
mod packages;
mod shell;
mod soak;
mod test;
mod wheels;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Set-up, demo, tests and benchmarks of gst-portrait")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install system packages (Debian, Ubuntu) and the CPU build of libtorch; does nothing where both are there
    Setup(SetupArgs),
    /// Set up, build, and render a photo that speaks
    Demo(demo::DemoArgs),
    /// Set up and run every test
    Test(test::TestArgs),
    /// Measure the speed of the pipeline and of its elements
    Bench(bench::BenchArgs),
    /// Run a live pipeline for long, or start, stop and seek it often, and watch what it leaves behind
    Soak(soak::SoakArgs),
    /// Write what docs/ says of properties, pads, signals and metadata from the elements themselves
    Docs(docs::DocsArgs),
    /// Build packages: for Debian, for Python, and an archive
    Dist(dist::DistArgs),
}

#[derive(clap::Args, Default)]
struct SetupArgs {
    /// Leave the system's packages alone
    #[arg(long)]
    skip_packages: bool,

    /// Also install the programs that the tests of the live scenarios need: OBS, Chromium, PipeWire
    #[arg(long, conflicts_with = "skip_packages")]
    on_air: bool,
}

/// Packages, then libtorch.
fn set_up(args: &SetupArgs) -> Result<()> {
    if !args.skip_packages {
        packages::install_missing(args.on_air)?;
    }
    libtorch::install_if_missing()
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Setup(args) => {
            set_up(&args)?;
            println!("Ready: libtorch is at {}", libtorch::location()?.display());
            Ok(())
        }
        Task::Demo(args) => demo::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Soak(args) => soak::run(&args),
        Task::Docs(args) => docs::run(&args),
        Task::Dist(args) => dist::run(&args),
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, causes included: what went wrong and what to do about it.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
