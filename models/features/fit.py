# SPDX-License-Identifier: MIT OR Apache-2.0
"""Take what the front end needs of a speech recogniser's encoder, and fit the projection of its tokens.

Run: python -m models.features.fit --data DATA --blocks BLOCKS --work WORK

BLOCKS/whisper_tiny_en_encoder.pt is the encoder as a traced TorchScript module: its weights are constants, in the order
in which they are used. The projection whitens the TOKEN largest directions of the tokens over the training split's
speech. Writes WORK/ear.safetensors.
"""

import argparse
import csv
from pathlib import Path

import torch
from safetensors.torch import save_file
from tqdm import tqdm

from models.features import model as m
from models.generator.stage import constants
from models.speech2landmarks.dataset import wave

# every so manieth recording is enough for the directions
STRIDE = 3


def encoder(path: Path) -> m.Ear:
    ear, found = m.Ear(), constants(path)
    names = ["window", "bank", "conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "position"]
    names += [f"layers.{i}.{k}" for i in range(m.LAYERS) for k in m.LAYER]
    state = dict(zip(names, found))
    state["position"] = state["position"][: m.SEEN // 2].clone()
    ear.load_state_dict(state | {k: getattr(ear, k) for k in ("middle", "project")})
    return ear.eval()


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for k in ("data", "blocks", "work"):
        a.add_argument(f"--{k}", type=Path, required=True)
    o = a.parse_args()
    torch.set_num_threads(1)
    ear, seen = encoder(o.blocks / "whisper_tiny_en_encoder.pt"), []
    table = csv.DictReader(open(o.data / "manifest.tsv"), delimiter="\t")
    sounds = [(o.data / r["file"]).with_suffix(".flac") for r in table if r["split"] == "train" and r["has_speech"] == "yes"]
    with torch.no_grad():
        for f in tqdm([f for f in sounds if f.exists()][::STRIDE], mininterval=10):
            for x in m.windows(wave(f), m.LOOK_AHEAD, m.WINDOW).split(32):
                seen.append(ear.tokens(x.contiguous())[:, ear.spare :].reshape(-1, m.WIDTH))
    x = torch.cat(seen).double()
    ear.middle.copy_(x.mean(0))
    value, vector = torch.linalg.eigh(torch.cov(x.T))
    ear.project.copy_((vector / value.sqrt()).flip(1)[:, : m.TOKEN])
    print(len(x), "tokens; share of their variance kept:", float(value[-m.TOKEN :].sum() / value.sum()))
    save_file({k: v.contiguous() for k, v in ear.state_dict().items()}, str(o.work / "ear.safetensors"))


if __name__ == "__main__":
    main()
