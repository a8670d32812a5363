# SPDX-License-Identifier: MIT OR Apache-2.0
"""From official files to a pack."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from .. import sample
from ..checkpoint import ConvertError, check, find, read, section
from ..pack import Make, Stage, write
from .config import Config
from .hearing import LOOK_AHEAD, RATE, WINDOW
from .layouts import layouts
from .mapping import RADIUS
from .motion import STATE
from .stages import build

MAIN = "SadTalker_V0.0.2_{image}"
MAPPING = {70: "mapping_00229-model", 73: "mapping_00109-model"}
CARD = Path(__file__).with_name("card.md")
# Of the sample sound, where somebody speaks.
SPOKEN_SECONDS = 1.0


def load(folder: Path, c: Config) -> dict[str, dict[str, Tensor]]:
    """Checked tensors of both files, by the names of `layouts`."""
    wanted, found = layouts(c), {}
    main, small = (find(folder, name) for name in (MAIN.format(image=c.image), MAPPING[c.coefficients]))
    with tqdm([main, small], desc="reading", unit="file") as bar:
        content, mapping = (read(path) for path in bar)
    strange = [k for k in content if k.partition(".")[0] not in wanted]
    if strange:
        raise ConvertError(f"{main} holds {strange[0]}, which is of none of SadTalker's networks")
    for name in wanted:
        if name != "mapping":
            found[name] = check(section(content, name, main), wanted[name], f"{main}, section {name},")
    inner = section(mapping, "mapping", small)
    found["mapping"] = check(inner, wanted["mapping"], str(small))
    return found


def manifest(c: Config, pack_id: str, version: str) -> dict[str, object]:
    """All of pack.toml but stages, golden and card."""
    return {
        "emotions": [],
        "pack": {"id": pack_id, "version": version, "licence": "Apache-2.0", "format": 2, "extends": "lite"},
        "clock": {"sample-rate": RATE, "frame-rate": "25/1", "window-samples": WINDOW, "look-ahead-samples": LOOK_AHEAD},
        "between": {"kind": "coefficients", "count": 64},
        "latents": {"count": c.points, "dims": 3},
        "picture": {"renderer": "neural", "resolution": c.image},
        "crop": {"scale": 1.45, "vy": -0.09, "rotate": False},
        "pose": {
            "styles": [f"style-{n}" for n in range(1, c.styles)],
            "limits": [30.0, 20.0, 20.0],
            "gains": [1.0, 1.0, 1.0],
            "growth": [0.0, 0.0, 0.0],
            "skew": [0.0, 0.0, 0.0],
        },
        "capabilities": {"controls": ["blink", "expression-gain", "yaw", "pitch", "roll", "x", "y", "scale"]},
        "compute": {"prefer": "cuda", "cuda": "fp16"},
    }


def steps(tensors: dict[str, dict[str, Tensor]], c: Config, half: bool) -> list[tuple[str, Make]]:
    """How each stage is made, in the order in which they run."""
    nets = build(tensors, c)
    photo, (_, pose) = sample.photo(c.image), sample.face()
    g = torch.Generator().manual_seed(0)

    def make(name: str, given: dict[str, Tensor], taken: list[str], outputs: list[str], precise: bool = True) -> tuple[str, Make]:
        """A stage that takes some of what the stages before gave."""

        def stage(known: dict[str, Tensor]) -> Stage:
            whole = given | {k: known[k] for k in taken}
            inputs = {k: whole[k] for k in inspect.signature(nets[name].forward).parameters}
            precision = "fp32" if precise else None
            return Stage(nets[name], inputs, outputs, half and name != "features", precision, shared=name == "render")

        return name, stage

    sound = sample.sound(WINDOW, SPOKEN_SECONDS)
    heads = ["source_latents", "source_exp", "source_coefficients", "kp_canonical"]
    # The picture of number 7, where a block begins.
    begun = torch.zeros(STATE)
    begun[:2] = torch.tensor([7, 1])
    styles = torch.eye(c.styles - 1)[6]
    return [
        make("features", {"pcm": sound}, [], ["features"]),
        make("appearance", {"photo": photo}, [], ["volume"], precise=False),
        make("source", {"photo": photo, "landmarks": sample.landmarks()}, [], heads),
        make(
            "speech2landmarks",
            {"blink": torch.tensor([0.5]), "state": torch.tensor([7.0])},
            ["features", "source_exp"],
            ["coefficients", "state"],
        ),
        make(
            "pose",
            {"noise": torch.randn(1, c.latent, generator=g), "style": styles, "state": begun, "initial_pose": pose[0]},
            ["features", "source_coefficients"],
            ["pose", "state"],
        ),
        make(
            "landmarks2latents",
            {
                "pose": sample.turned(pose),
                "source_pose": pose[0],
                "face": torch.tensor([0, 0, 0, 1, 1.2, 1, 0]),
                "lids": torch.tensor([0.5, 0.9]),
                "state": torch.zeros(1 + RADIUS * c.coefficients),
            },
            ["coefficients", "source_coefficients", "kp_canonical"],
            ["latents", "state"],
        ),
        make("render", {}, ["volume", "source_latents", "latents"], ["picture"], precise=False),
    ]


def card(c: Config, pack_id: str, version: str, half: bool) -> str:
    """The model card."""
    return CARD.read_text().format(
        id=pack_id,
        version=version,
        weights="float16" if half else "float32",
        image=c.image,
        points=c.points,
        mapping=MAPPING[c.coefficients],
    )


def convert(folder: Path, output: Path, c: Config, half: bool, pack_id: str = "sadtalker", version: str = "0.0.2") -> str:
    """Writes the pack; returns the digest of its manifest.

    Raises ConvertError for what is wrong with the files.
    """
    return write(output, steps(load(folder, c), c, half), manifest(c, pack_id, version), card(c, pack_id, version, half))


def checkpoints(folder: Path, c: Config, seed: int) -> None:
    """Writes files of seeded random numbers in the official layout, for tests."""
    main: dict[str, Tensor] = {}
    for i, (name, layout) in enumerate(layouts(c).items()):
        tensors = layout.random(seed + i)
        if "down.weight" in tensors:
            tensors["down.weight"] = bell().expand(3, 1, 13, 13).contiguous()
        if name == "mapping":
            folder.mkdir(parents=True, exist_ok=True)
            torch.save({"mapping": tensors}, folder / f"{MAPPING[c.coefficients]}.pth.tar")
        else:
            main |= {f"{name}.{k}": v for k, v in tensors.items()}
    save_file(main, str(folder / f"{MAIN.format(image=c.image)}.safetensors"))


def bell() -> Tensor:
    """What a photo is smoothed with before every fourth pixel is taken: not trained, and part of the official file."""
    off = np.arange(13) - 6
    line = np.exp(-(off**2) / (2 * 1.5**2))
    square = np.outer(line, line)
    return torch.from_numpy((square / square.sum()).astype(np.float32))
