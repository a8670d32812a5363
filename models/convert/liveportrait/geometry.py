# SPDX-License-Identifier: MIT OR Apache-2.0
"""Where keypoints are: rotation, and what places them in the picture. TorchScript compiles these functions into stages."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

# What a head turns about, in normalised coordinates: as the plugin's own offsets of the pose. LivePortrait's origin is taken
# to lie as deep.
PIVOT_DEPTH = 1.1


def rotation(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """What turns row vectors about x, then y, then z: [B] degrees -> [B,3,3]. Upstream's angles and the plugin's are the same."""
    unit = math.pi / 180
    y, p, r = yaw * unit, pitch * unit, roll * unit
    cy, sy, cp, sp, cr, sr = torch.cos(y), torch.sin(y), torch.cos(p), torch.sin(p), torch.cos(r), torch.sin(r)
    first = torch.stack([cy * cr, cy * sr, -sy], 1)
    second = torch.stack([sp * sy * cr - cp * sr, sp * sy * sr + cp * cr, sp * cy], 1)
    third = torch.stack([cp * sy * cr + sp * sr, cp * sy * sr - sp * cr, cp * cy], 1)
    return torch.stack([first, second, third], 1)


def aside(shift: Tensor) -> Tensor:
    """A shift [B,2] in the plane of the picture, for all keypoints: [B,1,3]."""
    return torch.cat([shift, torch.zeros_like(shift[:, :1])], 1).unsqueeze(1)


def placed(kp: Tensor, turn: Tensor, exp: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Keypoints [B,K,3] in the square, -1 to 1: scale [B,1] * (kp turned + expression) + shift [B,2]."""
    return scale.unsqueeze(2) * (torch.matmul(kp, turn) + exp) + aside(shift)


class Head(nn.Module):
    """Where a pose of the plugin takes LivePortrait's keypoints.

    forward(pose [B,7], source_pose [7], crop_angle [1], head [1,7]) -> rotation [B,3,3], shift [B,2], scale [B,1], and for what moves
    along with the head: the turn since the photo [B,3,3] and the growth [B,1]

    Poses are the plugin's: yaw, pitch, roll in degrees, x, y, z, scale in pictures. `head` is upstream's: pitch, yaw, roll in
    degrees, shift in halves of the square, scale.
    """

    def __init__(self) -> None:
        super().__init__()
        self.radian, self.depth = math.pi / 180, PIVOT_DEPTH

    def seen(self, pose: Tensor, square: Tensor) -> Tensor:
        """Where a pose [B,7] has its origin in the generator's square, 0 to 1, [B,2]; `square` [2,2] turns the picture to it."""
        return torch.matmul(pose[:, 3:5] - 0.5, square) + 0.5

    def forward(
        self, pose: Tensor, source_pose: Tensor, crop_angle: Tensor, head: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        before = source_pose.view(1, 7)
        own = rotation(head[:, 1], head[:, 0], head[:, 2])
        was = rotation(before[:, 0], before[:, 1], before[:, 2])
        now = rotation(pose[:, 0], pose[:, 1], pose[:, 2])
        # The turn since the photo is the head's own: how the square lies in the picture does not matter to it.
        turned = torch.matmul(torch.matmul(now, was.transpose(1, 2)), own)
        c, s = torch.cos(crop_angle.view(1) * self.radian), torch.sin(crop_angle.view(1) * self.radian)
        square = torch.stack([torch.cat([c, -s]), torch.cat([s, c])])
        # Where upstream's origin lies in our face, and where the new pose takes it. Upstream's square is 2 wide.
        off = ((head[:, 3:5] + 1) / 2 - self.seen(before, square)) / before[:, 6:]
        off = torch.cat([torch.matmul(off, square.transpose(0, 1)), torch.full_like(off[:, :1], self.depth)], 1)
        origin = torch.matmul(torch.matmul(off.unsqueeze(1), was.transpose(1, 2)), now).squeeze(1)
        shift = 2 * (pose[:, 6:] * torch.matmul(origin[:, :2], square) + self.seen(pose, square)) - 1
        grown = pose[:, 6:] / before[:, 6:]
        return turned, shift, head[:, 6:] * grown, torch.matmul(own.transpose(1, 2), turned), grown
