# SPDX-License-Identifier: MIT OR Apache-2.0
"""Teaches a pack to speak from clips: trains a stage landmarks2latents (posed landmarks, audio features and emotion to latent
keypoints) against the pack's own motion extractor, and writes it as a pack that extends the other.

    python -m models.convert.adapt --pack PACK --clips DIR [--output OUT]

DIR holds videos of people who speak, at any depth; the names of emotions (happy, sad, …) in the names of clips or folders are what
they show. A run that is interrupted goes on from its checkpoint. Needs ffmpeg.
"""

import argparse
import sys
from pathlib import Path

import torch

from ..checkpoint import ConvertError
from ..pack import TRUSTED, sha256
from .train import BATCH, Options, adapt


def main() -> None:
    """Reads the command line, trains, says how the packs are trusted."""
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--pack", type=Path, required=True, help="a pack that python -m models.convert.liveportrait made")
    a.add_argument("--clips", type=Path, required=True, help="folder of videos with sound")
    a.add_argument("--output", type=Path, help="the new pack's folder, beside PACK (default: PACK-adapted)")
    a.add_argument("--work", type=Path, help="measured clips and checkpoint (default: OUTPUT-work)")
    a.add_argument("--steps", type=int, default=Options.steps, help="training steps (default: %(default)s)")
    a.add_argument("--batch", type=int, default=BATCH, help="sequences a step (default: %(default)s)")
    a.add_argument("--seed", type=int, default=0, help="seed of everything random (default: %(default)s)")
    o = a.parse_args()
    output = o.output or o.pack.resolve().with_name(f"{o.pack.resolve().name}-adapted")
    work = o.work or output.with_name(f"{output.name}-work")
    try:
        digest = adapt(o.pack, o.clips, output, work, Options(o.steps, o.seed, o.batch))
    except (ConvertError, OSError, ArithmeticError) as error:
        sys.exit(f"error: {error}")
    both = f"{sha256(o.pack / 'pack.toml')}:{digest}"
    print(f"{output} is written. Trust it and the pack that it extends:\nexport {TRUSTED}={both}")


if __name__ == "__main__":
    main()
