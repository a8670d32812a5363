// SPDX-License-Identifier: MIT OR Apache-2.0
//! A neural pack in miniature: what LivePortrait's generator does, with few channels and made-up weights, in a few milliseconds on
//! a CPU.
//!
//! Its stages are TorchScript's own text, so that no trained network and no Python is needed: `appearance` makes a volume of
//! features and keeps the photo, `source` the keypoints that give it back, `landmarks2latents` those of a frame, and `render`
//! moves volume and photo by keypoints and draws. `face2latents` moves the keypoints as landmarks of a video's face do, and the chin's by how
//! the face's colours differ from those of its first frame. It draws darker than the photo is, so that whoever pastes it has colours to match.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;

/// Side of its pictures.
pub const SIDE: usize = 128;

/// Its stages: name, arguments, what they give, and the body of the function.
const STAGES: [(&str, &str, &str, &str); 5] = [
    (
        "appearance",
        "photo: Tensor",
        "Tuple[Tensor, Tensor]",
        "
    weights = torch.mul(torch.sin(torch.mul(torch.arange(864), 0.7)), 0.3)
    kernel = torch.reshape(weights, [32, 3, 3, 3])
    small = torch.adaptive_avg_pool2d(photo, [16, 16])
    features = torch.relu(torch.conv2d(small, kernel, None, [1, 1], [1, 1], [1, 1], 1))
    volume = torch.reshape(features, [1, 4, 8, 16, 16])
    return (volume, photo)
",
    ),
    (
        "source",
        "landmarks: Tensor, photo: Tensor",
        "Tensor",
        "
    points = torch.tensor([1, 10, 13, 14, 33, 61, 70, 107, 133, 145, 152, 159, 263, 291, 300, 336, 362, 374, 386, 234, 454])
    chosen = torch.index_select(landmarks, 1, points)
    return torch.add(torch.mul(chosen, 2.), -1.)
",
    ),
    (
        "landmarks2latents",
        "source_latents: Tensor, posed: Tensor, source_landmarks: Tensor",
        "Tensor",
        "
    points = torch.tensor([1, 10, 13, 14, 33, 61, 70, 107, 133, 145, 152, 159, 263, 291, 300, 336, 362, 374, 386, 234, 454])
    moved = torch.index_select(torch.sub(posed, source_landmarks), 1, points)
    return torch.add(source_latents, torch.mul(moved, 2.))
",
    ),
    (
        "face2latents",
        "frame: Tensor, source_latents: Tensor, posed: Tensor, source_landmarks: Tensor, drive: Tensor, state: Tensor",
        "Tuple[Tensor, Tensor]",
        "
    points = torch.tensor([1, 10, 13, 14, 33, 61, 70, 107, 133, 145, 152, 159, 263, 291, 300, 336, 362, 374, 386, 234, 454])
    head = torch.index_select(torch.sub(posed, source_landmarks), 1, points)
    now = torch.reshape(torch.adaptive_avg_pool2d(frame, [2, 2]), [1, 12])
    begun = torch.narrow(state, 1, 0, 1)
    first = torch.add(torch.mul(torch.narrow(state, 1, 1, 12), begun), torch.mul(now, torch.sub(1., begun)))
    chin = torch.mul(torch.mean(torch.sub(now, first)), torch.select(drive, 1, 0))
    row = torch.reshape(torch.eq(torch.arange(21), 10), [1, 21, 1])
    latents = torch.add(torch.add(source_latents, torch.mul(head, 2.)), torch.mul(row, torch.reshape(chin, [1, 1, 1])))
    return (latents, torch.cat([torch.ones([1, 1]), first], 1))
",
    ),
    (
        "render",
        "source_latents: Tensor, latents: Tensor, texture: Tensor, volume: Tensor",
        "Tensor",
        "
    line = torch.div(torch.add(torch.mul(torch.arange(128), 2), -127), 128.)
    kx = torch.reshape(torch.select(latents, 2, 0), [-1, 21, 1, 1])
    ky = torch.reshape(torch.select(latents, 2, 1), [-1, 21, 1, 1])
    dx = torch.sub(torch.reshape(line, [1, 1, 1, 128]), kx)
    dy = torch.sub(torch.reshape(line, [1, 1, 128, 1]), ky)
    weight = torch.exp(torch.mul(torch.add(torch.mul(dx, dx), torch.mul(dy, dy)), -60.))
    total = torch.add(torch.sum(weight, [1]), 0.2)
    way = torch.sub(source_latents, latents)
    wx = torch.reshape(torch.select(way, 2, 0), [-1, 21, 1, 1])
    wy = torch.reshape(torch.select(way, 2, 1), [-1, 21, 1, 1])
    fx = torch.div(torch.sum(torch.mul(weight, wx), [1]), total)
    fy = torch.div(torch.sum(torch.mul(weight, wy), [1]), total)
    gx = torch.add(torch.reshape(line, [1, 1, 128]), fx)
    gy = torch.add(torch.reshape(line, [1, 128, 1]), fy)
    warped = torch.grid_sampler(texture, torch.stack([gx, gy], 3), 0, 1, False)
    coarse = torch.adaptive_avg_pool2d(torch.stack([gx, gy], 1), [16, 16])
    flat = torch.expand(torch.reshape(torch.permute(coarse, [0, 2, 3, 1]), [-1, 1, 16, 16, 2]), [-1, 8, 16, 16, 2])
    depth = torch.div(torch.add(torch.mul(torch.arange(8), 2), -7), 8.)
    deep = torch.add(torch.reshape(depth, [1, 8, 1, 1, 1]), torch.mul(torch.narrow(flat, 4, 0, 1), 0.))
    turned = torch.grid_sampler(volume, torch.cat([flat, deep], 4), 0, 1, False)
    weights = torch.mul(torch.sin(torch.mul(torch.arange(6144), 1.3)), 0.2)
    kernel = torch.reshape(weights, [192, 32, 1, 1])
    flat0 = torch.reshape(turned, [-1, 32, 16, 16])
    detail = torch.conv2d(flat0, kernel, None, [1, 1], [0, 0], [1, 1], 1)
    drawn = torch.mul(torch.tanh(torch.pixel_shuffle(detail, 8)), 0.01)
    return torch.clamp(torch.sub(torch.add(warped, drawn), 0.05), 0., 1.)
",
    ),
];

