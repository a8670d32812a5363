# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the converters' command lines share."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from .checkpoint import ConvertError
from .pack import TRUSTED


def run(
    doc: str,
    convert: Callable[[argparse.Namespace, Path], str],
    invent: Callable[[argparse.Namespace, Path], None],
    more: Callable[[argparse.ArgumentParser], None] = lambda _: None,
) -> None:
    """Reads the command line, converts, says how the pack is trusted. `invent` writes checkpoints of random numbers to a folder,
    `more` adds a converter's own options.
    """
    a = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = a.add_mutually_exclusive_group(required=True)
    which.add_argument("--checkpoints", type=Path, help="folder that holds the official files, at any depth")
    which.add_argument("--miniature", action="store_true", help="a small pack of seeded random numbers, for tests")
    which.add_argument("--random", action="store_true", help="a pack of full size of seeded random numbers, to measure speed with")
    a.add_argument("--output", type=Path, required=True, help="the pack's folder; the pack is known by its name")
    a.add_argument("--weights", choices=["float32", "float16"], default="float32", help="how the pack's files store them")
    more(a)
    o = a.parse_args()
    try:
        with torch.no_grad(), tempfile.TemporaryDirectory() as invented:
            if o.checkpoints is None:
                invent(o, Path(invented))
            digest = convert(o, o.checkpoints or Path(invented))
    except (ConvertError, OSError, ArithmeticError) as error:
        sys.exit(f"error: {error}")
    print(f"{o.output} is written. Trust it, in addition to others by a colon:\nexport {TRUSTED}={digest}")
