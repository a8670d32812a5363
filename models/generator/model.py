# SPDX-License-Identifier: MIT OR Apache-2.0
"""What is trained together: painter, appearance encoder and, for the mouth, the code's encoder and its prior."""

from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F

from .fastflow import fast_flow
from .geometry import (
    COARSE,
    INNER,
    MOUTH,
    OUTER,
    Geo,
    affine,
    affine_inverse,
    cut,
    grid,
    maps_in,
    resize,
    sample,
    to_map,
    window,
)
from .painters import (
    ANCHORS,
    CODE,
    EYE_APPEARANCE,
    LEARNED,
    MOUTH_APPEARANCE,
    Encoder,
    EyePainter,
    MouthPainter,
    anchors,
)

PRIOR_POINTS = OUTER + INNER + [152, 175, 2, 4, 199, 18]


class Prior(nn.Module):
    """Learned code from the lips' shape alone; keeps the painter honest about codes that landmarks can predict."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(len(PRIOR_POINTS) * 2 + MOUTH_APPEARANCE, 96),
            nn.LeakyReLU(0.1),
            nn.Linear(96, LEARNED),
            nn.Tanh(),
        )

    def forward(self, Lp: torch.Tensor, appearance: torch.Tensor) -> torch.Tensor:
        return self.net(torch.cat([Lp[:, PRIOR_POINTS].flatten(1), appearance], 1))


class Part(nn.Module):
    """One region: painter and encoders. kind is "mouth" or "eyes"."""

    def __init__(self, kind: str, width: list[int] | None = None) -> None:
        """width: channels of the painter's levels, where they are not those that ship."""
        super().__init__()
        self.kind, self.n = kind, 128 if kind == "mouth" else 64
        self.h = self.n // 2
        self.geo = Geo()
        if kind == "mouth":
            self.painter: nn.Module = MouthPainter(width)
            self.look = Encoder(6, [16, 32, 48, 64], MOUTH_APPEARANCE)
            self.code = Encoder(6, [16, 32, 48, 64], LEARNED)
            self.prior = Prior()
        else:
            self.painter = EyePainter(width)
            self.look = Encoder(6, [16, 32, 48], EYE_APPEARANCE)

    def appearance(self, patch: torch.Tensor, L: torch.Tensor, T: torch.Tensor, which: int) -> torch.Tensor:
        """patch: the photo at its own region T, resized to h; L its landmarks."""
        m = self.geo.shape_maps(affine_inverse(T, L[:, :, :2]), which, self.h)
        return torch.tanh(self.look(torch.cat([F.avg_pool2d(patch, 2) - 0.5, m], 1)) * 0.5)

    def learned_code(self, patch: torch.Tensor, md: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.code(torch.cat([F.avg_pool2d(patch, 2) - 0.5, md], 1)))

    def prepare(self, S: torch.Tensor, D: torch.Tensor, which: int) -> dict[str, torch.Tensor]:
        """Everything of the geometry that a painter needs, without gradients."""
        T, Ts = self.geo.roi(D, which), self.geo.roi(S, which)
        g = grid(COARSE).expand(D.shape[0], -1, -1)
        fl = fast_flow(self.geo, affine(T, g), S, D)
        return {
            "T": T,
            "Ts": Ts,
            "flow": resize(to_map(fl, COARSE), self.n),
            "maps": maps_in(self.geo, S, D, T, Ts, fl, which, self.h),
        }

    def paint(
        self, patch: torch.Tensor, maps: torch.Tensor, code: torch.Tensor | None, look: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        if self.kind == "mouth":
            assert code is not None
            return self.painter(patch, maps, code, look)
        return self.painter(patch, maps, look)

    @torch.no_grad()
    def code_of(self, picture: torch.Tensor, L: torch.Tensor) -> torch.Tensor:
        """The learned mouth code [1,LEARNED] of a picture [1,3,n,n] with the landmarks L."""
        T = self.geo.roi(L, MOUTH)
        return self.learned_code(
            cut(picture, T, self.n), self.geo.shape_maps(affine_inverse(T, L[:, :, :2]), MOUTH, self.h)
        )

    @torch.no_grad()
    def look_of(self, photo: torch.Tensor, S: torch.Tensor, which: int) -> torch.Tensor:
        T = self.geo.roi(S, which)
        return self.appearance(cut(photo, T, self.n), S, T, which)

    @torch.no_grad()
    def run(
        self,
        photo: torch.Tensor,
        S: torch.Tensor,
        D: torch.Tensor,
        which: int,
        look: torch.Tensor,
        learned: torch.Tensor | None = None,
        truth: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Region of D, source coordinates as the painter saw them and as it moved them, alpha and change of colour;
        truth = a driving picture (its code is used).
        """
        p = self.prepare(S, D, which)
        patch = sample(photo, p["flow"])
        code = None
        if which == MOUTH:
            a = anchors(D, p["T"])
            if truth is not None:
                learned = self.code_of(truth, D)
            elif learned is None:
                learned = self.prior(affine_inverse(p["T"], D[:, :, :2]), look)
            code = torch.cat([a, learned], 1)
            assert a.shape[1] == ANCHORS and code.shape[1] == CODE
        delta, alpha, flow = self.paint(patch, p["maps"], code, look)
        f = torch.einsum("bij,bjhw->bihw", p["Ts"][:, :, :2], resize(flow, self.n))
        return p["T"], p["flow"], p["flow"] + f * window(self.n), alpha, delta


class Critic(nn.Module):
    """Patch discriminator of pictures [B,3,h,h], told the shape it should see (md) and the warped photo; scores
    and features.

    It sees fine detail amplified, of the picture and of the photo: how sharp this photo is decides how sharp
    paint must be.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Conv2d(12, 32, 4, 2, 1), nn.Conv2d(32, 64, 4, 2, 1), nn.Conv2d(64, 96, 3, 1, 1)]
        )
        self.score = nn.Conv2d(96, 1, 3, 1, 1)
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, 0.2)

    def forward(
        self, x: torch.Tensor, md: torch.Tensor, photo: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        fine = (x - F.avg_pool2d(x, 3, 1, 1)) * 6
        other = (photo - F.avg_pool2d(photo, 3, 1, 1)) * 6
        y, f = torch.cat([x * 2 - 1, fine, md, other], 1), []
        for layer in self.layers:
            y = F.leaky_relu(layer(y), 0.2)
            f.append(y)
        return self.score(y), f


class Reader(nn.Module):
    """Reads the lips off a picture [B,3,h,h]: where their points are in the patch [B,40,2].

    It learns from true pictures beside the painter, which is asked that its own be read as the truth is. Thin openings that
    colours alone let pass as lips are what it finds.
    """

    def __init__(self) -> None:
        super().__init__()
        width = [3, 24, 48, 64]
        self.layers = nn.ModuleList([nn.Conv2d(a, b, 3, 2, 1) for a, b in zip(width[:-1], width[1:])])
        self.points = nn.Linear(width[-1] * 64, 2 * len(OUTER + INNER))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.avg_pool2d(x, 2) - 0.5
        for layer in self.layers:
            y = F.leaky_relu(layer(y), 0.1)
        return self.points(y.flatten(1)).view(len(x), -1, 2)
