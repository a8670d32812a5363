# SPDX-License-Identifier: MIT OR Apache-2.0
"""Writes a pack: stages as TorchScript, what goes in and comes out of each, digests, the card, the manifest."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tomlkit
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from ..archive import bare

TRUSTED = "GST_PORTRAIT_TRUSTED_PACKS"
# What a stage's file gives may differ from what the network gave by less than this.
TOLERANCE = 1e-3
# Frames of different streams that a generator draws in one pass on a GPU (pack.toml's `streams`).
STREAMS = 8


@dataclass
class Stage:
    """One stage of a pack: the network (scripted already, where it has to be frozen), what it is given in the golden run, the names of what it gives; whether its file stores
    half precision, in which it is always to run, and whether it draws the frames of several streams at once.
    """

    net: nn.Module
    inputs: dict[str, Tensor]
    outputs: list[str]
    half: bool = False
    precision: str | None = None
    shared: bool = False


Make = Callable[[dict[str, Tensor]], Stage]


def sha256(path: Path) -> str:
    """Digest, hexadecimal."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def results(out: Tensor | tuple[Tensor, ...]) -> list[Tensor]:
    """What a stage gives, as a list."""
    return list(out) if isinstance(out, tuple) else [out]


class Writer:
    """Writes into a folder beside the wanted one, and puts it there when all is done.

    A pack that is there already is replaced; anything else is left alone.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.golden: dict[str, Tensor] = {}
        self.stages: dict[str, dict[str, object]] = {}
        if output.exists() and not (output / "pack.toml").is_file() and any(output.iterdir()):
            raise FileExistsError(f"--output {output} exists and is no pack")
        output.parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))

    def close(self) -> None:
        """Takes away what is unfinished."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, name: str, stage: Stage) -> dict[str, Tensor]:
        """Writes one stage and runs it from its file; returns its outputs by name."""
        file = self.folder / f"{name}.pt"
        net = stage.net.half() if stage.half else stage.net.float()
        frozen = isinstance(net, torch.jit.ScriptModule)
        script = net if frozen else torch.jit.script(net.eval().requires_grad_(False))
        script.save(str(file))
        bare(file)
        loaded = torch.jit.load(str(file)).float()
        with torch.no_grad():
            out = results(loaded(*stage.inputs.values()))
            same = zip(out, results(net.float()(*stage.inputs.values())))
        worst = max(float((a - b).abs().max()) for a, b in same)
        if not worst < TOLERANCE:
            raise ArithmeticError(f"stage {name} differs by {worst} from what it was made of")
        entry: dict[str, object] = {"file": file.name, "sha256": sha256(file)}
        if stage.half:
            entry["weights"] = "float16"
        if stage.precision:
            entry["precision"] = stage.precision
        if stage.shared:
            entry["streams"] = {"cuda": STREAMS}
        given = dict(zip(stage.outputs, out, strict=True))
        for key, tensors in (("inputs", stage.inputs), ("outputs", given)):
            entry[key] = [{"name": k, "shape": list(t.shape)} for k, t in tensors.items()]
        self.stages[name] = entry
        for i, t in enumerate(stage.inputs.values()):
            self.golden[f"{name}.in.{i}"] = t.detach().clone().contiguous()
        for i, t in enumerate(out):
            self.golden[f"{name}.out.{i}"] = t.detach().clone().contiguous()
        return given

    def finish(self, manifest: dict[str, object], card: str) -> str:
        """Writes goldens, card and manifest, puts the folder to its place; returns the manifest's digest."""
        save_file(self.golden, str(self.folder / "golden.safetensors"))
        (self.folder / "README.md").write_text(card)
        golden = {"file": "golden.safetensors", "sha256": sha256(self.folder / "golden.safetensors")}
        whole = manifest | {"stages": self.stages, "golden": golden, "card": {"file": "README.md"}}
        (self.folder / "pack.toml").write_text(tomlkit.dumps(whole))
        for file in self.folder.iterdir():
            file.chmod(0o644)
        self.folder.chmod(0o755)
        if self.output.exists():
            shutil.rmtree(self.output)
        os.replace(self.folder, self.output)
        return sha256(self.output / "pack.toml")


def write(output: Path, stages: list[tuple[str, Make]], manifest: dict[str, object], card: str) -> str:
    """Writes all stages with a progress bar. Each is `(name, f)`, where f gets what the stages before gave, by name, and
    returns a `Stage`.
    """
    writer = Writer(output)
    try:
        known: dict[str, Tensor] = {}
        with tqdm(stages, unit="stage") as bar:
            for name, make in bar:
                bar.set_description(name)
                known |= writer.add(name, make(known))
        return writer.finish(manifest, card)
    finally:
        writer.close()
