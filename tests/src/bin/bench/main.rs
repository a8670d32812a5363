// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask bench`: how fast the demo's pipeline is, what each element takes, and how that compares with one pass
//! of a full-size neural generator on the same machine; or the latency of a live pipeline; or two builds of the plugin; or another
//! pack.

// A command-line program speaks on its standard streams.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod dub;
mod live;
mod pack;
mod paired;
mod profile;
mod stages;
mod streams;
mod whole;
mod yardstick;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use portrait_tests::machine;

/// What the numbers are held against.
const GOALS: &str = "Goals on 2 CPU cores: whole pipeline >= 1.5 x real time, facesynth <= 15 ms a frame, first picture \
                     <= 1.5 s after PLAYING, peak memory <= 900 MB; a film dubbed >= 1.3 x real time, <= 500 MB.";

#[derive(clap::Parser)]
struct Arguments {
    /// Write the table into this file as well
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Measure that many talking heads in one process instead
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=64))]
    streams: Option<u64>,
    /// Measure the latency of a live pipeline instead, for so long
    #[arg(long, value_name = "SECONDS")]
    live: Option<u64>,
    /// Tell where the time of a frame goes instead
    #[arg(long)]
    profile: bool,
    /// Compare this build of the plugin with the one in that folder instead
    #[arg(long, value_name = "FOLDER")]
    against: Option<PathBuf>,
    /// Folder of the plugin that is compared
    #[arg(long, value_name = "FOLDER", requires = "against")]
    plugin: Option<PathBuf>,
    /// Tell what a picture of that model pack takes instead, which GST_PORTRAIT_TRUSTED_PACKS trusts; or a pack for both builds
    #[arg(long, value_name = "FOLDER")]
    pack: Option<PathBuf>,
    /// Pictures that are drawn with a pack
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=250))]
    pictures: u64,
    /// Dub that film and tell three numbers of it: what the table asks a process of its own
    #[arg(long, value_name = "FILM", hide = true)]
    dub: Option<PathBuf>,
    /// How often both play each pipeline
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
}

fn main() {
    let arguments = <Arguments as clap::Parser>::parse();
    portrait_tests::init();
    let table = if let Some(film) = arguments.dub {
        dub::tell(&film)
    } else if let Some(count) = arguments.streams {
        Ok(streams::measure(count as usize))
    } else if let Some(seconds) = arguments.live {
        Ok(live::measure(seconds))
    } else if arguments.profile {
        Ok(profile::measure())
    } else if let Some(before) = arguments.against {
        let (after, pack) = (arguments.plugin.unwrap_or_else(machine::program_folder), arguments.pack);
        paired::Pair { before, after, pack, rounds: arguments.rounds as usize }.measure()
    } else if let Some(folder) = arguments.pack {
        pack::measure(&folder, arguments.pictures)
    } else {
        all(arguments.write.as_deref())
    };
    match table {
        Ok(table) => println!("\n{table}"),
        Err(error) => {
            eprintln!("error: {error}");
            std::process::exit(1);
        }
    }
}

/// Everything about one stream.
fn all(file: Option<&Path>) -> Result<String, String> {
    // First, because peak memory is the process's: what follows must not count.
    eprintln!("measuring the whole pipeline");
    let whole = whole::measure("");
    eprintln!("measuring it with every control");
    let controlled = whole::measure(whole::EVERY_CONTROL);
    eprintln!("measuring the elements");
    let stages = stages::measure();
    // The first one is what was measured just now.
    let pictures: Vec<(&str, f64)> = paired::PIPELINES[1..]
        .iter()
        .map(|(what, properties, caps)| {
            eprintln!("measuring {what}");
            (*what, stages::picture(properties, caps))
        })
        .collect();
    eprintln!("measuring a film that is dubbed");
    let dub = dub::measure()?;
    eprintln!("measuring {} GMAC of convolutions", yardstick::GMAC);
    let yardstick = yardstick::measure();

    let table = report([&whole, &controlled], &stages, &pictures, &dub, &yardstick);
    if let Some(path) = file {
        let text = format!("# Benchmarks\n\nWritten by `cargo xtask bench --write`.\n\n{table}");
        std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(table)
}

fn report(
    [whole, controlled]: [&whole::Whole; 2],
    stages: &stages::Stages,
    pictures: &[(&str, f64)],
    dub: &dub::Dub,
    yardstick: &yardstick::Yardstick,
) -> String {
    let mut text = String::new();
    let frame_ms = whole.steady.as_secs_f64() * 1e3 / whole.frames as f64;
    let mut row = |what: &str, value: String| {
        // Writing into a string does not fail.
        let _ = writeln!(text, "| {what} | {value} |");
    };
    row("measured", "value".into());
    row("---", "---:".into());
    row("machine", machine::describe());
    row("speech", format!("{:.2} s, {} frames of 512x512", whole.length.as_secs_f64(), whole.frames));
    let speed = |wall: std::time::Duration| {
        format!("{:.2} x real time", whole.length.as_secs_f64() / wall.as_secs_f64())
    };
    row("whole pipeline (x264enc veryfast, AAC)", speed(whole.steady));
    row("the same with start-up", speed(whole.wall));
    row(
        "the same pipeline with every control switched on, and a coloured background",
        speed(controlled.steady),
    );
    row("first picture after PLAYING", format!("{:.2} s", whole.first_picture.as_secs_f64()));
    row("peak resident memory", format!("{} MB", whole.peak_kib * 1024 / 1_000_000));
    for stage in &stages.elements {
        row(
            &format!("{} (share of the time)", stage.name),
            format!("{:.2} ms a frame ({:.0} %)", stage.ms, stage.percent),
        );
    }
    for (what, ms) in pictures {
        row(&format!("facesynth, {what}"), format!("{ms:.2} ms a frame"));
    }
    row("facedub at 1280x720, all stages", format!("{:.2} ms a frame", dub.ms));
    row(
        "a film of 1280x720 dubbed (with decoder, x264enc veryfast, AAC)",
        format!("{:.2} x real time", dub.speed),
    );
    row("its peak resident memory", format!("{} MB", dub.peak_kib * 1024 / 1_000_000));
    row(
        &format!("{} GMAC of convolutions, {} threads", yardstick::GMAC, yardstick.threads),
        format!("{:.0} ms ({:.0} GMAC/s)", yardstick.ms, yardstick::GMAC as f64 / yardstick.ms * 1e3),
    );
    let mut ratio = |what: &str, ms: f64| {
        row(&format!("that pass / {what}"), format!("{:.0} times", yardstick.ms / ms));
    };
    for name in ["facesynth", "audiofeatures"] {
        ratio(name, stages.elements.iter().find(|s| s.name == name).map_or(f64::NAN, |s| s.ms));
    }
    for (what, ms) in pictures {
        ratio(&format!("facesynth, {what}"), *ms);
    }
    ratio("facedub", dub.ms);
    ratio("whole pipeline a frame", frame_ms);
    let _ = writeln!(text, "\n{GOALS}");
    let _ = writeln!(
        text,
        "\nThe convolutions are those of LivePortrait's warping network (171 GMAC, mostly 3-D) and SPADE decoder \
         (446 GMAC), run by the same libtorch in the same call; activations, normalisations and warping of such a \
         generator come on top. Elements are timed in one thread, without what they call downstream; whole pipeline: \
         first to last picture."
    );
    text
}
