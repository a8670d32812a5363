# SPDX-License-Identifier: MIT OR Apache-2.0
"""Train Speech2Landmarks.

Run: python -m models.speech2landmarks.train --data DATA --norm NORM --tts TTS --work WORK [--steps N] [--smoke]

1. phone classifier on synthetic speech;
2. its posteriors on real talking clips give the mean mouth shape of each viseme;
3. joint training: clips (position, velocity, correlation and spread of the aperture; the target is half the truth,
half what the teacher heard), recordings without video (the teacher alone), synthetic speech with viseme tracks whose
lips close on p, b, m, silence with a calm closed mouth, random emotions added to every target.
Checkpoints (WORK/<name>.pt) hold weights, their running mean, optimiser and step: a run resumes where it stopped.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter1d
from tqdm import tqdm

from models.speech2landmarks.augment import crop
from models.speech2landmarks.checkpoint import load
from models.speech2landmarks.dataset import BROWS, CLASSES, IDS, JAW, LIPS, PAIRS, Clip, prepare, shift, sounds, viseme_track
from models.speech2landmarks.listen import attach, listen
from models.speech2landmarks.mirror import Mirror
from models.speech2landmarks.model import HIDDEN, Level, Net

SUB = sorted(set(LIPS + JAW + BROWS))
# A net that has not heard the rest of a sound answers late, by a fifth of a frame on people whom training has not seen:
# its targets come early by this, in frames.
EARLY = 0.25
GAP_PAIRS = PAIRS[1:8]


def seed(n: int) -> np.random.Generator:
    torch.manual_seed(n)
    return np.random.default_rng(n)


class Heads:
    """Linear read-outs of coefficients: weighted points and the scalar measures whose spread is matched."""

    def __init__(self, t: dict) -> None:
        b = t["basis"].reshape(-1, 478, 3)
        w = np.where(np.isin(SUB, LIPS), 1.5, 0.8)[:, None] * np.array([1, 1, 0.5])
        self.points = torch.from_numpy((b[:, SUB] * w).reshape(len(b), -1).astype(np.float32))
        up, low = [p[0] for p in GAP_PAIRS], [p[1] for p in GAP_PAIRS]
        rows = [
            (b[:, low] - b[:, up])[:, :, 1].mean(1),
            b[:, 291, 0] - b[:, 61, 0],
            b[:, JAW, 1].mean(1),
            b[:, [0, 17, 13, 14], 2].mean(1),
            b[:, BROWS, 1].mean(1),
        ]
        self.measure = torch.from_numpy(np.stack(rows, 1).astype(np.float32))
        self.spread = torch.tensor([1.0, 1.0, 1.0, 0.7, 0.6])  # share of the true spread to aim at
        self.weight = torch.tensor([1.0, 0.4, 0.5, 0.2, 1.5])


def spread(x: torch.Tensor, m: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Masked deviation from the sequence mean and its std: x [B,T,C], m [B,T,1]."""
    n = m.sum(1, keepdim=True).clamp(min=2)
    d = (x - (x * m).sum(1, keepdim=True) / n) * m
    return d, (d.square().sum(1) / n[:, 0] + 1e-8).sqrt()


def clip_loss(
    c: torch.Tensor, y: torch.Tensor, m: torch.Tensor, h: Heads, w: dict, size: torch.Tensor | None = None
) -> torch.Tensor:
    """Loss of coefficients c against y; the spread is that of `size` where y is a smoothed truth."""
    p, q = c @ h.points, y @ h.points
    loss = ((p - q).abs() * m).mean() + 2.0 * (
        ((p[:, 1:] - p[:, :-1]) - (q[:, 1:] - q[:, :-1])).abs() * m[:, 1:]
    ).mean()
    dp, sp = spread(c @ h.measure, m)
    dq, sq = spread(y @ h.measure, m)
    if size is not None:
        sq = spread(size @ h.measure, m)[1]
    ref = sq.mean(0)
    loss = loss + w["spread"] * (((sp - h.spread * sq).abs() / ref) * h.weight).mean()
    r = (dp[..., :3] * dq[..., :3]).sum(1) / ((dp[..., :3].square().sum(1) * dq[..., :3].square().sum(1)).sqrt() + 1e-4)
    return loss + w["corr"] * ((1 - r) * torch.tensor([1.0, 0.4, 0.6])).mean()


