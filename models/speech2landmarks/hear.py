# SPDX-License-Identifier: MIT OR Apache-2.0
"""Encoder tokens of every sound that the nets are trained on, as it is and disturbed.

Run: python -m models.speech2landmarks.hear --data DATA --norm NORM --tts TTS --work WORK -> WORK/tokens.npz (a rerun resumes)

Rows of log-mel are disturbed while training; tokens are not a picture of the sound that could be, so the sound itself
is: louder or softer by up to 20 dB, through another channel, with noise. `quiet-<i>` are rooms without speech: digital
silence, hiss and hum; their rows are beside their tokens.
"""

import csv

import numpy as np
import torch
from tqdm import tqdm

from models.features import model as features
from models.speech2landmarks.dataset import logmel, wave
from models.speech2landmarks.train import options, tables

CLIP_COPIES, OTHER_COPIES, ROOMS = 2, 1, 40
WIDTH = features.TOKENS * features.TOKEN


def coloured(n: int, r: np.random.Generator) -> np.ndarray:
    """Noise of RMS 1 that falls by 0 to 9 dB an octave."""
    f = np.fft.rfftfreq(n, 1 / features.RATE).clip(30)
    w = np.fft.irfft(np.fft.rfft(r.normal(size=n)) * f ** -r.uniform(0, 1.5), n)
    return w / w.std()


def disturb(w: np.ndarray, r: np.random.Generator) -> np.ndarray:
    """Another channel, noise 8 to 35 dB below the speech, another level."""
    f = np.fft.rfftfreq(len(w), 1 / features.RATE)
    octaves = np.log2(f.clip(60) / 1000)
    curve = r.normal(0, 2.0) * octaves + r.normal(0, 2.0) * np.cos(octaves * r.uniform(1, 3) + r.uniform(0, 6))
    x = np.fft.irfft(np.fft.rfft(w) * 10 ** (curve / 20), len(w))
    if r.random() < 0.6:
        x = x + coloured(len(w), r) * 0.06 * 10 ** (-r.uniform(8, 35) / 20)
    return (x * 10 ** (r.uniform(-20, 6) / 20)).astype(np.float32)


def room(r: np.random.Generator) -> np.ndarray:
    """Four seconds without speech, -75 to -32 dB, or digital silence."""
    n = 4 * features.RATE
    w = coloured(n, r) * 10 ** (-r.uniform(32, 75) / 20) * (r.random() > 0.15)
    if r.random() < 0.3:
        w = w * (1 + 0.5 * np.sin(2 * np.pi * r.uniform(50, 300) * np.arange(n) / features.RATE))
    return w.astype(np.float32)


def main() -> None:
    o = options().parse_args()
    torch.set_num_threads(1)
    t, _, tts, _ = tables(o)
    clips = [c for c in t["clips"] if c.split == "train"]
    ear, path = features.Ear.load(o.work / "ear.safetensors"), o.work / "tokens.npz"
    known = dict(np.load(path)) if path.exists() else {}

    def hear(w: np.ndarray) -> np.ndarray:
        return features.tokens(ear, w).reshape(-1, WIDTH).astype(np.float16)

    known["hush/0"] = hear(np.zeros(features.RATE, np.float32))
    rng = np.random.default_rng(7)
    for i in range(ROOMS):
        w = room(rng)
        if f"quiet-{i}/0" not in known:
            known[f"quiet-{i}/0"], known[f"rows-quiet-{i}/0"] = hear(w), logmel(w).reshape(-1, 80)
    rows = csv.DictReader(open(o.data / "manifest.tsv"), delimiter="\t")
    sound = {c.name: (o.data / "clips" / f"{c.name}.flac", CLIP_COPIES) for c in clips}
    sound |= {c.name: (o.tts / f"{c.name}.npz", OTHER_COPIES) for c in tts}
    sound |= {r["id"]: (o.data / r["file"], OTHER_COPIES) for r in rows if r["kind"] == "audio" and r["split"] == "train"}
    for n, (k, (f, copies)) in enumerate(tqdm(sound.items(), mininterval=20)):
        if f"{k}/{copies}" in known:
            continue
        w = wave(f)
        known[f"{k}/0"] = hear(w)
        for i in range(copies):
            known[f"{k}/{i + 1}"] = hear(disturb(w, rng))
        if n % 50 == 49:
            np.savez(path, **known)
    np.savez(path, **known)


if __name__ == "__main__":
    main()
