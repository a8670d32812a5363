# SPDX-License-Identifier: MIT OR Apache-2.0
"""From the face in a video to LivePortrait's keypoints, as upstream drives a photo: the motion network sees the face, and what its
expression changes since the video's first frame is added to the photo's.

The head is the plugin's: how far it turns, moves and grows is told by the pose, as to `landmarks2latents`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import Config
from .geometry import Head, placed
from .latents import Stitch
from .networks import Motion, Perceptron

# Keypoints of the lips and of the eyes: facts of upstream's page.
LIPS = [6, 12, 14, 17, 19, 20]
EYES = [11, 13, 15, 16, 18]


def regions(points: int) -> Tensor:
    """Which keypoints move with mouth, eyes and the rest of a face [3,K]."""
    out = torch.zeros(3, points)
    out[0, LIPS], out[1, EYES] = 1.0, 1.0
    out[2] = 1 - out[0] - out[1]
    return out


class Face(nn.Module):
    """forward(frame [1,3,S,S] 0..1, drive [1,4], pose [1,7], source_pose [7], crop_angle [1], and of the photo source_latents,
    kp_canonical, expression [1,K,3], head [1,7], state [1,1+3K]) -> latents [1,K,3], state

    `drive` is how far mouth, eyes and the rest are driven, and how far the expression is taken as it is. `state` is whether there
    was a first frame, and its expression.
    """

    def __init__(self, net: Motion, stitch: Perceptron, c: Config) -> None:
        super().__init__()
        self.net, self.stitch, self.head, self.points = net, Stitch(stitch, c.points), Head(), c.points
        self.regions = nn.Parameter(regions(c.points), requires_grad=False)

    def forward(
        self,
        frame: Tensor,
        drive: Tensor,
        pose: Tensor,
        source_pose: Tensor,
        crop_angle: Tensor,
        source_latents: Tensor,
        kp_canonical: Tensor,
        expression: Tensor,
        head: Tensor,
        state: Tensor,
    ) -> tuple[Tensor, Tensor]:
        now = self.net(frame.to(self.net.kp.weight.dtype))[2].to(torch.float32)
        begun = state[:, :1]
        first = begun * state[:, 1:] + (1 - begun) * now.view(1, -1)
        relative = expression + now - first.view(1, self.points, 3)
        wanted = relative + drive[:, 3:].unsqueeze(2) * (now - relative)
        share = torch.matmul(drive[:, :3], self.regions.to(torch.float32)).unsqueeze(2)
        exp = expression + share * (wanted - expression)
        turned, shift, scale, _, _ = self.head(pose, source_pose, crop_angle, head)
        out = self.stitch(source_latents, placed(kp_canonical, turned, exp, shift, scale))
        return out, torch.cat([torch.ones_like(begun), first], 1)
