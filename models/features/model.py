# SPDX-License-Identifier: MIT OR Apache-2.0
"""Front end of a video frame: forward(pcm[WINDOW]) -> [4, 128], stateless; of several at once: forward(pcm[N, WINDOW]) ->
[N, 4, 128], the same to the bit where a matrix of four rows or more is multiplied row by row, as libtorch does. The
window ends `LOOK_AHEAD` samples after the end of the frame.

The first 80 columns are log-mel: four rows of 10 ms hop per 40 ms frame; ordinary 25 ms Hann windows, the power spectrum
of a 512-point FFT, 80 triangular mel bands from 50 to 7600 Hz, natural log. The other 48 are what the first half of a
speech recogniser's encoder (Whisper tiny.en, arXiv 2212.04356, MIT) makes of the window: two tokens of 20 ms, brought to
96 whitened numbers each, one token to two rows.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

RATE, HOP, WIN, FFT, BANDS, ROWS = 16000, 160, 400, 512, 80, 4
LOOK_AHEAD = 2560
FLOOR = 1e-6
FRAME = HOP * ROWS
# what the log-mel rows of a frame reach over
MEL_WINDOW = WIN + (ROWS - 1) * HOP
# mel frames of 10 ms that the encoder sees at once: 0.64 s
SEEN = 64
WINDOW = WIN + (SEEN - 1) * HOP
LAYERS, WIDTH, HEADS = 2, 384, 6
# tokens that are put out: 100 to 120 ms of the window are behind them, without which the encoder understands little
FIRST, TOKENS, TOKEN = 26, 2, 96
# rows that a matrix has at least: those of fewer libtorch multiplies in another order, which is another for several frames
LEAST = 4
# frames that the stage takes at once: weights are read once for all of them
GROUP = 4
COLUMNS = BANDS + TOKENS * TOKEN // ROWS
LAYER = ["norm1.weight", "norm1.bias", "qkv.weight", "qkv.bias", "out.weight", "out.bias"]
LAYER += ["norm2.weight", "norm2.bias", "wide.weight", "wide.bias", "narrow.weight", "narrow.bias"]


def filterbank(fmin: float = 50.0, fmax: float = 7600.0) -> np.ndarray:
    """Triangular mel filters [FFT/2+1, BANDS]."""

    def mel(f: float) -> float:
        return 2595 * np.log10(1 + f / 700)

    edges = 700 * (10 ** (np.linspace(mel(fmin), mel(fmax), BANDS + 2) / 2595) - 1)
    f = np.linspace(0, RATE / 2, FFT // 2 + 1)
    up = (f[None] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    down = (edges[2:, None] - f[None]) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(up, down)).T.astype(np.float32)


class LogMel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bank", torch.from_numpy(filterbank()))
        self.register_buffer("window", torch.hann_window(WIN, periodic=True))
        self.hop: int = HOP
        self.win: int = WIN
        self.fft: int = FFT
        self.floor: float = FLOOR

    def forward(self, pcm: torch.Tensor) -> torch.Tensor:
        x = pcm.unfold(-1, self.win, self.hop) * self.window
        return torch.log(torch.fft.rfft(x, self.fft).abs().square() @ self.bank + self.floor)


class Layer(nn.Module):
    """A transformer layer that puts out the tokens from `first` to `last`."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.first: int = first
        self.last: int = last
        self.width: int = WIDTH
        self.heads: int = HEADS

    def split(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, w, b, d = self.norm1(x), self.qkv.weight, self.qkv.bias, self.width
        x = x[:, self.first : self.last]
        # Rows that are no whole tensor are multiplied in another order as well.
        q = self.split(F.linear(y[:, self.first : self.last].contiguous(), w[:d], b[:d]))
        k, v = self.split(F.linear(y, w[d : 2 * d], b[d : 2 * d])), self.split(F.linear(y, w[2 * d :], b[2 * d :]))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        x = x + self.out(y.reshape(x.shape))
        return x + self.narrow(F.gelu(self.wide(self.norm2(x))))


class Ear(nn.Module):
    """forward(pcm [B,WINDOW]) -> whitened tokens [B,TOKENS,TOKEN]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(80, WIDTH, 3, padding=1), nn.Conv1d(WIDTH, WIDTH, 3, 2, padding=1)
        whole = SEEN // 2
        ends = [(0, whole)] * (LAYERS - 1) + [(FIRST + TOKENS - LEAST, FIRST + TOKENS)]
        self.layers = nn.ModuleList([Layer(*e) for e in ends])
        self.register_buffer("window", torch.zeros(WIN))
        self.register_buffer("bank", torch.zeros(80, WIN // 2 + 1))
        self.register_buffer("position", torch.zeros(whole, WIDTH))
        self.register_buffer("middle", torch.zeros(WIDTH))
        self.register_buffer("project", torch.zeros(WIDTH, TOKEN))
        self.hop: int = HOP
        self.win: int = WIN
        self.spare: int = LEAST - TOKENS

    @staticmethod
    def load(path: Path) -> "Ear":
        """With the weights that fit.py left."""
        ear = Ear()
        ear.load_state_dict(load_file(str(path)))
        return ear.eval()

    def tokens(self, pcm: torch.Tensor) -> torch.Tensor:
        """The encoder's own tokens [B,LEAST,WIDTH]: the last TOKENS are those that are put out."""
        x = pcm.unfold(1, self.win, self.hop) * self.window
        m = torch.fft.rfft(x).abs().square() @ self.bank.t()
        m = torch.log10(torch.clamp(m, min=1e-10))
        m = (torch.maximum(m, m.amax((1, 2), keepdim=True) - 8.0) + 4.0) / 4.0
        # The first convolution is a product of matrices, for the sake of the order of its additions.
        m = F.pad(m, (0, 0, 1, 1)).unfold(1, 3, 1).flatten(2)
        x = F.gelu(F.linear(m, self.conv1.weight.flatten(1), self.conv1.bias))
        x = F.gelu(self.conv2(x.transpose(1, 2))).transpose(1, 2) + self.position
        for layer in self.layers:
            x = layer(x)
        return x

    def forward(self, pcm: torch.Tensor) -> torch.Tensor:
        return ((self.tokens(pcm) - self.middle) @ self.project)[:, self.spare :]


class Features(nn.Module):
    """The exported stage."""

    def __init__(self, ear: Ear) -> None:
        super().__init__()
        self.mel, self.ear = LogMel(), ear
        self.near: int = MEL_WINDOW
        self.rows: int = ROWS

    def forward(self, pcm: torch.Tensor) -> torch.Tensor:
        x = pcm.view(-1, pcm.shape[-1])
        heard = self.ear(x).reshape(x.shape[0], self.rows, -1)
        y = torch.cat([self.mel(x[:, -self.near :]), heard], 2)
        return y if pcm.dim() > 1 else y[0]


def windows(wave: np.ndarray, look_ahead: int, length: int) -> torch.Tensor:
    """The `length` samples that each video frame's features are made of [n,length], as a stream would cut them."""
    n = len(wave) // FRAME
    start = length - FRAME - look_ahead
    x = np.pad(wave.astype(np.float32), (max(0, start), look_ahead + length))
    return torch.from_numpy(x[max(0, -start) :]).unfold(0, length, FRAME)[:n]


def rows(wave: np.ndarray, look_ahead: int = LOOK_AHEAD) -> np.ndarray:
    """Log-mel [n,4,80] of a whole recording: the first columns of what the stage gives frame by frame."""
    net = LogMel()
    with torch.no_grad():
        out = [net(x.contiguous()) for x in windows(wave, look_ahead, MEL_WINDOW)]
    return torch.stack(out).numpy()


def tokens(ear: Ear, wave: np.ndarray, look_ahead: int = LOOK_AHEAD) -> np.ndarray:
    """Whitened tokens [n,TOKENS,TOKEN] of a whole recording: the other columns, to the precision of larger products."""
    with torch.no_grad():
        return torch.cat([ear(x.contiguous()) for x in windows(wave, look_ahead, WINDOW).split(32)]).numpy()


def load(build: Path) -> torch.jit.ScriptModule:
    """The exported stage of a folder of stages, its weights widened to single precision."""
    return torch.jit.load(str(build / "features" / "features.pt")).float().eval()


def stream(stage: nn.Module, wave: np.ndarray, look_ahead: int = LOOK_AHEAD) -> torch.Tensor:
    """Features [n,4,COLUMNS] of a whole recording as the stage gives them, frame by frame."""
    with torch.no_grad():
        return torch.stack([stage(x) for x in windows(wave, look_ahead, WINDOW)])
