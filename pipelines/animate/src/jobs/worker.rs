// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process that makes one film after the other. Each line of its standard input is a task, each of its output the outcome.
//! What a film brings down with it is this process, and not the other films.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use gst::prelude::*;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::report::{Outcome, Status};
use super::row::Job;
use crate::film::Subject;
use crate::render::{Failure, Request, render};
use crate::{film, output, properties};

/// Photos whose analysis is kept for the films that follow.
const KEPT_PHOTOS: usize = 4;

/// A task as a line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct Task {
    pub job: Job,
    /// Seconds in which nothing moves after which a film is given up.
    pub patience: u32,
}

/// Works until its input ends.
pub fn serve() -> Result<()> {
    output::clean_up_on_signals()?;
    gst::init().context("GStreamer does not start")?;
    let mut kept = Kept::default();
    let mut folders = BTreeSet::new();
    for line in std::io::stdin().lock().lines() {
        let task: Task = serde_json::from_str(&line?).context("that is no task")?;
        if let Some(folder) = task.job.output.parent()
            && folders.insert(folder.to_owned())
        {
            // What the worker left that this one replaces.
            output::clear_abandoned(folder);
        }
        kept.hold(&task.job);
        let start = Instant::now();
        let (made, stuck) = make(&task);
        let outcome = outcome(&task.job, made, start.elapsed());
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&outcome)?)?;
        out.flush()?;
        if stuck {
            // The end of the program would wait for a thread that does not end.
            signal_hook::low_level::exit(1);
        }
    }
    Ok(())
}

type Made = Result<(Duration, Vec<String>, String), String>;

/// Makes the film; true where the process cannot go on.
fn make(task: &Task) -> (Made, bool) {
    let Job { photo, voice, output, properties, .. } = &task.job;
    if let Some(folder) = output.parent().filter(|folder| !folder.as_os_str().is_empty())
        && let Err(error) = std::fs::create_dir_all(folder)
    {
        return (Err(format!("cannot make {}: {error}", folder.display())), false);
    }
    let subject = Subject::Photo(photo);
    let request =
        Request { subject, voice, output, properties, patience: Duration::from_secs(task.patience.into()) };
    match render(&request, &ProgressBar::hidden()) {
        Ok(made) => match sha256(output) {
            Ok(digest) => (Ok((made.length, made.warnings, digest)), false),
            Err(error) => (Err(format!("{error:#}")), false),
        },
        Err(Failure::Said(error)) => (Err(format!("{error:#}")), false),
        Err(Failure::Stuck(error)) => (Err(format!("{error:#}")), true),
    }
}

fn outcome(job: &Job, made: Made, took: Duration) -> Outcome {
    let seconds = (took.as_secs_f64() * 1e3).round() / 1e3;
    let empty = Outcome {
        row: job.row,
        output: Some(job.output.clone()),
        status: Status::Failed,
        error: None,
        warnings: Vec::new(),
        seconds,
        film_seconds: None,
        sha256: None,
        job: Some(job.digest()),
    };
    match made {
        Ok((length, warnings, digest)) => Outcome {
            status: Status::Done,
            warnings,
            film_seconds: Some(length.as_secs_f64()),
            sha256: Some(digest),
            ..empty
        },
        Err(error) => Outcome { error: Some(error), ..empty },
    }
}

/// SHA-256 of a file, in hexadecimal digits.
fn sha256(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash)?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Heads that do nothing but hold models and photos, which all heads of a process share.
#[derive(Default)]
struct Kept(VecDeque<(Vec<(String, String)>, gst::Pipeline)>);

/// Properties by which photos and models differ.
const OF_PHOTOS: [&str; 6] = ["portrait-open", "face", "model-pack", "device", "framing", "num-threads"];

impl Kept {
    /// Loads what a job needs, unless it is there.
    fn hold(&mut self, job: &Job) {
        let mut key: Vec<_> =
            job.properties.iter().filter(|(name, _)| OF_PHOTOS.contains(&name.as_str())).cloned().collect();
        key.push(("portrait".to_owned(), job.photo.display().to_string()));
        if let Some(at) = self.0.iter().position(|(other, _)| *other == key) {
            // The one that was used last goes last.
            if let Some(used) = self.0.remove(at) {
                self.0.push_back(used);
            }
            return;
        }
        // What is wrong with it is said by the film.
        let Ok(pipeline) = holder(&key) else { return };
        self.0.push_back((key, pipeline));
        while self.0.len() > KEPT_PHOTOS {
            self.0.pop_front().map(|(_, pipeline)| pipeline.set_state(gst::State::Null));
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        for (_, pipeline) in &self.0 {
            // The process ends.
            let _ = pipeline.set_state(gst::State::Null);
        }
    }
}

fn holder(key: &[(String, String)]) -> Result<gst::Pipeline> {
    let pipeline = gst::Pipeline::new();
    let (source, head, sink) = (film::make("appsrc")?, film::make("talkinghead")?, film::make("fakesink")?);
    pipeline.add_many([&source, &head, &sink])?;
    gst::Element::link_many([&source, &head, &sink])?;
    for (name, value) in key {
        properties::set(&head, name, value).map_err(anyhow::Error::msg)?;
    }
    // It never gets there: nothing comes; but on the way all is loaded.
    if let Err(error) = pipeline.set_state(gst::State::Paused) {
        let _ = pipeline.set_state(gst::State::Null);
        return Err(error.into());
    }
    Ok(pipeline)
}
