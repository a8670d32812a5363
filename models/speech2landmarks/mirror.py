# SPDX-License-Identifier: MIT OR Apache-2.0
"""Left and right of a face: what one person does on the one side another does on the other, so that a face serves
twice.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

FLIP = np.array([-1, 1, 1], np.float32)


class Mirror:
    """Faces [...,478,3] as in a mirror. Each landmark has one twin, since some lie on top of each other."""

    def __init__(self, mean: np.ndarray) -> None:
        self.centre = mean[[33, 263]].mean(0) * [1, 0, 0]
        x = mean - self.centre
        self.twin = linear_sum_assignment(np.linalg.norm((x * FLIP)[:, None] - x[None], axis=-1))[1]

    def face(self, x: np.ndarray) -> np.ndarray:
        return self.motion(x - self.centre) + self.centre

    def motion(self, d: np.ndarray) -> np.ndarray:
        """Displacements, which have no centre."""
        return d[..., self.twin, :] * FLIP
