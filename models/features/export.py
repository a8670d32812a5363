# SPDX-License-Identifier: MIT OR Apache-2.0
"""Export the stage. Run: python -m models.features.export --work WORK --samples SPEECH.wav --build BUILD"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

from models.features import model as m
from models.speech2landmarks.dataset import wave


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for k in ("work", "samples", "build"):
        a.add_argument(f"--{k}", type=Path, required=True)
    o = a.parse_args()
    torch.set_num_threads(1)
    out = o.build / "features"
    out.mkdir(parents=True, exist_ok=True)
    # Half of the pack would be the encoder: its weights are stored in half precision, and so not frozen.
    whole = m.Features(m.Ear.load(o.work / "ear.safetensors")).eval().half()
    net = torch.jit.script(whole)
    net.save(str(out / "features.part"))
    (out / "features.part").rename(out / "features.pt")
    pcm = torch.from_numpy(wave(o.samples)[16000 : 16000 + m.WINDOW].copy())
    with torch.no_grad():  # the golden numbers owe nothing to one machine's order of additions
        y, near = whole.double()(pcm.double()).float(), m.load(o.build)(pcm)
    print("largest difference to double precision", float((near - y).abs().max()))
    save_file({"features.in.0": pcm, "features.out.0": y.contiguous()}, str(out / "golden-features.safetensors"))
    (out / "stage.toml").write_text(
        f'weights = "float16"\ngroup = {m.GROUP}\n'
        f'inputs = [{{name = "pcm", shape = [{m.WINDOW}]}}]\noutputs = [{{name = "features", shape = [4, {m.COLUMNS}]}}]\n'
        f"[pack-extra.clock]\nwindow-samples = {m.WINDOW}\nlook-ahead-samples = {m.LOOK_AHEAD}\n"
    )
    print("exported", out)


if __name__ == "__main__":
    main()
