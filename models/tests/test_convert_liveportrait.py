# SPDX-License-Identifier: MIT OR Apache-2.0
"""LivePortrait's converter, with a miniature: its sizes are small, its build, its files' layout and its way are the official ones.

`data/liveportrait.safetensors` holds what upstream's own code gave for the miniature's checkpoints of seed 0.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import shutil
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.convert import cli, sample
from models.convert.checkpoint import ConvertError
from models.convert.liveportrait.config import MINIATURE, Config
from models.convert.liveportrait.convert import checkpoints, convert, load
from models.convert.liveportrait.layouts import BASE, layouts
from models.convert.liveportrait.stages import build
from models.data.normalise import pose as posed
from models.data.normalise import rotation

torch.set_num_threads(1)
OPERATORS = Path(__file__).resolve().parents[2] / "plugins" / "portrait" / "src" / "pack" / "operators.txt"
STAGES = ["appearance", "source", "face2latents", "landmarks2latents", "render"]
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
    convert(official, folder, MINIATURE, half=False)
    return folder, {name: torch.jit.load(str(folder / f"{name}.pt")) for name in STAGES}


@pytest.fixture
def copied(official: Path, tmp_path: Path) -> Path:
    """A copy of the files that a test may spoil."""
    return Path(shutil.copytree(official, tmp_path / "files"))


@pytest.fixture
def golden() -> dict[str, torch.Tensor]:
    """Upstream's numbers."""
    return load_file(str(Path(__file__).parent / "data" / "liveportrait.safetensors"))


def near(a: torch.Tensor, b: torch.Tensor, tolerance: float) -> None:
    assert a.shape == b.shape
    assert float((a - b).abs().max()) <= tolerance


def test_layouts_have_the_published_number_of_parameters() -> None:
    """Millions, as upstream's page of speeds has them."""
    trained = ("weight", "bias", "weight_orig", "gamma", "beta")
    count = {
        name: sum(torch.Size(s).numel() for k, s in layout.items() if k.endswith(trained))
        for name, layout in layouts(Config()).items()
    }
    assert [round(count[name] / 1e6, 2) for name in BASE] == [0.84, 28.12, 45.53, 55.37]
    assert round(sum(n for name, n in count.items() if name not in BASE) / 1e6, 2) == 0.23


def test_stages_give_what_upstream_gives(pack: Pack, golden: dict[str, torch.Tensor]) -> None:
    _, stages = pack
    photo = golden["photo"].permute(2, 0, 1)[None].float() / 255
    near(stages["appearance"](photo), golden["volume"], 1e-4)
    source, kp, expression, head = stages["source"](photo)
    near(kp, golden["kp"], 1e-4)
    near(expression, golden["expression"], 1e-4)
    near(head, golden["head"], 1e-3)
    near(source, golden["source"], 1e-4)
    picture = stages["render"](golden["volume"], golden["from"], golden["to"])
    assert picture.shape == (1, 3, MINIATURE.picture, MINIATURE.picture)
    near(picture[:, :, ::2, ::2], golden["picture"], 1e-3)


def test_small_networks_give_what_upstream_gives(official: Path, golden: dict[str, torch.Tensor]) -> None:
    latents = build(load(official, MINIATURE), MINIATURE)["landmarks2latents"]
    at = golden["from"].view(1, -1)
    near(latents.lip(torch.cat([at, golden["lip_ratios"]], 1)).view(1, -1, 3), golden["lip"], 1e-4)
    near(latents.eye(torch.cat([at, golden["eye_ratios"]], 1)).view(1, -1, 3), golden["eye"], 1e-4)
    moved = latents.stitch.net(torch.cat([at, golden["to"].view(1, -1)], 1))
    shift = torch.cat([moved[:, -2:], torch.zeros(1, 1)], 1)
    near(golden["to"] + moved[:, :-2].view(1, -1, 3) + shift, golden["stitched"], 1e-4)