class Batches:
    def __init__(
        self,
        t: dict,
        clips: list[Clip],
        tts: list[Clip],
        rng: np.random.Generator,
        amount: float = 1.0,
        alone: list[Clip] | None = None,
        rooms: list[Clip] | None = None,
    ) -> None:
        self.t, self.clips, self.tts, self.r, self.level = t, clips, tts, rng, Level()
        self.alone, self.rooms = alone or [], rooms or []
        self.frames, self.amount, self.delay, self.strangers = 80, amount, 0, 0.0
        n = np.array([len(c.y) * c.extra.get("weight", 1.0) for c in clips], float)
        self.p = n / n.sum()

    def emotion(self) -> np.ndarray:
        e = np.zeros(8, np.float32)
        if self.r.random() < 0.45:
            e[self.r.integers(1, 8)] = self.r.uniform(0.2, 1.0)
            if self.r.random() < 0.2:
                e[self.r.integers(1, 8)] = self.r.uniform(0.1, 0.5)
        return e

    def felt(self, e: np.ndarray, open_: np.ndarray) -> np.ndarray:
        """Emotion's coefficients per frame: its jaw opening yields where the lips must close."""
        return (e @ self.t["emo_shape"])[None] + open_[:, None] * (e @ self.t["emo_jaw"])[None]

    def levelled(self, x: torch.Tensor) -> torch.Tensor:
        """Rows [B,8+4T,80] through the level follower, started fresh or as if it had run for a while."""
        b, m, _ = x.shape
        with torch.no_grad():
            st = torch.zeros(b, 2)
            if self.r.random() < 0.7:
                _, st = self.level(x.reshape(b, m // 4, 4, 80), st)
                st[:, 1] = torch.from_numpy(self.r.uniform(5, 60, b).astype(np.float32))
            y, _ = self.level(x.reshape(b, m // 4, 4, 80), st)
        return y.reshape(b, m, 80)

    def crop(self, c: Clip, tracks: list[np.ndarray], amount: float) -> tuple:
        """A piece of one of the copies of a clip's sound."""
        copies = c.extra["tokens"]
        heard = copies[self.r.integers(len(copies))]
        return crop(c.mel, heard, self.t["hush"], tracks, self.frames, self.r, amount, self.delay)

    def take(self, n_clip: int, n_alone: int, n_tts: int, n_quiet: int) -> dict[str, torch.Tensor]:
        xs, hs, ys, zs, ms, es, ids, ph = [], [], [], [], [], [], [], []
        clips = [self.clips[i] for i in self.r.choice(len(self.clips), n_clip, p=self.p)] if n_clip else []
        clips += [self.alone[self.r.integers(len(self.alone))] for _ in range(n_alone)]
        for c in clips:
            e = self.emotion()
            amount = self.amount * self.r.uniform(0.3, 1.0)
            x, h, (y, z), m = self.crop(c, [c.extra["target"], c.extra["true"]], amount)
            code = c.code
            if "mirror" in c.extra and self.r.random() < 0.5:
                y, z, code = y @ self.t["mirror"], z @ self.t["mirror"], c.extra["mirror"]
            gap = z @ self.t["gap"]
            felt = self.felt(e, np.clip(gap / 0.04, 0.3, 1))
            ys.append(y + felt), zs.append(z + felt)
            own = not self.strangers or self.r.random() < 1 - self.strangers
            ids.append(code + self.r.normal(0, 0.3, IDS) if own else self.r.normal(0, 1, IDS))
            xs.append(x), hs.append(h), ms.append(m), es.append(e)
        for _ in range(n_tts):
            c = self.tts[self.r.integers(len(self.tts))]
            e = self.emotion()
            tracks = [c.y, c.extra["phones"], c.extra["open"]]
            x, h, (y, p, o), m = self.crop(c, tracks, self.amount)
            ys.append(y + self.felt(e, o[:, 0]))
            xs.append(x), hs.append(h), ms.append(m), es.append(e), ph.append(p), ids.append(self.r.normal(0, 1, IDS))
        for _ in range(n_quiet):
            e = self.emotion()
            x, h, _, _ = self.crop(self.rooms[self.r.integers(len(self.rooms))], [], self.amount)
            xs.append(x), hs.append(h)
            ys.append(self.felt(e, np.full(self.frames, 0.6)) + self.t["closed"] * 0.5)
            ms.append(np.ones(self.frames)), es.append(e), ids.append(self.r.normal(0, 1, IDS))
        f = lambda a: torch.from_numpy(np.stack(a).astype(np.float32))  # noqa: E731
        return dict(
            x=self.levelled(f(xs)),
            tokens=f(hs),
            y=f(ys),
            true=f(zs) if zs else None,
            m=f(ms)[..., None],
            e=f(es),
            id=f(ids).clamp(-3, 3),
            ph=f(ph) if ph else None,
        )


def phone_tables(tts: list[Clip]) -> None:
    pbm = CLASSES.index("PBM")
    for c in tts:
        onehot = np.eye(len(CLASSES), dtype=np.float32)[c.phone]
        c.extra["phones"] = onehot.reshape(-1, 4, len(CLASSES)).mean(1)
        shut = gaussian_filter1d((np.isin(c.phone, [pbm, CLASSES.index("FV")])).astype(np.float32), 2.5)
        shut = np.clip(shift(shut, 1) / 0.5, 0, 1)
        sil = gaussian_filter1d((c.phone == 0).astype(np.float32), 4.0)
        c.extra["open"] = ((1 - shut) * (1 - 0.4 * sil)).reshape(-1, 4).mean(1)[:, None].astype(np.float32)


def visemes(net: Net, t: dict, clips: list[Clip]) -> np.ndarray:
    """Mean coefficients of each phone class on real clips: least squares of the targets on the phone posteriors."""
    a, b = np.zeros((17, 17)), 0
    net.eval()
    for c in clips:
        _, y = listen(net, c, np.zeros(IDS))
        p = F.softmax(net.phone(y)[0], -1).detach().numpy().astype(np.float64)
        a, b = a + p.T @ p, b + p.T @ (shift(c.y, c.lag) / c.scale)
    v = np.linalg.solve(a + 30 * np.eye(17), b).astype(np.float32)
    print("viseme gaps:", " ".join(f"{k}:{g:.3f}" for k, g in zip(CLASSES, v @ t["gap"])), flush=True)
    v = v * 1.25
    v[CLASSES.index("PBM")], v[0] = t["closed"], 0.3 * t["closed"]
    fv = CLASSES.index("FV")
    v[fv] *= min(1.0, 0.02 / max(1e-3, float(v[fv] @ t["gap"])))
    return v


def run(
    net: Net,
    batches: Batches,
    h: Heads,
    steps: int,
    path: Path,
    mix: tuple[int, int, int, int],
    w: dict,
    lr: float,
    budget: float = 1e9,
) -> Net:
    """Train with checkpoints; returns the net with the running mean of its weights."""
    opt = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0.01)
    mean = {k: v.clone() for k, v in net.state_dict().items()}
    first, t0, acc = 0, time.time(), {}
    if path.exists():
        z = load(path)
        net.load_state_dict(z["net"]), opt.load_state_dict(z["opt"])
        mean, first = z["mean"], z["step"]
    net.train()
    for it in tqdm(range(first, steps), desc=path.stem, mininterval=20):
        for g in opt.param_groups:
            g["lr"] = lr * min(1, (it + 1) / 30) * 0.5 * (1 + np.cos(np.pi * it / steps)) + 1e-5
        d = batches.take(*mix)
        c, y, _ = net(d["x"], d["tokens"], d["id"], d["e"], torch.zeros(1, len(d["x"]), HIDDEN))
        k, a = mix[0], mix[0] + mix[1]
        b = a + mix[2]
        part = {}
        if mix[0]:
            part["clip"] = clip_loss(c[:k], d["y"][:k], d["m"][:k], h, w, d["true"][:k])
        if mix[1]:
            part["alone"] = w["alone"] * clip_loss(c[k:a], d["y"][k:a], d["m"][k:a], h, w)
        if mix[2]:
            lp = F.log_softmax(net.phone(y[a:b]), -1)
            part["phone"] = w["phone"] * -((d["ph"] * lp).sum(-1, keepdim=True) * d["m"][a:b]).mean()
            if w["tts"]:
                part["tts"] = w["tts"] * clip_loss(c[a:b], d["y"][a:b], d["m"][a:b], h, w)
        if mix[3]:
            p, q = c[b:] @ h.points, d["y"][b:] @ h.points
            part["quiet"] = w["quiet"] * ((p - q).abs().mean() + 4 * (p[:, 1:] - p[:, :-1]).abs().mean())
        loss = sum(part.values())
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        decay = min(0.995, it / (it + 20))
        for n, v in net.state_dict().items():
            mean[n].lerp_(v, 1 - decay)
        for n, v in part.items():
            acc[n] = 0.98 * acc.get(n, v.item()) + 0.02 * v.item()
        stop = time.time() - t0 > budget
        if it % 200 == 199 or it + 1 == steps or stop:
            print(it + 1, {n: round(v, 4) for n, v in acc.items()}, f"{time.time() - t0:.0f} s", flush=True)
            torch.save(
                dict(net=net.state_dict(), mean=mean, opt=opt.state_dict(), step=it + 1), path.with_suffix(".part")
            )
            path.with_suffix(".part").rename(path)
        if stop:
            break
    net.load_state_dict(mean)
    return net.eval()


def feel(net: Net, t: dict) -> None:
    """Start from the emotions' own displacement; training adapts it to speech."""
    with torch.no_grad():
        net.emo.weight.copy_(torch.from_numpy((t["emo_shape"] + 0.6 * t["emo_jaw"])[1:].T))


def targets(
    t: dict, clips: list[Clip], heard: dict[str, np.ndarray], share: float, early: float = EARLY
) -> list[Clip]:
    """Set `true` and `target` of the clips; returns the recordings without video as clips.

    A teacher's mean is calmer than people are: its recordings are brought to the spread of the clips.
    """
    ratio = []
    for c in clips:
        c.extra["true"] = c.extra["target"] = true = shift(c.y, c.lag + early) / c.scale
        if c.name in heard:
            soft = shift(heard[c.name][: len(true)], early)
            soft = np.concatenate([soft, np.repeat(soft[-1:], len(true) - len(soft), 0)])
            ratio.append((true @ t["gap"]).std() / ((soft @ t["gap"]).std() + 1e-6))
            c.extra["target"] = share * soft + (1 - share) * true
    gain = float(np.median(ratio)) if ratio else 1.0
    known = {c.name for c in t["clips"]}
    alone = []
    for k, y in heard.items():
        if k not in known:
            y = (shift(y, early) * gain).astype(np.float32)
            c = Clip(k, t["sounds"][k], y, kind="audio", code=np.zeros(IDS, np.float32))
            n = min(len(c.mel) // 4, len(y))
            c.mel, c.y = c.mel[: 4 * n], y[:n]
            c.extra["true"] = c.extra["target"] = c.y
            alone.append(c)
    return alone


def weights(work: Path, names: list[str]) -> dict[str, torch.Tensor]:
    """Mean of the running means of checkpoints that come from one start: nearly what the mean of their outputs gives,
    at the price of one net.
    """
    several = [load(work / f"{k}.pt")["mean"] for k in names]
    return {k: torch.stack([z[k] for z in several]).mean(0) for k in several[0]}


def tables(o: argparse.Namespace) -> tuple[dict, list[Clip], list[Clip], Heads]:
    t = prepare(o.data, o.norm, o.tts, o.work)
    h = Heads(t)
    t["gap"] = h.measure[:, 0].numpy()
    press = np.zeros((478, 3), np.float32)
    for up, low in PAIRS:
        press[up, 1], press[low, 1] = 0.012, -0.012
    t["closed"] = press.reshape(-1) @ t["proj"]
    t["closed"] *= -0.015 / float(t["closed"] @ t["gap"])
    tts = [c for c in t["tts"] if c.split == "train"]
    phone_tables(tts)
    clips = [c for c in t["clips"] if c.split == "train" and c.name not in o.drop and c.scale > 0.4]
    mirror, basis = Mirror(t["mean_face"]), t["basis"].reshape(-1, 478, 3)
    t["mirror"] = mirror.motion(basis).reshape(len(basis), -1) @ t["proj"]
    for c in clips:
        c.extra["mirror"] = np.clip(t["ids"] @ (mirror.face(c.neutral).reshape(-1) - t["mean"]), -3, 3)
    return t, clips, tts, h


def options() -> argparse.ArgumentParser:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for k in ("data", "norm", "tts", "work"):
        a.add_argument(f"--{k}", type=Path, required=True)
    a.add_argument("--steps", type=int, default=2000)
    a.add_argument("--phone-steps", type=int, default=350)
    a.add_argument("--name", default="s2l")
    a.add_argument("--seed", type=int, default=0)
    a.add_argument("--lr", type=float, default=2e-3)
    a.add_argument("--augment", type=float, default=1.0, help="strength of the sound augmentation")
    a.add_argument("--drop", nargs="*", default=["o024"], help="clips whose sound does not match")
    a.add_argument("--lags", type=Path, help="json of per-clip lag in frames and weight (from sync.py)")
    a.add_argument("--heard", type=Path, help="the teachers' coefficients (from teacher.py)")
    a.add_argument("--share", type=float, default=0.5, help="share of the teacher in the clips' targets")
    a.add_argument("--strangers", type=float, default=0.0, help="share of clips that get a face of nobody")
    a.add_argument("--delay", type=int, default=0, help="10 ms rows of look-ahead to give up: 8 leaves 80 ms")
    a.add_argument("--early", type=float, default=EARLY, help="frames by which the targets come early")
    a.add_argument("--start", nargs="+", help="checkpoints from the mean of whose weights to start")
    for k, v in dict(spread=0.05, corr=0.03, tts=0.7, phone=0.02, quiet=1.0, alone=0.7).items():
        a.add_argument(f"--w-{k}", type=float, default=v)
    a.add_argument("--smoke", action="store_true", help="a minute's run on a few clips")
    return a


def main() -> None:
    o = options().parse_args()
    torch.set_num_threads(1)
    rng = seed(o.seed)
    t, clips, tts, h = tables(o)
    if o.lags:
        for k, v in json.loads(o.lags.read_text()).items():
            for c in clips:
                if c.name == k:
                    c.lag, c.extra["weight"] = v["lag"], v["weight"]
        clips = [c for c in clips if c.extra.get("weight", 1) > 0]
    heard = dict(np.load(o.heard)) if o.heard else {}
    if heard:
        t["sounds"] = sounds(o.data, o.work, set(heard) - {c.name for c in t["clips"]})
    alone = targets(t, clips, heard, o.share, o.early)
    rooms = attach(t, clips + tts + alone, o.work)
    if o.smoke:
        clips, tts, alone, o.steps, o.phone_steps, o.name = clips[:4], tts[:8], alone[:4], 20, 10, "smoke"
        for f in o.work.glob("smoke*.pt"):
            f.unlink()
    w = dict(spread=o.w_spread, corr=o.w_corr, tts=o.w_tts, phone=o.w_phone, quiet=o.w_quiet, alone=o.w_alone)
    net = Net(t["basis"].shape[0], IDS)
    print(
        len(clips),
        "clips",
        round(sum(len(c.y) for c in clips) / 1500, 1),
        "min;",
        len(tts),
        "sentences;",
        sum(p.numel() for p in net.parameters()),
        "parameters",
        flush=True,
    )
    b = Batches(t, clips, tts, rng, o.augment, alone, rooms)
    phone = o.work / ("phone_smoke.pt" if o.smoke else "phone.pt")
    net = run(net, b, h, o.phone_steps, phone, (0, 0, 24, 0), dict(w, tts=0.0, phone=1.0), 2e-3)
    v = visemes(net, t, clips)
    b.delay, b.strangers = o.delay, o.strangers
    for c in tts:
        c.y = viseme_track(c.phone, v)
    if o.start:
        net.load_state_dict(weights(o.work, o.start))
    feel(net, t)
    run(net, b, h, o.steps, o.work / f"{o.name}.pt", (15, 6, 8, 3) if alone else (20, 0, 9, 3), w, o.lr)


if __name__ == "__main__":
    main()
