# SPDX-License-Identifier: MIT OR Apache-2.0
"""Which files LivePortrait publishes, and what each must hold."""

from __future__ import annotations

from ..layout import Layout
from ..vid2vid import appearance, generator, warping
from .config import Config

# Each network by its file, without the ending. The three small ones share one.
BASE = ("appearance_feature_extractor", "motion_extractor", "warping_module", "spade_generator")
RETARGETING = "stitching_retargeting_module"
# The generator's last convolution.
LAST = "conv_img.0"
SECTIONS = {"stitching": "retarget_shoulder", "lip": "retarget_mouth", "eye": "retarget_eye"}


def motion(c: Config) -> Layout:
    """M: photo to keypoints, pose, expression."""
    w = Layout()
    for i, wide in enumerate(c.widths):
        if i == 0:
            w.pair("detector.downsample_layers.0.0", wide, 3, 4, 4)
            w.pair("detector.downsample_layers.0.1", wide)
        else:
            w.pair(f"detector.downsample_layers.{i}.0", c.widths[i - 1])
            w.pair(f"detector.downsample_layers.{i}.1", wide, c.widths[i - 1], 2, 2)
    for i, (wide, count) in enumerate(zip(c.widths, c.stages)):
        for j in range(count):
            name = f"detector.stages.{i}.{j}"
            w.pair(f"{name}.dwconv", wide, 1, 7, 7)
            w.pair(f"{name}.norm", wide)
            w.pair(f"{name}.pwconv1", 4 * wide, wide)
            w[f"{name}.grn.gamma"] = w[f"{name}.grn.beta"] = (1, 1, 1, 4 * wide)
            w.pair(f"{name}.pwconv2", wide, 4 * wide)
    last = c.widths[-1]
    w.pair("detector.norm", last)
    heads = {"kp": 3 * c.points, "scale": 1, "pitch": c.bins, "yaw": c.bins, "roll": c.bins, "t": 3, "exp": 3 * c.points}
    for head, count in heads.items():
        w.pair(f"detector.fc_{head}", count, last)
    return w


def perceptron(inside: int, hidden: tuple[int, ...], outside: int) -> Layout:
    """A stack of linear layers."""
    w = Layout()
    for i, wide in enumerate((*hidden, outside)):
        w.pair(f"mlp.{2 * i}", wide, inside)
        inside = wide
    return w


def layouts(c: Config) -> dict[str, Layout]:
    """Each file's name with what it holds; those of the shared file by `file/section`, with the prefix of its training."""
    found = dict(zip(BASE, (appearance(c), motion(c), warping(c), generator(c, LAST, 12))))
    numbers = 3 * c.points
    small = {
        "stitching": perceptron(2 * numbers, c.stitch, numbers + 2),
        "lip": perceptron(numbers + 2, c.lip, numbers),
        "eye": perceptron(numbers + 3, c.eye, numbers),
    }
    for name, layout in small.items():
        found[f"{RETARGETING}/{SECTIONS[name]}"] = Layout({f"module.{k}": v for k, v in layout.items()})
    return found
