# SPDX-License-Identifier: MIT OR Apache-2.0
"""How a person talks, put on what a net says."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from models.data.normalise import LIPS
from models.speech2landmarks.habit import SPOKEN, Habit, gaps, shut, widen

PACK = Path(__file__).resolve().parents[1] / "packs" / "lite"


@pytest.fixture
def face() -> np.ndarray:
    return next(iter(load_file(str(PACK / "mean_face.safetensors")).values()))


def opened(face: np.ndarray, by: float) -> np.ndarray:
    return widen(shut(face)[None], np.full((1, 9), by))[0]


def test_the_average_talker_is_left_and_another_mouth_moves_by_what_is_known(face: np.ndarray) -> None:
    silent = shut(face) + 0.001
    same = Habit(np.repeat(opened(face, SPOKEN)[None], 4, 0), 1.0)
    said = np.stack([opened(face, by) for by in (0.0, 0.05, 0.1)])
    left = same.talk(said, silent, face, silent)
    assert np.abs(left - said)[:, LIPS].max() < 2e-3
    aside = Habit(np.repeat(opened(face, SPOKEN)[None] + np.float32([0.02, 0, 0]), 4, 0), 1.0)
    moved = aside.talk(said, silent, face, silent) - left
    assert np.allclose(moved[:, LIPS, 0], 0.02 * 4 / 5, atol=1e-4)


def test_a_mouth_opens_as_far_as_the_reference_shows_and_touches_as_before(face: np.ndarray) -> None:
    little = Habit.video(np.repeat(opened(face, 0.043)[None], 100, 0))
    assert 0.5 < little.opening < 0.55
    said = np.stack([opened(face, by) for by in (0.0, 0.003, 0.1)])
    got = gaps(little.talk(said, shut(face), face, shut(face)))[:, 4]
    assert np.allclose(got, [0.0, 0.003, 0.004 + 0.096 * little.opening], atol=1e-3)
    assert Habit(np.repeat(shut(face)[None], 5, 0), 1.0).opening == 1.0
