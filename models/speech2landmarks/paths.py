# SPDX-License-Identifier: MIT OR Apache-2.0
"""Loads modules of the sibling model folders whose names would clash (each folder has a model.py)."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]


def sibling(folder: str, name: str) -> ModuleType:
    """Module models/<folder>/<name>.py under the unique name <folder>_<name>."""
    key = f"{folder}_{name}"
    if key not in sys.modules:
        spec = importlib.util.spec_from_file_location(key, ROOT / folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[key] = module
        spec.loader.exec_module(module)
    return sys.modules[key]
