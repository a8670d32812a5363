# SPDX-License-Identifier: MIT OR Apache-2.0
"""LivePortrait's stages beside upstream's own code (`models.convert.parity`)."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from .. import sample
from ..parity import EVEN, PIXELS, Changes, Row, change, chosen, compare, packed
from .config import Config
from .convert import checkpoints
from .geometry import aside
from .layouts import BASE, RETARGETING
from .stages import build

URL = "github.com/KwaiVGI/LivePortrait"
MODULES = ["src.live_portrait_wrapper", "src.utils.camera", "src.config.inference_config"]
# Pictures of 3 s, and of a video that drives.
FRAMES, DRIVEN = 75, 4
SEED = 0
# What `lite` hears a picture by: samples, and how many of them are behind it.
WINDOW, AHEAD = 10480, 2560


def config(_: argparse.Namespace) -> Config:
    """What the command line asks for."""
    return Config()


def heard() -> Tensor:
    """The sample photo's landmarks as `lite` moves them to 3 s of speech [T,478,3]."""
    neutral = sample.face()[0]
    front, net = (torch.jit.load(str(sample.LITE / f"{name}.pt")).float() for name in ("features", "speech2landmarks"))
    sound = sample.sound(WINDOW + AHEAD + 640 * FRAMES, 0.5)
    state, found = torch.zeros(836), []
    for i in range(FRAMES):
        features = front(sound[640 * i : 640 * i + WINDOW])
        out, state = net(features[None], neutral[0], torch.zeros(8), state)
        found.append(out)
    return torch.cat(found)


def given(o: argparse.Namespace, files: Path) -> dict[str, Tensor]:
    """Writes the checkpoints; returns photo, landmarks of 3 s of speech, those of the photo and its pose."""
    c = config(o)
    checkpoints(files, c, SEED)
    # Keypoints lie about the picture as trained ones do, and the small networks move them by little.
    changes: Changes = {f"fc_{k}.weight": (small, 0.0) for k, small in (("kp", 0.3), ("exp", 0.03), ("t", 0.05), ("scale", 0.05))}
    changes["fc_scale.bias"] = (0.5, 1.0)
    change(files / "base_models" / f"{BASE[1]}.pth", changes)
    last = {"retarget_shoulder": 6, "retarget_mouth": 6, "retarget_eye": 10}
    small = {f"{section}.module.mlp.{i}.{kind}": (0.03, 0.0) for section, i in last.items() for kind in ("weight", "bias")}
    change(files / "retargeting_models" / f"{RETARGETING}.pth", small)
    if not o.sharp:
        change(files / "base_models" / f"{BASE[2]}.pth", {"dense_motion_network.mask.weight": (EVEN, 0.0)})
    neutral, pose = sample.face()
    levels = torch.round(sample.photo(c.image) * 255)
    return {"photo": levels, "landmarks": heard(), "neutral": neutral, "pose": pose}


