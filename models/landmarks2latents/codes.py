"""Writes the mouth code of every frame of the clips, as the generator's encoder sees it: CODES/ID.npz (code [n,6]).

python -m landmarks2latents.codes --data DATA --tracks TRACKS --weights BUILD --out CODES     (from models/)
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from generator.data import crop_box, manifest
from generator.geometry import MOUTH, affine_inverse, cut
from generator.weights import load_part


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for k in ("data", "tracks", "weights", "out"):
        ap.add_argument(f"--{k}", type=Path, required=True)
    ap.add_argument("--limit", type=int, default=0, help="only so many clips")
    ap.add_argument("--longest", type=int, default=500, help="frames of a clip at most")
    a = ap.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    part = load_part(a.weights, "mouth")
    a.out.mkdir(parents=True, exist_ok=True)
    rows = [r for r in manifest(a.data).values() if r["file"].startswith("clips")]
    for row in tqdm(rows[: a.limit or None], mininterval=20):
        track = a.tracks / f"{row['id']}.npz"
        if not track.exists():
            continue
        lm = np.load(track)["lm"]
        cap, out = cv2.VideoCapture(str(a.data / row["file"])), []
        for L in lm[: a.longest]:
            ok, im = cap.read()
            if not ok:
                break
            x0, y0, x1, y1 = crop_box(L, "mouth")
            k = im.shape[0] / 512  # boxes are in pixels of 512
            box = [int(round(v * k)) for v in (x0, y0, x1, y1)]
            x = (
                torch.from_numpy(cv2.cvtColor(im[box[1] : box[3], box[0] : box[2]], cv2.COLOR_BGR2RGB))
                .permute(2, 0, 1)[None]
                .float()
                / 255
            )
            D = torch.from_numpy(L)[None]
            T = part.geo.roi(D, MOUTH)
            local = T.clone()  # the region in units of the cropped box
            size, corner = (
                torch.tensor([box[2] - box[0], box[3] - box[1]]) / im.shape[0],
                torch.tensor(box[:2]) / im.shape[0],
            )
            local[:, :, :2] = T[:, :, :2] / size[:, None]
            local[:, :, 2] = (T[:, :, 2] - corner) / size
            with torch.no_grad():
                md = part.geo.shape_maps(affine_inverse(T, D[:, :, :2]), MOUTH, part.h)
                out.append(part.learned_code(cut(x, local, part.n), md)[0].numpy())
        tmp = a.out / f"{row['id']}.tmp.npz"
        np.savez(tmp, code=np.stack(out))
        os.rename(tmp, a.out / f"{row['id']}.npz")


if __name__ == "__main__":
    main()
