# SPDX-License-Identifier: MIT OR Apache-2.0
import numpy as np
import pytest
from conftest import PACK
from safetensors.numpy import load_file

from models.data.normalise import LIPS, aperture
from models.speech2landmarks.mirror import Mirror


@pytest.fixture
def mean() -> np.ndarray:
    return load_file(str(PACK / "mean_face.safetensors"))["mean_face"].astype(np.float64)


def test_a_mirrored_mirror_is_the_face(mean: np.ndarray):
    face = mean + np.random.default_rng(0).normal(0, 0.02, mean.shape)
    mirror = Mirror(mean)
    assert np.abs(mirror.face(mirror.face(face)) - face)[LIPS].max() < 1e-9
    assert np.abs(mirror.motion(mirror.motion(face - mean)) - (face - mean))[LIPS].max() < 1e-9


def test_a_smile_changes_sides_and_an_opening_stays(mean: np.ndarray):
    face = mean.copy()
    face[61, :2] += [-0.05, -0.03]
    face[14, 1] += 0.1
    mirrored = Mirror(mean).face(face)
    rest = Mirror(mean).face(mean)
    assert np.allclose((mirrored - rest)[291, :2], [0.05, -0.03]) and np.allclose((mirrored - rest)[61], 0)
    assert np.isclose(aperture(mirrored), aperture(face), atol=1e-3)
