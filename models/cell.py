# SPDX-License-Identifier: MIT OR Apache-2.0
"""A step of a gated recurrent unit as a few operators: a frame's networks are small, and what torch.gru does around its products takes
longer than they do."""

import torch
import torch.nn.functional as F


def step(given: torch.Tensor, kept: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    """What nn.GRU makes of its state h [B,H], from the products with its weights: of the input, given [B,3H], and of the state, kept
    [B,3H], biases added."""
    n = h.shape[1]
    given_gates, given_new = torch.split(given, [2 * n, n], 1)
    kept_gates, kept_new = torch.split(kept, [2 * n, n], 1)
    reset, update = torch.chunk(torch.sigmoid(given_gates + kept_gates), 2, 1)
    return torch.lerp(torch.tanh(torch.addcmul(given_new, reset, kept_new)), h, update)


def steps(
    x: torch.Tensor,
    weight_ih: torch.Tensor,
    weight_hh: torch.Tensor,
    bias_ih: torch.Tensor,
    bias_hh: torch.Tensor,
    h: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """nn.GRU of one layer: x [T,B,I], h [B,H] -> states [T,B,H], the last one [B,H]."""
    states = []
    for given in F.linear(x, weight_ih, bias_ih).unbind(0):
        h = step(given, F.linear(h, weight_hh, bias_hh), h)
        states.append(h)
    return torch.stack(states), h
