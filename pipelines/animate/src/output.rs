// SPDX-License-Identifier: MIT OR Apache-2.0
//! The film's file: written under another name beside its own, which it gets when it is whole. Whatever goes wrong,
//! nothing half-done is left.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use tempfile::TempPath;

/// The unfinished file, which goes when the program is told to end.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

fn unfinished() -> MutexGuard<'static, Option<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets Ctrl-C and its kin take the unfinished film away before they end the program.
pub fn clean_up_on_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot watch for Ctrl-C")?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            // Held to the end: the film is not finished from here on.
            let file = unfinished();
            if let Some(path) = file.as_ref() {
                // It may be gone already.
                let _ = std::fs::remove_file(path);
            }
            // Ends the program as if the signal had not been watched, so that a shell knows of it.
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}

/// A film that is being written.
pub struct Output {
    target: PathBuf,
    file: TempPath,
    /// Locked as long as it is written, so that others know that it is not abandoned.
    _lock: File,
}

/// How the names of unfinished films begin and end.
const UNFINISHED_NAME: (&str, &str) = (".animate-", ".mp4");

/// Endings of names of what is no MP4 file, by which a player, an uploader or the next program would take it for that.
const OTHERS: [&str; 31] = [
    "webm", "mkv", "avi", "ogv", "ogg", "flv", "wmv", "ts", "m2ts", "mts", "mpg", "mpeg", "gif", "webp",
    "png", "jpg", "jpeg", "bmp", "tif", "tiff", "wav", "mp3", "m4a", "aac", "flac", "opus", "wma", "csv",
    "json", "jsonl", "txt",
];

/// Takes unfinished films away that nobody writes any more: a program that was killed leaves its own.
pub fn clear_abandoned(folder: &Path) {
    // A folder that is not there holds none.
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(UNFINISHED_NAME.0)
            && name.ends_with(UNFINISHED_NAME.1)
            && let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            // Somebody else may be faster.
            let _ = std::fs::remove_file(&path);
        }
    }
}

impl Output {
    /// Makes an empty file beside `target`, which may exist.
    pub fn create(target: &Path) -> Result<Self> {
        let named = target.display();
        if target == Path::new("-") {
            bail!(
                "an MP4 file cannot be written to a pipe, since its beginning is written last: name a file"
            );
        }
        let ending = target.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if OTHERS.contains(&ending.as_str()) {
            let mp4 = target.with_extension("mp4");
            bail!(
                "{named} would be an MP4 file under another kind's name: write {} (`ffmpeg -i {0} {named}` makes another kind of it)",
                mp4.display(),
            );
        }
        // Through a link, as a plain write would go.
        let target = target.canonicalize().unwrap_or_else(|_| target.to_owned());
        if target.is_dir() {
            bail!("{named} is a folder, not a file");
        }
        if target.exists() {
            if !target.is_file() {
                bail!("{named} is no file: an MP4 file cannot be written there");
            }
            OpenOptions::new().write(true).open(&target).with_context(|| format!("cannot write {named}"))?;
        }
        let folder = target.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            bail!("cannot write {named}: there is no folder {}: make it first", folder.display());
        }
        loop {
            let file = tempfile::Builder::new()
                .prefix(UNFINISHED_NAME.0)
                .suffix(UNFINISHED_NAME.1)
                // Less what the umask takes, as of any new file.
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(folder)
                // Without the name that nobody gave.
                .map_err(|error| std::io::Error::from(error.kind()))
                .with_context(|| format!("cannot write {named}"))?;
            let (lock, file) = file.into_parts();
            // Some file systems know no locks: there nobody takes it away either.
            let _ = lock.try_lock();
            // Taken away before it was locked.
            if !file.exists() {
                continue;
            }
            *unfinished() = Some(file.to_path_buf());
            return Ok(Self { target, file, _lock: lock });
        }
    }

    /// Where the film is written.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// The film is whole: it gets its name. What had it is replaced.
    pub fn finish(self) -> Result<()> {
        let mut unfinished = unfinished();
        // A name that outlives a power cut has its bytes.
        File::open(&self.file).and_then(|file| file.sync_all()).context("cannot write the film")?;
        if let Ok(old) = self.target.metadata() {
            // As a plain write keeps them.
            let _ = std::fs::set_permissions(&self.file, old.permissions());
        }
        let target = self.target.clone();
        let written = self.file.persist(&target).map_err(|e| e.error);
        written.with_context(|| format!("cannot write {}", target.display()))?;
        *unfinished = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let names = std::fs::read_dir(dir).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_film_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("film.mp4");
        std::fs::write(&target, "old").unwrap();
        let output = Output::create(&target).unwrap();
        std::fs::write(output.path(), "half").unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        drop(output);
        assert_eq!(names(dir.path()), ["film.mp4"]);
        assert_eq!(std::fs::read(&target).unwrap(), b"old");

        let output = Output::create(&target).unwrap();
        std::fs::write(output.path(), "new").unwrap();
        output.finish().unwrap();
        assert_eq!(names(dir.path()), ["film.mp4"]);
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
    }

    #[test]
    fn others_may_read_the_film_as_any_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        let target = dir.path().join("film.mp4");
        Output::create(&target).unwrap().finish().unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&target), mode(&plain));
    }

    #[test]
    fn what_a_killed_program_left_is_taken_away_and_what_is_being_written_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let output = Output::create(&dir.path().join("film.mp4")).unwrap();
        std::fs::write(dir.path().join(".animate-left.mp4"), "half").unwrap();
        std::fs::write(dir.path().join("another.mp4"), "whole").unwrap();
        clear_abandoned(dir.path());
        let mut left = names(dir.path());
        left.sort();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(output.path().exists() && left[1] == "another.mp4", "{left:?}");
        output.finish().unwrap();
        clear_abandoned(&dir.path().join("nothing"));
    }

    #[test]
    fn a_link_is_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real.mp4"), dir.path().join("link.mp4"));
        std::fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let output = Output::create(&link).unwrap();
        std::fs::write(output.path(), "new").unwrap();
        output.finish().unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&real).unwrap(), b"new");
    }

    #[test]
    fn what_is_no_place_for_a_film_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |path: &Path| format!("{:#}", Output::create(path).err().unwrap());
        assert!(refused(dir.path()).ends_with("is a folder, not a file"));
        assert!(refused(Path::new("/dev/null")).starts_with("/dev/null is no file"));
        let other = refused(&dir.path().join("film.WebM"));
        assert!(
            other.contains("under another kind's name: write") && other.contains("film.mp4 (`ffmpeg"),
            "{other}"
        );
        let missing = dir.path().join("missing/film.mp4");
        let said = refused(&missing);
        assert!(
            said.starts_with(&format!("cannot write {}", missing.display()))
                && said.ends_with("missing: make it first")
        );
        assert!(refused(Path::new("-")).ends_with("name a file"));
        assert!(names(dir.path()).is_empty());
    }
}
