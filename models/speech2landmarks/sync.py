# SPDX-License-Identifier: MIT OR Apache-2.0
"""Out-of-fold sync check of the training clips.

Run: python -m models.speech2landmarks.sync (the options of train.py) -> WORK/lags.json

Two nets, each trained on half of the identities, predict the other half. A clip's lag is the mean of the manifest's
and the predicted one where both exist; clips that nothing can predict get weight 0 and are left out of training.
"""

import json

import numpy as np
import torch

from models.speech2landmarks.dataset import IDS, shift, viseme_track
from models.speech2landmarks.listen import attach, listen
from models.speech2landmarks.model import Net
from models.speech2landmarks.train import Batches, options, run, seed, tables, targets, visemes


def corr(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum() + 1e-12))


def best(p: np.ndarray, g: np.ndarray, span: int = 5) -> tuple[float, int]:
    n = len(g)
    return max((corr(p[max(0, -k) : n - max(0, k)], g[max(0, k) : n - max(0, -k)]), k) for k in range(-span, span + 1))


def between(p: np.ndarray, g: np.ndarray, lag: int) -> float:
    """The lag of the summit near the best whole one: a clip's sound starts anywhere within a frame."""
    a, b, c = (corr(p, shift(g, lag + k)) for k in (-1, 0, 1))
    return lag + 0.5 * (a - c) / (a - 2 * b + c) if b > max(a, c) else lag


def main() -> None:
    o = options().parse_args()
    torch.set_num_threads(1)
    t, clips, tts, h = tables(o)
    targets(t, clips, {}, 0.0, early=0.0)
    rng = seed(o.seed)
    names = sorted({c.ident for c in clips})
    fold = {n: i % 2 for i, n in enumerate(names)}
    w = dict(spread=o.w_spread, corr=o.w_corr, tts=o.w_tts, phone=o.w_phone, quiet=o.w_quiet, alone=o.w_alone)
    rooms, out = attach(t, clips + tts, o.work), {}
    for k in (0, 1):
        mine = [c for c in clips if fold[c.ident] != k]
        net = Net(t["basis"].shape[0], IDS)
        net = run(
            net,
            Batches(t, mine, tts, rng, rooms=rooms),
            h,
            o.phone_steps,
            o.work / "phone.pt",
            (0, 0, 24, 0),
            dict(w, tts=0.0, phone=1.0),
            2e-3,
        )
        v = visemes(net, t, mine)
        for c in tts:
            c.y = viseme_track(c.phone, v)
        net = run(net, Batches(t, mine, tts, rng, rooms=rooms), h, o.steps, o.work / f"fold{k}.pt", (20, 0, 8, 2), w, o.lr)
        for c in clips:
            if fold[c.ident] != k:
                continue
            y = listen(net, c, c.code)[0][0].numpy()
            p, g = y @ t["gap"], c.y @ t["gap"]
            (r, lag), r0 = best(p, g), corr(p, shift(g, c.lag))
            known = c.score >= 0.25
            if known and abs(lag - c.lag) <= 2:
                use = int(np.sign(lag + c.lag) * (abs(lag + c.lag) // 2))
            elif r > 0.35 and abs(lag) <= 4 and r - corr(p, g) > 0.03:
                use = lag
            else:
                use = c.lag
            least = 0.2 if c.speech == "yes" else 0.3
            out[c.name] = dict(
                lag=use,
                weight=0.0 if r < least else 1.0 if c.kind == "real" else 0.8,
                r=round(r, 3),
                measured=lag,
                manifest=c.lag,
                r0=round(r0, 3),
                kind=c.kind,
            )
    (o.work / "lags.json").write_text(json.dumps(out, indent=1))
    for n, z in sorted(out.items(), key=lambda q: q[1]["r"]):
        print(n, z)


if __name__ == "__main__":
    main()
