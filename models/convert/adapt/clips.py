# SPDX-License-Identifier: MIT OR Apache-2.0
"""Clips as sequences: landmarks and pose of the face, what is heard, and the expression that the pack's motion extractor sees.

Each is measured once and kept in WORK, so that a run that was interrupted goes on.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from ...data.labels import EMOTIONS
from ...data.normalise import aperture, decompose, neutral_of
from ...landmarks2latents.sound import features_of, wave_of
from ..checkpoint import ConvertError
from .base import Base

ENDINGS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}
# Frames a second, as the pack `lite` has them.
RATE = 25
# Share of the frames that must show a face.
LEAST_SEEN = 0.9


@dataclass
class Clip:
    """A clip of T frames: normalised landmarks [T,478,3], pose [T,7], those of the resting face [478,3], features [T,4,80] (zeros
    without sound), expression [T,K,3], emotion [8].
    """

    name: str
    landmarks: np.ndarray
    pose: np.ndarray
    neutral: np.ndarray
    features: np.ndarray
    expression: np.ndarray
    emotion: np.ndarray


def frames(path: Path) -> Iterator[np.ndarray]:
    """RGB frames [H,W,3] at 25 a second, upright, decoded by ffmpeg."""
    rate = f"fps={RATE}:start_time=0"
    line = ["ffmpeg", "-v", "error", "-i", str(path), "-vf", rate, "-an", "-f", "image2pipe", "-c:v", "ppm", "-"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        pipe = process.stdout
        assert pipe is not None
        while pipe.readline().strip() == b"P6":
            width, height = map(int, pipe.readline().split())
            pipe.readline()
            data = pipe.read(3 * width * height)
            if len(data) < 3 * width * height:
                break
            yield np.frombuffer(data, np.uint8).reshape(height, width, 3)


def square(face: np.ndarray, recipe: dict) -> tuple[float, float, float]:
    """Left, top and side of the upright square around a face [478,2 or more] in pixels, as the plugin lays it."""
    points = face[recipe.get("points") or slice(None), :2]
    low, high = points.min(0), points.max(0)
    side = float((high - low).max()) * float(recipe["scale"])
    shift = np.array([recipe.get("vx", 0.0), recipe.get("vy", 0.0)]) * side
    left, top = (low + high) / 2 + shift - side / 2
    return float(left), float(top), side


def cut(frame: np.ndarray, box: tuple[float, float, float], side: int) -> torch.Tensor:
    """What a square shows of a frame, edges repeated: [1,3,side,side], 0 to 1."""
    left, top, length = box
    edge = int(np.ceil(max(0, -left, -top, left + length - frame.shape[1], top + length - frame.shape[0]))) + 1
    padded = np.pad(frame, ((edge, edge), (edge, edge), (0, 0)), mode="edge")
    place = (left + edge, top + edge, left + edge + length, top + edge + length)
    picture = Image.fromarray(padded).resize((side, side), Image.Resampling.BILINEAR, box=place)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255


def emotion_of(path: Path) -> np.ndarray:
    """The emotions that are words in the name of a clip or of its folder, [8]."""
    words = re.findall("[a-z]+", f"{path.parent.name} {path.stem}".lower())
    return np.array([float(name in words) for name in EMOTIONS], np.float32)


class Measurer:
    """Runs the pack's networks over clips."""

    def __init__(self, base: Base) -> None:
        crop = base.table("crop")
        if not isinstance(crop, dict):
            raise ConvertError(f"{base.folder} does not say how its square lies around a face ([crop])")
        self.base, self.recipe, self.side, self.mean = base, crop, base.side(), base.mean_face()
        self.source, self.front = base.stage("source"), base.stage("features")
        clock = base.table("clock")
        self.window, self.ahead = (int(clock[f"{k}-samples"]) for k in ("window", "look-ahead"))  # type: ignore[index]
        self.inputs = [t["name"] for t in base.entry("source")[1]["inputs"]]  # type: ignore[index]
        if self.inputs != ["photo"]:
            raise ConvertError(f"the stage source of {base.folder} takes {', '.join(self.inputs)}; photo alone is known here")
        outputs = [t["name"] for t in base.entry("source")[1]["outputs"]]  # type: ignore[index]
        self.at = outputs.index("expression")

    @torch.no_grad()
    def measure(self, path: Path) -> Clip | None:
        """One clip; none where it shows no face, or not all the time."""
        from ...data.track import landmarks

        lm, ok = landmarks(frames(path))
        if not len(ok) or ok.mean() < LEAST_SEEN:
            return None
        expression, pixels = [], []
        for frame, points in zip(frames(path), lm):
            height, width = frame.shape[:2]
            face = points * np.array([width, height, width], np.float32)
            seen = self.source(cut(frame, square(face, self.recipe), self.side))
            expression.append(seen[self.at][0].numpy())
            pixels.append(face)
        normalised, pose = decompose(np.stack(pixels), self.mean)
        try:
            wave = wave_of(path)
        except subprocess.CalledProcessError:
            wave = np.zeros(0, np.float32)
        n = len(normalised)
        silent = np.zeros((n, 4, 80), np.float32)
        features = features_of(self.front, self.window, self.ahead, wave, n) if len(wave) else silent
        rest = neutral_of(normalised, aperture(normalised)).astype(np.float32)
        return Clip(path.name, normalised, pose, rest, features, np.stack(expression).astype(np.float32), emotion_of(path))


def kept(work: Path, path: Path, pack: str) -> Path:
    """Where the measured clip lies: a changed clip or another pack is measured anew."""
    stat = path.stat()
    key = hashlib.sha256(f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns} {pack}".encode()).hexdigest()[:16]
    return work / f"{path.stem}-{key}.npz"


def load(base: Base, folder: Path, work: Path, least: int) -> list[Clip]:
    """All clips of a folder, at any depth, of so many frames at least.

    Raises ConvertError where there is none that can be used.
    """
    if not folder.is_dir():
        raise ConvertError(f"--clips {folder} is not a folder")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
    if not paths:
        raise ConvertError(f"--clips {folder} holds no video ({', '.join(sorted(ENDINGS))})")
    work.mkdir(parents=True, exist_ok=True)
    measurer, clips, unused = Measurer(base), [], []
    pack = str(base.entry("source")[1]["sha256"])  # type: ignore[index]
    with tqdm(paths, unit="clip", desc="measuring") as bar:
        for path in bar:
            file = kept(work, path, pack)
            if file.exists():
                with np.load(file) as z:
                    clip: Clip | None = Clip(path.name, **{k: z[k] for k in z.files})
            else:
                clip = measurer.measure(path)
                if clip is not None:
                    part = file.with_suffix(".part")
                    with part.open("wb") as f:
                        np.savez(f, **{k: v for k, v in vars(clip).items() if k != "name"})
                    os.replace(part, file)
            if clip is None or len(clip.landmarks) < least:
                unused.append(path.name)
            else:
                clips.append(clip)
    if unused:
        print(f"not used, as too short or without a face in most frames: {', '.join(unused)}")
    if not clips:
        raise ConvertError(f"no clip in {folder} shows a face for {least / RATE:.1f} s or longer")
    return clips
