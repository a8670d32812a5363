# SPDX-License-Identifier: MIT OR Apache-2.0
"""Train the teachers of Speech2Landmarks and write what they hear.

Run: python -m models.speech2landmarks.teacher --data DATA --norm NORM --tts TTS --work WORK --blocks BLOCKS --lags WORK/lags.json [--smoke]
     and once more with --lags WORK/heard.json --name again

A teacher may do what a stream cannot: it hears the whole sentence (a recurrent net in both directions) and a speech
recogniser's view of it (the encoder of Whisper tiny). Each of FOLDS teachers trains on the clips of all identities
but one part; every training clip is then described by the teacher that has not seen its person, and recordings
without video by the mean of all. Writes WORK/heard.npz (name -> coefficients [n,K] at the size of `Clip.y / scale`)
and WORK/<name>-<fold>.pt; a rerun resumes. What the teachers hear tells the lag of a clip to a part of a frame
(heard.json), and teachers that train on those lags hear a little more.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from models.speech2landmarks.augment import distort, interp
from models.speech2landmarks.checkpoint import load
from models.speech2landmarks.dataset import Clip, logmel, shift, wave
from models.speech2landmarks.sync import best, between, corr
from models.speech2landmarks.train import clip_loss, options, seed, tables

FOLDS, FRAMES, BATCH, WIDE = 4, 100, 20, 384
RATE = 16000


class Teacher(nn.Module):
    """Log-mel rows [B,4T,80] and encoder frames [B,2T,384] -> coefficients [B,T,K]."""

    def __init__(self, coefs: int, hidden: int = 128) -> None:
        super().__init__()
        self.c1 = nn.Conv1d(80, 96, 6, 2, 2)
        self.c2 = nn.Conv1d(96, 128, 6, 2, 2)
        self.heard = nn.Conv1d(WIDE, 128, 4, 2, 1)
        self.rnn = nn.GRU(256, hidden, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, coefs)
        self.drop = nn.Dropout(0.3)

    def forward(self, rows: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.c2(F.relu(self.c1(((rows + 6) / 3).transpose(1, 2)))))
        y = F.relu(self.heard(self.drop(heard).transpose(1, 2)))
        z, _ = self.rnn(self.drop(torch.cat([x, y], 1).transpose(1, 2)))
        return self.out(self.drop(z))


def encode(net: torch.jit.ScriptModule, w: np.ndarray, n: int) -> np.ndarray:
    """Encoder frames [2n,384] of a recording, in pieces of 20 s with 2 s of context on both sides."""
    out, x = [], np.pad(w, (2 * RATE, 24 * RATE))
    for a in range(0, n * 640, 20 * RATE):
        with torch.no_grad():
            y = net(torch.from_numpy(x[a : a + 24 * RATE].copy()))[0]
        out.append(y[100:1100].numpy())
    return np.concatenate(out)[: 2 * n].astype(np.float16)


def listen(o: argparse.Namespace, clips: list[Clip]) -> list[Clip]:
    """Add `extra["heard"]` and centred rows to the clips; returns the recordings without video as clips."""
    cache = o.work / "encoder.npz"
    known = dict(np.load(cache)) if cache.exists() else {}
    net = torch.jit.load(str(o.blocks / "whisper_tiny_en_encoder.pt")).eval()
    alone = [r for r in csv.DictReader(open(o.data / "manifest.tsv"), delimiter="\t") if r["kind"] == "audio"]
    sound = {c.name: o.data / "clips" / f"{c.name}.flac" for c in clips}
    more = []
    for r in alone[:3] if o.smoke else alone:
        if r["split"] == "train":
            sound[r["id"]] = o.data / r["file"]
    for k, f in tqdm(sound.items(), desc="encoder", mininterval=20):
        if f"e_{k}" not in known:
            w = wave(f)
            m = logmel(w, 0)
            known[f"e_{k}"], known[f"m_{k}"] = encode(net, w, len(m)), m.reshape(-1, 80).astype(np.float16)
    np.savez(cache, **known)
    by = {c.name: c for c in clips}
    for k in sound:
        c = by.get(k)
        if c is None:
            c = Clip(k, logmel(wave(sound[k])).reshape(-1, 80), np.zeros(0), kind="audio")
            more.append(c)
        c.extra["heard"], c.extra["rows"] = known[f"e_{k}"].astype(np.float32), known[f"m_{k}"].astype(np.float32)
    return more


def batch(clips: list[Clip], p: np.ndarray, r: np.random.Generator) -> list[torch.Tensor]:
    xs, hs, ys, ms = [], [], [], []
    for i in r.choice(len(clips), BATCH, p=p):
        c = clips[i]
        n, speed = len(c.y), 1 + r.uniform(-0.1, 0.1)
        pos = int(r.integers(0, max(1, n - int(FRAMES * speed)))) + np.arange(FRAMES) * speed
        fine = lambda k: (np.repeat(pos, k) + np.tile((np.arange(k) + 0.5) / k, FRAMES)) * k - 0.5  # noqa: E731
        xs.append(distort(interp(c.extra["rows"], fine(4)), r, 0.5))
        hs.append(interp(c.extra["heard"], fine(2)))
        ys.append(interp(shift(c.y, c.lag) / c.scale, pos))
        ms.append((pos <= n - 1)[:, None])
    return [torch.from_numpy(np.stack(a).astype(np.float32)) for a in (xs, hs, ys, ms)]


def fit(o: argparse.Namespace, k: int, clips: list[Clip], h, coefs: int, norm: tuple) -> Teacher:
    """Teacher k, resumed from its checkpoint; the running mean of the weights."""
    rng = seed(100 + k)
    net, path, first = Teacher(coefs), o.work / f"{o.name}-{k}.pt", 0
    opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    mean = {n: v.clone() for n, v in net.state_dict().items()}
    if path.exists():
        z = load(path)
        net.load_state_dict(z["net"]), opt.load_state_dict(z["opt"])
        mean, first = z["mean"], z["step"]
    n = np.array([len(c.y) * c.extra.get("weight", 1.0) for c in clips], float)
    steps = 10 if o.smoke else o.teacher_steps
    net.train()
    for it in tqdm(range(first, steps), desc=path.stem, mininterval=20):
        for g in opt.param_groups:
            g["lr"] = 2e-3 * min(1, (it + 1) / 30) * 0.5 * (1 + np.cos(np.pi * it / steps)) + 1e-5
        x, e, y, m = batch(clips, n / n.sum(), rng)
        loss = clip_loss(net(x, (e - norm[0]) / norm[1]), y, m, h, dict(spread=0.02, corr=0.03))
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        decay = min(0.99, it / (it + 20))
        for q, v in net.state_dict().items():
            mean[q].lerp_(v, 1 - decay)
        if it % 100 == 99 or it + 1 == steps:
            print(k, it + 1, round(loss.item(), 4), flush=True)
            torch.save(
                dict(net=net.state_dict(), mean=mean, opt=opt.state_dict(), step=it + 1), path.with_suffix(".part")
            )
            path.with_suffix(".part").rename(path)
    net.load_state_dict(mean)
    return net.eval()


def main() -> None:
    a = options()
    a.add_argument("--blocks", type=Path, required=True)
    a.add_argument("--teacher-steps", type=int, default=500)
    a.set_defaults(name="teacher")
    o = a.parse_args()
    torch.set_num_threads(1)
    t, clips, _, h = tables(o)
    lags = json.loads(o.lags.read_text())
    for c in clips:
        if c.name in lags:
            c.lag, c.extra["weight"] = lags[c.name]["lag"], lags[c.name]["weight"]
    dev = [c for c in t["clips"] if c.split == "dev" and c.speech == "yes"]
    if o.smoke:
        clips, dev = clips[:6], dev[:1]
        o.work = o.work / "smoke-teacher"
        o.work.mkdir(exist_ok=True)
    alone = listen(o, clips + dev)
    every = np.concatenate([c.extra["heard"][::10] for c in clips])
    norm = (torch.from_numpy(every.mean(0)), torch.from_numpy(every.std(0) + 1e-3))
    names = sorted({c.ident for c in clips})
    part = {n: i % FOLDS for i, n in enumerate(names)}
    heard: dict[str, np.ndarray] = {}
    for k in range(FOLDS):
        net = fit(
            o, k, [c for c in clips if part[c.ident] != k and c.extra.get("weight", 1) > 0], h, len(t["basis"]), norm
        )
        for c in clips + dev + alone:
            if c in alone or c in dev or part[c.ident] == k:
                n = len(c.extra["heard"]) // 2
                e = (torch.from_numpy(c.extra["heard"]) - norm[0]) / norm[1]
                with torch.no_grad():
                    y = net(torch.from_numpy(c.extra["rows"][: 4 * n])[None], e[None])[0].numpy()
                whole = c in alone or c in dev
                heard[c.name] = heard.get(c.name, 0) + (y / FOLDS if whole else y)
        np.savez(o.work / "heard.part.npz", **heard)
    (o.work / "heard.part.npz").rename(o.work / "heard.npz")
    better = {}
    for c in clips + dev:
        p, g = heard[c.name][: len(c.y)] @ t["gap"], (c.y / c.scale) @ t["gap"]
        (r, lag), r0 = best(p, g), corr(p, shift(g, c.lag))
        print(
            f"{c.name} {c.split} {c.kind} used {c.lag:+.2f} r {r0:.3f}  best {lag:+d} r {r:.3f}  "
            f"spread {p.std() / g.std():.2f}"
        )
        if c.split == "train":
            use, r = (between(p, g, lag), max(r0, r)) if r > 0.4 else (c.lag, max(r0, 0.0))
            weight = 0.0 if r < 0.3 else 1.0 if c.kind == "real" else 0.8
            better[c.name] = dict(lag=round(use, 2), weight=weight, r=round(r, 3))
    (o.work / "heard.json").write_text(json.dumps(better, indent=1))


if __name__ == "__main__":
    main()
