# SPDX-License-Identifier: MIT OR Apache-2.0
"""Speech2Landmarks: log-mel rows and encoder tokens -> normalised landmarks, with FiLM emotion conditioning and an explicit
state.

state = [8 x 80 feature rows of the two frames before | GRU state | level: running offset, weight | frames without voice, how
far the mouth is shut for it]
An all-zero state is the start; T frames at once and one by one give the same numbers. Zero features mean silence.
"""

import torch
import torch.nn.functional as F
from torch import nn

from models.features.model import LOOK_AHEAD

BANDS, ROWS, PAST, HIDDEN, CODE = 80, 4, 8, 192, 16
TOKENS, HEARD = 192, 128  # numbers of a frame's encoder tokens, and what is made of them
LEVEL0, ACTIVE, RANGE, FLOOR, SCALE = 0.7, 4.6, 5.0, 8.0, 3.0
# What stays this much below the level (natural logarithm of power: 13 dB) is no voice; a shut mouth opens for what is so much
# louder. So many frames after a voice the mouth shuts, within two frames: a recurrent net alone may go on for seconds, whatever
# it was trained on. Unseen, it does go on, since people open the mouth before they speak on, and forgets after a second.
VOICE, MORE, PAUSE, SHUTTING, FORGET = 3.0, 1.0, 9.5, 0.5, 25.0
STATE = PAST * BANDS + HIDDEN + 4
FRAME = 640  # samples of a video frame
# samples of look-ahead of each net, by the name of its stage
AHEAD = {"speech2landmarks": LOOK_AHEAD, "speech2landmarks-low": 1280, "speech2landmarks-minimal": 320}
# A recurrent net follows late, by up to a third of a frame on people whom training has not seen, and by a whole one where it hears
# little ahead: its answer is taken so many frames onwards along its own way.
HASTE = {"speech2landmarks": 0.2, "speech2landmarks-low": 0.2, "speech2landmarks-minimal": 0.5}


class Level(nn.Module):
    """Causal running level of active speech; maps log-mel rows to level-free rows where 0 is silence."""

    def __init__(self) -> None:
        super().__init__()
        self.level0: float = LEVEL0
        self.active: float = ACTIVE
        self.range: float = RANGE
        self.floor: float = FLOOR
        self.scale: float = SCALE

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x [B,T,4,80], state [B,2] -> rows [B,T,4,80], state. Energy is the loudest of a frame's four rows."""
        energy = torch.logsumexp(x, 3).amax(2) - 4.38
        off, weight = state[:, 0], state[:, 1]
        levels = []
        for i in range(x.shape[1]):
            over = energy[:, i] - (self.level0 + off)
            gate = torch.sigmoid(2.0 * (over + self.active))
            # audible but far below the level: a quiet talker; walk down
            gate = torch.maximum(gate, 0.25 * torch.sigmoid(2.0 * (energy[:, i] + 8.5)))
            weight = torch.clamp(weight + gate, 0.0, 60.0)
            off = torch.clamp(off + gate * over / (weight + 8.0), -self.range, self.range)
            levels.append(off)
        level = torch.stack(levels, 1) + self.level0
        return torch.relu(x - level[:, :, None, None] + self.floor) / self.scale, torch.stack([off, weight], 1)