def test_a_batch_is_drawn_as_its_frames_are(pack: Pack, golden: dict[str, torch.Tensor]) -> None:
    render = pack[1]["render"]
    both = torch.cat([golden["to"], golden["from"]])
    pictures = render(golden["volume"], golden["from"], both)
    for picture, latents in zip(pictures, both):
        near(picture[None], render(golden["volume"], golden["from"], latents[None]), 1e-5)
    assert float((pictures[0] - pictures[1]).abs().mean()) > 0.01
    # Frames of two streams, each with its own photo, as the plugin gives them where a pack has `streams`.
    volumes, sources = torch.cat([golden["volume"], golden["volume"].flip(4)]), torch.cat([golden["from"], golden["to"]])
    for i, picture in enumerate(render(volumes, sources, both)):
        near(picture[None], render(volumes[i : i + 1], sources[i : i + 1], both[i : i + 1]), 1e-5)


class Face:
    """The sample photo's face, and the stage that makes latents of it."""

    def __init__(self, pack: Pack) -> None:
        self.stage = pack[1]["landmarks2latents"]
        self.neutral, self.pose = sample.face()
        self.source, self.kp, self.expression, self.head = pack[1]["source"](sample.photo(MINIATURE.image))

    def __call__(self, landmarks: torch.Tensor, pose: torch.Tensor, angle: float = 0.0) -> torch.Tensor:
        before = (self.neutral, pose, self.pose[0], torch.tensor([angle]))
        return self.stage(landmarks, *before, self.source, self.kp, self.expression, self.head)

    def bare(self, landmarks: torch.Tensor, pose: torch.Tensor, angle: float = 0.0) -> torch.Tensor:
        """Without what the stitching network adds."""
        state = {k: v.clone() for k, v in self.stage.state_dict().items()}
        try:
            self.stage.load_state_dict({k: v * 0 if k.startswith("stitch.") else v for k, v in state.items()})
            return self(landmarks, pose, angle)
        finally:
            self.stage.load_state_dict(state)


@pytest.fixture(scope="module")
def face(pack: Pack) -> Face:
    return Face(pack)


@pytest.mark.parametrize("angle", [0.0, 7.0])
def test_the_photo_at_rest_is_the_photo(face: Face, angle: float) -> None:
    near(face.bare(face.neutral, face.pose, angle), face.source, 1e-5)
    assert float((face(face.neutral, face.pose, angle) - face.source).abs().max()) > 0.1, "stitching takes part"


def test_the_head_turns_as_the_pose_says(face: Face) -> None:
    pose = face.pose.clone()
    pose[0, :3] += torch.tensor([15.0, -8.0, 5.0])
    pose[0, 6] *= 1.1
    found = face.bare(face.neutral, pose)
    head = face.head[0]
    own = torch.from_numpy(rotation(*(head[i].numpy() for i in (1, 0, 2)))).float()
    was, now = (torch.from_numpy(rotation(*p[0, :3].numpy())).float() for p in (face.pose, pose))
    due = 1.1 * head[6] * (face.kp @ (now @ was.T @ own) + face.expression @ torch.eye(3))
    near(found - found.mean(1, keepdim=True), due - due.mean(1, keepdim=True), 1e-4)


def test_the_head_moves_as_far_as_the_pose_says(face: Face) -> None:
    pose = face.pose.clone()
    pose[0, 3:5] += torch.tensor([0.1, -0.05])
    moved = face.bare(face.neutral, pose) - face.source
    near(moved, torch.tensor([0.2, -0.1, 0.0]).expand(1, MINIATURE.points, 3), 1e-5)
    # In a square that lies turned by 90 degrees, right is up.
    moved = face.bare(face.neutral, pose, 90.0) - face.source
    near(moved, torch.tensor([-0.1, -0.2, 0.0]).expand(1, MINIATURE.points, 3), 1e-5)


def test_a_turn_keeps_the_place_of_the_middle_of_the_head(face: Face) -> None:
    """Upstream's origin is a point within our face: it goes where the pose takes that point."""
    deep = torch.zeros(1, 478, 3)
    square = (face.head[0, 3:5] + 1) / 2
    before, after = face.pose.numpy(), sample.turned(face.pose).numpy()
    r = rotation(*face.pose[0, :3].numpy())
    at = [*((square - face.pose[0, 3:5]) / face.pose[0, 6]).tolist(), 1.1]
    deep[0, 0] = torch.from_numpy(torch.tensor(at).double().numpy() @ r.T)
    near(torch.from_numpy(posed(deep.numpy(), before)[0, 0, :2]), square, 1e-5)
    due = 2 * torch.from_numpy(posed(deep.numpy(), after)[0, 0, :2]) - 1
    own = torch.from_numpy(rotation(*(face.head[0, i].numpy() for i in (1, 0, 2)))).float()
    was, now = (torch.from_numpy(rotation(*p[0, :3])).float() for p in (before, after))
    scale = face.head[0, 6] * after[0, 6] / before[0, 6]
    points = scale * (face.kp @ (now @ was.T @ own) + face.expression)
    found = face.bare(face.neutral, torch.from_numpy(after)) - points
    near(found[0, :, :2], due.float().expand(MINIATURE.points, 2), 1e-4)


