# SPDX-License-Identifier: MIT OR Apache-2.0
"""Pose removal, mean face and per-clip tables. Run: python -m models.data.normalise --data DATA --tracks TRACKS --out NORM

posed P = scale * (N @ R(yaw, pitch, roll)) + (tx, ty, tz); N is what Procrustes of the STABLE points of P onto the mean
face gives, so the decomposition is a similarity and posing N again gives back P.
Writes NORM/mean_face.safetensors and NORM/ID.npz (n [T,478,3] normalised, pose [T,7], ok [T], neutral [478,3], ap [T]).
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tqdm import tqdm

# Points that speech and expression move least: nose, cheeks, temples, forehead and the corners of the eyes; above the
# base of the nose, farther than 0.16 of the inter-ocular distance from the lips, 0.08 from the rims of the lids and
# 0.05 from the brows, the same on both sides. Many, because each is tracked with its own error: with 44 of the upper
# face alone, a head that turned by ten degrees took the mouth 0.010 aside or 0.021 up; now it is 0.001 and 0.012.
# fmt: off
STABLE = [
    1, 3, 4, 5, 6, 8, 9, 10, 19, 20, 21, 31, 33, 34, 35, 36, 44, 45, 47, 48, 49, 50, 51, 54, 59, 60, 64, 67, 68,
    69, 71, 75, 79, 93, 94, 98, 99, 100, 101, 102, 103, 104, 108, 109, 111, 113, 114, 115, 116, 117, 118, 119,
    120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 131, 133, 134, 137, 139, 141, 142, 143, 151, 156, 162,
    166, 168, 174, 188, 193, 195, 196, 197, 198, 203, 205, 209, 217, 218, 219, 220, 221, 222, 223, 224, 225,
    227, 228, 229, 230, 231, 234, 235, 236, 237, 238, 239, 240, 241, 242, 245, 248, 250, 251, 261, 263, 264,
    265, 266, 274, 275, 277, 278, 279, 280, 281, 284, 289, 290, 294, 297, 298, 299, 301, 305, 309, 323, 327,
    328, 329, 330, 331, 332, 333, 337, 338, 340, 342, 343, 344, 345, 346, 347, 348, 349, 350, 351, 352, 353,
    354, 355, 356, 357, 358, 360, 362, 363, 366, 368, 370, 371, 372, 383, 389, 392, 399, 412, 417, 419, 420,
    423, 425, 429, 437, 438, 439, 440, 441, 442, 443, 444, 445, 447, 448, 449, 450, 451, 454, 455, 456, 457,
    458, 459, 460, 461, 462, 465,
]
# fmt: on
OUTER = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185]
INNER = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191]
LIPS = OUTER + INNER
JAW = [
    152,
    148,
    377,
    176,
    400,
    149,
    378,
    150,
    379,
    175,
    199,
    200,
    18,
    83,
    313,
    182,
    406,
    201,
    421,
    208,
    428,
    140,
    369,
    136,
    365,
]
# inner lip pairs (upper, lower), from corner to corner
PAIRS = [(191, 95), (80, 88), (81, 178), (82, 87), (13, 14), (312, 317), (311, 402), (310, 318), (415, 324)]
UP, LOW = [13, 82, 312], [14, 87, 317]
EYES = [
    33,
    7,
    163,
    144,
    145,
    153,
    154,
    155,
    133,
    173,
    157,
    158,
    159,
    160,
    161,
    246,
    263,
    249,
    390,
    373,
    374,
    380,
    381,
    382,
    362,
    398,
    384,
    385,
    386,
    387,
    388,
    466,
] + list(range(468, 478))
BROWS = [70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285]


def aperture(x: np.ndarray) -> np.ndarray:
    """Mean distance of the three middle inner-lip pairs of [...,478,3], in inter-ocular units for normalised input."""
    return np.linalg.norm(x[..., UP, :2] - x[..., LOW, :2], axis=-1).mean(-1)


def rotation(yaw: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """R = Rx(pitch) @ Ry(yaw) @ Rz(roll) for row vectors; degrees; [...] -> [...,3,3]."""
    y, p, r = (np.radians(np.asarray(a, np.float64)) for a in (yaw, pitch, roll))
    cy, sy, cp, sp, cr, sr = np.cos(y), np.sin(y), np.cos(p), np.sin(p), np.cos(r), np.sin(r)
    rows = [
        [cy * cr, cy * sr, -sy],
        [sp * sy * cr - cp * sr, sp * sy * sr + cp * cr, sp * cy],
        [cp * sy * cr + sp * sr, cp * sy * sr - sp * cr, cp * cy],
    ]
    return np.stack([np.stack(q, -1) for q in rows], -2)


def angles(r: np.ndarray) -> np.ndarray:
    """Inverse of `rotation`: [...,3,3] -> (yaw, pitch, roll) in degrees [...,3]."""
    yaw = np.arcsin(np.clip(-r[..., 0, 2], -1, 1))
    return np.degrees(
        np.stack([yaw, np.arctan2(r[..., 1, 2], r[..., 2, 2]), np.arctan2(r[..., 0, 1], r[..., 0, 0])], -1)
    )


def procrustes(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """s, R, t of the least-squares fit s * A @ R + t ~ B for A [T,n,3], B [n,3]."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    ma, mb = a.mean(1, keepdims=True), b.mean(0)
    u, s, vt = np.linalg.svd(np.einsum("tni,nj->tij", a - ma, b - mb))
    d = np.ones((len(a), 3))
    d[:, 2] = np.sign(np.linalg.det(u @ vt))
    r = (u * d[:, None]) @ vt
    k = (s * d).sum(1) / ((a - ma) ** 2).sum((1, 2))
    return k, r, mb - k[:, None] * np.einsum("tj,tji->ti", ma[:, 0], r)


