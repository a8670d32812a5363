# SPDX-License-Identifier: MIT OR Apache-2.0
"""Which files SadTalker publishes, and what each must hold."""

from __future__ import annotations

from ..layout import Layout
from ..vid2vid import appearance, generator, warping
from .config import Config

# Numbers of the 3DMM: identity, expression, texture, rotation, light, translation aside and in depth.
HEADS = (80, 64, 80, 3, 27, 2, 1)
EXPRESSION = 64
# Frames of a block of head motion; numbers of a pose.
BLOCK, POSE = 32, 6
# The generator's last convolution.
LAST = "conv_img"
# The audio network: channels over the first one's before and behind, kernel, stride, padding. Where nothing changes, what comes in
# is added to what comes out.
AUDIO: list[tuple[int, int, int, tuple[int, int], int]] = [
    (0, 1, 3, (1, 1), 1),
    (1, 1, 3, (1, 1), 1),
    (1, 1, 3, (1, 1), 1),
    (1, 2, 3, (3, 1), 1),
    (2, 2, 3, (1, 1), 1),
    (2, 2, 3, (1, 1), 1),
    (2, 4, 3, (3, 3), 1),
    (4, 4, 3, (1, 1), 1),
    (4, 4, 3, (1, 1), 1),
    (4, 8, 3, (3, 2), 1),
    (8, 8, 3, (1, 1), 1),
    (8, 16, 3, (1, 1), 0),
    (16, 16, 1, (1, 1), 0),
]


def hearing(c: Config) -> Layout:
    """Mel frames to numbers."""
    w = Layout()
    for i, (before, behind, kernel, _, _) in enumerate(AUDIO):
        inside, outside = before * c.audio or 1, behind * c.audio
        w.pair(f"audio_encoder.{i}.conv_block.0", outside, inside, kernel, kernel)
        w.norm(f"audio_encoder.{i}.conv_block.1", outside)
    return w


def audio2exp(c: Config) -> Layout:
    """ExpNet: mel frames to expression."""
    w = hearing(c)
    w.pair("mapping1", EXPRESSION, c.heard + EXPRESSION + 1)
    return w


def residual(w: Layout, name: str, inside: int, outside: int) -> None:
    """Two convolutions with their normalisations, and one around."""
    w.norm(f"{name}.conv_block.0", inside)
    w.pair(f"{name}.conv_block.2", outside, inside, 3, 3)
    w.norm(f"{name}.conv_block.3", outside)
    w.pair(f"{name}.conv_block.5", outside, outside, 3, 3)
    w.pair(f"{name}.conv_skip.0", outside, inside, 3, 3)
    w.norm(f"{name}.conv_skip.1", outside)


def unet(w: Layout, name: str, c: Config) -> None:
    """The U-net over the frames of a pose."""
    a, b, d, e = (c.pose << i for i in range(4))
    w.pair(f"{name}.input_layer.0", a, 1, 3, 3)
    w.norm(f"{name}.input_layer.1", a)
    w.pair(f"{name}.input_layer.3", a, a, 3, 3)
    w.pair(f"{name}.input_skip.0", a, 1, 3, 3)
    for part, inside, outside in (("residual_conv_1", a, b), ("residual_conv_2", b, d), ("bridge", d, e)):
        residual(w, f"{name}.{part}", inside, outside)
    for i, (wide, beside, outside) in enumerate(((e, d, d), (d, b, b), (b, a, a)), 1):
        w.pair(f"{name}.upsample_{i}.upsample", wide, wide, 2, 1)
        residual(w, f"{name}.up_residual_conv{i}", wide + beside, outside)
    w.pair(f"{name}.output_layer.0", 1, a, 1, 1)


