# SPDX-License-Identifier: MIT OR Apache-2.0
"""One stage of a pack made anew. Run: python -m pytest models"""

import hashlib
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
from conftest import PACK, ROOT
from safetensors.numpy import load_file, save_file


def test_replacing_a_stage_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    pack, build = tmp_path / "pack", tmp_path / "build" / "pose"
    shutil.copytree(PACK, pack)
    build.mkdir(parents=True)
    run = [sys.executable, "-m", "models.replace", "--build", str(build.parent), "--pack", str(pack)]
    subprocess.run(run, cwd=ROOT.parent, check=True)
    for name in ("pack.toml", "golden.safetensors"):
        assert (pack / name).read_bytes() == (PACK / name).read_bytes(), "nothing was made anew"
    (build / "pose.pt").write_bytes(b"another")
    (build / "stage.toml").write_text('inputs = [{name = "state", shape = [7]}]\noutputs = []\n')
    save_file({"pose.in.0": np.zeros(7, np.float32)}, str(build / "golden-pose.safetensors"))
    subprocess.run(run, cwd=ROOT.parent, check=True)
    old, new = (tomllib.loads((p / "pack.toml").read_text()) for p in (PACK, pack))
    made = new["stages"].pop("pose")
    assert made["sha256"] == hashlib.sha256(b"another").hexdigest() and (pack / "pose.pt").read_bytes() == b"another"
    assert made["inputs"] == [{"name": "state", "shape": [7]}] and made["outputs"] == []
    del old["stages"]["pose"]
    assert new["stages"] == old["stages"]
    assert new["golden"]["sha256"] == hashlib.sha256((pack / "golden.safetensors").read_bytes()).hexdigest()
    golden = load_file(str(pack / "golden.safetensors"))
    assert [k for k in golden if k.startswith("pose.")] == ["pose.in.0"] and "mouth.in.0" in golden


def test_a_stage_that_bears_bfloat16_bears_it_when_it_was_made_anew(tmp_path: Path) -> None:
    pack, build = tmp_path / "pack", tmp_path / "build" / "mouth"
    shutil.copytree(PACK, pack)
    build.mkdir(parents=True)
    (build / "mouth.pt").write_bytes(b"another")
    (build / "stage.toml").write_text("inputs = []\noutputs = []\n")
    save_file({"mouth.in.0": np.zeros(7, np.float32)}, str(build / "golden-mouth.safetensors"))
    run = [sys.executable, "-m", "models.replace", "--build", str(build.parent), "--pack", str(pack)]
    subprocess.run(run, cwd=ROOT.parent, check=True)
    assert tomllib.loads((pack / "pack.toml").read_text())["stages"]["mouth"]["fast"] == "bf16"


def test_a_net_for_less_look_ahead_brings_its_row_of_the_table(tmp_path: Path) -> None:
    name = "speech2landmarks-minimal"
    pack, build = tmp_path / "pack", tmp_path / "build" / name
    shutil.copytree(PACK, pack)
    text = "".join(x for x in (PACK / "pack.toml").read_text().splitlines(True) if not x.startswith("minimal = "))
    (pack / "pack.toml").write_text(text)
    build.mkdir(parents=True)
    shutil.copy(PACK / f"{name}.pt", build)
    row = f'minimal = {{ samples = 320, speech2landmarks = "{name}" }}\n'
    (build / "stage.toml").write_text(f"inputs = []\noutputs = []\n[pack-extra.look-ahead]\n{row}")
    save_file({f"{name}.in.0": np.zeros(7, np.float32)}, str(build / f"golden-{name}.safetensors"))
    run = [sys.executable, "-m", "models.replace", "--build", str(build.parent), "--pack", str(pack)]
    subprocess.run(run, cwd=ROOT.parent, check=True)
    old, new = (tomllib.loads((p / "pack.toml").read_text()) for p in (PACK, pack))
    assert new["look-ahead"] == old["look-ahead"]
    assert list(new) == list(old), "tables stand where the exporter writes them"
