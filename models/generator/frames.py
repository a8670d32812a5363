# SPDX-License-Identifier: MIT OR Apache-2.0
"""Cuts training frames out of the clips and tracks them: ID.npz with im [n,512,512,3] uint8, lm [n,478,3], idx, src.

python -m models.generator.frames --data DATA --out FRAMES        (DATA holds manifest.tsv and clips/)
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import cv2
import mediapipe as mp
import numpy as np
from tqdm import tqdm

from .data import manifest


def extract(clip: Path, out: Path, mesh: "mp.solutions.face_mesh.FaceMesh") -> int:
    cap = cv2.VideoCapture(str(clip))
    total, k, src = int(cap.get(cv2.CAP_PROP_FRAME_COUNT)), 0, 0
    want = set(np.linspace(1, total - 2, min(40, max(24, total // 8))).round().astype(int).tolist())
    images, marks, index = [], [], []
    mesh.reset()
    while cap.grab():
        if k in want:
            im = cap.retrieve()[1]
            src = im.shape[0]
            if src != 512:
                im = cv2.resize(im, (512, 512), interpolation=cv2.INTER_CUBIC)
            rgb = cv2.cvtColor(im, cv2.COLOR_BGR2RGB)
            found = mesh.process(rgb).multi_face_landmarks
            if found:
                marks.append(np.array([(p.x, p.y, p.z) for p in found[0].landmark], np.float32))
                images.append(rgb)
                index.append(k)
        k += 1
    if len(images) >= 6:
        tmp = out.with_suffix(".tmp.npz")
        np.savez(tmp, im=np.stack(images), lm=np.stack(marks), idx=np.array(index), src=src)
        os.rename(tmp, out)
    return len(images)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--data", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--limit", type=int, default=0, help="stop after so many clips (smoke test)")
    a = ap.parse_args()
    cv2.setNumThreads(1)
    a.out.mkdir(parents=True, exist_ok=True)
    mesh = mp.solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=True)
    rows = [r for r in manifest(a.data).values() if r["file"].startswith("clips")]
    for row in tqdm(rows[: a.limit or None]):
        if not (a.out / f"{row['id']}.npz").exists():
            extract(a.data / row["file"], a.out / f"{row['id']}.npz", mesh)


if __name__ == "__main__":
    main()
