# SPDX-License-Identifier: MIT OR Apache-2.0
"""SadTalker's converter, with a miniature: its sizes are small, its build, its files' layout and its way are the official ones.

`data/sadtalker.safetensors` holds what upstream's own code gave for the miniature's checkpoints of seed 0.
"""

from __future__ import annotations

import argparse
import re
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.signal import savgol_filter

from models.convert import sample
from models.convert.checkpoint import ConvertError
from models.convert.cli import run
from models.convert.sadtalker.__main__ import options, sizes
from models.convert.sadtalker.config import MINIATURE, Config
from models.convert.sadtalker.convert import checkpoints, convert, load
from models.convert.sadtalker.hearing import WINDOW, next_number, window_of
from models.convert.sadtalker.layouts import layouts
from models.convert.sadtalker.mapping import RADIUS
from models.convert.sadtalker.motion import STATE, to_coefficients, to_pose
from models.convert.sadtalker.stages import build

torch.set_num_threads(1)
OPERATORS = Path(__file__).resolve().parents[2] / "plugins" / "portrait" / "src" / "pack" / "operators.txt"
STAGES = ["features", "appearance", "source", "speech2landmarks", "pose", "landmarks2latents", "render"]
Pack = tuple[Path, dict[str, torch.jit.ScriptModule]]


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the miniature's files in the official layout."""
    folder = tmp_path_factory.mktemp("official")
    checkpoints(folder, MINIATURE, seed=0)
    return folder


