# SPDX-License-Identifier: MIT OR Apache-2.0
"""Export the stage. Run:

    python -m models.landmarks2latents.export --weights PAINT --samples SAMPLES --build BUILD

BUILD holds the features and appearance stages already. SAMPLES (tests/data will do) holds portrait-grace-hopper.jpg and
speech-af_heart.wav: goldens come from nothing else. Leaves BUILD/landmarks2latents/.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from models.frozen import frozen
from models.generator.geometry import KPS
from models.generator.golden import crop, driven
from models.generator.painters import CODE_ROWS
from models.generator.stage import write_stage
from models.generator.weights import checkpoint
from models.speech2landmarks.dataset import wave

from .model import Landmarks2Latents

FRAMES = 5


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for k in ("weights", "samples", "build"):
        ap.add_argument(f"--{k}", type=Path, required=True)
    a = ap.parse_args()
    torch.set_num_threads(1)
    net = Landmarks2Latents()
    net.load_state_dict(checkpoint(a.weights, "landmarks2latents", "models.landmarks2latents.train")["net"])
    script = frozen(net)

    photo, S = crop(a.samples / "portrait-grace-hopper.jpg")
    with torch.no_grad():
        latents, _, _ = torch.jit.load(str(a.build / "appearance" / "appearance.pt"))(photo[None].float() / 255, S[None])
    from models.features import model as features
    sound = features.stream(features.load(a.build), wave(a.samples / "speech-af_heart.wav"))[50 : 50 + FRAMES].contiguous()
    posed = torch.stack([driven(S, 0.02 * t, 2.0 * t, 1.0 * t, close_eye=False) for t in range(FRAMES)])
    emotion, state = torch.zeros(8), torch.zeros(net.state_size)
    emotion[1] = 0.5
    rows = len(KPS) + CODE_ROWS
    write_stage(
        a.build,
        "landmarks2latents",
        script,
        {"posed": posed, "features": sound, "source_latents": latents, "emotion": emotion, "state": state},
        ["latents", "state"],
        {"posed": [1, 478, 3], "features": [1, *sound.shape[1:]], "latents": [1, rows, 3]},
        toml=f"[pack-extra.latents]\ncount = {rows}\ncode-rows = {CODE_ROWS}\ncontrol-points = {KPS}\n",
    )
    print("exported", a.build / "landmarks2latents")


if __name__ == "__main__":
    main()
