# SPDX-License-Identifier: MIT OR Apache-2.0
"""Networks come out of folding and fusing as they went in. Run: python -m pytest models"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from models.data import fold

aten = torch.ops.aten


class Head(nn.Module):
    """Padded as its map's size asks, pooled, and with channels added at its residual; ends in a number of outputs of its own."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self.deep, self.wide, self.bent = nn.Conv2d(4, 4, 3, stride=2, groups=4), nn.Conv2d(4, 6, 1), nn.PReLU(6, init=0.3)
        self.last = nn.Conv2d(6, out, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        more = (x.shape[2] // 2 - 1) * 2 + 3 - x.shape[2]
        y = self.wide(self.deep(F.pad(x, [0, more, 0, more])))
        return self.last(self.bent(F.pad(F.max_pool2d(x, 2), [0, 0, 0, 0, 0, 2]) + y)).flatten()


class Face(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.heads = nn.Conv2d(3, 4, 1), nn.ModuleList(Head(n) for n in (3, 5, 5))
        self.places = torch.rand(3, 1, 8, 8, 2) * 2 - 1

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.trunk(image)
        # Each head sees a part of its own.
        parts = [F.grid_sample(x, places, align_corners=False) * 2 for places in self.places]
        out = [head(part) for head, part in zip(self.heads, parts)]
        return torch.cat(out), x.mean()


@torch.no_grad()
def test_branches_run_as_one_and_say_the_same() -> None:
    torch.manual_seed(0)
    shape = [1, 3, 16, 16]
    script = torch.jit.freeze(torch.jit.trace(Face().eval(), torch.zeros(shape)))
    folded = fold.fold(script, shape)
    image = torch.randn(shape)
    for a, b in zip(script(image), folded(image)):
        assert torch.equal(a, b)
    count = lambda g, op: sum(n.target is op for n in g.graph.nodes)  # noqa: E731
    assert count(folded, aten._convolution.default) == 10 and not count(folded, aten.floor_divide.default)
    starts = [next(iter(n.users)) for n in folded.graph.nodes if n.target is aten.grid_sampler.default]
    fused = fold.fuse(folded, starts)
    for a, b in zip(script(image), fused(image)):
        torch.testing.assert_close(a, b)
    # Of the trunk, of all heads, of the one with three outputs and of the two with five; the layer of 1x1 is a product of matrices.
    assert count(fused, aten._convolution.default) == 4 and count(fused, aten.baddbmm.default) == 1
    assert count(fused, aten.prelu.default) == count(fused, aten.max_pool2d.default) == 1
