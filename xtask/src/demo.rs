// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask demo`: a photo speaks.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;

use crate::{media, shell, workspace};

/// Encoders of AAC, the one that Debian always has first.
const AAC_ENCODERS: [&str; 3] = ["avenc_aac", "fdkaacenc", "voaacenc"];

/// Values of the elements' properties `emotion` and `framing`, known before the plugin is built.
const EMOTIONS: [&str; 8] = ["neutral", "happy", "sad", "surprise", "fear", "angry", "disgust", "contempt"];
const FRAMINGS: [&str; 2] = ["crop", "full"];

#[derive(clap::Args)]
pub struct DemoArgs {
    /// Photo with a face in it (PNG, JPEG or WebP)
    #[arg(long)]
    portrait: Option<PathBuf>,
    /// Recording of speech, in any format that GStreamer decodes
    #[arg(long)]
    audio: Option<PathBuf>,
    /// Emotion to speak with
    #[arg(long, default_value = "neutral", value_parser = EMOTIONS)]
    emotion: String,
    /// File to write
    #[arg(long, default_value = "target/demo/demo.mp4")]
    output: PathBuf,
    /// The face alone (512x512) or the whole photo
    #[arg(long, default_value = "crop", value_parser = FRAMINGS)]
    framing: String,
    /// Also write its first seconds as an animated WebP that loops, marked as synthetic (needs ffmpeg)
    #[arg(long, value_name = "FILE")]
    clip: Option<PathBuf>,
}

/// Sets up, builds, renders, and says what was done.
pub fn run(args: &DemoArgs) -> Result<()> {
    // Wrong arguments are told before minutes of building.
    let data = workspace::root().join("tests/data");
    let portrait = existing(args.portrait.as_deref(), &data.join("portrait-grace-hopper.jpg"), "--portrait")?;
    let audio = existing(args.audio.as_deref(), &data.join("speech-af_heart.wav"), "--audio")?;
    let output = std::path::absolute(&args.output)?;
    let output = if args.output.starts_with("target") && args.output.is_relative() {
        workspace::root().join(&args.output)
    } else {
        output
    };
    for input in [&portrait, &audio] {
        if is_same_file(&output, input) {
            bail!("--output would overwrite {}: choose another", input.display());
        }
        if args.clip.as_deref().is_some_and(|clip| is_same_file(clip, input)) {
            bail!("--clip would overwrite {}: choose another", input.display());
        }
    }
    if args.clip.is_some() && !shell::on_path("ffmpeg") {
        bail!("--clip needs ffmpeg: sudo apt-get install ffmpeg");
    }
    if let Some(dir) = output.parent() {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("cannot make --output's folder {}", dir.display()))?;
    }

    crate::set_up(&crate::SetupArgs::default())?;
    println!("Building the plugin (the first time this compiles libtorch's bindings: about four minutes)");
    // The whole workspace, as the tests do: with fewer members cargo chooses other features of shared crates, and builds
    // them twice.
    shell::run(shell::cargo(&workspace::root()).args(["build", "--workspace"]))?;

    let mut launch = Command::new("gst-launch-1.0");
    launch.args(pipeline(&portrait, &audio, &output, args)?);
    launch.env("GST_PLUGIN_PATH", workspace::build_dir()?);
    println!("Rendering {} with {}", workspace::display(&portrait), workspace::display(&audio));
    let wall = render(&mut launch, &output)?;
    let length = media::mp4_duration(&output)?;

    println!();
    println!("Output   {}", workspace::display(&output));
    println!("Length   {:.2} s", length.as_secs_f64());
    println!(
        "Speed    {:.2} × real time ({:.2} s with start-up)",
        length.as_secs_f64() / wall.as_secs_f64(),
        wall.as_secs_f64()
    );
    if let Some(clip) = &args.clip {
        media::write_clip(&output, clip)?;
        println!("Clip     {}", clip.display());
    }
    println!("Launch   GST_PLUGIN_PATH={} \\", workspace::display(&workspace::build_dir()?));
    println!("         {}", shell::line_of(&launch));
    Ok(())
}

/// A file that the user named, or the bundled one.
fn existing(named: Option<&Path>, bundled: &Path, option: &str) -> Result<PathBuf> {
    let path = named.unwrap_or(bundled);
    if path.is_dir() {
        bail!("{option} {} is a folder, not a file", path.display());
    }
    std::fs::File::open(path).with_context(|| format!("cannot read {option} {}", path.display()))?;
    Ok(std::path::absolute(path)?)
}

