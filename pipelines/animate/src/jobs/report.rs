// SPDX-License-Identifier: MIT OR Apache-2.0
//! What became of each row: a line of JSON in a file that is only ever added to, so that a program that was killed goes on where
//! it was.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// How a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Done,
    Failed,
    /// Its film was there.
    Skipped,
}

/// A line of the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Number of the row, from 1 on.
    pub row: usize,
    pub output: Option<PathBuf>,
    pub status: Status,
    pub error: Option<String>,
    /// What elements warned of.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Time that it took.
    pub seconds: f64,
    /// Length of the film in seconds.
    pub film_seconds: Option<f64>,
    /// Of the film's file.
    pub sha256: Option<String>,
    /// Of what the row says.
    pub job: Option<String>,
}

/// How every line begins, as [`Outcome`] is written.
const BEGINNING: &[u8] = br#"{"row":"#;

/// A report that is being written.
pub struct Report {
    file: File,
    path: PathBuf,
    /// Digests of the jobs that made films, by the films.
    done: HashMap<PathBuf, Option<String>>,
}

impl Report {
    /// Opens a report and reads what is in it; a line that was cut off is left behind. A file that is something else stays as it is.
    pub fn open(path: &Path) -> Result<Self> {
        let named = || format!("cannot write the report {}", path.display());
        let mut file =
            OpenOptions::new().create(true).read(true).append(true).open(path).with_context(named)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).with_context(named)?;
        if !text.starts_with(BEGINNING) && !BEGINNING.starts_with(&text) {
            bail!("{} is something else than a report: choose another --report", path.display());
        }
        let mut done = HashMap::new();
        for line in text.split(|byte| *byte == b'\n') {
            if let Ok(Outcome { status: Status::Done, output: Some(output), job, .. }) =
                serde_json::from_slice(line)
            {
                done.insert(output, job);
            }
        }
        if text.last().is_some_and(|last| *last != b'\n') {
            file.write_all(b"\n").with_context(named)?;
        }
        file.seek(SeekFrom::End(0)).with_context(named)?;
        Ok(Self { file, path: path.to_owned(), done })
    }

    /// Whether a film that is there is the one that a job makes: the report says so, or says nothing of it.
    pub fn made(&self, output: &Path, job: &str) -> bool {
        match self.done.get(output) {
            Some(Some(digest)) => digest == job,
            Some(None) | None => true,
        }
    }

    /// Adds a line, which outlives a power cut.
    pub fn add(&mut self, outcome: &Outcome) -> Result<()> {
        let line = serde_json::to_string(outcome)? + "\n";
        let named = || format!("cannot write the report {}", self.path.display());
        // One call: lines of several programs do not mix.
        self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data()).with_context(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(row: usize, status: Status, job: &str) -> Outcome {
        Outcome {
            row,
            output: Some(PathBuf::from(format!("/f/{row}.mp4"))),
            status,
            error: None,
            warnings: Vec::new(),
            seconds: 1.5,
            film_seconds: Some(2.0),
            sha256: None,
            job: Some(job.to_owned()),
        }
    }

    #[test]
    fn a_report_that_was_cut_off_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.jsonl");
        let mut report = Report::open(&path).unwrap();
        report.add(&outcome(1, Status::Done, "a")).unwrap();
        report.add(&outcome(2, Status::Failed, "b")).unwrap();
        drop(report);
        // Killed in the middle of a line.
        let whole = std::fs::read(&path).unwrap();
        let half = serde_json::to_string(&outcome(3, Status::Done, "c")).unwrap();
        std::fs::write(&path, [whole.as_slice(), &half.as_bytes()[..40]].concat()).unwrap();
        let mut report = Report::open(&path).unwrap();
        report.add(&outcome(4, Status::Done, "d")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().map(serde_json::from_str::<Outcome>).collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].is_ok() && lines[1].is_ok() && lines[2].is_err() && lines[3].is_ok(), "{text}");
    }

    #[test]
    fn what_is_no_report_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("voice.wav");
        for text in ["RIFF", "photo,voice,output\n", "{\"photo\":\"a.jpg\"}\n", "\n"] {
            std::fs::write(&path, text).unwrap();
            let said = Report::open(&path).map(drop).unwrap_err().to_string();
            assert!(said.contains("voice.wav is something else than a report"), "{said}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        // Killed in the first line.
        for text in ["", "{\"ro", "{\"row\":1,\"out"] {
            std::fs::write(&path, text).unwrap();
            assert!(Report::open(&path).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_film_of_another_job_is_not_this_ones() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.jsonl");
        Report::open(&path).unwrap().add(&outcome(1, Status::Done, "a")).unwrap();
        let report = Report::open(&path).unwrap();
        let film = Path::new("/f/1.mp4");
        assert!(report.made(film, "a"));
        assert!(!report.made(film, "b"), "its row says something else now");
        assert!(report.made(Path::new("/f/2.mp4"), "b"), "nothing is known of it, and it is whole");
    }
}
