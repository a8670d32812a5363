# SPDX-License-Identifier: MIT OR Apache-2.0
"""Holds the stages of a pack against upstream's own code, both with the same files of seeded random numbers.

    python -m models.convert.parity --upstream DIR --system sadtalker [--size 512] [--full] [--double] [--sharp]
    python -m models.convert.parity --upstream DIR --system liveportrait [--double] [--sharp]

DIR is a copy of github.com/OpenTalker/SadTalker or github.com/KwaiVGI/LivePortrait; its classes are imported from there, and what
they import has to be installed. The files are in the official layout, and either side reads them by itself. Photo and speech are
this repository's samples. Each stage is given what the stages before it gave on its own side, so that differences add up to the
last picture. Prints a row a stage; ends with 1 where one differs by more than its bound.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import io
import math
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from .checkpoint import ConvertError, named, read

# The most that pictures (0 to 1) and other numbers may differ by.
PIXELS, NUMBERS = 1e-3, 1e-4
# What the weights of the shares are multiplied with, so that each keypoint has about the same share of a place: none lies at the
# threshold of 1e-3 that SadTalker has.
EVEN = 1 / 48
# Bytes that a convolution in double precision may spread its input over: PyTorch has no other way for it.
SPREAD = 1 << 30
HEAD = "| stage | numbers up to | largest difference | above the bound | bound | |\n|---|---:|---:|---:|---:|---|"
Changes = dict[str, tuple[float, float]]
Size = int | tuple[int, ...] | list[int]


@dataclass(frozen=True)
class Row:
    """What one stage gave on both sides: its largest number, the largest difference, the share of numbers above the bound."""

    stage: str
    largest: float
    worst: float
    above: float
    bound: float

    @property
    def same(self) -> bool:
        """Whether all numbers are within the bound."""
        return self.worst <= self.bound

    def __str__(self) -> str:
        share = f"{self.above:.2g}" if self.above else "0"
        verdict = "same" if self.same else "DIFFERS"
        return f"| {self.stage} | {self.largest:.3g} | {self.worst:.1e} | {share} | {self.bound:.0e} | {verdict} |"


def compare(stage: str, ours: Tensor, theirs: Tensor, bound: float = NUMBERS) -> Row:
    """Both sides' numbers as a row; what is not finite is a difference."""
    if ours.shape != theirs.shape:
        raise ConvertError(f"{stage}: {list(ours.shape)} here, {list(theirs.shape)} upstream")
    off = (ours.double() - theirs.double()).abs()
    off = torch.where(off.isfinite(), off, torch.full_like(off, math.inf))
    above = float((off > bound).double().mean())
    return Row(stage, float(theirs.abs().max()), float(off.max()), above, bound)


def enter(folder: Path, modules: list[str], url: str) -> list[ModuleType]:
    """Upstream's modules by their names, out of a copy of its repository."""
    files = [f"{name.replace('.', '/')}.py" for name in modules]
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise ConvertError(f"--upstream {folder} is no copy of {url}: it lacks {named(missing)}")
    sys.path.insert(0, str(folder.resolve()))
    try:
        return [importlib.import_module(name) for name in modules]
    except ImportError as error:
        raise ConvertError(f"upstream's code wants a package that is not installed ({error})") from None


def change(file: Path, changes: Changes) -> None:
    """Multiplies tensors of a file whose names end so, and adds to them."""

    def changed(name: str, value: object) -> object:
        if isinstance(value, dict):
            return {k: changed(f"{name}.{k}", v) for k, v in value.items()}
        assert isinstance(value, Tensor)
        for ending, (factor, more) in changes.items():
            if name.endswith(ending):
                value = value * factor + more
        return value

    content: Any = changed("", dict(read(file)))
    if file.suffix == ".safetensors":
        save_file(content, str(file))
    else:
        torch.save(content, file)


def packed(net: nn.Module, double: bool) -> Any:
    """A stage as a pack's file holds it; in double precision as it was built."""
    net = net.eval().requires_grad_(False)
    if double:
        return net.double()
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(net), file)
    file.seek(0)
    return torch.jit.load(file)


