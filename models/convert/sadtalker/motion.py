# SPDX-License-Identifier: MIT OR Apache-2.0
"""Head motion: PoseVAE frame by frame, and poses of the plugin as 3DMM numbers and back."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..layers import Affine, Conv2d, Linear
from ..liveportrait.geometry import rotation
from ..weights import Weights
from .config import Config
from .hearing import Ear, next_number, window_of
from .layouts import BLOCK, POSE

# How high and deep the 3DMM's origin lies in normalised coordinates of the plugin (nose tip at the origin, outer corners of the eyes
# 1 apart), and that distance in units of the 3DMM: by its five published points and the plugin's mean face.
ORIGIN_Y, ORIGIN_Z = -0.05, 0.62
EYES = 0.89
# Distance of the 3DMM's camera.
CAMERA = 10.0
# A smooth curve (Savitzky, Golay) of second order over 13 frames, at its middle.
SMOOTH = [-11, 0, 9, 16, 21, 24, 25, 24, 21, 16, 9, 0, -11]


def origin_at(pose: Tensor, y: float = ORIGIN_Y, z: float = ORIGIN_Z) -> Tensor:
    """Where a pose [1,7] of the plugin has the 3DMM's origin, in pictures [1,2]."""
    turn = rotation(pose[:, 0], pose[:, 1], pose[:, 2])
    return pose[:, 6:] * (y * turn[:, 1, :2] + z * turn[:, 2, :2]) + pose[:, 3:5]


def to_coefficients(pose: Tensor, source_pose: Tensor, source: Tensor, eyes: float = EYES, camera: float = CAMERA) -> Tensor:
    """3DMM rotation and translation [1,6] of a pose [1,7], given the photo's pose [1,7] and 3DMM numbers [1,6].

    The 3DMM looks with y up and z to the viewer, the plugin with y down and z away.
    """
    turned = (pose[:, :3] - source_pose[:, :3]) * (math.pi / 180)
    angles = torch.stack([turned[:, 1], -turned[:, 0], -turned[:, 2]], 1)
    moved = (origin_at(pose) - origin_at(source_pose)) / source_pose[:, 6:] * eyes
    nearer = camera - source[:, 5:]
    depth = nearer - nearer * source_pose[:, 6:] / pose[:, 6:]
    return source + torch.cat([angles, moved[:, :1], -moved[:, 1:], depth], 1)


def to_pose(moved: Tensor, source_pose: Tensor, source: Tensor, eyes: float = EYES, camera: float = CAMERA) -> Tensor:
    """The pose [1,7] at which 3DMM numbers differ by `moved` [1,6] from the photo's: the inverse of `to_coefficients`."""
    angles = source_pose[:, :3] + torch.stack([-moved[:, 1], moved[:, 0], -moved[:, 2]], 1) * (180 / math.pi)
    nearer = camera - source[:, 5:]
    scale = source_pose[:, 6:] * nearer / torch.clamp(nearer - moved[:, 5:], min=1.0)
    still = torch.cat([angles, torch.zeros_like(source_pose[:, 3:5]), source_pose[:, 5:6], scale], 1)
    aside = torch.cat([moved[:, 3:4], -moved[:, 4:5]], 1) / eyes * source_pose[:, 6:]
    at = origin_at(source_pose) + aside - origin_at(still)
    return torch.cat([angles, at, source_pose[:, 5:6], scale], 1)


class Residual(nn.Module):
    """Two convolutions, each behind its normalisation and ReLU, and one around them."""

    def __init__(self, w: Weights, name: str, halve: bool) -> None:
        super().__init__()
        self.before = Affine(*w.scale_shift(f"{name}.conv_block.0"), axes=2)
        stride = (2, 1) if halve else (1, 1)
        self.first = Conv2d(*w.conv_norm(f"{name}.conv_block.2", f"{name}.conv_block.3"), stride=stride, padding=1)
        self.second = Conv2d(*w.pair(f"{name}.conv_block.5"), padding=1)
        self.around = Conv2d(*w.conv_norm(f"{name}.conv_skip.0", f"{name}.conv_skip.1"), stride=stride, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(torch.relu(self.before(x))))) + self.around(x)


