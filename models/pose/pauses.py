# SPDX-License-Identifier: MIT OR Apache-2.0
"""How far heads come to rest while people pause."""

import numpy as np

LEAST = 7  # frames of a pause
SETTLING = 3  # frames after its beginning that do not count


def hushed(mel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames of pauses within rows of speech [4n,80], and frames of speech: flags [n] each, neither where in doubt."""
    loud = mel.reshape(-1, 4, 80).mean((1, 2))
    low, high = np.quantile(loud, [0.02, 0.9])
    voiced = loud > low + 0.35 * (high - low)
    paused = np.zeros(len(voiced), bool)
    turns = np.flatnonzero(np.diff(voiced.astype(int))) + 1
    for begin, end in zip(turns, turns[1:]):
        if not voiced[begin] and end - begin >= LEAST:
            paused[begin + SETTLING : end] = True
    return paused, voiced


def slowing(moves: list[np.ndarray], mels: list[np.ndarray]) -> float:
    """Mean speed of turning heads [n,7] in pauses of their speech, in speech = 1; clips count by the length of their pauses."""
    found, weights = [], []
    for x, mel in zip(moves, mels):
        n = min(len(x), len(mel) // 4)
        paused, voiced = (v[1:n] for v in hushed(mel))
        speed = np.abs(np.diff(x[:n, :3], axis=0)).mean(1)
        if paused.sum() > 12 and voiced.sum() > 50:
            found.append(speed[paused].mean() / speed[voiced].mean())
            weights.append(paused.sum())
    return float(np.average(found, weights=weights))
