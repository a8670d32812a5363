# SPDX-License-Identifier: MIT OR Apache-2.0
"""Exports the parallax maps, with golden tensors of a sample photo.

python -m models.parallax.export --weights PAINT --samples tests/data --build build
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F

from ..generator.export import frozen, milliseconds
from ..generator.golden import crop
from ..generator.stage import write_stage
from ..generator.weights import checkpoint
from .model import Parallax


class OnePhoto(nn.Module):
    """forward(photo [1,3,256,256] 0..1, landmarks [1,478,3]) -> [2*DIRECTIONS,64,64]"""

    def __init__(self, net: Parallax) -> None:
        super().__init__()
        self.net = net

    def forward(self, photo: torch.Tensor, landmarks: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.net(photo, landmarks)[0],)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("weights", "samples", "build"):
        ap.add_argument(f"--{name}", type=Path, required=True)
    a = ap.parse_args()
    torch.set_num_threads(1)
    net = Parallax()
    net.load_state_dict(checkpoint(a.weights, "parallax", "models.parallax.train")["mean"])
    photo, S = crop(a.samples / "portrait-grace-hopper.jpg")
    small = F.avg_pool2d(photo[None].float() / 255, 2)
    args = {"photo": small, "landmarks": S[None]}
    print(f"parallax {milliseconds(frozen(OnePhoto(net.eval()), tuple(args.values())), list(args.values())):.2f} ms")
    # Stored in half precision, and so not frozen.
    script = torch.jit.trace(OnePhoto(net.eval()), tuple(args.values()), check_trace=False).half()
    write_stage(a.build, "parallax", script, args, ["parallax"], toml='weights = "float16"\n')


if __name__ == "__main__":
    main()
