# SPDX-License-Identifier: MIT OR Apache-2.0
"""Trains mouth painter and landmarks2latents together, end to end: the code is what makes the best picture.

    python -m models.landmarks2latents.together --start models/packs/lite/landmarks2latents.pt --frames FRAMES --data DATA --out PAINT \
        --minutes 60 [--smoke] [--features EFF]

. PAINT holds mouth.ckpt (from generator.train, or from a pack by generator.recover), which is trained on.
A regression of the code says the mean of teeth and dark where it does not know, and a painter that is told the mean paints grey.
Here the picture's losses, the critic's among them, reach the net that predicts the code. It hears nothing: see README.md.
Resumes from PAINT/mouth.ckpt and PAINT/landmarks2latents.ckpt.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F

from models.generator.geometry import affine_inverse
from models.generator.recover import pairs, take, weights
from models.generator.train import Average, Trainer, options, prepare
from models.generator.weights import keep

from .model import HIDDEN, SEEN, SHAPE, Landmarks2Latents

SETTLE = 6
"""Frames of the same landmarks after which the net's state has settled."""
KEEP = 0.3
"""Weight of the code's own error: what the numbers mean stays."""


def recover(stage: Path) -> Landmarks2Latents:
    """The net of a pack's stage, which moves no lips (`residual`)."""
    net = Landmarks2Latents()
    state = net.state_dict()
    names = ["measures", "turn", "anchoring", *pairs("look.0"), "film.table.weight", *pairs("audio.0", "audio.2")]
    names += [f"gru.{k}_{w}_l0" for w in ("ih", "hh") for k in ("weight", "bias")] + pairs("code.0", "code.2")
    take(state, names, weights(stage))
    net.load_state_dict(state)
    return net


class Together(Trainer):
    can_guess = True

    def __init__(self, a: argparse.Namespace) -> None:
        self.net, self.net_path = recover(a.start), a.out / "landmarks2latents.ckpt"
        self.net_opt = torch.optim.Adam(self.net.parameters(), lr=a.lr, betas=(0.9, 0.99))
        self.net_mean = Average(self.net)
        if self.net_path.exists() and not a.smoke:
            z = torch.load(self.net_path)
            self.net.load_state_dict(z["now"]), self.net_opt.load_state_dict(z["opt"])
            self.net_mean.module.load_state_dict(z["net"])
            self.net_mean.steps = z["steps"]
        super().__init__(a)
        self.settled = True

    def guess(
        self, b: dict[str, torch.Tensor], look: torch.Tensor, code: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        net, n = self.net, len(code)
        with torch.no_grad():
            source = affine_inverse(b["Ts"], b["S"][:, :, :2])
            own = self.part.learned_code(b["own"], self.geo.shape_maps(source, 0, self.h))
        silence, state = torch.zeros(SETTLE, n, 320), torch.zeros(n, HIDDEN)
        posed = b["D"].repeat(SETTLE, 1, 1)
        shape, anchors = net.look_at(posed[:, SEEN, :2])
        said, _, _ = net.core(shape, anchors, silence, source[:, SHAPE].flatten(1), own, torch.zeros(n, 8), state)
        guess = (net.code_gain * said.view(SETTLE, n, -1)[-1]).clamp(-1, 1)
        return guess, KEEP * F.mse_loss(guess, code)

    def learn(self, out: torch.Tensor, grad: torch.Tensor, own: torch.Tensor) -> None:
        self.net_opt.zero_grad(set_to_none=True)
        super().learn(out, grad, own)
        for g in self.net_opt.param_groups:
            g["lr"] = self.opt.param_groups[0]["lr"]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.net_opt.step()
        self.net_mean.update(self.net)

    def save(self) -> None:
        super().save()
        z = {"net": self.net_mean.module.state_dict(), "now": self.net.state_dict(), "opt": self.net_opt.state_dict()}
        keep(z | {"steps": self.net_mean.steps}, self.net_path)


def main() -> None:
    ap = options(__doc__)
    ap.add_argument("--start", type=Path, required=True, help="landmarks2latents.pt of a pack")
    a = ap.parse_args()
    a.kind = "mouth"
    prepare(a)
    Together(a).run()


if __name__ == "__main__":
    main()