def test_open_lips_and_shut_lids_go_through_the_retargeting_networks(face: Face, official: Path) -> None:
    latents = build(load(official, MINIATURE), MINIATURE)["landmarks2latents"]
    at, frame = face.source.view(1, -1), sample.speaking(face.neutral)
    lips, lids = latents.lips_open(face.neutral), latents.eyes_open(face.neutral)
    wide, shut = latents.lips_open(frame), latents.eyes_open(frame).mean(1, keepdim=True)
    assert float(wide - lips) > 0.1
    assert float(shut) < 0.7 * float(lids.mean())
    due = latents.lip(torch.cat([at, lips, wide], 1)) - latents.lip(torch.cat([at, lips, lips], 1))
    due += latents.eye(torch.cat([at, lids, shut], 1)) - latents.eye(torch.cat([at, lids, lids.mean(1, keepdim=True)], 1))
    sliders = latents.sliders(frame, face.neutral) @ latents.directions
    due = due.view(1, -1, 3) + face.head[0, 6] * sliders.view(1, -1, 3)
    near(face.bare(frame, face.pose) - face.source, due, 1e-5)


def test_sliders_are_those_of_upstreams_page(face: Face, official: Path) -> None:
    latents = build(load(official, MINIATURE), MINIATURE)["landmarks2latents"]

    def moves(points: list[int], axis: int, by: float) -> dict[tuple[int, int], float]:
        frame = face.neutral.clone()
        frame[:, points, axis] += by
        out = (latents.sliders(frame, face.neutral) @ latents.directions).view(-1, 3)
        return {(k, a): round(float(out[k, a]), 5) for k in range(MINIATURE.points) for a in range(3) if abs(out[k, a]) > 1e-6}

    brows, irises = [70, 63, 105, 66, 107, 300, 293, 334, 296, 336], [468, 473]
    assert moves(brows, 1, -1.0) == {(1, 1): 0.03, (2, 1): -0.03}
    assert moves(brows, 1, 1.0) == {(1, 0): 0.03, (2, 0): -0.03, (1, 1): -0.009, (2, 1): 0.009}
    assert moves(irises, 0, 1.0) == {(11, 0): 0.021, (15, 0): 0.03}
    assert moves(irises, 0, -1.0) == {(11, 0): -0.03, (15, 0): -0.021}
    assert moves(irises, 1, -1.0) == {(11, 1): -0.0315, (15, 1): -0.0315, (13, 1): -0.00945, (16, 1): -0.00945}
    smile = moves([61, 291], 1, -1.0)
    assert (smile[20, 1], smile[14, 1], smile[17, 1], smile[17, 2]) == (-0.013, -0.026, 0.00845, 0.0039)


class Video:
    """What `face2latents` makes of the frames of a video, without stitching, and what the motion network sees in them."""

    def __init__(self, face: Face, pack: Pack) -> None:
        self.face, self.stage, self.source = face, pack[1]["face2latents"], pack[1]["source"]
        self.state = torch.zeros(1, 1 + 3 * MINIATURE.points)

    def __call__(self, frame: torch.Tensor, drive: list[float], pose: torch.Tensor | None = None) -> torch.Tensor:
        f = self.face
        pose = f.pose if pose is None else pose
        saved = {k: v.clone() for k, v in self.stage.state_dict().items()}
        try:
            self.stage.load_state_dict({k: v * 0 if k.startswith("stitch.") else v for k, v in saved.items()})
            given = (frame, torch.tensor([drive]).float(), pose, f.pose[0], torch.zeros(1), f.source, f.kp, f.expression, f.head, self.state)
            latents, self.state = self.stage(*given)
        finally:
            self.stage.load_state_dict(saved)
        return latents

    def expression(self, frame: torch.Tensor) -> torch.Tensor:
        return self.source(frame)[2]


