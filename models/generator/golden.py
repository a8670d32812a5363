# SPDX-License-Identifier: MIT OR Apache-2.0
"""Golden tensors of the geometry, from a sample photo: what a second implementation must reproduce."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import torch

from .geometry import (
    COARSE,
    EYE_LEFT,
    EYE_RIGHT,
    KPS,
    LIP_INNER_LOWER,
    LIP_OUTER_LOWER,
    MOUTH,
    Geo,
    flow_in,
    grid,
    maps_in,
    resize,
    sample,
    to_map,
)


def track(rgb: np.ndarray) -> np.ndarray:
    """MediaPipe's 478 landmarks of one picture, in units of its width."""
    import mediapipe as mp

    mesh = mp.solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, refine_landmarks=True)
    found = mesh.process(rgb).multi_face_landmarks
    if not found:
        raise LookupError("no face was found")
    return np.array([(p.x, p.y, p.z) for p in found[0].landmark], np.float32)


def crop(path: Path, side: float = 2.05, down: float = 0.04) -> tuple[torch.Tensor, torch.Tensor]:
    """A photo's square crop as the renderer takes it [3,512,512] uint8, and its landmarks [478,3]; side in face
    heights.
    """
    im = cv2.imread(str(path))
    if im is None:
        raise LookupError(f"{path} cannot be read as a picture")
    im = cv2.cvtColor(im, cv2.COLOR_BGR2RGB)
    h, w = im.shape[:2]
    p = track(im) * np.array([w, h, w], np.float32)
    height = float(np.linalg.norm(p[10] - p[152]))
    s = min(side * height, w, h)
    c = (p[10, :2] + p[152, :2]) / 2 + np.array([0, down * side * height])
    x0, y0 = np.clip(c[0] - s / 2, 0, w - s), np.clip(c[1] - s / 2, 0, h - s)
    M = np.array([[512 / s, 0, -x0 * 512 / s], [0, 512 / s, -y0 * 512 / s]])
    out = cv2.warpAffine(
        im, M, (512, 512), flags=cv2.INTER_CUBIC if s < 512 else cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    return torch.from_numpy(out).permute(2, 0, 1).contiguous(), torch.from_numpy(track(out))


def driven(
    S: torch.Tensor, mouth: float = 0.07, yaw: float = 9, roll: float = 4, close_eye: bool = True
) -> torch.Tensor:
    """Landmarks [478,3] with an opened mouth, one closed eye, the head turned and moved."""
    D = S.clone()
    H = (S[10, :2] - S[152, :2]).norm()
    D[LIP_INNER_LOWER + LIP_OUTER_LOWER, 1] += mouth * H
    D[[152, 148, 377, 176, 400, 175, 199, 200, 18, 83, 313, 201, 421, 32, 262, 149, 378], 1] += mouth / 1.4 * H
    if close_eye:
        D[[173, 157, 158, 159, 160, 161, 246], :2] = D[[155, 154, 153, 145, 144, 163, 7], :2] + torch.tensor(
            [0.0, -0.002]
        )
    a, b = math.radians(yaw), math.radians(roll)
    Ry = torch.tensor([[math.cos(a), 0, -math.sin(a)], [0, 1, 0], [math.sin(a), 0, math.cos(a)]])
    Rz = torch.tensor([[math.cos(b), math.sin(b), 0], [-math.sin(b), math.cos(b), 0], [0, 0, 1]])
    c = D[[234, 454]].mean(0, keepdim=True)
    return ((D - c) @ Ry @ Rz * 1.02 + c + torch.tensor([0.012, -0.008, 0])).contiguous()


def geometry_goldens(photo: torch.Tensor, L: torch.Tensor) -> dict[str, torch.Tensor]:
    """geometry.* tensors for a crop [3,512,512] uint8 and its landmarks."""
    geo, S, D, im = Geo(), L[None], driven(L)[None], photo[None].float() / 255
    near = torch.rand(1, 200, 2, generator=torch.Generator().manual_seed(1)) * 0.3 + torch.tensor([0.35, 0.5])
    x = torch.cat([grid(24) / 2 + 0.5, near], 1)
    G = {
        "S": S[0],
        "D": D[0],
        "photo": photo,
        "kps": torch.tensor(KPS),
        "flow_grid_in": x[0],
        "flow_out": geo.flow(x, S, D)[0],
        "headw_out": geo.headw(x, S, D)[0],
    }
    for which, n, name in ((MOUTH, 128, "mouth"), (EYE_RIGHT, 64, "eye1"), (EYE_LEFT, 64, "eye2")):
        T, Ts, fl = flow_in(geo, S, D, which)
        f = resize(to_map(fl, COARSE), n)
        G |= {
            f"roi_{name}": T[0],
            f"roi_source_{name}": Ts[0],
            f"maps_{name}": maps_in(geo, S, D, T, Ts, fl, which, n // 2)[0],
            f"flow_{name}": f[0],
            f"patch_{name}": sample(im, f)[0],
        }
    return {f"geometry.{k}": v.contiguous() for k, v in G.items()}
