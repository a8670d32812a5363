# SPDX-License-Identifier: MIT OR Apache-2.0
"""LivePortrait as the stages of a pack."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..vid2vid import Appearance, AppearanceStage, Generator, RenderStage, Warping
from ..weights import Weights
from .config import Config
from .face import Face
from .geometry import placed, rotation
from .latents import Latents
from .layouts import LAST, RETARGETING, SECTIONS
from .networks import Motion, Perceptron


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


def build(tensors: dict[str, dict[str, Tensor]], c: Config) -> dict[str, nn.Module]:
    """The stages by name, out of checked tensors by the names of `layouts`."""
    weights = {name: Weights({k.removeprefix("module."): v for k, v in found.items()}) for name, found in tensors.items()}
    small = {k: Perceptron(weights[f"{RETARGETING}/{section}"]) for k, section in SECTIONS.items()}
    latents = Latents(small["stitching"], small["lip"], small["eye"], c)
    motion = Motion(weights["motion_extractor"], c)
    stages = {
        "appearance": AppearanceStage(Appearance(weights["appearance_feature_extractor"], c.volume, c.depth, c.blocks3d)),
        "source": SourceStage(motion),
        "landmarks2latents": latents,
        "face2latents": Face(*copy.deepcopy((motion, small["stitching"])), c),
        "render": RenderStage(
            Warping(weights["warping_module"], c.points, c.flow_steps), Generator(weights["spade_generator"], c.middle, LAST)
        ),
    }
    forgotten = {name: w.leftover() for name, w in weights.items() if w.leftover()}
    assert not forgotten, forgotten
    return {name: stage.eval() for name, stage in stages.items()}