@pytest.fixture
def video(face: Face, pack: Pack) -> Video:
    return Video(face, pack)


def frames() -> tuple[torch.Tensor, torch.Tensor]:
    photo = sample.photo(MINIATURE.image)
    return photo.flip(3), (photo * 0.6).roll(5, 2)


def test_a_video_drives_the_expression_by_what_changes_since_its_first_frame(face: Face, video: Video) -> None:
    first, second = frames()
    near(video(first, [1, 1, 1, 0]), face.source, 1e-5)
    change = video.expression(second) - video.expression(first)
    assert float(change.abs().max()) > 1e-4
    near(video(second, [1, 1, 1, 0]) - face.source, face.head[0, 6] * change, 1e-5)
    absolute = video.expression(second) - face.expression
    near(video(second, [1, 1, 1, 1]) - face.source, face.head[0, 6] * absolute, 1e-5)
    near(video(second, [0, 0, 0, 1]), face.source, 1e-5)


def test_regions_of_a_video_drive_their_keypoints(face: Face, video: Video) -> None:
    first, second = frames()
    video(first, [1, 1, 1, 0])
    whole = video(second, [1, 1, 1, 0]) - face.source
    lips, eyes = [6, 12, 14, 17, 19, 20], [11, 13, 15, 16, 18]
    rest = sorted(set(range(MINIATURE.points)) - {*lips, *eyes})
    for drive, points in (([1, 0, 0, 0], lips), ([0, 1, 0, 0], eyes), ([0, 0, 1, 0], rest), ([0, 0.5, 0, 0], eyes)):
        due = torch.zeros_like(whole)
        due[:, points] = whole[:, points] * max(drive)
        near(video(second, drive) - face.source, due, 1e-5)


def test_the_head_of_a_video_is_turned_as_that_of_landmarks_is(face: Face, video: Video) -> None:
    pose = sample.turned(face.pose)
    near(video(frames()[0], [1, 1, 1, 0], pose), face.bare(face.neutral, pose), 1e-5)


def test_stages_use_listed_operators_alone(pack: Pack) -> None:
    listed = set(OPERATORS.read_text().split())
    used = set()
    for name in STAGES:
        with zipfile.ZipFile(pack[0] / f"{name}.pt") as z:
            code = "\n".join(z.read(n).decode() for n in z.namelist() if n.endswith(".py"))
        assert "Dict[" not in code
        used |= {
            n.removeprefix("torch.").removeprefix("ops.") for n in re.findall(r"\btorch\.\w+(?=\()|\bops\.\w+\.\w+(?=\()", code)
        }
    assert {"conv3d", "grid_sampler", "instance_norm"} <= used
    assert used <= listed, used - listed


def test_the_manifest_is_the_contracts(pack: Pack) -> None:
    text = (pack[0] / "pack.toml").read_text()
    whole = tomllib.loads(text)
    assert whole["pack"] | {"version": ""} == {
        "id": "liveportrait",
        "version": "",
        "licence": "MIT",
        "format": 2,
        "extends": "lite",
    }
    assert whole["latents"] == {"count": 21, "dims": 3}
    assert whole["picture"] == {"renderer": "neural", "resolution": MINIATURE.picture}
    assert list(whole["stages"]) == STAGES
    given = {name: [t["name"] for t in s["inputs"]] for name, s in whole["stages"].items()}
    assert given["render"] == ["volume", "source_latents", "latents"]
    assert {name: s.get("streams") for name, s in whole["stages"].items() if "streams" in s} == {"render": {"cuda": 8}}
    for name, stage in whole["stages"].items():
        assert stage["sha256"] == hashlib.sha256((pack[0] / stage["file"]).read_bytes()).hexdigest()
        declared = [a.name for a in pack[1][name].forward.schema.arguments[1:]]
        assert declared == given[name], "inputs are in the order of forward's"
    assert whole["golden"]["sha256"] == hashlib.sha256((pack[0] / "golden.safetensors").read_bytes()).hexdigest()
    card = (pack[0] / "README.md").read_text()
    assert "{" not in card
    for said in ("MIT", "InsightFace", "CUDA", "69 million"):
        assert said in card


