# SPDX-License-Identifier: MIT OR Apache-2.0
"""Geo.flow with fewer passes over memory, for training on a CPU: same numbers up to float rounding (a test holds
that).
"""

from __future__ import annotations

import torch

from .geometry import Geo


def fast_flow(geo: Geo, x: torch.Tensor, S: torch.Tensor, D: torch.Tensor) -> torch.Tensor:
    return torch.cat([_one(geo, x[b], S[b], D[b]) for b in range(x.shape[0])])


def _one(geo: Geo, x: torch.Tensor, S: torch.Tensor, D: torch.Tensor) -> torch.Tensor:
    d, q = D[geo.kp, :2], S[geo.kp, :2]
    c0 = d.mean(0)
    dx, xx = d - c0, x - c0
    lhs = torch.cat([xx * -2, (xx * xx).sum(-1, keepdim=True) + 6e-5, torch.ones_like(xx[:, :1])], 1)
    rhs = torch.cat([dx, torch.ones_like(dx[:, :1]), (dx * dx).sum(-1, keepdim=True)], 1) / geo.weight.sqrt()[:, None]
    w = lhs @ rhs.t()
    w.mul_(w).reciprocal_()
    cl, cr = D[78, :2], D[308, :2]
    ax = cr - cl
    W = ax.norm(p=2, dim=-1).clamp(min=1e-3)
    ax = ax / W
    nx = torch.stack([-ax[1], ax[0]])
    c = (cl + cr) / 2
    up, lo = D[geo.mid_upper, :2], D[geo.mid_lower, :2]
    m = (up + lo) / 2
    mu, mv, ho = ((m - c) * ax).sum(-1), ((m - c) * nx).sum(-1), ((lo - up) * nx).sum(-1).clamp(min=0) / 2
    u, v = ((x - c) * ax).sum(-1), ((x - c) * nx).sum(-1)
    vh = torch.softmax(-(((u[:, None] - mu) / (0.07 * W)) ** 2), -1) @ torch.stack([mv, ho], 1)
    g = (0.5 + (v - vh[:, 0]) / (2 * (vh[:, 1] + 0.006))).clamp(0, 1)
    sx = ((1.12 - (u.abs() / (0.5 * W))) / 0.2).clamp(0, 1)
    upper, lower = (geo.side < 0).nonzero()[:, 0], (geo.side > 0).nonzero()[:, 0]
    w[:, upper] *= (1 - sx * g)[:, None]
    w[:, lower] *= (1 - sx * (1 - g))[:, None]
    one = torch.ones_like(d[:, :1])
    f = torch.cat(
        [
            d,
            q,
            (d * d).sum(-1, keepdim=True),
            (d * q).sum(-1, keepdim=True),
            d[:, :1] * q[:, 1:] - d[:, 1:] * q[:, :1],
            one,
        ],
        1,
    )
    mo = w @ f
    mo = mo / mo[:, 7:8]
    pd, pq = mo[:, 0:2], mo[:, 2:4]
    vv = mo[:, 4] - (pd * pd).sum(-1) + 2e-5
    a = (mo[:, 5] - (pd * pq).sum(-1) + 2e-5) / vv
    b = (mo[:, 6] - (pd[:, 0] * pq[:, 1] - pd[:, 1] * pq[:, 0])) / vv
    e = x - pd
    return torch.stack([a * e[:, 0] - b * e[:, 1] + pq[:, 0], b * e[:, 0] + a * e[:, 1] + pq[:, 1]], -1)[None]
