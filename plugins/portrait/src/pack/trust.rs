//! What may be loaded. TorchScript is code: the built-in pack's manifest is compiled in, any other pack loads only
//! when somebody named its digest; every file must match the manifest; models may use known operators only.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{PackError, read_file};

/// Digests (hexadecimal SHA-256 of `pack.toml`) of further packs that the user trusts, separated by `:` or `,`.
const TRUSTED_VARIABLE: &str = "GST_PORTRAIT_TRUSTED_PACKS";

/// The manifest of the pack that ships with this build.
const BUILT_IN: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/packs/lite/pack.toml"));

/// Largest source file within a model that is read for the operator check.
const MAX_SOURCE_BYTES: u64 = 16 << 20;

/// Names in `torch.NAME(…)` and `ops.SPACE.NAME(…)` of serialized TorchScript that a pack's models may call.
/// Nothing here reads files, talks to the system or draws unseeded random numbers.
const OPERATORS: &str = include_str!("operators.txt");

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

/// Reads a file and holds it against its digest.
pub fn check_file(path: &Path, sha256: &str) -> Result<Vec<u8>, PackError> {
    let bytes = read_file(path)?;
    if hex(&Sha256::digest(&bytes)).eq_ignore_ascii_case(sha256) {
        Ok(bytes)
    } else {
        Err(PackError::Digest { path: path.to_owned() })
    }
}

/// Reads the sources in a TorchScript archive and refuses operators outside of the list.
pub fn check_operators(path: &Path, bytes: &[u8]) -> Result<(), PackError> {
    let refuse = |operator: String| PackError::Operator { path: path.to_owned(), operator };
    let allowed: BTreeSet<&str> = OPERATORS.split_whitespace().collect();
    let mut archive =
        zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| refuse(format!("(archive: {e})")))?;
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(|e| refuse(format!("(archive: {e})")))?;
        if !file.name().ends_with(".py") {
            continue;
        }
        let mut source = String::new();
        file.take(MAX_SOURCE_BYTES)
            .read_to_string(&mut source)
            .map_err(|e| refuse(format!("(source: {e})")))?;
        if let Some(operator) = operators(&source).find(|name| !allowed.contains(name.as_str())) {
            return Err(refuse(operator));
        }
    }
    Ok(())
}

/// Every `torch.a` and `ops.a.b` that is called in serialized TorchScript, as `a` and `a.b`.
fn operators(source: &str) -> impl Iterator<Item = String> + '_ {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    source
        .split(move |c: char| !is_name(c))
        .filter_map(|word| word.strip_prefix("torch.").or_else(|| word.strip_prefix("ops.")))
        .map(str::to_owned)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn archive(source: &str) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("m/code/__torch__.py", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(source.as_bytes()).unwrap();
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn a_model_that_reads_files_is_refused_and_the_operator_is_named() {
        let path = Path::new("model.pt");
        check_operators(path, &archive("def forward(x):\n  return torch.add(x, x)")).unwrap();
        let error = check_operators(path, &archive("y = torch.from_file(\"/etc/passwd\")")).unwrap_err();
        assert!(matches!(&error, PackError::Operator { operator, .. } if operator == "from_file"), "{error}");
        assert!(check_operators(path, b"no zip at all").is_err());
    }

    #[test]
    fn a_changed_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.pt");
        std::fs::write(&path, b"abc").unwrap();
        let good = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(check_file(&path, good).unwrap(), b"abc");
        std::fs::write(&path, b"abd").unwrap();
        assert!(matches!(check_file(&path, good), Err(PackError::Digest { .. })));
    }

    #[test]
    fn an_unknown_pack_is_refused_with_its_digest() {
        let error = check_manifest(Path::new("other"), b"[pack]").unwrap_err();
        assert!(error.to_string().contains("GST_PORTRAIT_TRUSTED_PACKS"), "{error}");
        check_manifest(Path::new("lite"), BUILT_IN).unwrap();
    }
}
