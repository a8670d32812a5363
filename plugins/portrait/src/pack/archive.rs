// SPDX-License-Identifier: MIT OR Apache-2.0
//! The archive of a TorchScript model. libtorch reads archives with a reader of its own, which may see other files in the same
//! bytes than ours does (two directories, two files of one name, a file in another format with an archive behind it). So it
//! is never given what was found: the files are read here, checked, and written into a new archive that holds nothing else.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::pickle::{self, Pickle};
use super::quick::Quick;
use super::scratch::{Scratch, Target};
use super::script::{self, Program, Refusal};
use super::{PackError, float16, int8, narrow};

/// Most files in an archive.
const MAX_FILES: usize = 1 << 16;

/// Largest sum of what is stored compressed: sources, pickles.
const MAX_TEXT_BYTES: u64 = 16 << 20;

/// Versions of the operators that this libtorch compiles.
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=10;

/// A file's last record, where no comment follows.
const END: ([u8; 4], usize) = (*b"PK\x05\x06", 22);

/// Start of an archive's first file.
const START: &[u8] = b"PK\x03\x04";

/// What an archive holds, by the names that libtorch looks for.
#[derive(Default)]
struct Files {
    /// Sources, by the module that they stand for.
    sources: BTreeMap<String, String>,
    data: Vec<u8>,
    constants: Vec<u8>,
    version: Option<u32>,
    /// Numbers of `data.pkl` and of `constants.pkl`, by their names there.
    numbers: [BTreeMap<String, Vec<u8>>; 2],
}

/// Checks a model and returns it as it is to be loaded. Where `widen` is set, numbers of half precision become float32; `quick` is
/// what its layers are to compute in, where that is not float32 ([`mod@narrow`], [`mod@int8`]).
///
/// # Errors
/// The first thing in it that a pack's models may not hold; `path` is for the message.
pub fn rebuild(
    path: &Path,
    bytes: &[u8],
    widen: bool,
    quick: Option<Quick<'_>>,
) -> Result<Scratch, PackError> {
    let wrong = |reason: String| PackError::Model { path: path.to_owned(), reason };
    let mut files = read(bytes).map_err(|reason| wrong(format!("its archive holds {reason}")))?;
    let (program, [mut data, mut constants]) = check(path, &files, widen, false)?;
    for (numbers, Pickle { half, .. }) in files.numbers.iter_mut().zip([&data, &constants]) {
        for key in half {
            if let Some(stored) = numbers.get_mut(key) {
                *stored = float16::widen(stored);
            }
        }
    }
    (files.data, files.constants) = (std::mem::take(&mut data.bytes), std::mem::take(&mut constants.bytes));
    match quick {
        None => {}
        Some(Quick::Bf16) => {
            // Read again: widening moved what the pickles refer to.
            let (_, [data, constants]) = check(path, &files, false, false)?;
            let changes = narrow::Changes::new(&program, &data, &constants);
            for source in files.sources.values_mut() {
                *source = narrow::rewrite(source);
            }
            files.data = changes.recast(0, &data);
            files.constants = changes.recast(1, &constants);
            changes.narrow(&mut files.numbers);
        }
        Some(Quick::Int8 { convolutions, top }) => {
            for source in files.sources.values_mut() {
                *source = int8::rewrite(source, convolutions, top)
                    .map_err(|reason| wrong(format!("its code holds {reason}")))?;
            }
        }
    }
    if quick.is_some() {
        // What runs is what is checked.
        check(path, &files, false, true)?;
    }
    Scratch::new(|to| write(&files, to)).map_err(|e| wrong(format!("it cannot be written anew ({e})")))
}

/// Checks what an archive holds: its code (`changed`: as the plugin changes it), `data.pkl`, `constants.pkl`.
fn check(
    path: &Path,
    files: &Files,
    widen: bool,
    changed: bool,
) -> Result<(Program, [Pickle; 2]), PackError> {
    let wrong = |reason: String| PackError::Model { path: path.to_owned(), reason };
    let mut program = Program::default();
    for (module, source) in &files.sources {
        script::parse(source, module, changed, &mut program)
            .map_err(|refusal| refused(path, module, refusal))?;
    }
    let [data_numbers, constant_numbers] = &files.numbers;
    let broken = |file: &str| {
        let file = file.to_owned();
        move |reason: String| wrong(format!("its {file} holds {reason}"))
    };
    let constants =
        pickle::read(&files.constants, &program, constant_numbers, widen).map_err(broken("constants.pkl"))?;
    let count = constants.constants().map_err(broken("constants.pkl"))?;
    let data = pickle::read(&files.data, &program, data_numbers, widen).map_err(broken("data.pkl"))?;
    let class = data.module().map_err(broken("data.pkl"))?;
    if !program.classes.get(class).is_some_and(|class| class.methods.contains_key("forward")) {
        return Err(wrong(format!("its {class} has no forward")));
    }
    script::check(&program, count).map_err(|refusal| refused(path, "code", refusal))?;
    Ok((program, [data, constants]))
}

