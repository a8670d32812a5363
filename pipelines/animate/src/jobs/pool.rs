// SPDX-License-Identifier: MIT OR Apache-2.0
//! Workers side by side. One that dies is replaced, and its film made anew, once.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::report::{Outcome, Status};
use super::row::Job;
use super::worker::Task;
use crate::output;

/// How often a film is begun whose worker dies.
const TRIES: usize = 2;

/// Between two starts of a worker that dies at once.
const BREATH: Duration = Duration::from_millis(200);

/// Argument by which this program is a worker.
pub const WORKER: &str = "--job-worker";

/// Jobs that wait.
pub struct Queue(Mutex<Waiting>);

struct Waiting {
    jobs: VecDeque<Job>,
    /// Photos that workers have loaded, one each.
    loaded: Vec<PathBuf>,
}

impl Queue {
    pub fn new(jobs: Vec<Job>) -> Self {
        Self(Mutex::new(Waiting { jobs: jobs.into(), loaded: Vec::new() }))
    }

    /// The next job: one with the same photo as the worker's last one, which is loaded, else with one that no worker has, so
    /// that a photo is analysed once, else the first.
    fn take(&self, photo: Option<&Path>) -> Option<Job> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { jobs, loaded } = &mut *waiting;
        let same = jobs.iter().position(|job| Some(job.photo.as_path()) == photo);
        let at = same.or_else(|| jobs.iter().position(|job| !loaded.contains(&job.photo))).unwrap_or(0);
        let job = jobs.remove(at)?;
        if let Some(before) = loaded.iter().position(|one| Some(one.as_path()) == photo) {
            loaded.swap_remove(before);
        }
        loaded.push(job.photo.clone());
        Some(job)
    }
}

/// Does jobs, in a process of its own, until none waits; the outcomes go to `outcomes`.
pub fn work(queue: &Queue, patience: u32, outcomes: &Sender<Outcome>) -> Result<()> {
    let mut worker: Option<Worker> = None;
    let mut photo: Option<PathBuf> = None;
    while let Some(job) = queue.take(photo.as_deref()) {
        let start = Instant::now();
        let mut tries = 0;
        let outcome = loop {
            tries += 1;
            let result = match worker.as_mut() {
                Some(worker) => worker.make(&job, patience),
                None => worker.insert(Worker::start()?).make(&job, patience),
            };
            if let Ok(outcome) = result {
                break outcome;
            }
            let end = worker.take().map_or_else(String::new, Worker::end);
            // What it left unfinished.
            if let Some(folder) = job.output.parent() {
                output::clear_abandoned(folder);
            }
            if tries == TRIES {
                break died(&job, &end, start.elapsed());
            }
            std::thread::sleep(BREATH);
        };
        photo = Some(job.photo);
        if outcomes.send(outcome).is_err() {
            break;
        }
    }
    Ok(())
}

fn died(job: &Job, end: &str, took: Duration) -> Outcome {
    Outcome {
        row: job.row,
        output: Some(job.output.clone()),
        status: Status::Failed,
        error: Some(format!("the process that rendered it ended {TRIES} times, at last by {end}")),
        warnings: Vec::new(),
        seconds: took.as_secs_f64(),
        film_seconds: None,
        sha256: None,
        job: Some(job.digest()),
    }
}

struct Worker {
    child: Child,
    tasks: ChildStdin,
    outcomes: BufReader<ChildStdout>,
}

impl Worker {
    fn start() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("a program has a file")?);
        command.arg(WORKER).stdin(Stdio::piped()).stdout(Stdio::piped());
        // SAFETY: a system call that allocates nothing.
        unsafe {
            command.pre_exec(|| {
                // However this program ends, its workers end, too, and take their unfinished films away.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                Ok(())
            });
        }
        let mut child = command.spawn().context("cannot start a worker")?;
        let tasks = child.stdin.take().context("a worker has an input")?;
        let outcomes = BufReader::new(child.stdout.take().context("a worker has an output")?);
        Ok(Self { child, tasks, outcomes })
    }

    fn make(&mut self, job: &Job, patience: u32) -> Result<Outcome> {
        let task = Task { job: job.clone(), patience };
        self.tasks.write_all((serde_json::to_string(&task)? + "\n").as_bytes())?;
        let mut line = String::new();
        self.outcomes.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    /// How it ended.
    fn end(mut self) -> String {
        drop(self.tasks);
        // It is dead, or says what is no outcome.
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) => match status.signal() {
                Some(signal) => format!("signal {signal}"),
                None => status.to_string(),
            },
            Err(error) => error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(row: usize, photo: &str) -> Job {
        Job {
            row,
            photo: photo.into(),
            voice: "v".into(),
            output: format!("{row}.mp4").into(),
            properties: Vec::new(),
        }
    }

    #[test]
    fn workers_do_not_share_a_photo_while_there_are_others() {
        let queue = Queue::new([(1, "a"), (2, "a"), (3, "a"), (4, "b")].map(|(row, p)| job(row, p)).into());
        let take = |photo: Option<&str>| queue.take(photo.map(Path::new)).map(|job| job.row);
        assert_eq!(take(None), Some(1));
        assert_eq!(take(None), Some(4), "another worker has the photo of row 2");
        // There is no other any more: they share.
        assert_eq!(take(Some("b")), Some(2));
        assert_eq!(take(Some("a")), Some(3));
        assert_eq!(take(Some("a")), None);
    }

    #[test]
    fn a_worker_goes_on_with_the_photo_that_it_has() {
        let queue = Queue::new(vec![job(1, "a"), job(2, "b"), job(3, "a"), job(4, "b")]);
        let rows: Vec<usize> = [None, Some("a"), Some("a"), Some("b"), Some("b")]
            .iter()
            .filter_map(|photo| queue.take(photo.map(Path::new)).map(|job| job.row))
            .collect();
        assert_eq!(rows, [1, 3, 2, 4]);
    }
}
