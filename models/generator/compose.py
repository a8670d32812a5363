# SPDX-License-Identifier: MIT OR Apache-2.0
"""Reference compositor: photo + driving landmarks -> picture, as the renderer in Rust draws it.

The person (matte of the photo) is warped over a clean background plate; mouth and eyes are painted. Imported by
evaluate.py and render.py; clarity before speed. What the renderer adds is not here: hair and ears behind
the face, an outline that does not fold, irises and lids that slide, lips that grow over the photo's teeth, grey paint in grey
photos, softer teeth in smiles, the light of the first photo on the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from .fastflow import fast_flow
from .geometry import EYE_LEFT, EYE_RIGHT, MOUTH, Geo, affine_inverse, grid, resize, sample, sample_sharp, to_map, window
from .model import Part

FLOW = 64
"""The flow of the whole picture is computed on a FLOW x FLOW grid and upsampled."""

OPEN, WIDER, TAKES, EDGE = 0.05, 2.0, (0.5, 0.75), 0.04
"""When and how far the inside of the mouth is that of a second photo: see inside.rs of the renderer."""


@dataclass
class Photo:
    """What is computed once a photo: the picture, its landmarks, matte, clean plate and appearance codes."""

    image: torch.Tensor
    L: torch.Tensor
    matte: torch.Tensor | None
    plate: torch.Tensor | None
    looks: list[torch.Tensor]


def clean_plate(image: torch.Tensor, matte: torch.Tensor) -> torch.Tensor:
    """The photo with its person replaced by inpainted background."""
    n = image.shape[-1]
    rgb = (image[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    k = cv2.dilate((matte[0, 0].numpy() > 0.2).astype(np.uint8), np.ones((n // 28, n // 28), np.uint8))
    small = cv2.resize(rgb, (n // 4, n // 4), interpolation=cv2.INTER_AREA)
    filled = cv2.inpaint(small, cv2.resize(k, (n // 4, n // 4), interpolation=cv2.INTER_NEAREST), 3, cv2.INPAINT_TELEA)
    soft = cv2.GaussianBlur(k.astype(np.float32), (0, 0), n / 256)[..., None]
    out = cv2.resize(filled, (n, n), interpolation=cv2.INTER_LINEAR) * soft + rgb * (1 - soft)
    return torch.from_numpy(out).permute(2, 0, 1)[None].float() / 255


@torch.no_grad()
def person(matte: torch.jit.ScriptModule, image: torch.Tensor) -> torch.Tensor:
    """How much of each pixel of a picture [1,3,256,256] is a person [1,1,256,256], by a pack's network."""
    m = matte(image)
    return (m[0] if isinstance(m, (tuple, list)) else m).reshape(1, -1, 256, 256)[:, -1:].clamp(0, 1)


