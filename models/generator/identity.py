# SPDX-License-Identifier: MIT OR Apache-2.0
"""Distance of two pictures' faces by dlib's face recognition network; imported by evaluate.py.

FOLDER holds the unpacked packages dlib-bin and face-recognition-models (PyPI; Boost and CC0 licences): a measuring tool,
nothing of it trains anything or ships. Same person: below 0.6.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch


class Identity:
    def __init__(self, folder: Path) -> None:
        sys.path.insert(0, str(folder))
        import dlib

        models = folder / "face_recognition_models" / "models"
        self.rectangle = dlib.rectangle
        self.points = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        self.net = dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat"))

    def __call__(self, image: torch.Tensor, L: torch.Tensor) -> np.ndarray:
        """The embedding of a picture [1,3,n,n] whose face has the landmarks L [1,478,3]."""
        rgb = (image[0].permute(1, 2, 0).numpy() * 255).round().clip(0, 255).astype(np.uint8).copy()
        p = L[0, :, :2].numpy() * image.shape[-1]
        box = self.rectangle(*(int(v) for v in (*p.min(0), *p.max(0))))
        return np.array(self.net.compute_face_descriptor(rgb, self.points(rgb, box)))