/// Its manifest; `DIGEST:stage` stands for the digest of a stage's file.
const MANIFEST: &str = r#"
[pack]
id = "mini"
version = "1"
licence = "MIT"
format = 2
extends = "lite"

[latents]
count = 21
dims = 3

[picture]
renderer = "neural"
resolution = 128

[pose]
limits = [30.0, 30.0, 20.0]
gains = [1.0, 1.0, 1.0]
growth = [0.0, 0.0, 0.0]
skew = [0.0, 0.0, 0.0]

[capabilities]
controls = ["blink", "mouth-gain", "mouth-base", "yaw", "pitch", "roll", "x", "y", "scale"]

[stages.appearance]
file = "appearance.pt"
sha256 = "DIGEST:appearance"
inputs = [{ name = "photo", shape = [1, 3, 128, 128] }]
outputs = [{ name = "volume", shape = [1, 4, 8, 16, 16] }, { name = "texture", shape = [1, 3, 128, 128] }]

[stages.source]
file = "source.pt"
sha256 = "DIGEST:source"
inputs = [{ name = "landmarks", shape = [1, 478, 3] }, { name = "photo", shape = [1, 3, 128, 128] }]
outputs = [{ name = "source_latents", shape = [1, 21, 3] }]

[stages.keypoints]
role = "landmarks2latents"
file = "landmarks2latents.pt"
sha256 = "DIGEST:landmarks2latents"
inputs = [{ name = "source_latents", shape = [1, 21, 3] }, { name = "posed", shape = [1, 478, 3] }, { name = "source_landmarks", shape = [1, 478, 3] }]
outputs = [{ name = "latents", shape = [1, 21, 3] }]

[stages.face2latents]
file = "face2latents.pt"
sha256 = "DIGEST:face2latents"
inputs = [{ name = "frame", shape = [1, 3, 64, 64] }, { name = "source_latents", shape = [1, 21, 3] }, { name = "posed", shape = [1, 478, 3] }, { name = "source_landmarks", shape = [1, 478, 3] }, { name = "drive", shape = [1, 4] }, { name = "state", shape = [1, 13] }]
outputs = [{ name = "latents", shape = [1, 21, 3] }, { name = "state", shape = [1, 13] }]

[stages.render]
file = "render.pt"
sha256 = "DIGEST:render"
inputs = [{ name = "source_latents", shape = [1, 21, 3] }, { name = "latents", shape = [1, 21, 3] }, { name = "texture", shape = [1, 3, 128, 128] }, { name = "volume", shape = [1, 4, 8, 16, 16] }]
outputs = [{ name = "picture", shape = [1, 3, 128, 128] }]
"#;

/// A voice as coefficients of a face model, and keypoints out of them.
const VOICE: &str = "
    loud = torch.add(torch.mean(features), torch.reshape(blink, [1, 1]))
    return (torch.mul(loud, torch.reshape(torch.arange(8), [1, 8])), torch.add(state, 1.))
