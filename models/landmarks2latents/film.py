# SPDX-License-Identifier: MIT OR Apache-2.0
"""Conditioning on the emotion."""

from __future__ import annotations

import torch
import torch.nn as nn


class Film(nn.Module):
    """Scale and shift by the emotion; the neutral (zero) vector leaves x as it is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Linear(8, 2 * width, bias=False)
        nn.init.zeros_(self.table.weight)

    def forward(self, x: torch.Tensor, emotion: torch.Tensor) -> torch.Tensor:
        a, b = self.table(emotion).chunk(2, -1)
        return torch.addcmul(x + b, x, a)
