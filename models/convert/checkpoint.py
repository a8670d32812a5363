# SPDX-License-Identifier: MIT OR Apache-2.0
"""Reads files that somebody downloaded: no code in them is run, and what is wrong with one is said in one sentence."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from .layout import Layout

ENDINGS = (".safetensors", ".pth", ".pth.tar", ".pt")
# Names that one error tells.
MOST_NAMED = 4


class ConvertError(Exception):
    """What is wrong with what was given, and what to do."""


def find(folder: Path, name: str) -> Path:
    """The file of that name with one of the endings, anywhere below the folder."""
    if not folder.is_dir():
        raise ConvertError(f"--checkpoints {folder} is not a folder")
    for ending in ENDINGS:
        found = sorted(folder.rglob(name + ending))
        if len(found) > 1:
            raise ConvertError(f"{folder} holds {len(found)} files {name}{ending}: {found[0]}, {found[1]}; leave one")
        if found:
            return found[0]
    raise ConvertError(f"{folder} holds no {name}{' or '.join(ENDINGS[:2])}")


def read(path: Path) -> Mapping[str, object]:
    """What a checkpoint holds: tensors, or dictionaries of them, by name. Never runs code of a pickle."""
    try:
        with path.open("rb") as f:
            f.read(1)
    except OSError as error:
        raise ConvertError(f"{path} cannot be read ({error.strerror or error})") from None
    try:
        if path.suffix == ".safetensors":
            return load_file(str(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    # The readers raise whatever damaged bytes lead them to, and PyTorch's own words advise to run the code.
    except Exception as error:
        code = re.search(r"GLOBAL (\S+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if code:
            reason = f"holds more than tensors: it wants to run {code[1]}, which was not done; get the official file"
        else:
            reason = "is damaged or is no checkpoint of plain tensors; download the official file again"
        raise ConvertError(f"{path} {reason}") from None
    if not isinstance(content, Mapping):
        raise ConvertError(f"{path} holds a {type(content).__name__} where tensors by name are due")
    return content


def section(content: Mapping[str, object], name: str, path: Path) -> Mapping[str, object]:
    """A dictionary within a checkpoint; in a flat file (safetensors), the names that begin with `name.`."""
    inner = content.get(name)
    if isinstance(inner, Mapping):
        return inner
    prefix = f"{name}."
    flat = {k.removeprefix(prefix): v for k, v in content.items() if k.startswith(prefix)}
    if not flat:
        raise ConvertError(f"{path} lacks the section {name}")
    return flat


def check(found: Mapping[str, object], layout: Layout, what: str) -> dict[str, Tensor]:
    """The tensors of one network, if they are just those of the layout.

    Names what is missing, too much or of another shape. `num_batches_tracked` may be missing: old files lack it.
    """
    needed = {k for k in layout if not k.endswith(".num_batches_tracked")}
    missing = [k for k in layout if k in needed and k not in found]
    extra = [k for k in found if k not in layout]
    if missing and len(missing) == len(needed):
        raise ConvertError(f"{what} holds none of the tensors of this network ({named(list(found))}): it is another model's file")
    if missing:
        raise ConvertError(f"{what} lacks {named(missing)}")
    if extra:
        raise ConvertError(f"{what} holds {named(extra)}, which this network does not have")
    for name, value in found.items():
        if not isinstance(value, Tensor):
            raise ConvertError(f"{what}: {name} is a {type(value).__name__}, not a tensor")
        if tuple(value.shape) != layout[name]:
            raise ConvertError(f"{what}: {name} has shape {list(value.shape)}, {list(layout[name])} is due")
        if name in needed and not (value.is_floating_point() and bool(torch.isfinite(value).all())):
            raise ConvertError(f"{what}: {name} holds numbers that are not finite floats")
    return {k: v for k, v in found.items() if isinstance(v, Tensor)}


def named(names: list[str]) -> str:
    """The first few, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
