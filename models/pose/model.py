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
from torch import nn

AXES, HIDDEN = 7, 24
SMOOTH = 0.3  # one-pole smoothing of the push: muscles do not jerk
HUSH = 1.0  # loudness (levelled, mean of 0.2 s) below which a head begins to come to rest
CALM = 0.4  # of the push is left in silence
BRAKE = 0.3  # of the speed is lost in silence, a frame: in pauses people's heads move half as fast as in speech
STATE = HIDDEN + 6 * AXES + 4
STYLES = ["calm", "lively", "nodding", "turning"]


class Drive(nn.Module):
    """Speech loudness -> per-axis log liveliness and mean push."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(3, HIDDEN, batch_first=True)
        self.out = nn.Linear(HIDDEN, 2 * AXES)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        y, h = self.rnn(x, h)
        a, b = torch.chunk(self.out(y), 2, 2)
        return 1.5 * torch.tanh(a / 1.5), torch.tanh(b), h


def loudness(rows: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Levelled rows [T,4,80] -> (now, fast mean, slow mean) [T,3]."""
    now = rows.mean(2).mean(1)
    fast, slow = state[0], state[1]
    out = []
    for i in range(now.shape[0]):
        fast = fast + 0.2 * (now[i] - fast)
        slow = slow + 0.03 * (now[i] - slow)
        out.append(torch.stack([now[i], fast, slow]))
    return torch.stack(out), torch.stack([fast, slow])


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
        h = state[: self.hidden].reshape(1, 1, -1)
        z = state[self.hidden : self.hidden + 14].reshape(2, 7)
        v = state[self.hidden + 14 : self.hidden + 28].reshape(2, 7)
        f = state[self.hidden + 28 : self.hidden + 42].reshape(2, 7)
        rows, level = self.level(features[None, :, :, :80], state[-4:-2][None])
        loud, means = loudness(rows[0], state[-2:])
        lively, mean, h = self.drive(loud[None], h)
        rest = 1.0 - torch.clamp(loud[:, 1] / self.hush, 0.0, 1.0)
        calm = 1.0 - (1.0 - self.calm) * rest
        hold = 1.0 - self.brake * rest
        way = torch.clamp(style, -1.0, 1.0) @ self.styles
        tempo = torch.exp(torch.clamp(way[7], -0.7, 0.7))
        # a faster oscillator needs a stronger push for the same spread
        k, c, strength = self.k * tempo * tempo, self.c * tempo, self.push * tempo.pow(1.5)
        push = torch.clamp(noise[:, :7], -3.0, 3.0) * torch.exp(lively[0]) * calm[:, None]
        nod = self.nod * mean[0] * calm[:, None]
        out = []
        for i in range(features.shape[0]):
            force = torch.stack([push[i], push[i] * noise[i, 7:8].sign()]) * strength + torch.stack(
                [torch.zeros_like(nod[i]), nod[i]]
            )
            f = f + self.smooth * (force - f)
            v = v * ((1 - c) * hold[i]) - k * z + f
            z = z + v
            out.append(z.sum(0))
        move = torch.stack(out) @ self.unwhiten
        move = move * torch.exp(torch.clamp(way[:7], -1.5, 1.5)) * self.gain
        unit = initial_pose[6]
        pose = torch.cat(
            [initial_pose[:3] + move[:, :3], initial_pose[3:6] + move[:, 3:6] * unit, (unit * torch.exp(move[:, 6:7]))],
            1,
        )
        return pose, torch.cat([h.reshape(-1), z.reshape(-1), v.reshape(-1), f.reshape(-1), level[0], means])
