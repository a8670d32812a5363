# SPDX-License-Identifier: MIT OR Apache-2.0
"""How a person holds the mouth while talking, from one photo: what the rest pose of `dataset.prepare`, which sees
the lip gaps alone, leaves of the difference between a frame and the mean of its clip.

A ridge regression from the outline of the lips, fitted on frames of the training clips as if each were the photo, and as
often on the resting face, which a portrait mostly shows. It moves, widens and rounds the mouth; it never opens or
closes it (its gaps stay as the sound and the rest pose want them). With an eighth of the training persons left out in
turn, their mean lips are missed by 0.0143 of the inter-ocular distance from a resting face, by 0.0195 from a frame with
a closed mouth and by 0.0185 from any frame (0.0160, 0.0233 and 0.0225 before the head's pose was taken from as many
points as now); less of the penalty gains little.
"""

import numpy as np

from models.speech2landmarks.dataset import LIPS, PAIRS, Clip, aperture, gap_inputs
from models.speech2landmarks.listen import listen
from models.speech2landmarks.mirror import Mirror
from models.speech2landmarks.model import Net

PHOTOS, PENALTY = 12, 150.0


def outline(face: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The same inputs as Speech2Landmarks.mouth."""
    return (face[LIPS, :2] - mean[LIPS, :2]).clip(-0.1, 0.1).reshape(-1)


def spoken(net: Net, clips: list[Clip]) -> np.ndarray:
    """Mean coefficients that the net gives for the sound of the clips."""
    return np.mean([listen(net, c, c.code)[0][0].mean(0).numpy() for c in clips], 0)


def fit(t: dict, net: Net) -> tuple[np.ndarray, np.ndarray]:
    """Matrix [outline + 1, K] of the regression, and the basis [K,1434] of what it moves: all of it at the height of the
    mouth and below, nothing from the eyes up.
    """
    rng = np.random.default_rng(0)
    mean = t["mean"].reshape(478, 3)
    mirrored = Mirror(mean).face
    clips = [c for c in t["clips"] if c.split == "train" and aperture(c.n).std() > 0.012]
    xs, ys = [], []
    for c in clips:
        ap = aperture(c.n)
        closed = np.flatnonzero(ap <= np.quantile(ap, 0.3))
        frames = [int(np.argmin(ap[:25])), *rng.choice(closed, PHOTOS), *rng.choice(len(ap), PHOTOS)]
        photos = [*c.n[frames], *[c.neutral] * len(frames)]
        talking = c.n.mean(0)
        for f, m in [(f, talking) for f in photos] + [(mirrored(f), mirrored(talking)) for f in photos]:
            xs.append(outline(f, mean))
            ys.append((m - f).reshape(-1) @ t["proj"] - gap_inputs(f) @ t["rest"])
    x, y = np.array(xs, float), np.array(ys, float)
    middle, about = x.mean(0), y.mean(0)
    x -= middle
    size = x.std(0).mean()
    x /= size
    faces = len(x) / len(clips)
    w = np.linalg.solve(x.T @ x / faces + PENALTY * np.eye(x.shape[1]), x.T @ (y - about) / faces) / size
    b = t["basis"].reshape(-1, 478, 3)
    gaps = np.linalg.qr((b[:, [p[1] for p in PAIRS]] - b[:, [p[0] for p in PAIRS]])[:, :, 1])[0]
    flat = np.eye(len(b)) - gaps @ gaps.T
    calm = np.concatenate([w, (about - middle @ w - spoken(net, clips))[None]]) @ flat
    eyes, mouth = mean[[33, 263], 1].mean(), mean[LIPS, 1].min()
    below = np.clip((mean[:, 1] - eyes) / (mouth - eyes), 0, 1)
    return calm.astype(np.float32), (b * below[:, None]).reshape(len(b), -1).astype(np.float32)
