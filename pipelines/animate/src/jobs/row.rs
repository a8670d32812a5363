// SPDX-License-Identifier: MIT OR Apache-2.0
//! A row of a table as a film to make.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::table::Row;

/// A film to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Number of the row, from 1 on.
    pub row: usize,
    pub photo: PathBuf,
    pub voice: PathBuf,
    pub output: PathBuf,
    /// Properties of the element `talkinghead`, by their names, with their values as text.
    pub properties: Vec<(String, String)>,
}

/// A row that cannot be done, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    pub row: usize,
    /// Where its film would be, if it says so.
    pub output: Option<PathBuf>,
    pub reason: String,
}

/// Columns that are no properties, and other names of them.
const PHOTO: [&str; 2] = ["photo", "portrait"];
const VOICE: [&str; 2] = ["voice", "audio"];
const OUTPUT: [&str; 2] = ["output", "film"];

/// What a column is, however it is written: `photo`, `voice`, `output` or a property.
fn meaning(column: &str) -> String {
    let name = column.trim().to_lowercase().replace('_', "-");
    let file = [PHOTO, VOICE, OUTPUT].into_iter().find(|names| names.contains(&name.as_str()));
    file.map_or(name, |names| names[0].to_owned())
}

impl Job {
    /// What makes a job another one: a film that was made by another row is made anew.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut properties = self.properties.clone();
        properties.sort();
        for part in [&self.photo, &self.voice, &self.output].map(|path| path.display().to_string()) {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        for (name, value) in properties {
            hash.update(format!("{name}={value}\0").as_bytes());
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Where a path leads, however it is written: its file may still have to be made.
pub fn place(path: &Path) -> PathBuf {
    let beside = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(beside).unwrap_or_else(|| path.to_owned())
}

/// The jobs of a table. Paths are seen from `folder`, that of the table; `defaults` are properties that a row may say
/// otherwise; `check` says what is wrong with a property.
pub fn jobs(
    rows: Vec<Row>,
    folder: &Path,
    defaults: &[(String, String)],
    check: impl Fn(&str, &str) -> Result<(), String>,
) -> Vec<Result<Job, BadRow>> {
    let mut films: HashMap<PathBuf, usize> = HashMap::new();
    let mut all = Vec::with_capacity(rows.len());
    for (row, cells) in (1..).zip(rows) {
        let job = cells
            .map_err(|reason| BadRow { row, output: None, reason })
            .and_then(|cells| job(row, cells, folder, defaults, &check));
        all.push(job.and_then(|job| {
            let first = *films.entry(place(&job.output)).or_insert(row);
            if first == row {
                return Ok(job);
            }
            Err(BadRow { row, output: None, reason: format!("it writes the film of row {first}") })
        }));
    }
    all
}

fn job(
    row: usize,
    cells: Vec<(String, String)>,
    folder: &Path,
    defaults: &[(String, String)],
    check: &impl Fn(&str, &str) -> Result<(), String>,
) -> Result<Job, BadRow> {
    let (mut photo, mut voice, mut output) = (None, None, None);
    let mut properties = defaults.to_vec();
    let (mut wrong, mut named) = (None, Vec::new());
    for (column, value) in cells {
        let name = meaning(&column);
        if named.contains(&name) {
            wrong.get_or_insert(format!("it names {name} twice"));
        }
        named.push(name.clone());
        let path = || Some(folder.join(&value));
        match name.as_str() {
            "photo" => photo = path(),
            "voice" => voice = path(),
            "output" => output = path(),
            _ => {
                let is_path = crate::render::PATHS.contains(&name.as_str());
                let value = if is_path { folder.join(&value).display().to_string() } else { value };
                if let Err(reason) = check(&name, &value) {
                    wrong.get_or_insert(reason);
                }
                properties.retain(|(old, _)| *old != name);
                properties.push((name, value));
            }
        }
    }
    let bad = |reason: String| BadRow { row, output: output.clone(), reason };
    let missing = |what: &str| bad(format!("it names no {what}"));
    let photo = photo.ok_or_else(|| missing("photo"))?;
    let voice = voice.ok_or_else(|| missing("voice"))?;
    let film = output.clone().ok_or_else(|| missing("output"))?;
    match wrong {
        Some(reason) => Err(bad(reason)),
        None => Ok(Job { row, photo, voice, output: film, properties }),
    }
}

/// The part of a table that one machine does: `index` of `count`, from 1 on. Parts are runs of rows, so that those with the same
/// photo stay together, and no longer than one row more than each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    pub index: usize,
    pub count: usize,
}

impl Shard {
    /// The rows of this part of so many, counted from 0.
    pub fn range(self, rows: usize) -> std::ops::Range<usize> {
        let at = |part: usize| (rows as u128 * part as u128 / self.count as u128) as usize;
        at(self.index - 1)..at(self.index)
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("it must be I/N with I from 1 to N, as in 2/8".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[(&str, &str)]) -> Row {
        Ok(cells.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn check(name: &str, value: &str) -> Result<(), String> {
        match (name, value) {
            ("emotion", "happy" | "sad") | ("gaze-yaw" | "portrait-open" | "reference", _) => Ok(()),
            ("emotion", _) => Err(format!("emotion={value} is none")),
            _ => Err(format!("there is no property {name}")),
        }
    }

    fn read(rows: Vec<Row>) -> Vec<Result<Job, BadRow>> {
        jobs(rows, Path::new("/t"), &[("emotion".to_owned(), "sad".to_owned())], check)
    }

    #[test]
    fn a_row_is_a_film_with_properties_and_paths_beside_the_table() {
        let all = read(vec![
            row(&[
                ("Photo", "a.jpg"),
                ("audio", "/v/b.wav"),
                ("output", "f/c.mp4"),
                ("gaze_yaw", "5"),
                ("portrait_open", "o.jpg"),
                ("reference", "r.mp4"),
            ]),
            row(&[("portrait", "a.jpg"), ("voice", "b.wav"), ("film", "d.mp4"), ("emotion", "happy")]),
        ]);
        let first = all[0].as_ref().unwrap();
        assert_eq!(
            (first.photo.as_path(), first.voice.as_path()),
            (Path::new("/t/a.jpg"), Path::new("/v/b.wav"))
        );
        assert_eq!(first.output, Path::new("/t/f/c.mp4"));
        let text = |pairs: &[(&str, &str)]| -> Vec<(String, String)> { row(pairs).unwrap() };
        assert_eq!(
            first.properties,
            text(&[
                ("emotion", "sad"),
                ("gaze-yaw", "5"),
                ("portrait-open", "/t/o.jpg"),
                ("reference", "/t/r.mp4")
            ])
        );
        assert_eq!(all[1].as_ref().unwrap().properties, text(&[("emotion", "happy")]));
    }

    #[test]
    fn a_film_is_one_however_its_place_is_written() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("f")).unwrap();
        std::os::unix::fs::symlink("f", dir.path().join("link")).unwrap();
        let film = |output: &str| row(&[("photo", "a"), ("voice", "b"), ("output", output)]);
        let rows = vec![film("f/o.mp4"), film("f/../f/o.mp4"), film("link/o.mp4"), film("o.mp4")];
        let all = jobs(rows, dir.path(), &[], check);
        let said = |i: usize| all[i].as_ref().err().map(|bad| bad.reason.as_str());
        assert_eq!(
            [0, 1, 2, 3].map(said),
            [None, Some("it writes the film of row 1"), Some("it writes the film of row 1"), None]
        );
    }

    #[test]
    fn a_cell_is_named_once_however_it_is_written() {
        let base = [("photo", "a"), ("voice", "b"), ("output", "c")];
        for (more, name) in [
            ([("gaze-yaw", "1"), ("gaze_yaw", "2")], "gaze-yaw"),
            ([("Portrait", "d"), ("emotion", "sad")], "photo"),
        ] {
            let all = read(vec![row(&[&base[..], &more[..]].concat())]);
            assert_eq!(all[0].as_ref().unwrap_err().reason, format!("it names {name} twice"));
        }
    }

    #[test]
    fn a_bad_row_says_what_is_wrong_with_it() {
        let good = [("photo", "a"), ("voice", "b"), ("output", "c")];
        let with = |more: (&'static str, &'static str)| row(&[good[0], good[1], ("output", "other"), more]);
        let all = read(vec![
            row(&good),
            row(&good[..2]),
            row(&[good[0], good[2]]),
            row(&good),
            with(("emotion", "glad")),
            with(("colour", "red")),
            Err("it is no JSON".to_owned()),
        ]);
        assert!(all[0].is_ok());
        for (at, said) in [
            (1, "it names no output"),
            (2, "it names no voice"),
            (3, "it writes the film of row 1"),
            (4, "emotion=glad is none"),
            (5, "there is no property colour"),
            (6, "it is no JSON"),
        ] {
            let bad = all[at].as_ref().unwrap_err();
            assert_eq!((bad.row, bad.reason.as_str()), (at + 1, said));
        }
    }

    #[test]
    fn another_property_is_another_job_and_another_order_is_not() {
        let all = read(vec![
            row(&[("photo", "a"), ("voice", "b"), ("output", "c"), ("gaze-yaw", "1"), ("emotion", "happy")]),
            row(&[("photo", "a"), ("voice", "b"), ("output", "d"), ("gaze-yaw", "1"), ("emotion", "happy")]),
        ]);
        let first = all[0].clone().unwrap();
        let mut same = first.clone();
        (same.row, same.properties) = (9, first.properties.iter().rev().cloned().collect());
        assert_eq!(same.digest(), first.digest());
        assert_ne!(all[1].clone().unwrap().digest(), first.digest());
        let mut other = first.clone();
        other.properties[0].1.push('x');
        assert_ne!(other.digest(), first.digest());
    }

    #[test]
    fn shards_are_all_rows_and_none_twice() {
        for rows in [0, 1, 7, 200] {
            for count in [1, 3, 8] {
                let parts: Vec<_> = (1..=count).map(|index| Shard { index, count }.range(rows)).collect();
                let all: Vec<usize> = parts.iter().cloned().flatten().collect();
                assert_eq!(all, (0..rows).collect::<Vec<_>>(), "{rows} {count}");
                let longest = parts.iter().map(ExactSizeIterator::len).max();
                let shortest = parts.iter().map(ExactSizeIterator::len).min();
                assert!(longest <= shortest.map(|n| n + 1), "{rows} {count}");
            }
        }
        assert_eq!("2/8".parse(), Ok(Shard { index: 2, count: 8 }));
        for wrong in ["0/8", "9/8", "1/0", "1", "a/b", ""] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
