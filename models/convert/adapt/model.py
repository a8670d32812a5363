# SPDX-License-Identifier: MIT OR Apache-2.0
"""Posed landmarks, audio features and emotion to the latent keypoints of a photo (SPACE, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...data.normalise import BROWS, EYES, JAW, LIPS
from ...landmarks2latents.film import Film
from ..liveportrait.geometry import placed

POINTS = [*LIPS, *EYES, *BROWS, *JAW]
HIDDEN = 128
HEARD = 48
# Degrees of a turn that count as one.
TURN = 30.0


class Adapted(nn.Module):
    """forward(landmarks [1,478,3] without pose, those of the photo `neutral`, pose [1,7], source_pose [7], crop_angle [1], features
    [1,4,80 or more], emotion [8], and of the photo source_latents, kp_canonical, expression [1,K,3], head [1,7], state [1,H]) ->
    latents [1,K,3], state

    Head and stitching are the pack's. What is learned is how the expression differs from the photo's, in units [3K] of how much it
    differs in the clips. Features of exact zeros mean "no audio".
    """

    def __init__(self, points: int, head: nn.Module, stitch: nn.Module) -> None:
        super().__init__()
        self.head, self.stitch, self.points = head, stitch, points
        self.turn = TURN
        self.register_buffer("chosen", torch.tensor(POINTS))
        self.register_buffer("unit", torch.ones(3 * points))
        n = 3 * len(POINTS)
        self.audio = nn.Sequential(nn.Linear(320, 64), nn.LeakyReLU(0.1), nn.Linear(64, HEARD), nn.Tanh())
        self.look = nn.Sequential(nn.Linear(2 * n + 3 + 3 * points, HIDDEN), nn.LeakyReLU(0.1))
        self.film = Film(HIDDEN)
        self.gru = nn.GRU(HIDDEN + HEARD + 1, HIDDEN)
        self.out = nn.Linear(2 * HIDDEN, 3 * points)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def learned(self) -> list[nn.Parameter]:
        """What training changes."""
        return [p for part in (self.audio, self.look, self.film, self.gru, self.out) for p in part.parameters()]

    def core(
        self,
        landmarks: Tensor,
        neutral: Tensor,
        turn: Tensor,
        expression: Tensor,
        features: Tensor,
        emotion: Tensor,
        state: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """landmarks [T,B,478,3], turn [T,B,3] degrees since the photo, features [T,B,4,80]; of the photo neutral [B,478,3], expression
        [B,3K]; emotion [B,8], state [1,B,H]: how the expression differs from the photo's, in units, [T,B,3K]; state.
        """
        t, b = landmarks.size(0), landmarks.size(1)
        rest = neutral[:, self.chosen].reshape(1, b, -1)
        moved = (landmarks[:, :, self.chosen].reshape(t, b, -1) - rest) * 10.0
        own = (expression / self.unit).unsqueeze(0)
        x = torch.cat([moved, rest.expand(t, -1, -1), turn / self.turn, torch.tanh(own * 0.1).expand(t, -1, -1)], 2)
        look = self.film(self.look(x), emotion)
        sound = features.reshape(t, b, -1)
        heard = (sound.abs().sum(-1, keepdim=True) > 0).to(sound.dtype)
        sound = self.audio((sound + 7.0) / 4.0) * heard
        h, last = self.gru(torch.cat([look, sound, heard], 2), state)
        return self.out(torch.cat([h, look], 2)), last

    def forward(
        self,
        landmarks: Tensor,
        neutral: Tensor,
        pose: Tensor,
        source_pose: Tensor,
        crop_angle: Tensor,
        features: Tensor,
        emotion: Tensor,
        source_latents: Tensor,
        kp_canonical: Tensor,
        expression: Tensor,
        head: Tensor,
        state: Tensor,
    ) -> tuple[Tensor, Tensor]:
        turn = (pose[:, :3] - source_pose.view(1, 7)[:, :3]).unsqueeze(0)
        own, sound = expression.view(1, -1), features[:, :, :80].unsqueeze(0)
        moved, last = self.core(
            landmarks.unsqueeze(0), neutral, turn, own, sound, emotion.view(1, -1), state.view(1, 1, -1)
        )
        exp = expression + (moved[0] * self.unit).view(1, self.points, 3)
        turned, shift, scale, _, _ = self.head(pose, source_pose, crop_angle, head)
        return self.stitch(source_latents, placed(kp_canonical, turned, exp, shift, scale)), last.view(1, -1)
