# SPDX-License-Identifier: MIT OR Apache-2.0
"""What SadTalker sees in the photo: 3DMM numbers, canonical keypoints."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..layers import Conv2d, Conv3d, Down2d, Up3d
from ..weights import Weights
from .config import Config
from .layouts import HEADS

# Side of the picture that the reconstruction sees; size of the face in it.
SIDE = 224
FACE = 102.0
# Weights of PIL's scaling are whole parts of this.
PIL_UNIT = float(1 << 22)
# Five points of the 3DMM's mean face: both eyes' middles, nose tip, corners of the mouth; y up.
POINTS = [
    [-0.31148657, 0.29036078, 0.13377953],
    [0.30979887, 0.28972036, 0.13179526],
    [0.0032535, -0.04617932, 0.55244243],
    [-0.25216928, -0.38133916, 0.22405732],
    [0.2484662, -0.38128236, 0.22235769],
]
# The same among the 478: each is the mean of two.
FIRST, SECOND = [33, 362, 1, 61, 291], [133, 263, 1, 61, 291]


class Bottleneck(nn.Module):
    """Three convolutions, and one around them where the size changes."""

    def __init__(self, w: Weights, name: str, stride: int) -> None:
        super().__init__()
        self.first = Conv2d(*w.conv_norm(f"{name}.conv1", f"{name}.bn1"))
        self.second = Conv2d(*w.conv_norm(f"{name}.conv2", f"{name}.bn2"), stride=stride, padding=1)
        self.third = Conv2d(*w.conv_norm(f"{name}.conv3", f"{name}.bn3"))
        around: nn.Module = nn.Identity()
        if f"{name}.downsample.0.weight" in w.tensors:
            around = Conv2d(*w.conv_norm(f"{name}.downsample.0", f"{name}.downsample.1"), stride=stride)
        self.around = around

    def forward(self, x: Tensor) -> Tensor:
        y = self.third(torch.relu(self.second(torch.relu(self.first(x)))))
        return torch.relu(y + self.around(x))


class Reconstruction(nn.Module):
    """forward(face [1,3,224,224] 0..1) -> [1,257]: identity 80, expression 64, texture 80, rotation 3, light 27, translation 3"""

    def __init__(self, w: Weights, c: Config) -> None:
        super().__init__()
        self.first = Conv2d(*w.conv_norm("backbone.conv1", "backbone.bn1"), stride=2, padding=3)
        blocks: list[nn.Module] = []
        for i, count in enumerate(c.recon_blocks):
            for j in range(count):
                blocks.append(Bottleneck(w, f"backbone.layer{i + 1}.{j}", stride=2 if i > 0 and j == 0 else 1))
        self.body = nn.Sequential(*blocks)
        heads = [w.pair(f"final_layers.{i}") for i in range(len(HEADS))]
        self.last = Conv2d(torch.cat([h[0] for h in heads]), torch.cat([h[1] for h in heads]))

    def forward(self, face: Tensor) -> Tensor:
        x = torch.max_pool2d(torch.relu(self.first(face)), [3, 3], [2, 2], [1, 1])
        return self.last(self.body(x).mean([2, 3], keepdim=True)).flatten(1)


class Align(nn.Module):
    """forward(photo [1,3,S,S] 0..1, landmarks [1,478,3] 0..1) -> face [1,3,224,224], crop [1,3]

    The face as the reconstruction was taught to see it: scaled and moved so that five points lie as the 3DMM's mean face has them.
    `crop` is the scale and where the middle is, in pixels of the photo. Scaling is PIL's bicubic one, to the bit.
    """

    def __init__(self) -> None:
        super().__init__()
        known = np.concatenate([np.array(POINTS), np.ones((5, 1))], 1)
        self.solve = nn.Parameter(torch.from_numpy(np.linalg.pinv(known).astype(np.float32)), requires_grad=False)
        self.one, self.other, self.face, self.side, self.unit = FIRST, SECOND, FACE, SIDE, PIL_UNIT

    def taps(self, size: int, length: int, start: int) -> Tensor:
        """Weights [224,size] of the pixels of a line that is scaled to a length and cut from `start`; zeros where it is not."""
        device = self.solve.device
        place = torch.arange(self.side, dtype=torch.float64, device=device) + start
        at = (place + 0.5) * (size / length) - 0.5
        wide = max(1.0, size / length)
        off = torch.abs(torch.arange(size, dtype=torch.float64, device=device).unsqueeze(0) - at.unsqueeze(1)) / wide
        near = (1.5 * off - 2.5) * off * off + 1
        far = ((-0.5 * off + 2.5) * off - 4) * off + 2
        weight = torch.where(off < 1, near, torch.where(off < 2, far, torch.zeros_like(off)))
        weight = torch.round(weight / weight.sum([1], keepdim=True) * self.unit) / self.unit
        there = ((place >= 0) & (place < length)).unsqueeze(1)
        return torch.where(there, weight, torch.zeros_like(weight))

    def levels(self, x: Tensor) -> Tensor:
        return torch.clamp(torch.floor(x + 0.5), 0.0, 255.0)

    def forward(self, photo: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        size = photo.size(2)
        points = (landmarks[0, self.one, :2] + landmarks[0, self.other, :2]).to(torch.float64) / 2 * size
        points = torch.stack([points[:, 0], size - 1 - points[:, 1]], 1)
        found = torch.matmul(self.solve.to(torch.float64), points)
        lengths = torch.sqrt((found[:3] * found[:3]).sum([0]))
        scale = self.face / torch.clamp(lengths.mean([0]), min=1.0)
        x, y, s = float(found[3, 0].item()), float(found[3, 1].item()), float(scale.item())
        length = max(1, int(size * s))
        half = length / 2 - self.side / 2
        across = self.taps(size, length, int(half + (x - size / 2) * s))
        down = self.taps(size, length, int(half + (size / 2 - y) * s))
        face = self.levels(torch.matmul(self.levels(photo.to(torch.float64) * 255), across.transpose(0, 1)))
        face = self.levels(torch.matmul(down, face)) / 255
        return face.to(torch.float32), torch.cat([scale.view(1, 1), found[3].view(1, 2)], 1).to(torch.float32)


class Keypoints(nn.Module):
    """forward(photo [1,3,S,S]) -> canonical keypoints [1,K,3], -1 to 1"""

    def __init__(self, w: Weights, c: Config) -> None:
        super().__init__()
        self.shrink = Conv2d(w.take("down.weight"), None, stride=4, padding=6, groups=3)
        self.down = nn.Sequential(*(Down2d(w, f"predictor.down_blocks.down{i}") for i in range(c.kp_steps)))
        self.deepen = Conv2d(*w.pair("predictor.conv"))
        self.up = nn.Sequential(*(Up3d(w, f"predictor.up_blocks.up{i}") for i in range(c.kp_steps)))
        self.last = Conv3d(*w.pair("kp"), padding=1)
        self.depth, self.sharpness = c.depth, 10.0

    def mean(self, share: Tensor, axis: int) -> Tensor:
        """The middle of what is shared out along an axis of [1,K,D,H,W], [1,K]."""
        n = share.size(axis)
        place = 2 * torch.arange(n, dtype=torch.float32, device=share.device) / (n - 1) - 1
        along = share.sum([3, 4]) if axis == 2 else (share.sum([2, 4]) if axis == 3 else share.sum([2, 3]))
        return (along * place).sum([2])

    def forward(self, photo: Tensor) -> Tensor:
        x = self.deepen(self.down(self.shrink(photo)))
        x = x.view(x.size(0), x.size(1) // self.depth, self.depth, x.size(2), x.size(3))
        heat = self.last(self.up(x)).to(torch.float32)
        share = torch.softmax(heat.flatten(2) * self.sharpness, 2).view_as(heat)
        return torch.stack([self.mean(share, 4), self.mean(share, 3), self.mean(share, 2)], 2)
