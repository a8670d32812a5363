"""Pairs of frames of one person, cut around mouth or eyes, for training the painters.

Reads a folder of ID.npz files made by frames.py (im [n,512,512,3] uint8, lm [n,478,3] picture units, src = original size)
and the data set's manifest.tsv for identity, kind and split. Imported by train.py and evaluate.py.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from .geometry import IRIS


@dataclass
class Clip:
    """Frames of one clip: crops with their place in the picture, landmarks, and how open mouth and eyes are."""

    id: str
    identity: str
    kind: str
    size: int
    crops: list[np.ndarray]
    boxes: np.ndarray
    lm: np.ndarray
    mouth: np.ndarray
    eyes: np.ndarray


def dist(L: np.ndarray, a: int, b: int) -> np.ndarray:
    return np.linalg.norm(L[:, a, :2] - L[:, b, :2], axis=1)


def openness(L: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mouth opening in face heights, mean eye opening in eye widths, of landmarks [n,478,3]."""
    mouth = dist(L, 13, 14) / dist(L, 10, 152)
    return mouth, (dist(L, 159, 145) / dist(L, 33, 133) + dist(L, 386, 374) / dist(L, 263, 362)) / 2


def crop_box(L: np.ndarray, kind: str) -> tuple[int, int, int, int]:
    """A box of pixels (x0, y0, x1, y1) that holds the region of the painter with room for its flow."""
    w = max(np.linalg.norm(L[263, :2] - L[33, :2]), 1.35 * np.linalg.norm(L[168, :2] - L[2, :2])) * 512
    points = L[[13, 14, 2, 152]] if kind == "mouth" else L[[33, 133, 263, 362]]
    lo, hi = points[:, :2].min(0) * 512, points[:, :2].max(0) * 512
    if kind == "mouth":
        c = (L[13, :2] * 0.35 + L[14, :2] * 0.35 + L[2, :2] * 0.1 + L[152, :2] * 0.2) * 512
        lo, hi = c - 0.85 * w, c + 0.85 * w
    else:
        lo, hi = lo - 0.55 * w, hi + 0.55 * w
    x0, y0 = np.clip(np.floor(lo), 0, 480).astype(int)
    x1, y1 = np.clip(np.ceil(hi), 32, 512).astype(int)
    return int(x0), int(y0), int(max(x1, x0 + 32)), int(max(y1, y0 + 32))


def manifest(data: Path) -> dict[str, dict[str, str]]:
    with open(data / "manifest.tsv") as f:
        return {r["id"]: r for r in csv.DictReader(f, delimiter="\t")}


def load(frames: Path, data: Path, split: str, kind: str, limit: int = 0) -> list[Clip]:
    """All clips of a split; kind is "mouth", "eyes" or "full" (no cropping)."""
    rows, clips = manifest(data), []
    for path in sorted(frames.glob("*.npz")):
        row = rows.get(path.stem)
        if row is None or row["split"] != split:
            continue
        z = np.load(path)
        im, lm = z["im"], z["lm"]
        boxes = np.array([(0, 0, 512, 512) if kind == "full" else crop_box(p, kind) for p in lm])
        crops = [np.ascontiguousarray(f[b[1]:b[3], b[0]:b[2]]) for f, b in zip(im, boxes)]
        clips.append(Clip(path.stem, row["identity"], row["kind"], int(z["src"]), crops, boxes, lm, *openness(lm)))
        if limit and len(clips) >= limit:
            break
    return clips


def weights(clips: list[Clip]) -> np.ndarray:
    """Sharp and real clips more often; persons with many clips less often per clip."""
    count = Counter(c.identity for c in clips)
    w = np.array([(1.0 if c.size >= 512 else 0.45) * (1.5 if c.kind == "real" else 0.8) / count[c.identity] ** 0.6 for c in clips])
    return w / w.sum()


