# SPDX-License-Identifier: MIT OR Apache-2.0
"""Paths for the tests, and the stages that they replay: the pack's that ships, or those of MODELS_BUILD."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[1]
PACK = ROOT / "packs" / "lite"

Stage = tuple[torch.jit.ScriptModule, dict[str, torch.Tensor]]


@pytest.fixture
def sample() -> tuple[torch.Tensor, torch.Tensor]:
    """A photo [1,3,512,512] and its landmarks [1,478,3], as MediaPipe tracked them: those of the golden tensors."""
    golden = load_file(str(PACK / "golden.safetensors"))
    return golden["appearance.in.0"].float(), golden["appearance.in.1"].float()


@pytest.fixture
def stage() -> Callable[[str], Stage]:
    """Loads a stage with its golden tensors: of the folder of stage folders MODELS_BUILD, else of the pack."""
    build = os.environ.get("MODELS_BUILD")

    def load(name: str) -> Stage:
        if build is None:
            return torch.jit.load(str(PACK / f"{name}.pt")).float(), load_file(str(PACK / "golden.safetensors"))
        folder = Path(build) / name
        if not folder.exists():
            pytest.skip(f"{folder} is not there")
        return torch.jit.load(str(folder / f"{name}.pt")).float(), load_file(str(folder / f"golden-{name}.safetensors"))

    return load
