# SPDX-License-Identifier: MIT OR Apache-2.0
"""How fast heads move: spectra of real talking clips, and oscillators that have them.

Run: python -m models.pose.spectrum --data DATA --norm NORM --stage models/packs/lite/pose.pt [OTHER.pt ...]

Prints how much of the variance of each axis lies in bands of frequency, its spread, and its acceleration over its spread
(haste): of the real clips of each split, and of each stage that is named, on the sound of the development clips. And how fast
heads turn in pauses, in speech = 1, over all these clips.
A tracker's error is white. Its level is read where no head moves, and taken off.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from models.pose.clips import motion, offsets, talking
from models.pose.model import STATE
from models.pose.pauses import slowing

RATE = 25
WINDOW = 200  # frames, 8 s
AXES = "yaw pitch roll x y z scale".split()
# What one camera tells of a head; of depth and scale most is the tracker's error.
SURE = torch.tensor([True] * 5 + [False] * 2)
QUIET = 9.0  # Hz; no head moves as fast
FOLLOWED = 1.75  # Hz; above it the tracker reads the mouth's motion as the head's
EDGES = [0.0, 0.4, 0.8, 1.2, 1.8, 3.0, 5.0]  # Hz
# What the acceleration counts beside the spectrum. Without it the oscillators follow the clips beyond FOLLOWED.
FAST_WEIGHT = 0.1
ANGLES = (0.02, 0.4)  # of an oscillator, radians a frame: 0.08 and 1.6 Hz
# Damping, 1 = critical: below 0.6 a head bobs where it should sway.
DAMPING = (0.6, 1.4)
MOST_DAMPING = 0.45  # a frame; a style may make it twice as fast, and above 1 a step would turn back


def frequencies() -> np.ndarray:
    return np.fft.rfftfreq(WINDOW, 1 / RATE)


def pieces(x: np.ndarray) -> list[np.ndarray]:
    """Windows [WINDOW,axes] that overlap by half."""
    return [x[i : i + WINDOW] for i in range(0, len(x) - WINDOW + 1, WINDOW // 2)]


def power(x: torch.Tensor) -> torch.Tensor:
    """Power of windows [...,WINDOW,axes] around their mean: [...,frequencies,axes]."""
    x = (x - x.mean(-2, keepdim=True)) * torch.hann_window(WINDOW, periodic=False, dtype=x.dtype)[:, None]
    return torch.fft.rfft(x, dim=-2).abs().square()


def shares(parts: list[np.ndarray], tracked: bool) -> np.ndarray:
    """Share of the variance at each frequency [frequencies,axes] of windows, the liveliest quarter of which is limited.

    `tracked`: a white error is in them.
    """
    parts = [p - p.mean(0) for p in parts]
    limit = np.quantile([p.std(0) for p in parts], 0.75, axis=0)
    found = power(torch.from_numpy(np.stack([p * np.minimum(1, limit / (p.std(0) + 1e-9)) for p in parts]))).numpy()
    if tracked:
        found = np.maximum(found - np.median(found[:, frequencies() > QUIET], 1, keepdims=True), 0)
    total = found.sum(0)
    return total / total.sum(0)


def bands(share: np.ndarray) -> np.ndarray:
    """Shares [frequencies,axes] in the bands between EDGES."""
    f = frequencies()
    return np.stack([share[(f > low) & (f <= high)].sum(0) for low, high in zip(EDGES, EDGES[1:])])


def haste(parts: list[np.ndarray]) -> np.ndarray:
    """Mean change of the speed from frame to frame over the spread, median of windows: [axes]."""
    return np.median([np.abs(np.diff(p, 2, axis=0)).mean(0) / (p.std(0) + 1e-9) for p in parts], 0)


def response(k: torch.Tensor, c: torch.Tensor, smooth: float, count: int) -> torch.Tensor:
    """What becomes of a push of each frequency in the stage's oscillators [count // 2 + 1,2,7]; see model.py."""
    w = 2 * torch.pi * torch.fft.rfftfreq(count).to(k.dtype)[:, None, None]
    back = torch.polar(torch.ones_like(w), -w)  # the frame before
    return smooth / (1 - (1 - smooth) * back) / ((1 - (1 - c) * back) * (1 - back) + k * back)


