# SPDX-License-Identifier: MIT OR Apache-2.0
"""The mesh of the pack sees a photo's face as the tracker of the training clips does. Run:
python -m pytest models
"""

import torch
import torch.nn.functional as F
from conftest import PACK

from models.data.mesh import EYE_LEFT, EYE_RIGHT, LIPS, SIZE


def test_heads_stand_for_points_of_their_own() -> None:
    heads = LIPS + EYE_RIGHT + EYE_LEFT
    assert len(set(heads)) == len(heads) == 80 + 71 + 71 and max(heads) < 468


def test_points_are_those_of_the_tracker(sample: tuple[torch.Tensor, torch.Tensor]) -> None:
    photo, tracked = sample[0], sample[1][0]
    mesh = torch.jit.load(str(PACK / "mesh.pt"))
    low, high = tracked[:, :2].amin(0), tracked[:, :2].amax(0)
    middle, side = (low + high) / 2, 1.5 * (high - low).max()
    line = (torch.arange(SIZE) + 0.5) / SIZE - 0.5
    y, x = torch.meshgrid(line, line, indexing="ij")
    at = middle + torch.stack([x, y], -1) * side
    with torch.no_grad():
        face = F.grid_sample(photo, at[None] * 2 - 1, mode="bilinear", align_corners=False)
        points, presence = mesh(face)
    found = middle + (points[:, :2] / SIZE - 0.5) * side
    assert points.shape == (478, 3) and presence.item() > 5
    eyes = (tracked[33, :2] - tracked[263, :2]).norm()
    miss = (found - tracked[:, :2]).norm(dim=1) / eyes
    assert miss[LIPS].mean() < 0.02 and miss.mean() < 0.03 and miss[468:].max() < 0.04
    assert ((found[13] - found[14]).norm() - (tracked[13, :2] - tracked[14, :2]).norm()).abs() / eyes < 0.015
