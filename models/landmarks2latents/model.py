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

from models.cell import steps
from models.generator.geometry import INNER, KPS, OUTER
from models.generator.painters import CODE_ROWS, LEARNED

from .film import Film

LIPS = OUTER + INNER
SHAPE = LIPS + [152, 175, 199, 18, 2, 4]
SEEN = SHAPE + [263, 33, 168]
"""Landmarks that the net looks at: those of the shape, outer eye corners and top of the nose, which place the mouth's patch."""
HIDDEN = 96
LIMIT = 0.02
"""Bound of the residual, picture units."""
CODE_GAIN = 1.2
"""Of the learned numbers when the net is used: half of their variance can be predicted, and a painter that is told the mean
of teeth and dark paints grey. 1.4 would spread them as the true ones are; see README.md for what each costs."""


def measures() -> torch.Tensor:
    """Weights [49,49] over the places of SEEN. They give, from the patch's centre, those of SHAPE and the middle of the chin; then the
    way from eye to eye and 1.35 times that along the nose, of which the longer one is the patch's size (Geo.roi)."""
    at = lambda shares: torch.stack([torch.eye(len(SEEN))[SEEN.index(k)] * share for k, share in shares.items()]).sum(0)
    centre = at({13: 0.35, 14: 0.35, 2: 0.1, 152: 0.2})
    inner = [at({k: 1.0}) - centre for k in SHAPE] + [at({152: 0.5, 175: 0.5}) - centre]
    return torch.stack([*inner, at({263: 1.0, 33: -1.0}), at({168: 1.35, 2: -1.35})])


def anchoring() -> torch.Tensor:
    """Weights [94,6] over the shape and the middle of the chin in the patch: painters.anchors."""
    base, tip, n = SHAPE.index(2), SHAPE.index(4), len(SHAPE)
    weights = torch.zeros(n + 1, 2, 6)
    for axis in (0, 1):
        weights[base, axis, axis] = weights[n, axis, 2 + axis] = weights[tip, axis, 4 + axis] = 1.0
        weights[base, axis, 4 + axis] = -1.0
    return weights.flatten(0, 1)


class Landmarks2Latents(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for name, rows in (("points", KPS), ("seen", SEEN)):
            self.register_buffer(name, torch.tensor(rows))
        self.register_buffer("seen_rows", torch.tensor([KPS.index(k) for k in SEEN]))
        self.register_buffer("lip_rows", torch.tensor([KPS.index(k) for k in LIPS]))
        self.register_buffer("measures", measures())
        half = 0.54  # side of the patch, Geo.roi
        self.register_buffer("turn", torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, -1.0, 1.0, 0.0]]) / half)
        self.register_buffer("anchoring", anchoring())
        n = len(SHAPE) * 2
        self.shape_size: int = n
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

    def look_at(self, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Places of SEEN [B,49,2] in a picture -> shape in the mouth's patch [B,92], anchors [B,6]."""
        inner, ways = torch.split(self.measures @ places, [places.shape[1] - 2, 2], 1)
        length = torch.linalg.vector_norm(ways, dim=[2], keepdim=True)
        turn = (ways @ self.turn) / (length * length.amax(1, keepdim=True))
        inside = (inner @ turn.select(1, 0).view(-1, 2, 2)).flatten(1)
        return inside.narrow(1, 0, self.shape_size), torch.clamp(inside @ self.anchoring, -2.0, 2.0)

    def forward(
        self,
        posed: torch.Tensor,
        features: torch.Tensor,
        source_latents: torch.Tensor,
        emotion: torch.Tensor,
        state: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        n = posed.shape[0]
        photo = source_latents.index_select(0, self.seen_rows)[None]
        # the photo's mouth is looked at beside the frames'
        shape, a = self.look_at(torch.cat([posed.index_select(1, self.seen), photo]).narrow(2, 0, 2))
        shape, own_shape = torch.split(shape, [n, 1])
        a = a.narrow(0, 0, n)
        sound = features.narrow(2, 0, 80).reshape(n, 1, -1)
        own = source_latents.narrow(0, self.rows, self.code_rows).reshape(1, -1)
        own = own.narrow(1, own.shape[1] - self.learned, self.learned)
        code, hidden, last = self.core(shape, a, sound, own_shape, own, emotion[None], state[None])
        points = posed.index_select(1, self.points)
        if self.residual_gain > 0.0:
            move = self.residual_gain * self.move(hidden, sound)
            points = points.index_add(1, self.lip_rows, nn.functional.pad(move, [0, 1]))
        code = torch.cat([a, torch.clamp(self.code_gain * code, -1.0, 1.0)], 1)
        return torch.cat([points, code.view(n, self.code_rows, 3)], 1), last[0]

    def core(
        self,
        shape: torch.Tensor,
        anchors: torch.Tensor,
        features: torch.Tensor,
        sp: torch.Tensor,
        sc: torch.Tensor,
        emotion: torch.Tensor,
        state: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """shape [T*B,92], anchors [T*B,6], features [T,B,320], the photo's shape [B,92] and code [B,6], emotion [B,8], state
        [B,96]: learned code [T*B,6], what it is made of [T*B,192], state.
        """
        T, B = features.shape[0], features.shape[1]
        n = T * B
        p = shape.view(T, B, -1)
        x = torch.cat([p, p - sp, anchors.view(T, B, -1), sc.expand(T, B, self.learned)], 2)
        look = self.film(self.look(x), emotion).view(n, -1)
        features = features.view(n, -1)
        heard = features.any(1, keepdim=True).to(features.dtype)
        sound = self.audio((features + 7.0) / 4.0) * heard
        x, net = torch.cat([look, sound, heard], 1).view(T, B, -1), self.gru
        states, last = steps(x, net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0, net.bias_hh_l0, state)
        hidden = torch.cat([states.view(n, -1), look], 1)
        return torch.tanh(self.code(hidden)), hidden, last

    def move(self, hidden: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """How far lips are moved [T*B,40,2], from what core gives, where there is sound."""
        heard = features.flatten(0, 1).any(1, keepdim=True).to(features.dtype)
        return (self.limit * torch.tanh(self.residual(hidden)) * heard).view(-1, self.lip_rows.shape[0], 2)
