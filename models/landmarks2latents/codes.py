# SPDX-License-Identifier: MIT OR Apache-2.0
"""Writes the mouth code of every frame of the clips, as the generator's encoder sees it: CODES/ID.npz (code [n,6]).

python -m models.landmarks2latents.codes --data DATA --tracks TRACKS --weights BUILD_OR_PACK --out CODES
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from models.generator.data import manifest
from models.generator.weights import load_part

PIXELS = 512  # of a picture as the encoder takes it


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for k in ("data", "tracks", "weights", "out"):
        ap.add_argument(f"--{k}", type=Path, required=True)
    ap.add_argument("--limit", type=int, default=0, help="only so many clips")
    ap.add_argument("--longest", type=int, default=500, help="frames of a clip at most")
    a = ap.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    part = load_part(a.weights, "mouth")
    a.out.mkdir(parents=True, exist_ok=True)
    rows = [r for r in manifest(a.data).values() if r["file"].startswith("clips")]
    for row in tqdm(rows[: a.limit or None], mininterval=20):
        track = a.tracks / f"{row['id']}.npz"
        if not track.exists():
            continue
        lm = np.load(track)["lm"]
        cap, out = cv2.VideoCapture(str(a.data / row["file"])), []
        for L in lm[: a.longest]:
            ok, im = cap.read()
            if not ok:
                break
            im = cv2.cvtColor(cv2.resize(im, (PIXELS, PIXELS)), cv2.COLOR_BGR2RGB)
            picture = torch.from_numpy(im).permute(2, 0, 1)[None].float() / 255
            out.append(part.code_of(picture, torch.from_numpy(L)[None])[0].numpy())
        tmp = a.out / f"{row['id']}.tmp.npz"
        np.savez(tmp, code=np.stack(out))
        os.rename(tmp, a.out / f"{row['id']}.npz")


if __name__ == "__main__":
    main()