def sliced(plain: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same convolution, row by row of the first axis where it would take too much memory at once."""

    def conv(
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
    ) -> Tensor:
        n = weight.dim() - 2
        s, p, d = ([*v] if isinstance(v, (tuple, list)) else [v] * n for v in (stride, padding, dilation))
        wide = math.prod((x.shape[i + 2] + 2 * p[i]) // s[i] for i in range(1, n))
        rows = max(1, SPREAD // (weight[0].numel() * groups * wide * len(x) * x.element_size()))
        x = nn.functional.pad(x, [0, 0] * (n - 1) + [p[0]] * 2)
        reach = d[0] * (weight.shape[2] - 1)
        count = (x.shape[2] - reach - 1) // s[0] + 1
        pieces = [(i * s[0], (min(i + rows, count) - 1) * s[0] + reach + 1) for i in range(0, count, rows)]
        return torch.cat([plain(x[:, :, a:b], weight, bias, s, [0, *p[1:]], d, groups) for a, b in pieces], 2)

    return conv


@contextmanager
def doubled(yes: bool) -> Iterator[None]:
    """Code that asks for single precision by name is given double precision, here and upstream."""
    if not yes:
        yield
        return
    wanted: list[tuple[object, str, object]] = [
        (torch, "float32", torch.float64),
        (torch, "FloatTensor", torch.DoubleTensor),
        (Tensor, "float", Tensor.double),
        *((where, name, sliced(getattr(torch, name))) for where in (torch, nn.functional) for name in ("conv2d", "conv3d")),
    ]
    kept = [(where, name, getattr(where, name)) for where, name, _ in wanted]
    torch.set_default_dtype(torch.float64)
    try:
        for where, name, value in wanted:
            setattr(where, name, value)
        yield
    finally:
        for where, name, value in kept:
            setattr(where, name, value)
        torch.set_default_dtype(torch.float32)


def chosen(pictures: int, frames: int) -> list[int]:
    """The frames that are drawn: evenly spread, the last one among them."""
    return [(i + 1) * frames // pictures - 1 for i in range(pictures)]


def shown(rows: Iterator[Row | str]) -> bool:
    """Prints rows as they come and what else there is to say behind them; returns whether all are the same. What upstream's code
    prints goes to the standard error.
    """
    out, notes, same = sys.stdout, [], True
    print(HEAD, flush=True)
    with redirect_stdout(sys.stderr):
        for row in rows:
            if isinstance(row, str):
                notes.append(row)
            else:
                print(row, file=out, flush=True)
                same &= row.same
            gc.collect()
    print("", *notes, sep="\n")
    return same


def main() -> None:
    """The command line."""
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--upstream", type=Path, required=True, help="folder with a copy of upstream's repository")
    a.add_argument("--system", choices=["sadtalker", "liveportrait"], required=True)
    a.add_argument("--size", type=int, choices=[256, 512], default=256, help="of SadTalker's picture")
    a.add_argument("--full", action="store_true", help="SadTalker's mapping network for whole photos")
    a.add_argument("--double", action="store_true", help="compute in double precision on both sides")
    a.add_argument("--sharp", action="store_true", help="leave shares as random weights make them, at the threshold everywhere")
    a.add_argument("--pictures", type=int, default=2, help="how many are drawn")
    o = a.parse_args()
    if o.system != "sadtalker" and (o.full or o.size != 256):
        a.error("--size and --full are SadTalker's")
    if o.pictures < 1:
        a.error("--pictures is 1 at least")
    system = importlib.import_module(f".{o.system}.upstream", __package__)
    start = time.monotonic()
    warnings.simplefilter("ignore")
    try:
        with torch.no_grad(), tempfile.TemporaryDirectory() as files:
            load = importlib.import_module(f".{o.system}.convert", __package__).load
            with redirect_stdout(sys.stderr):
                code = enter(o.upstream, system.MODULES, system.URL)
                given = system.given(o, Path(files))
                theirs, tensors = system.Upstream(o, Path(files), code), load(Path(files), system.config(o))
            if o.double:
                theirs.double()
            with doubled(o.double):
                same = shown(system.rows(o, Path(files), given, theirs, tensors))
    except (ConvertError, OSError) as error:
        sys.exit(f"error: {error}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    precision, shares = "double" if o.double else "single", "random" if o.sharp else "even"
    print(f"{precision} precision, {shares} shares; {time.monotonic() - start:.0f} s, {peak:.1f} GiB at most")
    sys.exit(not same)


if __name__ == "__main__":
    main()
