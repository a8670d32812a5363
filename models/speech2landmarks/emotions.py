# SPDX-License-Identifier: MIT OR Apache-2.0
"""Emotion displacements [8,478,3] in normalised units.

Run: python -m models.speech2landmarks.emotions --data DATA --tracks T --norm NORM --blocks B --out WORK

No clip of the train split shows all emotions of one person against a neutral take, so directions are measured
instead: the 52 blendshape scores of every tracked frame (a network over landmarks) are regressed on within-clip
landmark displacement, giving the landmark motion per unit of smile, brow raise, sneer...; recipes of units make the
emotions. They are mirrored for symmetry where the emotion is symmetric. Lids move little: blinks are edited in by
the element. Writes WORK/emotions.npz: full [8,478,3] (without jaw opening), jaw [8,478,3] (the part that must yield
to lip closures).
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from tqdm import tqdm

from models.data.labels import EMOTIONS
from models.data.normalise import EYES, PAIRS
from models.speech2landmarks.mirror import Mirror

NAMES = """
_neutral browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft
cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight
eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft
eyeWideRight jawForward jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft
mouthFrownRight mouthFunnel mouthLeft mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight
mouthPucker mouthRight mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft
mouthSmileRight mouthStretchLeft mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft
noseSneerRight
""".split()


def scores(tracks: np.ndarray, net: torch.jit.ScriptModule) -> np.ndarray:
    with torch.no_grad():
        return np.stack([net(torch.from_numpy(t * 512)).numpy().reshape(52) for t in tracks])


def measure(a: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Ridge regression of within-clip displacement on within-clip scores: directions [52,478,3] per unit score,
    and score std.
    """
    net = torch.jit.load(str(a.blocks / "face_blendshapes_52.pt")).eval()
    xx, xy = np.zeros((52, 52)), np.zeros((52, 1434))
    n = 0
    for r in tqdm(
        [
            r
            for r in csv.DictReader(open(a.data / "manifest.tsv"), delimiter="\t")
            if r["split"] == "train" and r["file"].endswith(".mp4")
        ],
        unit="clip",
    ):
        f = a.norm / f"{r['id']}.npz"
        if not f.exists():
            continue
        z, lm = np.load(f), np.load(a.tracks / f"{r['id']}.npz")["lm"]
        pose = z["pose"][:, :3]
        keep = z["ok"] & (np.abs(pose - np.median(pose, 0)).max(1) < 8)
        keep &= np.arange(len(keep)) % 2 == 0
        if keep.sum() < 20:
            continue
        s = scores(lm[keep], net)
        x, y = s - s.mean(0), (z["n"][keep] - z["n"][keep].mean(0)).reshape(-1, 1434)
        p = pose[keep] - pose[keep].mean(0)
        # turn-dependent tracking error is not expression
        y = y - p @ np.linalg.lstsq(p, y, rcond=None)[0]
        x = x - p @ np.linalg.lstsq(p, x, rcond=None)[0]
        xx += x.T @ x
        xy += x.T @ y
        n += len(x)
    sd = np.sqrt(np.diag(xx) / n)
    w = np.linalg.solve(xx / n + np.diag(0.02 * sd**2 + 1e-5), xy / n)
    return w.reshape(52, 478, 3).astype(np.float32), sd


def bump(mean: np.ndarray, centres: list[int], sigma: float, move: tuple[float, float, float]) -> np.ndarray:
    """Smooth local displacement around landmarks, for what the blendshape network does not see (sneer, lids, frown)."""
    d = np.zeros((478, 3), np.float32)
    for i in centres:
        w = np.exp(-((mean[:, :2] - mean[i, :2]) ** 2).sum(1) / (2 * sigma**2))
        d = np.maximum(np.abs(d), w[:, None] * np.abs(np.array(move, np.float32))) * np.sign(np.array(move, np.float32))
    return d


# units of measured directions per emotion at intensity 1
RECIPES = {
    "happy": dict(mouthSmile=0.95, mouthDimple=0.15, mouthUpperUp=0.2, browOuterUp=0.12),
    "sad": dict(browInnerUp=1.25, browDown=0.3, mouthFrown=0.4, mouthShrugLower=0.2, mouthPucker=-0.15),
    "surprise": dict(browInnerUp=0.7, browOuterUp=0.85),
    "fear": dict(browInnerUp=1.15, browOuterUp=0.35, mouthStretch=0.9, eyeWide=0.25, mouthSmile=-0.1),
    "angry": dict(browDown=1.0, browInnerUp=-0.35, mouthSmile=-0.2, mouthPress=0.2),
    "disgust": dict(browDown=0.6, mouthUpperUp=0.9, mouthShrugLower=0.2, mouthPucker=-0.1),
    "contempt": dict(
        mouthSmileLeft=1.2, mouthDimpleLeft=0.8, mouthSmileRight=-0.3, browOuterUpRight=0.4, browDownLeft=0.3
    ),
}
JAW_OPEN = dict(surprise=0.22, fear=0.1, happy=0.04)

