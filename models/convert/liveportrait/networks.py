"""LivePortrait's networks, built from official weights: appearance (F), motion (M), warping (W), generator (G), and the
small ones that stitch and retarget.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..layers import Conv2d, Conv3d, Down2d, Hourglass3d, LayerNorm, Linear, ResBlock3d, Same2d, SpadeBlock, SpadeStep
from ..weights import Weights
from .config import Config

# Variance of the bell around a keypoint, in squares of half the picture's side.
VARIANCE = 0.01
# Degrees of a bin of an angle, and the angle that the first bin stands for.
BIN_DEGREES = 3.0
FIRST_DEGREES = -97.5


class Appearance(nn.Module):
    """forward(photo [B,3,S,S] 0..1) -> feature volume [B,C,D,S/4,S/4]"""

    def __init__(self, w: Weights, c: Config) -> None:
        super().__init__()
        self.first = Same2d(w, "first")
        self.down = nn.Sequential(*(Down2d(w, f"down_blocks.{i}") for i in range(2)))
        self.deepen = Conv2d(*w.pair("second"))
        self.blocks = nn.Sequential(*(ResBlock3d(w, f"resblocks_3d.3dr{i}") for i in range(c.blocks3d)))
        self.volume, self.depth = c.volume, c.depth

    def forward(self, photo: Tensor) -> Tensor:
        x = self.deepen(self.down(self.first(photo)))
        return self.blocks(x.view(x.size(0), self.volume, self.depth, x.size(2), x.size(3)))


class Shrink(nn.Module):
    """A convolution that takes each square of pixels once, with the channels normalised before it or behind."""

    def __init__(self, w: Weights, name: str, first: bool) -> None:
        super().__init__()
        conv, norm = (f"{name}.0", f"{name}.1") if first else (f"{name}.1", f"{name}.0")
        self.conv, self.norm = Conv2d(*w.pair(conv), stride=4 if first else 2), LayerNorm(*w.pair(norm))
        self.before = not first

    def normalise(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        if self.before:
            return self.conv(self.normalise(x))
        return self.normalise(self.conv(x))


class ConvNextBlock(nn.Module):
    """Depthwise convolution and two linear layers, with global response normalisation between them."""

    def __init__(self, w: Weights, name: str) -> None:
        super().__init__()
        depthwise = w.pair(f"{name}.dwconv")
        self.depthwise = Conv2d(*depthwise, padding=3, groups=depthwise[0].shape[0])
        self.norm = LayerNorm(*w.pair(f"{name}.norm"))
        self.widen, self.narrow = Linear(*w.pair(f"{name}.pwconv1")), Linear(*w.pair(f"{name}.pwconv2"))
        self.gamma = nn.Parameter(w.take(f"{name}.grn.gamma"), requires_grad=False)
        self.beta = nn.Parameter(w.take(f"{name}.grn.beta"), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = torch._C._nn.gelu(self.widen(y))
        strength = torch.sqrt((y * y).sum([1, 2], keepdim=True))
        share = strength / (strength.mean([-1], keepdim=True) + 1e-6)
        y = self.gamma * (y * share) + self.beta + y
        return x + self.narrow(y).permute(0, 3, 1, 2)


class Motion(nn.Module):
    """forward(photo [B,3,S,S] 0..1) -> canonical keypoints [B,K,3], angles [B,3] (pitch, yaw, roll in degrees),
    expression [B,K,3], shift [B,3], scale [B,1]
    """

    def __init__(self, w: Weights, c: Config) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, count in enumerate(c.stages):
            layers.append(Shrink(w, f"detector.downsample_layers.{i}", first=i == 0))
            layers += [ConvNextBlock(w, f"detector.stages.{i}.{j}") for j in range(count)]
        self.body, self.norm = nn.Sequential(*layers), LayerNorm(*w.pair("detector.norm"))
        self.kp, self.exp = Linear(*w.pair("detector.fc_kp")), Linear(*w.pair("detector.fc_exp"))
        self.pitch, self.yaw = Linear(*w.pair("detector.fc_pitch")), Linear(*w.pair("detector.fc_yaw"))
        self.roll = Linear(*w.pair("detector.fc_roll"))
        self.shift, self.scale = Linear(*w.pair("detector.fc_t")), Linear(*w.pair("detector.fc_scale"))
        self.points, self.step, self.start = c.points, BIN_DEGREES, FIRST_DEGREES

    def degrees(self, bins: Tensor) -> Tensor:
        share = torch.softmax(bins.to(torch.float32), 1)
        place = torch.arange(bins.size(1), dtype=torch.float32, device=bins.device)
        return (share * place).sum([1], keepdim=True) * self.step + self.start

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        x = self.norm(self.body(photo).mean([2, 3]))
        angles = torch.cat([self.degrees(self.pitch(x)), self.degrees(self.yaw(x)), self.degrees(self.roll(x))], 1)
        kp, exp = self.kp(x).view(-1, self.points, 3), self.exp(x).view(-1, self.points, 3)
        return kp, angles, exp, self.shift(x), self.scale(x)


class Warping(nn.Module):
    """forward(volume [1 or B,C,D,S/4,S/4], source keypoints [1 or B,K,3], wanted ones [B,K,3]) -> features [B,F,S/4,S/4]

    Keypoints, flow and sampling stay in single precision; convolutions run in that of the weights.
    """

    def __init__(self, w: Weights, c: Config) -> None:
        super().__init__()
        name = "dense_motion_network"
        self.compress = Conv3d(*w.conv_norm(f"{name}.compress", f"{name}.norm"))
        self.hourglass = Hourglass3d(w, f"{name}.hourglass", c.flow_steps)
        self.mask = Conv3d(*w.pair(f"{name}.mask"), padding=c.mask // 2)
        self.occlusion = Conv2d(*w.pair(f"{name}.occlusion"), padding=c.mask // 2)
        self.third, self.fourth = Same2d(w, "third", slope=0.01), Conv2d(*w.pair("fourth"))
        self.points, self.sharpness = c.points, -0.5 / VARIANCE

    def axis(self, length: int, like: Tensor) -> Tensor:
        return 2 * torch.arange(length, dtype=torch.float32, device=like.device) / (length - 1) - 1

    def places(self, volume: Tensor) -> Tensor:
        """Coordinates [1,1,D,H,W,3] of the volume's places: x right, y down, z inwards, the outermost at -1 and 1."""
        d, h, w = volume.size(2), volume.size(3), volume.size(4)
        x = self.axis(w, volume).view(1, 1, w).expand(d, h, w)
        y = self.axis(h, volume).view(1, h, 1).expand(d, h, w)
        z = self.axis(d, volume).view(d, 1, 1).expand(d, h, w)
        return torch.stack([x, y, z], -1).view(1, 1, d, h, w, 3)

    def bells(self, places: Tensor, kp: Tensor) -> Tensor:
        off = places - kp
        return torch.exp((off * off).sum([-1]) * self.sharpness)

    def forward(self, volume: Tensor, source: Tensor, wanted: Tensor) -> Tensor:
        n, k = wanted.size(0), self.points + 1
        d, h, w = volume.size(2), volume.size(3), volume.size(4)
        source = source.view(-1, self.points, 1, 1, 1, 3)
        wanted = wanted.view(n, self.points, 1, 1, 1, 3)
        # Where each keypoint's own motion takes a place of the wanted face; first the background, which does not move.
        places = self.places(volume)
        moves = torch.cat([places.expand(n, 1, d, h, w, 3), places - wanted + source], 1)
        seen = torch.relu(self.compress(volume)).to(torch.float32)
        c = seen.size(1)
        copies = seen.unsqueeze(1).expand(n, k, c, d, h, w).reshape(n * k, c, d, h, w)
        moved = torch.grid_sampler(copies, moves.view(n * k, d, h, w, 3), 0, 0, False).view(n, k, c, d, h, w)
        heat = self.bells(places, wanted) - self.bells(places, source)
        heat = torch.cat([torch.zeros_like(heat[:, :1]), heat], 1).unsqueeze(2)
        seen = torch.cat([heat, moved], 2).view(n, k * (c + 1), d, h, w)
        flow = self.hourglass(seen.to(volume.dtype))
        share = torch.softmax(self.mask(flow).to(torch.float32), 1)
        deformation = (moves * share.unsqueeze(-1)).sum([1])
        occlusion = torch.sigmoid(self.occlusion(flow.view(n, -1, h, w)))
        volumes = volume.to(torch.float32).expand(n, -1, d, h, w)
        warped = torch.grid_sampler(volumes, deformation, 0, 0, False).to(volume.dtype)
        return self.fourth(self.third(warped.view(n, -1, h, w))) * occlusion


