# SPDX-License-Identifier: MIT OR Apache-2.0
"""Takes a pack's weights as the start of a training whose checkpoints are lost: OUT/mouth.ckpt, OUT/eyes.ckpt.

    python -m models.generator.recover --pack models/packs/lite --out PAINT

. What is not part of a pack, critic and prior, starts anew; the meaning of the mouth's code is settled, and
training leaves it as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .model import Part
from .stage import constants
from .weights import keep


def weights(stage: Path) -> list[torch.Tensor]:
    """Of a stage, without the indices of points."""
    return [t for t in constants(stage) if t.is_floating_point()]


def take(state: dict[str, torch.Tensor], names: list[str], found: list[torch.Tensor]) -> None:
    """Fills those entries of a state with the constants: as many of the one as of the other, or what is left would stay chance."""
    if len(names) != len(found):
        raise ValueError(f"{len(names)} weights are wanted ({names[0]} to {names[-1]}), the stage has {len(found)}")
    for name, value in zip(names, found, strict=True):
        assert state[name].shape == value.shape, f"{name}: {tuple(state[name].shape)}, the stage has {tuple(value.shape)}"
        state[name] = value


def pairs(*layers: str) -> list[str]:
    return [f"{layer}.{k}" for layer in layers for k in ("weight", "bias")]


def painter_names(kind: str) -> list[str]:
    """Weights of a painter in the order of their use; `grid_map` and `window` are what it computes itself."""
    two = lambda k: (f"{k}.a", f"{k}.b")  # convolutions of a residual block
    down = ("stem", "d1", *two("e1"), "d2", *two("e2"), "d3", *two("e3"), *two("f3"))
    names = pairs("film.0", "film.2") + ["grid_map"]
    names += pairs(*down, "u2", *two("q2"), "u1", *two("q1"), "move", "u0")
    if kind == "mouth":
        names += pairs("atlas.place") + ["grid_points", "atlas.upper", "atlas.lower"] + pairs("tint")
    return [f"painter.net.{k}" for k in names + pairs("q0", "paint")]


def encoder_names(name: str, layers: int) -> list[str]:
    return pairs(*(f"{name}.layers.{i}" for i in range(layers)), f"{name}.mean")


def recover(pack: Path, kind: str) -> Part:
    """A region as a pack holds it, to be trained on."""
    found = weights(pack / f"{kind}.pt")
    names = painter_names(kind)
    width = [len(found[names.index(f"painter.net.{layer}.bias")]) for layer in ("stem", "d1", "d2", "d3")]
    part = Part(kind, width)
    state = part.state_dict()
    # A filter and a window over the patch, in the end, are computed.
    computed = (part.painter.net.restore.shape, part.painter.net.window.shape)
    take(state, names, [t for t in found if t.shape not in computed])
    # The stage of the encoders: those of the mouth, then that of the eyes, between grids that are no weights.
    encoders = [t for t in weights(pack / "appearance.pt") if t.shape[-1] != 2]
    mouth = encoder_names("look", 4) + encoder_names("code", 4)
    if kind == "mouth":
        take(state, mouth, encoders[: len(mouth)])
    else:
        take(state, encoder_names("look", 3), encoders[len(mouth) :])
    part.load_state_dict(state)
    return part


def begin(folder: Path, kind: str, part: dict[str, torch.Tensor]) -> None:
    """A checkpoint from whose weights a training begins."""
    keep({"part": part, "settled": True}, folder / f"{kind}.ckpt")


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for k in ("pack", "out"):
        ap.add_argument(f"--{k}", type=Path, required=True)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    for kind in ("mouth", "eyes"):
        begin(a.out, kind, recover(a.pack, kind).state_dict())


if __name__ == "__main__":
    main()
