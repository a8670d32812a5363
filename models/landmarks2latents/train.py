# SPDX-License-Identifier: MIT OR Apache-2.0
"""Trains landmarks2latents: predicts the painter's mouth code, and repairs corrupted lips from the sound.

    python -m models.landmarks2latents.train --data DATA --tracks TRACKS --codes CODES --features FEATURES.pt --out \
        BUILD [--smoke]

(needs ffmpeg). FEATURES.pt is the pack's audio front end. Prints the development split's errors against
three baselines: the code's variance over all clips and in the window, and the photo's own code. Resumes from
OUT/landmarks2latents.ckpt.
"""

from __future__ import annotations

import argparse
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from models.data.labels import EMOTIONS
from models.generator.data import manifest
from models.generator.geometry import INNER, OUTER, Geo
from models.generator.weights import keep

from .model import HIDDEN, LIPS, SEEN, Landmarks2Latents
from .sound import features_of, wave_of

REGIONS = Geo()
BAD_SOUND = {"o239", "o042", "o270", "o272", "o024"}
LOWER = [k for k in LIPS if k in (146, 91, 181, 84, 17, 314, 405, 321, 375, 95, 88, 178, 87, 14, 317, 402, 318, 324)]
JAW = [152, 175, 199, 18]
WINDOW = 64


@dataclass
class Sequence:
    id: str
    lm: np.ndarray
    code: np.ndarray
    features: np.ndarray
    emotion: np.ndarray
    weight: float


def load(a: argparse.Namespace, split: str) -> list[Sequence]:
    front = torch.jit.load(str(a.features)).float()
    stage = a.features.with_name("stage.toml")  # what the front end's exporter leaves beside it
    clock = tomllib.loads(stage.read_text())["pack-extra"]["clock"] if stage.exists() else {}
    size, ahead = int(clock.get("window-samples", a.window)), int(clock.get("look-ahead-samples", a.look_ahead))
    out = []
    for row in manifest(a.data).values():
        if not row["file"].startswith("clips") or row["split"] != split or not (a.codes / f"{row['id']}.npz").exists():
            continue
        if a.smoke and len(out) >= 3:
            break
        code = np.load(a.codes / f"{row['id']}.npz")["code"]
        lm = np.load(a.tracks / f"{row['id']}.npz")["lm"][: len(code)]
        n = len(lm)
        if n < WINDOW + 2:
            continue
        sound = a.data / "clips" / f"{row['id']}.flac"
        f = np.zeros((n, 4, 80), np.float32)
        if sound.exists() and row["has_speech"] != "no" and row["id"] not in BAD_SOUND:
            f = features_of(front, size, ahead, wave_of(sound), n)
        e = np.zeros(8, np.float32)
        for i, k in enumerate(EMOTIONS):
            if k in row["path"].lower() or (k == "angry" and "furious" in row["path"].lower()):
                e[i] = 1.0
        out.append(
            Sequence(
                row["id"],
                lm,
                code,
                f,
                e,
                (1.5 if row["kind"] == "real" else 0.7) * (1 if row["size"] == "512" else 0.7),
            )
        )
    return out