# rims of the lids from corner to corner, both eyes; the skin above the upper ones, with its place on them; how far
# each place goes with the lid's middle, and the skin with its lid
UPPER = [[246, 161, 160, 159, 158, 157, 173], [466, 388, 387, 386, 385, 384, 398]]
LOWER = [[7, 163, 144, 145, 153, 154, 155], [249, 390, 373, 374, 380, 381, 382]]
FOLDS = [[30, 29, 27, 28, 56], [260, 259, 257, 258, 286]]
BOW = np.array([0.45, 0.75, 0.95, 1, 0.95, 0.75, 0.45], np.float32)
FOLD_SHARE = 0.35


def wide(up: float, down: float) -> np.ndarray:
    """Eyes opened wide: the middle of the upper lids goes up, that of the lower ones down, [478,3]. The blendshape
    network sees wide eyes, but the clips hold too few for a direction of their own.
    """
    d = np.zeros((478, 3), np.float32)
    for upper, lower, folds in zip(UPPER, LOWER, FOLDS):
        d[upper, 1], d[lower, 1] = -up * BOW, down * BOW
        d[folds, 1] = -up * BOW[1:-1] * FOLD_SHARE
    return d


def build(w: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recipes -> (shape [8,478,3] that leaves the lip gap alone, jaw [8,478,3] that opens it)."""
    unit = dict(zip(NAMES, w))
    mirror = Mirror(mean)
    symmetric = lambda d: (d + mirror.motion(d)) / 2  # noqa: E731
    lids_up, lids_low = [159, 158, 160, 386, 385, 387], [145, 153, 144, 374, 380, 373]
    shape, jaw = np.zeros((8, 478, 3), np.float32), np.zeros((8, 478, 3), np.float32)
    eye = np.isin(np.arange(478), EYES)
    near = np.linalg.norm(mean[:, None, :2] - mean[None, eye, :2], axis=-1).min(1)
    calm = np.clip((near - 0.02) / 0.1, 0.0, 1)[:, None]
    for i, e in enumerate(EMOTIONS[1:], 1):
        for k, v in RECIPES[e].items():
            shape[i] += v * (unit[k] if k in unit else unit[k + "Left"] + unit[k + "Right"])
        if e != "contempt":
            shape[i] = symmetric(shape[i])
        shape[i] *= calm
        j = JAW_OPEN.get(e, 0.0)
        jaw[i] = symmetric(unit["jawOpen"]) * j * calm
    k = {e: i for i, e in enumerate(EMOTIONS)}
    shape[k["sad"]] += bump(mean, [61, 291], 0.10, (0, 0.035, 0)) + bump(mean, lids_up, 0.04, (0, 0.016, 0))
    shape[k["angry"]] += bump(mean, [55, 285, 65, 295], 0.12, (0, 0.03, 0)) + bump(mean, lids_low, 0.04, (0, -0.008, 0))
    sneer = bump(mean, [64, 294], 0.10, (0, -0.03, 0)) + bump(mean, [39, 269, 0], 0.10, (0, -0.03, 0))
    shape[k["disgust"]] += sneer + bump(mean, lids_up, 0.04, (0, 0.008, 0)) + bump(mean, [61, 291], 0.10, (0, 0.02, 0))
    shape[k["angry"]] += 0.3 * bump(mean, [64, 294], 0.10, (0, -0.03, 0))
    # the pictures show about half of it: a photo holds nothing of an eye behind its lids
    shape[k["surprise"]] += wide(0.05, 0.005)
    shape[k["fear"]] += wide(0.09, 0.016)
    shape[k["happy"]] += bump(mean, lids_low, 0.04, (0, -0.008, 0))
    for up, low in PAIRS:  # lips move together
        both = (shape[:, up, 1] + shape[:, low, 1]) / 2
        shape[:, up, 1], shape[:, low, 1] = both, both
    stable = shape[:, [1, 4, 5, 168, 6, 197]].mean(1)
    shape[1:] -= stable[1:, None] * calm
    return shape, jaw


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for k in ("data", "tracks", "norm", "blocks", "out"):
        ap.add_argument(f"--{k}", type=Path, required=True)
    o = ap.parse_args()
    torch.set_num_threads(1)
    o.out.mkdir(parents=True, exist_ok=True)
    known = o.out / "directions.npz"
    if known.exists():
        w, sd = (np.load(known)[k] for k in ("w", "sd"))
    else:
        w, sd = measure(o)
        np.savez(known, w=w, sd=sd)
    mean = load_file(str(o.norm / "mean_face.safetensors"))["mean_face"]
    shape, jaw = build(w, mean)
    np.savez(o.out / "emotions.npz", shape=shape, jaw=jaw)
    for i, e in enumerate(EMOTIONS):
        full = shape[i] + jaw[i]
        print(
            f"{e:9s} corner dy {full[[61, 291], 1].mean():+.3f} "
            f"dx {(full[291, 0] - full[61, 0]) / 2:+.3f}  inner brow dy "
            f"{full[[55, 285], 1].mean():+.3f} outer {full[[70, 300], 1].mean():+.3f}  "
            f"gap {full[14, 1] - full[13, 1]:+.3f}  chin {full[152, 1]:+.3f}"
        )
    for k, s, d in zip(NAMES, sd, w):
        print(
            f"{k:20s} sd {s:.4f}  |d| per unit {np.linalg.norm(d, axis=1).max():.3f} "
            f"at {np.linalg.norm(d, axis=1).argmax()}"
        )
