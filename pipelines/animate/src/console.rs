// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the program says where its output goes.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write as _};

use anyhow::{Context, Result};

/// Says a line. Whoever reads may have heard enough, as `head` has: that is no fault.
pub fn say(line: Arguments<'_>) -> Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot say what was done"),
        _ => Ok(()),
    }
}
