// SPDX-License-Identifier: MIT OR Apache-2.0
//! What may be loaded. TorchScript is code: the built-in pack's manifest is compiled in, any other pack loads only
//! when somebody named its digest, and every file must match the manifest. What a model may hold besides, `archive` says.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::{PackError, read_file};

/// Digests (hexadecimal SHA-256 of `pack.toml`) of further packs that the user trusts, separated by `:` or `,`.
const TRUSTED_VARIABLE: &str = "GST_PORTRAIT_TRUSTED_PACKS";

/// The manifest of the pack that ships with this build.
const BUILT_IN: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/packs/lite/pack.toml"));

/// Accepts the built-in manifest and those whose digest the user named.
pub fn check_manifest(dir: &Path, bytes: &[u8]) -> Result<(), PackError> {
    if bytes == BUILT_IN {
        return Ok(());
    }
    let digest = hex(&Sha256::digest(bytes));
    let named = std::env::var(TRUSTED_VARIABLE).unwrap_or_default();
    if named.split([':', ',']).any(|d| d.trim().eq_ignore_ascii_case(&digest)) {
        return Ok(());
    }
    Err(PackError::Untrusted { path: dir.to_owned(), digest })
}

/// Reads a file of at most so many bytes and holds it against its digest.
pub fn check_file(path: &Path, sha256: &str, limit: u64) -> Result<Vec<u8>, PackError> {
    let bytes = read_file(path, limit)?;
    if hex(&Sha256::digest(&bytes)).eq_ignore_ascii_case(sha256) {
        Ok(bytes)
    } else {
        Err(PackError::Digest { path: path.to_owned() })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.pt");
        std::fs::write(&path, b"abc").unwrap();
        let good = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(check_file(&path, good, 9).unwrap(), b"abc");
        std::fs::write(&path, b"abd").unwrap();
        assert!(matches!(check_file(&path, good, 9), Err(PackError::Digest { .. })));
    }

    #[test]
    fn an_unknown_pack_is_refused_with_its_digest() {
        let error = check_manifest(Path::new("other"), b"[pack]").unwrap_err();
        assert!(error.to_string().contains("GST_PORTRAIT_TRUSTED_PACKS"), "{error}");
        check_manifest(Path::new("lite"), BUILT_IN).unwrap();
    }
}
