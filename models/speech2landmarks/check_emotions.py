"""Compare the emotions with labelled dev clips, never used in training.

Run: python check_emotions.py --data DATA --norm NORM --work WORK --build BUILD

MEAD-derived clips of three dev persons carry the emotion in their file name. Displacement = mean face of the
emotional clip minus that of the same person's neutral clip (different sentences, strongest level); ours = the stage
at intensity 1 minus 0. Prints cosine and size ratio over brow and mouth points, and the tell-tale signs.
"""

import argparse
import csv
import re
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from dataset import BROWS, LIPS, prepare, wave  # noqa: E402
from emotions import EMOTIONS  # noqa: E402

from evaluate import Stages  # noqa: E402

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


def signs(d: np.ndarray) -> str:
    return (
        f"corners {d[[61, 291], 1].mean():+.3f} inner brows {d[[55, 285], 1].mean():+.3f} "
        f"outer brows {d[[70, 300], 1].mean():+.3f} "
        f"chin {d[152, 1]:+.3f}"
    )


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for k in ("data", "norm", "work", "build", "sound"):
        a.add_argument(f"--{k}", type=Path, required=True)
    o = a.parse_args()
    true: dict[str, dict[str, np.ndarray]] = {}
    for r in csv.DictReader(open(o.data / "manifest.tsv"), delimiter="\t"):
        m = re.search(r"/([MW]\d+)_front_([a-z]+)_level", r["path"])
        if m and r["split"] == "dev" and (o.norm / f"{r['id']}.npz").exists():
            true.setdefault(m[1], {})[LABEL[m[2]]] = np.load(o.norm / f"{r['id']}.npz")["n"].mean(0)
    t, s = prepare(Path(), Path(), Path(), o.work), Stages(o.build)
    x = s.rows(wave(o.sound, level=False))
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
