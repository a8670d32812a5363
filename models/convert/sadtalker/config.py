# SPDX-License-Identifier: MIT OR Apache-2.0
"""Sizes of SadTalker's networks: the published ones, and a miniature of the same build for tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Channels and counts; pictures are square."""

    image: int = 256
    """Side of photo and picture in pixels."""
    points: int = 15
    """Latent keypoints."""
    coefficients: int = 70
    """3DMM numbers that the mapping network sees: 64 of expression, 3 of rotation, 3 of translation; 73 with those of the crop."""
    first: int = 64
    """Channels of the generator's first convolution and of its last."""
    volume: int = 32
    """Channels of the feature volume."""
    depth: int = 16
    """Planes of the feature volume."""
    blocks3d: int = 6
    """Residual blocks over the volume."""
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
    kp: int = 32
    """Channels of the keypoint hourglass at its full size."""
    kp_most: int = 1024
    """Its most channels."""
    kp_steps: int = 5
    """Its steps down."""
    bins: int = 66
    """Bins of an angle."""
    mapping: int = 1024
    """Channels of the mapping network."""
    recon: int = 64
    """Channels of the first block of the network that reconstructs the photo (a ResNet-50)."""
    recon_blocks: tuple[int, ...] = (3, 4, 6, 3)
    """Blocks in each of its stages."""
    audio: int = 32
    """Channels of the first convolution that hears."""
    pose: int = 32
    """Channels of the pose network at full size."""
    pose_hidden: int = 128
    """Its hidden numbers."""
    styles: int = 46
    """Styles of head motion."""
    latent: int = 64
    """Random numbers of a block of head motion."""

    @property
    def heard(self) -> int:
        """Numbers that the audio network gives."""
        return 16 * self.audio


MINIATURE = Config(
    image=64,
    first=2,
    volume=4,
    depth=4,
    blocks3d=1,
    flow=2,
    flow_most=8,
    flow_steps=2,
    compressed=1,
    mask=3,
    middle=2,
    hidden=4,
    kp=2,
    kp_most=8,
    kp_steps=2,
    mapping=16,
    recon=4,
    recon_blocks=(1, 1, 1, 1),
    audio=2,
    pose=2,
    pose_hidden=8,
)
