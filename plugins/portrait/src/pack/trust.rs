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

/// Largest source file within a model: what is not read cannot be checked.
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
    if entries(bytes, archive.central_directory_start()) != archive.len() {
        return Err(refuse("(archive: two files of one name)".to_owned()));
    }
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(|e| refuse(format!("(archive: {e})")))?;
        // libtorch finds files whatever their case.
        if !file.name().to_ascii_lowercase().ends_with(".py") {
            continue;
        }
        let mut source = String::new();
        let length = file
            .take(MAX_SOURCE_BYTES + 1)
            .read_to_string(&mut source)
            .map_err(|e| refuse(format!("(source: {e})")))?;
        if length as u64 > MAX_SOURCE_BYTES {
            return Err(refuse(format!("(source: longer than {} MiB)", MAX_SOURCE_BYTES >> 20)));
        }
        if let Some(operator) = operators(&source).find(|name| !allowed.contains(name.as_str())) {
            return Err(refuse(operator));
        }
    }
    Ok(())
}

/// Files in an archive's central directory. Of two that share a name this reader shows one, and libtorch may load the other.
fn entries(bytes: &[u8], start: u64) -> usize {
    let mut at = usize::try_from(start).unwrap_or(usize::MAX);
    let mut count = 0;
    while let Some(header) = bytes.get(at..).and_then(|rest| rest.first_chunk::<46>())
        && header.starts_with(b"PK\x01\x02")
    {
        let length = |i: usize| usize::from(u16::from_le_bytes([header[i], header[i + 1]]));
        at += header.len() + length(28) + length(30) + length(32);
        count += 1;
    }
    count
}

/// Every `torch.a` and `ops.a.b` that is called in serialized TorchScript, as `a` and `a.b`. The modules themselves count
/// too: by another name (`t = torch`) or with a space before the dot they would lead to any operator.
fn operators(source: &str) -> impl Iterator<Item = String> + '_ {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    source
        .split(move |c: char| !is_name(c))
        .filter_map(|word| match word {
            "torch" | "ops" => Some(word),
            _ => word.strip_prefix("torch.").or_else(|| word.strip_prefix("ops.")),
        })
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
        archive_of("m/code/__torch__.py", source)
    }

    fn archive_of(name: &str, source: &str) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
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

    /// Each of these is TorchScript that libtorch compiles.
    #[test]
    fn there_is_no_way_around_the_list() {
        let path = Path::new("model.pt");
        for source in [
            "y = torch .from_file(\"/etc/passwd\")",
            "t = torch\ny = t.from_file(\"/etc/passwd\")",
            "a = ops.aten\ny = a.from_file(\"/etc/passwd\")",
            "o = ops\ny = o.aten.from_file(\"/etc/passwd\")",
        ] {
            assert!(check_operators(path, &archive(source)).is_err(), "{source}");
        }
        let loud = archive_of("m/CODE/__TORCH__.PY", "y = torch.from_file(\"/etc/passwd\")");
        assert!(check_operators(path, &loud).is_err(), "libtorch does not mind the case of a file's name");
        // Two files of one name, the second without fault: made of two names of one length.
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, source) in [("code/a.py", "torch.from_file(x)"), ("code/b.py", "torch.add(x, x)")] {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(source.as_bytes()).unwrap();
        }
        let mut twins = zip.finish().unwrap().into_inner();
        for at in 0..twins.len() - 9 {
            if twins[at..].starts_with(b"code/a.py") {
                twins[at + 5] = b'b';
            }
        }
        assert!(check_operators(path, &twins).is_err(), "the first of two files of one name");
        let mut long = "# nothing here\n".repeat(MAX_SOURCE_BYTES as usize / 14);
        long.push_str("y = torch.from_file(\"/etc/passwd\")");
        assert!(check_operators(path, &archive(&long)).is_err(), "the end of a long source counts too");
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
