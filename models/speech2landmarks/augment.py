# SPDX-License-Identifier: MIT OR Apache-2.0
"""Random crops of log-mel rows and targets: speed, vocal tract, gain, channel, noise, drop-outs.
"""

import numpy as np


def interp(x: np.ndarray, pos: np.ndarray) -> np.ndarray:
    """A track x [n] or [n,K] at positions between its frames; its ends go on."""
    pos = np.clip(pos, 0, len(x) - 1)
    i = np.floor(pos).astype(int)
    f = (pos - i).astype(np.float32).reshape(-1, *[1] * (x.ndim - 1))
    return x[i] * (1 - f) + x[np.minimum(i + 1, len(x) - 1)] * f


def distort(x: np.ndarray, r: np.random.Generator, amount: float = 1.0) -> np.ndarray:
    """Level, channel and noise of log-mel rows [m,80]."""
    src = np.clip(np.arange(80) * (1 + amount * r.uniform(-0.1, 0.12)) + amount * r.uniform(-2, 2), 0, 79)
    i = np.floor(src).astype(int)
    f = (src - i).astype(np.float32)
    x = x[:, i] * (1 - f) + x[:, np.minimum(i + 1, 79)] * f
    x = (
        x
        + amount * r.normal(0, 0.5) * np.linspace(-1, 1, 80)
        + amount * r.normal(0, 0.4) * np.cos(np.linspace(0, 3 * np.pi, 80) + r.uniform(0, 6))
    )
    x = x + r.normal(0, 1.0)
    if r.random() < 0.5 * amount:
        noise = r.uniform(-12, -6.5) + r.normal(0, 0.3, x.shape) + r.uniform(-1.5, 0.5) * np.linspace(0, 1, 80)
        x = np.logaddexp(x, noise)
    for _ in range(2):
        if r.random() < 0.6 * amount:
            a = r.integers(0, 74)
            x[:, a : a + r.integers(1, 7)] = x.mean()
    return x.astype(np.float32)


def crop(
    mel: np.ndarray,
    tokens: np.ndarray,
    hush: np.ndarray,
    tracks: list[np.ndarray],
    frames: int,
    r: np.random.Generator,
    amount: float = 1.0,
    delay: int = 0,
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], np.ndarray]:
    """Rows [4*(frames+2),80] (two frames of history first), tokens [frames,192], cropped tracks [frames,...], mask
    [frames]. Rows and tokens come `delay` rows late (less look-ahead); before the sound is silence, whose tokens are
    `hush`.
    """
    n = len(mel) // 4
    speed = 1 + amount * r.uniform(-0.12, 0.14)
    start = int(r.integers(0, max(1, n - int(frames * speed) - 2)))
    pos = start + np.arange(frames) * speed
    k = start * 4 + np.arange(-8, frames * 4) * speed + 1.5 * (speed - 1) - delay
    x = interp(mel, k)
    x[k < 0] = -13.8
    # two tokens a frame, two rows a token
    k = start * 2 + np.arange(frames * 2) * speed + 0.5 * (speed - 1) - delay / 2
    heard = interp(tokens.reshape(2 * len(tokens), -1).astype(np.float32), k)
    heard[k < 0] = hush[: heard.shape[1]]
    return (
        distort(x, r, amount),
        heard.reshape(frames, -1),
        [interp(t, pos).astype(np.float32) for t in tracks],
        (pos <= n - 1).astype(np.float32),
    )
