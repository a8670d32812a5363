# SPDX-License-Identifier: MIT OR Apache-2.0
"""Animates a photo with the movements of a tracked clip, through the exported stages, and writes frames and a
contact sheet.

    python -m models.generator.render --photo P.png --track ID.npz --pack PACK --weights BUILD --matte \
        selfie_seg_256.pt --out OUT [--start 0] [--count 40]

. PACK holds appearance.pt and landmarks2latents.pt; painters come from the training's checkpoints.
--features names a [n,4,128] npy for the clip's sound (zeros without).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from models.data.normalise import STABLE, procrustes

from .compose import Compositor
from .geometry import KPS
from .golden import crop
from .weights import load_part


def similarity(P: np.ndarray, Q: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """s, R, t with Q ~ s P R + t (row vectors)."""
    s, R, t = procrustes(P[None], Q)
    return s[0], R[0], t[0]


def transfer(S: np.ndarray, track: np.ndarray, reference: int, head: float = 1.0) -> np.ndarray:
    """Landmarks of the photo's face [478,3] moving as the clip moves [n,478,3], relative to the clip's reference
    frame.
    """
    ref = track[reference]
    k, R, t = similarity(ref[STABLE], S[STABLE])
    out = []
    size = np.linalg.norm(S[33] - S[263]) / (k * np.linalg.norm(ref[33] - ref[263]))
    for P in track:
        ki, Ri, ti = similarity(P[STABLE], ref[STABLE])
        still = ki * P @ Ri + ti  # head movement removed
        face = S + (k * (still - ref) @ R) * size
        # head: rotation and translation of the clip, about the photo's face
        rot = R.T @ Ri.T @ R
        w = np.array(cv2.Rodrigues(rot)[0]).ravel() * head
        rot = cv2.Rodrigues(w)[0]
        c = S[STABLE].mean(0)
        move = (
            (P[STABLE].mean(0) - ref[STABLE].mean(0))
            * head
            * np.linalg.norm(S[10] - S[152])
            / np.linalg.norm(ref[10] - ref[152])
        )
        out.append((face - c) @ rot * (1 + (1 / ki - 1) * head) + c + move)
    return np.stack(out).astype(np.float32)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for k in ("photo", "track", "pack", "weights", "matte", "out"):
        ap.add_argument(f"--{k}", type=Path, required=True)
    ap.add_argument("--start", type=int, default=0)
    ap.add_argument("--count", type=int, default=40)
    ap.add_argument("--head", type=float, default=1.0)
    ap.add_argument("--features", type=Path)
    ap.add_argument("--columns", type=int, default=8)
    a = ap.parse_args()
    torch.set_num_threads(1)
    a.out.mkdir(parents=True, exist_ok=True)
    photo, L = crop(a.photo)
    im, S = photo[None].float() / 255, L[None]
    comp = Compositor(load_part(a.weights, "mouth"), load_part(a.weights, "eyes"), a.matte)
    p = comp.photo(im, S)
    track = np.load(a.track)["lm"]
    opening = np.linalg.norm(track[:, 13, :2] - track[:, 14, :2], axis=1)
    posed = torch.from_numpy(transfer(L.numpy(), track, int(opening[: max(50, a.start)].argmin()), a.head))[
        a.start : a.start + a.count
    ]
    features = torch.zeros(len(posed), 4, 128)
    if a.features:
        features = torch.from_numpy(np.load(a.features))[a.start : a.start + a.count].float()
    with torch.no_grad():
        latents = torch.jit.load(str(a.pack / "appearance.pt"))(im, S)[0]
        net = torch.jit.load(str(a.pack / "landmarks2latents.pt"))
        out, _ = net(posed, features, latents, torch.zeros(8), torch.zeros(96))
    tiles, mouths = [], []
    for t in range(len(posed)):
        D = posed[t : t + 1].clone()
        D[0, KPS] = out[t, : len(KPS)]
        x = comp(p, D, out[t, len(KPS) :].reshape(1, -1)[:, 6:])
        rgb = (x[0].permute(1, 2, 0).numpy() * 255).clip(0, 255).astype(np.uint8)
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(a.out / f"{t:04d}.png"), bgr)
        tiles.append(cv2.resize(bgr, (256, 256), interpolation=cv2.INTER_AREA))
        c = (D[0, [61, 291, 13, 14], :2].mean(0).numpy() * 512).astype(int)
        w = int(0.75 * np.linalg.norm(D[0, 33, :2] - D[0, 263, :2]) * 512 / 2) + 6
        m = bgr[max(0, c[1] - w * 3 // 4) : c[1] + w * 3 // 4, max(0, c[0] - w) : c[0] + w]
        mouths.append(cv2.resize(m, (224, 168), interpolation=cv2.INTER_CUBIC))
    for name, tile in (("sheet", tiles), ("mouths", mouths)):
        while len(tile) % a.columns:
            tile.append(np.zeros_like(tile[0]))
        cv2.imwrite(
            str(a.out / f"{name}.png"),
            np.concatenate([np.concatenate(tile[i : i + a.columns], 1) for i in range(0, len(tile), a.columns)]),
        )


if __name__ == "__main__":
    main()
