# SPDX-License-Identifier: MIT OR Apache-2.0
"""Trains the parallax maps on pairs of frames of turned heads; resumes from OUT/parallax.ckpt.

python -m models.parallax.train --turned TURNED --data DATA --pack models/packs/lite --out PAINT [--minutes 40]
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.numpy import load_file

from ..generator.data import manifest, mirror_table, weights
from ..generator.metrics import laplacian
from ..generator.weights import keep
from .head import Head
from .model import SIDE, Parallax, corrected, drawn

TARGETS = 3
"""Frames that each photo of a batch is turned to."""
LEAST = 3.0
"""Degrees between the frames of a pair."""
ZOOM, SHIFT = 0.2, 1.0
"""Most that the heads of a pair differ in size (natural logarithm) and place (inter-ocular distances): a camera moved there."""


class Clip:
    """Frames of a clip, and the flows between them, computed when first asked for."""

    def __init__(self, path: Path, row: dict[str, str], mean_face: np.ndarray) -> None:
        z = np.load(path)
        self.identity, self.kind, self.size = row["identity"], row["kind"], int(row["size"])
        self.im, self.matte, self.plate, self.lm = z["im"], z["matte"], z["plate"], z["lm"]
        p = z["pose"]
        self.apart = np.hypot(p[:, None, 0] - p[None, :, 0], p[:, None, 1] - p[None, :, 1])
        zoom = np.abs(np.log(p[:, None, 6] / p[None, :, 6]))
        shift = np.hypot(p[:, None, 3] - p[None, :, 3], p[:, None, 4] - p[None, :, 4]) / p[:, None, 6]
        self.apart[(zoom > ZOOM) | (shift > SHIFT)] = 0
        self.mean_face, self.flows, self.heads = mean_face, {}, {}

    def flow(self, k: int, t: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        if (k, t) not in self.flows:
            head = self.heads.setdefault(k, Head(self.lm[k], self.mean_face))
            f, w, turn = head.flow(self.lm[t])
            self.flows[k, t] = f.half(), w.half(), torch.tensor(turn, dtype=torch.float32)
        return self.flows[k, t]


def load(turned: Path, data: Path, mean_face: np.ndarray, split: str) -> list[Clip]:
    rows = manifest(data)
    clips = [Clip(p, rows[p.stem], mean_face) for p in sorted(turned.glob("*.npz")) if rows[p.stem]["split"] == split]
    return [c for c in clips if c.apart.max() >= 2 * LEAST]


def picture(x: np.ndarray) -> torch.Tensor:
    x = torch.from_numpy(np.ascontiguousarray(x)).float() / 255
    return x[..., None].movedim(-1, -3) if x.dim() == 2 else x.movedim(-1, -3)


def energy(x: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(laplacian(x, padding=1) ** 2, 8)


def difference(out: torch.Tensor, truth: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    loss = ((out - truth).abs() * w).mean()
    a, b = out * w, truth * w
    for _ in range(2):
        a, b = F.avg_pool2d(a, 4), F.avg_pool2d(b, 4)
        loss = loss + 0.7 * (a - b).abs().mean()
    for d in (-1, -2):
        loss = loss + 0.7 * ((out.diff(dim=d) - truth.diff(dim=d)).abs() * w.narrow(d, 1, w.shape[d] - 1)).mean()
    return loss


def coarse(parts: tuple[torch.Tensor, ...], flow: torch.Tensor, truth: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """The same on small blurred pictures: a gradient that reaches farther than a pixel."""
    loss = torch.zeros(())
    for s in (4, 8):
        small = lambda x: F.avg_pool2d(F.avg_pool2d(x, s), 3, 1, 1)
        photo, matte, plate = parts
        loss = loss + ((drawn(small(photo), small(matte), small(plate), flow) - small(truth)).abs() * F.avg_pool2d(w, s)).mean()
    return loss


def folds(flow: torch.Tensor) -> torch.Tensor:
    """How far neighbours in the grid come closer than a quarter of their distance, or go farther apart than twice it."""
    n = flow.shape[-1]
    x, y = flow[:, 0].diff(dim=-1) * n, flow[:, 1].diff(dim=-2) * n
    return sum((F.relu(-0.75 - g) + F.relu(g - 1.0)).mean() for g in (x, y))


class Batches:
    def __init__(self, clips: list[Clip], photos: int, seed: int) -> None:
        self.clips, self.photos, self.rng = clips, photos, np.random.RandomState(seed)
        # Those whose heads turn far more often.
        p = weights(clips, small=1 / 1.4, kinds=(2.0, 0.7)) * np.minimum(2.0, 0.3 + np.array([c.apart.max() for c in clips]) / 12)
        self.p = p / p.sum()
        self.mirror = mirror_table(np.stack([c.lm[0] for c in clips]))

    def __call__(self) -> dict[str, torch.Tensor]:
        rng, rows = self.rng, []
        while len(rows) < self.photos:
            c = self.clips[rng.choice(len(self.clips), p=self.p)]
            k = rng.randint(len(c.im))
            fit = np.flatnonzero(c.apart[k] >= LEAST)
            if len(fit) == 0:
                continue
            chance = np.minimum(c.apart[k, fit], 15)
            ts = rng.choice(fit, TARGETS, p=chance / chance.sum())
            flows = [c.flow(k, t) for t in ts]
            row = dict(
                photo=picture(c.im[k]), matte=picture(c.matte[k]), plate=picture(c.plate[k]), S=torch.from_numpy(c.lm[k]).float(),
                truth=picture(c.im[ts]), flow=torch.stack([f[0] for f in flows]).float(),
                weight=torch.stack([f[1] for f in flows]).float(), turn=torch.stack([f[2] for f in flows]),
            )
            if rng.rand() < 0.5:
                row = mirrored(row, self.mirror)
            rows.append(row)
        b = {key: torch.stack([r[key] for r in rows]) for key in rows[0]}
        B = self.photos
        tone = torch.exp(torch.randn(B, 3, 1, 1) * 0.06 + torch.randn(B, 1, 1, 1) * 0.1)
        gamma = torch.exp(torch.randn(B, 1, 1, 1) * 0.15)
        change = lambda x, g, t: (x.clamp(1e-3, 1) ** g * t).clamp(0, 1)
        b["photo"], b["plate"] = change(b["photo"], gamma, tone), change(b["plate"], gamma, tone)
        b["truth"] = change(b["truth"], gamma[:, None], tone[:, None])
        return b


def mirrored(row: dict[str, torch.Tensor], table: np.ndarray) -> dict[str, torch.Tensor]:
    out = {key: (v if key in ("S", "turn") else v.flip(-1)) for key, v in row.items()}
    out["S"] = row["S"][table] * torch.tensor([-1.0, 1, 1]) + torch.tensor([1.0, 0, 0])
    out["flow"] = out["flow"] * torch.tensor([-1.0, 1]).view(1, 2, 1, 1)
    out["turn"] = row["turn"] * torch.tensor([-1.0, 1, -1])
    return out


def loss_of(net: nn.Module, b: dict[str, torch.Tensor], half: bool) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss of a batch, and its parts; half: on pictures of half the side, which most of training can do with."""
    with torch.autocast("cpu", torch.bfloat16):
        maps = net(b["photo"], b["S"]).float()
    many = lambda x: x.repeat_interleave(TARGETS, 0)
    flat = lambda x: x.flatten(0, 1)
    flow, weight, truth = flat(b["flow"]), flat(b["weight"]), flat(b["truth"])
    moved = corrected(flow, weight, many(maps), flat(b["turn"]))
    size = (lambda x: F.avg_pool2d(x, 2)) if half else (lambda x: x)
    truth, parts = size(truth), tuple(many(size(b[k])) for k in ("photo", "matte", "plate"))
    w = 0.25 + 0.75 * F.interpolate(weight, size=truth.shape[-2:], mode="bilinear", align_corners=False)
    out = drawn(*parts, moved)
    same, blurred = difference(out, truth, w), coarse(parts, moved, truth, w)
    sharp = (((energy(out) + 2e-5).log() - (energy(truth) + 2e-5).log()).clamp(max=0).abs() * F.avg_pool2d(w, 8)).mean()
    smooth = sum(maps.diff(dim=d).abs().mean() for d in (-1, -2)) * 0.4
    fold = folds(moved) * 0.5
    logs = dict(sharp=sharp, coarse=blurred, smooth=smooth, fold=fold, length=maps.abs().mean() * SIDE)
    if not half:
        with torch.no_grad():
            logs["ratio"] = same / difference(drawn(*parts, flow), truth, w)
    return same + blurred + 0.004 * sharp + smooth + fold, {k: v.detach() for k, v in logs.items()}


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("turned", "data", "pack", "out"):
        ap.add_argument(f"--{name}", type=Path, required=True)
    ap.add_argument("--minutes", type=float, default=40)
    ap.add_argument("--photos", type=int, default=4, help="photos of a batch")
    ap.add_argument("--rate", type=float, default=8e-4)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--steps", type=int, default=1 << 30, help="stop after so many (smoke test)")
    a = ap.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    a.out.mkdir(parents=True, exist_ok=True)
    mean_face = load_file(a.pack / "mean_face.safetensors")["mean_face"]
    clips = load(a.turned, a.data, mean_face, "train")
    print(len(clips), "clips,", len({c.identity for c in clips}), "persons", flush=True)
    batches = Batches(clips, a.photos, a.seed)
    net = Parallax()
    opt = torch.optim.AdamW(net.parameters(), a.rate, betas=(0.9, 0.99), weight_decay=1e-4)
    mean = {k: v.clone() for k, v in net.state_dict().items()}
    path, step, before = a.out / "parallax.ckpt", 0, 0.0
    if path.exists():
        state = torch.load(path, map_location="cpu")
        net.load_state_dict(state["net"]), opt.load_state_dict(state["opt"])
        mean, step, before = state["mean"], state["step"], state["spent"]
    start, logs = time.time(), {}
    save = lambda spent: keep(dict(net=net.state_dict(), mean=mean, opt=opt.state_dict(), step=step, spent=spent), path)
    while (spent := before + (time.time() - start) / 60) < a.minutes and step < a.steps:
        for g in opt.param_groups:
            g["lr"] = a.rate * min(1, (step + 1) / 100) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * spent / a.minutes)))
        loss, said = loss_of(net, batches(), half=step % 4 != 3)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        step += 1
        decay = min(0.997, step / (step + 50))
        for k, v in net.state_dict().items():
            mean[k] = mean[k].lerp(v, 1 - decay) if v.is_floating_point() else v.clone()
        for k, v in said.items():
            logs[k] = 0.97 * logs.get(k, float(v)) + 0.03 * float(v)
        if step % 50 == 0:
            print(step, "%.1f min" % spent, " ".join(f"{k} {v:.4f}" for k, v in logs.items()), flush=True)
        if step % 200 == 0:
            save(spent)
    save(spent)
    print("done", step, flush=True)


if __name__ == "__main__":
    main()
