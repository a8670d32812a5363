// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packs that somebody trusts and that are not what they promise: each is refused with one error, and nothing of it runs. Each is
//! the built-in pack with another `pose.pt` or another manifest, its digests right.

mod common;

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use common::{init, pack};
use gstportrait::pack::{Pack, PackError};
use sha2::{Digest, Sha256};
use tch::Device;

/// The files of a model, as its archive orders them.
type Entries = Vec<(String, Vec<u8>)>;

/// Code and data of `pose.pt`.
const CODE: &str = "pose/code/__torch__/models/pose/model/___torch_mangle_0.py";
const DATA: &str = "pose/data.pkl";
const CONSTANTS: &str = "pose/constants.pkl";

/// What an attack would leave behind: `MARKER` stands for its path in a model's code.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    /// Nothing that is static is dropped.
    extern "C" fn remove() {
        let _ = std::fs::remove_dir_all(&*FOLDER);
    }
    // Tests that run beside each other, each in a process, share nothing.
    let name = format!("pack_attacks-{}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    // SAFETY: the function takes and gives nothing.
    unsafe { libc::atexit(remove) };
    folder
});

fn marker(name: &str) -> PathBuf {
    FOLDER.join(format!("{name}.marker"))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn entries() -> Entries {
    let bytes = std::fs::read(pack().dir().join("pose.pt")).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..archive.len())
        .map(|i| {
            let mut file = archive.by_index(i).unwrap();
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            (file.name().to_owned(), content)
        })
        .collect()
}

fn zip_of(entries: &Entries) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in entries {
        zip.start_file(name, stored).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The model with one file changed.
fn with(file: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let mut entries = entries();
    let entry = entries.iter_mut().find(|(name, _)| name == file).unwrap();
    entry.1 = change(std::mem::take(&mut entry.1));
    zip_of(&entries)
}

/// The model with a line at the start of `forward`, which runs when the stage is loaded.
fn with_line(line: &str, name: &str) -> Vec<u8> {
    let line = line.replace("MARKER", marker(name).to_str().unwrap());
    with(CODE, |code| {
        let code = String::from_utf8(code).unwrap();
        let head = "-> Tuple[Tensor, Tensor]:\n";
        assert!(code.contains(head));
        code.replacen(head, &format!("{head}    {line}\n"), 1).into_bytes()
    })
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|w| w == from).expect("the bytes are there");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// Two archives behind each other, the second one's places moved along.
fn joined(first: Vec<u8>, second: &[u8], comment: u16) -> Vec<u8> {
    let shift = u32::try_from(first.len()).unwrap();
    let mut second = second.to_vec();
    let end = second.len() - 22;
    let add = |bytes: &mut [u8], at: usize| {
        let value = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) + shift;
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    };
    let mut at = u32::from_le_bytes(second[end + 16..end + 20].try_into().unwrap()) as usize;
    while second[at..].starts_with(b"PK\x01\x02") {
        let length = |i: usize| usize::from(u16::from_le_bytes([second[at + i], second[at + i + 1]]));
        let next = at + 46 + length(28) + length(30) + length(32);
        add(&mut second, at + 42);
        at = next;
    }
    add(&mut second, end + 16);
    second[end + 20..].copy_from_slice(&comment.to_le_bytes());
    [first, second].concat()
}

/// Two files of one name: made of two names of one length.
fn twins(evil: &[u8]) -> Vec<u8> {
    let mut entries = entries();
    let other = CODE.replace("mangle_0", "mangle_1");
    let good = entries.iter().find(|(name, _)| name == CODE).unwrap().1.clone();
    entries.retain(|(name, _)| name != CODE);
    entries.push((other.clone(), evil.to_vec()));
    entries.push((CODE.to_owned(), good));
    let mut bytes = zip_of(&entries);
    while let Some(at) = bytes.windows(other.len()).position(|w| w == other.as_bytes()) {
        bytes[at..at + CODE.len()].copy_from_slice(CODE.as_bytes());
    }
    bytes
}

fn evil_code(name: &str) -> Vec<u8> {
    let bytes = with_line("torch.save(state, \"MARKER\")", name);
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut code = Vec::new();
    archive.by_name(CODE).unwrap().read_to_end(&mut code).unwrap();
    code
}