class Longer(nn.Module):
    """Twice the frames."""

    def __init__(self, w: Weights, name: str) -> None:
        super().__init__()
        weight, bias = w.pair(f"{name}.upsample")
        self.weight, self.bias = nn.Parameter(weight, requires_grad=False), nn.Parameter(bias, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.conv_transpose2d(x, self.weight, self.bias, [2, 1], [0, 0], [0, 0], 1, [1, 1])


class UNet(nn.Module):
    """forward([1,1,32,6]) -> [1,1,32,6], 0 to 1"""

    def __init__(self, w: Weights, name: str) -> None:
        super().__init__()
        self.first = Conv2d(*w.conv_norm(f"{name}.input_layer.0", f"{name}.input_layer.1"), padding=1)
        self.second = Conv2d(*w.pair(f"{name}.input_layer.3"), padding=1)
        self.around = Conv2d(*w.pair(f"{name}.input_skip.0"), padding=1)
        self.down1 = Residual(w, f"{name}.residual_conv_1", halve=True)
        self.down2 = Residual(w, f"{name}.residual_conv_2", halve=True)
        self.bridge = Residual(w, f"{name}.bridge", halve=True)
        self.longer1, self.up1 = Longer(w, f"{name}.upsample_1"), Residual(w, f"{name}.up_residual_conv1", halve=False)
        self.longer2, self.up2 = Longer(w, f"{name}.upsample_2"), Residual(w, f"{name}.up_residual_conv2", halve=False)
        self.longer3, self.up3 = Longer(w, f"{name}.upsample_3"), Residual(w, f"{name}.up_residual_conv3", halve=False)
        self.last = Conv2d(*w.pair(f"{name}.output_layer.0"))

    def forward(self, x: Tensor) -> Tensor:
        a = self.second(torch.relu(self.first(x))) + self.around(x)
        b = self.down1(a)
        c = self.down2(b)
        x = self.up1(torch.cat([self.longer1(self.bridge(c)), c], 1))
        x = self.up2(torch.cat([self.longer2(x), b], 1))
        x = self.up3(torch.cat([self.longer3(x), a], 1))
        return torch.sigmoid(self.last(x))


class Block(nn.Module):
    """PoseVAE's decoder. forward(noise [1,64], style [1,46] one-hot, source [1,6], heard [1,32,6]) -> motion [1,32,6]

    The motion is what is added to the photo's rotation and translation.
    """

    def __init__(self, w: Weights) -> None:
        super().__init__()
        self.styles = nn.Parameter(w.take("classbias"), requires_grad=False)
        self.first, self.second = Linear(*w.pair("MLP.L0")), Linear(*w.pair("MLP.L1"))
        self.net, self.last = UNet(w, "resunet"), Linear(*w.pair("pose_linear"))
        self.frames, self.numbers = BLOCK, POSE

    def forward(self, noise: Tensor, style: Tensor, source: Tensor, heard: Tensor) -> Tensor:
        z = noise + torch.matmul(style, self.styles)
        x = torch.relu(self.first(torch.cat([source, z, heard.flatten(1)], 1)))
        x = torch.sigmoid(self.second(x)).view(1, 1, self.frames, self.numbers)
        return self.last(self.net(x).squeeze(1))


class Pose(nn.Module):
    """forward(features [1,80,80], noise [1,64], style [45], state, initial_pose [7], source_coefficients [1,C]) -> pose [1,7], state

    Upstream draws 32 frames of motion at once, from the sound of just these. Here the sound of the 32 frames before is what is known.
    The motion is smoothed as upstream does, which takes 6 frames. `style` of zeros is PoseVAE's style 0, the N-th is its style N.
    """

    def __init__(self, w: Weights, c: Config) -> None:
        super().__init__()
        decoder = w.within("netG.decoder.")
        self.ear, self.block = Ear(w.within("audio_encoder.")), Block(decoder)
        self.heard = Linear(*decoder.pair("linear_audio"))
        self.smooth = nn.Parameter(torch.tensor(SMOOTH, dtype=torch.float32).view(1, -1, 1) / 143, requires_grad=False)
        self.frames, self.kept = BLOCK * POSE, len(SMOOTH) * POSE
        self.numbers = POSE

    def forward(
        self, features: Tensor, noise: Tensor, style: Tensor, state: Tensor, initial_pose: Tensor, source_coefficients: Tensor
    ) -> tuple[Tensor, Tensor]:
        # The state: the picture's number; how many frames into its block, plus two; what was heard in 32 frames; the block; 13 frames of
        # motion.
        number, at = int(state[0].item()), int(state[1].item())
        heard = state[2 : 2 + self.frames].view(1, -1, self.numbers)
        block = state[2 + self.frames : 2 + 2 * self.frames].view(1, -1, self.numbers)
        past = state[2 + 2 * self.frames :].view(1, -1, self.numbers)
        source = source_coefficients[:, 64:70]
        new = self.heard(self.ear(window_of(features, number))).view(1, 1, self.numbers)
        heard = new.expand_as(heard) if at == 0 else torch.cat([heard[:, 1:], new], 1)
        moved = torch.zeros_like(new)
        if at > 0:
            frame = (at - 1) % heard.size(1)
            if frame == 0:
                chosen = style.view(1, -1)
                chosen = torch.cat([1 - chosen.sum([1], keepdim=True), chosen], 1)
                block = self.block(noise.view(1, -1), chosen, source, heard)
            moved = block[:, frame : frame + 1]
            at = frame + 1
        past = torch.cat([past[:, 1:], moved], 1)
        pose = to_pose((past * self.smooth).sum([1]), initial_pose.view(1, 7), source)
        counts = torch.cat([torch.full_like(state[:1], next_number(number)), torch.full_like(state[:1], at + 1)])
        return pose, torch.cat([counts, heard.reshape(-1), block.reshape(-1), past.reshape(-1)])


STATE = 2 + 2 * BLOCK * POSE + len(SMOOTH) * POSE
