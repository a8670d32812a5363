# SPDX-License-Identifier: MIT OR Apache-2.0
"""Makes a pack of SadTalker's published weights.

    python -m models.convert.sadtalker --checkpoints DIR --output PACK [--size 512] [--full]

DIR holds SadTalker_V0.0.2_256.safetensors (with --size 512 that of 512) and mapping_00229-model.pth.tar (with --full
mapping_00109-model.pth.tar), as https://github.com/OpenTalker/SadTalker/releases has them.
"""

import argparse
from dataclasses import replace

from ..cli import run
from .config import MINIATURE, Config
from .convert import checkpoints, convert


def sizes(o: argparse.Namespace) -> Config:
    """What the command line asks for."""
    if o.miniature:
        return MINIATURE
    return replace(Config(), image=o.size, coefficients=73 if o.full else 70)


def options(a: argparse.ArgumentParser) -> None:
    """SadTalker's own."""
    a.add_argument("--size", type=int, choices=[256, 512], default=256, help="side of the picture")
    a.add_argument("--full", action="store_true", help="the mapping network for whole photos")


if __name__ == "__main__":
    run(
        __doc__,
        lambda o, folder: convert(folder, o.output, sizes(o), o.weights == "float16"),
        lambda o, folder: checkpoints(folder, sizes(o), seed=0),
        options,
    )
