# SPDX-License-Identifier: MIT OR Apache-2.0
"""Learns from clips, and writes the pack. The batch of a step follows from the seed and the step's number alone: a run that was
interrupted goes on as if it had not been.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from .. import sample
from ..checkpoint import ConvertError
from ..pack import Stage, write
from .base import Base
from .clips import Clip, load
from .model import HIDDEN, Adapted

# Frames of a sequence, and of those the ones that only warm up.
WINDOW, WARM = 32, 4
BATCH = 8
RATE = 1e-3
# Steps between two checkpoints.
EVERY = 200
# Shares of sequences without sound, and of those that show the resting face itself.
MUTE, REST = 0.3, 0.1
# How uncertain landmarks are, in distances between the eyes' outer corners.
TREMBLE = 0.004
# Least unit of the expression: what hardly moves is not learned from noise.
LEAST_UNIT = 1e-4
CARD = Path(__file__).with_name("card.md")


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    steps: int = 4000
    seed: int = 0
    batch: int = BATCH


def unit_of(clips: list[Clip]) -> Tensor:
    """How much each number of the expression differs within clips, [3K]."""
    moved = [c.expression.reshape(len(c.expression), -1) for c in clips]
    spread = np.sqrt(np.mean(np.concatenate([(m - m.mean(0)) ** 2 for m in moved]), 0))
    return torch.from_numpy(np.maximum(spread, LEAST_UNIT).astype(np.float32))


def batch(clips: list[Clip], rng: np.random.Generator, count: int) -> dict[str, Tensor]:
    """Sequences with a frame of their clip as the photo: [T,B,…] and [B,…]."""
    weights = np.array([len(c.landmarks) for c in clips], float)
    rows: list[tuple[np.ndarray, ...]] = []
    for _ in range(count):
        c = clips[rng.choice(len(clips), p=weights / weights.sum())]
        start, photo = rng.integers(len(c.landmarks) - WINDOW + 1), rng.integers(len(c.landmarks))
        at = np.full(WINDOW, photo) if rng.random() < REST else np.arange(start, start + WINDOW)
        silent = rng.random() < MUTE or at[0] == at[1]
        features = c.features[at] * (0.0 if silent else 1.0)
        landmarks = c.landmarks[at] + rng.normal(size=(WINDOW, 478, 3)) * TREMBLE * rng.random()
        emotion = c.emotion * float(rng.random() < 0.7)
        turn = (c.pose[at] - c.pose[photo])[:, :3]
        rows.append((landmarks, turn, features, c.expression[at], c.landmarks[photo], c.expression[photo], emotion))
    names = ("landmarks", "turn", "features", "target", "neutral", "expression", "emotion")
    found = {k: torch.from_numpy(np.stack([r[i] for r in rows]).astype(np.float32)) for i, k in enumerate(names)}
    for name in names[:4]:
        found[name] = found[name].transpose(0, 1).contiguous()
    return found


def error(net: Adapted, b: dict[str, Tensor]) -> Tensor:
    """Squared error of the expression in units: 2 is that of a face that keeps the photo's, 1 that of one that keeps the clip's mean."""
    own = b["expression"].flatten(1)
    state = torch.zeros(1, len(own), HIDDEN)
    moved, _ = net.core(b["landmarks"], b["neutral"], b["turn"], own, b["features"], b["emotion"], state)
    due = (b["target"].flatten(2) - own) / net.unit
    return ((moved - due)[WARM:] ** 2).mean()


def network(base: Base, seed: int) -> Adapted:
    """The network before training: it moves nothing but the head."""
    stage = base.stage("face2latents")
    parts = [getattr(stage, name, None) for name in ("head", "stitch")]
    if None in parts:
        raise ConvertError(f"{base.folder} is no pack of models.convert.liveportrait: head and stitching are not in face2latents")
    shape = next(t["shape"] for t in base.entry("source")[1]["outputs"] if t["name"] == "expression")  # type: ignore[index]
    torch.manual_seed(seed)
    return Adapted(shape[-2], *parts)


def train(net: Adapted, clips: list[Clip], o: Options, work: Path) -> list[float]:
    """Trains, from the checkpoint in WORK on if there is one; returns the errors of the steps that were done."""
    learned = {id(p) for p in net.learned()}
    for p in net.parameters():
        p.requires_grad_(id(p) in learned)
    opt = torch.optim.Adam(net.learned(), lr=RATE, weight_decay=1e-5)
    net.unit.copy_(unit_of(clips))
    path, first = work / "adapt.ckpt", 0
    told = {"seed": o.seed, "batch": o.batch, "clips": sorted(c.name for c in clips), "unit": net.unit.tolist()}
    if path.exists():
        kept = torch.load(path, weights_only=True)
        if kept["told"] != told:
            raise ConvertError(f"{path} is of another run (seed, batch, clips or pack): take another --work, or delete it")
        net.load_state_dict(kept["net"])
        opt.load_state_dict(kept["opt"])
        first = kept["step"]

    def keep(step: int) -> None:
        part = path.with_suffix(".part")
        torch.save({"net": net.state_dict(), "opt": opt.state_dict(), "step": step, "told": told}, part)
        os.replace(part, path)

    errors: list[float] = []
    net.train()
    with tqdm(total=o.steps, initial=min(first, o.steps), unit="step", desc="learning") as bar, torch.enable_grad():
        for step in range(first, o.steps):
            for group in opt.param_groups:
                group["lr"] = RATE * min(1.0, (step + 1) / 100)
            found = error(net, batch(clips, np.random.default_rng([o.seed, step]), o.batch))
            opt.zero_grad()
            found.backward()
            torch.nn.utils.clip_grad_norm_(net.learned(), 1.0)
            opt.step()
            errors.append(found.item())
            bar.set_postfix(error=f"{np.mean(errors[-50:]):.3f}")
            bar.update()
            if (step + 1) % EVERY == 0 or step + 1 == o.steps:
                keep(step + 1)
    net.eval()
    return errors


def adapt(pack: Path, clips: Path, output: Path, work: Path, o: Options) -> str:
    """Trains and writes the pack; returns the digest of its manifest.

    Raises ConvertError for what is wrong with pack or clips.
    """
    base = Base(pack)
    if output.resolve().parent != pack.resolve().parent or output.resolve() == pack.resolve():
        raise ConvertError(f"--output {output} must lie beside {pack}, which it extends by its name")
    net, found = network(base, o.seed), load(base, clips, work, WINDOW)
    train(net, found, o, work)
    return export(base, net, found, output, o)


def export(base: Base, net: Adapted, clips: list[Clip], output: Path, o: Options) -> str:
    """Writes a pack of the one stage, which extends the other."""
    neutral, pose = sample.face()
    clock = base.table("clock")
    with torch.no_grad():
        known = dict(zip((t["name"] for t in base.entry("source")[1]["outputs"]), base.stage("source")(sample.photo(base.side()))))  # type: ignore[index]
        features = base.stage("features")(sample.sound(int(clock["window-samples"]), 1.0))[None]  # type: ignore[index]

    def make(_: dict[str, Tensor]) -> Stage:
        given = {
            "landmarks": sample.speaking(neutral),
            "neutral": neutral,
            "pose": sample.turned(pose),
            "source_pose": pose[0],
            "crop_angle": torch.tensor([3.0]),
            "features": features,
            "emotion": torch.eye(8)[1] / 2,
            **{k: known[k] for k in ("source_latents", "kp_canonical", "expression", "head")},
            "state": torch.zeros(1, HIDDEN),
        }
        # A GRU as PyTorch stores it holds more than the plugin loads.
        frozen = torch.jit.freeze(torch.jit.script(net.eval().requires_grad_(False)))
        return Stage(frozen, given, ["latents", "state"], precision="fp32")

    own = base.identity
    name = f"{own['id']}-adapted"
    manifest = {
        "pack": {
            "id": name,
            "version": own["version"],
            "licence": own["licence"],
            "format": 2,
            "extends": base.folder.resolve().name,
        }
    }
    rng = np.random.default_rng([o.seed, 1 << 31])
    with torch.no_grad():
        measured = float(error(net, batch(clips, rng, 32)))
    seconds = sum(len(c.landmarks) for c in clips) / 25
    card = CARD.read_text().format(
        id=name,
        base=f"{own['id']} {own['version']}",
        clips=len(clips),
        seconds=round(seconds),
        steps=o.steps,
        seed=o.seed,
        error=f"{measured:.3f}",
        parameters=f"{sum(p.numel() for p in net.learned()):,}",
    )
    return write(output, [("landmarks2latents", make)], manifest, card)
