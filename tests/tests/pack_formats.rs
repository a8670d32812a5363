// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packs of the second format that cannot work, or that extend what they cannot: one error each, before anything of them runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use gstportrait::pack::{Pack, PackError};
use portrait_tests::mini::Mini;

/// Packs with one fault: name, what the error must say, and what is changed.
const FAULTS: [(&str, &str, &str, &str); 30] = [
    ("kind", "unknown variant `gan`", "\"neural\"", "\"gan\""),
    // The generator's keypoints are no control points: mouth and eyes could not be found.
    ("warp", "[latents] count is not control-points", "\"neural\"", "\"warp\""),
    ("role-missing", "no stage has the role render", "[stages.render]", "[stages.matte]"),
    ("role-unknown", "\"rendering\", which is none of", "[stages.render]", "[stages.rendering]"),
    ("role-twice", "a second stage of the role source", "role = \"landmarks2latents\"", "role = \"source\""),
    (
        "shape-latents",
        "[stages.render] latents has shape [1, 20, 3]",
        "\"latents\", shape = [1, 21, 3] }, { name = \"texture\"",
        "\"latents\", shape = [1, 20, 3] }, { name = \"texture\"",
    ),
    (
        "shape-picture",
        "[stages.render] picture has shape [1, 3, 64, 64]",
        "\"picture\", shape = [1, 3, 128, 128]",
        "\"picture\", shape = [1, 3, 64, 64]",
    ),
    (
        "shape-source",
        "[stages.render] volume has shape",
        "{ name = \"volume\", shape = [1, 4, 8, 16, 16] }]\noutputs = [{ name = \"picture\"",
        "{ name = \"volume\", shape = [1, 4, 8, 16, 15] }]\noutputs = [{ name = \"picture\"",
    ),
    (
        "shape-photo",
        "[stages.appearance] photo has shape [1, 3, 128, 64]",
        "\"photo\", shape = [1, 3, 128, 128] }]\noutputs = [{ name = \"volume\"",
        "\"photo\", shape = [1, 3, 128, 64] }]\noutputs = [{ name = \"volume\"",
    ),
    ("shape-count", "source_latents has shape [1, 21, 3], [22, 3] is needed", "count = 21", "count = 22"),
    (
        "input-unknown",
        "takes \"pose2\": a stage of the role landmarks2latents is offered",
        "\"posed\"",
        "\"pose2\"",
    ),
    ("input-twice", "takes \"posed\" twice", "\"source_landmarks\"", "\"posed\""),
    // Emotions are not offered to a generator.
    (
        "input-other",
        "takes \"emotion\": a stage of the role render is offered latents, source_latents, texture, volume",
        "\"volume\", shape = [1, 4, 8, 16, 16] }]\noutputs = [{ name = \"picture\"",
        "\"emotion\", shape = [1, 4, 8, 16, 16] }]\noutputs = [{ name = \"picture\"",
    ),
    (
        "coefficients",
        "takes \"coefficients\"",
        "\"posed\", shape = [1, 478, 3]",
        "\"coefficients\", shape = [1, 64]",
    ),
    (
        "input-needed",
        "does not take \"photo\"",
        "inputs = [{ name = \"photo\", shape = [1, 3, 128, 128] }]",
        "inputs = []",
    ),
    (
        "output-missing",
        "[stages.landmarks2latents] gives no \"latents\"",
        "{ name = \"latents\", shape = [1, 21, 3] }]",
        "{ name = \"keypoints\", shape = [1, 21, 3] }]",
    ),
    (
        "source-missing",
        "[stages.appearance] gives no \"source_latents\"",
        "outputs = [{ name = \"source_latents\"",
        "outputs = [{ name = \"kp_source\"",
    ),
    (
        "source-ours",
        "gives \"posed\", which the plugin gives itself",
        "outputs = [{ name = \"volume\"",
        "outputs = [{ name = \"posed\"",
    ),
    (
        "state",
        "takes \"state\" and gives none back",
        "\"source_landmarks\", shape = [1, 478, 3]",
        "\"state\", shape = [8]",
    ),
    ("control", "controls names \"ears\"", "\"blink\"", "\"ears\""),
    ("emotion", "emotions names \"bored\"", "[pack]", "emotions = [\"happy\", \"bored\"]\n\n[pack]"),
    // The stages of lite take eight.
    ("emotions", "emotion has shape [8], [1] is needed", "[pack]", "emotions = [\"happy\"]\n\n[pack]"),
    ("feather", "[picture] feather", "resolution = 128", "resolution = 128\nfeather = 0.9"),
    ("crop", "[crop] scale is 0", "[pose]", "[crop]\nscale = 0.0\n\n[pose]"),
    ("precision", "unknown variant `int8`", "[pose]", "[compute]\ncuda = \"int8\"\n\n[pose]"),
    ("points", "[latents] control-points and code-rows", "dims = 3", "dims = 3\ncode-rows = 1"),
    (
        "base-missing",
        "extends \"nobody\": model pack \"nobody\" was not found",
        "extends = \"lite\"",
        "extends = \"nobody\"",
    ),
    ("base-path", "[pack] extends is not the name", "extends = \"lite\"", "extends = \"../lite\""),
    ("base-none", "it has no [clock]", "extends = \"lite\"\n", ""),
    ("circle-self", "circle (circle-self -> circle-self)", "extends = \"lite\"", "extends = \"circle-self\""),
];

