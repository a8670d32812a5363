# SPDX-License-Identifier: MIT OR Apache-2.0
"""Where keypoints are: rotation, and what places them in the picture. TorchScript compiles these functions into stages."""

from __future__ import annotations

import math

import torch
from torch import Tensor


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
