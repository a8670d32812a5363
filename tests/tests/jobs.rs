// SPDX-License-Identifier: MIT OR Apache-2.0
//! `animate --jobs`: a film a row, whatever happens on the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use portrait_tests::{data, process, samples};

fn animate() -> Command {
    let exe = std::env::current_exe().unwrap();
    process::command(exe.parent().unwrap().join("../animate"))
}

/// A folder with a recording of that many seconds, and a table of rows below `photo,voice,output`.
fn folder(seconds: f64, header: &str, rows: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    samples::write_speech(&dir.path().join("v.wav"), seconds);
    std::fs::copy(data("portrait-grace-hopper.jpg"), dir.path().join("a.jpg")).unwrap();
    std::fs::copy(data("portrait-astronaut.png"), dir.path().join("b.png")).unwrap();
    std::fs::write(dir.path().join("jobs.csv"), format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    dir
}

/// Fields of each line of a report, by its row; the last line of a row counts.
fn report(path: &Path) -> BTreeMap<u64, serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.map(|line| (line["row"].as_u64().unwrap(), line)).collect()
}

fn films(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .map(|entries| entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

#[test]
fn a_row_is_a_film_and_a_bad_row_is_passed_over() {
    let rows = [
        "a.jpg,v.wav,f/1.mp4,happy",
        "a.jpg,v.wav,f/2.mp4,glad",
        "none.jpg,v.wav,f/3.mp4,",
        "b.png,v.wav,f/4.mp4,",
    ];
    let dir = folder(0.4, "photo,voice,output,emotion", &rows);
    let table = dir.path().join("jobs.csv");
    let output = animate().args(["--workers", "1", "--jobs"]).arg(&table).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(films(&dir.path().join("f")), ["1.mp4", "4.mp4"], "{said}");
    let report = report(&dir.path().join("jobs.csv.report.jsonl"));
    let status = |row: u64| report[&row]["status"].as_str().unwrap().to_owned();
    assert_eq!([1, 2, 3, 4].map(status), ["done", "failed", "failed", "done"], "{report:?}");
    assert!(
        report[&2]["error"].as_str().unwrap().contains("emotion=glad is none of neutral, happy"),
        "{report:?}"
    );
    assert!(report[&3]["error"].as_str().unwrap().contains("none.jpg"), "{report:?}");
    assert_eq!(report[&1]["sha256"].as_str().unwrap().len(), 64);
    assert!((report[&1]["film_seconds"].as_f64().unwrap() - 0.4).abs() < 0.01, "{report:?}");

    // Again: nothing is made anew, but a row that says something else by now.
    let before = std::fs::metadata(dir.path().join("f/1.mp4")).unwrap().modified().unwrap();
    let text = std::fs::read_to_string(&table).unwrap().replace("f/4.mp4,", "f/4.mp4,sad");
    std::fs::write(&table, text).unwrap();
    let output = animate().args(["--skip-done", "--jobs"]).arg(&table).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("1 films done, 1 skipped, 2 failed of 4"), "{said}");
    assert_eq!(std::fs::metadata(dir.path().join("f/1.mp4")).unwrap().modified().unwrap(), before);
}

#[test]
fn shards_make_each_film_once() {
    let rows = ["a.jpg,v.wav,1.mp4", "a.jpg,v.wav,2.mp4", "a.jpg,v.wav,3.mp4"];
    let dir = folder(0.2, "photo,voice,output", &rows);
    let table = dir.path().join("jobs.csv");
    let mut rows = Vec::new();
    for shard in ["1/2", "2/2"] {
        process::run(animate().args(["--shard", shard, "--workers", "1", "--jobs"]).arg(&table));
        let part = dir.path().join(format!("jobs.csv.{}.report.jsonl", shard.replace('/', "-of-")));
        rows.extend(report(&part).into_keys());
    }
    assert_eq!(rows, [1, 2, 3]);
    for film in ["1.mp4", "2.mp4", "3.mp4"] {
        assert!(dir.path().join(film).is_file(), "{film}");
    }
}

/// Process ids of the workers of a program.
fn workers(parent: u32) -> Vec<i32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|id| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let parent_of =
            stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        parent_of == Some(parent)
    })
    .collect()
}

fn kill(id: i32) {
    // SAFETY: a plain system call; the process is this test's child, or its child's.
    assert_eq!(unsafe { libc::kill(id, libc::SIGKILL) }, 0);
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(300), "no {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A table that takes a while.
fn long_table() -> (tempfile::TempDir, PathBuf, Command) {
    let rows: Vec<String> = (1..=3).map(|n| format!("a.jpg,v.wav,f/{n}.mp4")).collect();
    let dir = folder(1.0, "photo,voice,output", &rows.iter().map(String::as_str).collect::<Vec<_>>());
    let table = dir.path().join("jobs.csv");
    // Not under `timeout`: it would be the one that is killed.
    let exe = std::env::current_exe().unwrap();
    let mut command = Command::new(exe.parent().unwrap().join("../animate"));
    command
        .env("GST_PLUGIN_PATH", process::plugin_dir())
        .args(["--workers", "1", "--skip-done", "--jobs"])
        .arg(&table);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    (dir, table, command)
}

fn unfinished(dir: &Path) -> bool {
    films(&dir.join("f")).iter().any(|name| name.starts_with(".animate-"))
}

#[test]
fn a_program_that_was_killed_goes_on_where_it_was() {
    let (dir, table, mut command) = long_table();
    let mut child = command.spawn().unwrap();
    wait_for("first film", || dir.path().join("f/1.mp4").is_file() && unfinished(dir.path()));
    let workers = workers(child.id());
    kill(child.id() as i32);
    child.wait().unwrap();
    // Its workers go with it.
    wait_for("end of the workers", || {
        workers.iter().all(|id| !Path::new(&format!("/proc/{id}/exe")).exists())
    });
    let made = dir.path().join("f/1.mp4").metadata().unwrap().modified().unwrap();
    assert!(command.status().unwrap().success());
    assert_eq!(films(&dir.path().join("f")), ["1.mp4", "2.mp4", "3.mp4"]);
    assert_eq!(dir.path().join("f/1.mp4").metadata().unwrap().modified().unwrap(), made, "made twice");
    // What was killed may not have reported its first film any more.
    let report = report(&PathBuf::from(format!("{}.report.jsonl", table.display())));
    for row in [2, 3] {
        let seconds = report[&row]["film_seconds"].as_f64().unwrap();
        assert!((seconds - 1.0).abs() < 0.01, "{report:?}");
    }
}

#[test]
fn a_worker_that_is_killed_is_replaced_and_its_film_made() {
    let (dir, table, mut command) = long_table();
    let mut child = command.spawn().unwrap();
    wait_for("second film", || dir.path().join("f/1.mp4").is_file() && unfinished(dir.path()));
    let before = workers(child.id());
    assert_eq!(before.len(), 1);
    kill(before[0]);
    assert!(child.wait().unwrap().success());
    assert_eq!(films(&dir.path().join("f")), ["1.mp4", "2.mp4", "3.mp4"]);
    let report = report(&PathBuf::from(format!("{}.report.jsonl", table.display())));
    assert!(report.values().all(|line| line["status"] == "done"), "{report:?}");
}
