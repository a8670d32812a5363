# SPDX-License-Identifier: MIT OR Apache-2.0
"""Teach the nets of a pack that where no voice is the mouth shuts, and nothing else.

Run: python -m models.speech2landmarks.settle --data DATA --tts TTS --pack models/packs/lite --work WORK [--steps N] [--net NAME]
     -> WORK/settled.pt (settled-low.pt, settled-minimal.pt)
     python -m models.speech2landmarks.settle … --build BUILD [--steps 0: as it ships] -> the stage in BUILD, for models/replace.py

The net learns from itself: what it says of speech (as it ships) stays its target, cut off or not, with music behind it or not, a
part of a frame early (a net that has not heard the rest of a sound answers late: `EARLY`). Where speech is cut into what the stage itself takes for silence, the target shuts when the stage does (`Pause` in model.py), so that pauses
within speech stay as they are; cut into louder rooms or other sounds it shuts within 0.4 s, to what the net says of silence at the
start, and so it does for music and noise. The places of the cuts are chance; the frames whose windows see both sides of a cut
are heard anew, the others are shared. Features are cached in WORK/settle.pt, training resumes from its checkpoint.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tqdm import tqdm

from models.features import model as features
from models.speech2landmarks.checkpoint import load
from models.speech2landmarks.cuts import SPEECH, Listener
from models.speech2landmarks.dataset import wave
from models.speech2landmarks.export import leave
from models.speech2landmarks.model import AHEAD, HIDDEN, Level, Net
from models.speech2landmarks.noises import coloured, noise
from models.speech2landmarks.recover import stage
from models.speech2landmarks.train import Heads, seed

RATE, FRAME, LOOK_AHEAD = features.RATE, features.FRAME, features.LOOK_AHEAD
# frames of a piece; how many of speech, of other sounds, of both at once, and of cuts
LONG, PIECES, BEDS, MIXED, CUTS = 125, 90, 90, 25, 700
# frames before and behind a cut whose windows reach over it
BEFORE, BEHIND = LOOK_AHEAD // FRAME + 1, (features.WINDOW - LOOK_AHEAD) // FRAME + 1
# frames after a cut into a sound that is no silence until the mouth begins to shut, and frames that it takes
WAITING, CLOSING = 2, 6
# frames by which the targets come early: real people whom training has not seen move so much before the nets' answers
EARLY = {"speech2landmarks": 0.1, "speech2landmarks-low": 0.3, "speech2landmarks-minimal": 0.3}


def loudness(w: np.ndarray, db: float) -> np.ndarray:
    e = (w[: len(w) // FRAME * FRAME].reshape(-1, FRAME) ** 2).mean(1)
    return (w * 10 ** (db / 20) / np.sqrt(e[e >= e.max() * 1e-3].mean() + 1e-12)).astype(np.float32)


def speech(data: Path, tts: Path, r: np.random.Generator) -> list[np.ndarray]:
    """Pieces of training speech, a third each of clips, recordings without video and synthesizers."""
    rows = [r for r in csv.DictReader(open(data / "manifest.tsv"), delimiter="\t") if r["split"] == "train"]
    clips = [data / "clips" / f"{r['id']}.flac" for r in rows if r["has_speech"] == "yes" and r["kind"] != "audio"]
    alone = [data / r["file"] for r in rows if r["kind"] == "audio"]
    fake, found = sorted(tts.glob("train_*.npz")), []
    while len(found) < PIECES:
        group = (clips, alone, fake)[len(found) % 3]
        f = group[r.integers(len(group))]
        if not f.exists():
            continue
        w = wave(f)
        at = int(r.integers(max(1, len(w) - LONG * FRAME)))
        w = w[at : at + LONG * FRAME]
        found.append(loudness(np.pad(w, (0, LONG * FRAME - len(w))), r.uniform(-40, -16)))
    return found


def beds(r: np.random.Generator) -> list[np.ndarray]:
    """Rooms, and sounds that are no speech."""
    found = []
    for i in range(BEDS):
        seconds = LONG * FRAME / RATE
        if i % 2:
            found.append(noise(r, seconds) * 10 ** (r.uniform(-36, -14) / 20))
        else:
            found.append(coloured(LONG * FRAME, r) * 10 ** (r.uniform(-72, -36) / 20))
    return [w.astype(np.float32) for w in found]


def hear(o: argparse.Namespace) -> dict:
    """Features [n,LONG,4,128] of speech, beds and mixtures, and of the frames around each cut."""
    cache = o.work / "settle.pt"
    if cache.exists():
        return torch.load(cache, weights_only=True)
    r, listen = np.random.default_rng(11), Listener(o.pack)
    talk, room = speech(o.data, o.tts, r), beds(r)
    out = {k: torch.stack([listen(w, LOOK_AHEAD) for w in tqdm(v, desc=k, mininterval=20)]) for k, v in (("talk", talk), ("room", room))}
    mixed = [(i, loudness(room[2 * k + 1], -45 + r.uniform(0, 12))) for k, i in enumerate(r.choice(PIECES, MIXED, replace=False))]
    mixed = [(i, loudness(talk[i], r.uniform(-30, -18)), bed) for i, bed in mixed]
    out["mixed"] = torch.stack([listen(a + b, LOOK_AHEAD) for _, a, b in tqdm(mixed, desc="mixed", mininterval=20)])
    out["mixed of"] = torch.tensor([i for i, _, _ in mixed])
    cuts, seams = [], []
    for k in tqdm(range(CUTS), desc="cuts", mininterval=20):
        i, at = int(r.integers(PIECES)), int(r.integers(25, 75))
        # half into silence, a quarter each into rooms and other sounds
        j = -1 if k % 2 == 0 else int(r.integers(BEDS // 2)) * 2 + (k % 4 == 3)
        tail = np.zeros(LONG * FRAME, np.float32) if j < 0 else room[j]
        # the cut falls anywhere within the frame before
        early = int(r.integers(FRAME))
        a, b = talk[i][: at * FRAME].copy(), tail[: (BEHIND + BEFORE + 2) * FRAME]
        a[len(a) - early :] = 0 if j < 0 else r.normal(0, tail.std() + 1e-9, early)
        w = np.concatenate([a, b])
        start = at - BEFORE - 1
        x = features.windows(w[: (at + BEHIND) * FRAME + LOOK_AHEAD], LOOK_AHEAD, features.WINDOW)[start : at + BEHIND]
        seams.append(heard(listen, x))
        cuts.append((i, at, j))
    silence = listen(np.zeros(30 * FRAME, np.float32), LOOK_AHEAD)[-1]
    out |= dict(cuts=torch.tensor(cuts), seams=torch.stack(seams), silence=silence)
    torch.save(out, cache.with_suffix(".part"))
    cache.with_suffix(".part").rename(cache)
    return out


def heard(listen: Listener, x: torch.Tensor) -> torch.Tensor:
    """Features of windows [n,WINDOW]."""
    with torch.no_grad():
        tokens = listen.front.ear(x.contiguous()).reshape(len(x), features.ROWS, -1)
        return torch.stack([torch.cat([listen.front.mel(w[-features.MEL_WINDOW :]), h], 1) for w, h in zip(x, tokens)])


class Batches:
    """Sequences, with the frame from which on there is no voice (LONG: none; 0: never any)."""

    def __init__(self, z: dict, delay: int, r: np.random.Generator) -> None:
        """`delay`: rows by which the features come late; an even number, since a token lies in two rows."""
        self.z, self.delay, self.r, self.level = z, delay, r, Level()

    def cut(self, k: int) -> tuple[torch.Tensor, int]:
        z = self.z
        i, at, j = z["cuts"][k].tolist()
        start = at - BEFORE - 1
        x = torch.cat([z["talk"][i, :start], z["seams"][k]])
        left = LONG - len(x)
        tail = z["silence"].expand(LONG, -1, -1) if j < 0 else z["room"][j, BEHIND:]
        x = torch.cat([x, tail[:left]])
        more = LONG - len(x)
        return torch.cat([x, x[-1:].expand(more, -1, -1)]) if more else x, at

    def take(self, n: dict[str, int]) -> dict:
        z, r = self.z, self.r
        xs, own, ends = [], [], []
        for k in r.integers(len(z["cuts"]), size=n["cuts"]):
            x, at = self.cut(int(k))
            xs.append(x), own.append(x), ends.append(at)
        for k in r.integers(len(z["talk"]), size=n["talk"]):
            xs.append(z["talk"][k]), own.append(z["talk"][k]), ends.append(LONG)
        for k in r.integers(len(z["mixed"]), size=n["mixed"]):
            xs.append(z["mixed"][k]), own.append(z["talk"][z["mixed of"][k]]), ends.append(LONG)
        for k in r.integers(len(z["room"]), size=n["room"]):
            # a level of its own, as if it were nearer or farther away
            x = torch.roll(z["room"][k], int(r.integers(LONG)), 0)
            xs.append(x), own.append(x), ends.append(0)
        x, own, ends = torch.stack(xs), torch.stack(own), torch.tensor(ends)
        if self.delay:
            frames = -(-self.delay // features.ROWS)
            quiet = z["silence"].repeat(frames, 1)[-self.delay :].expand(len(x), -1, -1)
            x, own = (torch.cat([quiet, v.flatten(1, 2)[:, : -self.delay]], 1).reshape(v.shape) for v in (x, own))
        e = np.zeros((len(x), 8), np.float32)
        for v in e:
            if r.random() < 0.45:
                v[r.integers(1, 8)] = r.uniform(0.2, 1.0)
        shift = torch.from_numpy(r.normal(0, 1.0, (len(x), 1, 1, 1)).astype(np.float32))
        ident = torch.from_numpy(r.normal(0, 1, (len(x), 8)).astype(np.float32)).clamp(-3, 3)
        # half as if the net had run for a while on a sound of that loudness
        begin = torch.zeros(len(x), 2)
        with torch.no_grad():
            rows = x[..., :80] + shift
            if r.random() < 0.5:
                begin = self.level(rows, begin)[1]
                begin[:, 1] = torch.from_numpy(r.uniform(5, 60, len(x)).astype(np.float32))
            rows, teach = self.level(rows, begin)[0], self.level(own[..., :80] + shift, begin)[0]
        return dict(rows=rows, teach=teach, tokens=x[..., 80:].flatten(2), own=own[..., 80:].flatten(2), ident=ident, e=torch.from_numpy(e), ends=ends)


def through(net: Net, rows: torch.Tensor, tokens: torch.Tensor, d: dict, shown: torch.Tensor | None = None) -> torch.Tensor:
    """Coefficients [B,T,K]."""
    b = len(rows)
    past = torch.cat([torch.zeros(b, 8, 80), rows.reshape(b, -1, 80)], 1)
    return net(past, tokens, d["ident"], d["e"], torch.zeros(1, b, HIDDEN), shown)[0]


def closing(d: dict, shown: torch.Tensor) -> torch.Tensor:
    """How far the mouth is to be shut [B,T]."""
    t = shown.shape[1]
    after = torch.arange(t)[None] - d["ends"][:, None]
    # The stage itself shuts it a while after a cut into silence.
    silent = ((1 - shown) * ((after > 0) & (after < 25))).sum(1, keepdim=True) > 5
    w = (1 - torch.cos(torch.pi * ((after - WAITING) / CLOSING).clamp(0, 1))) / 2
    w = torch.where(silent, torch.zeros(()), w)
    return torch.maximum(torch.where(d["ends"][:, None] > 0, w, torch.ones(())), 1 - shown)


def targets(shipped: Net, d: dict, silence: torch.Tensor, shown: torch.Tensor, early: float) -> tuple[torch.Tensor, torch.Tensor]:
    """What the net is to say [B,T,K], and how much of it is the shut mouth [B,T]."""
    b = len(shown)
    with torch.no_grad():
        y = through(shipped, d["teach"], d["own"], d)
        y[:, :-1] += early * (y[:, 1:] - y[:, :-1])
        hush = silence[:, 80:].reshape(1, 1, -1).expand(b, 30, -1)
        shut = through(shipped, torch.zeros(b, 30, 4, 80), hush, d)[:, -1:]
    w = closing(d, shown)
    return y + (shut - y) * w[..., None], w


def export(o: argparse.Namespace, path: Path) -> None:
    whole = stage(o.pack / f"{o.net}.pt")
    if o.steps:
        old, new = whole.net.state_dict(), {k: v.clone() for k, v in whole.net.state_dict().items()}
        for run, share in o.run or [(path, 1.0)]:
            trained = load(Path(run))["mean"]
            for k, v in old.items():
                new[k] += float(share) * (trained[k] - v)
        whole.net.load_state_dict(new)
    w = wave(SPEECH / "speech-af_heart.wav")[: 2 * RATE]
    rows = Listener(o.pack)(w, AHEAD[o.net])
    leave(whole, o.net, rows, load_file(str(o.pack / "golden.safetensors"))[f"{o.net}.in.1"], o.build)


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for k in ("data", "tts", "pack", "work"):
        a.add_argument(f"--{k}", type=Path, required=True)
    a.add_argument("--steps", type=int, default=420)
    a.add_argument("--lr", type=float, default=5e-4)
    a.add_argument("--seed", type=int, default=0)
    a.add_argument("--net", choices=AHEAD, default="speech2landmarks", help="the stage that is taught")
    a.add_argument("--build", type=Path, help="only export what was trained, into this folder")
    a.add_argument(
        "--run",
        nargs=2,
        action="append",
        metavar=("CHECKPOINT", "SHARE"),
        help="exported: so much of what this run changed, of each if given more than once (all of the one in WORK)",
    )
    a.add_argument("--hear", action="store_true", help="only make the features")
    o = a.parse_args()
    torch.set_num_threads(1)
    path = o.work / f"{o.net.replace('speech2landmarks', 'settled')}.pt"
    if o.build:
        return export(o, path)
    o.work.mkdir(parents=True, exist_ok=True)
    r, z = seed(o.seed), hear(o)
    if o.hear:
        return
    whole, net = stage(o.pack / f"{o.net}.pt"), stage(o.pack / f"{o.net}.pt").net
    shipped, points = whole.net.eval(), Heads(dict(basis=whole.basis.numpy())).points
    batches = Batches(z, (LOOK_AHEAD - AHEAD[o.net]) // features.HOP, r)
    opt = torch.optim.AdamW(net.parameters(), lr=o.lr, weight_decay=0.01)
    mean, first, t0, seen = {k: v.clone() for k, v in net.state_dict().items()}, 0, time.time(), {}
    if path.exists():
        s = load(path)
        net.load_state_dict(s["net"]), opt.load_state_dict(s["opt"])
        mean, first = s["mean"], s["step"]
    # Without drop-out: the way begins where speech is said as it is, to the bit.
    net.eval()
    for it in tqdm(range(first, o.steps), mininterval=30):
        for g in opt.param_groups:
            g["lr"] = o.lr * min(1, (it + 1) / 30) * 0.5 * (1 + np.cos(np.pi * it / o.steps)) + 1e-5
        d = batches.take(dict(cuts=10, talk=6, mixed=2, room=4))
        shown = whole.pause(d["rows"], torch.zeros(len(d["rows"]), 2))[0]
        y, shut = targets(shipped, d, z["silence"], shown, EARLY[o.net])
        p, q = through(net, d["rows"], d["tokens"], d, shown) @ points, y @ points
        off, jump = (p - q).abs().mean(2), ((p[:, 1:] - p[:, :-1]) - (q[:, 1:] - q[:, :-1])).abs().mean(2)
        loss = (off * (1 + 2 * shut)).mean() + 2 * jump.mean()
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        decay = min(0.99, it / (it + 20))
        for k, v in net.state_dict().items():
            mean[k].lerp_(v, 1 - decay)
        part = dict(speech=(off * (1 - shut)).sum() / (1 - shut).sum(), shut=(off * shut).sum() / shut.sum(), jump=jump.mean())
        seen = {k: 0.97 * seen.get(k, float(v.detach())) + 0.03 * float(v.detach()) for k, v in part.items()}
        if it % 50 == 49 or it + 1 == o.steps:
            print(it + 1, {k: round(v, 5) for k, v in seen.items()}, f"{time.time() - t0:.0f} s", flush=True)
            torch.save(dict(net=net.state_dict(), mean=mean, opt=opt.state_dict(), step=it + 1), path.with_suffix(".part"))
            path.with_suffix(".part").rename(path)


if __name__ == "__main__":
    main()
