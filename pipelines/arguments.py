# SPDX-License-Identifier: MIT OR Apache-2.0
"""Arguments of the scripts in these folders: what is wrong with one is told in a line."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
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
