# SPDX-License-Identifier: MIT OR Apache-2.0
"""Mixes what several trainings made of a pack with the pack itself: the mean of their weights, which start from one place.

    python -m models.landmarks2latents.mean --pack models/packs/lite --runs PAINT1 PAINT2 --share 0.5 --out PAINT

. RUNS are folders of landmarks2latents.together; --share is theirs, the rest the pack's. OUT gets mouth.ckpt,
eyes.ckpt (the pack's) and landmarks2latents.ckpt, which the exports read.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from models.generator.recover import begin, recover
from models.generator.weights import checkpoint, keep

from . import together

State = dict[str, torch.Tensor]


def mixed(own: State, others: list[State], share: float) -> State:
    """Weights between `own` (share 0) and the mean of the others (1); what is no weight stays."""
    mean = lambda k: torch.stack([other[k] for other in others]).mean(0)
    return {k: torch.lerp(v, mean(k), share) if v.is_floating_point() else v for k, v in own.items()}


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--pack", type=Path, required=True)
    ap.add_argument("--runs", type=Path, nargs="+", required=True)
    ap.add_argument("--share", type=float, default=0.5)
    ap.add_argument("--out", type=Path, required=True)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    how = "models.landmarks2latents.together"
    mouths = [checkpoint(run, "mouth", how)["mean"] for run in a.runs]
    mouth = mixed(recover(a.pack, "mouth").state_dict(), mouths, a.share)
    nets = [checkpoint(run, "landmarks2latents", how)["net"] for run in a.runs]
    net = mixed(together.recover(a.pack / "landmarks2latents.pt").state_dict(), nets, a.share)
    begin(a.out, "mouth", mouth)
    begin(a.out, "eyes", recover(a.pack, "eyes").state_dict())
    keep({"net": net}, a.out / "landmarks2latents.ckpt")


if __name__ == "__main__":
    main()
