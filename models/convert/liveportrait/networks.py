# SPDX-License-Identifier: MIT OR Apache-2.0
"""LivePortrait's own networks, built from official weights: motion (M), and the small ones that stitch and retarget."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..layers import Conv2d, LayerNorm, Linear
from ..weights import Weights
from .config import Config

# Degrees of a bin of an angle, and the angle that the first bin stands for.
BIN_DEGREES = 3.0
FIRST_DEGREES = -97.5


class Shrink(nn.Module):
    """A convolution that takes each square of pixels once, with the channels normalised before it or behind."""

    def __init__(self, w: Weights, name: str, first: bool) -> None:
        super().__init__()
        conv, norm = (f"{name}.0", f"{name}.1") if first else (f"{name}.1", f"{name}.0")
        self.conv, self.norm = Conv2d(*w.pair(conv), stride=4 if first else 2), LayerNorm(*w.pair(norm))
        self.before = not first

    def normalise(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        if self.before:
            return self.conv(self.normalise(x))
        return self.normalise(self.conv(x))


class ConvNextBlock(nn.Module):
    """Depthwise convolution and two linear layers, with global response normalisation between them."""

    def __init__(self, w: Weights, name: str) -> None:
        super().__init__()
        depthwise = w.pair(f"{name}.dwconv")
        self.depthwise = Conv2d(*depthwise, padding=3, groups=depthwise[0].shape[0])
        self.norm = LayerNorm(*w.pair(f"{name}.norm"))
        self.widen, self.narrow = Linear(*w.pair(f"{name}.pwconv1")), Linear(*w.pair(f"{name}.pwconv2"))
        self.gamma = nn.Parameter(w.take(f"{name}.grn.gamma"), requires_grad=False)
        self.beta = nn.Parameter(w.take(f"{name}.grn.beta"), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = torch._C._nn.gelu(self.widen(y))
        strength = torch.sqrt((y * y).sum([1, 2], keepdim=True))
        share = strength / (strength.mean([-1], keepdim=True) + 1e-6)
        y = self.gamma * (y * share) + self.beta + y
        return x + self.narrow(y).permute(0, 3, 1, 2)


class Motion(nn.Module):
    """forward(photo [B,3,S,S] 0..1) -> canonical keypoints [B,K,3], angles [B,3] (pitch, yaw, roll in degrees),
    expression [B,K,3], shift [B,3], scale [B,1]
    """

    def __init__(self, w: Weights, c: Config) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, count in enumerate(c.stages):
            layers.append(Shrink(w, f"detector.downsample_layers.{i}", first=i == 0))
            layers += [ConvNextBlock(w, f"detector.stages.{i}.{j}") for j in range(count)]
        self.body, self.norm = nn.Sequential(*layers), LayerNorm(*w.pair("detector.norm"))
        self.kp, self.exp = Linear(*w.pair("detector.fc_kp")), Linear(*w.pair("detector.fc_exp"))
        self.pitch, self.yaw = Linear(*w.pair("detector.fc_pitch")), Linear(*w.pair("detector.fc_yaw"))
        self.roll = Linear(*w.pair("detector.fc_roll"))
        self.shift, self.scale = Linear(*w.pair("detector.fc_t")), Linear(*w.pair("detector.fc_scale"))
        self.points, self.step, self.start = c.points, BIN_DEGREES, FIRST_DEGREES

    def degrees(self, bins: Tensor) -> Tensor:
        share = torch.softmax(bins.to(torch.float32), 1)
        place = torch.arange(bins.size(1), dtype=torch.float32, device=bins.device)
        return (share * place).sum([1], keepdim=True) * self.step + self.start

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        x = self.norm(self.body(photo).mean([2, 3]))
        angles = torch.cat([self.degrees(self.pitch(x)), self.degrees(self.yaw(x)), self.degrees(self.roll(x))], 1)
        kp, exp = self.kp(x).view(-1, self.points, 3), self.exp(x).view(-1, self.points, 3)
        return kp, angles, exp, self.shift(x), self.scale(x)


class Perceptron(nn.Module):
    """Linear layers with ReLU between them. forward([B,n]) -> [B,m]"""

    def __init__(self, w: Weights) -> None:
        super().__init__()
        names = sorted({k.rpartition(".")[0] for k in w.tensors}, key=lambda n: int(n.rpartition(".")[2]))
        self.layers = nn.ModuleList(Linear(*w.pair(n)) for n in names[:-1])
        self.last = Linear(*w.pair(names[-1]))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.last(x)
