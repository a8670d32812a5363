# SPDX-License-Identifier: MIT OR Apache-2.0
"""How the pose stage that ships, or that of MODELS_BUILD, moves a head; and its oscillators."""

import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import PACK

from models.features.model import rows
from models.generator.stage import constants
from models.pose import model
from models.pose.pauses import slowing
from models.pose.spectrum import AXES, EDGES, WINDOW, bands, fit, haste, pieces, response, shares, simulate
from models.pose.train import recover
from models.speech2landmarks.model import Level

VOICE = Path(__file__).resolve().parents[2] / "tests" / "data" / "speech-af_heart.wav"


@pytest.fixture
def voice() -> np.ndarray:
    """Sound [n] at 16 kHz."""
    with wave.open(str(VOICE)) as f:
        return np.frombuffer(f.readframes(f.getnframes()), "<i2").astype(np.float32) / 32768


@pytest.fixture
def moved(stage, voice) -> list[np.ndarray]:
    """Windows of heads of 12 seeds that hear a voice, in the units of `offsets`."""
    net, mel = stage("pose")[0], rows(voice).reshape(-1, 80)
    return [p for seed in range(12) for p in pieces(simulate(net, mel, 850, seed)[50:])]


def test_heads_sway_and_do_not_bob(moved):
    """Real talking clips have 4 to 8 % of their turns between 0.8 and 1.2 Hz, and 3 to 6 % between 1.2 and 1.8 Hz."""
    found = bands(shares(moved, False))
    fast = {low: dict(zip(AXES, v.round(4))) for low, v in zip(EDGES, found)}
    assert max(fast[0.8].values()) < 0.09, fast
    assert max(fast[1.2].values()) < 0.045, fast
    assert max(fast[1.8].values()) < 0.01 and max(fast[3.0].values()) < 0.002, fast
    assert (haste(moved) < 0.042).all(), haste(moved)
    # and are no dead heads either
    assert min(fast[0.4].values()) > 0.1, fast


def test_heads_move_as_far_as_they_did(moved):
    """Simulated on the training clips, before the oscillators were fitted to spectra."""
    spread, then = np.median([p.std(0) for p in moved], 0), np.array([1.93, 1.67, 1.18, 0.086, 0.052, 0.0036, 0.0073])
    assert ((spread > 0.7 * then) & (spread < 1.4 * then)).all(), spread / then


def test_heads_come_to_rest_in_pauses(stage, voice):
    """In those of real clips they turn 0.54 times as fast as in speech."""
    parts = [np.concatenate([p, np.zeros(12800, np.float32)]) for p in np.array_split(voice[: 9 * 16000], 4)]
    mel, net = rows(np.concatenate(3 * parts)).reshape(-1, 80), stage("pose")[0]
    found = slowing([simulate(net, mel, len(mel) // 4, seed) for seed in range(6)], 6 * [mel])
    assert 0.3 < found < 0.6, found


def test_a_recovered_stage_is_what_ships(stage):
    net = model.Pose(Level(), *recover(PACK / "pose.pt")).eval()
    ships, g = torch.jit.load(str(PACK / "pose.pt")), stage("pose")[1]
    ins = [g[f"pose.in.{i}"] for i in range(5)]
    with torch.no_grad():
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(net(*ins), ships(*ins)))
    assert len(constants(PACK / "pose.pt")) == 14


def test_the_response_is_that_of_the_stage():
    """A step of the stage's loop and the formula that is fitted are the same oscillator."""
    k, c = torch.full((2, 7), 0.03, dtype=torch.double), torch.full((2, 7), 0.2, dtype=torch.double)
    f = v = z = torch.zeros(2, 7, dtype=torch.double)
    out = []
    for i in range(600):
        f = f + model.SMOOTH * (float(i == 0) - f)
        v = v * (1 - c) - k * z + f
        z = z + v
        out.append(z)
    assert torch.allclose(torch.fft.rfft(torch.stack(out), dim=0), response(k, c, model.SMOOTH, 600), atol=1e-9)


def sways(k: torch.Tensor, c: torch.Tensor, push: torch.Tensor | float, seed: int) -> np.ndarray:
    """Shares of the motion of oscillators, measured as that of clips is."""
    long = 60 * WINDOW
    white = torch.fft.rfft(torch.randn(long, 2, 7, generator=torch.Generator().manual_seed(seed)), dim=0)
    z = torch.fft.irfft(response(k, c, model.SMOOTH, long) * push * white, n=long, dim=0).sum(1)
    return shares(pieces(z.double().numpy()), False)


@pytest.mark.parametrize("angle", [0.05, 0.2])
def test_oscillators_take_the_spectrum_that_they_are_given(angle):
    k = torch.full((2, 7), angle**2)
    asked = sways(k, 2 * k.sqrt(), 1.0, 0)
    got = sways(*fit(asked, np.eye(7), model.SMOOTH, 150).values(), 1)
    assert np.abs(bands(got) - bands(asked))[:, :5].max() < 0.1, (bands(got)[:, 0], bands(asked)[:, 0])
