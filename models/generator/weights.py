"""Loading trained parts from checkpoints."""

from __future__ import annotations

from pathlib import Path

import torch

from .model import Part


def load_part(folder: Path, kind: str) -> Part:
    part = Part(kind)
    path = folder / f"{kind}.ckpt"
    if path.exists():
        part.load_state_dict(torch.load(path, map_location="cpu")["part"])
    else:
        print(f"{path} is missing: {kind} is untrained")
    return part.eval().requires_grad_(False)
