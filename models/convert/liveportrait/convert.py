# SPDX-License-Identifier: MIT OR Apache-2.0
"""From official files to a pack."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from .. import sample
from ..checkpoint import check, find, read, section
from ..pack import Make, Stage, write
from .config import Config
from .layouts import BASE, RETARGETING, SECTIONS, layouts
from .stages import build

# What upstream's square is measured by, as far as 203 points have brothers among the 478: jaw, brows, eyes, nose and lips, no
# forehead.
# fmt: off
CROP_POINTS = [
    127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 33, 133, 362, 263, 1, 61, 291,
]
# fmt: on
CARD = Path(__file__).with_name("card.md")


def load(folder: Path, c: Config) -> dict[str, dict[str, Tensor]]:
    """Checked tensors of all files, by the names of `layouts`."""
    wanted, found = layouts(c), {}
    paths = {name: find(folder, name) for name in (*BASE, RETARGETING)}
    for name, path in tqdm(paths.items(), desc="reading", unit="file"):
        content = read(path)
        if name in BASE:
            found[name] = check(content, wanted[name], str(path))
            continue
        for inner in SECTIONS.values():
            key = f"{name}/{inner}"
            found[key] = check(section(content, inner, path), wanted[key], f"{path}, section {inner},")
    return found


def manifest(c: Config, pack_id: str, version: str) -> dict[str, object]:
    """All of pack.toml but stages, golden and card."""
    return {
        "pack": {"id": pack_id, "version": version, "licence": "MIT", "format": 2, "extends": "lite"},
        "latents": {"count": c.points, "dims": 3},
        "picture": {"renderer": "neural", "resolution": c.picture},
        "crop": {"scale": 2.3, "vy": -0.125, "rotate": True, "points": CROP_POINTS},
        "pose": {
            "styles": ["calm", "lively", "nodding", "turning"],
            "limits": [30.0, 25.0, 30.0],
            "gains": [1.0, 1.0, 1.0],
            "growth": [0.0, 0.0, 0.0],
            "skew": [0.0, 0.0, 0.0],
        },
        "compute": {"prefer": "cuda", "cuda": "fp16"},
    }


def steps(tensors: dict[str, dict[str, Tensor]], c: Config, half: bool) -> list[tuple[str, Make]]:
    """How each stage is made, in the order in which they run."""
    nets = build(tensors, c)
    photo, (neutral, pose) = sample.photo(c.image), sample.face()

    def appearance(_: dict[str, Tensor]) -> Stage:
        return Stage(nets["appearance"], {"photo": photo}, ["volume"], half)

    def source(_: dict[str, Tensor]) -> Stage:
        names = ["source_latents", "kp_canonical", "expression", "head"]
        return Stage(nets["source"], {"photo": photo}, names, half, precision="fp32")

    def latents(known: dict[str, Tensor]) -> Stage:
        given = {
            "landmarks": sample.speaking(neutral),
            "neutral": neutral,
            "pose": sample.turned(pose),
            "source_pose": pose[0],
            "crop_angle": torch.tensor([3.0]),
            **{k: known[k] for k in ("source_latents", "kp_canonical", "expression", "head")},
        }
        return Stage(nets["landmarks2latents"], given, ["latents"], precision="fp32")

    def face(known: dict[str, Tensor]) -> Stage:
        given = {
            "frame": photo.flip(3),
            "drive": torch.tensor([[1.0, 1.0, 1.0, 0.5]]),
            "pose": sample.turned(pose),
            "source_pose": pose[0],
            "crop_angle": torch.tensor([3.0]),
            **{k: known[k] for k in ("source_latents", "kp_canonical", "expression", "head")},
            "state": torch.zeros(1, 1 + 3 * c.points),
        }
        return Stage(nets["face2latents"], given, ["latents", "state"], half, precision="fp32")

    def render(known: dict[str, Tensor]) -> Stage:
        given = {k: known[k] for k in ("volume", "source_latents", "latents")}
        return Stage(nets["render"], given, ["picture"], half, shared=True)

    return [
        ("appearance", appearance),
        ("source", source),
        ("face2latents", face),
        ("landmarks2latents", latents),
        ("render", render),
    ]


def card(c: Config, pack_id: str, version: str, half: bool, tensors: dict[str, dict[str, Tensor]]) -> str:
    """The model card."""
    count = {
        name: sum(t.numel() for k, t in found.items() if k.endswith(("weight", "bias", "weight_orig", "gamma", "beta")))
        for name, found in tensors.items()
    }
    return CARD.read_text().format(
        id=pack_id,
        version=version,
        weights="float16" if half else "float32",
        image=c.image,
        picture=c.picture,
        points=c.points,
        appearance=f"{count['appearance_feature_extractor']:,}",
        source=f"{count['motion_extractor']:,}",
        landmarks2latents=f"{sum(n for name, n in count.items() if name.startswith(RETARGETING)):,}",
        render=f"{count['warping_module'] + count['spade_generator']:,}",
    )


def convert(folder: Path, output: Path, c: Config, half: bool, pack_id: str = "liveportrait", version: str = "1.0.0") -> str:
    """Writes the pack; returns the digest of its manifest.

    Raises ConvertError for what is wrong with the files.
    """
    tensors = load(folder, c)
    text = card(c, pack_id, version, half, tensors)
    return write(output, steps(tensors, c, half), manifest(c, pack_id, version), text)


def checkpoints(folder: Path, c: Config, seed: int) -> None:
    """Writes files of seeded random numbers in the official layout, for tests."""
    sections: dict[str, dict[str, Tensor]] = {}
    for i, (name, layout) in enumerate(layouts(c).items()):
        tensors = layout.random(seed + i)
        if name in BASE:
            (folder / "base_models").mkdir(parents=True, exist_ok=True)
            torch.save(tensors, folder / "base_models" / f"{name}.pth")
        else:
            sections[name.removeprefix(f"{RETARGETING}/")] = tensors
    (folder / "retargeting_models").mkdir(parents=True, exist_ok=True)
    torch.save(sections, folder / "retargeting_models" / f"{RETARGETING}.pth")
