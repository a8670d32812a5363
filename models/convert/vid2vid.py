# SPDX-License-Identifier: MIT OR Apache-2.0
"""What generators of the family of face-vid2vid share: a photo becomes a volume of features, keypoints say how that is bent, and
SPADE blocks draw a picture of it.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from .layers import Conv2d, Conv3d, Down2d, Hourglass3d, ResBlock3d, Same2d, SpadeBlock, SpadeStep
from .layout import Layout
from .weights import Weights

# Variance of the bell around a keypoint, in squares of half the picture's side.
VARIANCE = 0.01


class Sizes(Protocol):
    """What a configuration of such a generator says."""

    points: int
    first: int
    volume: int
    depth: int
    blocks3d: int
    flow: int
    flow_most: int
    flow_steps: int
    compressed: int
    mask: int
    middle: int
    hidden: int


def appearance(c: Sizes) -> Layout:
    """F: photo to feature volume."""
    w = Layout()
    w.conv_norm("first", c.first, 3, 3, 3)
    most, wide = c.volume * c.depth, c.first
    for i in range(2):
        before, wide = wide, min(most, 2 * wide)
        w.conv_norm(f"down_blocks.{i}", wide, before, 3, 3)
    w.pair("second", most, wide, 1, 1)
    for i in range(c.blocks3d):
        w.resblock3d(f"resblocks_3d.3dr{i}", c.volume)
    return w


def warping(c: Sizes) -> Layout:
    """W: volume and keypoints to warped features."""
    w = Layout()
    name, inside = "dense_motion_network", (c.points + 1) * (c.compressed + 1)
    outside, features = c.flow + inside, 4 * c.first
    w.hourglass3d(f"{name}.hourglass", inside, c.flow, c.flow_most, c.flow_steps)
    w.pair(f"{name}.mask", c.points + 1, outside, c.mask, c.mask, c.mask)
    w.pair(f"{name}.compress", c.compressed, c.volume, 1, 1, 1)
    w.norm(f"{name}.norm", c.compressed)
    w.pair(f"{name}.occlusion", 1, outside * c.depth, c.mask, c.mask)
    w.conv_norm("third", features, c.volume * c.depth, 3, 3)
    w.pair("fourth", features, features, 1, 1)
    return w


def generator(c: Sizes, last: str, channels: int) -> Layout:
    """G: warped features to picture; `last` is the convolution that gives so many channels."""
    w = Layout()
    f = 4 * c.first
    w.pair("fc", 2 * f, f, 3, 3)
    for i in range(c.middle):
        w.spade_block(f"G_middle_{i}", 2 * f, 2 * f, f, c.hidden)
    w.spade_block("up_0", 2 * f, f, f, c.hidden)
    w.spade_block("up_1", f, c.first, f, c.hidden)
    w.pair(last, channels, c.first, 3, 3)
    return w


class Appearance(nn.Module):
    """forward(photo [B,3,S,S] 0..1) -> feature volume [B,C,D,S/4,S/4]"""

    def __init__(self, w: Weights, volume: int, depth: int, blocks: int) -> None:
        super().__init__()
        self.first = Same2d(w, "first")
        self.down = nn.Sequential(*(Down2d(w, f"down_blocks.{i}") for i in range(2)))
        self.deepen = Conv2d(*w.pair("second"))
        self.blocks = nn.Sequential(*(ResBlock3d(w, f"resblocks_3d.3dr{i}") for i in range(blocks)))
        self.volume, self.depth = volume, depth

    def forward(self, photo: Tensor) -> Tensor:
        x = self.deepen(self.down(self.first(photo)))
        return self.blocks(x.view(x.size(0), self.volume, self.depth, x.size(2), x.size(3)))


class Warping(nn.Module):
    """forward(volume [1 or B,C,D,S/4,S/4], source keypoints [1 or B,K,3], wanted ones [B,K,3]) -> features [B,F,S/4,S/4]

    `steps` are those of the flow's hourglass; a motion's share of a place below `least` counts for nothing.
    Keypoints, flow and sampling stay in single precision; convolutions run in that of the weights.
    """

    def __init__(self, w: Weights, points: int, steps: int, least: float = 0.0) -> None:
        super().__init__()
        name = "dense_motion_network"
        self.compress = Conv3d(*w.conv_norm(f"{name}.compress", f"{name}.norm"))
        self.hourglass = Hourglass3d(w, f"{name}.hourglass", steps)
        mask, occlusion = w.pair(f"{name}.mask"), w.pair(f"{name}.occlusion")
        self.mask = Conv3d(*mask, padding=mask[0].shape[-1] // 2)
        self.occlusion = Conv2d(*occlusion, padding=occlusion[0].shape[-1] // 2)
        self.third, self.fourth = Same2d(w, "third", slope=0.01), Conv2d(*w.pair("fourth"))
        self.points, self.sharpness, self.least = points, -0.5 / VARIANCE, least

    def axis(self, length: int, like: Tensor) -> Tensor:
        return 2 * torch.arange(length, dtype=torch.float32, device=like.device) / (length - 1) - 1

    def places(self, volume: Tensor) -> Tensor:
        """Coordinates [1,1,D,H,W,3] of the volume's places: x right, y down, z inwards, the outermost at -1 and 1."""
        d, h, w = volume.size(2), volume.size(3), volume.size(4)
        x = self.axis(w, volume).view(1, 1, w).expand(d, h, w)
        y = self.axis(h, volume).view(1, h, 1).expand(d, h, w)
        z = self.axis(d, volume).view(d, 1, 1).expand(d, h, w)
        return torch.stack([x, y, z], -1).view(1, 1, d, h, w, 3)

    def bells(self, places: Tensor, kp: Tensor) -> Tensor:
        off = places - kp
        return torch.exp((off * off).sum([-1]) * self.sharpness)

    def forward(self, volume: Tensor, source: Tensor, wanted: Tensor) -> Tensor:
        n, k = wanted.size(0), self.points + 1
        d, h, w = volume.size(2), volume.size(3), volume.size(4)
        source = source.view(-1, self.points, 1, 1, 1, 3)
        wanted = wanted.view(n, self.points, 1, 1, 1, 3)
        # Where each keypoint's own motion takes a place of the wanted face; first the background, which does not move.
        places = self.places(volume)
        moves = torch.cat([places.expand(n, 1, d, h, w, 3), places - wanted + source], 1)
        seen = torch.relu(self.compress(volume)).to(torch.float32)
        c = seen.size(1)
        copies = seen.unsqueeze(1).expand(n, k, c, d, h, w).reshape(n * k, c, d, h, w)
        moved = torch.grid_sampler(copies, moves.view(n * k, d, h, w, 3), 0, 0, False).view(n, k, c, d, h, w)
        heat = self.bells(places, wanted) - self.bells(places, source)
        heat = torch.cat([torch.zeros_like(heat[:, :1]), heat], 1).unsqueeze(2)
        seen = torch.cat([heat, moved], 2).view(n, k * (c + 1), d, h, w)
        flow = self.hourglass(seen.to(volume.dtype))
        share = torch.softmax(self.mask(flow).to(torch.float32), 1)
        if self.least > 0.0:
            share = torch.where(share < self.least, torch.zeros_like(share), share)
        deformation = (moves * share.unsqueeze(-1)).sum([1])
        occlusion = torch.sigmoid(self.occlusion(flow.view(n, -1, h, w)))
        volumes = volume.to(torch.float32).expand(n, -1, d, h, w)
        warped = torch.grid_sampler(volumes, deformation, 0, 0, False).to(volume.dtype)
        return self.fourth(self.third(warped.view(n, -1, h, w))) * occlusion


