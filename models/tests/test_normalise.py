# SPDX-License-Identifier: MIT OR Apache-2.0
import re
from pathlib import Path

import numpy as np

from models.data.normalise import STABLE, angles, decompose, mean_face, pose, rotation


def faces(n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    r = np.random.default_rng(0)
    base = r.normal(0, 0.3, (478, 3))
    base = (base - base[4]) / np.linalg.norm(base[33] - base[263])
    own = base + r.normal(0, 0.02, (n, 478, 3))
    p = np.stack(
        [
            r.uniform(-40, 40, n),
            r.uniform(-30, 30, n),
            r.uniform(-30, 30, n),
            r.uniform(0.3, 0.7, n),
            r.uniform(0.3, 0.7, n),
            r.uniform(-0.1, 0.1, n),
            r.uniform(0.1, 0.4, n),
        ],
        1,
    )
    return base.astype(np.float32), pose(own, p)


def test_posing_again_gives_back_the_tracked_points():
    base, tracked = faces()
    n, p = decompose(tracked, base)
    assert np.abs(pose(n, p) - tracked).max() < 1e-5


def test_normalised_points_do_not_depend_on_the_pose():
    base, tracked = faces()
    n, _ = decompose(tracked, base)
    moved = (tracked @ rotation(20.0, -10.0, 5.0)).astype(np.float32) * 1.7 + np.float32(0.2)
    again, _ = decompose(moved, base)
    assert np.abs(n - again).max() < 1e-4


def test_angles_invert_rotation():
    a = np.array([[30.0, -20.0, 10.0], [-5.0, 40.0, -60.0]])
    assert np.allclose(angles(rotation(a[:, 0], a[:, 1], a[:, 2])), a)


def test_rotation_matches_the_written_convention():
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    assert np.allclose(rotation(30, 0, 0), [[c, 0, -s], [0, 1, 0], [s, 0, c]])
    assert np.allclose(rotation(0, 30, 0), [[1, 0, 0], [0, c, s], [0, -s, c]])
    assert np.allclose(rotation(0, 0, 30), [[c, s, 0], [-s, c, 0], [0, 0, 1]])


def test_mean_face_is_anchored():
    _, tracked = faces()
    m = mean_face([tracked])
    assert (
        np.abs(m[4]).max() < 1e-6 and abs(np.linalg.norm(m[33] - m[263]) - 1) < 1e-5 and len(STABLE) == len(set(STABLE))
    )


def test_the_plugin_takes_the_pose_from_the_same_points():
    (rust,) = (Path(__file__).parents[2] / "plugins" / "portrait" / "src").rglob("landmark/indices.rs")
    listed = re.search(r"pub const STABLE: \[usize; \d+\] = \[([^]]*)]", rust.read_text())
    assert [int(i) for i in re.findall(r"\d+", listed[1])] == STABLE
