# SPDX-License-Identifier: MIT OR Apache-2.0
"""Training tables of Speech2Landmarks: clips, synthetic speech, basis, identity code, rest pose. Cached in
WORK/tables.pt.
"""

import csv
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from models.data.normalise import BROWS, EYES, INNER, JAW, LIPS, PAIRS, aperture
from models.data.speech import CLASSES
from models.features.model import rows as logmel
from models.speech2landmarks.augment import interp

BAD = {"o239", "o042"}
COEFS, IDS = 40, 8
Z = np.array([1, 1, 0.5], np.float32)


@dataclass
class Clip:
    name: str
    mel: np.ndarray  # [4n,80] rows, look-ahead included
    y: np.ndarray  # [n,K] coefficients of the displacement from the resting face
    split: str = "train"
    kind: str = "real"
    ident: str = ""
    speech: str = "yes"
    neutral: np.ndarray | None = None
    n: np.ndarray | None = None  # [T,478,3] normalised truth
    lag: float = 0
    score: float = 0.0
    code: np.ndarray | None = None
    scale: float = 1.0
    phone: np.ndarray | None = None  # [4n] phone class of each 10 ms row (synthetic speech)
    extra: dict = field(default_factory=dict)


def wave(path: Path, level: bool = True) -> np.ndarray:
    """16 kHz mono; active speech brought to one level (the level is augmented later and followed causally by the
    model).
    """
    if path.suffix == ".npz":
        w = np.load(path)["wav"].copy()
    else:
        w = np.frombuffer(
            subprocess.run(
                ["ffmpeg", "-v", "error", "-i", str(path), "-ac", "1", "-ar", "16000", "-f", "f32le", "-"],
                capture_output=True,
                stdin=subprocess.DEVNULL,
            ).stdout,
            np.float32,
        ).copy()
    if not level:
        return w
    e = (w[: len(w) // 640 * 640].reshape(-1, 640) ** 2).mean(1)
    return w * 0.06 / np.sqrt(e[e > e.max() * 10**-3.5].mean() + 1e-9)


def lid_mask(mean: np.ndarray) -> np.ndarray:
    """0 on eyelids and irises, rising to 1 away from them, 1 on the brows: speech must not blink or look around."""
    eye = np.isin(np.arange(478), EYES)
    near = np.linalg.norm(mean[:, None, :2] - mean[None, eye, :2], axis=-1).min(1)
    m = np.clip((near - 0.03) / 0.1, 0, 1)
    m[BROWS] = np.maximum(m[BROWS], 0.9)
    return m.astype(np.float32)


def point_weight() -> np.ndarray:
    w = np.full(478, 0.35, np.float32)
    w[JAW], w[BROWS], w[LIPS], w[INNER] = 0.7, 0.8, 1.5, 1.8
    return w


def load_clips(data: Path, norm: Path, mask: np.ndarray) -> list[tuple[Clip, np.ndarray]]:
    """Talking clips of both splits with their masked displacement from the resting face."""
    out = []
    for r in csv.DictReader(open(data / "manifest.tsv"), delimiter="\t"):
        f, sound = norm / f"{r['id']}.npz", data / "clips" / f"{r['id']}.flac"
        if r["id"] in BAD or r["has_speech"] == "no" or not f.exists() or not sound.exists():
            continue
        z = np.load(f)
        mel = logmel(wave(sound))
        n = min(len(mel), len(z["n"]))
        d = (z["n"][:n] - z["neutral"]) * mask[:, None]
        score = float(r["sync_score"] or 0)
        out.append(
            (
                Clip(
                    r["id"],
                    mel[:n].reshape(-1, 80),
                    np.zeros(0),
                    r["split"],
                    r["kind"],
                    r["identity"],
                    r["has_speech"],
                    z["neutral"],
                    z["n"][:n],
                    int(r["sync_lag"] or 0) if score >= 0.3 else 0,
                    score,
                ),
                d,
            )
        )
    return out


def sounds(data: Path, work: Path, names: set[str]) -> dict[str, np.ndarray]:
    """Log-mel rows [4n,80] of recordings without video; cached."""
    cache = work / "sounds.npz"
    known = dict(np.load(cache)) if cache.exists() else {}
    files = {r["id"]: data / r["file"] for r in csv.DictReader(open(data / "manifest.tsv"), delimiter="\t")}
    missing = names - set(known)
    for k in sorted(missing):
        known[k] = logmel(wave(files[k])).reshape(-1, 80)
    if missing:
        np.savez(cache, **known)
    return {k: known[k] for k in names}


def shift(x: np.ndarray, s: float) -> np.ndarray:
    """Move a track earlier by s frames or parts of them, edges repeated."""
    return interp(x, np.arange(len(x)) + s)


def fit_basis(disp: np.ndarray, extra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted PCA rows scaled to unit variance plus residual directions; returns basis [K,1434] and its projector
    [1434,K].
    """
    w = (point_weight()[:, None] * Z).reshape(-1)
    x = disp.reshape(len(disp), -1) * w
    val, vec = np.linalg.eigh(x.T @ x / len(x))
    o = np.argsort(-val)[:COEFS]
    q = vec[:, o]
    e = extra.reshape(len(extra), -1) * w
    res = e - (e @ q) @ q.T
    u, s, vt = np.linalg.svd(res, full_matrices=False)
    keep = s > 1e-3 * s[0]
    q = np.concatenate([q, vt[keep].T], 1)
    sd = np.concatenate([np.sqrt(val[o]), np.full(keep.sum(), 0.3)])
    return (q * sd).T.astype(np.float32) / w, (w[:, None] * q / sd).astype(np.float32)


def prepare(data: Path, norm: Path, tts: Path, work: Path) -> dict:
    """All tables; cached."""
    cache = work / "tables.pt"
    if cache.exists():
        # Our own cache: it holds objects.
        return torch.load(cache, weights_only=False)
    from safetensors.numpy import load_file

    mean = load_file(str(norm / "mean_face.safetensors"))["mean_face"]
    emo = np.load(work / "emotions.npz")
    pairs = load_clips(data, norm, lid_mask(mean))
    for c, _ in pairs:
        c.scale = float(np.clip(aperture(c.n).std(), 0.02, 0.11) / 0.05)
    usable = [(c, d) for c, d in pairs if c.split == "train" and aperture(c.n).std() > 0.012]
    basis, proj = fit_basis(
        np.concatenate([d[::2] / c.scale for c, d in usable]), np.concatenate([emo["shape"][1:], emo["jaw"][3:5]])
    )
    for c, d in pairs:
        c.y = (d.reshape(len(d), -1) @ proj).astype(np.float32)
    # identity code: whitened PCA of the resting faces
    neutrals = np.stack([c.neutral.reshape(-1) for c, _ in usable])
    mu = neutrals.mean(0)
    _, s, vt = np.linalg.svd(neutrals - mu, full_matrices=False)
    ids = (vt[:IDS] / (s[:IDS, None] / np.sqrt(len(neutrals)))).astype(np.float32)
    # rest pose: from the lip gaps of any frame to the displacement that leads to the resting face
    gx, gy = [], []
    for c, d in usable:
        for i in range(0, len(d), 7):
            gx.append(gap_inputs(c.n[i]))
            gy.append(-(d[i].reshape(-1) @ proj))
    gx, gy = np.array(gx), np.array(gy)
    rest = np.linalg.solve(gx.T @ gx + 1e-3 * len(gx) * np.diag([0.02] * 18 + [0.01, 1e-6]), gx.T @ gy).astype(
        np.float32
    )
    clips = [c for c, _ in pairs]
    for c in clips:
        c.code = np.clip(ids @ (c.neutral.reshape(-1) - mu), -3, 3).astype(np.float32)
    fake = []
    for f in sorted(tts.glob("*.npz")):
        m = logmel(wave(f))
        t, z = (np.arange(len(m) * 4) + 0.5) / 100, np.zeros(len(m) * 4, int)
        for k, a, b in np.load(f)["seg"]:
            z[(t >= a) & (t < b)] = int(k)
        fake.append(
            Clip(
                f.stem,
                m.reshape(-1, 80),
                np.zeros((len(m), basis.shape[0]), np.float32),
                f.stem.split("_")[0],
                "tts",
                phone=z,
            )
        )
    out = dict(
        clips=clips,
        tts=fake,
        basis=basis,
        proj=proj,
        mean=mu.astype(np.float32),
        ids=ids,
        rest=rest,
        mean_face=mean,
        emo_shape=(emo["shape"].reshape(8, -1) @ proj).astype(np.float32),
        emo_jaw=(emo["jaw"].reshape(8, -1) @ proj).astype(np.float32),
        neutral=np.mean([c.neutral for c, _ in usable], 0),
        scale=float(np.median([c.scale for c, _ in usable])),
    )
    torch.save(out, cache)
    return out


def gap_inputs(face: np.ndarray) -> np.ndarray:
    """The same inputs as Speech2Landmarks.gaps."""
    up, low = [p[0] for p in PAIRS], [p[1] for p in PAIRS]
    g = face[low] - face[up]
    return np.concatenate([g[:, 1], g[:, 2], [np.linalg.norm(face[291] - face[61])], [1.0]])


def viseme_track(z: np.ndarray, v: np.ndarray, advance: int = 1) -> np.ndarray:
    """Coefficients [n,K] from 10 ms phone classes: targets blended over 40 ms, lips fully closed in p, b, m and
    teeth on lip in f, v.
    """
    z = z[np.clip(np.arange(len(z)) + advance, 0, len(z) - 1)]
    y = gaussian_filter1d(v[z], 4.0, axis=0, mode="nearest")
    for k, wide, amount in (("PBM", 2.0, 1.0), ("FV", 2.0, 0.7)):
        i = CLASSES.index(k)
        w = gaussian_filter1d((z == i).astype(np.float32), wide, mode="nearest").clip(0, 0.55)[:, None] / 0.55 * amount
        y = y * (1 - w) + v[i] * w
    return y.reshape(-1, 4, v.shape[1]).mean(1).astype(np.float32)
