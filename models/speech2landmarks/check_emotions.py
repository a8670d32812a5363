# SPDX-License-Identifier: MIT OR Apache-2.0
"""Compare the emotions with labelled dev clips, never used in training, and with a blendshape network.

Run: python -m models.speech2landmarks.check_emotions --data DATA --norm NORM --work WORK --build BUILD --sound SPEECH.wav --blocks BLOCKS

First, the mean score of each emotion's own blendshapes over the speaking face of several dev persons, at intensity
0, 0.5 and 1: every step must raise it.

MEAD-derived clips of three dev persons carry the emotion in their file name. Displacement = mean face of the
emotional clip minus that of the same person's neutral clip (different sentences, strongest level); ours = the stage
at intensity 1 minus 0. Prints cosine and size ratio over brow and mouth points, and the tell-tale signs.
"""

import argparse
import csv
import re
from pathlib import Path

import numpy as np
import torch

from models.evaluate import Stages
from models.speech2landmarks.dataset import BROWS, LIPS, aperture, prepare, wave
from models.speech2landmarks.emotions import EMOTIONS, NAMES, scores

LABEL = dict(
    angry="angry",
    contempt="contempt",
    disgusted="disgust",
    fear="fear",
    happy="happy",
    neutral="neutral",
    sad="sad",
    surprised="surprise",
)


OWN = dict(
    happy=["mouthSmileLeft", "mouthSmileRight"],
    sad=["mouthFrownLeft", "mouthFrownRight", "browInnerUp"],
    surprise=["browOuterUpLeft", "browOuterUpRight", "browInnerUp", "jawOpen"],
    fear=["browInnerUp", "mouthStretchLeft", "mouthStretchRight"],
    angry=["browDownLeft", "browDownRight"],
    disgust=["mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft", "browDownRight"],
    contempt=["mouthSmileLeft", "mouthDimpleLeft"],
)


def raised(s: Stages, x: torch.Tensor, faces: list[np.ndarray], net: torch.jit.ScriptModule) -> dict[str, list]:
    """Scores of each emotion's own blendshapes at intensity 0, 0.5, 1: name -> [(blendshape, [3 means])]."""

    def mean(k: int, v: float) -> np.ndarray:
        out = [s.face(x, f, v * np.eye(8)[k])[::5] * 0.3 + np.array([0.5, 0.5, 0], np.float32) for f in faces]
        return scores(np.concatenate(out), net).mean(0)

    base, table = mean(0, 0.0), {}
    for i, e in enumerate(EMOTIONS[1:], 1):
        steps = [base, mean(i, 0.5), mean(i, 1.0)]
        table[e] = [(n, [float(v[NAMES.index(n)]) for v in steps]) for n in OWN[e]]
    return table


def signs(d: np.ndarray) -> str:
    return (
        f"corners {d[[61, 291], 1].mean():+.3f} inner brows {d[[55, 285], 1].mean():+.3f} "
        f"outer brows {d[[70, 300], 1].mean():+.3f} "
        f"chin {d[152, 1]:+.3f}"
    )


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for k in ("data", "norm", "work", "build", "sound", "blocks"):
        a.add_argument(f"--{k}", type=Path, required=True)
    o = a.parse_args()
    true: dict[str, dict[str, np.ndarray]] = {}
    for r in csv.DictReader(open(o.data / "manifest.tsv"), delimiter="\t"):
        m = re.search(r"/([MW]\d+)_front_([a-z]+)_level", r["path"])
        if m and r["split"] == "dev" and (o.norm / f"{r['id']}.npz").exists():
            true.setdefault(m[1], {})[LABEL[m[2]]] = np.load(o.norm / f"{r['id']}.npz")["n"].mean(0)
    t, s = prepare(Path(), Path(), Path(), o.work), Stages(o.build)
    x = s.rows(wave(o.sound, level=False))
    net = torch.jit.load(str(o.blocks / "face_blendshapes_52.pt")).eval()
    dev = [c for c in t["clips"] if c.split == "dev" and c.speech == "yes"]
    for e, rows in raised(s, x[:75], [c.n[int(np.argmin(aperture(c.n)[:25]))] for c in dev], net).items():
        print(e, "; ".join(f"{n} " + " < ".join(f"{v:.2f}" for v in z) for n, z in rows))
        if any(b <= a for _, z in rows for a, b in zip(z, z[1:])):
            print("   NOT RISING")
    base = s.face(x, t["neutral"]).mean(0)
    for i, e in enumerate(EMOTIONS[1:], 1):
        d = s.face(x, t["neutral"], np.eye(8)[i]).mean(0) - base
        them = np.mean([v[e] - v["neutral"] for v in true.values()], 0)
        out = []
        for pts in (BROWS, LIPS):
            p, q = d[pts, :2].ravel(), them[pts, :2].ravel()
            out.append(
                f"cos {p @ q / np.linalg.norm(p) / np.linalg.norm(q):+.2f} "
                f"size {np.linalg.norm(p) / np.linalg.norm(q):.2f}"
            )
        print(f"{e:9s} brows {out[0]}  lips {out[1]}\n   ours {signs(d)}\n   dev  {signs(them)}")


if __name__ == "__main__":
    main()
