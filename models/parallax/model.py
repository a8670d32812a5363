# SPDX-License-Identifier: MIT OR Apache-2.0
"""How what lies behind a face moves when the head turns: maps that a network reads off the photo, once.

The renderer's head is a face before a mean skull. Hair, ears and neck of a person lie deeper or less deep than that; what is
missing of their motion is, near rest, linear in the turn. So the network gives a vector a pixel and a direction of the turn
(`DIRECTIONS`), and a frame only weighs and adds them.
"""

from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F

from ..generator.geometry import OVAL, Geo, grid

SIDE, MAP = 256, 64
DIRECTIONS = 5
"""Yaw to the one side and to the other, pitch up and down, roll."""
UNIT = 15.0
"""Degrees that a map is for."""
LARGEST = 0.45
"""Longest vector, in inter-ocular distances."""
GEOMETRY = 8


def amounts(turn: torch.Tensor) -> torch.Tensor:
    """Turns (yaw, pitch, roll) [n,3] in degrees -> weights of the maps [n,DIRECTIONS]."""
    t = turn / UNIT
    return torch.stack([t[:, 0].clamp(min=0), (-t[:, 0]).clamp(min=0), t[:, 1].clamp(min=0), (-t[:, 1]).clamp(min=0), t[:, 2]], 1)


def block(i: int, o: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.LeakyReLU(0.1))


class Parallax(nn.Module):
    """forward(photo [B,3,256,256] 0..1, landmarks [B,478,3] picture units) -> [B,2*DIRECTIONS,64,64] picture units."""

    def __init__(self) -> None:
        super().__init__()
        self.geo = Geo()
        self.register_buffer("at", grid(MAP) / 2 + 0.5)
        self.register_buffer("oval", torch.tensor(OVAL))
        self.a = nn.Sequential(nn.Conv2d(3, 16, 4, 2, 1), nn.LeakyReLU(0.1), block(16, 16))
        self.b = block(16, 48, 2)
        self.b2 = block(48 + GEOMETRY, 48)
        self.c = nn.Sequential(block(48, 96, 2), block(96, 96))
        self.d = nn.Sequential(block(96, 128, 2), block(128, 128))
        self.e = nn.Sequential(block(128, 128, 2), block(128, 128), block(128, 128))
        self.d2, self.c2, self.b3 = block(128, 128), block(96, 96), block(48, 48)
        self.dc, self.cb = nn.Conv2d(128, 96, 1), nn.Conv2d(96, 48, 1)
        self.out = nn.Conv2d(48, 2 * DIRECTIONS, 3, 1, 1)
        nn.init.zeros_(self.out.weight), nn.init.zeros_(self.out.bias)

    def geometry(self, L: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Maps [B,GEOMETRY,64,64] of where the face is and how it is turned, what may move [B,1,64,64], size [B]."""
        right, left = L[:, 33, :2], L[:, 263, :2]
        nose = L[:, 168, :2] - L[:, 2, :2]
        size = torch.maximum((left - right).norm(p=2, dim=-1), 1.35 * nose.norm(p=2, dim=-1))
        axis = left - right
        axis = axis / axis.norm(p=2, dim=-1, keepdim=True).clamp(min=1e-6)
        centre = (L[:, 10, :2] + L[:, 152, :2]) / 2
        e = (self.at - centre[:, None]) / size[:, None, None]
        u = (e * axis[:, None]).sum(-1)
        v = e[..., 1] * axis[:, None, 0] - e[..., 0] * axis[:, None, 1]
        inside = self.geo.sdf(self.at.expand(L.shape[0], -1, -1), L[:, self.oval, :2]) / size[:, None]
        yaw = (L[:, 33, 2] - L[:, 263, 2]) / size
        pitch = (L[:, 10, 2] - L[:, 152, 2]) / size
        flat = torch.stack(
            [
                u / 2,
                v / 2,
                torch.tanh(inside * 3),
                torch.tanh(inside * 12),
                torch.exp(-(u * u + v * v)),
                yaw[:, None].expand_as(u),
                pitch[:, None].expand_as(u),
                (self.at[..., 1] * 2 - 1).expand_as(u),
            ],
            1,
        )
        loose = (-inside / 0.12 + 0.5).clamp(0, 1)
        return flat.view(-1, GEOMETRY, MAP, MAP), loose.view(-1, 1, MAP, MAP), size

    def forward(self, photo: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
        maps, loose, size = self.geometry(landmarks)
        up = lambda t: F.interpolate(t, scale_factor=2.0, mode="bilinear", align_corners=False)
        b = self.b2(torch.cat([self.b(self.a(photo - 0.5)), maps], 1))
        c = self.c(b)
        d = self.d(c)
        d = self.d2(d + up(self.e(d)))
        c = self.c2(c + up(self.dc(d)))
        b = self.b3(b + up(self.cb(c)))
        return torch.tanh(self.out(b)) * loose * (LARGEST * size)[:, None, None, None]


def shift(maps: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Maps [B,2*DIRECTIONS,n,n] and turns [B,3] -> vectors [B,2,n,n] at each point of the photo."""
    B, _, n, _ = maps.shape
    return (maps.view(B, DIRECTIONS, 2, n, n) * amounts(turn)[:, :, None, None, None]).sum(1)


def corrected(flow: torch.Tensor, weight: torch.Tensor, maps: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Displacements [B,2,n,n] with what the maps say where they come from, as much as that moves with the head."""
    n = flow.shape[-1]
    at = grid(n).to(flow).view(1, n, n, 2) + 2 * flow.permute(0, 2, 3, 1)
    v = shift(maps, turn)
    return flow + weight * F.grid_sample(v, at, mode="bilinear", padding_mode="border", align_corners=False)


def drawn(photo: torch.Tensor, matte: torch.Tensor, plate: torch.Tensor, flow: torch.Tensor, mode: str = "bilinear") -> torch.Tensor:
    """The person of a photo [B,3,n,n] displaced over its plate."""
    n = photo.shape[-1]
    at = grid(n).to(photo).view(1, n, n, 2)
    at = at + 2 * F.interpolate(flow, size=(n, n), mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
    person = torch.cat([photo - plate * (1 - matte), matte], 1)
    moved = F.grid_sample(person, at, mode=mode, padding_mode="border", align_corners=False)
    return moved[:, :3] + plate * (1 - moved[:, 3:])