/// Whether both paths lead to one file, however they are written.
fn is_same_file(a: &Path, b: &Path) -> bool {
    a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

/// The words behind `gst-launch-1.0`.
///
/// No queue can starve another: the sound waits for the picture (look-ahead of the portrait, then of the encoder) in a
/// queue without limits behind its encoder, so the source never stops for it; that queue grows by no more than what the
/// pictures in flight last, because their own queues are limited. A queue before the encoder would hold up the tee's
/// questions about a change of the sound's format until it is empty, which it never is; an encoder that starts anew asks as
/// well, and is refused. Samples are counted, because some decoders' timestamps are wrong.
fn pipeline(portrait: &Path, audio: &Path, output: &Path, args: &DemoArgs) -> Result<Vec<String>> {
    let aac = AAC_ENCODERS
        .into_iter()
        .find(|e| shell::succeeds(Command::new("gst-inspect-1.0").args(["--exists", e])))
        .context("GStreamer has no AAC encoder: install gstreamer1.0-libav")?;
    // Encoders take chroma-subsampled pictures of even size only if told to; players want nothing else.
    let picture = match args.framing.as_str() {
        "full" => "! videoscale ! video/x-raw,format=I420,width=[2,16384,2],height=[2,16384,2]",
        _ => "! video/x-raw,format=I420",
    };
    let name = |v: &dyn std::fmt::Display| v.to_string();

    let mut words =
        vec!["-e".to_owned(), "filesrc".to_owned(), format!("location={}", name(&audio.display()))];
    words.extend(split("! decodebin ! audioconvert ! audioresample ! audiorate tolerance=3600000000000"));
    words.extend(split("! tee name=t"));
    words.extend(split("t. ! queue ! talkinghead"));
    words.push(format!("portrait={}", name(&portrait.display())));
    words.extend([format!("emotion={}", args.emotion), format!("framing={}", args.framing)]);
    words.extend(split("! videoconvert"));
    words.extend(split(picture));
    words.extend(split("! queue ! x264enc speed-preset=veryfast ! queue ! mp4mux name=m ! filesink"));
    words.push(format!("location={}", name(&output.display())));
    // At 48 kHz the delay of an AAC encoder, 1024 samples, is shorter than a picture.
    words.extend(split("t. ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 !"));
    words.extend(split(&format!("{aac} ! identity drop-allocation=true")));
    words.extend(split("! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! m."));
    Ok(words)
}

fn split(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

fn render(launch: &mut Command, output: &Path) -> Result<Duration> {
    let _ = std::fs::remove_file(output);
    let spinner = ProgressBar::new_spinner().with_message("rendering");
    spinner.enable_steady_tick(Duration::from_millis(200));
    let start = Instant::now();
    let result =
        launch.stdin(Stdio::null()).output().context("cannot run gst-launch-1.0: install gstreamer1.0-tools");
    let wall = start.elapsed();
    spinner.finish_and_clear();
    let result = result?;
    if result.status.success() {
        return Ok(wall);
    }
    let text = String::from_utf8_lossy(&result.stderr);
    bail!("{}", reason(&text).unwrap_or_else(|| format!("gst-launch-1.0 failed: {text}")))
}

/// The sentence of an element's error message, without gst-launch's trimmings.
fn reason(stderr: &str) -> Option<String> {
    let line =
        stderr.lines().find(|l| l.starts_with("ERROR: from element") || l.contains("erroneous pipeline"))?;
    let text = line.splitn(3, ": ").nth(2).or_else(|| line.split_once(": ").map(|(_, t)| t))?;
    // Elements tell the details, such as a file's name, behind the place in their source.
    let detail = stderr
        .lines()
        .skip_while(|l| !l.starts_with("Additional debug info"))
        .nth(2)
        .filter(|d| !d.is_empty() && !d.starts_with("ERROR") && *d != text);
    Some(match detail {
        Some(detail) if detail.contains('/') => detail.to_owned(),
        Some(detail) => format!("{text} ({detail})"),
        None => text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_elements_error_is_told_in_its_words() {
        let stderr = "WARNING: x\nERROR: from element /GstPipeline:p/GstTalkingHead:h: cannot read \"a.png\": no face\n\
                      Additional debug info:\nsrc/imp.rs(1): f (): /GstPipeline:p\nERROR: pipeline doesn't want to preroll.\n";
        assert_eq!(reason(stderr).unwrap(), "cannot read \"a.png\": no face");
        let stderr = "ERROR: from element /GstPipeline:p/GstFaceSynth:s: Wrong type.\nAdditional debug info:\n\
                      src/imp.rs(1): f (): /GstPipeline:p\n\"/b/a.png\" shows no face\nERROR: no preroll.\n";
        assert_eq!(reason(stderr).unwrap(), "\"/b/a.png\" shows no face");
        let stderr = "WARNING: erroneous pipeline: no element \"talkinghead\"\n";
        assert_eq!(reason(stderr).unwrap(), "no element \"talkinghead\"");
        assert_eq!(reason("nothing"), None);
    }

    #[test]
    fn an_output_that_is_an_input_is_noticed_by_any_path() {
        let dir = tempfile::tempdir().unwrap();
        let photo = dir.path().join("photo.jpg");
        std::fs::write(&photo, "a photo").unwrap();
        std::fs::create_dir(dir.path().join("films")).unwrap();
        std::os::unix::fs::symlink(&photo, dir.path().join("link.mp4")).unwrap();
        for (output, same) in
            [("photo.jpg", true), ("films/../photo.jpg", true), ("link.mp4", true), ("films/new.mp4", false)]
        {
            assert_eq!(is_same_file(&dir.path().join(output), &photo), same, "{output}");
        }
    }

    #[test]
    fn a_missing_file_is_named_with_its_option() {
        let error = existing(Some(Path::new("/no/such.png")), Path::new("/"), "--portrait").unwrap_err();
        assert!(
            format!("{error:#}").starts_with("cannot read --portrait /no/such.png: No such file"),
            "{error:#}"
        );
        assert!(existing(Some(Path::new("/")), Path::new("/"), "--audio").is_err());
    }
}
