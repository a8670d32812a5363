# SPDX-License-Identifier: MIT OR Apache-2.0
"""Fits the weights of painters.restoration: what brings true patches back to themselves after they were cut and drawn
bilinearly.

    python -m models.generator.restore --frames FRAMES --data DATA

. One frame of every real clip of the training split, the mouth's region; prints the five weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F

from .data import load
from .geometry import MOUTH, Geo, affine_inverse, cut, grid

ORBITS = [
    [(0, 1), (1, 0), (0, -1), (-1, 0)],
    [(1, 1), (1, -1), (-1, 1), (-1, -1)],
    [(0, 2), (2, 0), (0, -2), (-2, 0)],
    [(1, 2), (2, 1), (1, -2), (2, -1), (-1, 2), (-2, 1), (-1, -2), (-2, -1)],
    [(2, 2), (2, -2), (-2, 2), (-2, -2)],
]
"""Taps that share a weight, in the order of painters.restoration."""


def differences(patch: torch.Tensor) -> list[torch.Tensor]:
    """For each orbit the sum of its taps less as many times the centre: a filter of these keeps the mean."""
    n = patch.shape[-1]
    wide = F.pad(patch, (2, 2, 2, 2), mode="replicate")
    tap = lambda dy, dx: wide[:, :, 2 + dy : 2 + dy + n, 2 + dx : 2 + dx + n]
    return [sum((tap(*o) for o in orbit), -len(orbit) * patch) for orbit in ORBITS]


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--frames", type=Path, required=True)
    ap.add_argument("--data", type=Path, required=True)
    a = ap.parse_args()
    torch.set_num_threads(1)
    geo, at = Geo(), grid(512) / 2 + 0.5
    square, product = torch.zeros(5, 5, dtype=torch.float64), torch.zeros(5, dtype=torch.float64)
    for c in load(a.frames, a.data, "train", "full"):
        if c.kind != "real" or len(c.crops) < 2:
            continue
        i = len(c.crops) // 2
        truth = torch.from_numpy(c.crops[i]).permute(2, 0, 1)[None].float() / 255
        T = geo.roi(torch.from_numpy(c.lm[i : i + 1]), MOUTH)
        where = affine_inverse(T, at).view(1, 512, 512, 2)
        inside = (where.abs() < 0.8).all(-1)[0]
        drawn = lambda x: F.grid_sample(x, where, padding_mode="border", align_corners=False)[0][:, inside].flatten()
        patch = cut(truth, T, 128)
        lost = truth[0][:, inside].flatten() - drawn(patch)
        given = torch.stack([drawn(x) for x in differences(patch)])
        square += (given @ given.T).double()
        product += (given @ lost).double()
    print(", ".join(f"{v:.4f}" for v in torch.linalg.solve(square, product)))


if __name__ == "__main__":
    main()
