# SPDX-License-Identifier: MIT OR Apache-2.0
"""Measures the generator on held-out persons and writes a table and contact sheets.

    python -m models.generator.evaluate --frames FRAMES --data DATA --weights BUILD_OR_PACK --matte selfie_seg_256.pt --out OUT \
        [--pairs 4] [--l2l packs/lite/landmarks2latents.pt] [--identity DLIB]

. Pairs as in the prototype: half of them opening, a quarter closing, a quarter middling; clips of 512 px
give 2 * PAIRS of them, smaller ones PAIRS / 2. Then every real clip is driven through time from its first frame: how
restless is the background where the truth stands still, and (with --identity, see identity.py) how far does the face
get from the photo's. Columns of the sheets: photo, truth, analytic warp, painted (code
predicted from landmarks), painted (code of the truth: an upper bound), painted with a second photo: the frame with the
widest mouth that is at least SECOND frames away from the truth. Sheets hold clips' frames: look at them, do not
publish them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from .compose import Compositor
from .data import Clip, load
from .geometry import EYE_L, EYE_R, MOUTH, OUTER
from .identity import Identity
from .metrics import measure, region, restlessness
from .model import Part
from .painters import anchors
from .weights import load_part

PROTOTYPE = """| prototype: analytic (its own pairs) | 21.33 | .760 | 21.14/18.88 | .691/.619 | .47/.36 | 22.89 | .73 |
| prototype: learned (its own pairs) | 21.53 | .765 | 23.32/21.44 | .750/.700 | .21/.12 | 24.39 | .44 |
| prototype: learned + donor mouth (its own pairs) | 21.45 | .764 | 22.13/19.15 | .731/.661 | .38/.68 | 24.39 | .44 |"""


SECOND = 8
"""Frames between the truth and a second photo, at least."""


def choose(clips: list[Clip], n: int, seed: int = 3) -> list[tuple[Clip, int, int]]:
    rng, out, seen = np.random.RandomState(seed), [], {}
    for c in clips:
        seen[c.identity] = seen.get(c.identity, 0) + 1
        if c.kind != "real" or (seen[c.identity] > 3 and c.size < 512):  # a few of the clips of one person are enough
            continue
        for t in range(n * 2 if c.size == 512 else n // 2):
            k = rng.randint(len(c.mouth), size=4)
            k = k[np.argsort(c.mouth[k])]
            out.append((c, k[0], k[-1]) if t % 4 < 2 else ((c, k[-1], k[0]) if t % 4 == 2 else (c, k[1], k[2])))
    return out


def mouth_code(
    mouth: Part, l2l: torch.jit.ScriptModule, src: torch.Tensor, S: torch.Tensor, D: torch.Tensor
) -> torch.Tensor:
    """The learned code [1,6] that landmarks2latents predicts, in silence, once it has settled on the landmarks D."""
    T, own = mouth.geo.roi(S, MOUTH), mouth.code_of(src, S)
    latents = torch.cat([S[0, mouth.geo.kp], torch.cat([anchors(S, T), own], 1).view(4, 3)])
    with torch.no_grad():
        out, _ = l2l(D.repeat(8, 1, 1), torch.zeros(8, 4, 80), latents, torch.zeros(8), torch.zeros(96))
    return out[-1, -4:].reshape(1, -1)[:, 6:]


def through_time(
    clips: list[Clip], full: Compositor, mouth: Part, l2l: torch.jit.ScriptModule | None, identity: Identity | None
) -> list[str]:
    """Background and identity of clips driven from their first frame: lines of the report."""
    restless, distances = [], []
    for c in clips:
        src, S = picture(c.crops[0]), torch.from_numpy(c.lm[:1])
        p, drawn, true = full.photo(src, S), [], []
        at = range(3, min(24, len(c.crops)), 5)
        own = identity(src, S) if identity is not None else None
        for j in at:
            D, truth = torch.from_numpy(c.lm[j : j + 1]), picture(c.crops[j])
            drawn.append(full(p, D, mouth_code(mouth, l2l, src, S, D) if l2l is not None else None))
            true.append(truth)
            if identity is not None:
                distances.append([np.linalg.norm(identity(x, D) - own) for x in (drawn[-1], truth)])
        found = restlessness(torch.cat(drawn), torch.cat(true), src) if len(at) > 1 else None
        if found is not None:
            restless.append(found)
    lines = []
    if restless:
        out, truth = np.mean(restless, 0)
        lines.append(f"background's temporal deviation {out:.2f} grey levels, truth {truth:.2f} ({len(restless)} clips)")
    if distances:
        out, truth = np.mean(distances, 0)
        lines.append(f"identity distance to the photo {out:.3f}, truth {truth:.3f} ({len(distances)} frames)")
    return lines


def picture(crop: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255


def zoomed(x: torch.Tensor, D: torch.Tensor, index: list[int], pad: float, size: int) -> np.ndarray:
    ys, xs = region(D, index, pad)
    im = (x[0, :, ys, xs].permute(1, 2, 0).numpy() * 255).clip(0, 255).astype(np.uint8)
    return cv2.resize(im, (size, size * 2 // 3), interpolation=cv2.INTER_CUBIC)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for k in ("frames", "data", "weights", "matte", "out"):
        ap.add_argument(f"--{k}", type=Path, required=True)
    ap.add_argument("--pairs", type=int, default=4)
    ap.add_argument("--split", default="dev")
    ap.add_argument("--l2l", type=Path, help="landmarks2latents.pt: its (silent) code instead of the prior's")
    ap.add_argument("--identity", type=Path, help="folder of the face recognition network: see identity.py")
    a = ap.parse_args()
    torch.set_num_threads(1)
    a.out.mkdir(parents=True, exist_ok=True)
    mouth, eyes = load_part(a.weights, "mouth"), load_part(a.weights, "eyes")
    l2l = torch.jit.load(str(a.l2l)) if a.l2l else None
    bare, full = Compositor(None, None, a.matte), Compositor(mouth, eyes, a.matte)
    plain = Compositor(mouth, eyes)
    rows: dict[str, list[dict[str, float]]] = {}
    mouths, eyes_sheet, faces = [], [], []
    clips = load(a.frames, a.data, a.split, "full")
    for c, i, j in choose(clips, a.pairs):
        src, truth = picture(c.crops[i]), picture(c.crops[j])
        S, D = torch.from_numpy(c.lm[i : i + 1]), torch.from_numpy(c.lm[j : j + 1])
        p = full.photo(src, S)
        learned = None
        if l2l is not None:
            learned = mouth_code(mouth, l2l, src, S, D)
        far = [k for k in range(len(c.mouth)) if abs(k - j) >= SECOND]
        k = max(far, key=lambda k: c.mouth[k], default=i)
        second = full.photo(picture(c.crops[k]), torch.from_numpy(c.lm[k : k + 1]))
        V = {
            "photo": src,
            "analytic": bare(p, D),
            "painted, no plate": plain(p.__class__(src, S, None, None, p.looks), D, learned),
            "painted": full(p, D, learned),
            "painted, true code": full(p, D, truth=truth),
            "painted, second photo": full(p, D, learned, second=second),
        }
        for k, v in V.items():
            rows.setdefault(k, []).append({**measure(v, truth, D), "open": float(c.mouth[j] - c.mouth[i])})
        cols = [src, truth, V["analytic"], V["painted"], V["painted, true code"], V["painted, second photo"]]
        Ls = [S, *[D] * 5]
        mouths.append(np.concatenate([zoomed(x, L, OUTER, 0.25, 210) for x, L in zip(cols, Ls)], 1))
        eyes_sheet.append(
            np.concatenate([zoomed(x, L, EYE_R + EYE_L, 0.15, 300)[40:160] for x, L in zip(cols[:4], Ls)], 1)
        )
        faces.append(
            np.concatenate(
                [
                    cv2.resize(
                        (x[0].permute(1, 2, 0).numpy() * 255).clip(0, 255).astype(np.uint8),
                        (256, 256),
                        interpolation=cv2.INTER_AREA,
                    )
                    for x in cols[:4]
                ],
                1,
            )
        )
    lines = [
        "| | PSNR | SSIM | mouth PSNR all/open | mouth SSIM all/open | mouth sharpness all/open (median) "
        "| eye PSNR | eye sharpness |",
        "|---|---|---|---|---|---|---|---|",
        PROTOTYPE,
    ]
    for k, v in rows.items():
        opening = [x for x in v if x["open"] > 0.04]
        mean = lambda s, q: float(np.nanmean([x[q] for x in s]))
        med = lambda s, q: float(np.nanmedian([x[q] for x in s]))
        lines.append(
            f"| {k} | {mean(v, 'psnr'):.2f} | {mean(v, 'ssim'):.3f} | "
            f"{mean(v, 'mouth psnr'):.2f}/{mean(opening, 'mouth psnr'):.2f} | "
            f"{mean(v, 'mouth ssim'):.3f}/{mean(opening, 'mouth ssim'):.3f} | "
            f"{med(v, 'mouth sharp'):.2f}/{med(opening, 'mouth sharp'):.2f} | "
            f"{mean(v, 'eye psnr'):.2f} | {med(v, 'eye sharp'):.2f} |"
        )
    lines.append(
        f"\n{len(rows['photo'])} pairs, {sum(x['open'] > 0.04 for x in rows['photo'])} of them "
        "opening by more than 4 % of the face height."
    )
    above = lambda k, q: f"{100 * np.mean([x[q] > 1 for x in rows[k]]):.0f} %"
    lines.append(
        f"Sharper than their truth: {above('painted', 'mouth sharp')} of the painted mouths and "
        f"{above('painted', 'eye sharp')} of the eyes; of the photos' {above('photo', 'mouth sharp')} and "
        f"{above('photo', 'eye sharp')}."
    )
    real = [c for c in clips if c.kind == "real"]
    lines += ["", *through_time(real, full, mouth, l2l, Identity(a.identity) if a.identity else None)]
    (a.out / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines), flush=True)
    for name, sheet, per in (("mouths", mouths, 10), ("eyes", eyes_sheet, 12), ("faces", faces, 6)):
        for k in range(0, len(sheet), per):
            cv2.imwrite(
                str(a.out / f"{name}{k // per}.png"),
                cv2.cvtColor(np.concatenate(sheet[k : k + per]), cv2.COLOR_RGB2BGR),
            )


if __name__ == "__main__":
    main()
