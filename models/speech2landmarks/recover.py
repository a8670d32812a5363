# SPDX-License-Identifier: MIT OR Apache-2.0
"""Take up training from a pack whose checkpoints are lost: WORK/<name>.pt, to be named by `train.py --start`.

Run: python -m models.speech2landmarks.recover --work WORK --stage models/packs/lite/speech2landmarks.pt --gain 1.05 --brows 2.5 --name shipped

A frozen stage holds its weights as constants, told apart by their order. Coefficients and
identity codes are brought from the stage's tables to those of WORK (the same people, another run of the basis), and the
gains that the export had put in are taken out again.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from models.generator.stage import constants as stored
from models.speech2landmarks.dataset import IDS, prepare
from models.speech2landmarks.export import lively
from models.speech2landmarks.model import Net, Speech2Landmarks
from models.speech2landmarks.train import feel

# The phone classifier is no part of a stage.
LEFT_OUT = ("phone.weight", "phone.bias")

# Weights and tables of a frozen stage in the order of their use.
NET = "c1.weight c1.bias c2.weight c2.bias ident.weight ident.bias film1.weight film2.weight heard.weight heard.bias "
NET += "rnn.weight_ih_l0 rnn.bias_ih_l0 rnn.weight_hh_l0 rnn.bias_hh_l0 out.weight out.bias emo.weight"
TABLES = "lips one calm basis_calm seam rest basis pull"
USED = f"mean ids strength {NET} {TABLES}"


def stage(path: Path) -> Speech2Landmarks:
    """The module that was frozen into a pack's stage, with its own tables: it gives the same numbers."""
    parts = dict(zip(USED.split(), stored(path), strict=True))
    net = Net(len(parts["basis"]), len(parts["ids"]))
    net.load_state_dict({k: parts[k].view(v.shape) if k in parts else v for k, v in net.state_dict().items()})
    tables = {k: parts[k] for k in f"mean ids strength {TABLES}".split() if k not in ("one", "seam")}
    tables["up"], tables["low"] = torch.chunk(parts["seam"], 2)
    return Speech2Landmarks(net.eval(), tables, path.stem).eval()


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for k in ("work", "stage"):
        a.add_argument(f"--{k}", type=Path, required=True)
    a.add_argument("--name", default="shipped")
    for k in ("gain", "width", "brows"):
        a.add_argument(f"--{k}", type=float, default=1.0, help="that of the export")
    o = a.parse_args()
    torch.set_num_threads(1)
    t, whole = prepare(Path(), Path(), Path(), o.work), stage(o.stage)
    state = {k: v for k, v in whole.net.state_dict().items() if k not in LEFT_OUT}
    basis, mean, ids = (v.numpy() for v in (whole.basis, whole.mean, whole.ids))
    net = Net(len(t["basis"]), IDS)
    new = {k: v for k, v in state.items() if v.shape == net.state_dict()[k].shape}
    turn = torch.from_numpy(basis @ t["proj"])
    new["out.weight"], new["out.bias"] = turn.T @ state["out.weight"], turn.T @ state["out.bias"]
    # Identity codes of the training clips by both tables tell how one follows from the other.
    faces = np.stack([c.neutral.reshape(-1) for c in t["clips"]])
    mine, theirs = (faces - t["mean"]) @ t["ids"].T, (faces - mean) @ ids.T
    way = np.linalg.lstsq(np.concatenate([mine, np.ones((len(mine), 1))], 1), theirs, rcond=None)[0].astype(np.float32)
    w = state["ident.weight"]
    new["ident.weight"] = w @ torch.from_numpy(way[:-1].T)
    new["ident.bias"] = state["ident.bias"] + w @ torch.from_numpy(way[-1])
    net.load_state_dict(net.state_dict() | new)
    feel(net, t)
    lively(t, net, 1 / o.gain, 1 / o.width, 1 / o.brows)
    torch.save(dict(mean=net.state_dict()), o.work / f"{o.name}.pt")
    print(o.work / f"{o.name}.pt", "identity codes differ by", float(np.abs(mine - theirs).mean()))


if __name__ == "__main__":
    main()
