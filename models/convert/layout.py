# SPDX-License-Identifier: MIT OR Apache-2.0
"""What an official checkpoint must hold: each name with its shape."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Rounds of power iteration after which a random matrix's singular vectors are good enough.
ROUNDS = 10


class Layout(dict[str, tuple[int, ...]]):
    """Names and shapes of one network's state dict, in the order in which they were said."""

    def pair(self, name: str, *shape: int) -> None:
        """Weight and bias of a convolution or a linear layer."""
        self[f"{name}.weight"] = shape
        self[f"{name}.bias"] = shape[:1]

    def norm(self, name: str, channels: int) -> None:
        """Batch normalisation."""
        self.pair(name, channels)
        self[f"{name}.running_mean"] = (channels,)
        self[f"{name}.running_var"] = (channels,)
        self[f"{name}.num_batches_tracked"] = ()

    def spectral(self, name: str, *shape: int, bias: bool = True) -> None:
        """Convolution with spectral normalisation."""
        if bias:
            self[f"{name}.bias"] = shape[:1]
        self[f"{name}.weight_orig"] = shape
        self[f"{name}.weight_u"] = shape[:1]
        self[f"{name}.weight_v"] = (math.prod(shape[1:]),)

    def conv_norm(self, name: str, *shape: int) -> None:
        """`name.conv` with `name.norm` behind it."""
        self.pair(f"{name}.conv", *shape)
        self.norm(f"{name}.norm", shape[0])

    def resblock3d(self, name: str, channels: int) -> None:
        """Two 3-D convolutions and the normalisations before them."""
        for i in (1, 2):
            self.pair(f"{name}.conv{i}", channels, channels, 3, 3, 3)
            self.norm(f"{name}.norm{i}", channels)

    def hourglass3d(self, name: str, channels: int, block: int, most: int, steps: int) -> None:
        """Encoder and decoder of a 3-D hourglass."""
        width = [min(most, block << i) for i in range(steps + 1)]
        width[0] = channels
        for i in range(steps):
            self.conv_norm(f"{name}.encoder.down_blocks.{i}", width[i + 1], width[i], 3, 3, 3)
        width[0] = block
        for i in range(steps):
            at = steps - i
            beside = 1 if i == 0 else 2
            self.conv_norm(f"{name}.decoder.up_blocks.{i}", width[at - 1], beside * width[at], 3, 3, 3)
        self.pair(f"{name}.decoder.conv", block + channels, block + channels, 3, 3, 3)
        self.norm(f"{name}.decoder.norm", block + channels)

    def spade(self, name: str, channels: int, features: int, hidden: int) -> None:
        """SPADE normalisation."""
        self.pair(f"{name}.mlp_shared.0", hidden, features, 3, 3)
        self.pair(f"{name}.mlp_gamma", channels, hidden, 3, 3)
        self.pair(f"{name}.mlp_beta", channels, hidden, 3, 3)

    def spade_block(self, name: str, inside: int, outside: int, features: int, hidden: int) -> None:
        """Residual block of SPADE convolutions."""
        least = min(inside, outside)
        self.spectral(f"{name}.conv_0", least, inside, 3, 3)
        self.spectral(f"{name}.conv_1", outside, least, 3, 3)
        self.spade(f"{name}.norm_0", inside, features, hidden)
        self.spade(f"{name}.norm_1", least, features, hidden)
        if inside != outside:
            self.spectral(f"{name}.conv_s", outside, inside, 1, 1, bias=False)
            self.spade(f"{name}.norm_s", inside, features, hidden)

    def random(self, seed: int) -> dict[str, Tensor]:
        """Seeded numbers of the sizes that trained ones have, so that signals neither die out nor grow."""
        g = torch.Generator().manual_seed(seed)
        out: dict[str, Tensor] = {}
        for name, shape in self.items():
            kind = name.rpartition(".")[2]
            fan = math.prod(shape[1:])
            if kind == "num_batches_tracked":
                out[name] = torch.tensor(1)
            elif kind == "running_var" or kind == "weight" and len(shape) == 1:
                # What a residual network adds is small, or sixteen blocks would make numbers of any size.
                out[name] = (0.75 + 0.5 * torch.rand(shape, generator=g)) * (0.2 if name.endswith(".bn3.weight") else 1)
            elif kind in ("weight", "weight_orig"):
                # Each place of a trained flow follows few keypoints.
                sharp = 24 if name.endswith("mask.weight") else 1
                out[name] = torch.randn(shape, generator=g) * (sharp * math.sqrt(1.5 / fan))
            else:
                out[name] = 0.1 * torch.randn(shape, generator=g)
        for name in [n for n in self if n.endswith(".weight_u")]:
            matrix = out[name[:-1] + "orig"].flatten(1)
            u = out[name]
            for _ in range(ROUNDS):
                v = torch.nn.functional.normalize(matrix.T @ u, dim=0)
                u = torch.nn.functional.normalize(matrix @ v, dim=0)
            out[name], out[name[:-1] + "v"] = u, v
        return out
