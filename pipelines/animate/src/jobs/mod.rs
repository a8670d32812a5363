// SPDX-License-Identifier: MIT OR Apache-2.0
//! `animate --jobs TABLE`: a thousand films.

pub mod pool;
mod report;
mod row;
mod table;
pub mod worker;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use report::{Outcome, Report, Status};
pub use row::Shard;
use row::{BadRow, Job};

use crate::{console, film, output, properties};

/// What the command line says.
pub struct Jobs<'a> {
    pub table: &'a Path,
    pub shard: Option<Shard>,
    pub skip_done: bool,
    /// Only say what there is to do.
    pub plan: bool,
    /// Processes side by side, 0 = one a core.
    pub workers: usize,
    pub report: Option<&'a Path>,
    pub patience: u32,
    /// Properties that rows may say otherwise.
    pub defaults: Vec<(String, String)>,
}

/// How many rows ended how.
#[derive(Default)]
struct Count {
    done: usize,
    failed: usize,
    skipped: usize,
    film_seconds: f64,
}

/// Makes the films of a table; an error where not every row has its film.
pub fn run(jobs: &Jobs) -> Result<()> {
    gst::init().context("GStreamer does not start")?;
    // Whoever is killed takes the workers with it, and those their unfinished films.
    output::clean_up_on_signals()?;
    let head = film::make("talkinghead")?;
    let folder = std::path::absolute(jobs.table)?.parent().map(Path::to_owned).unwrap_or_default();
    let check = |name: &str, value: &str| properties::read(&head, name, value).map(drop);
    let rows = table::read(jobs.table)?;
    let mut all = row::jobs(rows, &folder, &jobs.defaults, check);
    if all.is_empty() {
        bail!("{} has no rows", jobs.table.display());
    }
    let report = report_path(jobs);
    let own = row::place(&report);
    let files =
        all.iter().flatten().flat_map(|job| [&job.photo, &job.voice, &job.output].map(PathBuf::as_path));
    if let Some(file) = files.chain([jobs.table]).find(|file| row::place(file) == own) {
        bail!("the report would be written into {}: choose another --report", file.display());
    }
    if let Some(shard) = jobs.shard {
        let range = shard.range(all.len());
        all = all.into_iter().skip(range.start).take(range.len()).collect();
    }
    if jobs.plan {
        return print(&all);
    }
    let mut lines = Report::open(&report)?;
    let (mut count, start) = (Count::default(), Instant::now());
    let total = all.len();
    let bar = bar(total);
    let mut waiting = Vec::new();
    for one in all {
        match settle(one, jobs.skip_done, &lines) {
            Ok(job) => waiting.push(job),
            Err(outcome) => tell(&mut lines, &mut count, &bar, &outcome)?,
        }
    }
    let folders: BTreeSet<PathBuf> =
        waiting.iter().filter_map(|job| job.output.parent().map(Path::to_owned)).collect();
    folders.iter().for_each(|folder| output::clear_abandoned(folder));
    bar.reset_eta();
    render(jobs, waiting, |outcome| tell(&mut lines, &mut count, &bar, outcome))?;
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    console::say(format_args!(
        "{} films done, {} skipped, {} failed of {total} in {seconds:.1} s ({:.2} films a second, {:.2} × real time)",
        count.done,
        count.skipped,
        count.failed,
        count.done as f64 / seconds,
        count.film_seconds / seconds
    ))?;
    if count.failed > 0 {
        bail!("{} of {total} rows have no film: {} says why", count.failed, report.display());
    }
    Ok(())
}

/// Jobs as lines of JSON; of a bad row its number, its film and what is wrong.
fn print(all: &[Result<Job, BadRow>]) -> Result<()> {
    for one in all {
        match one {
            Ok(job) => console::say(format_args!("{}", serde_json::to_string(job)?))?,
            Err(BadRow { row, output, reason }) => console::say(format_args!(
                "{}",
                serde_json::json!({ "row": row, "output": output, "error": reason })
            ))?,
        }
    }
    Ok(())
}

/// Beside the table, a file for each part of it.
fn report_path(jobs: &Jobs) -> PathBuf {
    if let Some(path) = jobs.report {
        return path.to_owned();
    }
    let part = jobs.shard.map_or(String::new(), |shard| format!(".{}-of-{}", shard.index, shard.count));
    let mut name = jobs.table.as_os_str().to_owned();
    name.push(format!("{part}.report.jsonl"));
    name.into()
}

/// A job that is to be done; or what is to be reported of the row at once.
fn settle(one: Result<Job, BadRow>, skip_done: bool, report: &Report) -> Result<Job, Box<Outcome>> {
    let outcome = |row, output, status, error, job| {
        Box::new(Outcome {
            row,
            output,
            status,
            error,
            warnings: Vec::new(),
            seconds: 0.0,
            film_seconds: None,
            sha256: None,
            job,
        })
    };
    match one {
        Err(bad) => Err(outcome(bad.row, bad.output, Status::Failed, Some(bad.reason), None)),
        Ok(job) => {
            let digest = job.digest();
            let is_there = job.output.metadata().is_ok_and(|film| film.is_file() && film.len() > 0);
            if skip_done && is_there && report.made(&job.output, &digest) {
                return Err(outcome(job.row, Some(job.output), Status::Skipped, None, Some(digest)));
            }
            Ok(job)
        }
    }
}

/// Writes it down, counts it, and says on the terminal what failed.
fn tell(report: &mut Report, count: &mut Count, bar: &ProgressBar, outcome: &Outcome) -> Result<()> {
    report.add(outcome)?;
    match outcome.status {
        Status::Done => count.done += 1,
        Status::Skipped => count.skipped += 1,
        Status::Failed => count.failed += 1,
    }
    count.film_seconds += outcome.film_seconds.unwrap_or(0.0);
    let line = |what: &str, text: &str| {
        bar.suspend(|| eprintln!("{what}: row {}: {text}", outcome.row));
    };
    if let Some(error) = &outcome.error {
        line("error", error);
    }
    for warning in &outcome.warnings {
        line("warning", warning);
    }
    bar.inc(1);
    Ok(())
}

fn bar(total: usize) -> ProgressBar {
    let bar = ProgressBar::new(total as u64);
    let style = "{bar:40} {pos} of {len} films  {per_sec}  {eta} to go";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Lets workers do the jobs; `tell` hears of each outcome as it comes.
fn render(jobs: &Jobs, waiting: Vec<Job>, mut tell: impl FnMut(&Outcome) -> Result<()>) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = if jobs.workers == 0 { cores } else { jobs.workers }.min(waiting.len());
    let queue = pool::Queue::new(waiting);
    let (sender, outcomes) = channel();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|_| {
                let (queue, sender) = (&queue, sender.clone());
                scope.spawn(move || pool::work(queue, jobs.patience, &sender))
            })
            .collect();
        drop(sender);
        for outcome in outcomes {
            tell(&outcome)?;
        }
        for thread in threads {
            // A panic was told by its hook.
            thread.join().unwrap_or_else(|_| bail!("a worker's thread panicked"))?;
        }
        Ok(())
    })
}
