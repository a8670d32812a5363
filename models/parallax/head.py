# SPDX-License-Identifier: MIT OR Apache-2.0
"""The flow of the head as the renderer draws it: face, skull, neck and falloff (render/warp: flow.rs, turn.rs, skull.rs,
head.rs). No weights. The photo's landmarks are S, the driving ones D, both [478,3] in picture units.
"""

from __future__ import annotations

import numpy as np
import torch

from ..data.normalise import STABLE, angles, decompose, pose, procrustes, rotation
from ..generator.geometry import IRIS, KPS, LIP_INNER_LOWER, LIP_INNER_UPPER, OVAL, SIDE, grid

GRID = 64
"""Points of the flow's grid along a side of the picture."""

SMOOTH, OUTLINE, SKULL = 1e-3, (2.0, 2e-3), (4.0, 3e-3)
"""Softness of the landmarks' pull; weight and softness of the outline's and of the skull's."""

SHARE, FACE, EDGE = 2 / 3, np.array([0.77, 0.96]), (0.6, 1.0)
PIVOT = np.array([[0.0, 0.35, 1.1]])
MIDDLE, SIZE = np.array([0.0, -0.3, 1.45]), np.array([1.0, 1.25, 0.9])
RINGS = [(1.0, 0.0, 180.0, 19), (0.82, 45.0, 135.0, 9)]
EARS = [[s * x, y, z] for x, y, z in ((0.85, 0.05, 1.45), (1.02, 0.05, 1.52), (0.95, 0.4, 1.45)) for s in (-1, 1)]
# fmt: off
NECK = [[-0.6, 1.1, 1.15], [0.0, 1.25, 1.15], [0.6, 1.1, 1.15], [-0.6, 1.4, 1.15], [0.0, 1.55, 1.15], [0.6, 1.4, 1.15],
        [-0.95, 0.85, 1.15], [0.95, 0.85, 1.15]]
# fmt: on
SIDE_WIDTH, JAW_WIDTH, FALLOFF, CROWN = 0.75, 0.6, 0.4, 0.95
BELOW, REACH, SLACK = 0.56, 2.0, 3.0
NECK_TOP, NECK_LENGTH, NECK_WIDTH, NECK_EDGE, NECK_START = 0.5, 0.5, 0.6, 0.3, 0.2


def smooth_step(v: np.ndarray) -> np.ndarray:
    v = np.clip(v, 0, 1)
    return v * v * (3 - 2 * v)


def skull() -> np.ndarray:
    """Points of a mean head behind the face [42,3], normalised."""
    points = [*EARS, *NECK]
    for size, first, last, count in RINGS:
        depth = MIDDLE[2] - SIZE[2] * (1 - size * size) ** 0.5
        for angle in np.radians(np.linspace(first, last, count)):
            points.append([size * SIZE[0] * np.cos(angle), MIDDLE[1] - size * SIZE[1] * np.sin(angle), depth])
    return np.array(points)


