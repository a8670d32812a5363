# SPDX-License-Identifier: MIT OR Apache-2.0
"""The reference compositor. Run: python -m pytest models"""

import torch

from models.generator.compose import Compositor
from models.generator.geometry import INNER, LIP_INNER_LOWER, LIP_INNER_UPPER, LIP_OUTER_LOWER


def opened(L: torch.Tensor, gap: float) -> torch.Tensor:
    """Landmarks with the mouth shut, then the lower lip lowered by `gap` in its middle, in picture units."""
    L = L.clone()
    L[:, LIP_INNER_LOWER] = L[:, LIP_INNER_UPPER]
    width = (L[:, 308, 0] - L[:, 78, 0]).item()
    for k in LIP_INNER_LOWER + LIP_OUTER_LOWER:
        along = (L[:, k, 0] - L[:, 78, 0]) / width * 2 - 1
        L[:, k, 1] += gap * (1 - along**2).clamp(min=0)
    return L


def test_a_second_photo_is_seen_between_the_lips_alone(sample: tuple[torch.Tensor, torch.Tensor]) -> None:
    image, L = sample[0] / (255 if sample[0].max() > 1 else 1), sample[1]
    comp, D = Compositor(None, None), opened(L, 0.05)
    first = comp.photo(image, opened(L, 0.0))
    plain = comp(first, D)
    assert torch.equal(plain, comp(first, D, second=comp.photo(1 - image, opened(L, 0.0)))), "it is shut"
    seen = (comp(first, D, second=comp.photo(1 - image, D)) - plain).abs().amax(1)[0]
    low, high = (D[0, INNER, :2].amin(0) * 512).int(), (D[0, INNER, :2].amax(0) * 512).int() + 1
    inside = torch.zeros(512, 512, dtype=torch.bool)
    inside[low[1] : high[1], low[0] : high[0]] = True
    assert not seen[~inside].any()
    assert (seen[inside] > 0.2).float().mean() > 0.2
