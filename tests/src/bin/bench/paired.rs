// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two builds of the plugin beside each other: the same pipelines in turns, each in a process of its own, so that whatever
//! else the machine does hits both.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use portrait_tests::{data, machine, photo};

/// What both play: what it is called, properties of `facesynth`, caps of the pictures.
pub const PIPELINES: [(&str, &str, &str); 4] = [
    ("512x512 I420", "", "format=I420"),
    ("512x512 RGBA, cut out", "background=transparent", "format=RGBA"),
    ("1280x720 I420, framing=full", "framing=full", "format=I420,width=1280,height=720"),
    ("1080x1080 I420", "", "format=I420,width=1080,height=1080"),
];

/// Two builds, and how often each plays.
pub struct Pair {
    /// Folder of the plugin that the other is compared with.
    pub before: PathBuf,
    /// Folder of the plugin that is measured.
    pub after: PathBuf,
    /// A pack for both; without, each plays its own.
    pub pack: Option<PathBuf>,
    /// Turns; the median is told.
    pub rounds: usize,
}

/// What a process took.
#[derive(Clone, Copy, Default)]
struct Took {
    processor: Duration,
    wall: Duration,
}

/// After over before, of each round.
struct Ratios(Vec<f64>);

impl Ratios {
    fn of(rounds: &[[Took; 2]], what: impl Fn(&Took) -> Duration) -> Self {
        let mut ratios: Vec<f64> = rounds
            .iter()
            .map(|[before, after]| what(after).as_secs_f64() / what(before).as_secs_f64())
            .collect();
        ratios.sort_by(f64::total_cmp);
        Self(ratios)
    }

    /// Median, least and most.
    fn tell(&self) -> String {
        let Self(ratios) = self;
        let median = (ratios[(ratios.len() - 1) / 2] + ratios[ratios.len() / 2]) / 2.0;
        format!("{median:.3} ({:.3} to {:.3})", ratios[0], ratios[ratios.len() - 1])
    }
}

impl Pair {
    /// A table of ratios, after over before: below one is quicker.
    pub fn measure(&self) -> Result<String, String> {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "| after / before, median (least to most) of {} | processor time | wall time |",
            self.rounds
        );
        let _ = writeln!(text, "| --- | ---: | ---: |");
        let registries = tempfile::tempdir().map_err(|e| format!("cannot make a folder: {e}"))?;
        let mut played = 0;
        for (name, properties, caps) in PIPELINES {
            eprintln!("measuring {name}");
            match self.rounds(registries.path(), properties, caps) {
                Ok(rounds) => {
                    let (processor, wall) =
                        (Ratios::of(&rounds, |t| t.processor), Ratios::of(&rounds, |t| t.wall));
                    let _ = writeln!(text, "| {name} | {} | {} |", processor.tell(), wall.tell());
                    played += 1;
                }
                // An older build may not draw all that a newer one does.
                Err(error) => {
                    eprintln!("not compared: {error}");
                    let _ = writeln!(text, "| {name} | not compared | not compared |");
                }
            }
        }
        if played == 0 {
            return Err("no pipeline is played by both".to_owned());
        }
        let _ = writeln!(text, "| machine | {} | load {} |", machine::describe(), machine::load());
        Ok(text)
    }

    /// The turns of one pipeline.
    fn rounds(&self, registries: &Path, properties: &str, caps: &str) -> Result<Vec<[Took; 2]>, String> {
        let mut rounds = Vec::new();
        // The first turn warms up what both read.
        for round in 0..=self.rounds {
            let mut took = [Took::default(); 2];
            // Who begins changes from turn to turn.
            for build in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                took[build] = self.play(build, registries, properties, caps)?;
            }
            if round > 0 {
                rounds.push(took);
            }
        }
        Ok(rounds)
    }

    /// One run of the build before (0) or after (1); plugins are looked up in a registry of its own.
    fn play(&self, build: usize, registries: &Path, properties: &str, caps: &str) -> Result<Took, String> {
        let plugin = [&self.before, &self.after][build];
        let pack = match &self.pack {
            Some(pack) => format!("model-pack={}/", pack.display()),
            None => String::new(),
        };
        let line = format!(
            "filesrc location={} ! wavparse ! talkinghead {pack} portrait={} {properties} ! video/x-raw,{caps} ! fakesink",
            data("speech-af_heart.wav").display(),
            photo()
        );
        let mut command = Command::new("gst-launch-1.0");
        command.arg("-q").args(line.split_whitespace()).env("GST_PLUGIN_PATH", plugin);
        command.env("GST_REGISTRY", registries.join(build.to_string()));
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let (began, worked) = (Instant::now(), machine::children_processor_time());
        let output = command.output().map_err(|e| format!("cannot run gst-launch-1.0: {e}"))?;
        let took = Took { wall: began.elapsed(), processor: machine::children_processor_time() - worked };
        if output.status.success() {
            Ok(took)
        } else {
            Err(format!("{}: {}", plugin.display(), String::from_utf8_lossy(&output.stderr).trim()))
        }
    }
}