/// Written, and trusted before any test runs, but the one that is not to be.
static PACKS: LazyLock<(PathBuf, BTreeMap<&str, PathBuf>)> = LazyLock::new(|| {
    /// Nothing that is static is dropped.
    extern "C" fn remove() {
        let _ = std::fs::remove_dir_all(&PACKS.0);
    }
    portrait_tests::init();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("formats-{}", std::process::id()));
    let (mut packs, mut digests) = (BTreeMap::new(), Vec::new());
    let mut add = |name, pack: Mini, trusted: bool| {
        let (dir, digest) = pack.write(&folder, name);
        packs.insert(name, dir);
        digests.extend(trusted.then_some(digest));
    };
    let extending = |base: &str| Mini::default().with("extends = \"lite\"", &format!("extends = \"{base}\""));
    for (name, _, from, to) in FAULTS {
        add(name, Mini::default().with(from, to), true);
    }
    add("good", Mini::default(), true);
    add("circle-a", extending("circle-b"), true);
    add("circle-b", extending("circle-c"), true);
    add("circle-c", extending("circle-b"), true);
    // A comment makes it another manifest.
    add("stranger", Mini::default().with("[pack]", "# nobody trusts it\n[pack]"), false);
    add("of-stranger", extending("stranger"), true);
    add("changed", Mini::default().with("[pack]", "# changed\n[pack]"), true);
    add("of-changed", extending("changed").with("\n[stages.render]", "\n[stages.rendered]"), true);
    // What it brings goes before what the other has, by its role.
    add("second", extending("good").with("version = \"1\"", "version = \"2\""), true);
    add(
        "lies",
        Mini::default().with_model(
            "source",
            "landmarks: Tensor, photo: Tensor",
            "Tensor",
            "    return landmarks\n",
        ),
        true,
    );
    add("bf16", Mini::default().with("[pose]", "[compute]\ncpu = \"bf16\"\n\n[pose]"), true);
    add("shuffled", shuffled(), true);
    // SAFETY: all tests of this program wait here first, so no other thread reads or writes the environment now; the function
    // takes and gives nothing.
    unsafe {
        std::env::set_var("GST_PORTRAIT_TRUSTED_PACKS", digests.join(","));
        libc::atexit(remove);
    }
    (folder, packs)
});

/// The same generator, whose function takes its arguments in another order.
fn shuffled() -> Mini {
    let entries = "{ name = \"source_latents\", shape = [1, 21, 3] }, { name = \"latents\", shape = [1, 21, 3] }, { name = \"texture\", shape = [1, 3, 128, 128] }, { name = \"volume\", shape = [1, 4, 8, 16, 16] }";
    let other = "{ name = \"volume\", shape = [1, 4, 8, 16, 16] }, { name = \"texture\", shape = [1, 3, 128, 128] }, { name = \"latents\", shape = [1, 21, 3] }, { name = \"source_latents\", shape = [1, 21, 3] }";
    let arguments = "volume: Tensor, texture: Tensor, latents: Tensor, source_latents: Tensor";
    let body = "    return torch.add(torch.mul(texture, 0.5), torch.mean(torch.sub(latents, torch.mul(source_latents, 0.))))\n";
    Mini::default().with(entries, other).with_model("render", arguments, "Tensor", body)
}

fn open(name: &str) -> Result<std::sync::Arc<Pack>, PackError> {
    Pack::open(PACKS.1[name].to_str().unwrap())
}

