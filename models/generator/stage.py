# SPDX-License-Identifier: MIT OR Apache-2.0
"""One stage: its build folder (TorchScript, golden tensors, the pack.toml fragment), and the weights in its file."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors.torch import save_file

from ..archive import bare


def write_stage(
    build: Path,
    stage: str,
    module: torch.jit.ScriptModule,
    inputs: dict[str, torch.Tensor],
    outputs: list[str],
    shapes: dict[str, list[int]] | None = None,
    extra: dict[str, torch.Tensor] | None = None,
    toml: str = "",
) -> None:
    """inputs: arguments of forward in order, by name; shapes: where the manifest's shape differs (T = 1)."""
    folder = build / stage
    folder.mkdir(parents=True, exist_ok=True)
    tmp = folder / f".{stage}.pt"
    module.save(str(tmp))
    bare(tmp)
    loaded = torch.jit.load(str(tmp)).float()  # what is stored in half precision is computed in single
    with torch.no_grad():
        out = loaded(*inputs.values())
    os.replace(tmp, folder / f"{stage}.pt")
    golden = {f"{stage}.in.{i}": t.contiguous() for i, t in enumerate(inputs.values())}
    golden |= {f"{stage}.out.{i}": t.detach().contiguous() for i, t in enumerate(out)}
    golden |= {k: t.clone().contiguous() for k, t in (extra or {}).items()}
    save_file(golden, folder / ".golden")
    os.replace(folder / ".golden", folder / f"golden-{stage}.safetensors")
    os.chmod(folder / f"golden-{stage}.safetensors", 0o644)
    shapes = shapes or {}

    def rows(items: list[tuple[str, torch.Tensor]]) -> str:
        return ", ".join(f'{{name = "{k}", shape = {shapes.get(k, list(t.shape))}}}' for k, t in items)

    text = f"inputs  = [{rows(list(inputs.items()))}]\noutputs = [{rows(list(zip(outputs, out)))}]\n{toml}"
    (folder / "stage.toml").write_text(text)


def constants(path: Path) -> list[torch.Tensor]:
    """Weights of a traced or frozen stage in the order of their use."""
    nodes = [n for n in torch.jit.load(str(path)).graph.nodes() if n.kind() == "prim::Constant"]
    found = [n.t("value") for n in nodes if n.output().type().kind() == "TensorType"]
    return [t.clone() for t in reversed(found) if t.dim() > 0]
