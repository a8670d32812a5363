# SPDX-License-Identifier: MIT OR Apache-2.0
"""SadTalker as the stages of a pack."""

from __future__ import annotations

from torch import Tensor, nn

from ..vid2vid import Appearance, AppearanceStage, Generator, RenderStage, Warping
from ..weights import Weights
from .config import Config
from .hearing import Expression, Mel
from .layouts import LAST
from .mapping import Latents, Mapping, Source
from .motion import Pose
from .photo import Align, Keypoints, Reconstruction

# A motion whose share of a place is smaller counts for nothing.
LEAST_SHARE = 1e-3
# What only training used.
UNUSED = ("netG.encoder.", "netD_motion.")


def build(tensors: dict[str, dict[str, Tensor]], c: Config) -> dict[str, nn.Module]:
    """The stages by name, out of checked tensors by the names of `layouts`."""
    weights = {name: Weights(found) for name, found in tensors.items()}
    picture = weights["generator"]
    mapping = Mapping(weights["mapping"], c)
    expression = Expression(weights["audio2exp"], c)
    recon, keypoints = Reconstruction(weights["face_3drecon"], c), Keypoints(weights["kp_extractor"], c)
    stages = {
        "features": Mel(),
        "speech2landmarks": expression,
        "pose": Pose(weights["audio2pose"], c),
        "appearance": AppearanceStage(Appearance(picture, c.volume, c.depth, c.blocks3d)),
        "source": Source(Align(), recon, keypoints, mapping, c),
        "landmarks2latents": Latents(mapping, expression.last.weight[:, -1], c),
        "render": RenderStage(
            Warping(picture, c.points, c.flow_steps, LEAST_SHARE),
            Generator(picture.within("decoder."), c.middle, LAST),
        ),
    }
    forgotten = {name: [n for n in w.leftover() if not n.startswith(UNUSED)] for name, w in weights.items()}
    assert not any(forgotten.values()), forgotten
    return {name: stage.eval() for name, stage in stages.items()}