fn refused(path: &Path, module: &str, refusal: Refusal) -> PackError {
    let path = path.to_owned();
    match refusal {
        Refusal::Operator { name, .. } => PackError::Operator { path, operator: name },
        Refusal::Code { line, what } => {
            PackError::Model { path, reason: format!("its code holds {what} ({module}, line {line})") }
        }
    }
}

fn read(bytes: &[u8]) -> Result<Files, String> {
    // Else another format may stand before the archive, or a second directory behind it.
    let end = bytes.len().checked_sub(END.1).and_then(|at| bytes.get(at..)).unwrap_or_default();
    if !bytes.starts_with(START) || !end.starts_with(&END.0) || !end.ends_with(&[0, 0]) {
        return Err("bytes before or behind its files, or is none".to_owned());
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| format!("no files ({e})"))?;
    if archive.offset() != 0 {
        return Err("bytes before its files".to_owned());
    }
    if entries(bytes, archive.central_directory_start()) != archive.len() {
        return Err("two files of one name".to_owned());
    }
    if archive.len() > MAX_FILES {
        return Err(format!("more than {MAX_FILES} files"));
    }
    let mut files = Files::default();
    let mut folder = None;
    // Files that share bytes would make more of an archive than it is.
    let (mut text, mut numbers) = (MAX_TEXT_BYTES, bytes.len() as u64);
    let mut names = std::collections::BTreeSet::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(|e| format!("an unreadable file ({e})"))?;
        let whole = file.name().to_owned();
        let strange = || format!("the file {whole:?}");
        // libtorch finds files whatever their case.
        if file.is_dir() || file.is_symlink() || !names.insert(whole.to_ascii_lowercase()) {
            return Err(strange());
        }
        let (first, name) = whole.split_once('/').ok_or_else(strange)?;
        if *folder.get_or_insert_with(|| first.to_owned()) != first {
            return Err(strange());
        }
        let mut load = |left: &mut u64, stored: bool| -> Result<Vec<u8>, String> {
            if stored && file.compression() != CompressionMethod::Stored {
                return Err(format!("{whole:?} compressed"));
            }
            let mut content = Vec::with_capacity(usize::try_from(file.size().min(*left)).unwrap_or(0) + 1);
            let length = (&mut file)
                .take(*left + 1)
                .read_to_end(&mut content)
                .map_err(|e| format!("{whole:?}: {e}"))?;
            *left = left.checked_sub(length as u64).ok_or(format!("too large a {whole:?}"))?;
            Ok(content)
        };
        match name {
            "data.pkl" => files.data = load(&mut text, false)?,
            "constants.pkl" => files.constants = load(&mut text, false)?,
            "version" | ".data/version" => {
                let content = load(&mut text, false)?;
                let number = std::str::from_utf8(&content).ok().and_then(|t| t.trim_end().parse().ok());
                let known = number.filter(|n| VERSIONS.contains(n) && files.version.is_none_or(|v| v == *n));
                files.version =
                    Some(known.ok_or(format!("another version: {:?}", String::from_utf8_lossy(&content)))?);
            }
            "byteorder" => {
                if load(&mut text, false)? != b"little" {
                    return Err("numbers in another byte order".to_owned());
                }
            }
            // Of no use to a stage: who made it, where its code came from, what it was traced with, what else was put beside it.
            ".data/serialization_id" | ".format_version" | ".storage_alignment" | "traced_inputs.pkl" => {}
            _ if name.starts_with("extra/") || name.starts_with("traced_inputs/") => {}
            _ if name.ends_with(".py.debug_pkl") => {}
            _ => match name.split_once('/') {
                Some((kind @ ("data" | "constants"), key)) if is_number(key) => {
                    let content = load(&mut numbers, true)?;
                    let [data, constants] = &mut files.numbers;
                    if kind == "data" { data } else { constants }.insert(key.to_owned(), content);
                }
                Some(("code", source)) => {
                    let module = module(source).ok_or_else(strange)?;
                    let content =
                        String::from_utf8(load(&mut text, false)?).map_err(|e| format!("{whole:?}: {e}"))?;
                    files.sources.insert(module, content);
                }
                _ => return Err(strange()),
            },
        }
    }
    files.version.map(|_| files).ok_or("no version".to_owned())
}

