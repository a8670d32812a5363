"""Log-mel front end of one video frame: forward(pcm[S]) -> [4, 80], stateless.

Four rows of 10 ms hop per 40 ms frame; pcm ends `LOOK_AHEAD` samples after the end of the frame. The windows are
ordinary 25 ms Hann windows, the power spectrum comes from a 512-point FFT, 80 triangular mel bands from 50 to 7600
Hz, natural log.
"""

import numpy as np
import torch
from torch import nn

RATE, HOP, WIN, FFT, BANDS, ROWS = 16000, 160, 400, 512, 80, 4
LOOK_AHEAD = 2560
WINDOW = WIN + (ROWS - 1) * HOP
FLOOR = 1e-6


def filterbank(fmin: float = 50.0, fmax: float = 7600.0) -> np.ndarray:
    """Triangular mel filters [FFT/2+1, BANDS]."""

    def mel(f: float) -> float:
        return 2595 * np.log10(1 + f / 700)

    edges = 700 * (10 ** (np.linspace(mel(fmin), mel(fmax), BANDS + 2) / 2595) - 1)
    f = np.linspace(0, RATE / 2, FFT // 2 + 1)
    up = (f[None] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    down = (edges[2:, None] - f[None]) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(up, down)).T.astype(np.float32)


class Features(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bank", torch.from_numpy(filterbank()))
        self.register_buffer("window", torch.hann_window(WIN, periodic=True))
        self.hop: int = HOP
        self.win: int = WIN
        self.fft: int = FFT
        self.floor: float = FLOOR

    def forward(self, pcm: torch.Tensor) -> torch.Tensor:
        x = pcm.unfold(0, self.win, self.hop) * self.window
        return torch.log(torch.fft.rfft(x, self.fft).abs().square() @ self.bank + self.floor)


def rows(wave: np.ndarray, look_ahead: int = LOOK_AHEAD) -> np.ndarray:
    """Features [n,4,80] of a whole recording, the same numbers as calling the module frame by frame on a padded
    stream.
    """
    n = len(wave) // (HOP * ROWS)
    start = WINDOW - HOP * ROWS - look_ahead
    x = np.pad(wave.astype(np.float32), (max(0, start), look_ahead + WINDOW))
    x = x[max(0, -start) :]
    net = Features()
    with torch.no_grad():
        out = []
        for i in range(0, n, 500):
            k = min(500, n - i)
            part = torch.from_numpy(x[i * HOP * ROWS : i * HOP * ROWS + (k - 1) * HOP * ROWS + WINDOW].copy())
            out.append(net(part).numpy().reshape(k, ROWS, BANDS))
    return np.concatenate(out)
