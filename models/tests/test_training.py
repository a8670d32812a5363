# SPDX-License-Identifier: MIT OR Apache-2.0
"""Weights out of the pack that ships, and a few steps of the trainings that go on from them. Run:
python -m pytest models
"""

import argparse
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import PACK

from models.generator import distil, ranges, recover
from models.generator.data import mouth_closed
from models.generator.train import Trainer, options
from models.generator.weights import load_part
from models.landmarks2latents import together
from models.landmarks2latents.mean import mixed


@pytest.fixture
def trained(tmp_path: Path, sample: tuple[torch.Tensor, torch.Tensor]) -> argparse.Namespace:
    """Options of a training that goes on from the pack, on frames of one face whose mouth opens bit by bit."""
    photo, L = sample
    picture = (photo[0].permute(1, 2, 0) * 255).byte().numpy()
    marks = np.stack([mouth_closed(L[0].numpy(), -k / 2, 0.0) for k in range(6)]).astype(np.float32)
    np.savez(tmp_path / "one.npz", im=np.stack([picture] * 6), lm=marks, src=512)
    (tmp_path / "manifest.tsv").write_text("id\tidentity\tkind\tsplit\none\tone\treal\ttrain\n")
    a = options("").parse_args(
        f"--frames {tmp_path} --data {tmp_path} --out {tmp_path} --batch 2 --lips 1 --guessed 1".split()
    )
    a.kind, a.start = "mouth", PACK / "landmarks2latents.pt"
    recover.begin(tmp_path, "mouth", recover.recover(PACK, "mouth").state_dict())
    return a


def test_a_recovered_part_is_what_ships(sample: tuple[torch.Tensor, torch.Tensor]) -> None:
    photo, L = sample
    for kind, which, code in (("mouth", 0, (torch.rand(1, 12),)), ("eyes", 1, ())):
        mine, ships = recover.recover(PACK, kind).eval(), load_part(PACK, kind)
        n, count = mine.n, 1 if kind == "mouth" else 2
        look = mine.look_of(photo, L, which)
        assert torch.allclose(look, ships.look_of(photo, L, which), atol=1e-5)
        x = (torch.rand(count, 3, n, n), torch.rand(count, 11, n // 2, n // 2), *code, look.repeat(count, 1))
        with torch.no_grad():
            assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(mine.painter(*x), ships.painter(*x)))
    assert torch.allclose(recover.recover(PACK, "mouth").code_of(photo, L), load_part(PACK, "mouth").code_of(photo, L), atol=1e-5)


@pytest.mark.parametrize("found", [1, 3])
def test_a_stage_with_weights_too_few_or_too_many_is_not_recovered(found: int) -> None:
    """What a stage lacks would stay chance."""
    state = {"a.weight": torch.rand(2), "a.bias": torch.rand(2)}
    with pytest.raises(ValueError, match=f"2 weights are wanted .a.weight to a.bias., the stage has {found}"):
        recover.take(state, recover.pairs("a"), [torch.rand(2)] * found)


def test_a_recovered_landmarks2latents_is_what_ships() -> None:
    net, ships = together.recover(PACK / "landmarks2latents.pt").eval(), torch.jit.load(str(PACK / "landmarks2latents.pt"))
    x = (torch.rand(3, 478, 3), torch.rand(3, 4, 128), torch.rand(206, 3), torch.rand(8), torch.zeros(96))
    with torch.no_grad():
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(net(*x), ships(*x)))


def test_a_part_that_goes_on_keeps_the_meaning_of_its_code(trained: argparse.Namespace) -> None:
    t = Trainer(trained)
    before = {k: v.clone() for k, v in t.part.state_dict().items()}
    t.step(0.0, 1e-3)
    after = t.part.state_dict()
    moved = {k.split(".")[0] for k in before if not torch.equal(before[k], after[k])}
    assert "painter" in moved and "code" not in moved


def test_the_picture_teaches_landmarks2latents_and_a_run_resumes(trained: argparse.Namespace) -> None:
    t = together.Together(trained)
    before = t.net.code[2].weight.clone()
    t.step(1.0, 1e-3)
    assert not torch.equal(before, t.net.code[2].weight)
    t.it = 1
    t.save()
    again = together.Together(trained)
    assert again.it == 1 and torch.equal(again.net.code[2].weight, t.net.code[2].weight)
    # What is exported is the running mean of both.
    mean = torch.load(trained.out / "landmarks2latents.ckpt")["net"]["code.2.weight"]
    assert torch.equal(mean, t.net_mean.module.code[2].weight)


def test_runs_are_mixed_with_what_they_started_from() -> None:
    own = {"w": torch.tensor([1.0, 2.0]), "index": torch.tensor([3])}
    runs = [{"w": torch.tensor([3.0, 2.0]), "index": torch.tensor([3])}, {"w": torch.tensor([5.0, 6.0]), "index": torch.tensor([3])}]
    out = mixed(own, runs, 0.5)
    assert out["w"].tolist() == [2.5, 3.0] and out["index"].tolist() == [3]


def test_a_student_of_the_same_width_is_its_teacher() -> None:
    for kind, condition in (("mouth", (torch.rand(1, 12), torch.rand(1, 64))), ("eyes", (torch.rand(1, 32),))):
        teacher = recover.recover(PACK, kind).eval()
        width = teacher.painter.net.cuts[::-1]
        x = (torch.rand(1, 3, teacher.n, teacher.n), torch.rand(1, 11, teacher.h, teacher.h), *condition)
        with torch.no_grad():
            want, got = teacher.painter(*x), distil.narrowed(teacher, width).eval().painter(*x)
        assert all(torch.equal(a, b) for a, b in zip(want, got))


def test_a_narrower_student_learns_and_the_code_keeps_its_meaning(trained: argparse.Namespace) -> None:
    trained.pack, trained.width, trained.smoke, trained.lips = PACK, [16, 24, 32, 48], True, 0.0
    distiller = distil.Distiller(trained)
    distiller.part.load_state_dict(torch.load(trained.out / "mouth.ckpt")["part"])
    encoders = {k: v.clone() for k, v in distiller.part.state_dict().items() if not k.startswith("painter.")}
    errors = [distiller.step(0.0, 1e-3)["error"] for _ in range(12)]
    assert distiller.part.painter.net.cuts == [48, 32, 24, 16]
    assert np.mean(errors[-4:]) < 0.9 * np.mean(errors[:4]), errors
    assert all(torch.equal(v, distiller.part.state_dict()[k]) for k, v in encoders.items())


def test_ranges_are_of_the_convolutions_that_ship(trained: argparse.Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "BATCHES", 2)
    with torch.no_grad():
        rows = ranges.watched(Trainer(trained), recover.recover(PACK, "mouth").eval()).rows(1)
    ships = tomllib.loads((PACK / "pack.toml").read_text())["stages"]["mouth"]["int8"]
    assert [row["shape"] for row in rows] == [row["shape"] for row in ships]
    # The filter of the restoration stays as it is.
    assert ["range" in row for row in rows] == ["range" in row for row in ships] == [True] * 23 + [False]
    assert all(low <= 0 < high for low, high in (row["range"] for row in rows[:-1]))
