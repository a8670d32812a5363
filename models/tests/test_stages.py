# SPDX-License-Identifier: MIT OR Apache-2.0
"""Exported stages: golden replay, chunk equality, emotion monotonicity."""

import numpy as np
import pytest
import torch

from models.data.normalise import aperture
from models.speech2landmarks.model import AHEAD


def quiet(stage) -> torch.Tensor:
    """500 frames of features of digital silence."""
    front, g = stage("features")
    with torch.no_grad():
        return front(torch.zeros_like(g["features.in.0"])).expand(500, -1, -1)


SPEECH = list(AHEAD)
CASES = {k: 3 for k in SPEECH} | {"pose": 4}


@pytest.mark.parametrize("name", ["features", *SPEECH, "pose", "landmarks2latents", "appearance", "mouth", "eyes"])
def test_golden(stage, name):
    net, g = stage(name)
    ins = [g[f"{name}.in.{i}"] for i in range(sum(k.startswith(f"{name}.in.") for k in g))]
    out = net(*ins)
    out = out if isinstance(out, tuple) else (out,)
    for i, y in enumerate(out):
        assert torch.allclose(y, g[f"{name}.out.{i}"], atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_frames_at_once_equal_one_by_one(stage, name):
    net, g = stage(name)
    k = CASES[name]
    ins = [g[f"{name}.in.{i}"] for i in range(k)]
    state = torch.zeros_like(g[f"{name}.in.{k}"])
    x = ins[0].repeat(12, 1, 1) + torch.randn(60, 1, 1, generator=torch.Generator().manual_seed(0))
    per_frame = [i for i, v in enumerate(ins) if name == "pose" and i == 3]
    for i in per_frame:
        ins[i] = torch.randn(60, 8, generator=torch.Generator().manual_seed(1))
    whole, _ = net(x, *ins[1:], state)
    parts, s = [], state
    for n in range(60):
        y, s = net(x[n : n + 1], *[v[n : n + 1] if i in per_frame else v for i, v in enumerate(ins) if i > 0], s)
        parts.append(y)
    assert torch.allclose(whole, torch.cat(parts), atol=2e-4)


@pytest.mark.parametrize("p", SPEECH)
def test_emotion_is_monotonic_and_neutral_label_is_zero(stage, p):
    net, g = stage(p)
    x = g[f"{p}.in.0"].repeat(10, 1, 1)
    face, state = g[f"{p}.in.1"], torch.zeros_like(g[f"{p}.in.3"])

    def mean(i, v):
        e = torch.zeros(8)
        e[i] = v
        return net(x, face, e, state)[0].mean(0).numpy()

    assert np.abs(mean(0, 1.0) - mean(0, 0.0)).max() < 1e-6
    probes = {
        1: lambda f: -f[[61, 291], 1].mean(),
        2: lambda f: f[[61, 291], 1].mean(),
        3: lambda f: -f[[70, 300, 105, 334], 1].mean(),
        4: lambda f: -f[[55, 285], 1].mean(),
        5: lambda f: f[[55, 285, 105, 334], 1].mean(),
        6: lambda f: -f[[64, 294], 1].mean(),
        7: lambda f: -f[291, 1],
    }
    for i, probe in probes.items():
        v = [probe(mean(i, k)) for k in (0, 0.25, 0.5, 0.75, 1.0)]
        assert all(b > a for a, b in zip(v, v[1:])), (i, v)


def test_styles_differ_and_silence_is_calm(stage):
    net, g = stage("pose")
    x, first, noise = g["pose.in.0"].repeat(100, 1, 1), torch.tensor([0, 0, 0, 0.5, 0.5, 0, 0.3]), torch.randn(500, 8)
    state = torch.zeros_like(g["pose.in.4"])

    def spread(x, i=None):
        style = torch.zeros(4)
        if i is not None:
            style[i] = 1
        return net(x, first, style, noise, state)[0][50:, :3].std(0).numpy()

    default, styles = spread(x), [spread(x, i) for i in range(4)]
    assert styles[0].mean() < default.mean() < styles[1].mean()  # calm, lively
    assert styles[2][1] / styles[2][0] > styles[3][1] / styles[3][0]  # nodding against turning
    assert (spread(quiet(stage)) < 0.6 * default).all()


@pytest.mark.parametrize("p", SPEECH)
def test_lips_touch_in_silence(stage, p):
    net, g = stage(p)
    y, _ = net(quiet(stage)[:75], g[f"{p}.in.1"], torch.zeros(8), torch.zeros_like(g[f"{p}.in.3"]))
    a = aperture(y.numpy())
    assert a[25:].max() < 0.03 and a[25:].std() < 0.004
