// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a program asks of the system's C library.

use std::path::Path;

use anyhow::{Context, Result};

/// How the versions of its symbols begin.
const PREFIX: &[u8] = b"GLIBC_2.";

/// The newest `GLIBC_2.N` that a file names, as N.
pub fn glibc_minor(path: &Path) -> Result<u32> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(newest(&bytes))
}

fn newest(bytes: &[u8]) -> u32 {
    let mut newest = 0;
    let mut rest = bytes;
    while let Some(at) = rest.windows(PREFIX.len()).position(|window| window == PREFIX) {
        rest = &rest[at + PREFIX.len()..];
        let digits: String =
            rest.iter().take(3).take_while(|b| b.is_ascii_digit()).map(|b| char::from(*b)).collect();
        newest = newest.max(digits.parse().unwrap_or(0));
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_counts() {
        assert_eq!(newest(b"x\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBCXX_3.4.30\0GLIBC_2.14"), 34);
        assert_eq!(newest(b"GLIBC_2."), 0);
        assert_eq!(newest(b""), 0);
    }
}