def test_golden_numbers_of_the_pack_replay(pack: Pack) -> None:
    whole = tomllib.loads((pack[0] / "pack.toml").read_text())
    numbers = load_file(str(pack[0] / "golden.safetensors"))
    for name, stage in whole["stages"].items():
        out = pack[1][name](*(numbers[f"{name}.in.{i}"] for i in range(len(stage["inputs"]))))
        out = out if isinstance(out, tuple) else (out,)
        for i, (t, entry) in enumerate(zip(out, stage["outputs"], strict=True)):
            assert list(t.shape) == entry["shape"]
            near(t, numbers[f"{name}.out.{i}"], 1e-5)


def test_half_precision_is_half_as_large_and_near(
    pack: Pack, official: Path, tmp_path: Path, golden: dict[str, torch.Tensor]
) -> None:
    convert(official, tmp_path / "half", MINIATURE, half=True)
    whole = tomllib.loads((tmp_path / "half" / "pack.toml").read_text())
    assert [s.get("weights") for s in whole["stages"].values()] == ["float16", "float16", "float16", None, "float16"]
    stored = torch.jit.load(str(tmp_path / "half" / "render.pt"))
    assert {p.dtype for p in stored.parameters()} == {torch.float16}
    wide = stored.float()(golden["volume"], golden["from"], golden["to"])
    near(wide[:, :, ::2, ::2], golden["picture"], 0.02)
    # Computing in half precision, as a GPU does: keypoints and sampling stay in single.
    narrow = torch.jit.load(str(tmp_path / "half" / "render.pt"))(golden["volume"], golden["from"], golden["to"])
    assert narrow.dtype == torch.float32
    near(narrow, wide, 0.05)
    coarse = golden["to"].half().float()
    fine = coarse + torch.where(coarse.abs() > 0.5, 1e-4, 0.0)
    assert torch.equal(fine.half(), coarse.half())
    render = torch.jit.load(str(tmp_path / "half" / "render.pt"))
    assert not torch.equal(*(render(golden["volume"], golden["from"], latents) for latents in (coarse, fine)))


def test_safetensors_are_read_as_well(pack: Pack, copied: Path, tmp_path: Path) -> None:
    for file in copied.rglob("*.pth"):
        content = torch.load(file, weights_only=True)
        flat = {f"{k}.{n}": t for k, v in content.items() if isinstance(v, dict) for n, t in v.items()} or content
        save_file({k: v.contiguous() for k, v in flat.items()}, str(file.with_suffix(".safetensors")))
        file.unlink()
    convert(copied, tmp_path / "out", MINIATURE, half=False)
    a, b = (load_file(str(p / "golden.safetensors")) for p in (pack[0], tmp_path / "out"))
    assert all(torch.equal(a[k], b[k]) for k in a)