@pytest.fixture(scope="module")
def pack(official: Path, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """The miniature converted, and its stages as the plugin loads them."""
    folder = tmp_path_factory.mktemp("packs") / "mini"
    convert(official, folder, MINIATURE, half=True)
    return folder, {name: torch.jit.load(str(folder / f"{name}.pt")) for name in STAGES}


@pytest.fixture(scope="module")
def nets(official: Path) -> dict[str, torch.nn.Module]:
    """The same stages, not exported."""
    return build(load(official, MINIATURE), MINIATURE)


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    """Upstream's numbers."""
    return load_file(str(Path(__file__).parent / "data" / "sadtalker.safetensors"))


def near(a: torch.Tensor, b: torch.Tensor, tolerance: float) -> None:
    assert a.shape == b.shape
    assert float((a - b).abs().max()) <= tolerance


def test_layouts_have_the_published_number_of_parameters() -> None:
    trained = ("weight", "bias", "weight_orig", "classbias")
    count = {
        name: sum(torch.Size(s).numel() for k, s in layout.items() if k.endswith(trained) and k != "down.weight")
        for name, layout in layouts(Config()).items()
    }
    due = {
        "kp_extractor": 41.94,
        "generator": 100.99,
        "audio2exp": 2.85,
        "audio2pose": 11.25,
        "face_3drecon": 24.03,
        "mapping": 10.2,
    }
    assert {name: round(n / 1e6, 2) for name, n in count.items()} == due


def test_what_is_heard_is_what_upstream_hears(pack: Pack, golden: dict[str, torch.Tensor]) -> None:
    """Pictures 41 to 45 of a sound: one for each way in which mel frames lie to pictures."""
    pcm, number = golden["pcm"].float() / 32768, 0
    for _ in range(41):
        number = next_number(number)
    for i, due in enumerate(golden["mel"]):
        near(window_of(pack[1]["features"](pcm[640 * i : 640 * i + WINDOW]), number), due, 1e-4)
        number = next_number(number)


def test_the_beginning_of_a_sound_is_heard_as_upstream_does(pack: Pack, golden: dict[str, torch.Tensor]) -> None:
    pcm, due = golden["first_pcm"].float() / 32768, golden["first_mel"]
    found = [window_of(pack[1]["features"](pcm[640 * i : 640 * i + WINDOW]), i) for i in range(3)]
    near(found[2], due[2], 1e-4)
    for i in (0, 1):
        near(found[i][1:], due[i][:-1], 1e-4)


def test_the_photo_is_seen_as_upstream_sees_it(nets: dict[str, torch.nn.Module], golden: dict[str, torch.Tensor]) -> None:
    photo = golden["photo"].permute(2, 0, 1)[None].float() / 255
    face, crop = nets["source"].align(photo, golden["landmarks"])
    near(face[0, :, ::8, ::8] * 255, golden["face"].float(), 0.01)
    near(crop.float(), golden["crop"], 1e-4)
    source, exp, coefficients, kp = nets["source"](photo, golden["landmarks"])
    near(coefficients, golden["coefficients"], 1e-4)
    near(exp, golden["coefficients"][:, :64], 1e-4)
    near(kp, golden["kp"], 1e-4)
    near(source, golden["source"], 1e-4)


def test_expression_and_motion_are_upstreams(nets: dict[str, torch.nn.Module], golden: dict[str, torch.Tensor]) -> None:
    exp = golden["coefficients"][:, :64]
    features = torch.zeros(16, 5, 80)
    features[:, (1 + 4 * 42) % 5] = golden["mel"][1]
    found, state = nets["speech2landmarks"](features.view(1, 80, 80), exp, torch.tensor([0.5]), torch.tensor([7.0]))
    near(found, golden["expression"], 1e-4)
    assert state.tolist() == [8.0]
    pose = nets["pose"]
    heard = torch.stack([pose.heard(pose.ear(mel)) for mel in golden["mels"].float().repeat(4, 1, 1)], 1)
    style = torch.eye(MINIATURE.styles)[7:8]
    near(pose.block(golden["noise"], style, golden["coefficients"][:, 64:], heard), golden["motion"], 1e-4)


def test_keypoints_and_pictures_are_upstreams(nets: dict[str, torch.nn.Module], golden: dict[str, torch.Tensor]) -> None:
    near(nets["landmarks2latents"].net(golden["window"], golden["kp"]), golden["latents"], 1e-4)
    volume = nets["appearance"](golden["photo"].permute(2, 0, 1)[None].float() / 255)
    near(nets["render"](volume, golden["from"], golden["to"]), golden["picture"], 1e-4)
    both = torch.cat([golden["to"], golden["from"]])
    near(nets["render"](volume, golden["from"], both)[:1], golden["picture"], 1e-4)


def test_poses_and_3dmm_numbers_are_each_others_inverse() -> None:
    pose, source = sample.face()[1], torch.tensor([[0.1, -0.2, 0.05, 0.1, 0.02, 0.3]])
    moved = torch.tensor([[0.1, 0.2, -0.1, 0.05, -0.03, 0.4]])
    near(to_coefficients(to_pose(moved, pose, source), pose, source), source + moved, 1e-5)
    near(to_pose(torch.zeros(1, 6), pose, source), pose, 1e-5)


@pytest.mark.parametrize(
    ("axis", "by", "number", "sign"),
    [(0, 10.0, 1, -1), (1, 10.0, 0, 1), (2, 10.0, 2, -1), (3, 0.1, 3, 1), (4, 0.1, 4, -1), (6, 0.1, 5, 1)],
    ids=["yaw", "pitch", "roll", "x", "y", "scale"],
)
def test_each_axis_of_a_pose_is_one_of_the_3dmm(axis: int, by: float, number: int, sign: int) -> None:
    """The 3DMM looks with y up and z to the viewer."""
    pose, source = sample.face()[1], torch.zeros(1, 6)
    other = pose.clone()
    other[0, axis] += by
    found = to_coefficients(other, pose, source)[0]
    assert float(found[number]) * sign > 0.05
    if axis < 3:
        assert abs(abs(float(found[number])) - torch.pi / 18) < 1e-5
        assert float(found[[i for i in range(3) if i != number]].abs().max()) < 1e-6


def test_head_motion_comes_in_blocks_and_smoothed(nets: dict[str, torch.nn.Module], golden: dict[str, torch.Tensor]) -> None:
    net, source = nets["pose"], golden["coefficients"]
    initial, style = sample.face()[1], torch.eye(MINIATURE.styles - 1)[6]
    noises = [torch.randn(1, 64, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    features = torch.randn(70, 80, 80, generator=torch.Generator().manual_seed(9))
    state, found, heard, raw, number = torch.zeros(STATE), [], [], torch.zeros(13, 6), 0
    frames = len(features)
    for t in range(frames):
        heard.append(net.heard(net.ear(window_of(features[t], number))))
        if t == 0:
            heard *= 32
        pose, state = net(features[t], noises[t // 33], style, state, initial[0], source)
        number = next_number(number)
        assert int(state[0]) == number
        found.append(to_coefficients(pose, initial, source[:, 64:]) - source[:, 64:])
        if t % 32 == 1:
            block = net.block(noises[t // 33], torch.eye(MINIATURE.styles)[7:8], source[:, 64:], torch.stack(heard[-32:], 1))
        raw = torch.cat([raw, block[0, (t - 1) % 32][None] if t else torch.zeros(1, 6)])
    due = savgol_filter(raw.numpy(), 13, 2, axis=0)[13 - 6 : 13 - 6 + frames]
    near(torch.cat(found), torch.from_numpy(due).float(), 1e-4)
    assert float(torch.cat(found).std(0).max()) > 0.001


def test_no_style_is_the_first(nets: dict[str, torch.nn.Module], golden: dict[str, torch.Tensor]) -> None:
    net, initial = nets["pose"], sample.face()[1][0]
    begun = torch.zeros(STATE)
    begun[:2] = torch.tensor([7, 1])
    features = golden["mel"].transpose(0, 1).reshape(80, 80)

    def after(style: torch.Tensor) -> torch.Tensor:
        return net(features, golden["noise"], style, begun, initial, golden["coefficients"])[1]

    heard = net.heard(net.ear(window_of(features, 7))).view(1, 1, 6)
    heard = torch.cat([torch.zeros(1, 31, 6), heard], 1)
    none = net.block(golden["noise"], torch.eye(MINIATURE.styles)[:1], golden["coefficients"][:, 64:], heard)
    near(after(torch.zeros(45))[2 + 192 : 2 + 384], none.view(-1), 1e-5)
    assert float((after(torch.eye(45)[0]) - after(torch.zeros(45))).abs().max()) > 1e-4


def test_the_window_of_keypoints_ends_with_the_newest_frame(
    nets: dict[str, torch.nn.Module], golden: dict[str, torch.Tensor]
) -> None:
    net, source = nets["landmarks2latents"], golden["coefficients"]
    pose, face = sample.face()[1], torch.tensor([0, 0, 0, 1, 1.5, 1, 0])
    state, rows = torch.zeros(1 + RADIUS * MINIATURE.coefficients), []
    for i in range(16):
        coefficients = golden["window"][:, :64, i]
        latents, state = net(coefficients, pose, pose[0], face, torch.zeros(2), state, source, golden["kp"])
        rows.append(torch.cat([1.5 * coefficients[0], source[0, 64:]]))
        window = torch.stack([rows[min(max(j, 0), i)] for j in range(i - RADIUS, i + RADIUS + 1)], 1)
        near(latents, net.net(window[None], golden["kp"]), 1e-5)


def test_lids_of_a_video_are_what_expnet_would_have_said(
    nets: dict[str, torch.nn.Module], golden: dict[str, torch.Tensor]
) -> None:
    hear, net, source = nets["speech2landmarks"], nets["landmarks2latents"], golden["coefficients"]
    pose, face = sample.face()[1], torch.tensor([0, 0, 0.2, 1, 1.5, 1, 0])
    features = golden["mel"].transpose(0, 1).reshape(80, 80)

    def latents(heard: float, lids: list[float]) -> torch.Tensor:
        said = hear(features, source[:, :64], torch.tensor([heard]), torch.tensor([7.0]))[0]
        state = torch.zeros(1 + RADIUS * MINIATURE.coefficients)
        return net(said, pose, pose[0], face, torch.tensor(lids), state, source, golden["kp"])[0]

    near(latents(0.2, [0.2, 0.9]), latents(0.9, [0.9, 0.9]), 1e-5)
    assert float((latents(0.2, [0.2, 0.9]) - latents(0.2, [0.2, 0.2])).abs().max()) > 1e-3


def test_stages_use_listed_operators_alone(pack: Pack) -> None:
    listed, used = set(OPERATORS.read_text().split()), set()
    for name in STAGES:
        with zipfile.ZipFile(pack[0] / f"{name}.pt") as z:
            code = "\n".join(z.read(n).decode() for n in z.namelist() if n.endswith(".py"))
        used |= {
            n.removeprefix("torch.").removeprefix("ops.") for n in re.findall(r"\btorch\.\w+(?=\()|\bops\.\w+\.\w+(?=\()", code)
        }
        # A word that the plugin's reader keeps for itself is no name.
        assert not re.search(r"(?m)(self\.|^  )(range|print|float|int|ops|inf|nan|for)\b(?! ?\()", code)
    assert {"fft_rfft", "conv_transpose2d", "max_pool2d"} <= used
    assert used <= listed, used - listed


def test_the_manifest_is_the_contracts(pack: Pack) -> None:
    whole = tomllib.loads((pack[0] / "pack.toml").read_text())
    assert whole["emotions"] == []
    assert whole["between"] == {"kind": "coefficients", "count": 64}
    assert whole["latents"] == {"count": 15, "dims": 3}
    assert whole["clock"]["window-samples"] == whole["stages"]["features"]["inputs"][0]["shape"][0] == 4000
    assert len(whole["pose"]["styles"]) == 45
    assert whole["stages"]["render"]["streams"] == {"cuda": 8}
    for name, stage in whole["stages"].items():
        declared = [a.name for a in pack[1][name].forward.schema.arguments[1:]]
        assert declared == [t["name"] for t in stage["inputs"]], "inputs are in the order of forward's"
    assert "{" not in (pack[0] / "README.md").read_text()


def test_golden_numbers_of_the_pack_replay(pack: Pack) -> None:
    whole = tomllib.loads((pack[0] / "pack.toml").read_text())
    numbers = load_file(str(pack[0] / "golden.safetensors"))
    for name, stage in whole["stages"].items():
        net = torch.jit.load(str(pack[0] / f"{name}.pt")).float()
        out = net(*(numbers[f"{name}.in.{i}"] for i in range(len(stage["inputs"]))))
        out = out if isinstance(out, tuple) else (out,)
        for i, (t, entry) in enumerate(zip(out, stage["outputs"], strict=True)):
            assert list(t.shape) == entry["shape"]
            near(t, numbers[f"{name}.out.{i}"], 1e-5)


def main_of(folder: Path) -> Path:
    return next(folder.glob("SadTalker*.safetensors"))


SPOILT: list[tuple[Callable[[dict], object], str]] = [
    (lambda c: c.pop("generator.fourth.bias"), r"section generator, lacks fourth\.bias$"),
    (lambda c: c.update({"generator.more": torch.ones(1)}), r"section generator, holds more, which"),
    (lambda c: c.update({"audio2exp.mapping1.bias": torch.ones(3)}), r"mapping1\.bias has shape \[3\], \[64\] is due$"),
    (lambda c: c.update({"lm.head": torch.ones(3)}), r"holds lm\.head, which is of none of SadTalker's networks$"),
    (lambda c: [c.pop(k) for k in list(c) if k.startswith("kp_extractor.")], r"lacks the section kp_extractor$"),
]


@pytest.mark.parametrize(("change", "message"), SPOILT, ids=[m for _, m in SPOILT])
def test_a_wrong_tensor_is_named(official: Path, tmp_path: Path, change: Callable[[dict], object], message: str) -> None:
    content = load_file(str(main_of(official)))
    change(content)
    save_file(content, str(tmp_path / main_of(official).name))
    mapping = next(official.glob("mapping*"))
    (tmp_path / mapping.name).write_bytes(mapping.read_bytes())
    with pytest.raises(ConvertError, match=message):
        convert(tmp_path, tmp_path / "out", MINIATURE, half=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("which", ["--random", "--miniature", "--checkpoints"])
def test_the_command_line_invents_checkpoints_where_it_is_told_to(
    which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, invented, converted = tmp_path / "official", [], []
    given = [which, str(folder)] if which == "--checkpoints" else [which]
    monkeypatch.setattr("sys.argv", ["sadtalker", *given, "--output", str(tmp_path / "pack"), "--size", "512", "--full"])

    def make(o: argparse.Namespace, source: Path) -> str:
        converted.append((sizes(o), source))
        return "digest"

    run("", make, lambda o, source: invented.append((sizes(o), source)), options)
    assert "GST_PORTRAIT_TRUSTED_PACKS=digest" in capsys.readouterr().out
    assert [c for c, _ in converted] == [MINIATURE if which == "--miniature" else replace(Config(), image=512, coefficients=73)]
    if which == "--checkpoints":
        assert (converted[0][1], invented) == (folder, [])
    else:
        assert invented == converted, "what is converted is what was invented"


def test_the_other_mapping_network_is_not_taken_for_this_one(official: Path, tmp_path: Path) -> None:
    (tmp_path / main_of(official).name).write_bytes(main_of(official).read_bytes())
    with pytest.raises(ConvertError, match=r"holds no mapping_00229-model\.safetensors or \.pth"):
        convert(tmp_path, tmp_path / "out", MINIATURE, half=False)
