# SPDX-License-Identifier: MIT OR Apache-2.0
"""Score the exported speech stages on split dev.

Run: python -m models.evaluate --data DATA --norm NORM --tts TTS --work WORK --build BUILD
     python -m models.evaluate --controls …   measures the elements' controls instead (see controls.py)
     python -m models.evaluate --dub …        measures dubbed videos (see dub.py)

Prints a Markdown table beside the feasibility prototype's numbers. Ours use no oracle: the identity is one tracked
frame (the most closed of the first 25, as a photo would show), the sound keeps its recorded level, the face is
compared as it is. Real clips are compared at the audio offset that the manifest measured (sync_lag), as it asks for;
generated clips have none there and are compared as they are. Two more rows say what that hides: nothing corrected, and
every clip corrected by the offset that an independent regressor (ridge from log-mel to aperture, fitted on the train
split) measures. The prototype's numbers come from another held-out set with an oracle neutral face and level:
they are a yardstick only. Per-clip results are cached in WORK/eval5-<digest>.json, so an interrupted run resumes.
`--stage speech2landmarks-low` or `-minimal` scores a net with less look-ahead.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from models.data.normalise import STABLE
from models.features import model as features
from models.speech2landmarks.dataset import CLASSES, LIPS, aperture, logmel, prepare, shift, wave
from models.speech2landmarks.emotions import EMOTIONS
from models.speech2landmarks.habit import Habit, part
from models.speech2landmarks.model import AHEAD


def corr(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum() + 1e-12))


def lagged(p: np.ndarray, g: np.ndarray, span: int = 6) -> tuple[float, int]:
    """Best correlation and its lag; positive: the truth is later than the prediction."""
    n = len(g)
    return max((corr(p[max(0, -k) : n - max(0, k)], g[max(0, k) : n - max(0, -k)]), k) for k in range(-span, span + 1))


class Stages:
    def __init__(self, build: Path, name: str = "speech2landmarks") -> None:
        self.features = features
        self.front = self.features.load(build)
        self.net = torch.jit.load(str(build / name / f"{name}.pt"))
        self.ahead = AHEAD[name]
        self.pose = torch.jit.load(str(build / "pose" / "pose.pt")) if (build / "pose" / "pose.pt").exists() else None
        with torch.no_grad():
            self.s1 = next(v for k, v in self._shapes(build / name).items() if k == "state")
            self.s2 = self._shapes(build / "pose")["state"] if self.pose else 0

    @staticmethod
    def _shapes(d: Path) -> dict[str, int]:
        import tomllib

        return {i["name"]: i["shape"][0] for i in tomllib.loads((d / "stage.toml").read_text())["inputs"]}

    def rows(self, w: np.ndarray) -> torch.Tensor:
        return self.features.stream(self.front, w, self.ahead)

    def face(self, x: torch.Tensor, identity: np.ndarray, emotion: np.ndarray | None = None) -> np.ndarray:
        e = torch.zeros(8) if emotion is None else torch.from_numpy(emotion.astype(np.float32))
        with torch.no_grad():
            return self.net(x, torch.from_numpy(identity.astype(np.float32)), e, torch.zeros(self.s1))[0].numpy()


def regressor(clips: list, data: Path) -> dict[str, tuple[int, float]]:
    """Offset in frames and its correlation of every dev clip, from a ridge regression of the aperture on 0.6 s of
    coarse log-mel. It shares neither weights nor look-ahead with the nets that are scored.
    """
    span = 7

    def inputs(name: str) -> np.ndarray:
        x = logmel(wave(data / "clips" / f"{name}.flac"), 0).mean(1).reshape(-1, 20, 4).mean(2)
        x = np.pad(x, ((span, span), (0, 0)), mode="edge")
        return np.concatenate(
            [x[i : len(x) - 2 * span + i] for i in range(2 * span + 1)] + [np.ones((len(x) - 2 * span, 1))], 1
        )

    a, b = 0.0, 0.0
    for c in clips:
        if c.split == "train" and c.kind == "real" and c.speech == "yes" and c.score >= 0.3:
            x, g = inputs(c.name), shift(aperture(c.n), c.lag)
            n = min(len(x), len(g))
            x, g = x[:n] - x[:n].mean(0), (g[:n] - g[:n].mean()) / (g[:n].std() + 1e-6)
            a, b = a + x.T @ x, b + x.T @ g
    w = np.linalg.solve(a + 300 * np.eye(len(a)), b)
    out = {}
    for c in clips:
        if c.split == "dev":
            p, g = inputs(c.name) @ w, aperture(c.n)
            n = min(len(p), len(g))
            r, lag = lagged(p[:n], g[:n])
            out[c.name] = (lag, r)
    return out


def at(p: np.ndarray, g: np.ndarray, k: int) -> float:
    """Correlation with the truth k frames later."""
    return corr(p[max(0, -k) : len(p) - max(0, k)], g[max(0, k) : len(g) - max(0, -k)])


def score_clip(s: Stages, c, sound: Path, other: int, mean: np.ndarray) -> dict:
    """`other`: the offset that the independent regressor measured; `mean`: the mean face."""
    w = wave(sound, level=False)
    x = s.rows(w)[: len(c.n)]
    g = c.n[: len(x)]
    ap = aperture(g)
    i = int(np.argmin(ap[:25]))
    y = s.face(x, g[i])
    pa = aperture(y)
    b, lag = lagged(pa, shift(ap, c.lag))
    dist = lambda a, q: float(np.linalg.norm((a - q)[:, LIPS, :2], axis=-1).mean())  # noqa: E731
    first = aperture(s.face(x, g[0]))
    told = s.face(x, c.neutral)
    # the second photo of `portrait-open`, as the element takes it (which also keeps the lips' gaps: no difference here)
    quiet = torch.zeros_like(x[:1])
    look, again = (s.face(quiet, g[k])[0] for k in (i, int(np.argmax(ap[:100]))))
    both = y + (again - look) / 2
    # the property `reference`, measured on the clip's first 4 s (at most half of it) and tried on the rest
    seen = part(g, 4)
    own = Habit.video(g[:seen]).talk(y, look, mean, s.face(quiet, mean)[0])
    rest, true = slice(seen, None), shift(g, other)
    e = np.zeros(8)
    emo = []
    for k in range(1, 8):
        e[:] = 0
        e[k] = 1
        emo.append(corr(aperture(s.face(x, g[i], e)), pa))
    return dict(
        n=len(x),
        kind=c.kind,
        alive=bool(ap.std() > 0.012),
        r=at(pa, ap, c.lag),
        raw=corr(pa, ap),
        rb=b,
        ro=at(pa, ap, other),
        lag=lag,
        r_first=at(first, ap, c.lag),
        err=dist(y, shift(g, c.lag)),
        err_raw=dist(y, g),
        err_other=dist(y, shift(g, other)),
        err_told=dist(told, shift(g, other)),
        err_both=dist(both, shift(g, other)),
        err_rest=dist(y[rest], true[rest]),
        err_reference=dist(own[rest], true[rest]),
        static_rest=dist(g[i : i + 1], true[rest]),
        n_rest=len(x) - seen,
        ro_rest=corr(pa[rest], aperture(true)[rest]),
        ro_reference=corr(aperture(own)[rest], aperture(true)[rest]),
        static_told=dist(c.neutral[None], g),
        static=dist(g[i : i + 1], g),
        clipmean=dist(g.mean(0, keepdims=True), g),
        spread=float(pa.std() / ap.std()),
        level=float(pa.mean() / ap.mean()),
        rw=corr(
            np.linalg.norm(y[:, 61, :2] - y[:, 291, :2], axis=1), np.linalg.norm(g[:, 61, :2] - g[:, 291, :2], axis=1)
        ),
        jitter=float(np.abs(np.diff(y[:, STABLE], 2, axis=0)).mean() * 100),
        jitter_true=float(np.abs(np.diff(g[:, STABLE], 2, axis=0)).mean() * 100),
        lips_jitter=float(np.abs(np.diff(y[:, LIPS], 2, axis=0)).mean() * 100),
        lips_jitter_true=float(np.abs(np.diff(g[:, LIPS], 2, axis=0)).mean() * 100),
        lid=float(np.abs(y[:, [159, 386], 1] - y[:, [145, 374], 1]).std(0).mean()),
        brow=float(y[:, [105, 334, 55, 285], 1].std(0).mean()),
        brow_true=float(g[:, [105, 334, 55, 285], 1].std(0).mean()),
        emo=emo,
    )


def closures(s: Stages, tts: Path, engine: str, neutral: np.ndarray) -> dict:
    """Apertures in the middle of p, b, m against those of open vowels of the held-out sentences; 1 s of silence on
    both sides.
    """
    low, high, quiet = [], [], []
    for f in sorted(tts.glob(f"test_{engine}_*.npz")):
        w = np.pad(wave(f, level=False), (16000, 16000))
        a = aperture(s.face(s.rows(w), neutral))
        quiet += [a[10:20], a[-12:]]
        for k, t0, t1 in np.load(f)["seg"]:
            v = np.interp(((t0 + t1) / 2 + 1) * 25 - 0.5, np.arange(len(a)), a)
            if k == CLASSES.index("PBM"):
                low.append(v)
            elif k in (CLASSES.index("AA"), CLASSES.index("AE")):
                high.append(v)
    low, high, quiet = np.array(low), np.array(high), np.concatenate(quiet)
    return dict(
        auc=float((low[:, None] < high[None]).mean()),
        closed=float((low < 0.02).mean()),
        low=float(np.median(low)),
        high=float(np.median(high)),
        quiet=float(quiet.mean()),
        quiet_max=float(quiet.max()),
    )


def heads(s: Stages, clips: list, norm: Path) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Simulated and real head spread per axis (windows of at most 10 s, equally long on both sides), and its jitter."""
    from models.pose import train
    real, fake, jerk, true = [], [], [], []
    for i, c in enumerate(clips):
        real += [p.std(0) for p in train.windows(train.motion(norm, c.name))]
        true.append(np.abs(np.diff(train.motion(norm, c.name)[:, :3], 2, axis=0)).mean())
        x = torch.from_numpy(c.mel).reshape(-1, 4, 80)
        long = len(train.motion(norm, c.name))
        x = torch.cat([x] * (2 + 1000 // len(x)))[: 4 * long + 50]
        noise = torch.randn(len(x), 8, generator=torch.Generator().manual_seed(i))
        with torch.no_grad():
            y = (
                s.pose(x, torch.tensor([0, 0, 0, 0, 0, 0, 1.0]), torch.zeros(4), noise, torch.zeros(s.s2))[0]
                .numpy()
                .astype(np.float64)
            )
        y[:, 6] = np.log(y[:, 6])
        fake += [p.std(0) for j in range(50, len(y) - long + 1, long) for p in train.windows(y[j : j + long])]
        jerk.append(np.abs(np.diff(y[:, :3], 2, axis=0)).mean())
    return np.median(fake, 0), np.median(real, 0), float(np.mean(jerk)), float(np.mean(true))


def results(o: argparse.Namespace) -> Path:
    """Where the figures of each clip are kept, for that build of the stage."""
    digest = hashlib.sha256((o.build / o.stage / f"{o.stage}.pt").read_bytes()).hexdigest()[:12]
    return o.work / f"eval5-{digest}.json"


def main() -> None:
    if "--controls" in sys.argv:
        # A measurement of its own, in rendered pictures.
        import controls

        return controls.main()
    if "--dub" in sys.argv:
        from models import dub

        return dub.main()
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for k in ("data", "norm", "tts", "work", "build"):
        a.add_argument(f"--{k}", type=Path, required=True)
    a.add_argument("--stage", default="speech2landmarks")
    a.add_argument("--without", nargs="*", default=[], help="clips to leave out, to compare with figures of a smaller set")
    o = a.parse_args()
    torch.set_num_threads(1)
    t = prepare(o.data, o.norm, o.tts, o.work)
    s = Stages(o.build, o.stage)
    dev = [c for c in t["clips"] if c.split == "dev" and c.speech == "yes" and c.name not in o.without]
    cache = results(o)
    rows = json.loads(cache.read_text()) if cache.exists() else {}
    other = regressor(t["clips"], o.data)
    for c in tqdm(dev, unit="clip", mininterval=10):
        if c.name not in rows:
            k, r = other[c.name]
            rows[c.name] = score_clip(s, c, o.data / "clips" / f"{c.name}.flac", k if r >= 0.25 else c.lag, t["mean_face"])
            cache.write_text(json.dumps(rows))
    rs = [rows[c.name] for c in dev if rows[c.name]["alive"]]
    print(
        f"{len(rs)} dev clips, {sum(r['n'] for r in rs) / 1500:.1f} min; left out, the mouth does not move:",
        [c.name for c in dev if not rows[c.name]["alive"]],
        "\n",
    )

    def av(k: str, kind: str = "") -> float:
        q = [r for r in rs if not kind or r["kind"] == kind]
        return sum(r[k] * r["n"] for r in q) / sum(r["n"] for r in q)

    ph = {e: closures(s, o.tts, e, t["neutral"]) for e in "ef"}
    print("| dev measure | ours | prototype |\n|-|-|-|")
    trio = lambda k: f"{av(k, 'real'):.3f} / {av(k, 'gen'):.3f} / {av(k):.3f}"  # noqa: E731
    print(
        "| aperture r at zero lag, real (manifest's offset taken out) / generated / all "
        f"| {trio('r')} | 0.49 / - / 0.55 |"
    )
    print(f"| the same, nothing taken out | {trio('raw')} | |")
    print(f"| the same, every clip's offset taken out as the regressor measured it | {trio('ro')} | |")
    print(f"| r at the best lag of each clip | {trio('rb')} | - / - / 0.65 |")
    print(f"| the first row with the clip's first frame as identity (all) | {av('r_first'):.3f} | |")
    print(
        "| mean lag left, frames (+: truth later), real / generated / all "
        f"| {av('lag', 'real'):+.2f} / {av('lag', 'gen'):+.2f} / {av('lag'):+.2f} | 0 |"
    )
    part = lambda k, q="": f"{av(k, q) / av('static', q):.3f}"  # noqa: E731
    print(
        f"| mouth distance / static face, real / generated / all "
        f"| {part('err', 'real')} / {part('err', 'gen')} / {part('err')} | |"
    )
    print(
        "| the same, nothing taken out / regressor's offsets taken out (all) "
        f"| {part('err_raw')} / {part('err_other')} | |"
    )
    print(
        f"| the same with a second photo (the widest mouth of the first 4 s) and the regressor's offsets, real / "
        f"generated / all | {part('err_both', 'real')} / {part('err_both', 'gen')} / {part('err_both')} | |"
    )
    alive = {c.name: rows[c.name] for c in dev if rows[c.name]["alive"]}
    apart = {"old": [r for n, r in alive.items() if n[0] == "o"], "new": [r for n, r in alive.items() if n[0] == "r"]}
    rest = lambda k, q: sum(r[k] * r["n_rest"] for r in apart[q])  # noqa: E731
    share = lambda k, q: f"{rest(k, q) / rest('static_rest', q):.3f}" if apart[q] else "-"  # noqa: E731
    r_of = lambda k, q: f"{rest(k, q) / sum(r['n_rest'] for r in apart[q]):.3f}" if apart[q] else "-"  # noqa: E731
    print(
        "| after each clip's first 4 s, old / new clips: mouth distance with one photo; with these seconds as `reference` "
        f"| {share('err_rest', 'old')} / {share('err_rest', 'new')}; "
        f"{share('err_reference', 'old')} / {share('err_reference', 'new')} | |"
    )
    print(
        "| aperture r there, one photo; with the reference "
        f"| {r_of('ro_rest', 'old')} / {r_of('ro_rest', 'new')}; "
        f"{r_of('ro_reference', 'old')} / {r_of('ro_reference', 'new')} | |"
    )
    told = av("err_told") / av("static_told")
    print(
        "| the same with the clip's neutral face given (oracle) and the regressor's offsets (all) "
        f"| {told:.3f} | 0.75 |"
    )
    print(f"| mouth distance / the clip's own mean face (oracle) | {av('err') / av('clipmean'):.3f} | |")
    print(f"| aperture spread / truth, real / all | {av('spread', 'real'):.2f} / {av('spread'):.2f} | 0.42 |")
    print(f"| aperture mean / truth | {av('level'):.2f} | |")
    print(f"| mouth width r | {av('rw'):.3f} | |")
    for e, n, p in (("e", "espeak-ng", "0.92"), ("f", "festival", "0.94")):
        z = ph[e]
        print(f"| closure AUC, {n} | {z['auc']:.3f} | {p} |")
        print(
            f"| {n}: lips touch (< 0.02) on p b m; median p b m / open vowels "
            f"| {z['closed']:.0%}; {z['low']:.3f} / {z['high']:.3f} | |"
        )
        print(f"| {n}: aperture in silence, mean / max | {z['quiet']:.3f} / {z['quiet_max']:.3f} | |")
    print(f"| jitter of calm points, ours / tracked (% IOD) | {av('jitter'):.3f} / {av('jitter_true'):.3f} | |")
    print(f"| jitter of lips, ours / tracked (% IOD) | {av('lips_jitter'):.3f} / {av('lips_jitter_true'):.3f} | |")
    print(
        f"| lid spread (no blinks); brow spread, ours / tracked "
        f"| {av('lid'):.4f}; {av('brow'):.4f} / {av('brow_true'):.4f} | |"
    )
    emo = np.average([r["emo"] for r in rs], axis=0, weights=[r["n"] for r in rs])
    print(
        "| aperture r with the neutral run | " + ", ".join(f"{e} {v:.2f}" for e, v in zip(EMOTIONS[1:], emo)) + " | |"
    )
    if s.pose is not None and o.stage == "speech2landmarks":
        fake, real, jerk, true = heads(s, [c for c in dev if c.kind == "real"], o.norm)
        print(
            "| head spread / real (yaw pitch roll tx ty tz scale) | "
            + " ".join(f"{v:.2f}" for v in fake / real)
            + " | |"
        )
        print(
            "| head spread, ours (degrees; inter-ocular) | "
            + " ".join(f"{v:.3f}" for v in fake)
            + f"; mean acceleration {jerk:.3f} (clips, smoothed: {true:.3f}) deg/frame^2 | |"
        )
    for c in dev:
        r = rows[c.name]
        print(
            f"<!-- {c.name} {c.kind} {c.ident} r {r['r']:.2f} best {r['rb']:.2f} lag left {r['lag']} "
            f"(manifest {c.lag}, "
            f"regressor {other[c.name][0]} at {other[c.name][1]:.2f}) spread {r['spread']:.2f} "
            f"distance {r['err'] / r['static']:.2f} -->"
        )


if __name__ == "__main__":
    main()
