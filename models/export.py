# SPDX-License-Identifier: MIT OR Apache-2.0
"""Assemble a model pack from stage folders.

Run: python -m models.export --build BUILD --blocks BLOCKS --out models/packs/lite [--partial]

Convention: every stage's own exporter leaves in BUILD/<stage>/
  <stage>.pt                     TorchScript, CPU, float32, frozen where possible
  golden-<stage>.safetensors     <stage>.in.<i> and <stage>.out.<i>; further keys with a prefix of their own
                                 (geometry.*)
  stage.toml                     inputs/outputs = [{name, shape}]; weights = "float16" where they
                                 are stored so; group = 4 where so many frames go in at once; optional [pack-extra.<table>] merged into
                                 pack.toml's tables,
                                 optional files = [...] copied as they are
BLOCKS holds the TorchScript detector, mesh and matte networks; BUILD/data/mean_face.safetensors the mean face.
Here the parts are copied, hashed and described in pack.toml; all goldens are merged into golden.safetensors.
"""

import argparse
import hashlib
import json
import shutil
import tomllib
from pathlib import Path

from safetensors.numpy import load_file, save_file

from models.data import mesh
from models.data.labels import EMOTIONS

OPTIONAL = ["speech2landmarks-low", "speech2landmarks-minimal", "parallax"]
STAGES = [
    "features",
    "speech2landmarks",
    "speech2landmarks-low",
    "speech2landmarks-minimal",
    "pose",
    "landmarks2latents",
    "appearance",
    "parallax",
    "mouth",
    "eyes",
]
# Stages that were found to bear bfloat16: tokens, colours and alpha move by less than 2 % of themselves, apertures by less than
# their noise.
FAST = ["features", "mouth", "eyes"]
BLOCKS = {
    "detector": ("blazeface_short.pt", [("image", [1, 3, 128, 128])]),
    "mesh": ("face_mesh_attention_478.pt", [("image", [1, 3, mesh.SIZE, mesh.SIZE])]),
    "matte": ("selfie_seg_256.pt", [("image", [1, 3, 256, 256])]),
}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def value(v: object) -> str:
    """TOML text of a plain value."""
    if isinstance(v, dict):
        return "{ " + ", ".join(f"{k} = {value(x)}" for k, x in v.items()) + " }"
    if isinstance(v, list):
        return "[" + ", ".join(value(x) for x in v) + "]"
    if isinstance(v, bool):
        return "true" if v else "false"
    return json.dumps(v) if isinstance(v, str) else repr(v)


def table(name: str, entries: dict) -> str:
    return f"[{name}]\n" + "".join(f"{k} = {value(v)}\n" for k, v in entries.items()) + "\n"


def probe(path: Path, inputs: list[tuple[str, list[int]]]) -> list[dict]:
    """Output names and shapes of a block, by running it once."""
    import torch

    torch.set_num_threads(1)
    with torch.no_grad():
        y = torch.jit.load(str(path)).eval()(*[torch.zeros(s) for _, s in inputs])
    y = y if isinstance(y, (tuple, list)) else (y,)
    return [{"name": f"out{i}", "shape": list(t.shape)} for i, t in enumerate(y)]


def entry(stage: str, file: Path, made: dict) -> dict:
    """A stage's table, of what its exporter says."""
    fast = {"fast": "bf16"} if stage in FAST else {}
    kept = {k: made[k] for k in ("weights", "group", "inputs", "outputs") if k in made}
    return {"file": file.name, "sha256": sha256(file), **fast, **kept}


def extend(pack: dict, made: dict) -> None:
    """The pack's tables with what a stage's exporter adds to them."""
    for k, v in made.get("pack-extra", {}).items():
        pack.setdefault(k, {}).update(v)


def put(src: Path, dst: Path) -> Path:
    shutil.copyfile(src, dst.with_suffix(".part"))
    return dst.with_suffix(".part").rename(dst)


def blocks(source: Path, out: Path) -> dict[str, dict]:
    """The tables of the stages that are made of what others published, put into a pack."""
    made = {}
    for s, (name, ins) in BLOCKS.items():
        f = put(source / name, out / f"{s}.pt")
        if s == "mesh":
            mesh.build(f).save(str(f))
        made[s] = {
            "file": f.name,
            "sha256": sha256(f),
            "inputs": [{"name": n, "shape": x} for n, x in ins],
            "outputs": probe(f, ins),
        }
    return made


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--build", type=Path, required=True)
    a.add_argument("--blocks", type=Path, required=True)
    a.add_argument("--out", type=Path, required=True)
    a.add_argument("--id", default="lite")
    a.add_argument("--version", default="0.1.0")
    a.add_argument("--licence", default="(MIT OR Apache-2.0) AND Apache-2.0 AND MIT", help="our weights AND MediaPipe's AND Whisper's")
    a.add_argument("--card", type=Path, help="model card; an existing README.md in --out is kept otherwise")
    a.add_argument("--partial", action="store_true", help="skip stages that are not built yet")
    o = a.parse_args()
    o.out.mkdir(parents=True, exist_ok=True)
    pack: dict[str, dict] = {
        "pack": {"id": o.id, "version": o.version, "licence": o.licence, "format": 1},
        "clock": {"sample-rate": 16000, "frame-rate": "25/1"},
        "landmarks": {"schema": "mediapipe-478", "count": 478, "mean-face": "mean_face.safetensors"},
        "latents": {},
        "picture": {"renderer": "warp-paint", "resolution": 512},
    }
    stages, golden = {}, {}
    for s in STAGES:
        d = o.build / s
        if not (d / f"{s}.pt").exists():
            if not o.partial and s not in OPTIONAL:
                raise SystemExit(f"stage {s} is not in {d}")
            print("skipped", s)
            continue
        t = tomllib.loads((d / "stage.toml").read_text())
        f = put(d / f"{s}.pt", o.out / f"{s}.pt")
        stages[s] = entry(s, f, t)
        extend(pack, t)
        for extra in t.get("files", []):
            put(d / extra, o.out / extra)
        for k, v in load_file(str(d / f"golden-{s}.safetensors")).items():
            if k in golden:
                raise SystemExit(f"golden tensor {k} is written by two stages")
            golden[k] = v
    stages |= blocks(o.blocks, o.out)
    f = put(o.build / "data" / "mean_face.safetensors", o.out / "mean_face.safetensors")
    pack["landmarks"]["mean-face-sha256"] = sha256(f)
    save_file(golden, str(o.out / "golden.safetensors"))
    text = "".join(table(k, v) for k, v in pack.items() if v)
    text = f"emotions = {value(EMOTIONS)}\n\n" + text + "".join(table(f"stages.{k}", v) for k, v in stages.items())
    text += table("golden", {"file": "golden.safetensors", "sha256": sha256(o.out / "golden.safetensors")}) + table(
        "card", {"file": "README.md"}
    )
    (o.out / "pack.toml").write_text(text)
    if o.card:
        put(o.card, o.out / "README.md")
    tomllib.loads(text)
    print(o.out / "pack.toml", "stages:", ", ".join(stages))


if __name__ == "__main__":
    main()