class Head:
    """The head of a photo with landmarks S."""

    def __init__(self, S: np.ndarray, mean_face: np.ndarray) -> None:
        self.S = S.astype(np.float64)
        self.rest = decompose(S[None], mean_face)[1]
        self.behind = pose(skull()[None], self.rest)[0].astype(np.float64)
        self.pivot = pose(PIVOT[None], self.rest)[0, 0].astype(np.float64)
        self.edge = smooth_step((np.hypot(*(mean_face[KPS, :2] / FACE).T) - EDGE[0]) / (EDGE[1] - EDGE[0]))
        weight, soft = np.ones(len(KPS)), np.full(len(KPS), SMOOTH)
        weight[[k in IRIS for k in KPS]] = 0.35
        outline = np.array([k in OVAL for k in KPS])
        weight[outline], soft[outline] = OUTLINE
        n = len(self.behind)
        self.weight = torch.tensor(np.r_[weight, np.full(n, SKULL[0])], dtype=torch.float32)
        self.soft = torch.tensor(np.r_[soft, np.full(n, SKULL[1])], dtype=torch.float32)
        self.side = torch.tensor(np.r_[SIDE, np.zeros(n)])
        self.source = torch.tensor(np.r_[self.S[KPS, :2], self.behind[:, :2]], dtype=torch.float32)

    def motion(self, D: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Driving positions of control points and skull [244,2], how far the head turned (yaw, pitch, roll), and how far it
        went as a whole, aside and in size."""
        stable = [i for i, k in enumerate(KPS) if k in set(STABLE)]
        control = D[KPS].astype(np.float64)
        k, r, t = procrustes(self.S[KPS][stable][None], control[stable])
        move = lambda p: k[0] * p @ r[0] + t[0]
        turn = angles(r[0])
        back = rotation(0, 0, -turn[2]) @ rotation((SHARE - 1) * turn[0], 0, turn[2])
        pivot = move(self.pivot)
        less = lambda p: (p - pivot) @ back + pivot
        driving = control + self.edge[:, None] * (less(control) - control)
        travel = np.hypot(*(pivot - self.pivot)[:2]) + abs(k[0] - 1) * REACH * self.rest[0, 6]
        return np.r_[driving[:, :2], less(move(self.behind))[:, :2]], turn, float(travel)

    def flow(self, D: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
        """Displacement towards the photo and its weight on the grid [2,GRID,GRID], [1,GRID,GRID], and the turn."""
        driving, turn, travel = self.motion(D)
        d, s = torch.tensor(driving, dtype=torch.float32), self.source
        x = grid(GRID)[0] / 2 + 0.5
        gate = self._gate(x, d)
        w = gate * self.weight / (torch.cdist(x, d) ** 2 + self.soft) ** 2
        w = w / w.sum(1, keepdim=True)
        u = s - d
        dot, cross = (d * u).sum(1), d[:, 0] * u[:, 1] - d[:, 1] * u[:, 0]
        sums = w @ torch.cat([d, u, (d * d).sum(1, keepdim=True), dot[:, None], cross[:, None]], 1)
        m, t = sums[:, :2], sums[:, 2:4]
        variance = sums[:, 4] - (m * m).sum(1) + 2e-5
        a = (sums[:, 5] - (m * t).sum(1)) / variance
        b = (sums[:, 6] - (m[:, 0] * t[:, 1] - m[:, 1] * t[:, 0])) / variance
        e = x - m
        f = t + torch.stack([a * e[:, 0] - b * e[:, 1], b * e[:, 0] + a * e[:, 1]], 1)
        weight = torch.tensor(falloff(x.double().numpy(), driving, travel), dtype=torch.float32)
        f = f.clamp(-0.25, 0.25) * weight[:, None]
        return f.t().reshape(2, GRID, GRID), weight.view(1, GRID, GRID), turn

    def _gate(self, x: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
        at = {k: i for i, k in reversed(list(enumerate(KPS)))}
        rim = lambda middle: d[[at[k] for k in (78, *middle, 308)]]
        up, lo = rim(LIP_INNER_UPPER), rim(LIP_INNER_LOWER)
        along = up[-1] - up[0]
        width = along.norm().clamp(min=1e-3)
        along, c = along / width, (up[0] + up[-1]) / 2
        across = torch.stack([-along[1], along[0]])
        mid = (up + lo) / 2 - c
        half = ((lo - up) @ across).clamp(min=0) / 2
        u, v = (x - c) @ along, (x - c) @ across
        near = torch.softmax(-(((u[:, None] - mid @ along) / (0.07 * width)) ** 2), 1)
        below = (0.5 + (v - near @ (mid @ across)) / (2 * (near @ half + 0.006))).clamp(0, 1)
        inside = ((1.12 - u.abs() / (0.5 * width)) / 0.2).clamp(0, 1)
        upper, lower = (1 - inside * below)[:, None], (1 - inside * (1 - below))[:, None]
        return torch.where(self.side < 0, upper, torch.where(self.side > 0, lower, torch.ones_like(upper)))


def falloff(x: np.ndarray, driving: np.ndarray, travel: float) -> np.ndarray:
    """How far points x [n,2] move with a head that went so far as a whole."""
    top, bottom, left, right = (driving[KPS.index(k)] for k in (10, 152, 234, 454))
    height = max(np.hypot(*(top - bottom)), 1e-3)
    up, centre = (top - bottom) / height, (top + bottom) / 2
    width = max(np.hypot(*(left - right)), 0.7 * height)
    r = x - centre
    across, along = (r[:, 1] * up[0] - r[:, 0] * up[1]) / width, r @ up / height
    side = SIDE_WIDTH - (SIDE_WIDTH - JAW_WIDTH) * smooth_step(-along / 0.4)
    above = ((across / side) ** 4 + (along / CROWN) ** 4) ** 0.25
    radius = np.where(along > 0, above, np.hypot(across / side, along / BELOW))
    shortest = min(JAW_WIDTH * width, BELOW * height)
    head = smooth_step(1 - (radius - 1) / max(FALLOFF, SLACK * travel / shortest))
    edge = max(NECK_EDGE, SLACK * travel / width)
    beside = smooth_step((NECK_WIDTH - NECK_EDGE + edge - np.abs(across)) / edge)
    neck = smooth_step(1 + (along + NECK_TOP) / NECK_LENGTH) * smooth_step(-along / NECK_START) * beside
    return 1 - (1 - head) * (1 - neck)
