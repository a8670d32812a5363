# SPDX-License-Identifier: MIT OR Apache-2.0
"""Contact sheets of an exported stage.

Run: python -m models.speech2landmarks.sheet --work WORK --build BUILD --sound FILE.wav|TTS.npz --out SHEET.png

Frames of one recording with the phone under way where it is known; the last row shows all emotions at one open
frame.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from models.evaluate import Stages
from models.speech2landmarks.dataset import CLASSES, aperture, prepare, wave
from models.speech2landmarks.draw import face, sheet
from models.speech2landmarks.emotions import EMOTIONS


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for k in ("work", "build", "sound", "out"):
        a.add_argument(f"--{k}", type=Path, required=True)
    a.add_argument("--first", type=int, default=10)
    a.add_argument("--step", type=int, default=2)
    o = a.parse_args()
    t = prepare(Path(), Path(), Path(), o.work)
    s = Stages(o.build)
    x = s.rows(wave(o.sound, level=False))
    y = s.face(x, t["neutral"])
    ap = aperture(y)
    seg = np.load(o.sound)["seg"] if o.sound.suffix == ".npz" else []
    pics = []
    for i in range(o.first, min(len(y), o.first + 32 * o.step), o.step):
        name = next((CLASSES[int(k)] for k, t0, t1 in seg if t0 <= (i + 0.5) / 25 < t1), "")
        pics.append(face(y[i], 200, f"{i} {name} {ap[i]:.3f}", t["neutral"]))
    i = int(np.argmax(ap))
    for k, e in enumerate(EMOTIONS):
        v = np.zeros(8)
        v[k] = 1
        pics.append(face(s.face(x, t["neutral"], v)[i], 200, e, y[i]))
    cv2.imwrite(str(o.out), sheet(pics, 8))


if __name__ == "__main__":
    main()
