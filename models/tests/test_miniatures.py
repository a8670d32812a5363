# SPDX-License-Identifier: MIT OR Apache-2.0
"""The miniatures that the plugin's tests play are what the converters make today.

    python -m models.convert.SYSTEM --miniature --output tests/data/packs/SYSTEM

makes one anew; its card and golden numbers are left out.
"""

import importlib
import re
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "data" / "packs"


@pytest.mark.parametrize("system", ["liveportrait", "sadtalker"])
def test_a_bundled_miniature_is_what_its_converter_makes(system: str, tmp_path: Path) -> None:
    config, converter = (importlib.import_module(f"models.convert.{system}.{name}") for name in ("config", "convert"))
    converter.checkpoints(tmp_path / "official", config.MINIATURE, seed=0)
    converter.convert(tmp_path / "official", tmp_path / system, config.MINIATURE, half=False)
    bundled = sorted(FOLDER.joinpath(system).iterdir())
    made = {file.name for file in (tmp_path / system).iterdir()}
    assert {file.name for file in bundled} == made - {"README.md", "golden.safetensors"}
    for file in bundled:
        if file.suffix == ".pt":
            ours, theirs = (torch.jit.load(str(path)) for path in (file, tmp_path / system / file.name))
            assert ours.code == theirs.code, file.name
            tensors = theirs.state_dict()
            assert ours.state_dict().keys() == tensors.keys(), file.name
            # Norms that are folded into weights are sums, which processors add in their own order.
            for name, value in ours.state_dict().items():
                torch.testing.assert_close(value, tensors[name], rtol=1e-5, atol=1e-7, msg=f"{file.name}: {name}")
        else:
            # Digests follow what else is in the files: where the code was written, and rounding.
            ours, theirs = (re.sub(r'sha256 = "\w+"', "", path.read_text()) for path in (file, tmp_path / system / file.name))
            assert ours == theirs
