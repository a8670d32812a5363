# SPDX-License-Identifier: MIT OR Apache-2.0
"""The two painters of the lite generator: mouth (128 x 128 patch) and eyes (64 x 64), and the encoders beside them.

A painter sees the photo's patch, already warped by the analytic flow, and shape maps of where the features are and
where they came from. It returns a colour delta, an alpha and a small residual flow. Imported by train.py, export.py,
compose.py.
"""

from __future__ import annotations

from itertools import product

import torch
import torch.nn as nn
import torch.nn.functional as F

from .geometry import COARSE, affine_inverse, grid, window

CODE_ROWS = 4
"""Rows of the mouth code behind the control points: 4 x 3 numbers."""
CODE = CODE_ROWS * 3
ANCHORS = 6
"""The first six numbers of the mouth code are geometry (see anchors); the other six are learned."""
LEARNED = CODE - ANCHORS
MOUTH_APPEARANCE = 64
EYE_APPEARANCE = 32


def anchors(L: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    """Where skull and jaw are in the mouth's patch [B,6]: nose base xy, chin xy, nose tip relative to the nose base xy.

    Upper teeth hang from the skull and lower teeth from the jaw, the lips only hide them: what the lips'
    landmarks cannot tell.
    """
    # 2 nose base, 152 and 175 chin, 4 nose tip (TorchScript reads no constants of a module)
    p = affine_inverse(T, torch.stack([L[:, 2, :2], (L[:, 152, :2] + L[:, 175, :2]) / 2, L[:, 4, :2]], 1))
    return torch.cat([p[:, 0], p[:, 1], p[:, 2] - p[:, 0]], 1).clamp(-2, 2)


def restoration(strength: float) -> torch.Tensor:
    """Weights [1,1,5,5] that give back the fine detail which a patch loses where it is sampled and drawn bilinearly.

    Strength 1 is the least-squares fit on the training split's faces: cut into a patch, filtered and drawn again, they
    come closest to themselves (restore.py).
    """
    # by distance from the centre: (0,1), (1,1), (0,2), (1,2), (2,2)
    a, b, c, d, e = (strength * v for v in (-0.269, 0.0408, 0.0262, -0.0049, 0.0006))
    rows = torch.tensor([[e, d, c, d, e], [d, b, a, b, d], [c, a, 0.0, a, c], [d, b, a, b, d], [e, d, c, d, e]])
    rows[2, 2] = 1 - rows.sum()
    return rows[None, None]


def before_shuffle(kernel: torch.Tensor, colours: int) -> torch.Tensor:
    """The filter [1,1,5,5] of each colour as weights [4 C,4 C,3,3] over what pixel_shuffle spreads: a sixth of the time,
    and the same but at the border, which the window hides.
    """
    weights = torch.zeros(colours, 2, 2, colours, 2, 2, 3, 3)
    for (y, x), (dy, dx) in product(product((0, 1), repeat=2), product(range(-2, 3), repeat=2)):
        (down, row), (right, column) = divmod(y + dy, 2), divmod(x + dx, 2)
        for c in range(colours):
            weights[c, y, x, c, row, column, down + 1, right + 1] += kernel[0, 0, dy + 2, dx + 2]
    return weights.view(4 * colours, 4 * colours, 3, 3)


def gather(x: torch.Tensor) -> torch.Tensor:
    """Four pixels of [B,C,2h,2h] as one of [B,4C,h,h]: what pixel_unshuffle does, in a quarter of its time."""
    b, c, h = x.shape[0], x.shape[1], x.shape[2] // 2
    return x.view(b, c, h, 2, h, 2).permute(0, 1, 3, 5, 2, 4).reshape(b, 4 * c, h, h)


def spread(x: torch.Tensor) -> torch.Tensor:
    """The way back from there, what pixel_shuffle does, in half of its time where channels come last."""
    b, c, h = x.shape[0], x.shape[1] // 4, x.shape[2]
    return x.contiguous().view(b, c, 2, 2, h, h).permute(0, 1, 4, 2, 5, 3).reshape(b, c, 2 * h, 2 * h)


class Residual(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(c, c, 3, padding=1)
        self.b = nn.Conv2d(c, c, 3, padding=1)
        nn.init.zeros_(self.b.weight)
        nn.init.zeros_(self.b.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.b(F.leaky_relu(self.a(F.leaky_relu(x, 0.1)), 0.1))


class Encoder(nn.Module):
    """Patch (and shape maps) to a code; runs once a photo (appearance) or in training only (mouth code)."""

    def __init__(self, channels: int, width: list[int], out: int) -> None:
        super().__init__()
        ch = [channels] + width
        self.layers = nn.ModuleList([nn.Conv2d(a, b, 3, 2, 1) for a, b in zip(ch[:-1], ch[1:])])
        self.mean = nn.Linear(width[-1] * 2, out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.1)
        return self.mean(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))


class Atlas(nn.Module):
    """Learned features in the frames of skull and jaw, looked up at each pixel: teeth stay with the bone that
    holds them.
    """

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.upper = nn.Parameter(torch.randn(1, channels, 48, 64) * 0.3)
        self.lower = nn.Parameter(torch.randn(1, channels, 48, 64) * 0.3)
        self.place = nn.Linear(condition, 8)
        nn.init.zeros_(self.place.weight)
        nn.init.zeros_(self.place.bias)

    def forward(self, g: torch.Tensor, bone: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """g [1,h,h,2] patch grid; bone [B,4] nose base and chin in patch coordinates."""
        p = torch.tanh(self.place(condition))
        shift, scale = p[:, :4] * 0.2, 1 + p[:, 4:] * 0.35
        up = (g - (bone[:, None, None, :2] + shift[:, None, None, :2])) * scale[:, None, None, :2]
        lo = (g - (bone[:, None, None, 2:4] + shift[:, None, None, 2:])) * scale[:, None, None, 2:]
        up = torch.stack([up[..., 0] / 0.6, (up[..., 1] - 0.55) / 0.45], -1)
        lo = torch.stack([lo[..., 0] / 0.6, (lo[..., 1] + 0.65) / 0.45], -1)
        b = g.shape[1]
        n = bone.shape[0]
        u = F.grid_sample(
            self.upper.expand(n, -1, -1, -1),
            up.view(n, b, b, 2),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        w = F.grid_sample(
            self.lower.expand(n, -1, -1, -1),
            lo.view(n, b, b, 2),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        return torch.cat([u, w], 1)


class Painter(nn.Module):
    """U-Net at half the patch's resolution; four pixels at once, which `spread` lays out."""

    def __init__(self, n: int, width: list[int], condition: int, atlas: int = 0, restore: float = 0.0) -> None:
        """restore: strength of the restoration, of which training knows nothing: its truth is cut into patches too."""
        super().__init__()
        self.n, self.h = n, n // 2
        self.restores = restore > 0
        self.register_buffer("restore", before_shuffle(restoration(restore), 3), persistent=False)
        c0, c1, c2, c3 = width
        self.stem = nn.Conv2d(26, c0, 3, padding=1)
        self.d1, self.e1 = nn.Conv2d(c0, c1, 3, 2, 1), Residual(c1)
        self.d2, self.e2 = nn.Conv2d(c1, c2, 3, 2, 1), Residual(c2)
        self.d3, self.e3, self.f3 = nn.Conv2d(c2, c3, 3, 2, 1), Residual(c3), Residual(c3)
        self.u2, self.q2 = nn.Conv2d(c3, c2, 1), Residual(c2)
        self.u1, self.q1 = nn.Conv2d(c2, c1, 1), Residual(c1)
        self.u0, self.q0 = nn.Conv2d(c1, c0, 1), nn.Conv2d(c0, c0, 3, padding=1)
        self.paint, self.move = nn.Conv2d(c0, 16, 3, padding=1), nn.Conv2d(c1, 2, 3, padding=1)
        self.film = nn.Sequential(nn.Linear(condition, 96), nn.LeakyReLU(0.1), nn.Linear(96, c3 + c2 + c1 + c0))
        self.cuts = [c3, c2, c1, c0]
        self.has_atlas = atlas > 0
        self.atlas = Atlas(max(atlas, 1), condition)
        self.tint = nn.Conv2d(2 * max(atlas, 1), c0, 1)
        for layer in (self.paint, self.move):
            nn.init.normal_(layer.weight, 0, 1e-3)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.paint.bias[12:16] = -1.5
        g = grid(self.h).view(1, self.h, self.h, 2)
        self.register_buffer("grid_points", g)
        self.register_buffer("grid_map", g.permute(0, 3, 1, 2).contiguous())
        self.register_buffer("window", window(n))

    def inputs(self, patch: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        md, msw, ms, fh = maps[:, 0:3], maps[:, 3:6], maps[:, 6:9], maps[:, 9:11]
        gh = self.grid_map.expand(patch.shape[0], -1, -1, -1)
        fy = fh[:, 1:2]
        rows = torch.cat([fy[:, :, :1], fy[:, :, :-1]], 2)
        jac = ((fy - rows) * (self.h / 2)).clamp(-1, 3)
        return torch.cat([gather(patch - 0.5), md, msw, ms - md, (fh - gh) * 3, jac, gh], 1)

    def forward(
        self, patch: torch.Tensor, maps: torch.Tensor, condition: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """condition [B, condition]: mouth code and appearance; its first numbers are the anchors if there is an
        atlas.
        """
        b = torch.split(self.film(condition)[:, :, None, None], self.cuts, 1)
        x = self.inputs(patch, maps).contiguous(memory_format=torch.channels_last)
        x0 = self.stem(x)
        x1 = self.e1(self.d1(F.leaky_relu(x0, 0.1)))
        x2 = self.e2(self.d2(F.leaky_relu(x1, 0.1)))
        x3 = self.f3(self.e3(self.d3(F.leaky_relu(x2, 0.1)) + b[0]))
        y = self.q2(F.interpolate(self.u2(x3) + b[1], scale_factor=2.0, mode="nearest") + x2)
        y = self.q1(F.interpolate(self.u1(y) + b[2], scale_factor=2.0, mode="nearest") + x1)
        flow = F.interpolate(
            torch.tanh(self.move(F.leaky_relu(y, 0.1))) * 0.12, scale_factor=2.0, mode="bilinear", align_corners=False
        )
        y = F.interpolate(self.u0(y) + b[3], scale_factor=2.0, mode="nearest") + x0
        if self.has_atlas:
            y = y + self.tint(self.atlas(self.grid_points, condition[:, :4], condition))
        y = F.leaky_relu(y, 0.1)
        y = y + F.leaky_relu(self.q0(y), 0.1)
        o = self.paint(y)
        delta = o[:, :12]
        if self.restores and not self.training:
            delta = F.conv2d(delta, self.restore, padding=1)
        return spread(delta), torch.sigmoid(spread(o[:, 12:])) * self.window, flow


RESTORE = 2.0
"""Strength of the mouth's restoration; eyes are painted so little that it changes nothing there."""
MOUTH_WIDTH = [32, 48, 64, 96]
EYE_WIDTH = [32, 48, 64, 64]


class MouthPainter(nn.Module):
    """forward(patch [1,3,128,128], maps [1,11,64,64], code [1,CODE], appearance [1,Cm]) -> (delta, alpha, flow
    [1,2,64,64])
    """

    def __init__(self, width: list[int] | None = None) -> None:
        super().__init__()
        self.net = Painter(128, width or MOUTH_WIDTH, CODE + MOUTH_APPEARANCE, atlas=8, restore=RESTORE)

    def forward(
        self, patch: torch.Tensor, maps: torch.Tensor, code: torch.Tensor, appearance: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.net(patch, maps, torch.cat([code, appearance], 1))


class EyePainter(nn.Module):
    """forward(patch [2,3,64,64], maps [2,11,32,32], appearance [2,Ce]) -> (delta, alpha, flow [2,2,32,32])"""

    def __init__(self, width: list[int] | None = None) -> None:
        super().__init__()
        self.net = Painter(64, width or EYE_WIDTH, EYE_APPEARANCE)

    def forward(
        self, patch: torch.Tensor, maps: torch.Tensor, appearance: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.net(patch, maps, appearance)


def apply(patch_flow: torch.Tensor, Ts: torch.Tensor, flow: torch.Tensor, n: int) -> torch.Tensor:
    """Source coordinates [B,2,n,n] of a patch: the analytic flow plus the painter's residual, in picture units."""
    f = F.interpolate(flow, size=(n, n), mode="bilinear", align_corners=False)
    return patch_flow + torch.einsum("bij,bjhw->bihw", Ts[:, :, :2], f) * window(n)


__all__ = [
    "ANCHORS",
    "CODE",
    "CODE_ROWS",
    "COARSE",
    "EYE_APPEARANCE",
    "LEARNED",
    "MOUTH_APPEARANCE",
    "Encoder",
    "EyePainter",
    "MouthPainter",
    "Painter",
    "anchors",
    "apply",
]