class Upstream:
    """Upstream's wrapper around its networks, and the keypoints that it would make of a turned head."""

    def __init__(self, _: argparse.Namespace, files: Path, code: list[ModuleType]) -> None:
        wrapper, self.camera, settings = code
        names = dict(zip("FMWG", BASE))
        paths = {f"checkpoint_{k}": str(files / "base_models" / f"{name}.pth") for k, name in names.items()}
        paths["checkpoint_S"] = str(files / "retargeting_models" / f"{RETARGETING}.pth")
        options = settings.InferenceConfig(**paths, flag_force_cpu=True, flag_use_half_precision=False)
        self.run = wrapper.LivePortraitWrapper(options)

    def double(self) -> None:
        """Double precision from here on."""
        for net in (*(getattr(self.run, name) for name in BASE), *getattr(self.run, RETARGETING).values()):
            net.double()

    def turn(self, pose: Tensor) -> Tensor:
        """The rotation of yaw, pitch and roll [1,7]."""
        return self.camera.get_rotation_matrix(pose[:, 1:2], pose[:, :1], pose[:, 2:3])

    def placed(self, info: dict[str, Tensor], exp: Tensor, turned: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """Upstream's keypoints of a head that is turned, shifted and grown."""
        return scale.unsqueeze(2) * (info["kp"] @ turned + exp) + aside(shift)


def rows(
    o: argparse.Namespace,
    _: Path,
    samples: dict[str, Tensor],
    theirs: Upstream,
    tensors: dict[str, dict[str, Tensor]],
) -> Iterator[Row | str]:
    """Both sides, stage by stage."""
    c, kind = config(o), torch.get_default_dtype()
    stages = {name: packed(net, o.double) for name, net in build(tensors, c).items()}
    neutral, pose, landmarks = (samples[k].to(kind) for k in ("neutral", "pose", "landmarks"))
    photo = theirs.run.prepare_source(samples["photo"][0].permute(1, 2, 0).byte().numpy()).to(kind)

    # What is seen in the photo.
    volume, volume_theirs = stages["appearance"](photo), theirs.run.extract_feature_3d(photo)
    yield compare("appearance: volume", volume, volume_theirs)
    source, kp, exp, head = stages["source"](photo)
    info = theirs.run.get_kp_info(photo)
    yield compare("source: canonical keypoints", kp, info["kp"])
    yield compare("source: expression", exp, info["exp"])
    yield compare("source: degrees, shift, scale", head, torch.cat([info[k] for k in ("pitch", "yaw", "roll", "t", "scale")], 1))
    source_theirs = theirs.run.transform_keypoint(info)
    yield compare("source: keypoints of the photo", source, source_theirs)

    # Heads that turn: how far the shift goes is this pack's own, and both are told of it.
    angle, turned = torch.tensor([3.0]), sample.turned(pose)
    poses = [pose + (turned - pose) * math.sin(i / 8) for i in range(FRAMES)]
    net, own = stages["landmarks2latents"], theirs.turn(torch.cat([head[:, 1:2], head[:, :1], head[:, 2:3]], 1))

    def moved(i: int) -> tuple[Tensor, Tensor, Tensor]:
        """Rotation, shift and scale of a picture upstream."""
        turn = theirs.turn(poses[i]) @ theirs.turn(pose).transpose(1, 2) @ own
        return turn, net.head(poses[i], pose[0], angle, head)[1], info["scale"] * poses[i][:, 6:] / pose[:, 6:]

    # A face in a video.
    state, mine, due = torch.zeros(1, 1 + 3 * c.points), [], []
    first = None
    for i in range(DRIVEN):
        frame = photo.roll(9 * i, 3) if i % 2 else photo.flip(3)
        seen = theirs.run.get_kp_info(frame)["exp"]
        first = seen if first is None else first
        out, state = stages["face2latents"](
            frame, torch.tensor([[1.0, 1.0, 1.0, 0.0]]), poses[i], pose[0], angle, source, kp, exp, head, state
        )
        mine.append(out)
        due.append(theirs.run.stitching(source_theirs, theirs.placed(info, info["exp"] + seen - first, *moved(i))))
    yield compare("face2latents: keypoints", torch.cat(mine), torch.cat(due))

    # 3 s of speech: what sliders and ratios say is this pack's own, and both are told of it.
    lips, eyes = net.lips_open(neutral), net.eyes_open(neutral)
    added: dict[str, list[tuple[Tensor, Tensor]]] = {"lip": [], "eye": []}
    flat, mine, due = source.view(1, -1), [], []
    for i in range(FRAMES):
        now = landmarks[i : i + 1]
        mine.append(net(now, neutral, poses[i], pose[0], angle, source, kp, exp, head))
        along = (net.sliders(now, neutral) @ net.directions).view(1, -1, 3)
        gap = net.lips_open(now).clamp(0, net.most_open)
        lid, rest = (net.eyes_open(n).mean(1, keepdim=True).clamp(0, net.most_open) for n in (now, neutral))
        ratios = {"lip": (lips, lips.clamp(0, net.most_open), gap), "eye": (eyes, rest, lid)}
        add = torch.zeros_like(source)
        for name, (before, still, wanted) in ratios.items():
            small, retarget = getattr(net, name), getattr(theirs.run, f"retarget_{name}")
            added[name].append(
                (small(torch.cat([flat, before, wanted], 1)), retarget(source_theirs, torch.cat([before, wanted], 1)))
            )
            add = add + added[name][-1][1].view(1, -1, 3) - retarget(source_theirs, torch.cat([before, still], 1)).view(1, -1, 3)
        turn, shift, scale = moved(i)
        aim = theirs.placed(info, info["exp"] + along, turn, shift, scale)
        aim = aim + scale.unsqueeze(2) / info["scale"].unsqueeze(2) * (add @ own.transpose(1, 2) @ turn)
        due.append(theirs.run.stitching(source_theirs, aim))
    for name, pairs in added.items():
        a, b = (torch.cat([p[k].view(1, -1) for p in pairs]) for k in (0, 1))
        yield compare(f"landmarks2latents: retargeting of the {name}", a, b)
    yield compare("landmarks2latents: keypoints", torch.cat(mine), torch.cat(due))
    yield f"keypoints from {float(torch.cat(due).min()):.2f} to {float(torch.cat(due).max()):.2f}"

    for at in chosen(o.pictures, FRAMES):
        out = theirs.run.warp_decode(volume_theirs, source_theirs, due[at])["out"]
        yield compare(f"render: picture {at + 1}", stages["render"](volume, source, mine[at]), out, PIXELS)