";
const KEYPOINTS: &str = "
    shift = torch.mul(torch.tanh(torch.mul(torch.sum(coefficients), 0.01)), 0.1)
    closed = torch.mul(torch.sub(torch.select(lids, 0, 1), torch.select(lids, 0, 0)), 0.2)
    turn = torch.mul(torch.sub(torch.reshape(pose, [7]), source_pose), 0.002)
    return torch.add(torch.add(torch.add(source_latents, shift), torch.select(turn, 0, 0)), closed)
";

/// The miniature pack, as it is written: its manifest and its models may be changed before.
#[derive(Clone)]
pub struct Mini {
    manifest: String,
    models: BTreeMap<&'static str, Vec<u8>>,
}

impl Default for Mini {
    fn default() -> Self {
        let models = STAGES.map(|(name, arguments, gives, body)| (name, model(arguments, gives, body)));
        Self { manifest: MANIFEST.trim_start().to_owned(), models: models.into_iter().collect() }
    }
}

impl Mini {
    /// A pack between whose stages no landmarks flow. Lids that a video closes move all keypoints by a fifth of their closure.
    #[must_use]
    pub fn coefficients() -> Self {
        let posed =
            "{ name = \"posed\", shape = [1, 478, 3] }, { name = \"source_landmarks\", shape = [1, 478, 3] }";
        let own = "{ name = \"coefficients\", shape = [1, 8] }, { name = \"pose\", shape = [1, 7] }, { name = \"source_pose\", shape = [7] }, { name = \"lids\", shape = [2] }";
        let speech = "
[between]
kind = \"coefficients\"
count = 8

[stages.speech2landmarks]
file = \"voice.pt\"
sha256 = \"DIGEST:voice\"
inputs = [{ name = \"features\", shape = [1, 4, 128] }, { name = \"blink\", shape = [1] }, { name = \"state\", shape = [1] }]
outputs = [{ name = \"coefficients\", shape = [1, 8] }, { name = \"state\", shape = [1] }]

[stages.render]";
        let arguments =
            "source_latents: Tensor, coefficients: Tensor, pose: Tensor, source_pose: Tensor, lids: Tensor";
        Self::default()
            .with("id = \"mini\"", "id = \"coefficients\"")
            .with(posed, own)
            .with("\n[stages.render]", speech)
            .with_model(
                "voice",
                "features: Tensor, blink: Tensor, state: Tensor",
                "Tuple[Tensor, Tensor]",
                VOICE,
            )
            .with_model("landmarks2latents", arguments, "Tensor", KEYPOINTS)
    }

    /// With a text of the manifest exchanged.
    #[must_use]
    pub fn with(mut self, from: &str, to: &str) -> Self {
        assert!(self.manifest.contains(from), "{from}");
        self.manifest = self.manifest.replacen(from, to, 1);
        self
    }

    /// With another function in the file of a stage.
    #[must_use]
    pub fn with_model(mut self, stage: &'static str, arguments: &str, gives: &str, body: &str) -> Self {
        self.models.insert(stage, model(arguments, gives, body));
        self
    }

    /// Writes it into a folder of that name; gives back the folder and the digest that is to be trusted.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, String) {
        let dir = folder.join(name);
        std::fs::create_dir_all(&dir).expect("a temporary folder can be made");
        let mut manifest = self.manifest.clone();
        for (stage, bytes) in &self.models {
            std::fs::write(dir.join(format!("{stage}.pt")), bytes).expect("a temporary file can be written");
            manifest = manifest.replace(&format!("DIGEST:{stage}"), &digest(bytes));
        }
        std::fs::write(dir.join("pack.toml"), &manifest).expect("a temporary file can be written");
        let digest = digest(manifest.as_bytes());
        (dir, digest)
    }
}

/// A TorchScript file whose `forward` has that text.
fn model(arguments: &str, gives: &str, body: &str) -> Vec<u8> {
    let head = "class Model(Module):\n  __parameters__ = []\n  __buffers__ = []\n";
    let code = format!(
        "{head}  def forward(self: __torch__.mini.Model,\n    {}) -> {gives}:\n{}",
        arguments.replace(", ", ",\n    "),
        body.trim_start_matches('\n')
    );
    let object = b"\x80\x02c__torch__.mini\nModel\nq\x00)\x81}(ubq\x01.";
    let files: [(&str, &[u8]); 5] = [
        ("data.pkl", object),
        ("constants.pkl", b"\x80\x02)."),
        ("version", b"3\n"),
        ("byteorder", b"little"),
        ("code/__torch__/mini.py", code.as_bytes()),
    ];
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(format!("mini/{name}"), stored).expect("a file of an archive");
        zip.write_all(content).expect("memory can be written");
    }
    zip.finish().expect("an archive in memory").into_inner()
}

/// The SHA-256 of a file, hexadecimal: of a manifest it is what makes a pack trusted.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
