# SPDX-License-Identifier: MIT OR Apache-2.0
"""Tensors of a checkpoint by their official names, folded as evaluation needs them."""

from __future__ import annotations

import torch
from torch import Tensor

EPS = 1e-5


class Weights:
    """One network's tensors. Folding is done in double precision; what comes out is float32.

    Remembers what was taken: `leftover` after a network is built means that the network forgot a tensor.
    """

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors = tensors
        self.taken: set[str] = set()
        self.inner: list[tuple[str, Weights]] = []

    def take(self, name: str) -> Tensor:
        """The tensor, as float32."""
        self.taken.add(name)
        return self.tensors[name].float()

    def pair(self, name: str) -> tuple[Tensor, Tensor]:
        """Weight and bias."""
        return self.take(f"{name}.weight"), self.take(f"{name}.bias")

    def scale_shift(self, name: str) -> tuple[Tensor, Tensor]:
        """A batch normalisation in evaluation: x * scale + shift, a number a channel."""
        weight, bias = self.pair(name)
        mean, var = self.take(f"{name}.running_mean"), self.take(f"{name}.running_var")
        self.taken.add(f"{name}.num_batches_tracked")
        scale = weight.double() / torch.sqrt(var.double() + EPS)
        return scale.float(), (bias.double() - mean.double() * scale).float()

    def conv_norm(self, conv: str, norm: str) -> tuple[Tensor, Tensor]:
        """A convolution, with or without a bias, and the batch normalisation behind it."""
        weight, name = self.take(f"{conv}.weight"), f"{conv}.bias"
        bias = self.take(name) if name in self.tensors else torch.zeros(weight.shape[0])
        scale, shift = (t.double() for t in self.scale_shift(norm))
        folded = weight.double() * scale.view(-1, *[1] * (weight.dim() - 1))
        return folded.float(), (bias.double() * scale + shift).float()

    def spectral(self, name: str) -> tuple[Tensor, Tensor | None]:
        """A convolution with spectral normalisation: the weight over its largest singular value, as training left it."""
        weight = self.take(f"{name}.weight_orig").double()
        u, v = self.take(f"{name}.weight_u").double(), self.take(f"{name}.weight_v").double()
        sigma = u @ weight.flatten(1) @ v
        bias = f"{name}.bias"
        return (weight / sigma).float(), self.take(bias) if bias in self.tensors else None

    def within(self, prefix: str) -> Weights:
        """The tensors whose names begin so, without that, as a network of their own."""
        inner = Weights({k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)})
        self.inner.append((prefix, inner))
        return inner

    def leftover(self) -> list[str]:
        """Names that were never taken."""
        taken = self.taken | {
            prefix + name for prefix, inner in self.inner for name in inner.tensors.keys() - set(inner.leftover())
        }
        return sorted(self.tensors.keys() - taken)
