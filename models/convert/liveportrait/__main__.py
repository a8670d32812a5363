# SPDX-License-Identifier: MIT OR Apache-2.0
"""Makes a pack of LivePortrait's published weights.

    python -m models.convert.liveportrait --checkpoints DIR --output PACK

DIR holds appearance_feature_extractor, motion_extractor, warping_module, spade_generator and
stitching_retargeting_module, each as .pth or .safetensors, as https://huggingface.co/KwaiVGI/LivePortrait has them.
"""

import argparse

from ..cli import run
from .config import MINIATURE, Config
from .convert import checkpoints, convert



def sizes(o: argparse.Namespace) -> Config:
    """What the command line asks for."""
    return MINIATURE if o.miniature else Config()


if __name__ == "__main__":
    run(
        __doc__,
        lambda o, folder: convert(folder, o.output, sizes(o), o.weights == "float16"),
        lambda o, folder: checkpoints(folder, sizes(o), seed=0),
    )