class Attack:
    """Unpickled by a careless reader, makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return os.system, (f"touch {self.path}",)


def spoil(copied: Path, name: str, change: Callable[[dict], object]) -> Path:
    path = next(copied.rglob(f"{name}.pth"))
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)
    return path


SPOILT: list[tuple[str, Callable[[dict], object], str]] = [
    ("warping_module", lambda c: c.pop("third.conv.bias"), r"warping_module\.pth lacks third\.conv\.bias$"),
    ("spade_generator", lambda c: c.update(spare=torch.ones(1)), r"spade_generator\.pth holds spare, which this network"),
    (
        "motion_extractor",
        lambda c: c.update({"detector.fc_t.bias": torch.ones(4)}),
        r"detector\.fc_t\.bias has shape \[4\], \[3\] is due$",
    ),
    (
        "appearance_feature_extractor",
        lambda c: c["second.bias"].fill_(float("nan")),
        r"second\.bias holds numbers that are not finite",
    ),
    ("appearance_feature_extractor", lambda c: c.update({"second.bias": 3}), r"second\.bias is a int, not a tensor"),
    ("stitching_retargeting_module", lambda c: c.pop("retarget_eye"), r"lacks the section retarget_eye$"),
    (
        "stitching_retargeting_module",
        lambda c: c["retarget_mouth"].pop("module.mlp.0.bias"),
        r"section retarget_mouth, lacks module\.mlp\.0\.bias$",
    ),
]


@pytest.mark.parametrize(("name", "change", "message"), SPOILT, ids=[m for _, _, m in SPOILT])
def test_a_wrong_tensor_is_named(copied: Path, tmp_path: Path, name: str, change: Callable[[dict], object], message: str) -> None:
    spoil(copied, name, change)
    with pytest.raises(ConvertError, match=message):
        convert(copied, tmp_path / "out", MINIATURE, half=False)
    assert not (tmp_path / "out").exists()


def test_another_models_file_is_said_to_be_one(copied: Path, tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.ones(2)}, next(copied.rglob("motion_extractor.pth")))
    with pytest.raises(ConvertError, match=r"motion_extractor\.pth holds none .*layer\.weight.*another model"):
        convert(copied, tmp_path / "out", MINIATURE, half=False)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_not_run(copied: Path, tmp_path: Path, zipped: bool) -> None:
    path, trace = next(copied.rglob("warping_module.pth")), tmp_path / "ran"
    content = torch.load(path, weights_only=True) | {"more": Attack(trace)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        ConvertError, match=r"warping_module\.pth holds more than tensors: it wants to run \w+\.system, which was not done"
    ):
        convert(copied, tmp_path / "out", MINIATURE, half=False)
    path.write_bytes(pickle.dumps(Attack(trace)))
    with pytest.raises(ConvertError, match=r"warping_module\.pth is damaged or is no checkpoint of plain tensors"):
        convert(copied, tmp_path / "out", MINIATURE, half=False)
    assert not trace.exists()


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("left", [0.0, 0.01, 0.5, 0.999])
def test_a_cut_file_is_damaged(copied: Path, tmp_path: Path, ending: str, left: float) -> None:
    path = next(copied.rglob("spade_generator.pth"))
    if ending == ".safetensors":
        content = torch.load(path, weights_only=True)
        path.unlink()
        path = path.with_suffix(ending)
        save_file(content, str(path))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * left)])
    with pytest.raises(ConvertError, match=r"spade_generator\.\w+ is damaged or is no checkpoint"):
        convert(copied, tmp_path / "out", MINIATURE, half=False)


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><html></html>", b"hello " * 99, pickle.dumps([1])])
def test_what_is_no_checkpoint_is_said_to_be_none(copied: Path, tmp_path: Path, content: bytes) -> None:
    next(copied.rglob("motion_extractor.pth")).write_bytes(content)
    with pytest.raises(ConvertError, match=r"motion_extractor\.pth (is damaged or is no checkpoint|holds a list)"):
        convert(copied, tmp_path / "out", MINIATURE, half=False)


def test_missing_and_doubled_files_are_named(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="nowhere is not a folder"):
        convert(tmp_path / "nowhere", tmp_path / "out", MINIATURE, half=False)
    path = next(copied.rglob("warping_module.pth"))
    shutil.copy(path, copied / path.name)
    with pytest.raises(ConvertError, match=r"holds 2 files warping_module\.pth"):
        convert(copied, tmp_path / "out", MINIATURE, half=False)
    path.unlink()
    (copied / path.name).unlink()
    with pytest.raises(ConvertError, match=r"holds no warping_module\.safetensors or \.pth"):
        convert(copied, tmp_path / "out", MINIATURE, half=False)


def test_a_folder_that_is_no_pack_is_left_alone(official: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="exists and is no pack"):
        convert(official, tmp_path, MINIATURE, half=False)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_the_command_line_says_how_the_pack_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "liveportrait"
    monkeypatch.setattr(sys, "argv", ["convert", "--checkpoints", str(tmp_path), "--output", str(output)])
    with pytest.raises(SystemExit, match="^error: .*holds no appearance_feature_extractor"):
        cli.run("", lambda o, folder: convert(folder, o.output, MINIATURE, False), lambda o, folder: None)
    monkeypatch.setattr(sys, "argv", ["convert", "--miniature", "--output", str(output)])
    cli.run("", lambda o, folder: convert(folder, o.output, MINIATURE, False), lambda o, folder: checkpoints(folder, MINIATURE, 0))
    digest = hashlib.sha256((output / "pack.toml").read_bytes()).hexdigest()
    assert f"GST_PORTRAIT_TRUSTED_PACKS={digest}\n" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["liveportrait"], "nothing unfinished is left"
