# SPDX-License-Identifier: MIT OR Apache-2.0
"""Painters, appearance and landmarks2latents: shapes, scripted = eager, streaming = whole. Run:
python -m pytest models
"""


import torch
import torch.nn.functional as F
from test_generator_geometry import face  # noqa: E402

from models.generator.export import Appearance, frozen
from models.generator.geometry import KPS
from models.generator.metrics import restlessness
from models.generator.model import Critic, Part
from models.generator.painters import (
    CODE,
    CODE_ROWS,
    EYE_APPEARANCE,
    MOUTH_APPEARANCE,
    EyePainter,
    MouthPainter,
    anchors,
    before_shuffle,
    restoration,
)
from models.generator.train import Average
from models.landmarks2latents.model import LIMIT, Landmarks2Latents


def alive(m: torch.nn.Module) -> torch.nn.Module:
    """Fresh painters draw next to nothing: stir the weights so that differences show."""
    torch.manual_seed(0)
    for p in m.parameters():
        p.data += torch.randn_like(p) * 0.02
    return m.eval().requires_grad_(False)


def test_mouth_scripted_is_eager() -> None:
    m = alive(MouthPainter())
    x = (torch.rand(1, 3, 128, 128), torch.rand(1, 11, 64, 64), torch.rand(1, CODE), torch.rand(1, MOUTH_APPEARANCE))
    want, got = m(*x), frozen(m)(*x)
    assert [tuple(t.shape) for t in got] == [(1, 3, 128, 128), (1, 1, 128, 128), (1, 2, 64, 64)]
    assert all((a - b).abs().max() < 1e-4 for a, b in zip(want, got))
    assert got[1].min() >= 0 and got[1].max() <= 1 and got[1][0, 0, 0].abs().max() == 0
    assert got[2].abs().max() <= 0.12


def test_eyes_scripted_is_eager_and_eyes_are_independent() -> None:
    m = alive(EyePainter())
    x = (torch.rand(2, 3, 64, 64), torch.rand(2, 11, 32, 32), torch.rand(2, EYE_APPEARANCE))
    want, got = m(*x), frozen(m)(*x)
    assert all((a - b).abs().max() < 1e-4 for a, b in zip(want, got))
    alone = m(*(t[1:] for t in x))
    assert all((a[1:] - b).abs().max() < 1e-4 for a, b in zip(want, alone))


def test_appearance() -> None:
    m = Appearance(alive(Part("mouth")), alive(Part("eyes")))
    photo, L = torch.rand(1, 3, 512, 512), face()
    latents, mouth, eyes = m(photo, L)
    assert (
        latents.shape == (len(KPS) + CODE_ROWS, 3)
        and mouth.shape == (1, MOUTH_APPEARANCE)
        and eyes.shape == (2, EYE_APPEARANCE)
    )
    assert (latents[: len(KPS)] - L[0, KPS]).abs().max() == 0
    traced = frozen(m, (photo, L))
    other = (torch.rand(1, 3, 512, 512), face(0.05) + 0.01)
    assert all((a - b).abs().max() < 1e-4 for a, b in zip(m(*other), traced(*other)))


def test_landmarks2latents_streams() -> None:
    torch.manual_seed(1)
    m = alive(Landmarks2Latents())
    m.residual_gain = 1.0  # what ships has none
    s = frozen(m)
    posed = torch.cat([face(0.01 * t) for t in range(5)])
    latents = torch.cat([posed[0, KPS], torch.rand(CODE_ROWS, 3)])
    f, e, state = torch.randn(5, 4, 80), torch.zeros(8), torch.zeros(m.state_size)
    whole, last = s(posed, f, latents, e, state)
    rows = []
    for t in range(5):
        r, state = s(posed[t : t + 1], f[t : t + 1], latents, e, state)
        rows.append(r)
    assert (torch.cat(rows) - whole).abs().max() < 1e-5 and (state - last).abs().max() < 1e-5
    moved = (whole[:, : len(KPS)] - posed[:, KPS]).abs()
    assert moved.max() <= LIMIT and moved[:, 40:].max() == 0  # only the lips' rows
    mute, _ = s(posed, torch.zeros(5, 4, 80), latents, e, torch.zeros(m.state_size))
    assert (mute[:, : len(KPS)] - posed[:, KPS]).abs().max() == 0  # without sound the points stay where they are posed


def test_anchors_ignore_the_pose_in_the_picture() -> None:
    part, L = Part("mouth"), face()
    M = L.clone()
    M[:, :, :2] = L[:, :, :2] * 1.3 + 0.05
    assert (anchors(L, part.geo.roi(L, 0)) - anchors(M, part.geo.roi(M, 0))).abs().max() < 1e-4


def test_critic() -> None:
    score, features = Critic()(*[torch.rand(2, 3, 88, 88)] * 3)
    assert score.shape[0] == 2 and len(features) == 3


def test_detail_is_restored_in_what_ships_and_not_in_training() -> None:
    assert abs(restoration(1.3).sum() - 1) < 1e-6
    m = alive(MouthPainter())
    x = (torch.rand(1, 3, 128, 128), torch.rand(1, 11, 64, 64), torch.rand(1, CODE), torch.rand(1, MOUTH_APPEARANCE))
    shipped, alpha, _ = m(*x)
    trained, same, _ = m.train()(*x)
    rough = lambda d: (d[..., 1:] - d[..., :-1]).square().mean()
    assert rough(shipped) > 1.2 * rough(trained) and torch.equal(alpha, same)
    assert (shipped.mean() - trained.mean()).abs() < 1e-3


def test_a_filter_before_the_shuffle_is_the_filter_behind_it() -> None:
    kernel, x = torch.rand(1, 1, 5, 5), torch.rand(1, 12, 8, 8)
    before = F.pixel_shuffle(F.conv2d(x, before_shuffle(kernel, 3), padding=1), 2)
    behind = F.conv2d(F.pixel_shuffle(x, 2).view(3, 1, 16, 16), kernel, padding=2).view(1, 3, 16, 16)
    assert (before - behind).abs().max() < 1e-5


def test_average_follows_the_weights() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    mean = Average(layer, decay=0.9)
    layer.weight.data.fill_(1.0)
    for _ in range(200):
        mean.update(layer)
    assert abs(mean.module.weight.item() - 1) < 1e-3 and not mean.module.weight.requires_grad


def test_restlessness_looks_where_the_truth_is_still() -> None:
    photo = torch.full((1, 3, 64, 64), 0.5)
    truth = photo.repeat(4, 1, 1, 1)
    truth[:, :, :, :32] += torch.linspace(0, 0.4, 4)[:, None, None, None]
    drawn = truth.clone()
    drawn[:, :, :, 32:] += torch.tensor([-1, 1, -1, 1])[:, None, None, None] / 255
    out, true = restlessness(drawn, truth, photo)
    assert abs(out - (4 / 3) ** 0.5) < 1e-3 and true == 0
    truth[:, :, :, 32:] += torch.linspace(0, 0.4, 4)[:, None, None, None]
    assert restlessness(drawn, truth, photo) is None
