# SPDX-License-Identifier: MIT OR Apache-2.0
"""Export the stage. Run: python -m models.pose.export --work WORK --samples SPEECH.wav --build BUILD [--pack PACK]

--pack: a pack whose features the golden tensors are of, where BUILD has none.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from models.frozen import frozen
from models.speech2landmarks.checkpoint import load
from models.speech2landmarks.dataset import wave
from models.speech2landmarks.model import Level


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for k in ("work", "samples", "build"):
        a.add_argument(f"--{k}", type=Path, required=True)
    a.add_argument("--pack", type=Path)
    o = a.parse_args()
    torch.set_num_threads(1)
    from models.pose import model as m
    z = load(o.work / "pose.pt")
    drive = m.Drive()
    drive.load_state_dict(z["drive"])
    whole = m.Pose(Level(), drive, z["tables"]).eval()
    net = frozen(whole)
    out = o.build / "pose"
    out.mkdir(parents=True, exist_ok=True)
    net.save(str(out / "pose.part"))
    (out / "pose.part").rename(out / "pose.pt")
    from models.features import model as features
    front = features.load(o.build) if o.pack is None else torch.jit.load(str(o.pack / "features.pt")).float().eval()
    x = features.stream(front, wave(o.samples))
    first = torch.tensor([3.0, -2.0, 1.0, 0.5, 0.55, -0.1, 0.3])
    noise = torch.randn(25, 8, generator=torch.Generator().manual_seed(0))
    style = torch.tensor([0.0, 0.0, 0.5, 0.0])
    exact = whole.double()  # the golden numbers owe nothing to one machine's order of additions
    x, start = x[:25].contiguous(), torch.zeros(m.STATE)
    with torch.no_grad():
        _, state = exact(*(v.double() for v in (x[:20], first, style, noise[:20], start)))
        state = state.float()
        y, after = exact(*(v.double() for v in (x[20:], first, style, noise[20:], state)))
        near, _ = net(x[20:], first, style, noise[20:], state)
    print("largest difference to double precision", float((near - y).abs().max()))
    save_file(
        {
            "pose.in.0": x[20:].clone(),
            "pose.in.1": first,
            "pose.in.2": style,
            "pose.in.3": noise[20:].clone(),
            "pose.in.4": state.clone(),
            "pose.out.0": y.float().contiguous(),
            "pose.out.1": after.float().contiguous(),
        },
        str(out / "golden-pose.safetensors"),
    )
    (out / "stage.toml").write_text(
        f'inputs = [{{name = "features", shape = [1, 4, {features.COLUMNS}]}}, {{name = "initial_pose", shape = [7]}}, '
        '{name = "style", shape = [4]}, '
        f'{{name = "noise", shape = [1, 8]}}, {{name = "state", shape = [{m.STATE}]}}]\n'
        f'outputs = [{{name = "pose", shape = [1, 7]}}, {{name = "state", shape = [{m.STATE}]}}]\n'
        f"[pack-extra.pose]\nstyles = {json.dumps(m.STYLES)}\n"
    )
    print("exported", out)


if __name__ == "__main__":
    main()
