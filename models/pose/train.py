# SPDX-License-Identifier: MIT OR Apache-2.0
"""Train the head pose generator. Run: python -m models.pose.train --data DATA --norm NORM --tts TTS --work WORK [--smoke]

1. A GRU learns from loudness how fast the head moves (likelihood of the whitened velocities of real talking clips).
2. Two damped oscillators per axis are fitted to the autocovariance of the clips' head motion.
3. A gain per axis brings the spread, simulated on the clips' own sound, to that of the clips.
4. Windows of real clips are clustered by how far and how fast each axis moves: the styles.
Writes WORK/pose.pt (checkpoint with all parts; a rerun resumes step 1).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter1d
from tqdm import tqdm

from models.pose.model import SMOOTH
from models.speech2landmarks.dataset import prepare
from models.speech2landmarks.model import Level

LAGS = [0, 1, 2, 3, 5, 8, 12, 18, 25, 37, 50, 75, 100]


def level() -> torch.nn.Module:
    return Level()


def motion(norm: Path, name: str) -> np.ndarray:
    """Offset from the clip mean [T,7]: degrees, inter-ocular units, log scale; tracking noise smoothed away."""
    z = np.load(norm / f"{name}.npz")["pose"].astype(np.float64)
    s = z[:, 6].mean()
    z = np.concatenate([z[:, :3], z[:, 3:6] / s, np.log(z[:, 6:7] / s)], 1)
    return gaussian_filter1d(z - z.mean(0), 1.5, axis=0)


def windows(x: np.ndarray, n: int = 250) -> list[np.ndarray]:
    """Pieces of at most n frames, each without its mean: short and long clips count alike."""
    return [p - p.mean(0) for p in np.array_split(x, max(1, round(len(x) / n)))]


def autocov(parts: list[np.ndarray]) -> np.ndarray:
    """[lags, axes]"""
    out = []
    for lag in LAGS:
        num = sum((p[: len(p) - lag] * p[lag:]).sum(0) for p in parts if len(p) > lag + 10)
        out.append(num / sum(len(p) - lag for p in parts if len(p) > lag + 10))
    return np.array(out)


def manner(p: np.ndarray) -> np.ndarray:
    """How a window [n,7] moves: log spread of the axes and log tempo (speed of the rotation over its spread)."""
    sd = p.std(0) + 1e-4
    return np.concatenate([np.log(sd), [np.log((np.diff(p[:, :3], axis=0).std(0) / sd[:3]).mean() + 1e-4)]])


def cluster(x: np.ndarray, names: list[str], rng: np.random.Generator) -> np.ndarray:
    """k-means of manners [n,8] -> offset of each style's manner from the mean one [k,8], in the order of `names`.

    calm moves least and lively most; of the others, nodding has the larger share of pitch.
    """
    z = (x - x.mean(0)) / x.std(0)
    f = np.concatenate([z[:, :3], 2.0 * (z[:, 1:2] - z[:, :1]), 0.5 * z[:, 7:]], 1)  # what an onlooker sees
    best = (np.inf, np.zeros(len(f), int))
    for _ in range(50):
        c = f[rng.choice(len(f), len(names), replace=False)]
        for _ in range(60):
            own = ((f[:, None] - c[None]) ** 2).sum(2).argmin(1)
            c = np.stack([f[own == i].mean(0) if (own == i).any() else c[i] for i in range(len(c))])
        cost = ((f - c[own]) ** 2).sum()
        if np.bincount(own, minlength=len(names)).min() >= 4 and cost < best[0]:
            best = (cost, own)
    way = np.stack([x[best[1] == i].mean(0) - x.mean(0) for i in range(len(names))])
    size, nod = way[:, :3].mean(1), way[:, 1] - way[:, 0]
    order = {"calm": int(size.argmin()), "lively": int(size.argmax())}
    rest = sorted((i for i in range(len(names)) if i not in order.values()), key=lambda i: nod[i])
    order["turning"], order["nodding"] = rest
    print("windows a style", {n: int((best[1] == order[n]).sum()) for n in names})
    return way[[order[n] for n in names]]


def impulse(k: torch.Tensor, c: torch.Tensor, n: int = 700) -> torch.Tensor:
    """Response of the oscillators to a unit push [n,2,7]."""
    smooth = SMOOTH
    v, z, out = torch.zeros_like(k), torch.zeros_like(k), []
    for i in range(n):
        v = v * (1 - c) - k * z + smooth * (1 - smooth) ** i
        z = z + v
        out.append(z)
    return torch.stack(out)


def fit_oscillators(target: np.ndarray, steps: int = 500) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    a = torch.tensor([[-5.5] * 7, [-3.2] * 7], requires_grad=True)  # log k
    b = torch.tensor([[-1.8] * 7, [-1.2] * 7], requires_grad=True)  # logit-like damping
    g = torch.tensor([[-3.5] * 7, [-2.5] * 7], requires_grad=True)  # log push
    y = torch.from_numpy(target.astype(np.float32))
    opt = torch.optim.Adam([a, b, g], lr=0.03)
    for it in tqdm(range(steps), desc="oscillators", mininterval=20):
        k, c, push = a.exp().clamp(5e-4, 0.15), 0.9 * torch.sigmoid(b) + 0.02, g.exp()
        h = impulse(k, c, 500) * push
        model = torch.stack([(h[: 500 - n] * h[n:]).sum((0, 1)) for n in LAGS])
        # two banks move independently: cross terms vanish, so the sum over banks is right; velocity = small-lag
        # differences
        vel = 2 * (model[0] - model[1:4])
        vy = 2 * (y[0] - y[1:4])
        loss = (((model - y) / y[0]) ** 2).mean() + 0.3 * (((vel + 1e-5).log() - (vy + 1e-5).log()) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("oscillator fit", loss.item())
    return k.detach(), c.detach(), push.detach()


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for n in ("data", "norm", "tts", "work"):
        ap.add_argument(f"--{n}", type=Path, required=True)
    ap.add_argument("--steps", type=int, default=400)
    ap.add_argument("--smoke", action="store_true")
    o = ap.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    t = prepare(o.data, o.norm, o.tts, o.work)
    clips = [c for c in t["clips"] if c.split == "train" and c.kind == "real" and len(c.y) > 70]
    if o.smoke:
        clips, o.steps = clips[:6], 10
    from models.pose import model as m
    moves = {c.name: motion(o.norm, c.name)[: len(c.y)] for c in clips}
    parts = [p for x in moves.values() for p in windows(x)]
    # a few very lively clips must not set the spread for everyone
    limit = np.quantile([p.std(0) for p in parts], 0.9, axis=0)
    parts = [p * np.minimum(1, limit / (p.std(0) + 1e-9)) for p in parts]
    al = np.concatenate(parts)
    sd = al.std(0)
    val, vec = np.linalg.eigh(np.corrcoef(al.T))
    whiten = (vec / np.sqrt(val)) / sd[:, None]
    unwhiten = (vec * np.sqrt(val)).T * sd
    print("head spread", dict(zip("yaw pitch roll tx ty tz scale".split(), sd.round(4))))
    lev, drive, loud = level(), m.Drive(), {}
    with torch.no_grad():
        for c in clips:
            rows, _ = lev(torch.from_numpy(c.mel).reshape(1, -1, 4, 80), torch.zeros(1, 2))
            loud[c.name] = m.loudness(rows[0], torch.zeros(2))[0]
    vels = {
        k: torch.from_numpy((np.diff(x, axis=0, prepend=x[:1]) @ whiten).astype(np.float32)) for k, x in moves.items()
    }
    v_sd = torch.cat(list(vels.values())).std(0)
    opt = torch.optim.Adam(drive.parameters(), lr=3e-3)
    ck, first = o.work / ("pose_smoke.pt" if o.smoke else "pose_drive.pt"), 0
    if ck.exists() and not o.smoke:
        z = torch.load(ck)
        drive.load_state_dict(z["net"]), opt.load_state_dict(z["opt"])
        first = z["step"]
    for it in tqdm(range(first, o.steps), desc="drive", mininterval=20):
        xs, ys = [], []
        for c in rng.choice(len(clips), 16):
            k = clips[c].name
            s = int(rng.integers(0, max(1, len(loud[k]) - 75)))
            x, y = loud[k][s : s + 75], vels[k][s : s + 75] / vels[k].std(0)
            xs.append(F.pad(x, (0, 0, 75 - len(x), 0))), ys.append(F.pad(y, (0, 0, 75 - len(y), 0)))
        a, b, _ = drive(torch.stack(xs), torch.zeros(1, 16, m.HIDDEN))
        nll = (a + 0.5 * ((torch.stack(ys) - b) / a.exp()) ** 2)[:, 10:].clamp(max=8).mean()
        opt.zero_grad()
        nll.backward()
        opt.step()
        if it % 100 == 99:
            print(it + 1, nll.item(), flush=True)
            torch.save(dict(net=drive.state_dict(), opt=opt.state_dict(), step=it + 1), ck)
    target = autocov([p @ whiten for p in parts])
    k, c, push = fit_oscillators(target, 20 if o.smoke else 400)
    # the liveliness has mean about 1 where people talk, by the likelihood; what remains is taken up by the gain
    f = lambda x: torch.as_tensor(np.asarray(x), dtype=torch.float32).contiguous()  # noqa: E731
    tables = dict(k=k, c=c, push=push, unwhiten=f(unwhiten), nod=(0.5 * v_sd * c[1]).float(), gain=torch.ones(7))
    tables["styles"] = torch.zeros(len(m.STYLES), 8)
    net = m.Pose(lev, drive.eval(), tables).eval()
    spreads = []
    with torch.no_grad():
        for c_ in clips:
            x = torch.from_numpy(c_.mel).reshape(-1, 4, 80)
            long = len(x)
            x = torch.cat([x] * (2 + 1000 // long))[: 3 * long + 50]
            y, _ = net(
                x, torch.tensor([0, 0, 0, 0, 0, 0, 1.0]), torch.zeros(4), torch.randn(len(x), 8), torch.zeros(m.STATE)
            )
            y = y.numpy().astype(np.float64)
            y[:, 6] = np.log(y[:, 6])
            spreads += [p.std(0) for j in range(50, len(y) - long + 1, long) for p in windows(y[j : j + long])]
    have = np.median(spreads, 0)
    # a little calmer than the median clip: a picture warped from one photo suffers with every degree. In rotation,
    # where the few real people differ most, generated clips count as much; depth cannot be measured by one camera
    made = [c for c in t["clips"] if c.split == "train" and c.kind == "gen" and len(c.y) > 70]
    made = [p for c in made for p in windows(motion(o.norm, c.name)[: len(c.y)])]
    want, other = (np.quantile([p.std(0) for p in q], 0.4, axis=0) for q in (parts, made))
    want[:3] = np.sqrt(want * other)[:3]
    want[5] *= 0.65
    print("simulated spread", have.round(4), "real", want.round(4), "gain", (want / have).round(2))
    tables["gain"] = f(want / have)
    styles = cluster(np.stack([manner(p) for p in parts + made if len(p) > 60]), m.STYLES, rng)
    for n, v in zip(m.STYLES, styles):
        print(f"{n:8s} spread x", np.exp(v[:7]).round(2), "tempo x", np.exp(v[7]).round(2))
    tables["styles"] = f(np.clip(styles, -0.9, 0.9))
    torch.save(
        dict(drive=drive.state_dict(), tables=tables, want=want), o.work / ("pose_smoke.pt" if o.smoke else "pose.pt")
    )


if __name__ == "__main__":
    main()
