# SPDX-License-Identifier: MIT OR Apache-2.0
"""Pairs of frames of one person, cut around mouth or eyes, for training the painters.

Reads a folder of ID.npz files made by frames.py (im [n,512,512,3] uint8, lm [n,478,3] picture units, src = original
size) and the data set's manifest.tsv for identity, kind and split. Imported by train.py and evaluate.py.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from .fastflow import fast_flow
from .geometry import CHIN, COARSE, INNER, KPS, OUTER, SIDE, Geo, grid, to_map


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
        if len(im) == 1 and kind != "mouth":
            continue
        boxes = np.array([(0, 0, 512, 512) if kind == "full" else crop_box(p, kind) for p in lm])
        crops = [np.ascontiguousarray(f[b[1] : b[3], b[0] : b[2]]) for f, b in zip(im, boxes)]
        clips.append(Clip(path.stem, row["identity"], row["kind"], int(z["src"]), crops, boxes, lm, *openness(lm)))
        if limit and len(clips) >= limit:
            break
    return clips


def weights(clips: list[Clip], small: float = 0.45, kinds: tuple[float, float] = (1.5, 0.8)) -> np.ndarray:
    """Sharp and real clips more often (kinds: real and generated); persons with many clips less often per clip."""
    count = Counter(c.identity for c in clips)
    w = np.array(
        [
            (1.0 if c.size >= 512 else small) * kinds[c.kind != "real"] / count[c.identity] ** 0.6
            for c in clips
        ]
    )
    return w / w.sum()


def rigid(P: np.ndarray, Q: np.ndarray) -> np.ndarray:
    """P moved onto Q by a similarity."""
    p, q = P - P.mean(0), Q - Q.mean(0)
    U, s, Vt = np.linalg.svd(p.T @ q)
    d = np.array([1, 1, np.sign(np.linalg.det(U @ Vt))])
    return (s * d).sum() / (p**2).sum() * p @ (U * d) @ Vt + Q.mean(0)


def mirror_table(faces: np.ndarray) -> np.ndarray:
    """For each landmark the index of its mirror image: the mean face [n,478,3] matched with its reflection."""
    mean = faces[0, :468]
    for _ in range(3):
        mean = np.mean([rigid(f[:468], mean) for f in faces], 0)
    table = np.arange(478)
    seed = [33, 263, 61, 291, 10, 152, 1, 234, 454]
    twin = [263, 33, 291, 61, 10, 152, 1, 454, 234]
    flipped = mean * [-1, 1, 1]
    pairs = (np.array(seed), np.array(twin))
    for _ in range(8):
        p, q = flipped[pairs[0]], mean[pairs[1]]
        pc, qc = p - p.mean(0), q - q.mean(0)
        U, _, Vt = np.linalg.svd(pc.T @ qc)
        R = (U * [1, 1, np.sign(np.linalg.det(U @ Vt))]) @ Vt
        whole = (flipped - p.mean(0)) @ R + q.mean(0)
        d = ((whole[:, None] - mean[None]) ** 2).sum(-1)
        pairs = linear_sum_assignment(d)
    table[:468] = pairs[1]
    table[468:473], table[473:478] = np.arange(473, 478), np.arange(468, 473)
    known = {33: 263, 61: 291, 13: 13, 234: 454, 468: 473, 152: 152, 78: 308}
    assert all(table[k] == v for k, v in known.items()) and (table[table] == np.arange(478)).mean() > 0.99
    return table


LID_UPPER = [[173, 157, 158, 159, 160, 161, 246], [398, 384, 385, 386, 387, 388, 466]]
LID_LOWER = [[155, 154, 153, 145, 144, 163, 7], [382, 381, 380, 374, 373, 390, 249]]


def shut(L: np.ndarray) -> np.ndarray:
    """Lids really shut where the tracker sees them nearly so: it never closes them, a blink made by an edit does."""
    out = L.copy()
    for up, lo, a, b in zip(LID_UPPER, LID_LOWER, (33, 263), (133, 362)):
        r = np.linalg.norm(L[up[3], :2] - L[lo[3], :2]) / np.linalg.norm(L[a, :2] - L[b, :2])
        c = float(np.clip((0.2 - r) / 0.07, 0, 1))
        out[up, :2] = L[up, :2] * (1 - c) + (L[lo, :2] + 0.1 * (L[up, :2] - L[lo, :2])) * c
    return out


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
        self.offset = torch.tensor(
            ((0.5 - (0.5 + shift) / zoom) - np.array([x0, y0]) / 512) / size, dtype=torch.float32
        )

    def bend(self, geo: Geo, L: torch.Tensor) -> None:
        """Warps the frame to other landmarks L."""
        h, w = self.image.shape[-2:]
        g = (grid(COARSE) / 2 + 0.5 - self.offset) / self.scale  # crop coordinates -> picture units
        m = torch.nn.functional.interpolate(
            to_map(fast_flow(geo, g, self.L[None], L[None].float()), COARSE),
            size=(h, w),
            mode="bilinear",
            align_corners=False,
        )
        self.image, self.L = self.at(m[0]), L.float()

    def at(self, xy: torch.Tensor) -> torch.Tensor:
        """The crop at a map [2,n,m] of augmented picture units, as [1,3,n,m]."""
        g = xy.permute(1, 2, 0) * self.scale + self.offset
        return torch.nn.functional.grid_sample(
            self.image, g[None] * 2 - 1, mode="bilinear", padding_mode="border", align_corners=False
        )


UPPER_ARC = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]
LOWER_ARC = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308]


def mouth_closed(L: np.ndarray, share: float, widen: float) -> np.ndarray:
    """Landmarks with the gap between the lips closed by a share (negative opens), lower face following, lips
    widened.
    """
    out = L.copy()
    up, lo = L[UPPER_ARC, :2], L[LOWER_ARC, :2]
    corner_l, corner_r = L[61, :2], L[291, :2]
    ax = (corner_r - corner_l) / np.linalg.norm(corner_r - corner_l)
    u = (L[:, :2] - corner_l) @ ax
    ua = (up - corner_l) @ ax
    order = np.argsort(ua)
    gap = np.stack([np.interp(u, ua[order], (lo - up)[order, k]) for k in range(2)], 1) * share
    full = (L[14, :2] - L[13, :2]) * share
    lower = [k for k, s in zip(KPS, SIDE) if s > 0]
    upper = [k for k, s in zip(KPS, SIDE) if s < 0]
    out[upper, :2] += 0.12 * gap[upper]
    out[lower, :2] -= 0.88 * gap[lower]
    for group, k in (
        (CHIN, 0.85),
        ([152, 148, 377, 176, 400], 0.8),
        ([149, 378, 150, 379], 0.6),
        ([136, 365, 172, 397], 0.35),
        ([212, 432, 57, 287], 0.3),
    ):
        rest = [i for i in group if i not in lower]
        out[rest, :2] -= k * full
    out[[18, 200, 199, 175, 83, 313], :2] = L[[18, 200, 199, 175, 83, 313], :2] - 0.85 * full
    c = (corner_l + corner_r) / 2
    lips = OUTER + INNER
    out[lips, :2] += np.outer((out[lips, :2] - c) @ ax * widen, ax)
    return out


class Pairs:
    """Endless random pairs; mostly a closed mouth (or eye) that opens, some that close, some at random.

    Still portraits join as their own truth: the source is the same face, its mouth closed, opened or widened by the
    analytic warp. They bring many sharp smiles and teeth that the clips lack.
    """

    stills = 0.3

    def __init__(self, clips: list[Clip], kind: str, seed: int = 0) -> None:
        self.kind = kind
        self.rng = np.random.default_rng(seed)
        self.portraits = [c for c in clips if len(c.crops) == 1] if kind == "mouth" else []
        self.clips = [c for c in clips if len(c.crops) > 1]
        self.weight = weights(self.clips)
        if self.portraits:  # those with an open mouth teach most
            self.portrait_weight = np.array([0.3 + min(c.mouth[0], 0.12) / 0.03 for c in self.portraits])
            self.portrait_weight /= self.portrait_weight.sum()
        self.geo = Geo()
        self.mirror = mirror_table(np.concatenate([c.lm[:1] for c in clips])) if kind == "mouth" else None

    def still(self) -> tuple[Frame, Frame]:
        rng = self.rng
        c = self.portraits[rng.choice(len(self.portraits), p=self.portrait_weight)]
        zoom, shift = float(np.exp(rng.normal() * 0.08)), rng.normal(size=2) * 0.02
        mirror = self.mirror if rng.random() < 0.5 else None
        drv, src = Frame(c, 0, zoom, shift, mirror), Frame(c, 0, zoom, shift, mirror)
        if rng.random() < 0.8:
            share = 1.0 if rng.random() < 0.45 else rng.uniform(-0.6, 0.95)
            src.bend(self.geo, torch.from_numpy(mouth_closed(drv.L.numpy(), share, rng.uniform(-0.2, 0.12))))
        return src, drv

    def one(self) -> tuple[Frame, Frame]:
        rng = self.rng
        if self.portraits and rng.random() < self.stills:
            return self.still()
        c = self.clips[rng.choice(len(self.clips), p=self.weight)]
        key, n = (c.mouth if self.kind == "mouth" else c.eyes), len(c.crops)
        i, j = rng.integers(n), rng.integers(n)
        if rng.random() < 0.6:
            k = rng.integers(n, size=5)
            k = k[np.argsort(key[k])]
            i, j = (k[0], k[-1]) if rng.random() < (0.7 if self.kind == "mouth" else 0.5) else (k[-1], k[0])
        if (
            self.kind == "eyes" and key.min() < 0.17 and rng.random() < 0.4
        ):  # blinks are short: chance alone hardly finds them
            j = int(key.argmin())
        zoom, shift = float(np.exp(rng.normal() * 0.08)), rng.normal(size=2) * 0.02
        mirror = self.mirror if self.mirror is not None and rng.random() < 0.5 else None
        src, drv = Frame(c, i, zoom, shift, mirror), Frame(c, j, zoom, shift, mirror)
        if self.kind == "eyes" and rng.random() < 0.65:
            drv.L = torch.from_numpy(shut(drv.L.numpy()))
        return src, drv

    def batch(self, n: int) -> tuple[list[Frame], list[Frame], torch.Tensor, torch.Tensor]:
        p = [self.one() for _ in range(n)]
        src, drv = [a for a, _ in p], [b for _, b in p]
        return src, drv, torch.stack([f.L for f in src]), torch.stack([f.L for f in drv])
