# SPDX-License-Identifier: MIT OR Apache-2.0
"""SadTalker's stages beside upstream's own code (`models.convert.parity`)."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from scipy.io import savemat, wavfile
from scipy.signal import savgol_filter
from torch import Tensor

from .. import sample
from ..parity import EVEN, PIXELS, Changes, Row, change, chosen, compare, packed
from .config import Config
from .convert import MAIN, MAPPING, checkpoints
from .hearing import LOOK_AHEAD, WINDOW, next_number, window_of
from .layouts import BLOCK
from .mapping import RADIUS
from .motion import SMOOTH, STATE, to_coefficients
from .photo import FACE, FIRST, SECOND
from .stages import LEAST_SHARE, build

URL = "github.com/OpenTalker/SadTalker"
MODULES = [
    "src.generate_batch",
    "src.test_audio2coeff",
    "src.generate_facerender_batch",
    "src.face3d.models.networks",
    "src.face3d.util.preprocess",
    "src.face3d.util.load_mats",
    "src.facerender.modules.keypoint_detector",
    "src.facerender.modules.mapping",
    "src.facerender.modules.generator",
    "src.facerender.modules.make_animation",
]
# Pictures of 3 s, and the first of them: the two before hear 12.5 ms less than upstream's (card.md).
FRAMES, BEGIN = 75, 2
# Upstream's sound goes on for some pictures, because the last windows of a file repeat its last mel frame.
MORE = 3
STYLE, SEED = 7, 0
# Of the 68 landmarks, those that stand for `FIRST` and `SECOND`.
MARKS = [(36, 39), (42, 45), (30, 30), (48, 48), (54, 54)]


def config(o: argparse.Namespace) -> Config:
    """What the command line asks for."""
    return replace(Config(), image=o.size, coefficients=73 if o.full else 70)


def given(o: argparse.Namespace, files: Path) -> dict[str, Tensor]:
    """Writes the checkpoints; returns photo, its landmarks, 3 s of speech and what is beyond them."""
    c = config(o)
    checkpoints(files, c, SEED)
    # Expressions are as large as trained ones and keypoints lie about the picture. The crop's numbers are large.
    small = 0.004 if o.full else 0.05
    nearer: Changes = {"fc_exp.weight": (small, 0.0), "fc_t.weight": (small, 0.0)}
    change(files / f"{MAPPING[c.coefficients]}.pth.tar", nearer)
    changes: Changes = {"audio2exp.mapping1.weight": (0.1, 0.0)}
    if not o.sharp:
        changes["dense_motion_network.mask.weight"] = (EVEN, 0.0)
    change(files / f"{MAIN.format(image=c.image)}.safetensors", changes)
    photo = torch.round(sample.photo(c.image) * 255)
    sound = sample.sound((BEGIN + FRAMES + MORE) * 640, 1.0)
    return {"photo": photo, "landmarks": sample.landmarks(), "sound": sound, "pose": sample.face()[1]}


class Upstream:
    """Upstream's networks with the weights of the files."""

    def __init__(self, o: argparse.Namespace, files: Path, code: list[ModuleType]) -> None:
        self.batch, hearing, self.windows, recon, self.crop, mats, kp, mapping, generator, self.animation = code
        c, settings = config(o), o.upstream / "src" / "config"
        main = files / f"{MAIN.format(image=c.image)}.safetensors"
        with (settings / f"facerender{'_still' if o.full else ''}.yaml").open() as f:
            params = hearing.CN.load_cfg(f)["model_params"]
        common = params["common_params"]
        self.hear = hearing.Audio2Coeff(
            {
                "audio2pose_yaml_path": str(settings / "auido2pose.yaml"),
                "audio2exp_yaml_path": str(settings / "auido2exp.yaml"),
                "use_safetensor": True,
                "checkpoint": str(main),
            },
            "cpu",
        )
        self.kp = kp.KPDetector(**params["kp_detector_params"], **common).eval()
        self.generator = generator.OcclusionAwareSPADEGenerator(**params["generator_params"], **common).eval()
        self.mapping = mapping.MappingNet(**params["mapping_params"]).eval()
        self.recon = recon.define_net_recon("resnet50", use_last_fc=False, init_path="").eval()
        content = load_file(str(main))
        for net, section in ((self.kp, "kp_extractor"), (self.generator, "generator"), (self.recon, "face_3drecon")):
            net.load_state_dict(hearing.load_x_from_safetensor(content, section))
        self.mapping.load_state_dict(torch.load(files / f"{MAPPING[c.coefficients]}.pth.tar")["mapping"])
        self.face3d = mats.load_lm3d(str(settings))
        self.volume = torch.zeros(0)
        self.generator.resblocks_3d.register_forward_hook(self.keep)

    def double(self) -> None:
        """Double precision from here on."""
        for net in (self.hear.audio2exp_model, self.hear.audio2pose_model, self.kp, self.generator, self.mapping, self.recon):
            net.double()

    def keep(self, _net: object, _given: object, volume: Tensor) -> None:
        self.volume = volume

    def see(self, levels: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """The picture that the 3DMM is read from, and the 3DMM numbers with the crop's, out of a photo of 256 levels."""
        side, at = levels.shape[-1], landmarks[0, :, :2].double().numpy() * levels.shape[-1]
        marks = np.zeros((68, 2))
        for (a, b), first, second in zip(MARKS, FIRST, SECOND):
            marks[a], marks[b] = (at[first], at[second]) if a != b else ((at[first] + at[second]) / 2,) * 2
        marks[:, 1] = side - 1 - marks[:, 1]
        picture = Image.fromarray(levels[0].permute(1, 2, 0).byte().numpy())
        # Upstream's align_img does just this, but makes an array that numpy refuses since 1.24.
        moved, size = self.crop.POS(self.crop.extract_5p(marks).transpose(), self.face3d.transpose())
        face, _, _ = self.crop.resize_n_crop_img(picture, marks, moved, FACE / size)
        seen = torch.from_numpy(np.array(face)).permute(2, 0, 1)[None].to(torch.get_default_dtype()) / 255
        numbers = self.recon(seen)
        crop = torch.tensor([[FACE / size, *moved.flatten()]], dtype=numbers.dtype)
        return seen, torch.cat([numbers[:, 80:144], numbers[:, 224:227], numbers[:, 254:257], crop], 1)

    def placed(self, kp: Tensor, windows: list[np.ndarray]) -> Tensor:
        """Keypoints of windows of 3DMM numbers."""
        seen = torch.from_numpy(np.stack(windows)).to(kp.dtype)
        return self.animation.keypoint_transformation({"value": kp}, self.mapping(seen))["value"]

    def draw(self, photo: Tensor, source: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        return self.generator(photo, kp_source={"value": source}, kp_driving={"value": wanted})


def motion(net: torch.nn.Module, heard: list[Tensor], seen: Tensor, initial: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """The pose stage over a stream: poses [T,7] and the 3DMM numbers [T,6] that they are."""
    torch.manual_seed(SEED)
    noise = [torch.randn(1, 64) for _ in range(frames // BLOCK)]
    state, poses = torch.zeros(STATE), []
    state[0] = BEGIN
    for t in range(frames):
        style = torch.eye(45)[STYLE - 1]
        pose, state = net(heard[t], noise[max(0, t - 1) // BLOCK], style, state, initial[0], seen)
        poses.append(pose)
    return torch.cat(poses), torch.cat([to_coefficients(p[None], initial, seen[:, 64:70]) for p in torch.cat(poses)])


def rows(
    o: argparse.Namespace,
    files: Path,
    samples: dict[str, Tensor],
    theirs: Upstream,
    tensors: dict[str, dict[str, Tensor]],
) -> Iterator[Row | str]:
    """Both sides, stage by stage."""
    c, kind = config(o), torch.get_default_dtype()
    stages = {name: packed(net, o.double) for name, net in build(tensors, c).items()}
    photo, landmarks, pose = (samples[k].to(kind) for k in ("photo", "landmarks", "pose"))
    photo = photo / 255

    # What is seen in the photo.
    face, coefficients = theirs.see(samples["photo"], samples["landmarks"])
    yield compare("source: picture of the 3DMM", stages["source"].align(photo, landmarks)[0], face, PIXELS)
    source, exp, seen, kp = stages["source"](photo, landmarks)
    coefficients = coefficients[:, : c.coefficients]
    yield compare("source: 3DMM numbers", seen[:, :70], coefficients[:, :70])
    if o.full:
        yield compare("source: numbers of the crop", seen[:, 70:], coefficients[:, 70:])
    kp_theirs = theirs.kp(photo)["value"]
    yield compare("source: canonical keypoints", kp, kp_theirs)
    still = theirs.windows.transform_semantic_1(coefficients.numpy(), RADIUS)
    source_theirs = theirs.placed(kp_theirs, [still])
    yield compare("source: keypoints of the photo", source, source_theirs)
    volume = stages["appearance"](photo)

    # What is heard in 3 s.
    wavfile.write(files / "sound.wav", 16000, (samples["sound"] * 32768).short().numpy())
    savemat(files / "photo.mat", {"coeff_3dmm": coefficients.numpy()})
    random.seed(SEED)
    batch = theirs.batch.get_data(str(files / "photo.mat"), str(files / "sound.wav"), "cpu", None)
    mels = batch["indiv_mels"][0, :, 0].transpose(1, 2)[BEGIN : BEGIN + FRAMES]
    sound = torch.nn.functional.pad(samples["sound"].to(kind), (WINDOW, WINDOW))
    ends = [WINDOW + 640 * (i + 1) + LOOK_AHEAD for i in range(BEGIN, BEGIN + FRAMES)]
    heard = [stages["features"](sound[end - WINDOW : end]) for end in ends]
    number, found = BEGIN, []
    for features in heard:
        found.append(window_of(features, number))
        number = next_number(number)
    yield compare("features: mel frames", torch.stack(found), mels)

    said_theirs = theirs.hear.audio2exp_model.test(batch)["exp_coeff_pred"][0, BEGIN : BEGIN + FRAMES]
    state, said = torch.full((1,), float(BEGIN)), []
    for i, features in enumerate(heard):
        out, state = stages["speech2landmarks"](features, exp, batch["ratio_gt"][0, BEGIN + i], state)
        said.append(out)
    yield compare("speech2landmarks: expression", torch.cat(said), said_theirs)

    # Three blocks of motion, told of the sound of the block before, as the stage is.
    frames = 3 * BLOCK + 1
    late = [max(0, j - BLOCK + 1) + BEGIN for j in range(frames)]
    told = {"ref": batch["ref"], "class": torch.tensor([STYLE]), "num_frames": frames, "indiv_mels": batch["indiv_mels"][:, late]}
    torch.manual_seed(SEED)
    moved_theirs = theirs.hear.audio2pose_model.test(told)["pose_pred"].numpy()
    half = len(SMOOTH) // 2
    smooth = torch.from_numpy(savgol_filter(moved_theirs, len(SMOOTH), 2, axis=1))[0, half : frames - half]
    heard += heard[-1:] * (frames - len(heard))
    poses, moved = motion(stages["pose"], heard, seen, pose, frames)
    yield compare("pose: smoothed motion", moved[2 * half :], smooth)

    # Keypoints of each picture, with upstream's window cut off behind it.
    face_state = torch.tensor([0, 0, 0, 1, 1, 1, 0], dtype=kind)
    state, latents, windows = torch.zeros(1 + RADIUS * c.coefficients), [], []
    frames = min(FRAMES, len(smooth))
    series = torch.cat([said_theirs[:frames], smooth[:frames], coefficients[:, 70:].expand(frames, -1)], 1).numpy()
    for i in range(frames):
        now = poses[2 * half + i : 2 * half + i + 1]
        given = (said[i], now, pose[0], face_state, torch.zeros(2), state, seen, kp)
        out, state = stages["landmarks2latents"](*given)
        latents.append(out)
        windows.append(theirs.windows.transform_semantic_target(series[: i + 1], i, RADIUS))
    wanted = theirs.placed(kp_theirs, windows)
    yield compare("landmarks2latents: keypoints", torch.cat(latents), wanted)
    yield f"keypoints from {float(wanted.min()):.2f} to {float(wanted.max()):.2f}"

    for i, at in enumerate(chosen(o.pictures, frames)):
        out = theirs.draw(photo, source_theirs, wanted[at : at + 1])
        if i == 0:
            yield compare("appearance: volume", volume, theirs.volume)
        yield compare(f"render: picture {at + 1}", stages["render"](volume, source, latents[at]), out["prediction"], PIXELS)
        near = float(((out["mask"] / LEAST_SHARE).log().abs() < 1e-3).double().mean())
        yield f"picture {at + 1}: smallest share {float(out['mask'].min()):.1e}, within a thousandth of the threshold {near:.1e} of them"
