// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the numbers were measured on, and what this process uses of it.

use std::path::PathBuf;
use std::time::Duration;

/// Processor, cores, and whether this is an optimised build.
pub fn describe() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find(|l| l.starts_with("model name"))
        .and_then(|l| l.split_once(':'))
        .map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let build = if cfg!(debug_assertions) { "dev profile (opt-level 2)" } else { "release profile" };
    format!("{model}, {cores} cores, {}, {build}", gst::version_string())
}

/// Processes that wanted a core in the last minute, this one among them.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// A number of /proc/self/status: KiB for sizes of memory.
pub fn status(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Time that the processors have worked for this process, in steps of 10 ms.
pub fn processor_time() -> Duration {
    // The 14th and the 15th field: user and system time.
    ticks(11)
}

/// Time that the processors have worked for processes that this one started and that have ended, in steps of 10 ms.
pub fn children_processor_time() -> Duration {
    ticks(13)
}

/// Two neighbouring counts of /proc/self/stat, added; `first` counts from the field after the program's name, which may
/// hold spaces in its brackets.
fn ticks(first: usize) -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(first).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Folder of this program: beside it lies the plugin of the same build.
pub fn program_folder() -> PathBuf {
    std::env::current_exe().ok().and_then(|p| Some(p.parent()?.to_owned())).unwrap_or_default()
}

/// Open files of this process.
pub fn handles() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