/// Files in an archive's central directory: of two that share a name the reader shows one.
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

fn is_number(key: &str) -> bool {
    (1..=9).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_digit())
}

/// The module that a source file stands for: `__torch__/a/b.py` is `__torch__.a.b`.
fn module(file: &str) -> Option<String> {
    let stem = file.strip_suffix(".py")?;
    let plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let mut parts = stem.split('/');
    let own = parts.next() == Some("__torch__") && parts.all(plain);
    let module = stem.replace('/', ".");
    // libtorch has classes of its own by these names, whatever the source says.
    let foreign = module.starts_with("__torch__.torch.classes") || module.contains("quantized");
    (own && !foreign).then_some(module)
}

/// A new archive, with nothing compressed and no comments.
fn write(files: &Files, to: &mut dyn Target) -> zip::result::ZipResult<()> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(to);
    let mut put = |name: &str, content: &[u8]| -> zip::result::ZipResult<()> {
        zip.start_file(format!("model/{name}"), options)?;
        Ok(zip.write_all(content)?)
    };
    put("data.pkl", &files.data)?;
    put("constants.pkl", &files.constants)?;
    put("version", format!("{}\n", files.version.unwrap_or(*VERSIONS.start())).as_bytes())?;
    put("byteorder", b"little")?;
    for (module, source) in &files.sources {
        put(&format!("code/{}.py", module.replace('.', "/")), source.as_bytes())?;
    }
    for (kind, numbers) in ["data", "constants"].iter().zip(&files.numbers) {
        for (key, content) in numbers {
            put(&format!("{kind}/{key}"), content)?;
        }
    }
    zip.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::{DEFAULT_PACK, Pack};

    /// What libtorch gets holds the same, and nothing else: the files that are known, under names of ours.
    #[test]
    fn the_new_archive_holds_what_was_checked() {
        let path = Pack::open(DEFAULT_PACK).unwrap().dir().join("pose.pt");
        let found = rebuild(&path, &std::fs::read(&path).unwrap(), false, None).unwrap().bytes().unwrap();
        let mut archive = ZipArchive::new(Cursor::new(&found)).unwrap();
        let mut names: Vec<String> = archive.file_names().map(str::to_owned).collect();
        names.sort();
        let numbers = (0..27).map(|i| format!("model/constants/{i}"));
        let mut expected: Vec<String> = ["byteorder", "constants.pkl", "data.pkl", "version"]
            .map(|name| format!("model/{name}"))
            .into_iter()
            .chain(numbers)
            .chain(["model/code/__torch__/models/pose/model/___torch_mangle_0.py".to_owned()])
            .collect();
        expected.sort();
        assert_eq!(names, expected);
        assert!(archive.comment().is_empty());
        for index in 0..archive.len() {
            assert_eq!(archive.by_index(index).unwrap().compression(), CompressionMethod::Stored);
        }
        // Again: it is an archive like another.
        assert_eq!(rebuild(&path, &found, false, None).unwrap().bytes().unwrap(), found);
    }

    #[test]
    fn sources_stand_for_modules_of_their_own_names() {
        assert_eq!(module("__torch__/a/b_0.py").as_deref(), Some("__torch__.a.b_0"));
        assert_eq!(module("__torch__.py").as_deref(), Some("__torch__"));
        for file in [
            "a.py",
            "__torch__/a",
            "__torch__/a.PY",
            "__torch__//a.py",
            "__torch__/../a.py",
            "__torch__/a.b.py",
            "__torch__/0.py",
            "__TORCH__/a.py",
            "__torch__\\a.py",
            "__torch__/torch/classes/x.py",
            "__torch__/torch/nn/quantized/modules/linear.py",
        ] {
            assert_eq!(module(file), None, "{file}");
        }
    }
}
