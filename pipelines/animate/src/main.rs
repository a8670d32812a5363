//! `animate photo.jpg speech.wav`: a talking portrait as an MP4 file; `animate --video clip.mp4 voice.wav`: a person in a video
//! speaks another voice.

// A command-line program speaks on its standard streams.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod film;
mod message;
mod output;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Parser, ValueEnum};
use gst::prelude::*;
use indicatif::{ProgressBar, ProgressStyle};

/// Renders a talking portrait from a photo and a recording
#[derive(Parser)]
#[command(name = "animate", version)]
struct Args {
    /// Photo with a face in it (PNG, JPEG or WebP); with --video this is the recording
    photo: PathBuf,
    /// Video of a person who speaks the recording instead, in any format that GStreamer decodes; takes the place of the photo
    #[arg(long, conflicts_with_all = ["audio", "portrait_open", "framing", "seed"])]
    video: Option<PathBuf>,
    /// What is seen of a person in a video while the voice is silent: the video's own mouth, or a shut one
    #[arg(long, default_value = "original", requires = "video")]
    silence: Silence,
    /// How far mouth and jaw of a person in a video move, 0 to 2
    #[arg(long, default_value_t = 1.0, value_parser = amplitude, requires = "video")]
    amplitude: f64,
    /// Second photo of the same person, with the mouth open: teeth are drawn from it
    #[arg(long)]
    portrait_open: Option<PathBuf>,
    /// Which face of the photo or of the video: largest, left, right, a number (1 = the first from the left) or x,y (0 to 1)
    #[arg(long, default_value = "largest")]
    face: String,
    /// Recording of speech, in any format that GStreamer decodes
    #[arg(required_unless_present = "video")]
    audio: Option<PathBuf>,
    /// MP4 file to write
    #[arg(long, short, default_value = "portrait.mp4")]
    output: PathBuf,
    /// Emotion to speak with
    #[arg(long, default_value = "neutral")]
    emotion: Emotion,
    /// Strength of the emotion, 0 to 1
    #[arg(long, default_value_t = 1.0, value_parser = intensity)]
    emotion_intensity: f64,
    /// The face alone (a square) or the whole photo
    #[arg(long, default_value = "crop")]
    framing: Framing,
    /// Seed of the head's movements and blinks
    #[arg(long)]
    seed: Option<u32>,
    /// Where the models run: auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: String,
    /// CPU threads of the models, 0 = libtorch's own choice
    #[arg(long, default_value_t = 0)]
    num_threads: u32,
    /// Name or folder of a model pack
    #[arg(long, default_value = "lite")]
    model_pack: String,
    /// Seconds without any progress after which the rendering is given up, 0 = never
    #[arg(long, default_value_t = 20)]
    patience: u32,
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

impl Args {
    /// The recording.
    fn audio(&self) -> &Path {
        self.audio.as_ref().unwrap_or(&self.photo)
    }

    /// The photo, where there is no video.
    fn photo(&self) -> Option<&Path> {
        self.audio.as_ref().map(|_| self.photo.as_path())
    }
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

fn check_inputs(args: &Args) -> Result<()> {
    let inputs = || {
        let more = args.portrait_open.iter().chain(&args.video).map(PathBuf::as_path);
        [args.audio()].into_iter().chain(args.photo()).chain(more)
    };
    for file in inputs() {
        if file.is_dir() {
            bail!("{} is a folder, not a file", file.display());
        }
        let named = || format!("cannot read {}", file.display());
        // What is said into a pipe is heard once.
        if file.metadata().with_context(named)?.is_file() {
            std::fs::File::open(file).with_context(named)?;
        }
    }
    let same = |a: &Path, b: &Path| a.canonicalize().ok().is_some_and(|a| b.canonicalize().ok() == Some(a));
    if inputs().any(|input| same(&args.output, input)) {
        bail!("{} would be overwritten: choose another --output", args.output.display());
    }
    Ok(())
}

fn run(args: &Args) -> Result<()> {
    check_inputs(args)?;
    output::clean_up_on_signals()?;
    gst::init().context("GStreamer does not start")?;
    let output = output::Output::create(&args.output)?;
    let mut film = film::Film::new(args.audio(), args.video.as_deref(), output.path())?;
    let head = &film.head;
    if let Some(photo) = args.photo() {
        head.set_property("portrait", photo.display().to_string());
        head.set_property(
            "portrait-open",
            args.portrait_open.as_ref().map(|path| path.display().to_string()),
        );
        head.set_property_from_str("framing", &nick(&args.framing));
    } else {
        head.set_property_from_str("silence", &nick(&args.silence));
        head.set_property_from_str("amplitude", &args.amplitude.to_string());
    }
    head.set_property("face", &args.face);
    if head.property::<String>("face") != args.face {
        bail!(
            "--face {} names no face: write largest, left, right, a number (1 = the first from the left) or x,y (parts of the \
             picture's width and height, 0 to 1)",
            args.face
        );
    }
    head.set_property("model-pack", &args.model_pack);
    head.set_property("device", &args.device);
    head.set_property("num-threads", args.num_threads);
    head.set_property_from_str("emotion", &nick(&args.emotion));
    head.set_property_from_str("emotion-intensity", &args.emotion_intensity.to_string());
    if let Some(seed) = args.seed {
        head.set_property("seed", seed);
    }

    let start = Instant::now();
    let patience = Duration::from_secs(args.patience.into());
    let rendered = render(&mut film, patience);
    if !film.stop() {
        // The end of the program would wait for a thread that does not end, and leave the file.
        drop(output);
        let error = rendered.err().unwrap_or_else(|| anyhow!("the pipeline does not stop"));
        eprintln!("error: {error:#}");
        signal_hook::low_level::exit(1);
    }
    let length = rendered?;
    output.finish()?;
    let wall = start.elapsed().as_secs_f64();
    for warning in film.warnings() {
        eprintln!("warning: {warning}");
    }
    println!(
        "{}: {:.2} s in {wall:.2} s ({:.2} × real time)",
        args.output.display(),
        length.as_secs_f64(),
        length.as_secs_f64() / wall
    );
    Ok(())
}

/// Plays to the end under a progress bar; returns the length of the film.
fn render(film: &mut film::Film, patience: Duration) -> Result<Duration> {
    let bar = ProgressBar::new(0);
    let style = "{bar:40} {percent:>3} %  {msg}  {eta} to go";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let result = play(film, patience, &bar);
    bar.finish_and_clear();
    result.map(|()| film.drawn().into())
}

fn play(film: &mut film::Film, limit: Duration, bar: &ProgressBar) -> Result<()> {
    film.play()?;
    let mut patience = watch::Patience::new(limit);
    while !film.wait(gst::ClockTime::from_mseconds(100))? {
        if patience.is_over(film.moves()) {
            bail!("nothing has moved for {} s: {}", limit.as_secs(), film.cause());
        }
        if let Some(duration) = film.duration() {
            let at = film.drawn();
            bar.set_length(duration.mseconds());
            bar.set_position(at.mseconds());
            bar.set_message(format!("{:.1} of {:.1} s", seconds(at), seconds(duration)));
        }
    }
    Ok(())
}

fn seconds(time: gst::ClockTime) -> f64 {
    Duration::from(time).as_secs_f64()
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
