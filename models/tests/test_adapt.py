# SPDX-License-Identifier: MIT OR Apache-2.0
"""Speech learned from clips, on the miniature of LivePortrait: two short videos of the bundled photos, with the bundled voices."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models.convert.adapt import train
from models.convert.adapt.base import Base
from models.convert.adapt.clips import Clip, cut, square
from models.convert.adapt.train import Options, adapt, network
from models.convert.checkpoint import ConvertError
from models.convert.liveportrait.config import MINIATURE
from models.convert.liveportrait.convert import checkpoints, convert
from models.convert.pack import sha256

torch.set_num_threads(1)
OPERATORS = Path(__file__).resolve().parents[2] / "plugins" / "portrait" / "src" / "pack" / "operators.txt"
DATA = Path(__file__).resolve().parents[2] / "tests" / "data"
FRAMES = 40


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The miniature converted."""
    folder = tmp_path_factory.mktemp("packs")
    checkpoints(folder / "official", MINIATURE, seed=0)
    convert(folder / "official", folder / "mini", MINIATURE, half=False)
    return folder / "mini"


@pytest.fixture(scope="module")
def measured(pack: Path) -> list[Clip]:
    """Clips as they are measured, with made-up numbers: the expression follows lips and sound."""
    rng, out = np.random.default_rng(3), []
    mean = Base(pack).mean_face()
    for name in ("a", "b"):
        t = np.arange(FRAMES)
        gap = (0.5 + 0.5 * np.sin(t * 0.7)).astype(np.float32)
        landmarks = np.repeat(mean[None], FRAMES, 0)
        landmarks[:, [14, 17, 87, 317, 152], 1] += 0.15 * gap[:, None]
        features = rng.normal(-7, 2, (FRAMES, 4, 80)).astype(np.float32)
        expression = rng.normal(0, 0.001, (1, MINIATURE.points, 3)) + np.zeros((FRAMES, 1, 1))
        expression[:, 17, 1] += 0.02 * gap
        expression[:, 19, 1] += 0.01 * features[:, 3, 0] / 7
        pose = np.zeros((FRAMES, 7), np.float32)
        emotion = np.zeros(8, np.float32)
        out.append(Clip(name, landmarks, pose, mean, features, expression.astype(np.float32), emotion))
    return out


def learned(pack: Path, clips: list[Clip], work: Path, *steps: int) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Errors and weights of a run, which is interrupted after each number of steps but the last."""
    work.mkdir(exist_ok=True)
    errors: list[float] = []
    for count in steps:
        net = network(Base(pack), seed=1)
        errors += train.train(net, clips, Options(count, 1, 4), work)
    return errors, {k: v for k, v in net.state_dict().items() if not k.startswith("stitch.")}


def test_the_error_falls_and_an_interrupted_run_is_the_same_run(pack: Path, measured: list[Clip], tmp_path: Path) -> None:
    errors, whole = learned(pack, measured, tmp_path / "whole", 120)
    # What does not move with the face or the sound is noise of no size: the photo's own expression is right there.
    assert np.mean(errors[-10:]) < 0.5 * np.mean(errors[:10]), errors[::10]
    _, short = learned(pack, measured, tmp_path / "short", 8)
    again, parts = learned(pack, measured, tmp_path / "parts", 3, 8)
    assert len(again) == 8
    assert all(torch.equal(short[k], parts[k]) for k in short)
    assert not torch.equal(short["out.weight"], whole["out.weight"])
    with pytest.raises(ConvertError, match=r"adapt\.ckpt is of another run"):
        train.train(network(Base(pack), 2), measured, Options(9, 2, 4), tmp_path / "parts")


def test_the_photo_at_rest_is_the_photo_before_training(pack: Path, measured: list[Clip]) -> None:
    net, b = network(Base(pack), 0), train.batch(measured, np.random.default_rng(0), 3)
    assert b["landmarks"].shape == (train.WINDOW, 3, 478, 3)
    own = b["expression"].flatten(1)
    state = torch.zeros(1, 3, train.HIDDEN)
    moved, _ = net.core(b["landmarks"], b["neutral"], b["turn"], own, b["features"], b["emotion"], state)
    assert float(moved.detach().abs().max()) == 0.0


def test_squares_are_those_of_the_plugin_and_cut_as_they_lie() -> None:
    face = np.zeros((478, 3), np.float32)
    face[:, :2] = 100, 50
    face[1, :2] = 140, 110
    left, top, side = square(face, {"scale": 2.0, "vy": -0.125})
    assert (left, top, side) == (120 - 60, 80 - 15 - 60, 120)
    frame = np.zeros((100, 200, 3), np.uint8)
    frame[:, 100:] = 255
    seen = cut(frame, (60.0, -40.0, 80.0), 16)
    assert seen.shape == (1, 3, 16, 16)
    assert float(seen[..., :7].max()) == 0.0
    assert float(seen[..., 9:].min()) == 1.0


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person who comes nearer while somebody speaks, and a picture of nobody."""
    folder = tmp_path_factory.mktemp("clips")
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    pytest.importorskip("mediapipe")
    pytest.importorskip("cv2")
    (folder / "happy").mkdir()
    zoom = "scale=320:320,zoompan=z='1+0.004*on':d=1:x='iw/2-iw/zoom/2':y='ih/4-ih/zoom/4':s=320x320:fps=30"
    for name, photo in (("happy/speaks", "portrait-astronaut.png"), ("nobody", None)):
        look = ["-loop", "1", "-framerate", "30", "-i", str(DATA / photo)] if photo else ["-f", "lavfi", "-i", "color=gray:s=320x320:r=30"]
        line = ["ffmpeg", "-v", "error", *look, "-i", str(DATA / "speech-af_heart.wav"), "-t", "2", "-vf", zoom]
        subprocess.run([*line, "-pix_fmt", "yuv420p", str(folder / f"{name}.mp4")], check=True)
    return folder