class Generator(nn.Module):
    """forward(features [B,F,S/4,S/4]) -> picture [B,3,2S,2S] 0..1"""

    def __init__(self, w: Weights, c: Config) -> None:
        super().__init__()
        self.first = Conv2d(*w.pair("fc"), padding=1)
        self.middle = nn.ModuleList(SpadeBlock(w, f"G_middle_{i}") for i in range(c.middle))
        self.up0, self.up1 = SpadeStep(w, "up_0"), SpadeStep(w, "up_1")
        self.last = Conv2d(*w.pair("conv_img.0"), padding=1)

    def forward(self, features: Tensor) -> Tensor:
        x = self.first(features)
        for block in self.middle:
            x = block(x, features)
        x = self.up1(self.up0(x, features), features)
        return torch.sigmoid(torch.pixel_shuffle(self.last(torch.nn.functional.leaky_relu(x, 0.2)), 2))


class Perceptron(nn.Module):
    """Linear layers with ReLU between them. forward([B,n]) -> [B,m]"""

    def __init__(self, w: Weights) -> None:
        super().__init__()
        names = sorted({k.rpartition(".")[0] for k in w.tensors}, key=lambda n: int(n.rpartition(".")[2]))
        self.layers = nn.ModuleList(Linear(*w.pair(n)) for n in names[:-1])
        self.last = Linear(*w.pair(names[-1]))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.last(x)
