# SPDX-License-Identifier: MIT OR Apache-2.0
"""Arguments and variables of the scripts in these folders: what is wrong with one is told in a line."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Errors as all scripts have them, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message.removeprefix('argument ')}\n")


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """A whole number between those."""
    span = f"from {least} on" if most is None else f"from {least} to {most}"

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"{text} is no whole number {span}")
        return number

    return read


def seconds(text: str) -> float:
    """So many seconds, or none."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds from 0 on")
    return number


def variable(name: str, default: str) -> str:
    """A variable of the environment; one that is empty is as if it were not set, as in the shell's scripts."""
    return os.environ.get(name) or default


def number(name: str, default: float, least: float, most: float) -> float:
    """The same of a number between those."""
    text = variable(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        sys.exit(f"error: {name}={text} is no number from {least:g} to {most:g}")
    return value


def variables_only() -> None:
    """Ends a script that takes no arguments where it is given some, with its README.md where that is asked for, as common.sh does."""
    path = Path(sys.argv[0])
    if sys.argv[1:2] in (["-h"], ["--help"]):
        sys.stdout.write(path.with_name("README.md").read_text(encoding="utf-8"))
        sys.exit(0)
    if len(sys.argv) > 1:
        sys.exit(
            f"error: {path.name} takes no arguments but variables, as in PORTRAIT=photo.jpg SOURCE=voice.wav {path}: "
            "README.md beside it names them"
        )