def test_a_pack_comes_out_of_clips(pack: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, work = pack.with_name("mini-adapted"), tmp_path / "work"
    digest = adapt(pack, clips, output, work, Options(4, 0, 2))
    assert digest == sha256(output / "pack.toml")
    assert "nobody.mp4" in capsys.readouterr().out
    assert len(list(work.glob("speaks-*.npz"))) == 1, "measured once"
    with np.load(next(work.glob("speaks-*.npz"))) as z:
        assert z["landmarks"].shape == (50, 478, 3)
        assert z["expression"].shape == (50, MINIATURE.points, 3)
        assert z["features"].shape == (50, 4, 80)
        assert float(z["features"].std()) > 0.5
        assert z["emotion"].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    whole = tomllib.loads((output / "pack.toml").read_text())
    assert whole["pack"]["extends"] == "mini"
    assert list(whole["stages"]) == ["landmarks2latents"]
    stage = torch.jit.load(str(output / "landmarks2latents.pt"))
    declared = [a.name for a in stage.forward.schema.arguments[1:]]
    assert declared == [t["name"] for t in whole["stages"]["landmarks2latents"]["inputs"]]
    with zipfile.ZipFile(output / "landmarks2latents.pt") as z:
        code = "\n".join(z.read(n).decode() for n in z.namelist() if n.endswith(".py"))
    assert "nn.modules" not in code, "frozen"
    used = set(re.findall(r"\btorch\.(\w+)(?=\()", code))
    assert used <= set(OPERATORS.read_text().split()), used
    numbers = load_file(str(output / "golden.safetensors"))
    latents, state = stage(*(numbers[f"landmarks2latents.in.{i}"] for i in range(len(declared))))
    assert float((latents - numbers["landmarks2latents.out.0"]).abs().max()) < 1e-5
    assert list(latents.shape) == [1, MINIATURE.points, 3]
    assert "{" not in (output / "README.md").read_text()


def test_what_cannot_be_adapted_is_said(pack: Path, tmp_path: Path) -> None:
    lite = Path(__file__).resolve().parents[1] / "packs" / "lite"
    for folder, message in (
        (tmp_path, "is no model pack: it holds no pack.toml"),
        (lite, "has no motion extractor .*models.convert.liveportrait makes"),
    ):
        with pytest.raises(ConvertError, match=message):
            Base(folder)
    with pytest.raises(ConvertError, match="must lie beside"):
        adapt(pack, tmp_path, tmp_path / "out", tmp_path / "work", Options(1))
    with pytest.raises(ConvertError, match="holds no video"):
        adapt(pack, tmp_path, pack.with_name("other"), tmp_path / "work", Options(1))
    broken = Path(shutil.copytree(pack, pack.with_name("broken")))
    with (broken / "source.pt").open("ab") as f:
        f.write(b"x")
    with pytest.raises(ConvertError, match=r"source\.pt does not match"):
        Base(broken).stage("source")
    shutil.rmtree(broken)