def audio2pose(c: Config) -> Layout:
    """PoseVAE, with what only its training used."""
    w = Layout({f"audio_encoder.{k}": v for k, v in hearing(c).items()})
    block = BLOCK * POSE
    for half, first, last in (("encoder", 2 * block + c.latent + POSE, c.pose_hidden), ("decoder", 0, 0)):
        name = f"netG.{half}"
        w[f"{name}.classbias"] = (c.styles, c.latent)
        unet(w, f"{name}.resunet", c)
        if half == "encoder":
            w.pair(f"{name}.MLP.L0", last, first)
            w.pair(f"{name}.linear_means", c.latent, last)
            w.pair(f"{name}.linear_logvar", c.latent, last)
        else:
            w.pair(f"{name}.MLP.L0", c.pose_hidden, c.latent + block + POSE)
            w.pair(f"{name}.MLP.L1", block, c.pose_hidden)
            w.pair(f"{name}.pose_linear", POSE, POSE)
        w.pair(f"{name}.linear_audio", POSE, c.heard)
    widths = [POSE, *(c.pose << i for i in (3, 4, 5))]
    for i, (inside, outside, kernel) in enumerate(zip(widths, widths[1:], (4, 4, 3))):
        w[f"netD_motion.seq.{i}.conv.weight"] = (outside, inside, kernel)
        w.norm(f"netD_motion.seq.{i}.norm", outside)
    w.pair("netD_motion.seq.3", 1, widths[-1], 3)
    return w


def reconstruction(c: Config) -> Layout:
    """ResNet-50 that sees 3DMM numbers in a photo."""
    w = Layout()
    w["backbone.conv1.weight"] = (c.recon, 3, 7, 7)
    w.norm("backbone.bn1", c.recon)
    inside = c.recon
    for i, count in enumerate(c.recon_blocks):
        wide = c.recon << i
        for j in range(count):
            name = f"backbone.layer{i + 1}.{j}"
            shapes = ((wide, inside, 1, 1), (wide, wide, 3, 3), (4 * wide, wide, 1, 1))
            for k, shape in enumerate(shapes, 1):
                w[f"{name}.conv{k}.weight"] = shape
                w.norm(f"{name}.bn{k}", shape[0])
            if j == 0:
                w[f"{name}.downsample.0.weight"] = (4 * wide, inside, 1, 1)
                w.norm(f"{name}.downsample.1", 4 * wide)
            inside = 4 * wide
    for i, count in enumerate(HEADS):
        w.pair(f"final_layers.{i}", count, inside, 1, 1)
    return w


def keypoints(c: Config) -> Layout:
    """Canonical keypoints of a photo."""
    w = Layout()
    widths = [3] + [min(c.kp_most, c.kp << i) for i in range(1, c.kp_steps + 1)]
    for i in range(c.kp_steps):
        w.conv_norm(f"predictor.down_blocks.down{i}", widths[i + 1], widths[i], 3, 3)
    w.pair("predictor.conv", widths[-1] * c.depth, widths[-1], 1, 1)
    widths[0] = c.kp
    for i in range(c.kp_steps):
        at = c.kp_steps - i
        w.conv_norm(f"predictor.up_blocks.up{i}", widths[at - 1], widths[at], 3, 3, 3)
    w.pair("kp", c.points, c.kp, 3, 3, 3)
    w["down.weight"] = (3, 1, 13, 13)
    return w


def render(c: Config) -> Layout:
    """The generator, from photo and keypoints to picture."""
    w = Layout(appearance(c))
    w.update(warping(c))
    w.update({f"decoder.{k}": v for k, v in generator(c, LAST, 3).items()})
    return w


def mapping(c: Config) -> Layout:
    """MappingNet: a window of 3DMM numbers to head pose and expression of keypoints."""
    w = Layout()
    w.pair("first.0", c.mapping, c.coefficients, 7)
    for i in range(3):
        w.pair(f"encoder{i}.1", c.mapping, c.mapping, 3)
    heads = {"roll": c.bins, "pitch": c.bins, "yaw": c.bins, "t": 3, "exp": 3 * c.points}
    for head, count in heads.items():
        w.pair(f"fc_{head}", count, c.mapping)
    return w


def layouts(c: Config) -> dict[str, Layout]:
    """The sections of the large file by name, and `mapping`."""
    return {
        "kp_extractor": keypoints(c),
        "generator": render(c),
        "audio2exp": audio2exp(c),
        "audio2pose": audio2pose(c),
        "face_3drecon": reconstruction(c),
        "mapping": mapping(c),
    }
