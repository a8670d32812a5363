# SPDX-License-Identifier: MIT OR Apache-2.0
import numpy as np
import pytest

from models.speech2landmarks.dataset import shift
from models.speech2landmarks.sync import best, between


def test_a_track_moves_by_whole_frames_and_by_parts():
    x = np.arange(6.0)[:, None] ** 2
    assert (shift(x, 2)[:, 0] == [4, 9, 16, 25, 25, 25]).all()
    assert (shift(x, -1)[:, 0] == [0, 0, 1, 4, 9, 16]).all()
    assert (shift(x, 0.5)[:4, 0] == [0.5, 2.5, 6.5, 12.5]).all()


@pytest.mark.parametrize("lag", [-2.4, -0.3, 0.0, 1.25])
def test_a_lag_is_found_to_a_part_of_a_frame(lag: float):
    t = np.arange(300)
    speech = lambda t: np.sin(0.31 * t) + 0.6 * np.sin(0.83 * t + 1) + 0.3 * np.sin(0.07 * t)  # noqa: E731
    heard, seen = speech(t), speech(t - lag)
    _, whole = best(heard, seen)
    assert abs(whole - lag) <= 0.5
    assert abs(between(heard, seen, whole) - lag) < 0.1
