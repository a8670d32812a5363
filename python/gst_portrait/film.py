# SPDX-License-Identifier: MIT OR Apache-2.0
"""A film of a photo and a recording, by the program `portrait-animate`."""

from __future__ import annotations

import json
import math
import os
import subprocess
import tempfile
from pathlib import Path

from ._elements import Value, plain
from ._plugin import MissingError, find_program, setup

#: What names files, in the table's form.
_PATHS = ("photo", "voice", "output", "portrait-open", "reference")


class FilmError(RuntimeError):
    """Why there is no film, in one line."""


def animate(
    photo: str | os.PathLike[str],
    voice: str | os.PathLike[str],
    output: str | os.PathLike[str],
    **properties: Value,
) -> None:
    """Writes an MP4 file in which the photo speaks the recording; it gets its name when it is whole.

    `properties` are those of the element `talkinghead`, with `_` for `-`. Raises FilmError where there is no film, and
    MissingError where the program is not there.
    """
    program = find_program()
    if program is None:
        raise MissingError("portrait-animate is neither in this package nor on the PATH: install gst-portrait's package")
    setup()
    # The program makes folders for the films of a table, but not for one by itself.
    place = Path(os.path.realpath(output)).parent
    if not place.is_dir():
        raise FilmError(f"cannot write {os.fspath(output)}: there is no folder {place}: make it first")
    # A table of one row: rows take any property, and what became of them is reported.
    row = {name.replace("_", "-"): plain(value) for name, value in properties.items() if value is not None}
    row |= {"photo": photo, "voice": voice, "output": output}
    for name, value in row.items():
        # The table lies elsewhere.
        if name in _PATHS and isinstance(value, str | os.PathLike) and str(value):
            row[name] = str(Path(value).absolute())
        elif isinstance(value, os.PathLike):
            row[name] = os.fspath(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name}={value} is no number")
    with tempfile.TemporaryDirectory(prefix="gst-portrait-") as folder:
        table, report = Path(folder, "film.jsonl"), Path(folder, "report.jsonl")
        table.write_text(json.dumps(row) + "\n", encoding="utf-8")
        done = subprocess.run(
            [program, "--jobs", table, "--workers", "1", "--report", report],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        lines = report.read_text(encoding="utf-8").splitlines() if report.is_file() else []
        outcome = json.loads(lines[-1]) if lines else {}
    if outcome.get("status") != "done":
        said = outcome.get("error") or done.stderr.strip().removeprefix("error: ")
        raise FilmError(said or f"portrait-animate ended with status {done.returncode}")
