# SPDX-License-Identifier: MIT OR Apache-2.0
"""Keeping checkpoints, and loading trained parts from them or from a pack; a part that was never trained must not get into a
pack unnoticed.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

from .geometry import EYE_LEFT, EYE_RIGHT, MOUTH
from .model import Part
from .painters import ANCHORS, CODE_ROWS


class Shipped(Part):
    """A region as a pack ships it: the exported painter, and codes from the exported encoders."""

    def __init__(self, pack: Path, kind: str) -> None:
        super().__init__(kind)
        self.painter = torch.jit.load(str(pack / f"{kind}.pt"))
        self.encoders = torch.jit.load(str(pack / "appearance.pt"))

    @torch.no_grad()
    def code_of(self, picture: torch.Tensor, L: torch.Tensor) -> torch.Tensor:
        latents, _, _ = self.encoders(picture, L)
        return latents[-CODE_ROWS:].reshape(1, -1)[:, ANCHORS:]

    @torch.no_grad()
    def look_of(self, photo: torch.Tensor, S: torch.Tensor, which: int) -> torch.Tensor:
        _, mouth, eyes = self.encoders(photo, S)
        return mouth if which == MOUTH else eyes[[(EYE_RIGHT, EYE_LEFT).index(which)]]


def keep(state: dict, path: Path) -> None:
    """Writes a checkpoint; an interrupted run leaves the one before."""
    tmp = path.with_suffix(".tmp")
    torch.save(state, tmp)
    os.replace(tmp, path)


def checkpoint(folder: Path, name: str, how: str) -> dict:
    """What training left in FOLDER/NAME.ckpt; without it the program ends and says how to make it."""
    path = folder / f"{name}.ckpt"
    if not path.exists():
        raise SystemExit(f"{path} is missing: make it with `python -m {how}`")
    return torch.load(path, map_location="cpu")


def load_part(folder: Path, kind: str) -> Part:
    """From training's checkpoints, or from the pack if the folder is one."""
    if (folder / "pack.toml").exists():
        return Shipped(folder, kind).eval().requires_grad_(False)
    part = Part(kind)
    trained = checkpoint(folder, kind, f"models.generator.train {kind}")
    part.load_state_dict(trained.get("mean", trained["part"]))
    return part.eval().requires_grad_(False)
