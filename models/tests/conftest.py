"""Paths for the tests; built packs are optional (MODELS_BUILD=folder of stage folders)."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
for d in ("data", "speech2landmarks"):
    sys.path.insert(0, str(ROOT / d))


@pytest.fixture
def build() -> Path:
    path = Path(os.environ.get("MODELS_BUILD", ROOT / "build"))
    if not path.exists():
        pytest.skip("no exported stages")
    return path
