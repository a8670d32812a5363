"""Left and right of a face: what one person does on the one side another does on the other, so that a face serves twice."""

import numpy as np
from scipy.optimize import linear_sum_assignment


def mirror_map(mean: np.ndarray) -> np.ndarray:
    """Index of the mirrored twin of every landmark; one to one, since some lie on top of each other."""
    m = mean.copy()
    m[:, 0] = -(m[:, 0] - (m[33, 0] + m[263, 0]) / 2)
    q = mean.copy()
    q[:, 0] -= (mean[33, 0] + mean[263, 0]) / 2
    return linear_sum_assignment(np.linalg.norm(m[:, None] - q[None], axis=-1))[1]


class Mirror:
    """Faces [...,478,3] as in a mirror."""

    def __init__(self, mean: np.ndarray) -> None:
        self.twin = mirror_map(mean)
        self.centre = mean[[33, 263]].mean(0) * [1, 0, 0]

    def face(self, x: np.ndarray) -> np.ndarray:
        return (x - self.centre)[..., self.twin, :] * [-1, 1, 1] + self.centre

    def motion(self, d: np.ndarray) -> np.ndarray:
        """Displacements, which have no centre."""
        return d[..., self.twin, :] * [-1, 1, 1]
