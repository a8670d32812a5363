# SPDX-License-Identifier: MIT OR Apache-2.0
"""Sound as it is pushed, and by the time at which it is heard."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Track:
    """The sound that was pushed, by the time at which it is heard. In samples."""

    def __init__(self, rate: int, channels: int) -> None:
        self.rate = rate
        self.channels = channels
        self._pieces: list[tuple[int, NDArray[np.int16]]] = []
        self._lock = threading.Lock()

    def add(self, start: int, samples: NDArray[np.int16]) -> None:
        """Sound of that place; later than all before it."""
        with self._lock:
            self._pieces.append((start, samples))

    def cut(self, start: int) -> None:
        """What was to be heard from there on is not."""
        with self._lock:
            kept = [(at, piece[: max(0, start - at)]) for at, piece in self._pieces]
            self._pieces = [(at, piece) for at, piece in kept if len(piece)]

    def take(self, start: int, end: int) -> NDArray[np.int16]:
        """The sound between two places, silence where there is none; what is before is forgotten."""
        out = np.zeros((max(0, end - start), self.channels), np.int16)
        with self._lock:
            self._pieces = [(at, piece) for at, piece in self._pieces if at + len(piece) > start]
            for at, piece in self._pieces:
                first, last = max(at, start), min(at + len(piece), end)
                if first < last:
                    out[first - start : last - start] = piece[first - at : last - at]
        return out


def samples(pcm: bytes | NDArray[Any], channels: int) -> NDArray[np.int16]:
    """16-bit samples in rows of channels, of bytes, of 16-bit or of floating-point numbers."""
    if isinstance(pcm, bytes | bytearray | memoryview):
        if (size := memoryview(pcm).nbytes) % 2:
            raise ValueError(f"{size} bytes are no whole number of 16-bit samples")
        pcm = np.frombuffer(pcm, np.int16)
    if not isinstance(pcm, np.ndarray):
        raise TypeError(f"sound must be bytes or an array of numpy's, not {type(pcm).__name__}")
    array: NDArray[Any] = pcm
    if array.dtype.kind == "f":
        # Half precision does not reach as far as samples do.
        exact = np.nan_to_num(array.astype(np.float64))
        array = (np.clip(exact, -1.0, 1.0) * 32767.0).astype(np.int16)
    if array.dtype != np.int16:
        raise TypeError(f"sound must be 16-bit or floating-point numbers, not {array.dtype}")
    if array.ndim != 1 and (array.ndim != 2 or array.shape[1] != channels):
        raise ValueError(
            f"sound of shape {array.shape} is neither rows of {channels} channels, as in ({array.size // channels}, {channels}), "
            "nor one row of all"
        )
    if array.size % channels:
        raise ValueError(f"{array.size} samples are no whole number of moments of {channels} channels")
    return np.ascontiguousarray(array).reshape(-1, channels)