class Compositor:
    def __init__(self, mouth: Part | None, eyes: Part | None, matte: Path | None = None, n: int = 512) -> None:
        self.geo, self.mouth, self.eyes, self.n = Geo(), mouth, eyes, n
        self.matte = torch.jit.load(str(matte)).eval() if matte else None
        self.full = to_map(grid(n) / 2 + 0.5, n)
        self.coarse = grid(FLOW) / 2 + 0.5

    @torch.no_grad()
    def photo(self, image: torch.Tensor, L: torch.Tensor) -> Photo:
        m = plate = None
        if self.matte is not None:
            m = resize(person(self.matte, F.interpolate(image, size=(256, 256), mode="area")), self.n)
            plate = clean_plate(image, m)
        looks = []
        for part, which in ((self.mouth, MOUTH), (self.eyes, EYE_RIGHT), (self.eyes, EYE_LEFT)):
            looks.append(part.look_of(image, L, which) if part is not None else torch.zeros(1, 1))
        return Photo(image, L, m, plate, looks)

    @torch.no_grad()
    def flow(self, S: torch.Tensor, D: torch.Tensor) -> torch.Tensor:
        f = fast_flow(self.geo, self.coarse, S, D)
        h = self.geo.headw(self.coarse, S, D)[..., None]
        return self.full + resize(to_map(h * (f - self.coarse), FLOW), self.n)

    @torch.no_grad()
    def __call__(
        self,
        p: Photo,
        D: torch.Tensor,
        learned: torch.Tensor | None = None,
        truth: torch.Tensor | None = None,
        second: Photo | None = None,
    ) -> torch.Tensor:
        """The picture for landmarks D [1,478,3]; learned = mouth code [1,6], else the truth's, else the prior's;
        second = another photo of the person, whose mouth is open.
        """
        n = self.n
        fl = self.flow(p.L, D)
        painted = []
        for part, which, look in (
            (self.mouth, MOUTH, p.looks[0]),
            (self.eyes, EYE_RIGHT, p.looks[1]),
            (self.eyes, EYE_LEFT, p.looks[2]),
        ):
            if part is None:
                continue
            T, seen, moved, a, delta = part.run(
                p.image, p.L, D, which, look, learned if which == MOUTH else None, truth if which == MOUTH else None
            )
            at = affine_inverse(T, (grid(n) / 2 + 0.5))
            inside = (at.abs() < 1).all(-1).view(1, 1, n, n).float()
            z = torch.cat([seen, moved, a, delta * a, window(part.n)], 1)
            z = (
                F.grid_sample(z, at.view(1, n, n, 2), mode="bilinear", padding_mode="border", align_corners=False)
                * inside
            )
            w = z[:, 8:9].clamp(0, 1)
            fl = fl * (1 - w) + z[:, 2:4] * w
            rows, columns = inside[0, 0].any(1).nonzero(), inside[0, 0].any(0).nonzero()
            if len(rows):
                box = (slice(None), slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
                painted.append((box, z[box]))
        out = sample_sharp(p.image, fl)
        for box, z in painted:
            # the change is of what the painter saw, so it is laid over the photo itself, sampled where that came from
            alpha = z[:, 4:5]
            out[box] = out[box] * (1 - alpha) + sample_sharp(p.image, z[:, :2]) * alpha + z[:, 5:8]
        out = out.clamp(0, 1)
        if p.matte is not None and p.plate is not None:
            # above and beside the photo there is nobody: its border row must not be drawn out; below, the body goes on
            beyond = torch.stack([-fl[:, 0], fl[:, 0] - 1, -fl[:, 1]], 1).amax(1, keepdim=True)
            m = sample(p.matte, fl) * (1 - beyond * 256).clamp(0, 1)
            out = out * m + p.plate * (1 - m)
        if second is not None and self.opening(second.L) > max(OPEN, WIDER * self.opening(p.L)):
            inside = self.inside(second.L, D)
            out = out * (1 - inside) + self(second, D, learned, truth) * inside
        return out

    def opening(self, L: torch.Tensor) -> float:
        """How far a mouth is open, in its own widths."""
        up, lo = L[0, self.geo.mid_upper, :2], L[0, self.geo.mid_lower, :2]
        return float((lo - up).norm(dim=1).mean() / (up[-1] - up[0]).norm())

    def inside(self, second: torch.Tensor, D: torch.Tensor) -> torch.Tensor:
        """How much of each pixel [1,1,n,n] is taken from a second photo with those landmarks."""
        n, soft = self.n, lambda x: x.clamp(0, 1) ** 2 * (3 - 2 * x.clamp(0, 1))
        T = self.geo.roi(D, MOUTH)
        lips = affine_inverse(T, D[:, self.geo.lips[1], :2])
        depth = self.geo.sdf(affine_inverse(T, grid(n) / 2 + 0.5), lips).view(1, 1, n, n)
        share = (self.opening(D) / self.opening(second) - TAKES[0]) / (TAKES[1] - TAKES[0])
        return soft(torch.tensor(share)) * soft(depth / EDGE)
