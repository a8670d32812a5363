// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running pipelines in processes of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// A child that hangs is killed after so many seconds.
const TIMEOUT_SECONDS: u32 = 120;

/// A folder for GST_PLUGIN_PATH that holds the plugin as it was built with this test, and nothing else.
pub fn plugin_dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        // …/target/debug/deps/THIS: cargo leaves the plugin there, and a link one folder up when it was asked for it.
        let exe = std::env::current_exe().expect("a program knows its file");
        let deps = exe.parent().expect("a program lies in a folder");
        let newest = [deps.join("libgstportrait.so"), deps.join("../libgstportrait.so")]
            .into_iter()
            .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
            .max()
            .expect("cargo built libgstportrait.so");
        let dir = deps.join("plugin-of-tests");
        std::fs::create_dir_all(&dir).expect("a folder can be made");
        // Tests run in many processes at once: each makes its link and moves it over the others'.
        let link = dir.join(format!("link-{}", std::process::id()));
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(newest.1, &link).expect("a link can be made");
        std::fs::rename(&link, dir.join("libgstportrait.so")).expect("a link can be moved");
        dir
    })
}

/// A command that is killed when it hangs and sees only this build of the plugin.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.arg(TIMEOUT_SECONDS.to_string()).arg(program);
    command.env("GST_PLUGIN_PATH", plugin_dir()).env_remove("GST_DEBUG").env("LC_ALL", "C.UTF-8");
    command.stdin(std::process::Stdio::null());
    command
}

/// Runs a command and returns what it said; panics with that where it fails.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
