# SPDX-License-Identifier: MIT OR Apache-2.0
"""What a pack's front end hears in a recording, frame by frame."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import torch


def wave_of(path: Path) -> np.ndarray:
    """A recording as 16 kHz mono, decoded by ffmpeg."""
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-f", "f32le", "-ac", "1", "-ar", "16000", "-"],
        capture_output=True,
        check=True,
    )
    return np.frombuffer(raw.stdout, np.float32)


def features_of(front: torch.jit.ScriptModule, size: int, ahead: int, wave: np.ndarray, frames: int) -> np.ndarray:
    """Log-mel [frames,4,80] of a recording: each frame's window ends `ahead` samples after the frame."""
    out = []
    pad = np.pad(wave.astype(np.float32), (size, size + ahead + frames * 640))
    with torch.no_grad():
        for i in range(frames):
            end = size + (i + 1) * 640 + ahead
            out.append(front(torch.from_numpy(pad[end - size : end].copy())).numpy()[:, :80])
    return np.stack(out)
