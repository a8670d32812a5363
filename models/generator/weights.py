"""Loading trained parts from checkpoints; a part that was never trained must not get into a pack unnoticed."""

from __future__ import annotations

from pathlib import Path

import torch

from .model import Part


def checkpoint(folder: Path, name: str, how: str) -> dict:
    """What training left in FOLDER/NAME.ckpt; without it the program ends and says how to make it."""
    path = folder / f"{name}.ckpt"
    if not path.exists():
        raise SystemExit(f"{path} is missing: make it with `python -m {how}`")
    return torch.load(path, map_location="cpu")


def load_part(folder: Path, kind: str) -> Part:
    part = Part(kind)
    trained = checkpoint(folder, kind, f"generator.train {kind}")
    part.load_state_dict(trained.get("mean", trained["part"]))
    return part.eval().requires_grad_(False)
