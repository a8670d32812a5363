# SPDX-License-Identifier: MIT OR Apache-2.0
"""Measures what goes into the painters' convolutions, so that they can compute in whole numbers: `int8` in pack.toml.

    python -m models.generator.ranges --pack models/packs/lite --frames FRAMES --data DATA

. Training pairs are painted with the pack's painters, in float32; each convolution keeps the smallest and the largest number that
it saw in most batches. Filters without a bias are left as they are: they draw out what rounding leaves. Writes into the pack's
manifest; a stage that is put in anew (export.py, replace.py) has none until this has run again.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from models.replace import text

from .model import Part
from .painters import anchors
from .recover import recover
from .train import Trainer, options, prepare

BATCHES = 24
COVERED = 0.75
"""Share of the batches whose numbers are all within the range: the strangest few would make the steps coarse for all others."""


class Watch(TorchFunctionMode):
    """Keeps what goes into convolutions, in the order of their calls since `start`."""

    def __init__(self) -> None:
        super().__init__()
        self.low: list[list[float]] = []
        self.high: list[list[float]] = []
        self.shape: list[list[int]] = []
        self.bias: list[bool] = []
        self.at = 0

    def start(self) -> None:
        self.at = 0

    def __torch_function__(self, call: Callable, types: Any, args: tuple = (), named: dict | None = None) -> Any:
        if call in (torch.conv2d, torch.nn.functional.conv2d):
            x = args[0]
            if self.at == len(self.low):
                self.low.append([]), self.high.append([])
                self.shape.append(list(x.shape)), self.bias.append(len(args) > 2 and args[2] is not None)
            self.low[self.at].append(x.min().item()), self.high[self.at].append(x.max().item())
            self.at += 1
        return call(*args, **(named or {}))

    def rows(self, batch: int) -> list[dict]:
        """Those of pack.toml, for pictures of that batch."""
        found = []
        for low, high, shape, bias in zip(self.low, self.high, self.shape, self.bias):
            ends = [round(min(float(np.quantile(low, 1 - COVERED)), 0.0), 4), round(float(np.quantile(high, COVERED)), 4)]
            found.append({**({"range": ends} if bias else {}), "shape": [batch, *shape[1:]]})
        return found


def watched(trainer: Trainer, part: Part) -> Watch:
    """What the convolutions of a painter see on training pairs."""
    watch = Watch()
    for _ in range(BATCHES):
        b = trainer.batch()
        which = int(b["which"])
        look = part.appearance(b["own"], b["S"], b["Ts"], which)
        code = None
        if part.kind == "mouth":
            code = torch.cat([anchors(b["D"], b["T"]), part.learned_code(b["truth"], b["maps"][:, :3])], 1)
        watch.start()
        with watch:
            part.paint(b["patch"], b["maps"], code, look)
    return watch


def main() -> None:
    ap = options(__doc__)
    ap.add_argument("--pack", type=Path, required=True)
    a = ap.parse_args()
    manifest = a.pack / "pack.toml"
    pack = tomllib.loads(manifest.read_text())
    for kind in ("mouth", "eyes"):
        a.kind = kind
        prepare(a)
        with torch.no_grad():
            watch = watched(Trainer(a), recover(a.pack, kind).eval())
        batch = pack["stages"][kind]["inputs"][0]["shape"][0]
        pack["stages"][kind]["int8"] = watch.rows(batch)
        print(kind, len(watch.low), "convolutions")
    manifest.write_text(text(pack))


if __name__ == "__main__":
    main()
