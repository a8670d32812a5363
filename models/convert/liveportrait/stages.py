"""LivePortrait as the stages of a pack."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..weights import Weights
from .config import Config
from .geometry import placed, rotation
from .latents import Latents
from .layouts import RETARGETING, SECTIONS
from .networks import Appearance, Generator, Motion, Perceptron, Warping


class AppearanceStage(nn.Module):
    """forward(photo [1,3,S,S]) -> volume [1,C,D,S/4,S/4]"""

    def __init__(self, net: Appearance) -> None:
        super().__init__()
        self.net = net

    def forward(self, photo: Tensor) -> Tensor:
        return self.net(photo.to(self.net.deepen.weight.dtype)).to(torch.float32)


class SourceStage(nn.Module):
    """forward(photo [1,3,S,S]) -> source_latents [1,K,3], kp_canonical [1,K,3], expression [1,K,3], head [1,7]

    source_latents are the keypoints that give back the photo.
    """

    def __init__(self, net: Motion) -> None:
        super().__init__()
        self.net = net

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        kp, angles, exp, shift, scale = self.net(photo.to(self.net.kp.weight.dtype))
        kp, exp = kp.to(torch.float32), exp.to(torch.float32)
        head = torch.cat([angles, shift.to(torch.float32), scale.to(torch.float32)], 1)
        turn = rotation(head[:, 1], head[:, 0], head[:, 2])
        return placed(kp, turn, exp, head[:, 3:5], head[:, 6:]), kp, exp, head


class RenderStage(nn.Module):
    """forward(volume [1,C,D,S/4,S/4], source_latents [1,K,3], latents [B,K,3]) -> picture [B,3,2S,2S] 0..1"""

    def __init__(self, warping: Warping, generator: Generator) -> None:
        super().__init__()
        self.warping, self.generator = warping, generator

    def forward(self, volume: Tensor, source_latents: Tensor, latents: Tensor) -> Tensor:
        volume = volume.to(self.warping.fourth.weight.dtype)
        features = self.warping(volume, source_latents.to(torch.float32), latents.to(torch.float32))
        return self.generator(features).to(torch.float32)


def build(tensors: dict[str, dict[str, Tensor]], c: Config) -> dict[str, nn.Module]:
    """The stages by name, out of checked tensors by the names of `layouts`."""
    weights = {name: Weights({k.removeprefix("module."): v for k, v in found.items()}) for name, found in tensors.items()}
    small = {k: Perceptron(weights[f"{RETARGETING}/{section}"]) for k, section in SECTIONS.items()}
    latents = Latents(small["stitching"], small["lip"], small["eye"], c)
    stages = {
        "appearance": AppearanceStage(Appearance(weights["appearance_feature_extractor"], c)),
        "source": SourceStage(Motion(weights["motion_extractor"], c)),
        "landmarks2latents": latents,
        "render": RenderStage(Warping(weights["warping_module"], c), Generator(weights["spade_generator"], c)),
    }
    forgotten = {name: w.leftover() for name, w in weights.items() if w.leftover()}
    assert not forgotten, forgotten
    return {name: stage.eval() for name, stage in stages.items()}
