# SPDX-License-Identifier: MIT OR Apache-2.0
"""Put stages that were made anew into a pack, the others left as they are to the bit.

Run: python -m models.replace --build BUILD --pack models/packs/lite [--blocks BLOCKS]

BUILD holds the folders that the stages' exporters leave (see export.py). Golden tensors, digests and shapes follow. With
`--blocks` detector, mesh and matte are made anew too.
"""

import argparse
import tomllib
from pathlib import Path

from safetensors.numpy import load_file, save_file

from models.export import OPTIONAL, STAGES, blocks, entry, extend, put, sha256, table, value


def text(pack: dict) -> str:
    """pack.toml, in the order and form of export.py."""
    last = ("stages", "golden", "card")
    tables = {k: v for k, v in pack.items() if isinstance(v, dict) and k not in last}
    lines = "".join(f"{k} = {value(v)}\n" for k, v in pack.items() if not isinstance(v, dict)) + "\n"
    lines += "".join(table(k, v) for k, v in tables.items())
    lines += "".join(table(f"stages.{k}", v) for k, v in pack["stages"].items())
    return lines + "".join(table(k, pack[k]) for k in last[1:] if k in pack)


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--build", type=Path, required=True)
    a.add_argument("--pack", type=Path, required=True)
    a.add_argument("--blocks", type=Path, help="TorchScript networks of which detector, mesh and matte are made")
    o = a.parse_args()
    pack = tomllib.loads((o.pack / "pack.toml").read_text())
    golden = load_file(str(o.pack / pack["golden"]["file"]))
    made = [s for s in STAGES if s in [*pack["stages"], *OPTIONAL] and (o.build / s / f"{s}.pt").exists()]
    for s in made:
        t = tomllib.loads((o.build / s / "stage.toml").read_text())
        f = put(o.build / s / f"{s}.pt", o.pack / f"{s}.pt")
        pack["stages"][s] = entry(s, f, t)
        extend(pack, t)
        golden = {k: v for k, v in golden.items() if not k.startswith((f"{s}.in.", f"{s}.out."))}
        golden |= load_file(str(o.build / s / f"golden-{s}.safetensors"))
    if o.blocks:
        new = blocks(o.blocks, o.pack)
        pack["stages"].update(new)
        made += new
    save_file(golden, str(o.pack / pack["golden"]["file"]))
    pack["golden"]["sha256"] = sha256(o.pack / pack["golden"]["file"])
    (o.pack / "pack.toml").write_text(text(pack))
    print(o.pack / "pack.toml", "has new stages:", ", ".join(made) or "none")


if __name__ == "__main__":
    main()
