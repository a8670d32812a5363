// SPDX-License-Identifier: MIT OR Apache-2.0
//! `animate photo.jpg speech.wav`: a talking portrait as an MP4 file; `animate --video clip.mp4 voice.wav`: a person in a video
//! speaks another voice; `animate --jobs table.csv`: many films.

// A command-line program speaks on its standard streams.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod console;
mod film;
mod jobs;
mod message;
mod output;
mod packages;
mod properties;
mod render;
mod source;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

/// Renders a talking portrait from a photo and a recording
#[derive(Parser)]
#[command(name = "animate", version)]
struct Args {
    /// Photo with a face in it (PNG, JPEG or WebP); with --video this is the recording
    #[arg(required_unless_present_any = ["jobs", "job_worker"])]
    photo: Option<PathBuf>,
    /// Video of a person who speaks the recording instead, in any format that GStreamer decodes; takes the place of the photo
    #[arg(long, conflicts_with_all = ["audio", "portrait_open", "reference", "framing", "seed", "jobs"])]
    video: Option<PathBuf>,
    /// What is seen of a person in a video while the voice is silent: the video's own mouth, or a shut one
    #[arg(long, default_value = "original")]
    silence: Silence,
    /// How far mouth and jaw of a person in a video move, 0 to 2
    #[arg(long, default_value_t = 1.0, value_parser = amplitude, allow_negative_numbers = true)]
    amplitude: f64,
    /// Second photo of the same person, with the mouth open: teeth are drawn from it
    #[arg(long)]
    portrait_open: Option<PathBuf>,
    /// How the person talks: a video of them who talks (2 to 6 s), or a folder with several photos
    #[arg(long, value_name = "FILE|FOLDER")]
    reference: Option<PathBuf>,
    /// Which face of the photo or of the video: largest, left, right, a number (1 = the first from the left) or x,y (0 to 1)
    #[arg(long, default_value = "largest")]
    face: String,
    /// Recording of speech, in any format that GStreamer decodes
    #[arg(required_unless_present_any = ["video", "jobs", "job_worker"])]
    audio: Option<PathBuf>,
    /// MP4 file to write
    #[arg(long, short, default_value = "portrait.mp4")]
    output: PathBuf,
    /// Emotion to speak with
    #[arg(long, default_value = "neutral")]
    emotion: Emotion,
    /// Strength of the emotion, 0 to 1
    #[arg(long, default_value_t = 1.0, value_parser = intensity, allow_negative_numbers = true)]
    emotion_intensity: f64,
    /// The face alone (a square) or the whole photo
    #[arg(long, default_value = "crop")]
    framing: Framing,
    /// Learn the person of the video before its first frame, and not only as it plays
    #[arg(long)]
    analyse: bool,
    /// Seed of the head's movements and blinks
    #[arg(long, allow_negative_numbers = true)]
    seed: Option<u32>,
    /// Where the models run: auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: String,
    /// CPU threads of the models, 0 = one
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    num_threads: u32,
    /// Name or folder of a model pack
    #[arg(long, default_value = "lite")]
    model_pack: String,
    /// Seconds without any progress after which the rendering is given up, 0 = never
    #[arg(long, default_value_t = 20, allow_negative_numbers = true)]
    patience: u32,
    /// Table of films instead of a photo and a recording: CSV, JSON Lines or Parquet with the columns photo, voice, output, and any
    /// property of talkinghead; paths are seen from the table's folder
    #[arg(long, conflicts_with_all = ["photo", "audio", "output"])]
    jobs: Option<PathBuf>,
    /// Only one of N parts of the table, I/N with I from 1 on
    #[arg(long)]
    shard: Option<jobs::Shard>,
    /// Leave rows out whose film is there
    #[arg(long)]
    skip_done: bool,
    /// Processes side by side, 0 = one a core
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    workers: usize,
    /// File to which a line of JSON goes for each row; otherwise it lies beside the table
    #[arg(long)]
    report: Option<PathBuf>,
    /// Only print the rows as they are read, a line of JSON each
    #[arg(long, conflicts_with = "skip_done")]
    plan: bool,
    /// Be a process that makes films for another one
    #[arg(long, hide = true, exclusive = true)]
    job_worker: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Emotion {
    Neutral,
    Happy,
    Sad,
    Surprise,
    Fear,
    Angry,
    Disgust,
    Contempt,
}

#[derive(Clone, Copy, ValueEnum)]
enum Framing {
    Crop,
    Full,
}

#[derive(Clone, Copy, ValueEnum)]
enum Silence {
    Original,
    Shut,
}

/// Options that mean something beside another one alone. clap would let them pass beside what that one excludes.
const BESIDE: [(&str, &[&str]); 2] = [
    ("video", &["silence", "amplitude", "analyse"]),
    ("jobs", &["shard", "skip_done", "workers", "report", "plan"]),
];

/// The option that is given without the one that it belongs to, and that one.
fn idle(matches: &ArgMatches) -> Option<(&'static str, &'static str)> {
    let given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
    let missing = BESIDE.iter().filter(|(needed, _)| !given(needed));
    let mut all = missing.flat_map(|(needed, names)| names.iter().map(move |name| (*name, *needed)));
    all.find(|(name, _)| given(name))
}

fn amplitude(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if (0.0..=2.0).contains(&value) { Ok(value) } else { Err("it must lie within 0 and 2".into()) }
}

fn intensity(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("it must lie within 0 and 1".into()) }
}