def mirror_table(clips: list[Clip]) -> np.ndarray:
    """For each landmark the index of its mirror image, from the mean of aligned faces."""
    acc = np.zeros((478, 2))
    for c in clips:
        L = c.lm[:, :, :2].mean(0)
        ex = L[263] - L[33]
        a = np.arctan2(ex[1], ex[0])
        R = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        acc += ((L - (L[263] + L[33]) / 2) @ R) / np.linalg.norm(ex)
    acc /= len(clips)
    m = acc * [-1, 1]
    m[:, 0] += acc[:468, 0].mean() * 2
    d = ((acc[:468, None] - m[None, :468]) ** 2).sum(-1)
    table = np.arange(478)
    table[:468] = linear_sum_assignment(d)[1]
    table[468:473], table[473:478] = np.arange(473, 478), np.arange(468, 473)
    assert table[33] == 263 and table[61] == 291 and table[13] == 13 and table[IRIS[0]] == IRIS[1]
    return table


class Frame:
    """One augmented frame: its crop as a tensor, its landmarks, and how to sample it in (augmented) picture units."""

    def __init__(self, clip: Clip, i: int, zoom: float, shift: np.ndarray, mirror: np.ndarray | None) -> None:
        x0, y0, x1, y1 = clip.boxes[i]
        image, L = clip.crops[i], clip.lm[i].copy()
        if mirror is not None:
            image, L = image[:, ::-1], L[mirror]
            L[:, 0] = 1 - L[:, 0]
            x0, x1 = 512 - x1, 512 - x0
        self.image = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float().div_(255)[None]
        # augmented = (original - 0.5) * zoom + 0.5 + shift
        L[:, :2] = (L[:, :2] - 0.5) * zoom + 0.5 + shift
        L[:, 2] *= zoom
        self.L = torch.from_numpy(L)
        size = np.array([x1 - x0, y1 - y0]) / 512
        self.scale = torch.tensor(1 / (zoom * size), dtype=torch.float32)
        self.offset = torch.tensor(((0.5 - (0.5 + shift) / zoom) - np.array([x0, y0]) / 512) / size, dtype=torch.float32)

    def at(self, xy: torch.Tensor) -> torch.Tensor:
        """The crop at a map [2,n,m] of augmented picture units, as [1,3,n,m]."""
        g = xy.permute(1, 2, 0) * self.scale + self.offset
        return torch.nn.functional.grid_sample(self.image, g[None] * 2 - 1, mode="bilinear", padding_mode="border", align_corners=False)


class Pairs:
    """Endless random pairs; mostly a closed mouth (or eye) that opens, some that close, some at random."""

    def __init__(self, clips: list[Clip], kind: str, seed: int = 0) -> None:
        self.clips, self.kind = clips, kind
        self.rng = np.random.default_rng(seed)
        self.weight = weights(clips)
        self.mirror = mirror_table(clips) if kind == "mouth" else None

    def one(self) -> tuple[Frame, Frame]:
        rng = self.rng
        c = self.clips[rng.choice(len(self.clips), p=self.weight)]
        key, n = (c.mouth if self.kind == "mouth" else c.eyes), len(c.crops)
        i, j = rng.integers(n), rng.integers(n)
        if rng.random() < 0.6:
            k = rng.integers(n, size=5)
            k = k[np.argsort(key[k])]
            i, j = (k[0], k[-1]) if rng.random() < (0.7 if self.kind == "mouth" else 0.5) else (k[-1], k[0])
        zoom, shift = float(np.exp(rng.normal() * 0.08)), rng.normal(size=2) * 0.02
        mirror = self.mirror if self.mirror is not None and rng.random() < 0.5 else None
        return Frame(c, i, zoom, shift, mirror), Frame(c, j, zoom, shift, mirror)

    def batch(self, n: int) -> tuple[list[Frame], list[Frame], torch.Tensor, torch.Tensor]:
        p = [self.one() for _ in range(n)]
        src, drv = [a for a, _ in p], [b for _, b in p]
        return src, drv, torch.stack([f.L for f in src]), torch.stack([f.L for f in drv])
