# SPDX-License-Identifier: MIT OR Apache-2.0
"""From 3DMM numbers to keypoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..layers import Conv1d, Linear
from ..liveportrait.geometry import aside
from ..weights import Weights
from .config import Config
from .motion import to_coefficients

BIN_DEGREES, FIRST_DEGREES = 3.0, -99.0
# Frames before and behind the one that a window is about.
RADIUS = 13


def turn(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """What turns column vectors, [B] degrees -> [B,3,3]: Rx(pitch) Ry(yaw) Rz(roll), with the pi of upstream, which is 3.14."""
    unit = 3.14 / 180
    y, p, r = yaw * unit, pitch * unit, roll * unit
    cy, sy, cp, sp, cr, sr = torch.cos(y), torch.sin(y), torch.cos(p), torch.sin(p), torch.cos(r), torch.sin(r)
    first = torch.stack([cy * cr, -cy * sr, sy], 1)
    second = torch.stack([sp * sy * cr + cp * sr, -sp * sy * sr + cp * cr, -sp * cy], 1)
    third = torch.stack([-cp * sy * cr + sp * sr, cp * sy * sr + sp * cr, cp * cy], 1)
    return torch.stack([first, second, third], 1)


class Mapping(nn.Module):
    """MappingNet and what places keypoints. forward(window [1,C,27], kp_canonical [1,K,3]) -> keypoints [1,K,3]"""

    def __init__(self, w: Weights, c: Config) -> None:
        super().__init__()
        self.first = Conv1d(*w.pair("first.0"))
        self.layers = nn.ModuleList(Conv1d(*w.pair(f"encoder{i}.1"), dilation=3) for i in range(3))
        self.yaw, self.pitch, self.roll = Linear(*w.pair("fc_yaw")), Linear(*w.pair("fc_pitch")), Linear(*w.pair("fc_roll"))
        self.shift, self.exp = Linear(*w.pair("fc_t")), Linear(*w.pair("fc_exp"))
        self.step, self.start, self.points = BIN_DEGREES, FIRST_DEGREES, c.points

    def degrees(self, bins: Tensor) -> Tensor:
        place = torch.arange(bins.size(1), dtype=torch.float32, device=bins.device)
        return (torch.softmax(bins.to(torch.float32), 1) * place).sum([1]) * self.step + self.start

    def forward(self, window: Tensor, kp_canonical: Tensor) -> Tensor:
        x = self.first(window)
        for layer in self.layers:
            x = layer(torch._C._nn.leaky_relu(x, 0.1)) + x[:, :, 3:-3]
        x = x.mean([2])
        turned = turn(self.degrees(self.yaw(x)), self.degrees(self.pitch(x)), self.degrees(self.roll(x)))
        exp, shift = self.exp(x).to(torch.float32).view(-1, self.points, 3), self.shift(x).to(torch.float32)
        up = torch.cat([torch.zeros_like(shift[:, :1]), shift[:, 1:2]], 1)
        return torch.matmul(kp_canonical, turned.transpose(1, 2)) + aside(up) + exp


class Latents(nn.Module):
    """forward(coefficients [1,64], pose [1,7], source_pose [7], face [7], lids [2], state, source_coefficients [1,C],
    kp_canonical [1,K,3]) -> latents [1,K,3], state

    `lids` are the closures that ExpNet heard of and that is to be seen: it is linear in it, so that the difference, times what
    `blink` [64] weighs it with, gives what ExpNet would have said. The window of the mapping network is the 13 frames before, this one,
    and this one in the place of the 13 to come. `face[4]` is the gain of the expression.
    """

    def __init__(self, net: Mapping, blink: Tensor, c: Config) -> None:
        super().__init__()
        self.net, self.coefficients, self.radius = net, c.coefficients, RADIUS
        self.blink = nn.Parameter(blink.clone(), requires_grad=False)

    def forward(
        self,
        coefficients: Tensor,
        pose: Tensor,
        source_pose: Tensor,
        face: Tensor,
        lids: Tensor,
        state: Tensor,
        source_coefficients: Tensor,
        kp_canonical: Tensor,
    ) -> tuple[Tensor, Tensor]:
        head = to_coefficients(pose, source_pose.view(1, 7), source_coefficients[:, 64:70])
        gain = face.view(-1)[4]
        said = coefficients.view(1, -1) + (lids[1] - lids[0]) * self.blink.to(torch.float32)
        now = torch.cat([said * gain, head, source_coefficients[:, 70:]], 1).unsqueeze(2)
        past = state[1:].view(1, self.coefficients, self.radius)
        # Upstream repeats the first frame before it.
        past = torch.where(state[0] > 0.5, past, now.expand_as(past))
        window = torch.cat([past, now.expand(1, self.coefficients, self.radius + 1)], 2)
        kept = window[:, :, 1 : self.radius + 1].reshape(-1)
        return self.net(window, kp_canonical), torch.cat([torch.ones_like(kept[:1]), kept])


class Source(nn.Module):
    """forward(photo [1,3,S,S], landmarks [1,478,3]) -> source_latents [1,K,3], source_exp [1,64], source_coefficients [1,C],
    kp_canonical [1,K,3]
    """

    def __init__(self, align: nn.Module, recon: nn.Module, keypoints: nn.Module, net: Mapping, c: Config) -> None:
        super().__init__()
        self.align, self.recon, self.keypoints, self.net, self.coefficients = align, recon, keypoints, net, c.coefficients
        self.width = 2 * RADIUS + 1

    def forward(self, photo: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        photo = photo.to(self.net.exp.weight.dtype)
        face, crop = self.align(photo.to(torch.float32), landmarks.to(torch.float32))
        seen = self.recon(face.to(photo.dtype)).to(torch.float32)
        exp = seen[:, 80:144]
        numbers = torch.cat([exp, seen[:, 224:227], seen[:, 254:257], crop.to(torch.float32)], 1)[:, : self.coefficients]
        kp = self.keypoints(photo)
        window = numbers.unsqueeze(2).expand(1, self.coefficients, self.width)
        return self.net(window.to(photo.dtype), kp), exp, numbers, kp
