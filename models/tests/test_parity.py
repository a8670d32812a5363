# SPDX-License-Identifier: MIT OR Apache-2.0
"""The tool that holds packs against upstream's code: what it says, and how it computes in double precision. Upstream's code is not here."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.convert import parity, sample
from models.convert.checkpoint import ConvertError
from models.convert.liveportrait import upstream as liveportrait
from models.convert.sadtalker import convert as sadtalker
from models.convert.sadtalker.config import MINIATURE
from models.convert.sadtalker.stages import build

torch.set_num_threads(1)


def test_a_row_tells_the_largest_difference_and_how_many_are_above_the_bound() -> None:
    theirs = torch.tensor([1.0, -8.0, 3.0, 2.0])
    row = parity.compare("stage", theirs + torch.tensor([0.0, 0.5, 0.0, 5e-4]), theirs, 1e-3)
    assert (row.largest, row.worst, row.above, row.same) == (8.0, 0.5, 0.25, False)
    assert str(row) == "| stage | 8 | 5.0e-01 | 0.25 | 1e-03 | DIFFERS |"
    assert str(parity.compare("stage", theirs, theirs)) == "| stage | 8 | 0.0e+00 | 0 | 1e-04 | same |"


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_is_no_number_is_never_the_same(number: float) -> None:
    broken = torch.tensor([0.0, number])
    assert not parity.compare("stage", broken, torch.zeros(2)).same
    assert not parity.compare("stage", broken, broken).same


def test_another_shape_is_an_error() -> None:
    with pytest.raises(ConvertError, match=r"^stage: \[1\] here, \[2\] upstream$"):
        parity.compare("stage", torch.zeros(1), torch.zeros(2))


def test_one_stage_that_differs_makes_all_differ(capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = parity.compare("good", torch.ones(1), torch.ones(1)), parity.compare("bad", torch.ones(1), torch.zeros(1))
    assert parity.shown(iter([good, "a note"])) and not parity.shown(iter([bad, good]))
    assert capsys.readouterr().out.splitlines()[2:5] == [str(good), "", "a note"]


@pytest.mark.parametrize("system", ["sadtalker", "liveportrait"])
def test_a_folder_without_upstreams_files_is_told(system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["parity", "--upstream", str(tmp_path), "--system", system])
    with pytest.raises(SystemExit) as e:
        parity.main()
    message = str(e.value)
    assert message.startswith(f"error: --upstream {tmp_path} is no copy of github.com/")
    assert "it lacks src/" in message and "\n" not in message


def test_a_package_that_upstream_wants_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "of_upstream.py").write_text("import no_such_package\n")
    monkeypatch.setattr("sys.path", ["."])
    with pytest.raises(ConvertError, match=r"not installed \(No module named 'no_such_package'\)$"):
        parity.enter(tmp_path, ["of_upstream"], "upstream")


def test_tensors_of_a_file_are_changed_by_their_names(tmp_path: Path) -> None:
    one = torch.ones(2)
    save_file({"net.mask.weight": one, "net.mask.bias": one.clone()}, str(tmp_path / "a.safetensors"))
    torch.save({"part": {"fc.weight": one, "other": one}}, tmp_path / "b.pth")
    parity.change(tmp_path / "a.safetensors", {"mask.weight": (0.5, 0.0)})
    parity.change(tmp_path / "b.pth", {"part.fc.weight": (2.0, 1.0)})
    assert {k: v.tolist() for k, v in load_file(str(tmp_path / "a.safetensors")).items()} == {
        "net.mask.weight": [0.5, 0.5],
        "net.mask.bias": [1.0, 1.0],
    }
    part = torch.load(tmp_path / "b.pth")["part"]
    assert (part["fc.weight"].tolist(), part["other"].tolist()) == ([3.0, 3.0], [1.0, 1.0])


@pytest.mark.parametrize("axes", [2, 3])
def test_a_convolution_in_slices_is_the_same(axes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "SPREAD", 4000)
    plain, g = getattr(torch, f"conv{axes}d"), torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, *[9, 8, 7][:axes], generator=g, dtype=torch.float64)
    for stride, padding, groups in ((1, 1, 1), (2, 1, 1), (1, 0, 2)):
        weight = torch.randn(6, 4 // groups, *[3] * axes, generator=g, dtype=torch.float64)
        bias = torch.randn(6, generator=g, dtype=torch.float64)
        due = plain(x, weight, bias, [stride] * axes, [padding] * axes, [1] * axes, groups)
        found = parity.sliced(plain)(x, weight, bias, stride, padding, 1, groups)
        assert float((found - due).abs().max()) < 1e-12


def test_double_precision_is_that_of_stages_and_ends(tmp_path: Path) -> None:
    """The miniature in both: as close as single precision is, and as exact as double is."""
    sadtalker.checkpoints(tmp_path, MINIATURE, seed=0)
    tensors, photo = sadtalker.load(tmp_path, MINIATURE), sample.photo(MINIATURE.image)
    single = parity.packed(build(tensors, MINIATURE)["appearance"], double=False)(photo)
    with parity.doubled(True), torch.no_grad():
        net = parity.packed(build(tensors, MINIATURE)["appearance"], double=True)
        twice = net(photo.double())
        assert {p.dtype for p in net.parameters()} == {twice.dtype} == {torch.zeros(1).dtype} == {torch.float64}
    assert str(torch.float32) == "torch.float32" and torch.zeros(1).float().dtype == single.dtype == torch.float32
    assert 0 < float((single.double() - twice).abs().max()) < 1e-4


def test_frames_are_spread_and_the_last_is_drawn() -> None:
    assert (parity.chosen(1, 75), parity.chosen(3, 75)) == ([74], [24, 49, 74])


def test_liveportraits_sample_is_moved_by_speech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random checkpoints of full size are not written here."""
    monkeypatch.setattr(liveportrait, "checkpoints", lambda *_: None)
    monkeypatch.setattr(liveportrait, "change", lambda *_: None)
    found = liveportrait.given(argparse.Namespace(sharp=False), tmp_path)
    assert found["landmarks"].shape == (75, 478, 3)
    assert float(found["landmarks"].std(0).max()) > 0.01
    assert torch.equal(found["photo"], found["photo"].round()) and float(found["photo"].max()) > 200
