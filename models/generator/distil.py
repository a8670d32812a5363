# SPDX-License-Identifier: MIT OR Apache-2.0
"""Teaches a narrower painter what the painter of a pack draws: fewer channels, less time a frame.

    python -m models.generator.distil mouth --pack models/packs/lite --width 24 32 48 64 --frames FRAMES --data DATA --out PAINT \
        --minutes 80 [--smoke]

. The student begins with the teacher's most used channels and is asked for its answers (colour, alpha, flow) on pairs of frames;
no truth and no critic take part, so what the teacher does well or badly is kept. Encoders and the meaning of the mouth's code
stay as they are. Writes OUT/KIND.ckpt and resumes from it; export.py reads it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F

from .geometry import resize
from .metrics import psnr
from .model import Part
from .painters import anchors
from .recover import begin, recover
from .train import LAPLACE, Trainer, energy, options, prepare
from .weights import load_part

NOISE = 0.15
"""Of the mouth's code."""


def levels(width: list[int]) -> dict[str, tuple[int | None, int | None]]:
    """Level (0 is the finest) of what each convolution of a painter gives and takes; None: no level's channels."""
    same = {"e1": 1, "q1": 1, "e2": 2, "q2": 2, "e3": 3, "f3": 3}
    found: dict[str, tuple[int | None, int | None]] = {"stem": (0, None), "q0": (0, 0), "paint": (None, 0), "move": (None, 1)}
    found |= {f"d{k}": (k, k - 1) for k in (1, 2, 3)} | {f"u{k}": (k, k + 1) for k in (0, 1, 2)}
    return found | {f"{name}.{k}": (level, level) for name, level in same.items() for k in ("a", "b")} | {"tint": (0, None)}


def narrowed(part: Part, width: list[int]) -> Part:
    """The same region with a painter of other widths, which has the channels that its convolutions weigh most."""
    net, small = part.painter.net, Part(part.kind, width)
    state = {k: v for k, v in part.state_dict().items() if not k.startswith("painter.")}
    kept, table = [], levels(width)
    for level, n in enumerate(width):
        weighed = torch.zeros(net.cuts[3 - level])
        for name, (gives, takes) in table.items():
            if name == "tint" and not net.has_atlas:
                continue
            weight = net.get_submodule(name).weight.detach()
            if gives == level and not name.endswith(".a"):
                weighed += weight.square().mean((1, 2, 3)).sqrt()
            if takes == level and not name.endswith(".b"):
                weighed += weight.square().mean((0, 2, 3)).sqrt()
        kept.append(weighed.topk(n).indices.sort().values)
    inner = {  # channels between the two convolutions of a residual block are its own
        name[:-2]: net.get_submodule(name).weight.square().sum((1, 2, 3)).topk(width[gives]).indices.sort().values
        for name, (gives, _) in table.items()
        if name.endswith(".a")
    }
    for key, value in net.state_dict().items():
        name, _, what = key.rpartition(".")
        if name in table:
            gives, takes = (None if k is None else kept[k] for k in table[name])
            gives = inner[name[:-2]] if name.endswith(".a") else gives
            takes = inner[name[:-2]] if name.endswith(".b") else takes
            value = value if gives is None else value[gives]
            value = value if takes is None or what == "bias" else value[:, takes]
        elif name == "film.2":
            rows = torch.cat([own[kept[3 - k]] for k, own in enumerate(torch.arange(len(value)).split(net.cuts))])
            value = value[rows]
        state[f"painter.net.{key}"] = value.clone()
    small.load_state_dict(state)
    return small


class Distiller(Trainer):
    def __init__(self, a: argparse.Namespace) -> None:
        self.teacher = load_part(a.pack, a.kind).painter
        if a.smoke or not (a.out / f"{a.kind}.ckpt").exists():
            begin(a.out, a.kind, narrowed(recover(a.pack, a.kind), a.width).state_dict())
        super().__init__(a, a.width)

    def step(self, phase: float, lr: float, warm: bool = False) -> dict[str, float]:
        for group in self.opt.param_groups:
            group["lr"] = lr
        with torch.no_grad():
            b = self.batch()
            patch, inputs = b["patch"], [b["patch"], b["maps"]]
            look = self.part.appearance(b["own"], b["S"], b["Ts"], int(b["which"]))
            if self.kind == "mouth":
                inputs.append(torch.cat([anchors(b["D"], b["T"]), self.code(b)], 1))
            taught = self.teacher(*inputs, look)
        delta, alpha, flow = self.part.painter.eval()(*inputs, look)
        paint, wanted = (d * a for d, a in ((delta, alpha), (taught[0], taught[1])))
        edges = F.conv2d(paint - wanted, LAPLACE, groups=3)
        # the flow is seen where the photo has detail that is not painted over
        detail = (patch[..., 1:, 1:] - patch[..., :-1, :-1]).abs().mean(1, keepdim=True)
        seen = F.avg_pool2d(F.pad(detail, (0, 1, 0, 1)) * (1 - taught[1]), 2) + 0.005
        wrong = paint - wanted - (alpha - taught[1]) * 0.1  # what shines through differs little from the patch
        error = (
            (paint - wanted).abs().mean()
            + 5 * wrong.square().mean()
            + 0.2 * edges.abs().mean()
            + 0.1 * (alpha - taught[1]).abs().mean()
            + 3 * (energy(paint) - energy(wanted)).abs().mean()
            + 20 * ((flow - taught[2]).abs() * seen).mean()
        )
        self.opt.zero_grad(set_to_none=True)
        error.backward()
        torch.nn.utils.clip_grad_norm_(self.part.painter.parameters(), 1.0)
        self.opt.step()
        self.mean.update(self.part)
        with torch.no_grad():
            pixels = (resize(flow - taught[2], self.n) * (self.n / 2)).abs().mean()
            return {
                "error": error.item(),
                "mse": (paint - wanted).square().mean().item(),
                "alpha": (alpha - taught[1]).abs().mean().item(),
                "flow": pixels.item(),
            }

    def code(self, b: dict[str, torch.Tensor]) -> torch.Tensor:
        """The learned numbers of the mouth's code: the truth's, another mouth's, or weaker and stronger ones, all with noise."""
        code = self.part.learned_code(b["truth"], b["maps"][:, :3])
        how = torch.randint(3, (len(code), 1))
        code = torch.where(how == 0, code.roll(1, 0), torch.where(how == 1, code * (0.3 + torch.rand(len(code), 1)), code))
        return (code + torch.randn_like(code) * NOISE).clamp(-1, 1)


def main() -> None:
    ap = options(__doc__)
    ap.add_argument("kind", choices=["mouth", "eyes"])
    ap.add_argument("--pack", type=Path, required=True)
    ap.add_argument("--width", type=int, nargs=4, required=True, help="channels from the finest to the coarsest level")
    a = ap.parse_args()
    a.critic_from, a.lips = 2.0, 0.0  # never
    prepare(a)
    distiller = Distiller(a)
    distiller.run()
    print(f"paint within {psnr(distiller.stat['mse']):.1f} dB of the teacher's")


if __name__ == "__main__":
    main()
