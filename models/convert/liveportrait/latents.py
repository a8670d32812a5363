# SPDX-License-Identifier: MIT OR Apache-2.0
"""From landmarks and a head pose to LivePortrait's keypoints, with the published networks and numbers alone.

The head's pose goes straight into rotation, shift and scale. How far lips and lids are apart goes through the retargeting
networks. What landmarks say of mouth corners, brows and gaze goes along the directions in which the sliders of LivePortrait's
own page move the expression. The stitching network then holds the shoulders.

How much a slider moves for a landmark (`PER_…`) is ours, by the sliders' ranges and the range of the landmarks; it has not
been fitted to anything.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import Config
from .geometry import Head, aside, placed
from .networks import Perceptron

# Keypoint, axis, move of the expression for one unit of a slider: facts of upstream's page.
Direction = list[tuple[int, int, float]]
SMILE: Direction = [
    (20, 1, -0.01),
    (14, 1, -0.02),
    (17, 1, 0.0065),
    (17, 2, 0.003),
    (13, 1, -0.00275),
    (16, 1, -0.00275),
    (3, 1, -0.0035),
    (7, 1, -0.0035),
]
BROWS_UP: Direction = [(1, 1, 0.001), (2, 1, -0.001)]
BROWS_DOWN: Direction = [(1, 0, -0.001), (2, 0, 0.001), (1, 1, 0.0003), (2, 1, -0.0003)]
PURSE: Direction = [(14, 1, 0.001), (3, 1, -0.0005), (7, 1, -0.0005), (17, 2, -0.0005)]
GAZE_RIGHT: Direction = [(11, 0, 0.0007), (15, 0, 0.001)]
GAZE_LEFT: Direction = [(11, 0, 0.001), (15, 0, 0.0007)]
# With what the lids do along with it.
GAZE_UP: Direction = [(11, 1, -0.0005), (15, 1, -0.0005), (13, 1, -0.00015), (16, 1, -0.00015)]
DIRECTIONS = [SMILE, BROWS_UP, BROWS_DOWN, PURSE, GAZE_RIGHT, GAZE_LEFT, GAZE_UP]

# Ranges of the sliders.
SMILES = (-0.3, 1.3)
BROW = 30.0
PURSES = (-20.0, 15.0)
GAZE_X = 30.0
GAZE_Y = 63.0
# The retargeting networks were made for ratios up to this.
MOST_OPEN = 0.8

# Slider units for landmarks that move by a distance between the eyes' outer corners: corners of the mouth, brows.
PER_CORNER = 1.0 / 0.08
PER_BROW = 30.0 / 0.1
# For a mouth that gets narrower by its width; for an iris that moves by the width of its eye.
PER_NARROWING = 15.0 / 0.3
PER_IRIS_X = 30.0 / 0.25
PER_IRIS_Y = 40.0 / 0.15

# Landmarks of the 478: the middle of the inner lips, corners of the mouth, both eyes' lids, corners and irises, brows.
UPPER_LIP, LOWER_LIP = [13], [14]
CORNERS = [61, 291]
UPPER_LIDS, LOWER_LIDS = [159, 386], [145, 374]
LEFT_CORNERS, RIGHT_CORNERS = [33, 362], [133, 263]
IRISES = [468, 473]
BROWS = [70, 63, 105, 66, 107, 300, 293, 334, 296, 336]


def directions(points: int) -> Tensor:
    """[7,K,3]"""
    out = torch.zeros(len(DIRECTIONS), points, 3)
    for i, direction in enumerate(DIRECTIONS):
        for k, axis, value in direction:
            out[i, k, axis] = value
    return out


class Stitch(nn.Module):
    """Holds the shoulders. forward(source_latents [1,K,3], wanted [B,K,3]) -> latents [B,K,3]"""

    def __init__(self, net: Perceptron, points: int) -> None:
        super().__init__()
        self.net, self.points = net, points

    def forward(self, source_latents: Tensor, wanted: Tensor) -> Tensor:
        n, k = wanted.size(0), 3 * self.points
        held = self.net(torch.cat([source_latents.view(1, -1).expand(n, -1), wanted.view(n, -1)], 1))
        return wanted + held[:, :k].view(n, self.points, 3) + aside(held[:, k:])


class Latents(nn.Module):
    """forward(landmarks [B,478,3] without pose, those of the photo `neutral` [1,478,3], pose [B,7], source_pose [7], crop_angle
    [1], and of the photo source_latents, kp_canonical, expression [1,K,3], head [1,7]) -> latents [B,K,3]

    Poses are the plugin's: yaw, pitch, roll in degrees, x, y, z, scale in pictures. `head` is upstream's: pitch, yaw, roll in
    degrees, shift in halves of the square, scale.
    """

    def __init__(self, stitch: Perceptron, lip: Perceptron, eye: Perceptron, c: Config) -> None:
        super().__init__()
        self.stitch, self.lip, self.eye, self.points = Stitch(stitch, c.points), lip, eye, c.points
        self.directions = nn.Parameter(directions(c.points).view(len(DIRECTIONS), -1), requires_grad=False)
        self.head, self.most_open = Head(), MOST_OPEN
        self.upper_lip, self.lower_lip, self.corners, self.brows = UPPER_LIP, LOWER_LIP, CORNERS, BROWS
        self.upper_lids, self.lower_lids, self.irises = UPPER_LIDS, LOWER_LIDS, IRISES
        self.left_corners, self.right_corners = LEFT_CORNERS, RIGHT_CORNERS
        self.per_corner, self.per_brow, self.per_narrowing = PER_CORNER, PER_BROW, PER_NARROWING
        self.per_x, self.per_y, self.smiles, self.brow, self.purses = PER_IRIS_X, PER_IRIS_Y, SMILES, BROW, PURSES
        self.most_x, self.most_y = GAZE_X, GAZE_Y

    def apart(self, n: Tensor, a: list[int], b: list[int]) -> Tensor:
        """Distances [B,len(a)] of landmarks as seen from the front."""
        off = n[:, a, :2] - n[:, b, :2]
        return torch.sqrt((off * off).sum([2]))

    def width(self, n: Tensor) -> Tensor:
        """The mouth's, [B,1]."""
        return self.apart(n, self.corners[:1], self.corners[1:]) + 1e-6

    def lips_open(self, n: Tensor) -> Tensor:
        """Gap of the inner lips over the mouth's width, [B,1]."""
        return self.apart(n, self.upper_lip, self.lower_lip) / self.width(n)

    def eyes_open(self, n: Tensor) -> Tensor:
        """Gap of the lids over the eye's width, [B,2]."""
        wide = self.apart(n, self.left_corners, self.right_corners) + 1e-6
        return self.apart(n, self.upper_lids, self.lower_lids) / wide

    def gaze(self, n: Tensor) -> Tensor:
        """Where irises are between the corners of their eyes, in widths of the eye, both eyes' mean [B,2]."""
        middle = (n[:, self.left_corners, :2] + n[:, self.right_corners, :2]) / 2
        wide = self.apart(n, self.left_corners, self.right_corners) + 1e-6
        return ((n[:, self.irises, :2] - middle) / wide.unsqueeze(2)).mean([1])

    def sliders(self, n: Tensor, photo: Tensor) -> Tensor:
        """How far each direction is gone, [B,7]."""
        moved = n - photo
        mouth = (moved[:, self.upper_lip, 1] + moved[:, self.lower_lip, 1]).mean(1) / 2
        smile = (0.5 * mouth - moved[:, self.corners, 1].mean(1)) * self.per_corner
        brow = torch.clamp(-moved[:, self.brows, 1].mean(1) * self.per_brow, -self.brow, self.brow)
        narrower = (1 - self.width(n) / self.width(photo)).squeeze(1)
        look = self.gaze(n) - self.gaze(photo)
        x = torch.clamp(look[:, 0] * self.per_x, -self.most_x, self.most_x)
        y = torch.clamp(-look[:, 1] * self.per_y, -self.most_y, self.most_y)
        found = [
            torch.clamp(smile, self.smiles[0], self.smiles[1]),
            torch.relu(brow),
            -torch.relu(-brow),
            torch.clamp(narrower * self.per_narrowing, self.purses[0], self.purses[1]),
            torch.relu(x),
            -torch.relu(-x),
            y,
        ]
        return torch.stack(found, 1)

    def opened(self, n: Tensor, photo: Tensor, source: Tensor) -> Tensor:
        """What retargeting adds to the photo's keypoints [1,3K], [B,3K]: nothing at the photo's own ratios."""
        count, most = n.size(0), self.most_open
        lips, eyes = self.lips_open(photo), self.eyes_open(photo)
        before, now = torch.clamp(lips, 0.0, most), torch.clamp(self.lips_open(n), 0.0, most)
        still = self.lip(torch.cat([source, lips, before], 1))
        out = self.lip(torch.cat([source.expand(count, -1), lips.expand(count, -1), now], 1)) - still
        before = torch.clamp(eyes.mean([1], keepdim=True), 0.0, most)
        now = torch.clamp(self.eyes_open(n).mean([1], keepdim=True), 0.0, most)
        still = self.eye(torch.cat([source, eyes, before], 1))
        return out + self.eye(torch.cat([source.expand(count, -1), eyes.expand(count, -1), now], 1)) - still

    def forward(
        self,
        landmarks: Tensor,
        neutral: Tensor,
        pose: Tensor,
        source_pose: Tensor,
        crop_angle: Tensor,
        source_latents: Tensor,
        kp_canonical: Tensor,
        expression: Tensor,
        head: Tensor,
    ) -> Tensor:
        n = landmarks.size(0)
        turned, shift, scale, since, grown = self.head(pose, source_pose, crop_angle, head)
        along = torch.matmul(self.sliders(landmarks, neutral), self.directions).view(n, self.points, 3)
        wanted = placed(kp_canonical, turned, expression + along, shift, scale)
        # What the networks add holds for the photo's pose: it turns and grows with the head.
        add = self.opened(landmarks, neutral, source_latents.view(1, -1)).view(n, self.points, 3)
        return self.stitch(source_latents, wanted + grown.unsqueeze(2) * torch.matmul(add, since))
