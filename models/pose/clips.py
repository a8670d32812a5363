# SPDX-License-Identifier: MIT OR Apache-2.0
"""Head motion of clips of people who talk, as it was tracked."""

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from models.speech2landmarks.dataset import Clip, load_clips

LEAST = 70  # frames of a clip


def talking(data: Path, norm: Path) -> list[Clip]:
    """Clips of both splits that are long enough, with their speech."""
    return [c for c, _ in load_clips(data, norm, np.ones(478, np.float32)) if len(c.n) > LEAST]


def offsets(norm: Path, name: str) -> np.ndarray:
    """Offset from the clip mean [T,7]: degrees, inter-ocular units, log scale; with the tracker's error."""
    z = np.load(norm / f"{name}.npz")["pose"].astype(np.float64)
    s = z[:, 6].mean()
    z = np.concatenate([z[:, :3], z[:, 3:6] / s, np.log(z[:, 6:7] / s)], 1)
    return z - z.mean(0)


def motion(norm: Path, name: str) -> np.ndarray:
    """The same with the tracker's error smoothed away."""
    return gaussian_filter1d(offsets(norm, name), 1.5, axis=0)
