# SPDX-License-Identifier: MIT OR Apache-2.0
"""The flow of a turned head, and the maps that are added to it. Run: python -m pytest models"""

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import PACK, ROOT
from safetensors.numpy import load_file

from models.data.normalise import decompose, pose
from models.generator.geometry import KPS
from models.parallax.head import PIVOT, Head
from models.parallax.model import DIRECTIONS, Parallax, amounts, corrected, drawn
from models.parallax.train import mirrored

MEAN = load_file(PACK / "mean_face.safetensors")["mean_face"]
REST = np.array([[5.0, -3.0, 2.0, 0.5, 0.5, 0.0, 0.25]])


def face(yaw: float = 0.0) -> np.ndarray:
    """The mean face, turned about the top of the neck."""
    turned = REST + [[yaw, 0, 0, 0, 0, 0, 0]]
    turned[0, 3:6] += (pose(PIVOT[None], REST) - pose(PIVOT[None], turned))[0, 0]
    return pose(MEAN[None], turned)[0]


def test_a_head_at_rest_does_not_move() -> None:
    flow, weight, turn = Head(face(), MEAN).flow(face())
    assert flow.abs().max() < 1e-5 and np.abs(turn).max() < 1e-3
    assert weight[0, 32, 32] == 1 and weight[0, 0, 0] == 0


@pytest.mark.parametrize("yaw", [-18.0, 18.0])
def test_the_nose_turns_with_the_landmarks_and_the_outline_by_its_share(yaw: float) -> None:
    driving, turn, travel = Head(face(), MEAN).motion(face(yaw))
    assert abs(abs(turn[0]) - abs(yaw)) < 1.0 and travel < 1e-3
    moved = lambda k, to: np.hypot(*(to - face()[k, :2]))
    nose = KPS.index(4)
    assert moved(4, driving[nose]) > 0.97 * moved(4, face(yaw)[4, :2]) > 0.03
    shares = [moved(k, driving[KPS.index(k)]) / moved(k, face(yaw)[k, :2]) for k in (127, 356, 172, 397)]
    assert np.all(np.array(shares) < 0.95), shares


def test_maps_are_weighed_by_the_turn_and_only_what_moves_is_moved() -> None:
    turns = torch.tensor([[15.0, 0, 0], [-30.0, 0, 0], [0, -15.0, 7.5]])
    assert amounts(turns).tolist() == [[1, 0, 0, 0, 0], [0, 2, 0, 0, 0], [0, 0, 0, 1, 0.5]]
    maps = torch.zeros(1, 2 * DIRECTIONS, 64, 64)
    maps[:, 0] = 0.02  # yaw to the one side, across
    flow, weight = torch.zeros(1, 2, 64, 64), torch.zeros(1, 1, 64, 64)
    weight[..., :32] = 1
    moved = corrected(flow, weight, maps, turns[:1])
    assert torch.allclose(moved[0, 0, :, :32], torch.tensor(0.02)) and moved[0, 1].abs().max() == 0
    assert moved[..., 32:].abs().max() == 0
    assert corrected(flow, weight, maps, turns[1:2]).abs().max() == 0
    photo, matte = torch.rand(1, 3, 64, 64), torch.rand(1, 1, 64, 64)
    assert torch.allclose(drawn(photo, matte, torch.rand(1, 3, 64, 64), flow), photo, atol=1e-5)


def test_a_mirrored_pair_is_the_pair_of_the_mirrored_face() -> None:
    """Landmarks, flow and turn of a mirrored row are those that mirrored landmarks give."""
    table = np.arange(478)
    S, D = face(), face(12.0)
    flip = lambda L: (L * [-1, 1, 1] + [1, 0, 0]).astype(np.float32)
    f, w, turn = Head(S, MEAN).flow(D)
    row = dict(S=torch.from_numpy(S).float(), flow=f[None], weight=w[None], turn=torch.tensor(turn)[None], photo=torch.rand(3, 8, 8))
    made = mirrored(row, table)
    assert torch.allclose(made["S"], torch.from_numpy(flip(S)))
    assert made["turn"][0, 0] == -turn[0] and made["turn"][0, 1] == turn[1]
    assert torch.allclose(made["flow"][0, 0], -f[0].flip(-1)) and torch.allclose(made["photo"], row["photo"].flip(-1))


def test_training_exports_a_stage_that_a_pack_takes(tmp_path: Path) -> None:
    """Begins, goes on from its checkpoint, exports, and is put into a pack that had none."""
    turned, build, pack = tmp_path / "turned", tmp_path / "build", tmp_path / "pack"
    turned.mkdir()
    marks = np.stack([face(yaw) for yaw in (0.0, 9.0, -9.0, 16.0)]).astype(np.float32)
    n, rng = len(marks), np.random.RandomState(0)
    im = rng.randint(0, 255, (n, 256, 256, 3)).astype(np.uint8)
    np.savez(turned / "one.npz", im=im, plate=im, matte=im[..., 0], lm=marks, pose=decompose(marks, MEAN)[1])
    (tmp_path / "manifest.tsv").write_text("id\tidentity\tkind\tsplit\tsize\none\tone\treal\ttrain\t512\n")
    run = lambda module, *args: subprocess.run([sys.executable, "-m", module, *map(str, args)], cwd=ROOT.parent, check=True)
    train = ["--turned", turned, "--data", tmp_path, "--pack", PACK, "--out", tmp_path / "out", "--photos", 1]
    for steps in (2, 3):
        run("models.parallax.train", *train, "--steps", steps)
    state = torch.load(tmp_path / "out" / "parallax.ckpt")
    assert state["step"] == 3
    run("models.parallax.export", "--weights", tmp_path / "out", "--samples", ROOT.parent / "tests" / "data", "--build", build)
    pack.mkdir()
    for name in ("pack.toml", "golden.safetensors"):
        (pack / name).write_bytes((PACK / name).read_bytes())
    run("models.replace", "--build", build, "--pack", pack)
    made = tomllib.loads((pack / "pack.toml").read_text())["stages"]["parallax"]
    assert made["weights"] == "float16" and made["outputs"] == [{"name": "parallax", "shape": [2 * DIRECTIONS, 64, 64]}]
    golden = load_file(pack / "golden.safetensors")
    stage = torch.jit.load(str(pack / "parallax.pt")).float()
    with torch.no_grad():
        again = stage(torch.from_numpy(golden["parallax.in.0"]), torch.from_numpy(golden["parallax.in.1"]))
    assert np.allclose(again[0], golden["parallax.out.0"], atol=1e-6)


def test_the_face_itself_keeps_its_place() -> None:
    torch.manual_seed(0)
    net = Parallax()
    torch.nn.init.normal_(net.out.weight, std=1.0)
    maps = net(torch.rand(1, 3, 256, 256), torch.from_numpy(face()[None]).float())[0]
    at = lambda k: (face()[k, :2] * 64).astype(int)
    for k in (4, 13, 159, 386, 205, 425):
        x, y = at(k)
        assert maps[:, y, x].abs().max() == 0
    assert maps.abs().max() > 0.01
