# SPDX-License-Identifier: MIT OR Apache-2.0
"""Export the stage. Run: python -m models.speech2landmarks.export --work WORK --checkpoint one --samples SPEECH.wav --build BUILD [--net NAME]

Leaves BUILD/speech2landmarks/{speech2landmarks.pt, golden-speech2landmarks.safetensors, stage.toml}; with --net
speech2landmarks-low or speech2landmarks-minimal a net with less look-ahead, under that name.
"""

import argparse
import copy
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from models.frozen import frozen
from models.speech2landmarks.calm import fit
from models.speech2landmarks.dataset import IDS, LIPS, PAIRS, prepare, wave
from models.speech2landmarks.listen import attach
from models.speech2landmarks.model import AHEAD, STATE, Net, Speech2Landmarks
from models.speech2landmarks.train import Heads, weights

# lip pairs from corner to corner: share of the closing pull
PULL = [0.3, 0.6, 0.9, 1.0, 1.0, 1.0, 0.9, 0.6, 0.3]
# what intensity 1 means: labelled clips at their strongest level show half to a quarter of the trained brow motion;
# this is between
STRENGTH = [0.0, 0.95, 0.75, 0.85, 0.8, 0.6, 0.95, 1.0]


def lively(t: dict, net: Net, opening: float, width: float, brows: float) -> None:
    """Scale what opens the mouth, what widens it and what lifts the brows, in place: the directions of the coefficients
    that go with the one and not the others on the training clips. Closed lips stay closed, and what the sound does not
    tell about the rest of the face stays as small as the net left it.
    """
    read = Heads(t).measure[:, [0, 1, 4]]
    y = np.concatenate([c.y / c.scale for c in t["clips"] if c.split == "train" and c.speech == "yes"])
    y = torch.from_numpy(y - y.mean(0))
    a = y @ read
    along = torch.linalg.solve(a.T @ a, a.T @ y) * (torch.tensor([opening, width, brows]) - 1)[:, None]
    with torch.no_grad():
        net.out.bias += along.T @ (read.T @ net.out.bias)
        net.out.weight += along.T @ (read.T @ net.out.weight)


def assemble(work: Path, names: list[str], gain: float, width: float, brows: float, name: str) -> Speech2Landmarks:
    """The stage module from the cached tables and the mean of checkpoints (running means of the weights)."""
    t = prepare(Path(), Path(), Path(), work)
    basis = torch.from_numpy(t["basis"].astype(np.float32)).contiguous()
    net = Net(len(basis), IDS)
    net.load_state_dict(weights(work, names))
    lively(t, net, gain, width, brows)
    net.eval()
    attach(t, [c for c in t["clips"] if c.split == "train"], work)
    calm, basis_calm = fit(t, net)
    f = lambda x: torch.from_numpy(np.asarray(x, np.float32)).contiguous()  # noqa: E731
    pairs = dict(
        up=torch.tensor([p[0] for p in PAIRS]),
        low=torch.tensor([p[1] for p in PAIRS]),
        lips=torch.tensor(LIPS),
        pull=0.012 * torch.tensor(PULL),
    )
    return Speech2Landmarks(
        net,
        dict(
            basis=basis,
            mean=f(t["mean"]),
            ids=f(t["ids"]),
            rest=f(t["rest"]),
            calm=f(calm),
            basis_calm=f(basis_calm),
            strength=torch.tensor(STRENGTH),
            **pairs,
        ),
        name,
    ).eval()


def leave(net: Speech2Landmarks, k: str, rows: torch.Tensor, face: torch.Tensor, build: Path) -> None:
    """Write the stage `k` to its folder, its golden tensors from features of speech [n,4,128] and a face [478,3]."""
    stage = frozen(net)
    out = build / k
    out.mkdir(parents=True, exist_ok=True)
    stage.save(str(out / f"{k}.part"))
    (out / f"{k}.part").rename(out / f"{k}.pt")
    emotion = torch.zeros(8)
    emotion[1] = 0.5
    exact = copy.deepcopy(net).double()  # the golden numbers owe nothing to one machine's order of additions
    with torch.no_grad():
        _, state = exact(rows[:20].double(), face.double(), emotion.double(), torch.zeros(STATE).double())
        x, state = rows[20:25].contiguous(), state.float()
        y, after = exact(x.double(), face.double(), emotion.double(), state.double())
        near, _ = stage(x, face, emotion, state)
    print("largest difference to double precision", float((near - y).abs().max()))
    save_file(
        {
            f"{k}.in.0": x,
            f"{k}.in.1": face,
            f"{k}.in.2": emotion,
            f"{k}.in.3": state.clone(),
            f"{k}.out.0": y.float().contiguous(),
            f"{k}.out.1": after.float().contiguous(),
        },
        str(out / f"golden-{k}.safetensors"),
    )
    text = (
        f'inputs = [{{name = "features", shape = [1, 4, {rows.shape[2]}]}}, '
        '{name = "identity", shape = [478, 3]}, '
        f'{{name = "emotion", shape = [8]}}, {{name = "state", shape = [{STATE}]}}]\n'
        f'outputs = [{{name = "landmarks", shape = [1, 478, 3]}}, {{name = "state", shape = [{STATE}]}}]\n'
    )
    _, _, less = k.partition("-")
    if less:
        text += f'[pack-extra.look-ahead]\n{less} = {{ samples = {AHEAD[k]}, speech2landmarks = "{k}" }}\n'
    (out / "stage.toml").write_text(text)
    print("exported", out)


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--work", type=Path, required=True)
    a.add_argument("--checkpoint", nargs="+", default=["one"])
    a.add_argument("--gain", type=float, default=1.0, help="gain of the opening")
    a.add_argument("--width", type=float, default=1.0, help="gain of the mouth's width")
    a.add_argument("--brows", type=float, default=1.0, help="gain of the brows")
    a.add_argument("--net", choices=AHEAD, default="speech2landmarks", help="the stage that the checkpoint is of")
    a.add_argument("--samples", type=Path, required=True)
    a.add_argument("--build", type=Path, required=True)
    o = a.parse_args()
    torch.set_num_threads(1)
    from models.features import model as features
    net = assemble(o.work, o.checkpoint, o.gain, o.width, o.brows, o.net)
    rows = features.stream(features.load(o.build), wave(o.samples), AHEAD[o.net])
    face = torch.from_numpy(prepare(Path(), Path(), Path(), o.work)["neutral"].astype(np.float32))
    leave(net, o.net, rows, face, o.build)


if __name__ == "__main__":
    main()