def fit(target: np.ndarray, unwhiten: np.ndarray, smooth: float, steps: int) -> dict[str, torch.Tensor]:
    """k, c and push [2,7] of the oscillators on whitened axes that give the axes of a head the `target` shares.

    The motion that they make is measured as the clips are, in windows without their mean: what a window hides of slow
    motion is hidden on both sides. (Fitted to the covariance in such windows, which is negative at long lags, they ring.)
    """
    speed = torch.tensor([[-2.4] * 7, [-1.4] * 7], requires_grad=True)  # log of the angle a frame
    damping = torch.zeros(2, 7, requires_grad=True)
    part = torch.zeros(7, requires_grad=True)  # of the slow one; the variances of a whitened axis add up to 1
    long = 10 * WINDOW
    white = torch.fft.rfft(torch.randn(2, long, 2, 7, generator=torch.Generator().manual_seed(0)), dim=1)
    y, un = torch.from_numpy(target).float(), torch.as_tensor(unwhiten, dtype=torch.float32)
    f = torch.from_numpy(frequencies()).float()
    fitted, above = (f > 0.1) & (f <= FOLLOWED), f > 0.1
    most = (y * (fitted * f**4)[:, None]).sum(0)  # power of the acceleration
    opt = torch.optim.Adam([speed, damping, part], lr=0.03)

    def tables() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        angle = speed.exp().clamp(*ANGLES)
        ratio = DAMPING[0] + (DAMPING[1] - DAMPING[0]) * torch.sigmoid(damping)
        k, c = angle.square(), (2 * angle * ratio).clamp(max=MOST_DAMPING)
        spread = response(k, c, smooth, long).abs().square().mean(0).sqrt()
        return k, c, torch.stack([part, -part]).sigmoid().sqrt() / spread

    for _ in tqdm(range(steps), desc="oscillators", mininterval=20):
        k, c, push = tables()
        z = torch.fft.irfft(response(k, c, smooth, long) * push * white, n=long, dim=1).sum(2) @ un
        got = power(z.unfold(1, WINDOW, WINDOW).transpose(2, 3)).mean((0, 1))
        got = got / got.sum(0)
        # neighbours count together: single lines of a spectrum are chance
        near = F.avg_pool1d(torch.stack([got, y]).transpose(1, 2), 3, 1, 1, count_include_pad=False).transpose(1, 2)
        off = (near[0] + 1e-4).log() - (near[1] + 1e-4).log()
        faster = F.relu((got * f[:, None] ** 4).sum(0) / most - 1)
        loss = off[:, SURE][fitted].square().mean() + F.relu(off[above]).square().mean()
        loss = loss + FAST_WEIGHT * faster[SURE].square().mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("oscillator fit", loss.item())
    k, c, push = (v.detach() for v in tables())
    print("Hz, damping (1 = critical), slow then fast")
    print((k.sqrt() * RATE / 2 / torch.pi).numpy().round(2), (c / 2 / k.sqrt()).numpy().round(2), sep="\n")
    return dict(k=k, c=c, push=push)


def simulate(stage: torch.nn.Module, mel: np.ndarray, frames: int, seed: int) -> np.ndarray:
    """What a stage makes of rows of speech [4n,80], repeated for so many frames: offsets [frames,7] as those of clips."""
    x = torch.from_numpy(mel).reshape(-1, 4, 80)
    x = x.repeat(-(-frames // len(x)), 1, 1)[:frames]
    noise = torch.randn(frames, 8, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        y, _ = stage(x, torch.tensor([0, 0, 0, 0, 0, 0, 1.0]), torch.zeros(4), noise, torch.zeros(STATE))
    y = y.numpy().astype(np.float64)
    y[:, 6] = np.log(y[:, 6])
    return y


def row(name: str, share: np.ndarray, parts: list[np.ndarray]) -> None:
    print(f"\n{name}: {len(parts)} windows\n{'':14s}", *(f"{a:>7s}" for a in AXES))
    for low, high, v in zip(EDGES, EDGES[1:], bands(share)):
        print(f"{low:.1f} to {high:.1f} Hz ", *(f"{x:7.3f}" for x in v))
    print(f"{'spread':14s}", *(f"{x:7.3f}" for x in np.median([p.std(0) for p in parts], 0)))
    print(f"{'haste':14s}", *(f"{x:7.3f}" for x in haste(parts)))


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--data", type=Path, required=True)
    ap.add_argument("--norm", type=Path, required=True)
    ap.add_argument("--stage", type=Path, nargs="*", default=[])
    o = ap.parse_args()
    torch.set_num_threads(1)
    clips = [c for c in talking(o.data, o.norm) if c.kind == "real"]
    for split in ("train", "dev"):
        parts = [p for c in clips if c.split == split for p in pieces(offsets(o.norm, c.name))]
        row(f"real clips, {split} (haste: mostly the tracker's error)", shares(parts, True), parts)
    print("in pauses", round(slowing([motion(o.norm, c.name) for c in clips], [c.mel for c in clips]), 2))
    for path in o.stage:
        stage, dev = torch.jit.load(str(path)).eval(), [c for c in clips if c.split == "dev"]
        made = [simulate(stage, c.mel, 850, 7 * i + j)[50:] for i, c in enumerate(dev) for j in range(4)]
        parts = [p for x in made for p in pieces(x)]
        row(str(path), shares(parts, False), parts)
        moves = [simulate(stage, c.mel, len(c.mel) // 4, seed) for seed in range(4) for c in clips]
        print("in pauses", round(slowing(moves, 4 * [c.mel for c in clips]), 2))


if __name__ == "__main__":
    main()
