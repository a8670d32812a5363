# SPDX-License-Identifier: MIT OR Apache-2.0
"""Which package brings what, on this distribution."""

from __future__ import annotations

import os
from pathlib import Path

_TABLE = Path(__file__).resolve().parent / "packages.tsv"

#: Columns of the table, and how each distribution's packages are installed.
_DISTRIBUTIONS = {
    "debian": (1, "sudo apt-get install"),
    "fedora": (2, "sudo dnf install"),
    "arch": (3, "sudo pacman -S"),
}


def distribution(os_release: Path = Path("/etc/os-release")) -> str | None:
    """The distribution, or the one that it is like; None where it is none of the table's."""
    try:
        lines = os_release.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    words = [values.get("ID", "").strip('"'), *values.get("ID_LIKE", "").strip('"').split()]
    return next((word for word in words if word in _DISTRIBUTIONS), None)


def package(thing: str, name: str | None = None) -> str | None:
    """The packages that bring a thing on a distribution (Debian's names where it is unknown), None where none is known."""
    column = _DISTRIBUTIONS.get(name or "debian", _DISTRIBUTIONS["debian"])[0]
    for line in _TABLE.read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")
        if fields[0] == thing and len(fields) > column:
            return fields[column]
    return None


def install_line(thing: str, name: str | None = None) -> str:
    """What to do to have a thing."""
    name = name or os.environ.get("GST_PORTRAIT_DISTRIBUTION") or distribution()
    brings = package(thing, name)
    if brings is None:
        return f"install what brings {thing}"
    if name in _DISTRIBUTIONS:
        return f"install {brings} (`{_DISTRIBUTIONS[name][1]} {brings}`)"
    return f"install what Debian has as {brings}"
