# SPDX-License-Identifier: MIT OR Apache-2.0
"""Layers whose weights come from a checkpoint, as TorchScript stores them shortest: one operator each.

What a checkpoint has in two layers and evaluation can have in one is folded on the way in: a batch normalisation behind a
convolution, a spectral normalisation. So nothing of training is left in a pack.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .weights import Weights


class Conv2d(nn.Module):
    """Convolution of [B,C,H,W], with whatever stood behind it folded in. A stride of two numbers is that of rows and columns."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        stride: int | tuple[int, int] = 1,
        padding: int = 0,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.stride = [stride, stride] if isinstance(stride, int) else list(stride)
        self.padding, self.groups = [padding, padding], groups

    def forward(self, x: Tensor) -> Tensor:
        return torch.conv2d(x, self.weight, self.bias, self.stride, self.padding, [1, 1], self.groups)


class Conv3d(nn.Module):
    """Convolution of [B,C,D,H,W]."""

    def __init__(self, weight: Tensor, bias: Tensor, padding: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        p = [self.padding, self.padding, self.padding]
        return torch.conv3d(x, self.weight, self.bias, [1, 1, 1], p, [1, 1, 1], 1)


class Conv1d(nn.Module):
    """Convolution of [B,C,T]."""

    def __init__(self, weight: Tensor, bias: Tensor, padding: int = 0, dilation: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        self.padding, self.dilation = padding, dilation

    def forward(self, x: Tensor) -> Tensor:
        return torch.conv1d(x, self.weight, self.bias, [1], [self.padding], [self.dilation], 1)


class Linear(nn.Module):
    """Linear layer over the last axis."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.nn.functional.linear(x, self.weight, self.bias)


class LayerNorm(nn.Module):
    """Normalises the last axis."""

    def __init__(self, weight: Tensor, bias: Tensor, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        self.eps, self.size = eps, weight.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        return torch.layer_norm(x, [self.size], self.weight, self.bias, self.eps)


class Affine(nn.Module):
    """A batch normalisation that stands before what it cannot be folded into: a factor and a shift for each channel.

    `axes` are those behind the channels.
    """

    def __init__(self, scale: Tensor, shift: Tensor, axes: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(scale.view(1, -1, *[1] * axes), requires_grad=False)
        self.shift = nn.Parameter(shift.view(1, -1, *[1] * axes), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


class ResBlock3d(nn.Module):
    """Two 3-D convolutions, each behind its normalisation and ReLU, added to what came in."""

    def __init__(self, w: Weights, name: str) -> None:
        super().__init__()
        self.first = Affine(*w.scale_shift(f"{name}.norm1"), axes=3)
        self.conv1 = Conv3d(*w.conv_norm(f"{name}.conv1", f"{name}.norm2"), padding=1)
        self.conv2 = Conv3d(*w.pair(f"{name}.conv2"), padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(torch.relu(self.conv1(torch.relu(self.first(x)))))


class Down3d(nn.Module):
    """Convolution, ReLU, and half of the height and width by averages."""

    def __init__(self, w: Weights, name: str) -> None:
        super().__init__()
        self.conv = Conv3d(*w.conv_norm(f"{name}.conv", f"{name}.norm"), padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        # Plane by plane: libtorch has no such average of volumes in half precision on a CPU.
        planes = x.reshape(x.size(0), x.size(1) * x.size(2), x.size(3), x.size(4))
        return torch._C._nn.avg_pool2d(planes, [2, 2]).view(x.size(0), x.size(1), x.size(2), x.size(3) // 2, x.size(4) // 2)


class Up3d(nn.Module):
    """Twice the height and width by repetition, convolution, ReLU."""

    def __init__(self, w: Weights, name: str) -> None:
        super().__init__()
        self.conv = Conv3d(*w.conv_norm(f"{name}.conv", f"{name}.norm"), padding=1)

    def forward(self, x: Tensor) -> Tensor:
        size = [x.size(2), 2 * x.size(3), 2 * x.size(4)]
        return torch.relu(self.conv(torch._C._nn.upsample_nearest3d(x, size)))


class Hourglass3d(nn.Module):
    """Down and up again, each step up with what was there on the way down beside it.

    forward([B,C,D,H,W]) -> [B,block+C,D,H,W]; H and W are multiples of 2 to the number of steps.
    """

    def __init__(self, w: Weights, name: str, steps: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(Down3d(w, f"{name}.encoder.down_blocks.{i}") for i in range(steps))
        self.up = nn.ModuleList(Up3d(w, f"{name}.decoder.up_blocks.{i}") for i in range(steps))
        self.last = Conv3d(*w.conv_norm(f"{name}.decoder.conv", f"{name}.decoder.norm"), padding=1)

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for down in self.down:
            x = down(x)
            seen.append(x)
        for i, up in enumerate(self.up):
            x = torch.cat([up(x), seen[len(seen) - 2 - i]], 1)
        return torch.relu(self.last(x))


class Same2d(nn.Module):
    """Convolution and ReLU, or a leaky one of that slope."""

    def __init__(self, w: Weights, name: str, slope: float = 0.0) -> None:
        super().__init__()
        self.conv = Conv2d(*w.conv_norm(f"{name}.conv", f"{name}.norm"), padding=1)
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return torch._C._nn.leaky_relu(self.conv(x), self.slope)


class Down2d(nn.Module):
    """Convolution, ReLU, and half of the size by averages."""

    def __init__(self, w: Weights, name: str) -> None:
        super().__init__()
        self.conv = Conv2d(*w.conv_norm(f"{name}.conv", f"{name}.norm"), padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch._C._nn.avg_pool2d(torch.relu(self.conv(x)), [2, 2])


class Spade(nn.Module):
    """Normalises each channel of a picture, then scales and shifts it, place by place, as the features say (SPADE)."""

    def __init__(self, w: Weights, name: str) -> None:
        super().__init__()
        self.shared = Conv2d(*w.pair(f"{name}.mlp_shared.0"), padding=1)
        self.gamma = Conv2d(*w.pair(f"{name}.mlp_gamma"), padding=1)
        self.beta = Conv2d(*w.pair(f"{name}.mlp_beta"), padding=1)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        plain = torch.instance_norm(x, None, None, None, None, True, 0.1, 1e-5, True)
        if features.size(2) != x.size(2):
            features = torch._C._nn.upsample_nearest2d(features, [x.size(2), x.size(3)])
        hidden = torch.relu(self.shared(features))
        return plain * (1 + self.gamma(hidden)) + self.beta(hidden)


class SpadeBlock(nn.Module):
    """Residual block of two SPADE convolutions; where the channels change, the way around has one of its own."""

    def __init__(self, w: Weights, name: str) -> None:
        super().__init__()
        self.norm0, self.norm1 = Spade(w, f"{name}.norm_0"), Spade(w, f"{name}.norm_1")
        self.conv0 = Conv2d(*w.spectral(f"{name}.conv_0"), padding=1)
        self.conv1 = Conv2d(*w.spectral(f"{name}.conv_1"), padding=1)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        return x + self.way(x, features)

    def way(self, x: Tensor, features: Tensor) -> Tensor:
        y = self.conv0(torch._C._nn.leaky_relu(self.norm0(x, features), 0.2))
        return self.conv1(torch._C._nn.leaky_relu(self.norm1(y, features), 0.2))


class SpadeStep(nn.Module):
    """Twice the size by repetition, and a SPADE block that changes the channels."""

    def __init__(self, w: Weights, name: str) -> None:
        super().__init__()
        self.block = SpadeBlock(w, name)
        self.norm, self.around = Spade(w, f"{name}.norm_s"), Conv2d(*w.spectral(f"{name}.conv_s"))

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        x = torch._C._nn.upsample_nearest2d(x, [2 * x.size(2), 2 * x.size(3)])
        return self.around(self.norm(x, features)) + self.block.way(x, features)