fn refused(name: &str) -> String {
    let error = open(name).expect_err(name).to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

fn stage(name: &str, stage: &str) -> Result<std::sync::Arc<gstportrait::pack::Stage>, PackError> {
    open(name)?.stage(stage, tch::Device::Cpu)
}

#[test]
fn a_pack_that_extends_another_has_the_stages_of_both() {
    let (pack, lite) = (open("good").unwrap(), Pack::open("lite").unwrap());
    assert_eq!(pack.id(), "mini/1");
    let cpu = tch::Device::Cpu;
    for inherited in ["features", "speech2landmarks", "speech2landmarks-low", "pose", "mesh", "matte"] {
        let (ours, theirs) = (pack.stage(inherited, cpu).unwrap(), lite.stage(inherited, cpu).unwrap());
        assert!(std::sync::Arc::ptr_eq(&ours, &theirs), "{inherited} is loaded once");
    }
    for own in ["appearance", "source", "landmarks2latents", "render"] {
        pack.stage(own, cpu).unwrap();
    }
    assert!(pack.stage("mouth", cpu).is_err(), "a generator has no use for it");
    assert_eq!(pack.mean_face(), lite.mean_face());
    assert_eq!(pack.manifest().pose.gains, [1.0; 3], "its own table");
    assert_eq!(pack.manifest().clock.window_samples, lite.manifest().clock.window_samples, "the other's");
}

#[test]
fn packs_that_cannot_work_are_refused_with_the_reason() {
    LazyLock::force(&PACKS);
    for (name, named, ..) in FAULTS {
        let error = refused(name);
        assert!(error.contains(named), "{name}: {error}");
    }
}

#[test]
fn a_circle_is_told_with_its_members() {
    let error = refused("circle-a");
    assert!(error.contains("circle (circle-b -> circle-c -> circle-b)"), "{error}");
}

/// Trust in a pack is no trust in the one that it extends; nothing of either has run.
#[test]
fn a_base_that_nobody_trusts_is_refused_with_its_digest() {
    let error = open("of-stranger").map(|_| ()).unwrap_err();
    assert!(matches!(&error, PackError::Untrusted { path, .. } if path.ends_with("stranger")), "{error}");
    assert!(matches!(open("stranger"), Err(PackError::Untrusted { .. })));
}

/// Digests hold for both.
#[test]
fn a_file_of_the_base_that_was_changed_is_refused() {
    let path = PACKS.1["changed"].join("source.pt");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(stage("changed", "source"), Err(PackError::Digest { .. })));
}

#[test]
fn packs_may_extend_packs_that_extend_others() {
    let pack = open("second").unwrap();
    assert_eq!(pack.id(), "mini/2");
    pack.stage("features", tch::Device::Cpu).unwrap();
}

/// The manifest's shapes are held against the stage itself.
#[test]
fn a_stage_of_another_shape_than_its_manifest_says_is_an_error_when_it_is_loaded() {
    let error = stage("lies", "source").unwrap_err().to_string();
    assert!(error.contains("source_latents has shape [1, 478, 3]"), "{error}");
}

/// By name: whatever the order of the file is, the number of an input is its place in the role.
#[test]
fn tensors_are_bound_by_their_names() {
    let stage = stage("shuffled", "render").unwrap();
    let one = |index, value| {
        tch::Tensor::ones(stage.input_shape(index), (tch::Kind::Float, tch::Device::Cpu)) * value
    };
    let outputs = stage
        .run_with(|name, index| {
            Ok(match name {
                "texture" => one(index, 0.5),
                "latents" => one(index, 0.125),
                _ => one(index, 100.0),
            })
        })
        .unwrap();
    let picture = outputs.get("picture").unwrap();
    assert!((picture.mean(tch::Kind::Float).double_value(&[]) - 0.375).abs() < 1e-5);
    assert_eq!(stage.place("latents"), Some(0), "the role's first");
}

/// Precision changes numbers and not their type.
#[test]
fn what_comes_out_is_single_precision_whatever_is_computed_in() {
    let tell = |name: &str| {
        let stage = stage(name, "source").unwrap();
        let value = |index| {
            tch::Tensor::ones(stage.input_shape(index), (tch::Kind::Float, tch::Device::Cpu)) * 0.123_456
        };
        let outputs = stage.run_with(|_, index| Ok(value(index))).unwrap();
        let latents = outputs.get("source_latents").unwrap();
        assert_eq!(latents.kind(), tch::Kind::Float);
        latents.double_value(&[0, 0, 0])
    };
    let (full, half) = (tell("good"), tell("bf16"));
    assert!(full != half && (full - half).abs() < 0.01, "{full} {half}");
}
