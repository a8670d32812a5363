# SPDX-License-Identifier: MIT OR Apache-2.0
"""Posed landmarks + audio features + the photo's latents + emotion -> latent keypoints, one set a frame.

forward(posed [T,478,3] picture units, features [T,4,80 or more], source_latents [K,3], emotion [8], state [S]) ->
(latents [T,K,3], state)

The first rows are the control points: posed points plus a small learned residual at the lips. The last four
rows are the mouth
code: six numbers of geometry (where skull and jaw are) and six learned ones (teeth, tongue, brightness) that landmarks
alone do not tell. Running T frames at once or one by one gives the same numbers. Features of exact zeros mean
"no audio".
"""

from __future__ import annotations

import torch
import torch.nn as nn

from models.generator.geometry import INNER, KPS, OUTER, Geo, affine_inverse
from models.generator.painters import CODE_ROWS, LEARNED, anchors

from .film import Film

LIPS = OUTER + INNER
SHAPE = LIPS + [152, 175, 199, 18, 2, 4]
HIDDEN = 96
LIMIT = 0.02
"""Bound of the residual, picture units."""
CODE_GAIN = 1.2
"""Of the learned numbers when the net is used: half of their variance can be predicted, and a painter that is told the mean
of teeth and dark paints grey. 1.4 would spread them as the true ones are; see README.md for what each costs."""


class Landmarks2Latents(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.geo = Geo()
        self.register_buffer("shape", torch.tensor(SHAPE))
        self.register_buffer("lip_rows", torch.tensor([KPS.index(k) for k in LIPS]))
        n = len(SHAPE) * 2
        self.audio = nn.Sequential(nn.Linear(320, 64), nn.LeakyReLU(0.1), nn.Linear(64, 48), nn.Tanh())
        self.look = nn.Sequential(nn.Linear(n * 2 + 6 + LEARNED, 96), nn.LeakyReLU(0.1))
        self.film = Film(96)
        self.gru = nn.GRU(96 + 48 + 1, HIDDEN)
        self.code = nn.Sequential(nn.Linear(HIDDEN + 96, 64), nn.LeakyReLU(0.1), nn.Linear(64, LEARNED))
        self.residual = nn.Linear(HIDDEN + 96, len(LIPS) * 2)
        nn.init.zeros_(self.residual.weight)
        nn.init.zeros_(self.residual.bias)
        self.rows: int = len(KPS)
        self.code_rows: int = CODE_ROWS
        self.learned: int = LEARNED
        self.state_size: int = HIDDEN
        self.limit: float = LIMIT
        self.code_gain: float = CODE_GAIN
        self.residual_gain: float = 0.0  # measured on held-out persons it repaired nothing: see README.md

    def source(self, source_latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The photo's lip shape in its own mouth region [1,n], and its own learned code [1,6]."""
        full = torch.zeros(1, 478, 3, dtype=source_latents.dtype)
        full[0, self.geo.kp] = source_latents[: self.rows]
        p = affine_inverse(self.geo.roi(full, 0), full[:, :, :2])[:, self.shape].flatten(1)
        return p, source_latents[self.rows :].reshape(1, -1)[:, -self.learned :]

    def forward(
        self,
        posed: torch.Tensor,
        features: torch.Tensor,
        source_latents: torch.Tensor,
        emotion: torch.Tensor,
        state: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        n = posed.shape[0]
        sp, sc = self.source(source_latents)
        sound = features[:, :, :80].reshape(n, 1, -1)
        a, code, move, last = self.core(posed, sound, sp, sc, emotion[None], state.view(1, 1, -1))
        points = posed[:, self.geo.kp].index_add(1, self.lip_rows, nn.functional.pad(move, [0, 1]))
        code = torch.cat([a, (self.code_gain * code).clamp(-1.0, 1.0)], 1)
        return torch.cat([points, code.view(n, self.code_rows, 3)], 1), last.view(-1)

    def core(
        self,
        posed: torch.Tensor,
        features: torch.Tensor,
        sp: torch.Tensor,
        sc: torch.Tensor,
        emotion: torch.Tensor,
        state: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """posed [T*B,478,3], features [T,B,320], the rest [B,...]: anchors and learned code [T*B,6], lips'
        residual, state.
        """
        T, B = features.shape[0], features.shape[1]
        R = self.geo.roi(posed, 0)
        p = affine_inverse(R, posed[:, :, :2])[:, self.shape].flatten(1)
        a = anchors(posed, R)
        x = torch.cat([p.view(T, B, -1), (p.view(T, B, -1) - sp), a.view(T, B, -1), sc.expand(T, B, self.learned)], 2)
        look = self.film(self.look(x), emotion)
        heard = (features.abs().sum(-1, keepdim=True) > 0).to(features.dtype)
        sound = self.audio((features + 7.0) / 4.0) * heard
        h, last = self.gru(torch.cat([look, sound, heard], 2), state)
        h = torch.cat([h, look], 2)
        code = torch.tanh(self.code(h)).view(T * B, -1)
        move = self.limit * torch.tanh(self.residual(h)) * heard * self.residual_gain
        return a, code, move.view(T * B, -1, 2), last