class Pause(nn.Module):
    """Counts frames without voice: how much of what the net says is shown, and how much of its state is kept."""

    def __init__(self, ahead: int) -> None:
        """`ahead`: frames of look-ahead, which hear a voice end so much earlier."""
        super().__init__()
        self.floor: float = FLOOR - VOICE
        self.more: float = MORE
        self.scale: float = SCALE
        self.pause: float = PAUSE + ahead
        self.shutting: float = SHUTTING
        self.forget: float = FORGET

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Level-free rows [B,T,4,80], state [B,2] -> share that is shown [B,T], that is kept before a frame [B,T], state."""
        loud = (torch.logsumexp(x * self.scale, 3) - 4.38).amax(2)
        silent, shut = state[:, 0], state[:, 1]
        shown, keep = [], []
        for i in range(x.shape[1]):
            quiet = torch.clamp(5.0 * (self.floor + self.more * shut - loud[:, i]) + 0.5, 0.0, 1.0)
            silent = torch.clamp((silent + 1.0) * quiet, max=100.0)
            shut = torch.clamp(shut + self.shutting * torch.clamp(2.0 * (silent - self.pause), -1.0, 1.0), 0.0, 1.0)
            shown.append(1.0 - shut)
            keep.append(1.0 - 0.5 * torch.clamp(silent - self.forget, 0.0, 1.0))
        return torch.stack(shown, 1), torch.stack(keep, 1), torch.stack([silent, shut], 1)


class Net(nn.Module):
    """The trained part: level-free rows, tokens, identity code and emotion -> coefficients of the basis."""

    def __init__(self, coefs: int, ids: int, phones: int = 17) -> None:
        super().__init__()
        self.c1 = nn.Conv1d(BANDS, 128, 4, 2)
        self.c2 = nn.Conv1d(128, HIDDEN, 5, 2)
        self.heard = nn.Linear(TOKENS, HEARD)
        self.ident = nn.Linear(ids, CODE)
        self.film1 = nn.Linear(7, 32, bias=False)
        self.film2 = nn.Linear(32, 2 * (HIDDEN + HEARD + CODE), bias=False)
        nn.init.normal_(self.film2.weight, 0, 0.01)
        self.rnn = nn.GRU(HIDDEN + HEARD + CODE, HIDDEN, batch_first=True)
        self.out = nn.Linear(HIDDEN, coefs)
        self.emo = nn.Linear(7, coefs, bias=False)
        self.phone = nn.Linear(HIDDEN, phones)
        self.drop = nn.Dropout(0.25)
        self.haste: float = 0.0

    def forward(
        self,
        rows: torch.Tensor,
        tokens: torch.Tensor,
        ident: torch.Tensor,
        emotion: torch.Tensor,
        h: torch.Tensor,
        shown: torch.Tensor | None = None,
        keep: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """rows [B,8+4T,80], tokens [B,T,192], ident [B,I], emotion [B,8], h [1,B,H] -> coefficients [B,T,K], hidden
        [B,T,H], h. `shown` [B,T]: the rest is what a net says that has heard nothing before; `keep` [B,T]: share of h that
        is kept before a frame, as a stage runs (all, as training does).
        """
        x = F.relu(self.c2(F.relu(self.c1(rows.transpose(1, 2))))).transpose(1, 2)
        i = torch.tanh(self.ident(ident))
        e = emotion[:, 1:]
        gain, bias = torch.chunk(self.film2(F.relu(self.film1(e))), 2, 1)  # no biases: linear in the intensity
        y = F.relu(self.heard(self.drop(tokens)))
        x = torch.cat([self.drop(x), self.drop(y), i[:, None].expand(-1, x.shape[1], -1)], 2)
        x = x * (1 + gain[:, None]) + bias[:, None]
        if keep is None:
            y, h = self.rnn(x, h)
        else:
            said = []
            for n in range(x.shape[1]):
                before = h * keep[:, n : n + 1]
                y, h = self.rnn(x[:, n : n + 1], before)
                said.append(y + self.haste * (y - before[0][:, None]))
            y = torch.cat(said, 1)
        if shown is not None:
            b, t = x.shape[0], x.shape[1]
            rest = self.rnn(x.reshape(b * t, 1, -1), torch.zeros_like(y).reshape(1, b * t, -1))[0].reshape(b, t, -1)
            y = rest + (y - rest) * shown[:, :, None]
        return self.out(self.drop(y)) + self.emo(e)[:, None], y, h


class Speech2Landmarks(nn.Module):
    """The exported stage around Net: state packing, identity code, closed rest pose, basis, lips that never cross."""

    def __init__(self, net: Net, tables: dict[str, torch.Tensor], name: str) -> None:
        """`name`: that of the stage, which tells the look-ahead."""
        super().__init__()
        self.level, self.pause, self.net = Level(), Pause(AHEAD[name] // FRAME), net
        net.haste = HASTE[name]
        # basis [K,1434], mean [1434], ids [I,1434], rest [R+1,K0], basis_rest [K0,1434], calm [81,K],
        # basis_calm [K,1434], up, low, lips, strength, pull
        for k, v in tables.items():
            self.register_buffer(k, v)
        self.touch: float = 0.002
        self.past: int = PAST * BANDS

    def gaps(self, identity: torch.Tensor) -> torch.Tensor:
        """Lip gaps and mouth width of a face, and a constant: inputs of the rest-pose regression."""
        g = identity[self.low] - identity[self.up]
        return torch.cat(
            [g[:, 1], g[:, 2], torch.linalg.vector_norm(identity[291:292] - identity[61:62], dim=1), torch.ones(1)]
        )

    def mouth(self, identity: torch.Tensor) -> torch.Tensor:
        """Outline of the lips against the mean face, and a constant: inputs of the regression of calm.py."""
        away = identity - self.mean.reshape(478, 3)
        return torch.cat([torch.clamp(away[self.lips][:, :2], -0.1, 0.1).reshape(-1), torch.ones(1)])

    def forward(
        self, features: torch.Tensor, identity: torch.Tensor, emotion: torch.Tensor, state: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        n = features.shape[0]
        past, h, lev, silent = state[: self.past], state[self.past : -4], state[-4:-2], state[-2:]
        x, lev = self.level(features[None, :, :, :80], lev[None])
        shown, keep, silent = self.pause(x, silent[None])
        tokens = features[:, :, 80:].reshape(1, n, -1)
        rows = torch.cat([past.reshape(1, -1, 80), x.reshape(1, n * 4, 80)], 1)
        flat = identity.reshape(-1)
        code = torch.clamp(self.ids @ (flat - self.mean), -3.0, 3.0)
        felt = (torch.clamp(emotion, 0.0, 1.5) * self.strength)[None]
        c, _, h = self.net(rows, tokens, code[None], felt, h.reshape(1, 1, -1), shown, keep)
        base = flat + (self.gaps(identity) @ self.rest) @ self.basis_rest
        base = base + (self.mouth(identity) @ self.calm) @ self.basis_calm
        face = (base + c[0] @ self.basis).reshape(n, 478, 3)
        # small gaps are drawn together (an almost closed p is a closed p), and lips touch but never cross
        up, low = face.index_select(1, self.up), face.index_select(1, self.low)
        gap = low[:, :, 1] - up[:, :, 1]
        open_ = torch.relu(gap)
        move = (torch.clamp(open_ * open_ / (open_ + self.pull), min=self.touch) - gap) / 2
        move = torch.stack([torch.zeros_like(move), move, torch.zeros_like(move)], 2)
        face = face.index_add(1, self.up, -move).index_add(1, self.low, move)
        return face, torch.cat([rows[0, -8:].reshape(-1), h.reshape(-1), lev[0], silent[0]])
