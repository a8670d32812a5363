# SPDX-License-Identifier: MIT OR Apache-2.0
"""Exports appearance, mouth and eyes with their golden tensors, and those of the geometry.

    python -m models.generator.export --weights BUILD_OF_TRAINING --samples SAMPLES --build models/build

. SAMPLES (tests/data will do) holds portrait-grace-hopper.jpg and portrait-astronaut.png: goldens come from
nothing else.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import torch.nn as nn

from .geometry import EYE_LEFT, EYE_RIGHT, MOUTH, affine_inverse, cut
from .golden import crop, geometry_goldens
from .model import Part
from .painters import CODE_ROWS, anchors
from .stage import write_stage
from .weights import load_part


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


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--weights", type=Path, required=True)
    ap.add_argument("--samples", type=Path, required=True)
    ap.add_argument("--build", type=Path, required=True)
    a = ap.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    photo, S = crop(a.samples / "portrait-grace-hopper.jpg")
    mouth, eyes = load_part(a.weights, "mouth"), load_part(a.weights, "eyes")
    im, L = photo[None].float() / 255, S[None]
    geometry = geometry_goldens(photo, S)

    look = frozen(Appearance(mouth, eyes), (im, L))
    write_stage(
        a.build, "appearance", look, {"photo": im, "landmarks": L}, ["source_latents", "mouth_code", "eye_code"], extra=geometry
    )
    with torch.no_grad():
        latents, mouth_look, eye_look = look(im, L)
        other, T = crop(a.samples / "portrait-astronaut.png")  # a traced graph must hold for another photo
        one, two = look(other[None].float() / 255, T[None]), Appearance(mouth, eyes)(other[None].float() / 255, T[None])
        assert all((x - y).abs().max() < 1e-4 for x, y in zip(one, two))

    code = latents[-CODE_ROWS:].reshape(1, -1)
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