/// Attacks by a model's file: what the error must name, and the file.
fn models() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let also = |name: &str, content: &[u8]| {
        let mut entries = entries();
        entries.push((name.to_owned(), content.to_vec()));
        zip_of(&entries)
    };
    let bomb = || {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries() {
            zip.start_file(&*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(&content).unwrap();
            if name == CODE {
                zip.write_all(&vec![b'\n'; 64 << 20]).unwrap();
            }
        }
        zip.finish().unwrap().into_inner()
    };
    vec![
        // By code.
        ("operator", "\"save\"", with_line("torch.save(state, \"MARKER\")", "operator")),
        ("namespace", "\"aten.save\"", with_line("ops.aten.save(state, \"MARKER\")", "namespace")),
        ("method", "no module", with_line("_900 = (state).save(\"MARKER\", )", "method")),
        ("method-plain", "no module", with_line("_900 = state.save(\"MARKER\")", "method-plain")),
        ("method-sparse", "no module", with_line("_900 = state.to_sparse()", "method-sparse")),
        ("getattr", "no function", with_line("_900 = getattr(state, \"save\")(\"MARKER\")", "getattr")),
        ("print", "print", with_line("print(\"MARKER\")", "print")),
        ("loop", "while", with_line("while True:\n      pass", "loop")),
        ("stateful", "holds =", with_line("self.x = state", "stateful")),
        (
            "torchbind",
            "__torch__.torch.classes",
            with_line("_900 = __torch__.torch.classes.xnnpack.Conv2dOpContext.__new__(state)", "torchbind"),
        ),
        ("comment", "#", with_line("# type: (Tensor) -> Tensor", "comment")),
        // By pickle.
        (
            "torchbind-object",
            "__torch__.torch.classes.rnn",
            with(DATA, |data| {
                replaced(
                    &data,
                    b"c__torch__.models.pose.model.___torch_mangle_0\nPose\n",
                    b"c__torch__.torch.classes.rnn\nCellParamsBase\n",
                )
            }),
        ),
        (
            "pickle-global",
            "posix.system",
            with(DATA, |data| {
                replaced(
                    &data,
                    b"c__torch__.models.pose.model.___torch_mangle_0\nPose\n",
                    b"cposix\nsystem\n",
                )
            }),
        ),
        (
            "pickle-constant",
            "torch._utils._rebuild_sparse_tensor",
            with(CONSTANTS, |data| replaced(&data, b"_rebuild_tensor_v2", b"_rebuild_sparse_tensor")),
        ),
        // 72 numbers a row of 3 strides, 216 in all: one more row lies in somebody else's memory.
        (
            "beyond",
            "beyond its numbers",
            with(CONSTANTS, |data| replaced(&data, b"(K\x48K\x03t(", b"(K\x49K\x03t(")),
        ),
        (
            "beyond-file",
            "in a file of 864 bytes",
            with(CONSTANTS, |data| replaced(&data, b"K\xd8tQ", b"M\xff\x7ftQ")),
        ),
        // By archive.
        (
            "comment-overlong",
            "before or behind its files",
            joined(
                zip_of(&entries()),
                &with_line("torch.save(state, \"MARKER\")", "comment-overlong"),
                0xffff,
            ),
        ),
        (
            "two-archives",
            "\"save\"",
            joined(zip_of(&entries()), &with_line("torch.save(state, \"MARKER\")", "two-archives"), 0),
        ),
        ("flatbuffer", "its files", [b"\x18\0\0\0PTMF".as_slice(), &zip_of(&entries())].concat()),
        ("behind", "its files", [zip_of(&entries()).as_slice(), b"more"].concat()),
        ("twins", "two files of one name", twins(&evil_code("twins"))),
        ("case", "CODE", {
            let mut entries = entries();
            entries.insert(0, (CODE.replace("code/__torch__", "CODE/__TORCH__"), evil_code("case")));
            zip_of(&entries)
        }),
        ("legacy", "model.json", also("pose/model.json", b"{}")),
        ("folder", "other/version", also("other/version", b"3\n")),
        ("source", "code/ops.py", also("pose/code/ops.py", b"def f(x: Tensor) -> Tensor:\n  return x\n")),
        ("path", "..", also("pose/code/__torch__/../../x.py", b"def f(x: Tensor) -> Tensor:\n  return x\n")),
        (
            "unused-source",
            "\"save\"",
            also(
                "pose/code/__torch__/unused.py",
                b"def f(x: Tensor) -> NoneType:\n  return torch.save(x, \"/tmp/x\")\n",
            ),
        ),
        ("bomb", "too large", bomb()),
        ("no-archive", "archive", b"\x80\x02nothing of the kind, but long enough for one".to_vec()),
    ]
}

