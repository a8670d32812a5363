# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the nets hear of a clip: the encoder tokens that hear.py left, and a run of a net over the whole sound."""

from pathlib import Path

import numpy as np
import torch

from models.speech2landmarks.dataset import Clip
from models.speech2landmarks.model import HIDDEN, Level, Net


def attach(t: dict, clips: list[Clip], work: Path) -> list[Clip]:
    """Give `extra["tokens"]`, a list of copies [n,192] of which the first is undisturbed, to the clips, and `hush`, the
    tokens of silence, to the tables; returns rooms without speech.
    """
    known = np.load(work / "tokens.npz")
    copies: dict[str, list[np.ndarray]] = {}
    for k in known.files:
        copies.setdefault(k.split("/")[0], []).append(known[k])
    for c in clips:
        c.extra["tokens"] = copies[c.name]
    t["hush"] = copies["hush"][0][0]
    rooms = [Clip(k, copies[f"rows-{k}"][0], np.zeros(0)) for k in copies if k.startswith("quiet-")]
    for c in rooms:
        c.extra["tokens"] = copies[c.name]
    return rooms


def listen(net: Net, c: Clip, code: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Coefficients [1,n,K] and hidden state [1,n,H] of a whole clip, with the identity code of a face."""
    x = torch.from_numpy(np.pad(c.mel, ((8, 0), (0, 0)), constant_values=-13.8))
    tokens = torch.from_numpy(c.extra["tokens"][0][: len(c.mel) // 4].astype(np.float32))
    ident = torch.from_numpy(np.asarray(code, np.float32))[None]
    with torch.no_grad():
        x = Level()(x.reshape(1, -1, 4, 80), torch.zeros(1, 2))[0].reshape(1, -1, 80)
        y, hidden, _ = net(x, tokens[None], ident, torch.zeros(1, 8), torch.zeros(1, 1, HIDDEN))
    return y, hidden
