# SPDX-License-Identifier: MIT OR Apache-2.0
"""Sizes of LivePortrait's networks: the published ones, and a miniature of the same build for tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Channels and counts; pictures are square."""

    image: int = 256
    """Side of what the networks see, in pixels; the picture that comes out has twice the side."""
    points: int = 21
    """Latent keypoints."""
    first: int = 64
    """Channels of the appearance network's first convolution, and of the generator's last."""
    volume: int = 32
    """Channels of the feature volume."""
    depth: int = 16
    """Planes of the feature volume."""
    blocks3d: int = 6
    """Residual blocks over the volume."""
    stages: tuple[int, ...] = (3, 3, 9, 3)
    """Blocks in each stage of the motion network (ConvNeXt V2 tiny)."""
    widths: tuple[int, ...] = (96, 192, 384, 768)
    """Its channels."""
    bins: int = 66
    """Bins of an angle."""
    flow: int = 32
    """Channels of the flow hourglass at full size."""
    flow_most: int = 1024
    """Its most channels."""
    flow_steps: int = 5
    """Its steps down."""
    compressed: int = 4
    """Channels of the volume that the flow sees."""
    mask: int = 7
    """Side of the flow's last kernels."""
    middle: int = 6
    """SPADE blocks before the picture grows."""
    hidden: int = 128
    """Channels within a SPADE normalisation."""
    stitch: tuple[int, ...] = (128, 128, 64)
    """Hidden layers of the stitching network."""
    lip: tuple[int, ...] = (128, 128, 64)
    """Hidden layers of the lip retargeting network."""
    eye: tuple[int, ...] = (256, 256, 128, 128, 64)
    """Hidden layers of the eye retargeting network."""

    @property
    def picture(self) -> int:
        """Side of the picture."""
        return 2 * self.image


MINIATURE = Config(
    image=64,
    first=2,
    volume=4,
    depth=4,
    blocks3d=1,
    stages=(1, 1, 1, 1),
    widths=(4, 4, 8, 8),
    flow=2,
    flow_most=8,
    flow_steps=2,
    compressed=1,
    mask=3,
    middle=2,
    hidden=4,
    stitch=(16,),
    lip=(16,),
    eye=(16,),
)