/// Attacks by the manifest: what the error must name, and the change.
fn manifests() -> Vec<(&'static str, &'static str, [&'static str; 2])> {
    vec![
        ("rate", "[clock] sample-rate is 22050", ["sample-rate = 16000", "sample-rate = 22050"]),
        ("absolute", "[stages.pose] file", ["file = \"pose.pt\"", "file = \"/etc/passwd\""]),
        ("outside", "[stages.pose] file", ["file = \"pose.pt\"", "file = \"../pose.pt\""]),
        ("key", "look-behind", ["[clock]", "[clock]\nlook-behind = 1"]),
        // What the stage is, not only what the manifest says of it.
        (
            "shape",
            "[stages.pose] noise",
            ["name = \"noise\", shape = [1, 8]", "name = \"noise\", shape = [1, 0]"],
        ),
    ]
}

/// All packs, made and trusted before any test runs: the environment is the whole program's.
static PACKS: LazyLock<BTreeMap<String, PathBuf>> = LazyLock::new(|| {
    init();
    let lite = pack().dir().to_owned();
    let manifest = std::fs::read_to_string(lite.join("pack.toml")).unwrap();
    let (mut packs, mut digests) = (BTreeMap::new(), Vec::new());
    let mut add = |name: &str, manifest: &str, model: &[u8]| {
        let dir = FOLDER.join(name);
        std::fs::create_dir(&dir).unwrap();
        std::fs::copy(lite.join("mean_face.safetensors"), dir.join("mean_face.safetensors")).unwrap();
        std::fs::write(dir.join("pose.pt"), model).unwrap();
        std::fs::write(dir.join("pack.toml"), manifest).unwrap();
        digests.push(hex(manifest.as_bytes()));
        packs.insert(name.to_owned(), dir);
    };
    let pose = std::fs::read(lite.join("pose.pt")).unwrap();
    let digest = hex(&pose);
    assert!(manifest.contains(&digest));
    for (name, _, model) in models() {
        add(name, &manifest.replace(&digest, &hex(&model)), &model);
    }
    for (name, _, [from, to]) in manifests() {
        assert!(manifest.contains(from), "{from}");
        add(name, &manifest.replacen(from, to, 1), &pose);
    }
    // Without a fault: what the others have must come from their faults.
    let good = zip_of(&entries());
    add("good", &manifest.replace(&digest, &hex(&good)), &good);
    add(
        "state",
        &manifest.replace("name = \"state\", shape = [70]", "name = \"state\", shape = [71]"),
        &pose,
    );
    for name in ["changed", "link", "pipe", "face"] {
        add(name, &format!("{manifest}# {name}\n"), &pose);
    }
    // SAFETY: all tests of this program wait here first, so no other thread reads or writes the environment now.
    unsafe { std::env::set_var("GST_PORTRAIT_TRUSTED_PACKS", digests.join(":")) };
    packs
});

fn dir(name: &str) -> &'static Path {
    &PACKS[name]
}

fn load(name: &str) -> Result<(), PackError> {
    Pack::open(dir(name).to_str().unwrap())?.stage("pose", Device::Cpu).map(|_| ())
}

fn refused(name: &str, named: &str) -> PackError {
    let error = load(name).expect_err(name);
    let text = error.to_string();
    assert!(text.contains(named) && !text.contains('\n'), "{name}: {text}");
    assert!(!marker(name).exists(), "{name} has run");
    error
}

#[test]
fn a_trusted_pack_without_a_fault_loads() {
    load("good").unwrap();
}

#[test]
fn models_that_reach_out_are_refused_and_do_not_run() {
    LazyLock::force(&PACKS);
    for (name, named, _) in models() {
        let error = refused(name, named);
        assert!(matches!(error, PackError::Operator { .. } | PackError::Model { .. }), "{name}: {error:?}");
    }
}

#[test]
fn manifests_that_promise_what_cannot_be_are_refused_when_the_pack_is_opened() {
    for (name, named, _) in manifests() {
        let error = Pack::open(dir(name).to_str().unwrap()).expect_err(name);
        assert!(matches!(error, PackError::Manifest { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains(named), "{name}: {error}");
    }
}

/// The manifest's shapes are held against the stage itself.
#[test]
fn a_stage_of_another_shape_than_its_manifest_says_is_an_error_when_it_is_loaded() {
    let error = refused("state", "pose");
    assert!(matches!(error, PackError::Torch { .. }), "{error:?}");
}

#[test]
fn a_stage_that_was_changed_is_refused() {
    let path = dir("changed").join("pose.pt");
    let mut bytes = std::fs::read(&path).unwrap();
    // A bit of a number: nothing but the digest can tell.
    bytes[10_000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(refused("changed", "sha256"), PackError::Digest { .. }));
}

#[test]
fn a_mean_face_that_was_changed_is_refused() {
    let path = dir("face").join("mean_face.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(refused("face", "mean_face.safetensors"), PackError::Digest { .. }));
}

#[test]
fn a_file_outside_of_the_folder_is_refused() {
    let path = dir("link").join("pose.pt");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(pack().dir().join("pose.pt"), &path).unwrap();
    refused("link", "out of the pack's folder");
    // A link within it is a name like another.
    std::fs::remove_file(&path).unwrap();
    std::fs::copy(pack().dir().join("pose.pt"), dir("link").join("real.pt")).unwrap();
    std::os::unix::fs::symlink("real.pt", &path).unwrap();
    load("link").unwrap();
}

/// Reading it would wait for ever.
#[test]
fn a_pipe_is_no_file_of_a_pack() {
    let path = dir("pipe").join("pose.pt");
    std::fs::remove_file(&path).unwrap();
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the name is a C string.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    refused("pipe", "no file");
}

/// A digest that nobody named.
#[test]
fn an_untrusted_pack_is_refused_before_anything_else_of_it_is_read() {
    LazyLock::force(&PACKS);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pack.toml"), "not even a manifest").unwrap();
    let error = Pack::open(&format!("{}/", dir.path().display())).unwrap_err();
    assert!(matches!(error, PackError::Untrusted { .. }), "{error:?}");
}
