# SPDX-License-Identifier: MIT OR Apache-2.0
"""Crops and tracks the still portraits: ID.npz with im [1,512,512,3], lm [1,478,3], src, beside those of frames.py.

python -m models.generator.portraits --data DATA --out FRAMES
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .data import manifest
from .golden import crop


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    for row in tqdm([r for r in manifest(a.data).values() if r["file"].startswith("portraits")], mininterval=10):
        out = a.out / f"{row['id']}.npz"
        if out.exists() or row["kind"] == "art":
            continue
        try:
            image, lm = crop(a.data / row["file"])
        except LookupError as e:  # no picture, or no face that the tracker finds
            print(row["id"], e)
            continue
        tmp = out.with_suffix(".tmp.npz")
        np.savez(tmp, im=image.permute(1, 2, 0).numpy()[None], lm=lm.numpy()[None], src=512)
        os.rename(tmp, out)


if __name__ == "__main__":
    main()
