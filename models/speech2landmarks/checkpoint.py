# SPDX-License-Identifier: MIT OR Apache-2.0
"""Loads what the trainers saved, and no code: tensors, and the arrays and numbers of numpy among them."""

from pathlib import Path

import numpy as np
import torch

NUMPY = [np.core.multiarray._reconstruct, np.core.multiarray.scalar, np.dtype, np.ndarray]
NUMPY += [np.dtypes.Float32DType, np.dtypes.Float64DType]


def load(path: Path) -> dict:
    with torch.serialization.safe_globals(NUMPY):
        return torch.load(path, weights_only=True)
