# SPDX-License-Identifier: MIT OR Apache-2.0
"""How a person talks, measured on a video or on photos of theirs and put on what the net says: the property `reference` of
`speech2landmarks` (plugins/portrait/src/face/habit.rs, elements/speech2landmarks/manner.rs), as far as the lips go.

Run: python -m models.speech2landmarks.habit --data DATA --norm NORM --tts TTS --work WORK --pack models/packs/lite

The first seconds of each clip, or some frames of its first four seconds as photos, are the reference; the rest is the
test. Prints what the constants are taken from (split train: how alike frames are, how open the net's mouths are), then the
mouth distance over that of a static face, with one photo and with a reference, split train, old and new dev clips. The net was
trained on the persons of split train; what they have in common with strangers is how the mean of a few seconds misses that
of a clip.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from models.data.normalise import INNER, LIPS, OUTER, PAIRS
from models.speech2landmarks.cuts import Listener, sizes
from models.speech2landmarks.dataset import Clip, prepare, shift, wave
from models.speech2landmarks.model import AHEAD

FPS = 25
# As in habit.rs: seconds of video that tell as much as a photo, photos that tell as much as is known of everybody of the
# mouth's place and of its opening, gaps of open mouths, their mean in what the net says, least and most opening.
ALIKE, PLACED, OPENED = 0.4, 1.0, 0.5
OPEN, SPOKEN = 0.02, 0.086
LEAST, MOST = 0.4, 1.6
TOUCH, UPPER_SHARE, UPPER_OUTER = 0.004, 0.3, 0.6
UP, LOW = [p[0] for p in PAIRS], [p[1] for p in PAIRS]
OUTER_LOW, OUTER_UP = OUTER[1:10], OUTER[11:20]
CORNERS = (INNER[0], INNER[10])


def gaps(faces: np.ndarray) -> np.ndarray:
    """Gaps of the inner lips [...,9] of faces [...,478,3]."""
    return faces[..., LOW, 1] - faces[..., UP, 1]


def widen(faces: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """Faces [T,478,3] whose lips part by changes [T,9]: as neutral.rs does it, lips alone."""
    out = faces.copy()
    left, right = faces[:, CORNERS[0], 0:1], faces[:, CORNERS[1], 0:1]

    def bow(points: list[int]) -> np.ndarray:
        return 1 - (((faces[:, points, 0] - (left + right) / 2) / np.abs((right - left) / 2)).clip(-1, 1)) ** 2

    largest = np.take_along_axis(changes, np.abs(changes).argmax(1)[:, None], 1)
    out[:, UP, 1] -= changes * UPPER_SHARE
    out[:, LOW, 1] += changes * (1 - UPPER_SHARE)
    out[:, OUTER_UP, 1] -= largest * UPPER_SHARE * UPPER_OUTER * bow(OUTER_UP)
    out[:, OUTER_LOW, 1] += largest * (1 - UPPER_SHARE) * bow(OUTER_LOW)
    return out


def shut(face: np.ndarray) -> np.ndarray:
    """A face [478,3] with its lips closed."""
    return widen(face[None], -gaps(face[None]).clip(0))[0]


class Habit:
    """What faces [n,478,3] of a person tell, each of them worth so much of a photo."""

    def __init__(self, faces: np.ndarray, worth: float) -> None:
        gap = gaps(faces)[:, 4]
        known, opened = len(faces) * worth, int((gap > OPEN).sum()) * worth
        self.face, self.share = shut(faces.mean(0)), known / (known + PLACED)
        wide = gap[gap > OPEN].mean() if opened else SPOKEN
        self.opening = float(np.clip((wide / SPOKEN) ** (opened / (opened + OPENED)), LEAST, MOST))

    @classmethod
    def video(cls, faces: np.ndarray) -> "Habit":
        """Of all frames of a piece of video."""
        return cls(faces, 1 / FPS / ALIKE)

    def talk(self, said: np.ndarray, silent: np.ndarray, mean: np.ndarray, average: np.ndarray) -> np.ndarray:
        """What a net says [T,478,3] of a person for whom it says `silent` in silence, as the person would say it; `average`
        is what it says of the mean face in silence. Right for the lips.
        """
        moved = said + self.share * (self.face - shut(silent) - (shut(mean) - shut(average)))
        g = gaps(said)
        return widen(moved, np.where(g > TOUCH, TOUCH + (g - TOUCH) * self.opening, g) - gaps(moved))


def part(clip: np.ndarray, seconds: float) -> int:
    """Frames of the clip's first seconds, at most half of it."""
    return min(round(seconds * FPS), len(clip) // 2)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of the lips."""
    return float(np.linalg.norm((a - b)[:, LIPS, :2], axis=-1).mean())


def main() -> None:
    from models.evaluate import regressor

    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for k in ("data", "norm", "tts", "work", "pack"):
        a.add_argument(f"--{k}", type=Path, required=True)
    a.add_argument("--net", default="speech2landmarks", choices=list(AHEAD))
    o = a.parse_args()
    torch.set_num_threads(1)
    t = prepare(o.data, o.norm, o.tts, o.work)
    net, state = torch.jit.load(str(o.pack / f"{o.net}.pt")), sizes(o.pack, None, o.net)
    mean, other = t["mean_face"], regressor(t["clips"], o.data)

    def face(x: torch.Tensor, identity: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return net(x, torch.from_numpy(identity.astype(np.float32)), torch.zeros(8), torch.zeros(state))[0].numpy()

    average = face(torch.zeros(1, 4, 128), mean)[0]
    clips, noise, wide = [], {}, []
    for c in t["clips"]:
        if c.speech != "yes" or np.std(gaps(c.n)[:, 4]) < 0.012:
            continue
        x = Listener(o.pack)(wave(o.data / "clips" / f"{c.name}.flac", level=False), AHEAD[o.net])[: len(c.n)]
        g = c.n[: len(x)]
        photo = g[int(np.argmin(gaps(g)[:25, 4]))]
        y, lag = face(x, photo), c.lag
        if c.split == "dev" and other[c.name][1] >= 0.25:
            lag = other[c.name][0]
        clips.append((c, g, shift(g, lag), photo, y, face(torch.zeros_like(x[:1]), photo)[0]))
        if c.split == "train":
            wide.append(gaps(y)[:, 4][gaps(y)[:, 4] > OPEN].mean())
            if len(g) >= 150:
                closed = np.stack([shut(f) for f in g[::2]])
                r = np.random.default_rng(0)
                for n in (1, 12, 25, 50):
                    for i in r.integers(0, len(closed) - n + 1, 4):
                        off = np.linalg.norm((closed[i : i + n].mean(0) - closed.mean(0))[LIPS, :2], axis=-1).mean()
                        noise.setdefault(n / FPS * 2, []).append(off)
    habits = [
        np.linalg.norm((shut(g.mean(0)) - shut(s) - shut(mean) + shut(average))[LIPS, :2], axis=-1).mean()
        for c, g, _, _, _, s in clips
        if c.split == "train"
    ]
    print(f"mean gap of the net's open mouths: {np.exp(np.mean(np.log(wide))):.4f}")
    print(f"distance of a clip's mean lips from those of an average talker with that photo: {np.mean(habits):.4f}")
    print("of the mean of a piece from it: " + ", ".join(f"{k:.2f} s {np.mean(v):.4f}" for k, v in noise.items()))

    def photos(c: Clip, g: np.ndarray, n: int) -> Habit:
        r = np.random.default_rng(int(c.name[1:4]))
        return Habit(g[r.choice(part(g, 4), n, replace=False)], 1.0)

    ways = {"one photo": lambda c, g: None}
    ways |= {f"{s} s of video": lambda c, g, s=s: Habit.video(g[: part(g, s)]) for s in (2, 3, 4, 6)}
    ways |= {f"{n} photos": lambda c, g, n=n: photos(c, g, n) for n in (3, 5)}
    groups = {"train": [], "old dev": [], "new dev": []}
    for z in clips:
        groups["train" if z[0].split == "train" else "new dev" if z[0].name[0] == "r" else "old dev"].append(z)
    print("| | " + " | ".join(groups) + " |\n|-" + "|-" * len(groups) + "|")
    for name, way in ways.items():
        cells = []
        for group in groups.values():
            err = static = 0.0
            for c, g, truth, photo, y, silent in group:
                rest = slice(part(g, 6 if name.startswith("6") else 4), None)
                h = way(c, g)
                z = y if h is None else h.talk(y, silent, mean, average)
                err += distance(z[rest], truth[rest]) * len(truth[rest])
                static += distance(photo[None], truth[rest]) * len(truth[rest])
            cells.append(f"{err / static:.3f}")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