/// The name of a choice on the command line, which is the element's too.
fn nick(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
}

impl Args {
    /// From the command line; what is wrong with that ends the program.
    fn of_process() -> Self {
        let matches = Self::command().get_matches();
        if let Some((name, needed)) = idle(&matches) {
            let text = format!("--{} needs --{needed}", name.replace('_', "-"));
            Self::command().error(ErrorKind::MissingRequiredArgument, text).exit();
        }
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Who speaks, and the recording; none where a table tells of both.
    fn inputs(&self) -> Option<(film::Subject<'_>, &Path)> {
        let first = self.photo.as_deref()?;
        match &self.video {
            Some(video) => Some((film::Subject::Video(video), first)),
            None => Some((film::Subject::Photo(first), self.audio.as_deref()?)),
        }
    }

    /// Properties that the options are, as text: of `facedub` where there is a video, else of `talkinghead`.
    fn properties(&self) -> Vec<(String, String)> {
        let mut all = vec![
            ("face", self.face.clone()),
            ("model-pack", self.model_pack.clone()),
            ("device", self.device.clone()),
            ("num-threads", self.num_threads.to_string()),
            ("emotion", nick(&self.emotion)),
            ("emotion-intensity", self.emotion_intensity.to_string()),
        ];
        if self.video.is_some() {
            all.extend([("silence", nick(&self.silence)), ("amplitude", self.amplitude.to_string())]);
            // What comes through a pipe is seen once.
            let clip = self.video.as_ref().filter(|clip| self.analyse && clip.is_file());
            all.extend(clip.and_then(|clip| clip.to_str()).map(|clip| ("analyse", clip.to_owned())));
        } else {
            all.push(("framing", nick(&self.framing)));
        }
        all.extend(self.seed.map(|seed| ("seed", seed.to_string())));
        let paths = [("portrait-open", &self.portrait_open), ("reference", &self.reference)];
        let given =
            paths.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?.display().to_string())));
        all.extend(given);
        all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn run(args: &Args) -> Result<()> {
    if args.job_worker {
        return jobs::worker::serve();
    }
    if let Some(table) = &args.jobs {
        return jobs::run(&jobs::Jobs {
            table,
            shard: args.shard,
            skip_done: args.skip_done,
            plan: args.plan,
            workers: args.workers,
            report: args.report.as_deref(),
            patience: args.patience,
            defaults: args.properties(),
        });
    }
    // clap asks for both where there is no table.
    let Some((subject, voice)) = args.inputs() else { return Ok(()) };
    source::check_readable(subject.file())?;
    source::check_readable(voice)?;
    if let Some(video) = subject.video() {
        source::check_video(video)?;
    }
    output::clean_up_on_signals()?;
    gst::init().context("GStreamer does not start")?;
    let request = render::Request {
        subject,
        voice,
        output: &args.output,
        properties: &args.properties(),
        patience: Duration::from_secs(args.patience.into()),
    };
    let bar = ProgressBar::new(0);
    let style = "{bar:40} {percent:>3} %  {msg}  {eta} to go";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let start = Instant::now();
    let made = render::render(&request, &bar);
    bar.finish_and_clear();
    let made = match made {
        Ok(made) => made,
        Err(render::Failure::Said(error)) => return Err(error),
        Err(render::Failure::Stuck(error)) => {
            // The end of the program would wait for a thread that does not end.
            eprintln!("error: {error:#}");
            signal_hook::low_level::exit(1);
        }
    };
    let wall = start.elapsed().as_secs_f64();
    for warning in &made.warnings {
        eprintln!("warning: {warning}");
    }
    console::say(format_args!(
        "{}: {:.2} s in {wall:.2} s ({:.2} × real time)",
        args.output.display(),
        made.length.as_secs_f64(),
        made.length.as_secs_f64() / wall
    ))
}

fn main() -> ExitCode {
    match run(&Args::of_process()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_without_the_one_that_it_belongs_to_is_named() {
        let of = |words: &str| {
            let words = ["animate"].into_iter().chain(words.split(' '));
            idle(&Args::command().try_get_matches_from(words).unwrap())
        };
        assert_eq!(of("a.jpg b.wav --plan"), Some(("plan", "jobs")));
        assert_eq!(of("a.jpg b.wav --workers 2"), Some(("workers", "jobs")));
        assert_eq!(of("a.jpg b.wav --amplitude 1.0"), Some(("amplitude", "video")));
        assert_eq!(of("--jobs t.csv --silence shut"), Some(("silence", "video")));
        for fine in
            ["a.jpg b.wav", "--video a.mp4 b.wav --silence shut --analyse", "--jobs t.csv --plan --shard 1/2"]
        {
            assert_eq!(of(fine), None, "{fine}");
        }
    }

    #[test]
    fn a_number_below_a_range_is_told_as_one() {
        let words = "animate a.jpg b.wav --seed -1".split(' ');
        let said = Args::command().try_get_matches_from(words).unwrap_err().to_string();
        assert!(said.contains("-1 is not in 0..=4294967295"), "{said}");
    }
}
