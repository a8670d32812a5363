# SPDX-License-Identifier: MIT OR Apache-2.0
"""What SadTalker hears: mel frames, the network over them, expression."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from ..layers import Conv2d, Linear
from ..weights import Weights
from .config import Config
from .layouts import AUDIO

RATE = 16000
FFT = 800
HOP = 200
BANDS = 80
LOWEST_HZ, HIGHEST_HZ = 55.0, 7600.0
PREEMPHASIS = 0.97
# Mel frames for a picture.
FRAMES = 16
# The level that becomes silence, and its distance to what becomes full scale, in dB.
REFERENCE_DB, RANGE_DB, LIMIT = 20.0, 100.0, 4.0

# Upstream's window for picture i begins with the mel frame floor(3.2 (i - 2)): 1280 to 1440 samples before the picture, in five steps
# of 40. What each picture gets is all frames 40 samples apart, and the networks take every fifth, by the picture's number.
STEPS, STEP = 5, 40
LEAD = 1280
# Samples of one picture's window, and how far it reaches beyond the picture's 640. What is over at its front is for the pre-emphasis.
LOOK_AHEAD = (FRAMES - 1) * HOP + FFT // 2 - LEAD - 640
WINDOW = 4000


def mel_bands() -> np.ndarray:
    """Slaney's triangles of unit area [80,401]: linear below 1 kHz, logarithmic above."""
    straight, step = 200.0 / 3, math.log(6.4) / 27

    def mel(hz: float) -> float:
        return hz / straight if hz < 1000 else 15 + math.log(hz / 1000) / step

    def hertz(mels: np.ndarray) -> np.ndarray:
        return np.where(mels < 15, mels * straight, 1000 * np.exp((mels - 15) * step))

    edges = hertz(np.linspace(mel(LOWEST_HZ), mel(HIGHEST_HZ), BANDS + 2))
    bins = np.arange(FFT // 2 + 1) * RATE / FFT
    up = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(up, down)) * (2 / (edges[2:] - edges[:-2]))[:, None]


class Mel(nn.Module):
    """forward(pcm [W] -1..1) -> features [80,80]: levels of 80 bands, -4 (silence) to 4, every 2.5 ms in the order of time"""

    def __init__(self) -> None:
        super().__init__()
        self.bands = nn.Parameter(torch.from_numpy(mel_bands().T.astype(np.float32)), requires_grad=False)
        self.window = nn.Parameter(torch.hann_window(FFT), requires_grad=False)
        self.emphasis, self.fft, self.step, self.length = PREEMPHASIS, FFT, STEP, FFT + (STEPS * FRAMES - 1) * STEP
        self.reference, self.span, self.limit, self.floor = REFERENCE_DB, RANGE_DB, LIMIT, 1e-5

    def forward(self, pcm: Tensor) -> Tensor:
        sharp = pcm[1:] - self.emphasis * pcm[:-1]
        frames = sharp[sharp.size(0) - self.length :].unfold(0, self.fft, self.step) * self.window
        level = torch.matmul(torch.abs(torch.fft.rfft(frames)), self.bands)
        decibels = 20 * torch.log10(torch.clamp(level, min=self.floor)) - self.reference
        return torch.clamp(2 * self.limit * (decibels + self.span) / self.span - self.limit, -self.limit, self.limit)


def window_of(features: Tensor, number: int) -> Tensor:
    """Upstream's 16 mel frames [16,80] of the picture of that number, out of features [80,80].

    Before the sound begins its first frame is repeated, as upstream does.
    """
    mel = features.view(16, 5, -1)[:, (1 + 4 * number) % 5]
    missing = 7 if number == 0 else (4 if number == 1 else 0)
    return torch.cat([mel[missing : missing + 1].expand(missing, -1), mel[missing:]])


def next_number(number: int) -> int:
    """The number of the picture behind that one; beyond the first few it matters modulo 5 alone, and a state holds no large numbers."""
    return number + 1 if number < 11 else number - 4


class Hear(nn.Module):
    """One convolution of the audio network."""

    def __init__(self, w: Weights, number: int) -> None:
        super().__init__()
        before, behind, _, stride, padding = AUDIO[number]
        name = f"audio_encoder.{number}.conv_block"
        self.conv = Conv2d(*w.conv_norm(f"{name}.0", f"{name}.1"), stride=stride, padding=padding)
        self.around = before == behind and padding > 0

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return torch.relu(y + x if self.around else y)


class Ear(nn.Module):
    """forward(mel [16,80]) -> [1,16 a]; a is the number of channels of the first convolution"""

    def __init__(self, w: Weights) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(Hear(w, i) for i in range(len(AUDIO))))

    def forward(self, mel: Tensor) -> Tensor:
        return self.layers(mel.t().unsqueeze(0).unsqueeze(0)).flatten(1)


class Expression(nn.Module):
    """ExpNet. forward(features [1,80,80], source_exp [1,64], blink [1], state [1]) -> coefficients [1,64], state

    `blink` is the closure of the lids, 0 to 1; the state counts pictures.
    """

    def __init__(self, w: Weights, c: Config) -> None:
        super().__init__()
        self.ear, self.last = Ear(w), Linear(*w.pair("mapping1"))

    def forward(self, features: Tensor, source_exp: Tensor, blink: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        number = int(state[0].item())
        heard = self.ear(window_of(features, number))
        exp = self.last(torch.cat([heard, source_exp, blink.view(1, 1)], 1))
        return exp, torch.full_like(state, next_number(number))
