# SPDX-License-Identifier: MIT OR Apache-2.0
"""The pack that is adapted, with those that it extends."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from ...data.labels import EMOTIONS
from ..checkpoint import ConvertError
from ..pack import sha256

# Packs that ship.
PACKS = Path(__file__).resolve().parents[2] / "packs"
# What the photo's stage must tell.
SOURCES = ("source_latents", "kp_canonical", "expression", "head")
MOST_EXTENDED = 8


class Base:
    """Manifests and stages of a pack; what it leaves out is the pack's that it extends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chain: list[tuple[Path, Mapping[str, dict]]] = []
        at: Path | None = folder
        while at is not None:
            path = at / "pack.toml"
            if not path.is_file():
                raise ConvertError(f"{at} is no model pack: it holds no pack.toml")
            if len(self.chain) == MOST_EXTENDED:
                raise ConvertError(f"{folder} extends more than {MOST_EXTENDED} packs")
            try:
                manifest = tomllib.loads(path.read_text())
                name = manifest["pack"].get("extends")
            except (tomllib.TOMLDecodeError, KeyError, UnicodeDecodeError) as error:
                raise ConvertError(f"{path} is no pack's manifest ({error})") from None
            self.chain.append((at, manifest))
            places = [] if name is None else [at.resolve().parent / name, PACKS / name]
            at = next((place for place in places if place.is_dir()), None)
            if places and at is None:
                raise ConvertError(f"{path} extends {name}, which is neither beside it nor in {PACKS}")
        self.identity: Mapping[str, str] = self.chain[0][1]["pack"]  # type: ignore[assignment]
        if self.table("emotions") not in (None, EMOTIONS):
            raise ConvertError(f"{folder} has other emotions than {', '.join(EMOTIONS)}")
        if self.entry("face2latents") is None:
            raise ConvertError(
                f"{folder} has no motion extractor (a stage of the role face2latents), which speech is learned against: take a pack "
                "that python -m models.convert.liveportrait makes"
            )
        found = self.entry("source")
        given = [t["name"] for t in found[1]["outputs"]] if found else []
        lacks = [name for name in SOURCES if name not in given]
        if lacks:
            raise ConvertError(f"{folder} has no stage of the role source that gives {', '.join(lacks)}")

    def table(self, name: str) -> object:
        """A table of the first manifest that has it."""
        return next((m[name] for _, m in self.chain if name in m), None)

    def entry(self, role: str) -> tuple[Path, Mapping] | None:
        """The stage of that role, and the folder that it is in."""
        for folder, manifest in self.chain:
            for name, stage in manifest.get("stages", {}).items():
                if stage.get("role", name) == role:
                    return folder, stage
        return None

    def stage(self, role: str) -> torch.jit.ScriptModule:
        """The stage of that role, in single precision; its file is held against its digest."""
        found = self.entry(role)
        if found is None:
            raise ConvertError(f"{self.folder} has no stage of the role {role}")
        path = found[0] / found[1]["file"]
        if not path.is_file() or sha256(path) != found[1]["sha256"]:
            raise ConvertError(f"{path} does not match the sha256 in its pack.toml: the pack is damaged; make it again")
        return torch.jit.load(str(path)).float().eval()

    def side(self) -> int:
        """Pixels of what the photo's stage sees, [1,3,S,S]."""
        return next(t["shape"][-1] for t in self.entry("source")[1]["inputs"] if t["name"] == "photo")  # type: ignore[index]

    def mean_face(self) -> np.ndarray:
        """[478,3]"""
        folder, manifest = next((f, m) for f, m in self.chain if "landmarks" in m)
        return load_file(str(folder / manifest["landmarks"]["mean-face"]))["mean_face"]
