# SPDX-License-Identifier: MIT OR Apache-2.0
"""Frames of one person with the head turned every way, small, with mattes and clean plates -> OUT/ID.npz.

python -m models.parallax.data --data DATA --tracks TRACKS --pack models/packs/lite --out TURNED

Each file holds im [n,256,256,3] uint8, matte [n,256,256] uint8, plate [n,256,256,3] uint8, lm [n,478,3] in picture
units, pose [n,7].
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.numpy import load_file
from tqdm import tqdm

from ..data.normalise import decompose
from ..generator.compose import clean_plate, person
from ..generator.data import manifest
from .model import SIDE

FRAMES = 18
"""Frames of a clip, as different in pose as it has them."""
LARGEST = 38.0
"""Degrees of yaw beyond which the tracker guesses."""


def spread(poses: np.ndarray, count: int) -> list[int]:
    """Rows that are far from each other in yaw, pitch and roll; the middle one first."""
    turn = poses[:, :3] * [1, 1, 0.6]
    chosen = [int(np.abs(turn - np.median(turn, 0)).sum(1).argmin())]
    far = np.full(len(turn), np.inf)
    while len(chosen) < min(count, len(turn)):
        far = np.minimum(far, np.linalg.norm(turn - turn[chosen[-1]], axis=1))
        if far.max() < 1.0:
            break
        chosen.append(int(far.argmax()))
    return sorted(chosen)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "tracks", "pack", "out"):
        ap.add_argument(f"--{name}", type=Path, required=True)
    a = ap.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    a.out.mkdir(parents=True, exist_ok=True)
    mean_face = load_file(a.pack / "mean_face.safetensors")["mean_face"]
    matte = torch.jit.load(str(a.pack / "matte.pt")).eval()
    for row in tqdm([r for r in manifest(a.data).values() if r["file"].startswith("clips")]):
        track, out = a.tracks / f"{row['id']}.npz", a.out / f"{row['id']}.npz"
        if out.exists() or not track.exists():
            continue
        z = np.load(track)
        poses = decompose(z["lm"], mean_face)[1]
        good = np.flatnonzero(z["ok"] & (np.abs(poses[:, 0]) < LARGEST))
        if len(good) < 10:
            continue
        want = good[spread(poses[good], FRAMES)]
        cap, images, k = cv2.VideoCapture(str(a.data / row["file"])), {}, 0
        while cap.grab():
            if k in want:
                picture = cv2.resize(cap.retrieve()[1], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
                images[k] = picture[..., ::-1].copy()
            k += 1
        want = [k for k in want if k in images]
        im = np.stack([images[k] for k in want])
        mattes, plates = [], []
        for picture in im:
            x = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
            m = person(matte, x)
            mattes.append((m[0, 0] * 255).round().byte().numpy())
            plates.append((clean_plate(x, m)[0].permute(1, 2, 0) * 255).round().byte().numpy())
        tmp = out.with_suffix(".tmp.npz")
        np.savez(tmp, im=im, matte=np.stack(mattes), plate=np.stack(plates), lm=z["lm"][want], pose=poses[want])
        os.rename(tmp, out)


if __name__ == "__main__":
    main()
