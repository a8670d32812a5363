# SPDX-License-Identifier: MIT OR Apache-2.0
"""Head pose generator: forward(features[T,4,80 or more], initial_pose[7], style[4], noise[T,8], state) ->
(pose[T,7], state).

Motion lives in 7 whitened axes. Each is the sum of a slow and a fast damped oscillator, pushed by the caller's
noise and by a GRU that hears the speech (its log-mel, the first 80 columns): it sets how lively the moment is and nods
along. The oscillators always pull back to the initial pose and the push is bounded, so the head cannot drift away however long the stream runs.
style: one weight a way of moving, found by clustering clips (`STYLES`); all zero is their mixture, one-hot a pure
style, anything between a blend. state = [GRU | z of slow, fast | v of slow, fast | smoothed push of slow, fast |
level 2 | loudness 2].
"""

import torch
import torch.nn.functional as F
from torch import nn

from models.cell import steps

AXES, HIDDEN = 7, 24
SMOOTH = 0.3  # one-pole smoothing of the push: muscles do not jerk
HUSH = 1.0  # loudness (levelled, mean of 0.2 s) below which a head begins to come to rest
CALM = 0.4  # of the push is left in silence
BRAKE = 0.3  # of the speed is lost in silence, a frame: in pauses people's heads move half as fast as in speech
MEANS = [0.2, 0.03]  # share of a frame in the fast and the slow mean of the loudness
STATE = HIDDEN + 6 * AXES + 4
STYLES = ["calm", "lively", "nodding", "turning"]


class Drive(nn.Module):
    """Speech loudness -> per-axis log liveliness and mean push."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(3, HIDDEN, batch_first=True)
        self.out = nn.Linear(HIDDEN, 2 * AXES)
        nn.init.zeros_(self.out.weight)

    def said(self, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both [B,T,7] of what the GRU gives [B,T,H]."""
        a, b = torch.chunk(self.out(y), 2, 2)
        return 1.5 * torch.tanh(a / 1.5), torch.tanh(b)

    @torch.jit.unused
    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Many moments [B,T,3] at once, for training."""
        y, h = self.rnn(x, h)
        return *self.said(y), h

    def frames(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Frame by frame [T,3], as the stage runs."""
        net = self.rnn
        y, h = steps(x[:, None], net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0, net.bias_hh_l0, h)
        lively, mean = self.said(y)
        return lively[:, 0], mean[:, 0], h


def loudness(rows: torch.Tensor, state: torch.Tensor, haste: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Levelled rows [T,4,80] -> (now, fast mean, slow mean) [T,3]; `haste` [2] of both means."""
    now, out = rows.mean([1, 2]), []
    for one in now.split(1):
        state = torch.lerp(state, one, haste)
        out.append(torch.cat([one, state]))
    return torch.stack(out), state


class Pose(nn.Module):
    def __init__(self, level: nn.Module, drive: Drive, tables: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.level, self.drive = level, drive
        for (
            k,
            v,
        ) in (
            tables.items()
        ):  # k [2,7], c [2,7], push [2,7], unwhiten [7,7] (whitened rows -> degrees / inter-ocular units), nod [7],
            # gain [7], styles [4,8] (log of the gain of each axis, log of the tempo)
            self.register_buffer(k, v)
        self.register_buffer("means", torch.tensor(MEANS))
        self.hidden: int = HIDDEN
        self.smooth: float = SMOOTH
        self.hush: float = HUSH
        self.calm: float = CALM
        self.brake: float = BRAKE

    def forward(
        self,
        features: torch.Tensor,
        initial_pose: torch.Tensor,
        style: torch.Tensor,
        noise: torch.Tensor,
        state: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        n = features.shape[0]
        h, z, v, f, level, means = torch.split(state, [self.hidden, 14, 14, 14, 2, 2])
        z, v, f = z.view(2, 7), v.view(2, 7), f.view(2, 7)
        rows, level = self.level(features[None, :, :, :80], level[None])
        loud, means = loudness(rows[0], means, self.means)
        lively, mean, h = self.drive.frames(loud, h[None])
        rest = 1.0 - torch.clamp(loud[:, 1:2] / self.hush, 0.0, 1.0)
        calm = 1.0 - (1.0 - self.calm) * rest
        hold = 1.0 - self.brake * rest
        way = torch.clamp(style, -1.0, 1.0) @ self.styles
        gain, tempo = torch.split(way, [7, 1])
        tempo = torch.exp(torch.clamp(tempo, -0.7, 0.7))
        # a faster oscillator needs a stronger push for the same spread
        k, c, strength = self.k * tempo * tempo, self.c * tempo, self.push * tempo.pow(1.5)
        noise, sign = torch.split(noise, [7, 1], 1)
        push = torch.clamp(noise, -3.0, 3.0) * torch.exp(lively) * calm
        force = torch.stack([push, push * sign.sign()], 1) * strength
        # the fast oscillator nods along
        force = force + F.pad((self.nod * mean * calm)[:, None], [0, 0, 1, 0])
        brake = (1.0 - c) * hold.view(n, 1, 1)
        out = []
        for pushed, braked in zip(force.unbind(0), brake.unbind(0)):
            f = torch.lerp(f, pushed, self.smooth)
            v = torch.addcmul(torch.addcmul(f, v, braked), k, z, value=-1.0)
            z = z + v
            out.append(z)
        move = torch.stack(out).sum(1) @ self.unwhiten
        move = move * (torch.exp(torch.clamp(gain, -1.5, 1.5)) * self.gain)
        turn, way, scale = torch.split(move, [3, 3, 1], 1)
        turn0, way0, unit = torch.split(initial_pose, [3, 3, 1])
        pose = torch.cat([turn0 + turn, torch.addcmul(way0, way, unit), unit * torch.exp(scale)], 1)
        return pose, torch.cat([h[0], z.view(-1), v.view(-1), f.view(-1), level[0], means])
