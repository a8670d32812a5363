"""Exports appearance, mouth, eyes and landmarks2latents with their golden tensors.

    python -m generator.export --weights BUILD_OF_TRAINING --samples SAMPLES --build models/build

(from models/). SAMPLES (tests/data will do) holds portrait-grace-hopper.jpg, portrait-astronaut.png and
speech-af_heart.wav: goldens come from nothing else. --features names the pack's audio front end for landmarks2latents' golden (zeros without it).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
from scipy.io import wavfile

from landmarks2latents.model import Landmarks2Latents

from .geometry import EYE_LEFT, EYE_RIGHT, KPS, MOUTH, affine_inverse, cut
from .golden import crop, driven, geometry_goldens
from .model import Part
from .painters import CODE_ROWS, anchors
from .stage import write_stage
from .weights import checkpoint, load_part


class Appearance(nn.Module):
    """forward(photo [1,3,512,512] 0..1, landmarks [1,478,3]) -> (source_latents [K,3], mouth_code [1,Cm], eye_code
    [2,Ce])
    """

    def __init__(self, mouth: Part, eyes: Part) -> None:
        super().__init__()
        self.mouth, self.eyes = mouth, eyes

    def forward(self, photo: torch.Tensor, landmarks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        T = self.mouth.geo.roi(landmarks, MOUTH)
        patch = cut(photo, T, self.mouth.n)
        look = self.mouth.appearance(patch, landmarks, T, MOUTH)
        md = self.mouth.geo.shape_maps(affine_inverse(T, landmarks[:, :, :2]), MOUTH, self.mouth.h)
        code = torch.cat([anchors(landmarks, T), self.mouth.learned_code(patch, md)], 1)
        eyes = []
        for which in (EYE_RIGHT, EYE_LEFT):
            E = self.eyes.geo.roi(landmarks, which)
            eyes.append(self.eyes.appearance(cut(photo, E, self.eyes.n), landmarks, E, which))
        latents = torch.cat([landmarks[0, self.mouth.geo.kp], code.view(CODE_ROWS, 3)], 0)
        return latents, look, torch.cat(eyes)


def frozen(m: nn.Module, example: tuple[torch.Tensor, ...] | None = None) -> torch.jit.ScriptModule:
    m = m.eval()
    return torch.jit.freeze(torch.jit.script(m) if example is None else torch.jit.trace(m, example, check_trace=False))


def milliseconds(m: torch.jit.ScriptModule, args: list[torch.Tensor]) -> float:
    with torch.no_grad():
        for _ in range(10):
            m(*args)
        t = []
        for _ in range(50):
            a = time.process_time()
            m(*args)
            t.append(time.process_time() - a)
    return min(t) * 1e3


def speech(path: Path, features: Path | None, frames: int, size: int, ahead: int) -> torch.Tensor:
    """Features [frames,4,128] from the middle of a sample recording; zeros without a front end."""
    if features is None:
        return torch.zeros(frames, 4, 128)
    front = torch.jit.load(str(features)).float()
    wave = wavfile.read(path)[1].astype(np.float32) / 32768
    ends = [(50 + i + 1) * 640 + ahead for i in range(frames)]
    with torch.no_grad():
        return torch.stack([front(torch.from_numpy(wave[e - size : e].copy())) for e in ends])


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--weights", type=Path, required=True)
    ap.add_argument("--samples", type=Path, required=True)
    ap.add_argument("--build", type=Path, required=True)
    ap.add_argument("--features", type=Path)
    ap.add_argument("--window", type=int, default=10480)
    ap.add_argument("--look-ahead", type=int, default=2560)
    a = ap.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    photo, S = crop(a.samples / "portrait-grace-hopper.jpg")
    mouth, eyes = load_part(a.weights, "mouth"), load_part(a.weights, "eyes")
    im, L = photo[None].float() / 255, S[None]
    geometry = geometry_goldens(photo, S)

    look = frozen(Appearance(mouth, eyes), (im, L))
    write_stage(
        a.build, "appearance", look, {"photo": im, "landmarks": L}, ["source_latents", "mouth_code", "eye_code"]
    )
    with torch.no_grad():
        latents, mouth_look, eye_look = look(im, L)
        other, T = crop(a.samples / "portrait-astronaut.png")  # a traced graph must hold for another photo
        one, two = look(other[None].float() / 255, T[None]), Appearance(mouth, eyes)(other[None].float() / 255, T[None])
        assert all((x - y).abs().max() < 1e-4 for x, y in zip(one, two))

    posed = torch.stack([driven(S, 0.02 * t, 2.0 * t, 1.0 * t, close_eye=False) for t in range(5)])
    net = Landmarks2Latents()
    net.load_state_dict(checkpoint(a.weights, "landmarks2latents", "landmarks2latents.train")["net"])
    net.eval().requires_grad_(False)
    sound = speech(a.samples / "speech-af_heart.wav", a.features, 5, a.window, a.look_ahead)
    emotion, state = torch.zeros(8), torch.zeros(net.state_size)
    emotion[1] = 0.5
    script = frozen(net)
    toml = f"[pack-extra.latents]\ncount = {len(KPS) + CODE_ROWS}\ncode-rows = {CODE_ROWS}\ncontrol-points = {KPS}\n"
    shapes = {"posed": [1, 478, 3], "features": [1, 4, 128], "latents": [1, len(KPS) + CODE_ROWS, 3]}
    write_stage(
        a.build,
        "landmarks2latents",
        script,
        {"posed": posed, "features": sound, "source_latents": latents, "emotion": emotion, "state": state},
        ["latents", "state"],
        shapes,
        geometry,
        toml,
    )
    with torch.no_grad():
        whole, _ = script(posed, sound, latents, emotion, state)
        s, rows = state, []
        for t in range(5):
            r, s = script(posed[t : t + 1], sound[t : t + 1], latents, emotion, s)
            rows.append(r)
        print(
            f"landmarks2latents {milliseconds(script, [posed[:1], sound[:1], latents, emotion, state]):.2f} ms, "
            f"frame by frame differs by {(torch.cat(rows) - whole).abs().max():.1e}"
        )
        D = geometry["geometry.D"][None]
        code = net(D, torch.zeros(1, 4, 80), latents, torch.zeros(8), state)[0][0, len(KPS) :].reshape(1, -1)

    script = frozen(mouth.painter.to(memory_format=torch.channels_last))
    args = {
        "patch": geometry["geometry.patch_mouth"][None],
        "maps": geometry["geometry.maps_mouth"][None],
        "code": code,
        "appearance": mouth_look,
    }
    write_stage(a.build, "mouth", script, args, ["rgb_delta", "alpha", "flow"])
    print(f"mouth {milliseconds(script, list(args.values())):.2f} ms")
    script = frozen(eyes.painter.to(memory_format=torch.channels_last))
    args = {
        "patch": torch.stack([geometry["geometry.patch_eye1"], geometry["geometry.patch_eye2"]]),
        "maps": torch.stack([geometry["geometry.maps_eye1"], geometry["geometry.maps_eye2"]]),
        "appearance": eye_look,
    }
    write_stage(a.build, "eyes", script, args, ["rgb_delta", "alpha", "flow"])
    print(f"eyes {milliseconds(script, list(args.values())):.2f} ms")


if __name__ == "__main__":
    main()
