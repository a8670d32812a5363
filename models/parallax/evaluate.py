# SPDX-License-Identifier: MIT OR Apache-2.0
"""Heads of held-out persons turned to other frames of their clips, without and with the parallax maps.

python -m models.parallax.evaluate --turned TURNED --data DATA --pack models/packs/lite [--weights PAINT] [--sheet FILE.png]

Weights are a checkpoint of train.py, else the pack's own stage. PSNR of the head, of what of it lies outside of the face, of the
face; mean over persons; sharpness is the Laplacian's variance of the head over the truth's, median. Mouth and eyes are not painted.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.numpy import load_file

from ..generator.geometry import OVAL
from ..generator.metrics import laplacian, psnr
from ..generator.weights import checkpoint
from .model import SIDE, Parallax, corrected, drawn
from .train import Clip, load, picture

BINS = ((3, 8), (8, 15), (15, 26))
PAIRS = 24
"""Pairs of a clip in each range of angles."""


def net_of(pack: Path, weights: Path | None) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    if weights is None:
        stage = torch.jit.load(str(pack / "parallax.pt")).float().eval()
        return lambda photo, landmarks: stage(photo, landmarks)[0][None]
    net = Parallax()
    net.load_state_dict(checkpoint(weights, "parallax", "models.parallax.train")["mean"])
    return net.eval()


def regions(c: Clip, t: int) -> tuple[torch.Tensor, ...]:
    """Head, head outside of the face, face [1,1,n,n] of a frame."""
    L = c.lm[t][:, :2]
    face = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(face, [np.round(L[OVAL] * SIDE).astype(np.int32)], 1)
    face = cv2.dilate(face, np.ones((7, 7), np.uint8)) > 0
    o = L[OVAL]
    width, centre = np.ptp(o[:, 0]), o.mean(0)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    near = np.hypot((x - centre[0]) / (0.95 * width), (y - centre[1] + 0.1 * width) / (1.15 * width)) < 1
    person = cv2.dilate((c.matte[t] > 76).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    head = (person & near) | face
    return tuple(torch.from_numpy(m).view(1, 1, SIDE, SIDE) for m in (head, head & ~face, face))


def figures(out: torch.Tensor, truth: torch.Tensor, masks: tuple[torch.Tensor, ...]) -> list[float]:
    e = ((out - truth) ** 2).mean(1, keepdim=True)
    detail = lambda x: laplacian(x, padding=1)[masks[0]].var().item()
    near = [psnr(e[m].mean().item()) if m.any() else np.nan for m in masks]
    return [*near, detail(out) / (detail(truth) + 1e-9)]


@torch.no_grad()
def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("turned", "data", "pack"):
        ap.add_argument(f"--{name}", type=Path, required=True)
    ap.add_argument("--weights", type=Path)
    ap.add_argument("--split", default="dev")
    ap.add_argument("--sheet", type=Path)
    a = ap.parse_args()
    torch.set_num_threads(1)
    net = net_of(a.pack, a.weights)
    mean_face = load_file(a.pack / "mean_face.safetensors")["mean_face"]
    rng, rows, sheet = np.random.RandomState(0), [], []
    for c in load(a.turned, a.data, mean_face, a.split):
        if c.kind != "real":
            continue
        for low, high in BINS:
            k, t = np.nonzero((c.apart >= low) & (c.apart < high))
            for i in rng.permutation(len(k))[:PAIRS]:
                photo, truth = picture(c.im[k[i]])[None], picture(c.im[t[i]])[None]
                parts = photo, picture(c.matte[k[i]])[None], picture(c.plate[k[i]])[None]
                flow, weight, turn = (x[None].float() for x in c.flow(k[i], t[i]))
                maps = net(photo, torch.from_numpy(c.lm[k[i]])[None].float())
                outs = [drawn(*parts, f, "bicubic").clamp(0, 1) for f in (flow, corrected(flow, weight, maps, turn))]
                masks = regions(c, t[i])
                rows.append((low, c.identity, *(figures(o, truth, masks) for o in outs)))
                if a.sheet and low >= 8 and len(sheet) < 24 and i % 5 == 0:
                    sheet.append(torch.cat([photo, *outs, truth], 3))
    for low, high in BINS:
        some = [r for r in rows if r[0] == low]
        people = sorted({r[1] for r in some})
        print(f"{low}-{high} degrees: {len(some)} pairs, {len(people)} persons")
        for name, column in (("without", 2), ("with", 3)):
            mean = [np.nanmean([np.nanmean([r[column][i] for r in some if r[1] == p]) for p in people]) for i in range(3)]
            sharp = np.median([r[column][3] for r in some])
            print("  %-8s head %.2f  outside the face %.2f  face %.2f  sharpness %.3f" % (name, *mean, sharp))
        worse = np.mean([r[3][0] < r[2][0] - 0.02 for r in some])
        print(f"  {worse:.0%} of the pairs are worse with them")
    if sheet:
        rows_of = [torch.cat(sheet[i : i + 2], 3) for i in range(0, len(sheet) - 1, 2)]
        big = (torch.cat(rows_of, 2)[0].permute(1, 2, 0) * 255).round().byte().numpy()
        cv2.imwrite(str(a.sheet), big[..., ::-1])


if __name__ == "__main__":
    main()