class Generator(nn.Module):
    """forward(features [B,F,S/4,S/4]) -> picture [B,3,S,S] 0..1, or of twice the side where `last` is a convolution of 12 channels"""

    def __init__(self, w: Weights, middle: int, last: str) -> None:
        super().__init__()
        self.first = Conv2d(*w.pair("fc"), padding=1)
        self.middle = nn.ModuleList(SpadeBlock(w, f"G_middle_{i}") for i in range(middle))
        self.up0, self.up1 = SpadeStep(w, "up_0"), SpadeStep(w, "up_1")
        self.last = Conv2d(*w.pair(last), padding=1)
        self.double = self.last.weight.shape[0] == 12

    def forward(self, features: Tensor) -> Tensor:
        x = self.first(features)
        for block in self.middle:
            x = block(x, features)
        x = self.up1(self.up0(x, features), features)
        x = self.last(torch._C._nn.leaky_relu(x, 0.2))
        return torch.sigmoid(torch.pixel_shuffle(x, 2) if self.double else x)


class AppearanceStage(nn.Module):
    """forward(photo [1,3,S,S]) -> volume [1,C,D,S/4,S/4]"""

    def __init__(self, net: Appearance) -> None:
        super().__init__()
        self.net = net

    def forward(self, photo: Tensor) -> Tensor:
        return self.net(photo.to(self.net.deepen.weight.dtype)).to(torch.float32)


class RenderStage(nn.Module):
    """forward(volume [1,C,D,S/4,S/4], source_latents [1,K,3], latents [B,K,3]) -> picture [B,3,R,R] 0..1"""

    def __init__(self, warping: Warping, generator: Generator) -> None:
        super().__init__()
        self.warping, self.generator = warping, generator

    def forward(self, volume: Tensor, source_latents: Tensor, latents: Tensor) -> Tensor:
        volume = volume.to(self.warping.fourth.weight.dtype)
        features = self.warping(volume, source_latents.to(torch.float32), latents.to(torch.float32))
        return self.generator(features).to(torch.float32)
