# SPDX-License-Identifier: MIT OR Apache-2.0
"""The photo on which golden numbers are made: the one that the pack `lite` has in its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from scipy.io import wavfile
from torch import Tensor

from ..data.normalise import JAW, decompose

SPEECH = Path(__file__).resolve().parents[2] / "tests" / "data" / "speech-af_heart.wav"
LITE = Path(__file__).resolve().parents[1] / "packs" / "lite"


def photo(side: int) -> Tensor:
    """A portrait [1,3,side,side] RGB 0..1; the side is a whole part of 512."""
    whole = load_file(str(LITE / "golden.safetensors"))["appearance.in.0"].float()
    return torch.nn.functional.avg_pool2d(whole, whole.shape[-1] // side)


def landmarks() -> Tensor:
    """Its landmarks [1,478,3] in pictures: 0..1."""
    found = load_file(str(LITE / "golden.safetensors"))["appearance.in.1"].float()
    return found / 512 if float(found.max()) > 2 else found


def face() -> tuple[Tensor, Tensor]:
    """Its landmarks without the pose [1,478,3], and the pose [1,7]."""
    mean = load_file(str(LITE / "mean_face.safetensors"))["mean_face"].numpy()
    normalised, pose = decompose(landmarks().numpy(), mean)
    return torch.from_numpy(normalised), torch.from_numpy(pose)


def speaking(normalised: Tensor) -> Tensor:
    """The same face with the lower lip and the jaw down, corners up, brows up, lids half closed [1,478,3]."""
    out = normalised.clone()
    out[:, [*JAW, 14, 87, 317, 88, 178, 402, 318, 17, 84, 314], 1] += 0.12
    out[:, [61, 291], 1] -= 0.04
    out[:, [70, 63, 105, 66, 107, 300, 293, 334, 296, 336], 1] -= 0.05
    out[:, [468, 473], 0] += 0.01
    for upper, lower in ((159, 145), (386, 374)):
        out[:, upper] = (out[:, upper] + out[:, lower]) / 2
    return out


def turned(pose: Tensor) -> Tensor:
    """The pose with the head turned by degrees, aside and a little nearer [1,7]."""
    return pose + torch.from_numpy(np.array([[12.0, -5.0, 4.0, 0.02, -0.01, 0.0, 0.02]], np.float32))


def sound(samples: int, at: float) -> Tensor:
    """A piece of speech from so many seconds on, -1 to 1 at 16 kHz [samples]."""
    rate, pcm = wavfile.read(SPEECH)
    if rate != 16000 or pcm.ndim != 1:
        raise ValueError(f"{SPEECH} is not of one channel at 16 kHz")
    start = int(at * rate)
    return torch.from_numpy(pcm[start : start + samples].astype(np.float32) / 32768)