def decompose(posed: np.ndarray, mean_face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tracked points [T,478,3] -> normalised points [T,478,3] and pose [T,7] (yaw, pitch, roll, tx, ty, tz, scale)."""
    k, r, t = procrustes(posed[:, STABLE], mean_face[STABLE])
    n = k[:, None, None] * posed.astype(np.float64) @ r + t[:, None]
    back = np.swapaxes(r, 1, 2)
    move = -np.einsum("tj,tji->ti", t, back) / k[:, None]
    return n.astype(np.float32), np.concatenate([angles(back), move, 1 / k[:, None]], 1).astype(np.float32)


def pose(n: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Apply pose [T,7] to normalised points [T,478,3]."""
    p = p.astype(np.float64)
    return (
        p[:, 6, None, None] * (n.astype(np.float64) @ rotation(p[:, 0], p[:, 1], p[:, 2])) + p[:, None, 3:6]
    ).astype(np.float32)


def mean_face(clips: list[np.ndarray]) -> np.ndarray:
    """Generalised Procrustes mean of sparse frames of all clips; point 4 at the origin, |33-263| = 1."""
    m = clips[0][len(clips[0]) // 2].astype(np.float64)
    m = m / np.linalg.norm(m[33] - m[263])
    for _ in range(4):
        acc = []
        for c in clips:
            s, r, t = procrustes(c[:, STABLE], m[STABLE])
            acc.append((s[:, None, None] * c @ r + t[:, None]).mean(0))
        m = np.mean(acc, 0)
        # look straight ahead: mirror symmetry of the axes
        mirror = (m[33] - m[263]) / np.linalg.norm(m[33] - m[263])
        up = m[10] - m[152]
        up = up - mirror * (up @ mirror)
        up /= np.linalg.norm(up)
        axes = np.stack([-mirror, -up, np.cross(-mirror, -up)], 1)
        m = m @ axes
        m = (m - m[4]) / np.linalg.norm(m[33] - m[263])
    return m.astype(np.float32)


def neutral_of(n: np.ndarray, ap: np.ndarray) -> np.ndarray:
    """Resting face of a clip: mean of the calm frames with the 20 % smallest apertures."""
    return n[ap <= np.quantile(ap, 0.2)].mean(0)


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for k in ("data", "tracks", "out"):
        a.add_argument(f"--{k}", type=Path, required=True)
    o = a.parse_args()
    o.out.mkdir(parents=True, exist_ok=True)
    with open(o.data / "manifest.tsv") as f:
        split = {r["id"]: r["split"] for r in csv.DictReader(f, delimiter="\t")}
    tracks = {}
    for f in sorted(o.tracks.glob("*.npz")):
        z = np.load(f)
        if z["ok"].mean() >= 0.9 and len(z["lm"]) >= 50:
            tracks[f.stem] = (z["lm"], z["ok"])
    mean = mean_face([lm[::10] for k, (lm, _) in tracks.items() if split[k] == "train"])
    save_file({"mean_face": mean}, str(o.out / "mean_face.safetensors"))
    for k, (lm, ok) in tqdm(tracks.items(), unit="clip"):
        n, p = decompose(lm, mean)
        ap = aperture(n)
        np.savez(
            o.out / f"{k}.npz",
            n=n,
            pose=p,
            ok=ok,
            neutral=neutral_of(n, ap).astype(np.float32),
            ap=ap.astype(np.float32),
        )


if __name__ == "__main__":
    main()
