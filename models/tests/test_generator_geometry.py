# SPDX-License-Identifier: MIT OR Apache-2.0
"""Invariants of the generator's geometry. Run: python -m pytest models"""


import torch

from models.generator.fastflow import fast_flow
from models.generator.geometry import (
    EYE_L,
    EYE_R,
    INNER,
    KPS,
    OUTER,
    SIDE,
    Geo,
    affine,
    affine_inverse,
    flow_in,
    grid,
    maps_in,  # noqa: E402
    sample,
    sample_sharp,
    to_map,
    window,
)


def face(opening: float = 0.02) -> torch.Tensor:
    """A synthetic face [1,478,3]: ellipses for oval, eyes and lips, the rest scattered on the face."""
    g = torch.Generator().manual_seed(0)
    L = torch.rand(1, 478, 3, generator=g) * torch.tensor([0.4, 0.5, 0.0]) + torch.tensor([0.3, 0.2, 0.0])

    def ring(index: list[int], cx: float, cy: float, rx: float, ry: float, start: float, sign: float) -> None:
        for i, k in enumerate(index):
            a = torch.tensor(start + sign * 2 * torch.pi * i / len(index))
            L[0, k, 0], L[0, k, 1] = cx + rx * torch.cos(a), cy + ry * torch.sin(a)

    ring(OUTER, 0.5, 0.65, 0.08, 0.025 + opening / 2, torch.pi, -1)
    ring(INNER, 0.5, 0.65, 0.06, 0.002 + opening / 2, torch.pi, -1)
    ring(EYE_R, 0.41, 0.45, 0.035, 0.015, torch.pi, -1)
    ring(EYE_L, 0.59, 0.45, 0.035, 0.015, 0.0, 1)
    for k, p in {
        10: (0.5, 0.25),
        152: (0.5, 0.8),
        234: (0.3, 0.5),
        454: (0.7, 0.5),
        168: (0.5, 0.43),
        2: (0.5, 0.58),
        4: (0.5, 0.55),
        175: (0.5, 0.78),
        468: (0.41, 0.45),
        473: (0.59, 0.45),
    }.items():
        L[0, k, :2] = torch.tensor(p)
    return L


def test_control_points() -> None:
    assert len(KPS) == len(set(KPS)) == len(SIDE) == 202 and max(KPS) < 478
    needed = set(
        OUTER
        + INNER
        + EYE_R
        + EYE_L
        + [468, 473, 10, 152, 234, 454, 168, 2, 33, 133, 362, 263, 13, 14, 78, 308, 4, 175]
    )
    assert needed <= set(KPS)


def test_same_landmarks_give_the_identity() -> None:
    geo, S, x = Geo(), face(), grid(32) / 2 + 0.5
    assert (geo.flow(x, S, S) - x).abs().max() < 1e-4


def test_moved_head_moves_the_flow() -> None:
    geo, S, x = Geo(), face(), grid(16) / 2 + 0.5
    t = torch.tensor([0.03, -0.02])
    D = torch.cat([S[:, :, :2] + t, S[:, :, 2:]], 2)
    assert (geo.flow(x, S, D) - (x - t)).abs().max() < 1e-4


def test_gate_keeps_the_lips_apart() -> None:
    """An opening mouth brings upper-lip pixels from above the line of the lips and lower-lip pixels from below."""
    geo, S, D = Geo(), face(0.0), face(0.06)
    x = torch.tensor([[[0.5, 0.615], [0.5, 0.685]]])
    y = geo.flow(x, S, D)[0, :, 1]
    assert y[0] < 0.65 < y[1]


def test_distance_signs() -> None:
    geo, L = Geo(), face(0.04)
    x = torch.tensor([[[0.5, 0.65], [0.5, 0.9], [0.41, 0.45]]])
    mouth, eye = geo.sdf(x, L[:, INNER, :2])[0], geo.sdf(x, L[:, EYE_R, :2])[0]
    assert mouth[0] > 0 > mouth[1] and mouth[2] < 0
    assert eye[2] > 0 > eye[0]
    square = torch.tensor([[[0.0, 0], [1, 0], [1, 1], [0, 1]]])
    d = geo.sdf(torch.tensor([[[0.5, 0.4], [2.0, 0.5]]]), square)[0]
    assert torch.allclose(d, torch.tensor([0.4, -1.0]), atol=1e-5)


def test_region_and_its_inverse() -> None:
    geo, L, g = Geo(), face(), grid(8)
    for which in (0, 1, 2):
        T = geo.roi(L, which)
        assert (affine_inverse(T, affine(T, g)) - g).abs().max() < 1e-4
    assert geo.roi(L, 1)[0, 0, 0] > 0 > geo.roi(L, 2)[0, 0, 0]  # the left eye is mirrored


def test_maps() -> None:
    geo, S, D = Geo(), face(0.0), face(0.05)
    for which, h in ((0, 64), (1, 32), (2, 32)):
        T, Ts, fl = flow_in(geo, S, D, which)
        m = maps_in(geo, S, D, T, Ts, fl, which, h)
        assert m.shape == (1, 11, h, h) and torch.isfinite(m).all()
        assert m[:, :9].abs().max() <= 1
    same = maps_in(geo, S, S, *flow_in(geo, S, S, 0), 0, 64)
    assert (same[:, 0:3] - same[:, 6:9]).abs().max() < 1e-4
    assert (same[0, 9:11].reshape(2, -1).t() - grid(64)[0]).abs().max() < 0.02


def test_fast_flow_is_the_flow() -> None:
    geo, S, D, x = Geo(), face(0.01), face(0.05), grid(32) * 0.25 + 0.5
    D = D + 0.02
    assert (fast_flow(geo, x, S, D) - geo.flow(x, S, D)).abs().max() < 2e-4


def test_head_weight_and_window() -> None:
    geo, L = Geo(), face()
    w = geo.headw(torch.tensor([[[0.5, 0.5], [0.0, 0.0], [1.0, 1.0]]]), L, L)[0]
    assert w[0] == 1 and w[1] < 0.5 and w[2] < 0.5
    assert window(64)[0, 0, 0].max() == 0 and window(64)[0, 0, 32, 32] == 1


def test_sharp_samples_are_the_picture_at_rest_and_keep_fine_detail_between() -> None:
    n = 32
    x = torch.arange(n).float()
    stripes = (torch.sin(x * 1.5) * 0.5 + 0.5).view(1, 1, 1, n).expand(2, 3, n, n)
    at = to_map(grid(n) / 2 + 0.5, n).repeat(2, 1, 1, 1)
    assert (sample_sharp(stripes, at) - stripes).abs().max() < 1e-4
    between = at + torch.tensor([0.5 / n, 0.0]).view(1, 2, 1, 1)
    truth = (torch.sin((x + 0.5) * 1.5) * 0.5 + 0.5).expand(n, n)
    error = lambda f: (f(stripes, between)[0, 0, :, 2:-3] - truth[:, 2:-3]).abs().max()
    assert error(sample_sharp) < 0.6 * error(sample)
