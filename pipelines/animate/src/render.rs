// SPDX-License-Identifier: MIT OR Apache-2.0
//! One film, from its properties to its file.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use indicatif::ProgressBar;

use crate::film::Subject;
use crate::{film, output, properties, source, watch};

/// What is asked for.
pub struct Request<'a> {
    pub subject: Subject<'a>,
    pub voice: &'a Path,
    pub output: &'a Path,
    /// Properties of the element that animates, with their values as text.
    pub properties: &'a [(String, String)],
    /// How long nothing may move; no limit where it is zero.
    pub patience: Duration,
}

/// What came of it.
pub struct Made {
    pub length: Duration,
    pub warnings: Vec<String>,
}

/// Why there is no film.
pub enum Failure {
    Said(anyhow::Error),
    /// A thread of the pipeline does not end: the program should.
    Stuck(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Said(error)
    }
}

/// Makes a film; it gets its name when it is whole.
pub fn render(request: &Request, bar: &ProgressBar) -> Result<Made, Failure> {
    check_inputs(request)?;
    let output = output::Output::create(request.output)?;
    let mut film = film::Film::new(request.subject, request.voice, output.path(), request.output)?;
    let said = |reason: String| Failure::Said(anyhow!(reason));
    for (name, value) in request.properties {
        properties::set(&film.head, name, value).map_err(said)?;
    }
    let rendered = play(&mut film, request.patience, bar);
    if !film.stop() {
        let error = rendered.err().unwrap_or_else(|| anyhow!("the pipeline does not stop"));
        return Err(Failure::Stuck(error));
    }
    rendered?;
    output.finish()?;
    Ok(Made { length: film.drawn().into(), warnings: film.warnings().to_vec() })
}

/// Properties that name a file beside photo and voice; the last may be a folder.
pub const PATHS: [&str; 2] = ["portrait-open", "reference"];

fn check_inputs(request: &Request) -> Result<()> {
    let paths = || request.properties.iter().filter(|(name, _)| PATHS.contains(&name.as_str()));
    let inputs = || {
        [request.subject.file(), request.voice].into_iter().chain(paths().map(|(_, path)| Path::new(path)))
    };
    let folder = |file: &Path| {
        file.is_dir() && paths().any(|(name, path)| name == PATHS[1] && Path::new(path) == file)
    };
    for file in inputs().filter(|file| !folder(file)) {
        source::check_readable(file)?;
    }
    let same = |a: &Path, b: &Path| a.canonicalize().ok().is_some_and(|a| b.canonicalize().ok() == Some(a));
    if inputs().any(|input| same(request.output, input)) {
        bail!("{} would be overwritten: choose another --output", request.output.display());
    }
    Ok(())
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
