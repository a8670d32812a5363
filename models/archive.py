# SPDX-License-Identifier: MIT OR Apache-2.0
"""TorchScript files as packs hold them: without the lines of the source that they were made of, which name folders of whoever made
them.

    python -m models.archive FILE.pt …

takes those out of files, which then need a manifest with their new digests.
"""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

SOURCE = ".debug_pkl"
ALIGNED = 64
"""Where libtorch begins its tensors, in bytes."""


def bare(path: Path) -> None:
    """Writes a TorchScript file anew without its source lines; entries keep their order and begin where libtorch puts them."""
    tmp = path.with_name(f".{path.name}")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            if entry.filename.endswith(SOURCE):
                continue
            info = zipfile.ZipInfo(entry.filename, (1980, 1, 1, 0, 0, 0))
            # A field that nobody reads fills the rest: two numbers of two bytes, then so many zeros.
            begin = new.fp.tell() + 30 + len(info.filename.encode()) + 4  # type: ignore[union-attr]
            fill = -begin % ALIGNED
            info.extra = b"FB" + fill.to_bytes(2, "little") + b"Z" * fill
            new.writestr(info, old.read(entry))
    os.replace(tmp, path)


def main() -> None:
    for path in sys.argv[1:]:
        bare(Path(path))


if __name__ == "__main__":
    main()
