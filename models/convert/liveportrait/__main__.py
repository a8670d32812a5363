# SPDX-License-Identifier: MIT OR Apache-2.0
"""Makes a pack of LivePortrait's published weights.

    python -m models.convert.liveportrait --checkpoints DIR --output PACK

DIR holds appearance_feature_extractor, motion_extractor, warping_module, spade_generator and
stitching_retargeting_module, each as .pth or .safetensors, as https://huggingface.co/KwaiVGI/LivePortrait has them.
"""

from ..cli import run
from .config import MINIATURE, Config
from .convert import checkpoints, convert

if __name__ == "__main__":
    run(
        __doc__,
        lambda o, folder: convert(folder, o.output, MINIATURE if o.miniature else Config(), o.weights == "float16"),
        lambda folder: checkpoints(folder, MINIATURE, seed=0),
    )
