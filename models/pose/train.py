# SPDX-License-Identifier: MIT OR Apache-2.0
"""Train the head pose generator. Run: python -m models.pose.train --data DATA --norm NORM --work WORK [--start STAGE] [--smoke]

1. A GRU learns from loudness how fast the head moves (likelihood of the whitened velocities of real talking clips).
2. Two damped oscillators per axis are fitted to the spectra of the clips' head motion (spectrum.py).
3. A gain per axis brings the spread, simulated on the clips' own sound, to that of the clips.
4. Windows of real clips are clustered by how far and how fast each axis moves: the styles.
Writes WORK/pose.pt (checkpoint with all parts; a rerun resumes step 1).

--start models/packs/lite/pose.pt takes all but the oscillators out of a pack's stage, and keeps its spread: step 2 alone.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from models.generator.stage import constants
from models.pose import model as m
from models.pose.clips import motion, offsets, talking
from models.pose.spectrum import fit, pieces, shares, simulate
from models.speech2landmarks.dataset import Clip
from models.speech2landmarks.model import Level


def windows(x: np.ndarray, n: int = 250) -> list[np.ndarray]:
    """Pieces of at most n frames, each without its mean: short and long clips count alike."""
    return [p - p.mean(0) for p in np.array_split(x, max(1, round(len(x) / n)))]


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


def recover(path: Path) -> tuple[m.Drive, dict[str, torch.Tensor]]:
    """Net and tables of a pack's stage, in the order of their use."""
    names = "means rnn.weight_ih_l0 rnn.bias_ih_l0 rnn.weight_hh_l0 rnn.bias_hh_l0 out.weight out.bias styles k c push nod unwhiten gain"
    found = dict(zip(names.split(), constants(path), strict=True))
    drive = m.Drive()
    drive.load_state_dict({k: found.pop(k) for k in drive.state_dict()})
    del found["means"]
    return drive.eval(), found


def spread(net: torch.nn.Module, clips: list[Clip], seeds: int = 3) -> np.ndarray:
    """Median spread of each axis that a stage gives the speech of clips, in windows as long as theirs."""
    found = []
    for i, c in enumerate(clips):
        long = len(c.mel) // 4
        y = simulate(net, c.mel, seeds * long + 50, i)
        found += [p.std(0) for j in range(50, len(y) - long + 1, long) for p in windows(y[j : j + long])]
    return np.median(found, 0)


def start(stage: Path, target: np.ndarray, clips: list[Clip], steps: int) -> dict:
    """A pack's stage with oscillators that have the `target` spectrum, and the spread that it had."""
    drive, tables = recover(stage)
    new = fit(target, tables["unwhiten"].numpy(), m.SMOOTH, steps)
    # a nod is as fast as it was
    tables |= new | dict(nod=tables["nod"] * new["c"][1] / tables["c"][1])
    want, have = spread(torch.jit.load(str(stage)).eval(), clips), spread(m.Pose(Level(), drive, tables).eval(), clips)
    print("spread", want.round(4), "as fitted", have.round(4))
    tables["gain"] = tables["gain"] * torch.from_numpy(want / have).float()
    return dict(drive=drive.state_dict(), tables=tables, want=want)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for n in ("data", "norm", "work"):
        ap.add_argument(f"--{n}", type=Path, required=True)
    ap.add_argument("--steps", type=int, default=400)
    ap.add_argument("--start", type=Path, help="pose.pt of a pack")
    ap.add_argument("--smoke", action="store_true")
    o = ap.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    o.work.mkdir(parents=True, exist_ok=True)
    everybody = [c for c in talking(o.data, o.norm) if c.split == "train"]
    clips = [c for c in everybody if c.kind == "real"]
    if o.smoke:
        clips, o.steps = clips[:6], 10
    end = o.work / ("pose_smoke.pt" if o.smoke else "pose.pt")
    target = shares([p for c in clips for p in pieces(offsets(o.norm, c.name))], True)
    if o.start:
        torch.save(start(o.start, target, clips, 20 if o.smoke else 400), end)
        return
    moves = {c.name: motion(o.norm, c.name)[: len(c.n)] for c in clips}
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
    lev, drive, loud = Level(), m.Drive(), {}
    with torch.no_grad():
        for c in clips:
            rows, _ = lev(torch.from_numpy(c.mel).reshape(1, -1, 4, 80), torch.zeros(1, 2))
            loud[c.name] = m.loudness(rows[0], torch.zeros(2), torch.tensor(m.MEANS))[0]
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
    oscillators = fit(target, unwhiten, m.SMOOTH, 20 if o.smoke else 400)
    # the liveliness has mean about 1 where people talk, by the likelihood; what remains is taken up by the gain
    f = lambda x: torch.as_tensor(np.asarray(x), dtype=torch.float32).contiguous()  # noqa: E731
    tables = dict(oscillators, unwhiten=f(unwhiten), nod=(0.5 * v_sd * oscillators["c"][1]).float(), gain=torch.ones(7))
    tables["styles"] = torch.zeros(len(m.STYLES), 8)
    have = spread(m.Pose(lev, drive.eval(), tables).eval(), clips)
    # a little calmer than the median clip: a picture warped from one photo suffers with every degree. In rotation,
    # where the few real people differ most, generated clips count as much; depth cannot be measured by one camera
    made = [c for c in everybody if c.kind == "gen"]
    made = [p for c in made for p in windows(motion(o.norm, c.name)[: len(c.n)])]
    want, other = (np.quantile([p.std(0) for p in q], 0.4, axis=0) for q in (parts, made))
    want[:3] = np.sqrt(want * other)[:3]
    want[5] *= 0.65
    print("simulated spread", have.round(4), "real", want.round(4), "gain", (want / have).round(2))
    tables["gain"] = f(want / have)
    styles = cluster(np.stack([manner(p) for p in parts + made if len(p) > 60]), m.STYLES, rng)
    for n, v in zip(m.STYLES, styles):
        print(f"{n:8s} spread x", np.exp(v[:7]).round(2), "tempo x", np.exp(v[7]).round(2))
    tables["styles"] = f(np.clip(styles, -0.9, 0.9))
    torch.save(dict(drive=drive.state_dict(), tables=tables, want=want), end)


if __name__ == "__main__":
    main()
