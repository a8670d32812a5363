# SPDX-License-Identifier: MIT OR Apache-2.0
"""What makes the networks of a frame cheap to run changes no number of theirs."""

import torch
from torch import nn

from models.cell import steps
from models.frozen import frozen
from models.generator.geometry import Geo, affine_inverse
from models.generator.painters import anchors
from models.landmarks2latents.model import SEEN, SHAPE, Landmarks2Latents


class Lines(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x[:, 1:][:] * 0.3 + 2
        for i in range(x.shape[0]):
            y = (y - y[i, :1]) / 7.0
        return 1.0 - y[:, :-1]


def kinds(graph: torch._C.Graph) -> list[str]:
    return [node.kind() for block in (graph, *graph.findNode("prim::Loop").blocks()) for node in block.nodes()]


def test_a_frozen_network_gives_the_same_bits_with_fewer_operators():
    x, plain = torch.randn(5, 9), torch.jit.freeze(torch.jit.script(Lines().eval()))
    light = frozen(Lines())
    assert torch.equal(light(x), plain(x))
    before, after = kinds(plain.graph).count("aten::slice"), kinds(light.graph).count("aten::slice")
    assert after < before, "slices of all"
    lines = [n for n in light.graph.nodes() if n.kind() in ("aten::mul", "aten::add") and n.inputsAt(0).type().kind() == "TensorType"]
    assert lines and all(n.inputsAt(1).type().kind() == "TensorType" for n in lines), "numbers are made tensors each time"


def test_steps_are_those_of_the_recurrent_network():
    gru, h, x = nn.GRU(7, 5), torch.randn(3, 5), torch.randn(4, 3, 7)
    with torch.no_grad():
        wanted, _ = gru(x, h[None])
        found, last = steps(x, gru.weight_ih_l0, gru.weight_hh_l0, gru.bias_ih_l0, gru.bias_hh_l0, h)
    assert torch.allclose(found, wanted, atol=1e-6) and torch.equal(last, found[-1])


def test_the_mouths_patch_is_where_the_painters_have_it():
    points = torch.rand(6, 478, 3) * 0.2 + torch.linspace(0, 0.6, 478)[:, None]
    points[3] = points[3].flip(0)  # a head that looks away is as wide as its nose is long
    roi = Geo().roi(points, 0)
    shape, found = Landmarks2Latents().look_at(points[:, SEEN, :2])
    assert torch.allclose(shape, affine_inverse(roi, points[:, :, :2])[:, SHAPE].flatten(1), atol=2e-4, rtol=1e-4)
    assert torch.allclose(found, anchors(points, roi), atol=2e-4, rtol=1e-4)
