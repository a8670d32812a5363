# SPDX-License-Identifier: MIT OR Apache-2.0
"""Take up training from a pack whose checkpoints are lost: WORK/<name>.pt, to be named by `train.py --start`.

Run: python -m models.speech2landmarks.recover --work WORK --stage models/packs/lite/speech2landmarks.pt --gain 1.05 --brows 2.5 --name shipped

A frozen stage holds its weights as constants, told apart by their shapes and, among equal ones, by their order. Coefficients and
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

# The second among constants of one shape, in the order of their use.
SECOND = ("heard.bias", "rnn.bias_hh_l0")
# The phone classifier is no part of a stage.
LEFT_OUT = ("phone.weight", "phone.bias")


def constants(path: Path) -> dict[tuple, list[torch.Tensor]]:
    """Tensors of a frozen stage by their shapes, in the order of their use."""
    found: dict[tuple, list[torch.Tensor]] = {}
    for value in stored(path):
        found.setdefault(tuple(value.shape), []).append(value)
    return found


# Weights and tables of a frozen stage in the order of their use.
NET = "rnn.weight_ih_l0 rnn.weight_hh_l0 rnn.bias_ih_l0 rnn.bias_hh_l0"
TABLES = "low up lips ids mean strength"
USED = f"{NET} {TABLES} c1.weight c1.bias c2.weight c2.bias ident.weight ident.bias film1.weight film2.weight heard.weight "
USED += "heard.bias out.weight out.bias emo.weight one rest basis mean-face calm basis_calm pull"


def stage(path: Path) -> Speech2Landmarks:
    """The module that was frozen into a pack's stage, with its own tables: it gives the same numbers."""
    found = stored(path)
    parts = dict(zip(USED.split(), found, strict=True))
    net = Net(len(parts["basis"]), len(parts["ids"]))
    state = net.state_dict()
    net.load_state_dict({k: parts.get(k, v) for k, v in state.items()})
    tables = {k: parts[k] for k in [*TABLES.split(), "rest", "basis", "calm", "basis_calm", "pull"]}
    return Speech2Landmarks(net.eval(), tables | dict(basis_rest=parts["basis"]), path.stem).eval()


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for k in ("work", "stage"):
        a.add_argument(f"--{k}", type=Path, required=True)
    a.add_argument("--name", default="shipped")
    for k in ("gain", "width", "brows"):
        a.add_argument(f"--{k}", type=float, default=1.0, help="that of the export")
    o = a.parse_args()
    torch.set_num_threads(1)
    t, found = prepare(Path(), Path(), Path(), o.work), constants(o.stage)
    coefs = next(s[0] for s in found if len(s) == 2 and s[1] == 7 and s[0] != 32)
    old = Net(coefs, IDS)
    state = old.state_dict()
    for k, v in state.items():
        if k not in LEFT_OUT:
            state[k] = found[tuple(v.shape)][int(k in SECOND)]
    # The basis of all, and that of calm.py, which is zero from the eyes up: the larger one.
    basis = max(found[coefs, 1434], key=lambda b: float(b.square().sum())).numpy()
    mean, ids = found[1434,][0].numpy(), found[IDS, 1434][0].numpy()
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
