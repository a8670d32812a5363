# SPDX-License-Identifier: MIT OR Apache-2.0
"""Track every clip of the manifest with MediaPipe's face mesh (478 points) -> OUT/ID.npz.

Run: python -m models.data.track --data DATA --out TRACKS          (DATA holds manifest.tsv and clips/)
Each file holds `lm` [n,478,3] float32 in picture units of the square frame (x = px/W, y = px/H, z in the unit of x)
and `ok` [n] bool (False where no face was found: those rows repeat the nearest tracked frame).
Real clips come first, then generated ones; a file appears only when its clip is complete, so the run resumes.
"""

import argparse
import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

os.environ.setdefault("GLOG_minloglevel", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")
import cv2
import numpy as np
from tqdm import tqdm

POINTS = 478


def landmarks(pictures: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks [n,478,3] and flags [n] of RGB pictures [H,W,3] that follow each other."""
    import mediapipe as mp

    mesh = mp.solutions.face_mesh.FaceMesh(
        static_image_mode=False,
        max_num_faces=1,
        refine_landmarks=True,
        min_detection_confidence=0.4,
        min_tracking_confidence=0.5,
    )
    rows, flags = [], []
    for picture in pictures:
        found = mesh.process(picture).multi_face_landmarks
        flags.append(bool(found))
        rows.append(
            np.array([(p.x, p.y, p.z) for p in found[0].landmark], np.float32)
            if found
            else np.full((POINTS, 3), np.nan, np.float32)
        )
    mesh.close()
    if not rows:
        return np.zeros((0, POINTS, 3), np.float32), np.zeros(0, bool)
    lm, ok = np.stack(rows), np.array(flags)
    if ok.any() and not ok.all():
        known = np.flatnonzero(ok)
        near = known[np.abs(np.arange(len(ok))[:, None] - known[None]).argmin(1)]
        lm = lm[near]
    return lm, ok


def pictures(path: Path) -> Iterator[np.ndarray]:
    """Frames of a clip."""
    cap = cv2.VideoCapture(str(path))
    while True:
        good, frame = cap.read()
        if not good:
            break
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    cap.release()


def track(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks [n,478,3] and flags [n] of one clip."""
    lm, ok = landmarks(pictures(path))
    if not len(lm):
        raise SystemExit(f"{path}: no frame could be read; is it a video that OpenCV decodes?")
    return lm, ok


def clips(manifest: Path) -> list[dict]:
    """Video rows of the manifest, real clips first."""
    with open(manifest) as f:
        rows = [r for r in csv.DictReader(f, delimiter="\t") if r["file"].endswith(".mp4")]
    return sorted(rows, key=lambda r: {"real": 0, "gen": 1}.get(r["kind"], 2))


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--data", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    for r in tqdm(clips(a.data / "manifest.tsv"), unit="clip"):
        out = a.out / f"{r['id']}.npz"
        if out.exists():
            continue
        lm, ok = track(a.data / r["file"])
        part = out.with_suffix(".part")
        with open(part, "wb") as f:
            np.savez(f, lm=lm, ok=ok)
        part.rename(out)


if __name__ == "__main__":
    main()