def corrupt(lm: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lips as an imperfect speech model gives them: too wide or too small movements, smoothed, trembling."""
    out = lm.copy()
    move = list(dict.fromkeys(LIPS + JAW))
    mean = lm[:, move].mean(0, keepdims=True)
    d = lm[:, move] - mean
    d = d - d.mean(1, keepdims=True)
    gain, sigma = rng.uniform(0.7, 1.2), rng.uniform(0, 1.6)
    e = gaussian_filter1d(d, sigma, axis=0) * gain
    out[:, move] += (e - d).astype(np.float32)
    out[:, :, :2] += (
        gaussian_filter1d(rng.normal(size=(len(lm), 478, 2)), 1.0, axis=0) * rng.uniform(0, 0.8) / 512
    ).astype(np.float32)
    return out


def batch(
    seqs: list[Sequence], p: np.ndarray, n: int, rng: np.random.Generator, clean: float = 0.5, mute: float = 0.3
) -> dict[str, torch.Tensor]:
    rows = []
    for _ in range(n):
        s = seqs[rng.choice(len(seqs), p=p)]
        i, k = rng.integers(len(s.lm) - WINDOW), rng.integers(len(s.lm))
        truth = s.lm[i : i + WINDOW]
        posed = truth if rng.random() < clean else corrupt(truth, rng)
        f = s.features[i : i + WINDOW]
        level, silent = rng.normal() * 0.7, rng.random() < mute
        f = np.zeros_like(f) if silent else np.where(f == 0, f, f + level)
        e = s.emotion if rng.random() < 0.6 else s.emotion * 0
        rows.append((posed, truth, f.reshape(WINDOW, -1), s.code[i : i + WINDOW], s.lm[k], s.code[k], e))
    z = [torch.from_numpy(np.stack([r[j] for r in rows]).astype(np.float32)) for j in range(7)]
    return dict(zip(("posed", "truth", "features", "code", "S", "scode", "emotion"), z))


def run(net: Landmarks2Latents, b: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Code error, lips' squared error after and before the residual (in mouth-patch units)."""
    B = b["posed"].shape[0]
    t = lambda x: x.transpose(0, 1).contiguous()

    sp, _ = net.look_at(b["S"][:, SEEN, :2])
    posed, features = t(b["posed"]).flatten(0, 1), t(b["features"])
    shape, anchors = net.look_at(posed[:, SEEN, :2])
    code, hidden, _ = net.core(shape, anchors, features, sp, b["scode"], b["emotion"], torch.zeros(B, HIDDEN))
    move = net.residual_gain * net.move(hidden, features)
    d = t(b["truth"]).flatten(0, 1)[:, OUTER + INNER, :2] - posed[:, OUTER + INNER, :2]
    s = REGIONS.roi(b["S"], 0)[:, 0, :2].norm(dim=-1).repeat(WINDOW)[:, None, None]
    return ((code - t(b["code"]).flatten(0, 1)) ** 2), ((move - d) / s) ** 2, (d / s) ** 2


@torch.no_grad()
def report(net: Landmarks2Latents, seqs: list[Sequence]) -> str:
    """Development errors, as shares of the variance / of the corruption's energy."""
    out = []
    p = np.ones(len(seqs)) / len(seqs)
    for name, clean, mute in (
        ("clean, sound", 1, 0),
        ("clean, mute", 1, 1),
        ("corrupt, sound", 0, 0),
        ("corrupt, mute", 0, 1),
    ):
        b = batch(seqs, p, 48, np.random.default_rng(5), clean, mute)
        c, after, before = run(net, b)
        var = b["code"].flatten(0, 1).var(0).sum()
        within = (b["code"] - b["code"].mean(1, keepdim=True)).pow(2).mean((0, 1)).sum()
        hold = (b["code"] - b["scode"][:, None]).pow(2).mean((0, 1)).sum()
        out.append(
            f"{name}: code {c.mean(0).sum():.4f} (variance {var:.4f}, in window {within:.4f}, photo's {hold:.4f}) "
            f"lips {after.mean().sqrt():.5f} from {before.mean().sqrt():.5f}"
        )
    return "\n".join(out)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for k in ("data", "tracks", "codes", "features", "out"):
        ap.add_argument(f"--{k}", type=Path, required=True)
    ap.add_argument("--window", type=int, default=880)
    ap.add_argument("--look-ahead", type=int, default=2560)
    ap.add_argument("--residual", action="store_true", help="train and measure the residual at the lips too")
    ap.add_argument("--steps", type=int, default=2500)
    ap.add_argument("--smoke", action="store_true")
    a = ap.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    a.out.mkdir(parents=True, exist_ok=True)
    train, dev = load(a, "train"), load(a, "dev")
    print(f"{len(train)} training clips, {len(dev)} development clips", flush=True)
    net, path, it = Landmarks2Latents(), a.out / "landmarks2latents.ckpt", 0
    net.residual_gain = float(a.residual)
    opt = torch.optim.Adam(net.parameters(), lr=1e-3, weight_decay=1e-5)
    if path.exists() and not a.smoke:
        z = torch.load(path)
        net.load_state_dict(z["net"])
        opt.load_state_dict(z["opt"])
        it = z["it"]
        if it >= a.steps:
            print(report(net.eval(), dev))
    w = np.array([s.weight for s in train])
    steps, rng = (5 if a.smoke else a.steps), np.random.default_rng(it)
    while it < steps:
        for g in opt.param_groups:
            g["lr"] = 1e-3 * min(1, (it + 1) / 100) * (0.02 + 0.98 * (1 - it / steps))
        c, after, before = run(net, batch(train, w / w.sum(), 16, rng))
        loss = c.mean() + 20 * after.mean()
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        it += 1
        if it % 100 == 0:
            print(
                f"{it} code {c.mean(0).sum():.4f} lips {after.mean().sqrt():.5f} from {before.mean().sqrt():.5f}",
                flush=True,
            )
        if it % 500 == 0 or it == steps:  # a smoke run reports, and keeps nothing
            net.eval()
            print(report(net, dev), flush=True)
            net.train()
            if a.smoke:
                break
            keep({"net": net.state_dict(), "opt": opt.state_dict(), "it": it}, path)


if __name__ == "__main__":
    main()
